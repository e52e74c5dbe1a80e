//! Takes a recording through the core, and shows each turn to whoever watches.

use std::ops::ControlFlow;

use pilotage_coordinator_core::replay::{Difference, Piece, Played, Player, Rift, Turn};
use pilotage_shared::time::Time;

use super::file::{Parts, RecordingError};

/// Sees a replay as it goes.
pub trait Watch {
    /// A turn comes next; `player` is before it. Break ends the replay before it.
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()>;
    /// It was played; `player` is behind it. Break ends the replay.
    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()>;
}

/// How a replay went.
#[derive(Debug, Default)]
pub struct Went {
    /// Inputs that were taken in.
    pub inputs: u64,
    /// Of those: heartbeats and statuses.
    pub said: u64,
    /// Turns.
    pub turns: u64,
    /// Where the recording begins.
    pub from: Option<Time>,
    /// How far it came.
    pub to: Time,
    /// Where a life of the coordinator began, or a part is missing.
    pub rifts: Vec<(Rift, Missing)>,
    /// The first decision that differs: the replay ended there.
    pub difference: Option<Box<(Difference, Player)>>,
}

/// Whether entries of the history lie between two parts of a recording.
pub type Missing = u64;

/// Plays it to its end, to a difference, or until the watcher has seen enough.
pub fn play(bytes: &[u8], watch: &mut dyn Watch) -> Result<Went, RecordingError> {
    let mut went = Went::default();
    let mut player: Option<Player> = None;
    let mut position = 0;
    for part in Parts::new(bytes)? {
        let part = part?;
        match part.piece {
            Piece::Checkpoint(checkpoint) => {
                went.from.get_or_insert(checkpoint.at);
                let Some(player) = player.as_mut() else {
                    player = Some(Player::load(&checkpoint));
                    position = part.position;
                    continue;
                };
                let missing = part.position.saturating_sub(position);
                match player.meet(&checkpoint) {
                    // What was not recorded explains any other world.
                    Err(_) if missing > 0 => {
                        *player = Player::load(&checkpoint);
                        went.rifts.push((Rift { at: checkpoint.at, records: 0, start: false }, missing));
                    }
                    Err(difference) => {
                        went.difference = Some(Box::new((difference, player.clone())));
                        return Ok(went);
                    }
                    Ok(rift) => went.rifts.extend(rift.map(|rift| (rift, missing))),
                }
            }
            Piece::Turn(turn) => {
                let Some(player) = player.as_mut() else { continue };
                if watch.before(player, &turn).is_break() {
                    return Ok(went);
                }
                match player.turn(&turn) {
                    Ok(played) => {
                        went.turns += 1;
                        went.inputs += played.inputs.len() as u64;
                        went.said += turn.inputs.iter().filter(|taken| taken.decided.is_none()).count() as u64;
                        went.to = player.now;
                        if watch.after(player, &played).is_break() {
                            return Ok(went);
                        }
                    }
                    Err(difference) => {
                        went.to = player.now;
                        went.difference = Some(Box::new((difference, player.clone())));
                        return Ok(went);
                    }
                }
            }
        }
        position = part.position;
    }
    Ok(went)
}
