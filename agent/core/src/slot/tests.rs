use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{Epoch, LedgerId, SessionId};
use pilotage_shared::intent::{Answers, Blocked};
use pilotage_shared::name::AppName;
use pilotage_shared::run::Event;
use pilotage_shared::time::{Millis, Uptime};
use pilotage_shared::wire::Welcome;

use super::host::{Host, OldCoordinator, welcome};
use super::permission::{Stale, Used, Void, void};
use super::receive::{Dropped, Received, receive};
use super::recovered::{Found, recovered};
use super::*;

const SESSION: SessionId = SessionId { epoch: Epoch([1; 32]), n: 7 };

fn release(n: u8) -> Release {
    Release::of(Digest([n; 32]))
}

fn deployment(n: u32) -> DeploymentId {
    format!("prod.{n}").parse().unwrap()
}

fn intent(generation: u64, go: Go, to: u8) -> Intent {
    Intent {
        session: SESSION,
        answers: Answers { seq: 5, beat: 9 },
        app: AppName::new("web").unwrap(),
        generation: Generation(generation),
        deployment: Some(deployment(2)),
        release: Some(release(to)),
        go,
        while_down: false,
        health: None,
        hook_timeout: Millis::seconds(60),
        proofs: Vec::new(),
        follow: false,
        file_exists: None,
        first_install: false,
    }
}

/// Runs release 1, has seen 10 and spent 9; the permission 10 for release 2 is fresh, its bits are here.
struct Case {
    slot: Slot,
    intent: Option<Intent>,
    session: Option<SessionId>,
    lease_ends: Option<Uptime>,
    told: Option<u64>,
    standing: Standing,
    bits: Bits,
    run: RunSight,
    gone: bool,
    obstacle: Option<Why>,
    blocked: Vec<Digest>,
}

impl Default for Case {
    fn default() -> Self {
        let slot = Slot { seen: Generation(10), spent: Generation(9), running: Some(release(1)), attempts: 3, ..Slot::default() };
        Case {
            slot,
            intent: Some(intent(10, Go::Activate, 2)),
            session: Some(SESSION),
            lease_ends: Some(Uptime(1000)),
            told: Some(5),
            standing: Standing::Available,
            bits: Bits::Staged(release(2)),
            run: RunSight::None,
            gone: false,
            obstacle: None,
            blocked: Vec::new(),
        }
    }
}

impl Case {
    fn next(&self) -> Act {
        let now = Now {
            uptime: Uptime(1000),
            session: self.session.as_ref(),
            lease_ends: self.lease_ends,
            facts_told_in: self.told,
            standing: self.standing,
        };
        let seen = Seen { blocked: Blocked { version: 1, packages: self.blocked.clone() } };
        let (bits, run, obstacle) = (self.bits.clone(), self.run.clone(), self.obstacle.clone());
        let sight = Sight { now, bits, run, gone: self.gone, obstacle, policy: &HostPolicy::default(), seen: &seen };
        next(&self.slot, &Held { intent: self.intent.clone() }, &sight)
    }

    fn begins(&self) -> bool {
        matches!(self.next(), Act::Begin { .. })
    }

    fn in_run(outcome: RunSight) -> Case {
        let run = RunEntry {
            attempt: 4,
            kind: RunKind::Activate(Generation(10)),
            deployment: Some(deployment(2)),
            release: release(2),
            from: Some(release(1)),
        };
        let slot = Slot { spent: Generation(10), run: Some(run), attempts: 4, ..Case::default().slot };
        Case { slot, run: outcome, ..Case::default() }
    }
}

#[test]
fn r7_beginning_spends_the_generation_and_names_the_run_in_one_record() {
    let Act::Begin { record } = Case::default().next() else { panic!() };
    assert_eq!(record.spent, Generation(10));
    let run = record.run.unwrap();
    assert_eq!((run.attempt, run.release, run.from), (4, release(2), Some(release(1))));
}

#[test]
fn r6_every_clause_keeps_a_stale_permission_from_being_used() {
    let other = SessionId { n: 8, ..SESSION };
    let check = |name: &str, case: Case| assert!(!case.begins(), "{name}: {:?}", case.next());
    assert!(Case::default().begins());
    check("session", Case { session: Some(other), ..Case::default() });
    check("no session from the moment a hello is written", Case { session: None, ..Case::default() });
    check("a newer generation was seen", Case { slot: Slot { seen: Generation(11), ..Case::default().slot }, ..Case::default() });
    check("spent", Case { slot: Slot { spent: Generation(10), ..Case::default().slot }, ..Case::default() });
    check("facts changed after what it answers", Case { told: Some(6), ..Case::default() });
    check("facts not told yet", Case { told: None, ..Case::default() });
    check("lease over", Case { lease_ends: Some(Uptime(999)), ..Case::default() });
    check("lease unknown", Case { lease_ends: None, ..Case::default() });
    check("only staged", Case { intent: Some(intent(10, Go::Stage, 2)), ..Case::default() });
    check("told to stay", Case { intent: Some(intent(10, Go::Keep, 2)), ..Case::default() });
    let free = Intent { while_down: true, ..intent(10, Go::Activate, 2) };
    check("not down any more", Case { intent: Some(free.clone()), ..Case::default() });
    assert!(Case { intent: Some(free), standing: Standing::Down, ..Case::default() }.begins());
    check("bits missing", Case { bits: Bits::Working, ..Case::default() });
}

#[test]
fn stale_reasons_are_told_apart() {
    let case = Case::default();
    let now = Now { uptime: Uptime(0), session: None, lease_ends: None, facts_told_in: None, standing: Standing::Down };
    assert_eq!(fresh(&case.slot, &intent(10, Go::Activate, 2), &now), Err(Stale::Session));
}

#[test]
fn r3_r4_r5_older_intents_are_dropped_and_jumps_refused() {
    let slot = Case::default().slot;
    let held = Held { intent: Some(intent(10, Go::Activate, 2)) };
    let look = |i: &Intent| receive(&slot, &held, Some(&SESSION), i);
    assert_eq!(receive(&slot, &held, None, &intent(10, Go::Keep, 2)), Received::Drop(Dropped::Session));
    assert_eq!(look(&intent(9, Go::Keep, 2)), Received::Drop(Dropped::Older(Generation(10))));
    let earlier = Intent { answers: Answers { seq: 4, beat: 8 }, ..intent(10, Go::Keep, 2) };
    assert_eq!(look(&earlier), Received::Drop(Dropped::OlderAnswer));
    assert_eq!(look(&intent(1 << 33, Go::Keep, 2)), Received::Drop(Dropped::Jump(Generation(10))));
    assert_eq!(look(&intent(10, Go::Keep, 2)), Received::Take { record: None });
    let Received::Take { record: Some(record) } = look(&intent(11, Go::Keep, 2)) else { panic!() };
    assert_eq!(record.seen, Generation(11), "durable before anything is done about it");
}

#[test]
fn r30_a_host_that_will_not_begin_gives_the_permission_up_at_once() {
    let gives_up = |case: Case, declines: bool| {
        let Act::Record { record } = case.next() else { panic!("{:?}", case.next()) };
        assert_eq!((record.spent, record.declines.is_some()), (Generation(10), declines));
    };
    let slot = |f: fn(&mut Slot)| {
        let mut slot = Case::default().slot;
        f(&mut slot);
        slot
    };
    gives_up(Case { slot: slot(|s| s.pinned = Some(Why::lossy("maria"))), ..Case::default() }, false);
    gives_up(Case { slot: slot(|s| s.needs_hands = Some(Why::lossy("x"))), ..Case::default() }, true);
    gives_up(Case { obstacle: Some(Why::lossy("disk full")), ..Case::default() }, true);
    gives_up(Case { bits: Bits::Failed(Why::lossy("no user deploy")), ..Case::default() }, true);
    gives_up(Case { blocked: vec![release(2).package], ..Case::default() }, true); // R29: tested at begin, not only at receipt
}

#[test]
fn r30_a_decline_lifts_when_its_reason_has_passed() {
    let slot = Slot { spent: Generation(10), declines: Some(Why::lossy("disk full")), ..Case::default().slot };
    let case = Case { slot, ..Case::default() };
    let Act::Record { record } = case.next() else { panic!() };
    assert_eq!(record.declines, None);
}

#[test]
fn a_host_that_runs_what_is_wanted_spends_the_permission_without_a_run() {
    let case = Case { intent: Some(intent(10, Go::Activate, 1)), ..Case::default() };
    let Act::Record { record } = case.next() else { panic!() };
    assert_eq!((record.spent, record.run), (Generation(10), None));
}

#[test]
fn r19_a_release_refused_in_this_deployment_is_not_begun_again() {
    let refusal = Refusal { release: release(2), deployment: deployment(2), why: Why::default(), needs_hands: false };
    let slot = Slot { refused: vec![refusal.clone()], ..Case::default().slot };
    assert!(matches!(Case { slot: slot.clone(), ..Case::default() }.next(), Act::Record { .. }));
    let other = Refusal { deployment: deployment(1), ..refusal };
    assert!(Case { slot: Slot { refused: vec![other], ..slot }, ..Case::default() }.begins(), "a new deployment asks again");
}

#[test]
fn r26_a_run_is_resumed_never_doubled() {
    for lost in [RunSight::None, RunSight::Lost] {
        assert_eq!(Case::in_run(lost).next(), Act::Resume);
    }
    let alive = Case { intent: Some(intent(12, Go::Activate, 3)), ..Case::in_run(RunSight::Alive(Phase::Forward(Event::Install))) };
    assert!(matches!(alive.next(), Act::Idle(_)), "any other intent waits for the end");
}

#[test]
fn r31_r29_a_run_turns_back_for_where_it_came_from_and_for_a_block() {
    let run = RunSight::Alive(Phase::Forward(Event::BeforeInstall));
    let back = Case { intent: Some(intent(12, Go::Activate, 1)), ..Case::in_run(run.clone()) };
    assert!(matches!(back.next(), Act::TurnBack(_)));
    let blocked = Case { blocked: vec![release(2).package], ..Case::in_run(run) };
    assert!(matches!(blocked.next(), Act::TurnBack(_)));
    let already = Case { intent: Some(intent(12, Go::Activate, 1)), ..Case::in_run(RunSight::Alive(Phase::Back(Event::Install))) };
    assert!(matches!(already.next(), Act::Idle(_)));
}

#[test]
fn the_end_of_a_run_is_one_record() {
    let close = |outcome: Outcome| match Case::in_run(RunSight::Ended(outcome)).next() {
        Act::Close { record } => record,
        other => panic!("{other:?}"),
    };
    let good = close(Outcome::Committed);
    assert_eq!((good.run, good.running, good.previous), (None, Some(release(2)), Some(release(1))));
    let bad = close(Outcome::RolledBack { why: Why::lossy("exit 1") });
    assert_eq!((bad.run, bad.running, bad.refused.len()), (None, Some(release(1)), 1));
    let hands = close(Outcome::NeedsHands { why: Why::lossy("undo failed") });
    assert!(hands.needs_hands.is_some() && hands.refused[0].needs_hands);
    let not = close(Outcome::NotBegun { why: Why::lossy("lease over") });
    assert_eq!((not.run, not.running, not.refused.len()), (None, Some(release(1)), 0));
}

#[test]
fn promise_5_a_person_rolls_back_without_the_coordinator_and_the_pin_outranks_intents() {
    let slot = Slot { previous: Some(release(3)), ..Case::default().slot };
    let begun = hands::rollback(&slot, Why::lossy("c1 is down")).unwrap();
    assert_eq!((begun.spent, begun.run.clone().unwrap().release), (slot.spent, release(3)), "a run without a loan spends nothing");
    assert_eq!(hands::rollback(&begun, Why::default()), Err(hands::Refused::Run));
    let done = Case { slot: begun, run: RunSight::Ended(Outcome::Committed), ..Case::default() };
    let Act::Close { record } = done.next() else { panic!() };
    assert_eq!((record.running, record.pinned.is_some()), (Some(release(3)), true));
    assert!(!Case { slot: record.clone(), ..Case::default() }.begins());
    assert!(hands::unpin(&record).unwrap().pinned.is_none());
    assert_eq!(hands::rollback(&Slot::default(), Why::default()), Err(hands::Refused::NoPrevious));
}

#[test]
fn r33_a_host_never_joins_an_epoch_that_it_has_left() {
    let host = Host { ledger: LedgerId([0; 16]), last: None, left: Vec::new(), blocked: Blocked::default() };
    let from = |epoch: u8, n| Welcome {
        session: SessionId { epoch: Epoch([epoch; 32]), n },
        lease: Millis(15_000),
        heartbeat: Millis(5_000),
        blocked: Blocked { version: u64::from(epoch), packages: Vec::new() },
    };
    let first = welcome(&host, &from(1, 1)).unwrap();
    let second = welcome(&first, &from(2, 1)).unwrap();
    assert_eq!(second.last, Some(from(2, 1).session), "R28: stored before its first status");
    assert_eq!(welcome(&second, &from(1, 2)), Err(OldCoordinator));
    assert_eq!(welcome(&second, &from(2, 2)).unwrap().left, [Epoch([1; 32])]);
    assert_eq!(second.blocked.version, 2, "R29: the list is durable on the host");
}

#[test]
fn r6_r15_a_used_permission_is_void_when_what_it_was_given_for_changes_before_the_first_disturbance() {
    let slot = Case::in_run(RunSight::Alive(Phase::Beginning)).slot;
    let used = Used { session: SESSION, generation: Generation(10), standing: Standing::Down };
    let check = |slot: &Slot, used: Option<&Used>, session: Option<&SessionId>, standing, expected| {
        assert_eq!(void(slot, used, session, standing), expected);
    };
    let (other, good) = (SessionId { n: 8, ..SESSION }, Some(&used));
    check(&slot, good, Some(&SESSION), Standing::Down, None);
    check(&slot, None, Some(&SESSION), Standing::Down, Some(Void::Forgotten));
    check(&slot, good, Some(&other), Standing::Down, Some(Void::Session));
    check(&slot, good, None, Standing::Down, Some(Void::Session));
    check(&slot, good, Some(&SESSION), Standing::Settling, Some(Void::Standing));
    check(&Slot { seen: Generation(11), ..slot.clone() }, good, Some(&SESSION), Standing::Down, Some(Void::Generation));
    check(&hands::pin(&slot, Why::lossy("maria")), good, Some(&SESSION), Standing::Down, Some(Void::Pinned));
}

#[test]
fn r31_a_run_that_was_asked_to_turn_back_is_over_and_refuses_nothing() {
    let why = Why::lossy("generation 12 wants what it came from");
    let Act::Close { record } = Case::in_run(RunSight::TurnedBack(why.clone())).next() else { panic!() };
    assert_eq!((record.run, record.running, record.refused.len()), (None, Some(release(1)), 0));
    assert_eq!(record.last_ended, Some((Generation(10), Outcome::RolledBack { why })));
}

#[test]
fn a_new_ledger_takes_over_the_run_of_an_earlier_one_and_gives_no_number_again() {
    let run = |attempt| RunEntry { attempt, ..Case::in_run(RunSight::None).slot.run.unwrap() };
    let found = |attempt, ended| Found { run: run(attempt), ended };
    let check = |slot: &Slot, found: &[Found], attempts, expected: Option<u32>| {
        let record = recovered(slot, found).unwrap_or_else(|| slot.clone());
        assert_eq!((record.attempts, record.run.map(|r| r.attempt)), (attempts, expected), "{found:?}");
    };
    let empty = Slot::default();
    check(&empty, &[], 0, None);
    check(&empty, &[found(2, true), found(7, true), found(3, true)], 7, None);
    check(&empty, &[found(6, true), found(7, false)], 7, Some(7));
    check(&Slot { attempts: 7, ..Slot::default() }, &[found(7, false)], 7, None);
    let set_back = Slot { attempts: 5, run: Some(run(5)), ..Slot::default() };
    check(&set_back, &[found(5, true), found(7, false)], 7, Some(7)); // R26: the one that may be alive
    let record = recovered(&empty, &[found(7, false)]).unwrap();
    assert_eq!((record.seen, record.spent), (Generation(10), Generation(10)), "R7: a run that has begun has spent it");
    assert_eq!(record.running, Some(release(1)), "what ran when it began");
}

#[test]
fn r27_what_is_gone_is_started_again_by_a_run_without_a_loan() {
    let gone = || Case { gone: true, intent: None, session: None, ..Case::default() };
    let Act::Begin { record } = gone().next() else { panic!("the coordinator is not asked") };
    let run = record.run.clone().unwrap();
    assert_eq!((run.kind, run.release, run.from, record.spent), (RunKind::Again, release(1), Some(release(1)), Generation(9)));
    let pinned = Case { slot: hands::pin(&gone().slot, Why::lossy("maria")), ..gone() };
    assert!(pinned.begins(), "a pin holds the release, not its process");
    let check = |case: Case, why: &str| assert!(matches!(case.next(), Act::Idle(_)), "{why}");
    check(Case { blocked: vec![release(1).package], ..gone() }, "what is blocked is not started");
    check(Case { slot: Slot { running: None, ..gone().slot }, ..gone() }, "nothing runs");
    check(Case { slot: Slot { needs_hands: Some(Why::lossy("x")), ..gone().slot }, ..gone() }, "a person looks at it");
    let Act::Begin { record } = (Case { gone: true, ..Case::default() }).next() else { panic!() };
    assert_eq!(record.run.unwrap().release, release(2), "what may be replaced is replaced");
}

#[test]
fn r27_however_it_ends_nothing_is_decided_by_it() {
    let slot = Slot {
        run: Some(RunEntry { attempt: 4, kind: RunKind::Again, deployment: None, release: release(1), from: Some(release(1)) }),
        ..Case::default().slot
    };
    let why = || Why::lossy("it does not start");
    for outcome in [Outcome::Committed, Outcome::NeedsHands { why: why() }, Outcome::NotBegun { why: why() }] {
        let Act::Close { record } = (Case { slot: slot.clone(), run: RunSight::Ended(outcome), ..Case::default() }).next() else { panic!() };
        assert_eq!(record, Case::default().slot);
    }
    let alive = Case { slot, run: RunSight::Alive(Phase::Beginning), intent: Some(intent(11, Go::Activate, 1)), ..Case::default() };
    assert!(matches!(alive.next(), Act::Idle(_)), "there is nothing to turn back to");
}

#[test]
fn promise_5_the_way_back_never_leads_to_what_was_left() {
    let check = |from: Option<Release>, to: Release, previous: Option<Release>, expected: Option<Release>| {
        let run = RunEntry { attempt: 4, kind: RunKind::Activate(Generation(10)), deployment: Some(deployment(2)), release: to, from };
        let slot = Slot { running: from, previous, run: Some(run), ..Case::default().slot };
        let Act::Close { record } = (Case { slot, run: RunSight::Ended(Outcome::Committed), ..Case::default() }).next() else { panic!() };
        assert_eq!((record.running, record.previous), (Some(to), expected));
    };
    let again = |n| Release { restart: 1, ..release(n) };
    check(None, release(1), None, None);
    check(Some(release(1)), release(2), None, Some(release(1)));
    check(Some(release(2)), release(3), Some(release(1)), Some(release(2)));
    check(Some(release(2)), release(1), Some(release(1)), None); // a rollback of the fleet, or by hand
    check(Some(release(2)), again(2), Some(release(1)), Some(release(1)));
}

#[test]
fn what_was_said_is_known_without_saying_it_again() {
    let run = RunEntry { attempt: 4, kind: RunKind::Activate(Generation(10)), deployment: None, release: release(2), from: Some(release(1)) };
    let slot = Slot { seen: Generation(10), spent: Generation(10), run: Some(run), running: Some(release(1)), ..Slot::default() };
    let (phase, note) = (Some(Phase::Forward(Event::Install)), HealthNote { last: Why::fixed("200 OK"), for_ms: 0 });
    let said = status(&slot, Some(release(2)), phase, Standing::Settling, note.clone());
    let check = |said: &SlotStatus| is_said(&slot, Some(release(2)), phase, Standing::Settling, &note, said);
    assert!(check(&said));
    let why = || Some(Why::fixed("why"));
    let refusal = Refusal { release: release(3), deployment: deployment(1), why: Why::default(), needs_hands: false };
    let others = [
        SlotStatus { seen: Generation(11), ..said.clone() },
        SlotStatus { spent: Generation(9), ..said.clone() },
        SlotStatus { run: None, ..said.clone() },
        SlotStatus { run: Some(RunStatus { generation: None, release: release(2), phase: Phase::Beginning }), ..said.clone() },
        SlotStatus { running: None, ..said.clone() },
        SlotStatus { previous: Some(release(3)), ..said.clone() },
        SlotStatus { staged: None, ..said.clone() },
        SlotStatus { refused: vec![refusal], ..said.clone() },
        SlotStatus { pinned: why(), ..said.clone() },
        SlotStatus { declines: why(), ..said.clone() },
        SlotStatus { needs_hands: why(), ..said.clone() },
        SlotStatus { standing: Standing::Down, ..said.clone() },
        SlotStatus { last_ended: Some((Generation(9), Outcome::Committed)), ..said.clone() },
        SlotStatus { health: HealthNote::default(), ..said.clone() },
    ];
    for other in others {
        assert!(!check(&other), "{other:?}");
    }
}
