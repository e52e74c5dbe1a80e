use std::collections::BTreeSet;

use pilotage_shared::health::Standing;
use pilotage_shared::ids::{BootId, Epoch, HostId, LedgerId};
use pilotage_shared::name::{AppName, HostName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{Heartbeat, SlotStatus, Status};
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Hello;

use super::*;
use crate::admit::admit;
use crate::answer::Answer;
use crate::input::{Input, Request, Via};
use crate::replay::{Piece, Player};
use crate::world::{Settings, World};

/// A coordinator with one host, recorded.
struct Recorded {
    world: World,
    now: Time,
    writer: Writer,
    bytes: Vec<u8>,
}

impl Recorded {
    fn new() -> Recorded {
        let world = World::new(Settings { heartbeat: Millis::seconds(5) });
        let mut writer = Writer::default();
        let now = Time(1_800_000_000_000);
        let bytes = [MAGIC, &writer.checkpoint(&world, &BTreeSet::new(), now, 0)].concat();
        Recorded { world, now, writer, bytes }
    }

    /// One input in a turn of its own; gives what the turn costs.
    fn take(&mut self, by: Principal, request: Request) -> (Answer, usize) {
        self.now = self.now + Millis(100);
        let via = if matches!(by, Principal::Host(_)) { Via::Agent } else { Via::Api };
        let input = Input { by, via, reason: Reason::default(), at: self.now, idempotency: None, request };
        let admitted = admit(&self.world, &input, self.now).unwrap();
        self.writer.input(&self.world, &input, self.now, &admitted);
        for change in &admitted.changes {
            self.world.apply(change);
        }
        self.writer.plan(self.now);
        self.writer.end_turn();
        let cost = self.writer.waiting();
        self.bytes.extend(self.writer.frame(0).unwrap());
        (admitted.answer, cost)
    }
}

const TOKEN: [u8; 32] = [0xab; 32];

/// Adds a host that says something, and beats; gives what its status and each heartbeat cost.
fn a_host_comes(recorded: &mut Recorded) -> [usize; 3] {
    let name = HostName::new("h1").unwrap();
    let id = HostId { name: name.clone(), join: 1 };
    let host = || Principal::Host(id.clone());
    recorded.take(Principal::Rule { name: Why::lossy("start") }, Request::Start { epoch: Epoch([7; 32]) });
    recorded.take(Principal::Local { uid: 0, user: Why::lossy("root") }, Request::AddHost { host: name, labels: Default::default(), token: TOKEN });
    let hello = Hello { host: id.clone(), ledger: LedgerId([1; 16]), boot: BootId([1; 16]), last: None, versions: (1, 1), agent: Why::default() };
    let (Answer::Welcome(welcome), _) = recorded.take(host(), Request::Hello { hello: Box::new(hello) }) else { panic!("no session") };
    let slots = [(AppName::new("web").unwrap(), SlotStatus::empty(Standing::Available))].into();
    let metrics = Some(pilotage_shared::metrics::HostMetrics { memory_used: 123_456, ..Default::default() });
    let status = |seq, beat| Status {
        session: welcome.session,
        seq,
        beat,
        blocked_version: 0,
        slots: std::clone::Clone::clone(&slots),
        metrics: metrics.clone(),
    };
    recorded.take(host(), Request::Status { status: Box::new(status(1, 1)) });
    let (_, again) = recorded.take(host(), Request::Status { status: Box::new(status(2, 2)) });
    let mut beat = |beat| recorded.take(host(), Request::Heartbeat { heartbeat: Heartbeat { session_n: welcome.session.n, seq: 2, beat } }).1;
    [again, beat(3), beat(4)]
}

fn replay(bytes: &[u8]) -> Player {
    let pieces = pieces(bytes).unwrap();
    let Piece::Checkpoint(first) = &pieces[0] else { panic!("no checkpoint") };
    let mut player = Player::load(first);
    for piece in &pieces[1..] {
        let Piece::Turn(turn) = piece else { panic!("a second checkpoint") };
        player.turn(turn).unwrap();
    }
    player
}

#[test]
fn a_heartbeat_costs_a_few_bytes_and_all_of_it_comes_back() {
    let mut recorded = Recorded::new();
    let [status, first, second] = a_host_comes(&mut recorded);
    assert!(second <= 4 && first <= 8 && status <= 40, "{status} {first} {second}");
    let player = replay(&recorded.bytes);
    assert_eq!(player.world.live.len(), 1);
    let host = &HostName::new("h1").unwrap();
    assert_eq!(player.world.live[host].beat, recorded.world.live[host].beat);
    assert_eq!(player.world.slots, recorded.world.slots);
}

#[test]
fn no_hash_of_a_token_and_no_measurement_is_in_it() {
    let mut recorded = Recorded::new();
    a_host_comes(&mut recorded);
    let checkpoint = recorded.writer.checkpoint(&recorded.world, &BTreeSet::new(), recorded.now, 0);
    for bytes in [&recorded.bytes, &checkpoint] {
        assert!(!bytes.windows(8).any(|part| part == &TOKEN[..8]), "a token's hash");
        assert!(!bytes.windows(3).any(|part| part == &123_456_u32.to_le_bytes()[..3]), "a measurement");
    }
}

#[test]
fn what_was_cut_or_changed_is_noticed() {
    let mut recorded = Recorded::new();
    a_host_comes(&mut recorded);
    let bytes = recorded.bytes;
    assert!(pieces(&bytes).is_ok());
    assert_eq!(pieces(&bytes[..bytes.len() - 1]), Err(CodecError::Cut));
    assert_eq!(pieces(b"something else"), Err(CodecError::Magic));
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(pieces(&changed), Err(CodecError::Check));
    assert!(pieces(&[bytes.clone(), bytes].concat()).is_ok(), "recordings can stand behind each other");
}

/// Version 1: a recording that an older program has made must be read by a newer one.
#[test]
fn version_1_is_frozen() {
    let mut writer = Writer::default();
    let world = World::new(Settings { heartbeat: Millis::seconds(5) });
    let checkpoint = writer.checkpoint(&world, &BTreeSet::new(), Time(1), 9);
    let golden = [24, 0, 0, 0, 125, 183, 203, 10, 9, 0, 0, 0, 0, 0, 0, 0, 1, 1, 251, 136, 19, 4, 0, 0, 1, 0, 9, 0, 2, 0, 0, 0, 0];
    assert_eq!(&checkpoint[HEAD..], &golden[HEAD..], "{checkpoint:?}");
    let host = HostName::new("h1").unwrap();
    let beat = |at| crate::replay::Turn {
        inputs: vec![crate::replay::Taken { at: Time(at), said: crate::replay::Said::Beat(host.clone()), decided: None }],
        plan: Some(crate::replay::Planned { at: Time(at), changes: Vec::new() }),
        echo: None,
    };
    writer.turn(beat(2));
    writer.turn(beat(300));
    let frame = writer.frame(9).unwrap();
    assert_eq!(frame[HEAD..], [1, 1, 1, 2, b'h', b'1', 1, 251, 42, 1, 0, 0], "a tag, a span, a host");
}
