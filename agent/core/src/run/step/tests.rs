//! Tables of single steps, and runs that are killed anywhere.

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::Generation;
use pilotage_shared::name::{AppName, HostName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Event, Phase, RunId};
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;
use proptest::prelude::*;

use super::*;
use crate::journal::{Entry, Record, line};
use crate::lifecycle::tests::hooks;
use crate::run::report::report;
use crate::run::request::{Contract, Permit, Target};

fn target(version: &str) -> Target {
    let package = PackageName { app: AppName::new("web").unwrap(), version: Version::new(version).unwrap() };
    Target { release: Release::of(Digest::of(version.as_bytes())), package, health: None }
}

fn request(kind: Kind) -> Request {
    Request {
        format: Request::FORMAT,
        run: RunId { deployment: None, host: HostName::new("h1").unwrap(), attempt: 1 },
        app: AppName::new("web").unwrap(),
        kind,
        to: target("2"),
        from: Some(target("1")),
        hook_timeout: Millis::seconds(60),
        contract: Contract { application: "web".into(), deployment_group: "prod".into(), deployment_group_id: None, deployment_id: "prod.1".into() },
        variables: Default::default(),
        changes: Default::default(),
        proofs: Vec::new(),
        state: "/var/lib/pilotage".into(),
    }
}

fn permit() -> Kind {
    Kind::Activate(Permit { generation: Generation(4), begin_by: Uptime(1000), boot: BootId::default(), while_down: false })
}

fn sight() -> Sight {
    Sight { uptime: Uptime(500), boot: BootId::default(), revoked: None, turn_back: None, to_refused: None, from_refused: None }
}

fn plan() -> Plan {
    let to = [Event::ApplicationStop, Event::ApplicationStart, Event::ValidateService];
    Plan { to: hooks(&to), from: Some(hooks(&to)), to_health: false, from_health: false, again: false }
}

fn hook(side: Side, event: Event) -> Task {
    Task::Hook { side, event, script: 0 }
}

fn failed(cause: Cause) -> End {
    End::Failed(Failure { cause, message: Text::lossy("no"), last_line: Why::lossy("db says no") })
}

fn journal(entries: Vec<Entry>) -> Journal {
    let mut journal = Journal::default();
    let opened = Entry::Opened { boot: BootId::default() };
    for (n, entry) in std::iter::once(opened).chain(entries).enumerate() {
        journal.record(Record { at: Uptime(n as u64 * 10), wall: 1_000_000 + n as u64 * 10, entry }).unwrap();
    }
    journal
}

/// `ended` tasks went well, in the forward order of `plan()`, up to this one.
fn until(last: Task, end: End) -> Vec<Entry> {
    let mut entries = Vec::new();
    for task in lifecycle::forward(&plan()) {
        if task.disturbs() && !entries.contains(&Entry::Disturbed) {
            entries.push(Entry::Disturbed);
        }
        entries.push(Entry::Began { task, process: None });
        let end = if task == last { end.clone() } else { End::good() };
        entries.push(Entry::Ended { task, end });
        if task == last {
            break;
        }
    }
    entries
}

fn check(entries: Vec<Entry>, sight: Sight, expected: &Step) {
    assert_eq!(&next(&request(permit()), &plan(), &journal(entries), &sight), expected);
}

#[test]
fn the_permission_is_tested_immediately_before_the_first_disturbing_task() {
    let kept = || until(Task::Prepare, End::good());
    let why = |text: &str| Step::Close(Outcome::NotBegun { why: Why::lossy(text) });
    check(kept(), sight(), &Step::Disturb);
    check(kept(), Sight { uptime: Uptime(1001), ..sight() }, &why("the permission ran out 1ms ago"));
    check(kept(), Sight { boot: BootId([1; 16]), ..sight() }, &why("the host was booted since the permission was given"));
    check(kept(), Sight { revoked: Some(Why::lossy("pinned")), ..sight() }, &why("pinned"));
    check(kept(), Sight { to_refused: Some(Why::lossy("blocked")), ..sight() }, &why("blocked"));
    let late = Sight { uptime: Uptime(9999), revoked: Some(Why::lossy("x")), ..sight() };
    let mut disturbed = kept();
    disturbed.push(Entry::Disturbed);
    check(disturbed, late.clone(), &Step::Do(hook(Side::From, Event::ApplicationStop)));
    let own = next(&request(Kind::LocalRollback), &plan(), &journal(kept()), &Sight { revoked: None, ..late });
    assert_eq!(own, Step::Disturb, "a person's own run has no lease");
}

#[test]
fn a_failing_stop_is_overruled_and_a_failing_validation_turns() {
    let stop = hook(Side::From, Event::ApplicationStop);
    check(until(stop, failed(Cause::TimedOut)), sight(), &Step::Do(Task::Switch));
    let validate = hook(Side::To, Event::ValidateService);
    let why = Why::lossy("ValidateService exit 7 \"db says no\"");
    check(until(validate, failed(Cause::Exited(7))), sight(), &Step::TurnBack(Turn::Failed(why)));
    check(until(Task::Verify, failed(Cause::Own)), sight(), &Step::Close(Outcome::NotBegun { why: Why::lossy("verifying the release failed: no \"db says no\"") }));
}

#[test]
fn it_turns_back_when_asked_but_never_to_a_blocked_release() {
    let asked = || Sight { turn_back: Some(Why::lossy("web@1 is wanted again")), ..sight() };
    check(until(Task::Switch, End::good()), asked(), &Step::TurnBack(Turn::Asked(Why::lossy("web@1 is wanted again"))));
    let blocked = Sight { from_refused: Some(Why::lossy("blocked")), ..asked() };
    check(until(Task::Switch, End::good()), blocked, &Step::Do(hook(Side::To, Event::ApplicationStart)));
    check(until(Task::Commit, End::good()), asked(), &Step::Close(Outcome::Committed));
}

#[test]
fn a_hook_without_an_end_is_adopted_and_lost_ones_are_repeated_only_on_the_way_back() {
    let start = hook(Side::To, Event::ApplicationStart);
    let mut entries = until(Task::Switch, End::good());
    let process = Some(Process { pid: 7, started: 9 });
    entries.push(Entry::Began { task: start, process });
    check(entries.clone(), sight(), &Step::Adopt(start, process));
    entries.push(Entry::Ended { task: start, end: failed(Cause::Lost) });
    let why = Why::lossy("ApplicationStart lost: the host or the deployer went down in it \"db says no\"");
    check(entries.clone(), sight(), &Step::TurnBack(Turn::Failed(why.clone())));
    entries.push(Entry::Turned(Turn::Failed(why)));
    let stop = hook(Side::To, Event::ApplicationStop);
    for n in 0..LOST_AT_MOST {
        check(entries.clone(), sight(), &Step::Do(stop));
        entries.push(Entry::Began { task: stop, process });
        entries.push(Entry::Ended { task: stop, end: failed(Cause::Lost) });
        assert_eq!(journal(entries.clone()).lost(stop), n + 1);
    }
    check(entries, sight(), &Step::Do(Task::Unswitch));
}

#[test]
fn after_a_reboot_what_was_started_is_not_taken_for_running() {
    let rebooted = Sight { boot: BootId([2; 16]), ..sight() };
    let resumed = |mut entries: Vec<Entry>| {
        entries.push(Entry::Resumed { boot: BootId([2; 16]) });
        entries
    };
    let turn = Turn::Failed(Why::lossy("the host was rebooted in the middle of the run"));
    let start = hook(Side::To, Event::ApplicationStart);
    check(resumed(until(start, End::good())), rebooted.clone(), &Step::TurnBack(turn.clone()));
    check(resumed(until(Task::Switch, End::good())), rebooted.clone(), &Step::Do(start));
    check(resumed(until(Task::Commit, End::good())), rebooted.clone(), &Step::Close(Outcome::Committed));
    let mut entries = until(start, End::good());
    entries.push(Entry::Turned(turn));
    let old = hook(Side::From, Event::ApplicationStart);
    for task in [hook(Side::To, Event::ApplicationStop), Task::Unswitch, old] {
        entries.push(Entry::Began { task, process: None });
        entries.push(Entry::Ended { task, end: End::good() });
    }
    let mut entries = resumed(entries);
    check(entries.clone(), rebooted.clone(), &Step::Do(old));
    entries.push(Entry::Began { task: old, process: None });
    entries.push(Entry::Ended { task: old, end: End::good() });
    check(entries, rebooted, &Step::Do(hook(Side::From, Event::ValidateService)));
}

#[test]
fn a_release_that_is_only_started_again_has_nowhere_to_go_back_to() {
    let plan = Plan { again: true, ..plan() };
    let start = hook(Side::To, Event::ApplicationStart);
    let entries = vec![
        Entry::Began { task: Task::Verify, process: None },
        Entry::Ended { task: Task::Verify, end: End::good() },
        Entry::Disturbed,
        Entry::Began { task: hook(Side::From, Event::ApplicationStop), process: None },
        Entry::Ended { task: hook(Side::From, Event::ApplicationStop), end: End::good() },
        Entry::Began { task: start, process: None },
        Entry::Ended { task: start, end: failed(Cause::Exited(1)) },
    ];
    let step = next(&request(Kind::GoBack), &plan, &journal(entries), &sight());
    assert_eq!(step, Step::Close(Outcome::NeedsHands { why: Why::lossy("ApplicationStart exit 1 \"db says no\"") }));
}

#[test]
fn what_is_blocked_is_switched_back_to_but_not_started() {
    let validate = hook(Side::To, Event::ValidateService);
    let mut entries = until(validate, failed(Cause::Exited(1)));
    entries.push(Entry::Turned(Turn::Failed(Why::lossy("x"))));
    for task in [hook(Side::To, Event::ApplicationStop), Task::Unswitch] {
        entries.push(Entry::Began { task, process: None });
        entries.push(Entry::Ended { task, end: End::good() });
    }
    let step = Step::Close(Outcome::NeedsHands { why: Why::lossy("switched back, but not started: blocked; it went back because of x") });
    check(entries, Sight { from_refused: Some(Why::lossy("blocked")), ..sight() }, &step);
}

#[test]
fn the_phase_and_the_report_come_from_the_journal() {
    let validate = hook(Side::To, Event::ValidateService);
    let mut entries = until(validate, failed(Cause::Exited(1)));
    assert_eq!(journal(until(Task::Prepare, End::good())).phase(), Phase::Beginning);
    assert_eq!(journal(entries.clone()).phase(), Phase::Forward(Event::ValidateService));
    entries.push(Entry::Turned(Turn::Failed(Why::lossy("x"))));
    entries.push(Entry::Closed(Outcome::RolledBack { why: Why::lossy("x") }));
    let journal = journal(entries);
    assert_eq!(journal.phase(), Phase::Back(Event::ApplicationStop));
    let report = report(&request(permit()), &plan(), &journal).unwrap();
    assert_eq!(report.generation, Some(Generation(4)));
    let last = report.events.last().unwrap();
    assert_eq!((last.event, last.code, last.exit, last.took_ms), (Event::ValidateService, 4, Some(1), 10));
    assert_eq!(report.events.len(), 4, "stop, switch, start, validate");
}

/// What the runs of the property test do to the host.
#[derive(Debug, Default, PartialEq)]
struct World {
    /// Some(true): the new files, Some(false): a mix; None: as it was.
    files: Option<bool>,
    started: Vec<Task>,
}

struct Dice(Vec<u8>, usize);

impl Dice {
    /// True about once in `n` throws, from the given bytes, again and again.
    fn one_in(&mut self, n: u8) -> bool {
        self.1 += 1;
        let turn = (self.1 / self.0.len()) as u8;
        self.0[self.1 % self.0.len()].wrapping_add(turn.wrapping_mul(31)).is_multiple_of(n)
    }
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let side = || prop::sample::subsequence(Event::ALL.to_vec(), 0..=Event::ALL.len()).prop_map(|events| hooks(&events));
    (side(), prop::option::of(side()), any::<bool>(), any::<bool>())
        .prop_map(|(to, from, to_health, from_health)| Plan { to, from, to_health, from_health, again: false })
}

/// Performs one step as the deployer would, and dies inside it when the dice say so. The journal's file is all that is left.
fn perform(step: Step, journal: &mut Journal, file: &mut Vec<u8>, world: &mut World, dice: &mut Dice) -> Option<Outcome> {
    let mut write = |journal: &mut Journal, entry: Entry| {
        let record = Record { at: Uptime(0), wall: 0, entry };
        journal.record(record.clone()).expect("next() asks only for what is legal");
        file.extend(line::line(&record));
    };
    match step {
        Step::Disturb => write(journal, Entry::Disturbed),
        Step::TurnBack(turn) => write(journal, Entry::Turned(turn)),
        Step::Close(outcome) => write(journal, Entry::Closed(outcome)),
        Step::Finished(outcome) => return Some(outcome),
        Step::Adopt(task, _) => {
            let lost = journal.began_in() != journal.boot() || dice.one_in(2);
            let end = if lost { failed(Cause::Lost) } else { End::good() };
            // What never ran may be begun again; here it did not run when it is not among the started.
            let end = if world.started.contains(&task) { end } else { failed(Cause::NeverStarted) };
            write(journal, Entry::Ended { task, end });
        }
        Step::Do(task) => {
            write(journal, Entry::Began { task, process: None });
            if dice.one_in(12) {
                if matches!(task, Task::Switch | Task::Unswitch) {
                    world.files = Some(false);
                }
                return None;
            }
            world.started.push(task);
            let end = if dice.one_in(6) && !matches!(task, Task::Unswitch) { failed(Cause::Own) } else { End::good() };
            match (task, &end) {
                (Task::Switch, End::Good { .. }) => world.files = Some(true),
                (Task::Switch, End::Failed(_)) => world.files = Some(false),
                (Task::Unswitch, _) => world.files = None,
                (Task::Verify | Task::Keep | Task::Prepare | Task::Hook { .. } | Task::Health(_) | Task::Commit, _) => {}
            }
            if !dice.one_in(12) {
                write(journal, Entry::Ended { task, end });
            }
        }
    }
    None
}

/// The boot in which the commit was first begun.
fn boot_of_commit(journal: &Journal) -> Option<BootId> {
    let mut boot = None;
    for record in journal.records() {
        match &record.entry {
            Entry::Opened { boot: b } | Entry::Resumed { boot: b } => boot = Some(*b),
            Entry::Began { task: Task::Commit, .. } => return boot,
            Entry::Began { .. } | Entry::Ended { .. } | Entry::Disturbed | Entry::Turned(_) | Entry::Closed(_) => {}
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn a_run_that_is_killed_anywhere_ends_in_all_or_before(plan in any_plan(), dice in prop::collection::vec(any::<u8>(), 8..120), asked in any::<bool>()) {
        let (mut dice, mut world, mut file) = (Dice(dice, 0), World::default(), Vec::new());
        let mut request = request(permit());
        if plan.from.is_none() {
            request.from = None;
        }
        let record = Record { at: Uptime(0), wall: 0, entry: Entry::Opened { boot: BootId::default() } };
        file.extend(line::line(&record));
        let (mut outcome, mut boot) = (None, BootId::default());
        for _ in 0..2000 {
            // Every step replays the file, as a new deployer would; sometimes the last line is torn.
            if dice.one_in(40) {
                file.extend(b"00000000 {\"at\":");
            }
            let (mut journal, good) = line::parse(&file).unwrap();
            file.truncate(good);
            if dice.one_in(25) && journal.closed().is_none() {
                boot = BootId([boot.0[0].wrapping_add(1); 16]);
                let record = Record { at: Uptime(0), wall: 0, entry: Entry::Resumed { boot } };
                file.extend(line::line(&record));
                journal.record(record).unwrap();
            }
            let turn_back = (asked && dice.one_in(15)).then(|| Why::lossy("asked"));
            let revoked = dice.one_in(50).then(|| Why::lossy("revoked"));
            let step = next(&request, &plan, &journal, &Sight { turn_back, revoked, boot, ..sight() });
            outcome = perform(step, &mut journal, &mut file, &mut world, &mut dice);
            if outcome.is_some() {
                prop_assert!(report(&request, &plan, &journal).is_some());
                break;
            }
        }
        let (journal, _) = line::parse(&file).unwrap();
        let well = |task: Task| matches!(journal.end(task), Some(End::Good { .. })) || task.overruled();
        let forward = lifecycle::forward(&plan);
        match outcome.expect("every run ends") {
            Outcome::Committed => {
                prop_assert_eq!(world.files, Some(true));
                prop_assert!(forward.iter().copied().all(well));
                let committing = boot_of_commit(&journal);
                let together = |t: &&Task| matches!(t, Task::Hook { side: Side::To, .. });
                prop_assert!(forward.iter().filter(together).all(|t| journal.ended_in(*t) == committing));
            }
            Outcome::RolledBack { .. } => {
                prop_assert_eq!(world.files, None);
                let back = lifecycle::back(&plan, &before_turn(&journal));
                prop_assert!(back.iter().copied().all(well));
                prop_assert!(back.iter().filter(|t| starts_old(**t)).all(|t| journal.ended_in(*t) == Some(boot)));
            }
            Outcome::NotBegun { .. } => prop_assert!(world.started.iter().all(|t| !t.disturbs()), "{:?}", world),
            Outcome::NeedsHands { why } => prop_assert!(why.as_str().contains("going back failed"), "{}", why),
        }
        for task in journal.begun().into_iter().filter(|t| matches!(t, Task::Hook { side: Side::To, .. }) && t.event() != Event::ApplicationStop) {
            prop_assert!(world.started.iter().filter(|t| **t == task).count() <= 1, "{:?} was started twice", task);
        }
    }
}
