//! Whatever happens in a seed, what was recorded of its coordinator is replayed byte by byte; and a decision that was changed is
//! noticed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::replay::codec::pieces;
use pilotage_coordinator_core::replay::{Checkpoint, Piece, Place, Player, Turn};
use pilotage_shared::time::Millis;
use pilotage_simulator::seed::Scale;
use pilotage_simulator::seed::world::make;
use pilotage_simulator::story::deed::Deed;

const SEEDS: u64 = 40;

fn recorded(seed: u64) -> Vec<Piece> {
    let mut run = make(seed, Scale::default());
    run.stage.sim.coordinator.record(run.stage.now());
    run.open();
    let end = run.stage.now() + Millis::seconds(120);
    while run.stage.now() < end && run.stage.sim.promises.broken.is_none() {
        let pause = run.rng.below(20_000);
        run.perform(Deed::Tick(Millis(pause)));
        run.act();
    }
    // In some seeds another coordinator has taken its place, of which nothing is recorded.
    run.stage.sim.coordinator.recording.take().map_or_else(Vec::new, |recording| pieces(&recording.bytes).unwrap())
}

/// Plays what comes behind the first checkpoint; every few turns the world goes through a checkpoint and back.
fn replay(pieces: &[Piece], each: &mut dyn FnMut(&Turn)) -> Result<(), String> {
    let mut player: Option<Player> = None;
    for (n, piece) in pieces.iter().enumerate() {
        match (piece, &mut player) {
            (Piece::Checkpoint(checkpoint), None) => player = Some(Player::load(checkpoint)),
            (Piece::Checkpoint(checkpoint), Some(player)) => {
                player.meet(checkpoint).map_err(|d| format!("{d:?}"))?;
            }
            (Piece::Turn(turn), Some(player)) => {
                player.turn(turn).map_err(|d| format!("at {n}: {d:?}"))?;
                each(turn);
                if n % 50 == 0 {
                    through_a_checkpoint(player)?;
                }
            }
            (Piece::Turn(_), None) => return Err("a turn before any checkpoint".into()),
        }
    }
    Ok(())
}

fn through_a_checkpoint(player: &mut Player) -> Result<(), String> {
    let again = Checkpoint::of(&player.world, &player.dirty, player.now).world();
    let old = &player.world;
    let same =
        (again.live == old.live, again.due == old.due, again.groups == old.groups, again.strays == old.strays, again.member_of == old.member_of);
    if same != (true, true, true, true, true) {
        return Err(format!("a checkpoint is not the whole world: {same:?}\n{:?}\n{:?}", again.due, old.due));
    }
    player.world = again;
    Ok(())
}

#[test]
fn every_seed_is_replayed_byte_by_byte() {
    let (mut inputs, mut planned, mut short, mut seeds) = (0, 0, 0, 0);
    for seed in 1..=SEEDS {
        let pieces = recorded(seed);
        seeds += u64::from(!pieces.is_empty());
        let mut count = |turn: &Turn| {
            inputs += turn.inputs.len();
            short += turn.inputs.iter().filter(|taken| taken.decided.is_none()).count();
            planned += turn.plan.as_ref().map_or(0, |plan| plan.changes.len());
        };
        if let Err(difference) = replay(&pieces, &mut count) {
            panic!("seed {seed}: {difference}");
        }
    }
    println!("{inputs} inputs, {short} of them only repeat, {planned} planned changes");
    assert!(seeds * 2 > SEEDS && inputs > 10_000 && planned > 500 && short * 2 > inputs, "{seeds} seeds: {inputs} {short} {planned}");
}

#[test]
fn a_changed_decision_is_noticed() {
    let mut pieces = recorded(3);
    let lent = pieces.iter_mut().find_map(|piece| match piece {
        Piece::Turn(Turn { plan: Some(plan), .. }) => plan.changes.iter_mut().find_map(|change| match change {
            Change::Lent { loan, .. } => Some(loan),
            _ => None,
        }),
        Piece::Turn(_) | Piece::Checkpoint(_) => None,
    });
    lent.unwrap().while_down ^= true;
    let difference = replay(&pieces, &mut |_| {}).unwrap_err();
    assert!(difference.contains(&format!("{:?}", Place::Plan)) && difference.matches("Lent").count() >= 2, "both sides: {difference}");
}

#[test]
fn a_changed_input_is_noticed() {
    let mut pieces = recorded(3);
    let taken = pieces.iter_mut().find_map(|piece| match piece {
        Piece::Turn(turn) if turn.echo.is_some() => turn.inputs.iter_mut().find(|taken| taken.decided.is_none()),
        Piece::Turn(_) | Piece::Checkpoint(_) => None,
    });
    taken.unwrap().at.0 += 1;
    assert!(replay(&pieces, &mut |_| {}).is_err());
}
