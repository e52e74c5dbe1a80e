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
use crate::lifecycle::{Retry, Ways};
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
        host: Default::default(),
    }
}

fn permit() -> Kind {
    Kind::Activate(Permit { generation: Generation(4), begin_by: Uptime(1000), boot: BootId::default(), while_down: false })
}

fn sight() -> Sight {
    Sight { uptime: Uptime(500), boot: BootId::default(), revoked: None, turn_back: None, to_refused: None, from_refused: None, reboot_refused: None }
}

fn plan() -> Plan {
    let to = [Event::ApplicationStop, Event::ApplicationStart, Event::ValidateService];
    Plan { to: hooks(&to), from: Some(hooks(&to)), ..Plan::default() }
}

const RETRY: Retry = Retry { times: 3, wait: Millis(100), at_most: Millis(1000) };

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
    check(
        until(Task::Verify, failed(Cause::Own)),
        sight(),
        &Step::Close(Outcome::NotBegun { why: Why::lossy("verifying the release failed: no \"db says no\"") }),
    );
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

/// A hook of the new release that ended so, after everything before it went well; times in milliseconds.
fn tried(task: Task, tries: &[(u64, u64)], cause: Cause) -> Journal {
    let mut journal = Journal::default();
    let mut write = |at: u64, entry: Entry| journal.record(Record { at: Uptime(at), wall: at, entry }).unwrap();
    write(0, Entry::Opened { boot: BootId::default() });
    let before = lifecycle::forward(&plan()).into_iter().take_while(|t| *t != task);
    write(0, Entry::Began { task: Task::Verify, process: None });
    write(0, Entry::Ended { task: Task::Verify, end: End::good() });
    write(0, Entry::Disturbed);
    for task in before.skip(1) {
        write(0, Entry::Began { task, process: None });
        write(0, Entry::Ended { task, end: End::good() });
    }
    for (began, ended) in tries {
        write(*began, Entry::Began { task, process: None });
        write(*ended, Entry::Ended { task, end: failed(cause) });
    }
    journal
}

#[test]
fn a_script_that_asks_for_it_is_tried_again_within_its_bounds() {
    let start = hook(Side::To, Event::ApplicationStart);
    let patient = Plan { to_ways: Ways { retry: Some(RETRY), ..Ways::default() }, ..plan() };
    let at = |uptime: u64| Sight { uptime: Uptime(uptime), ..sight() };
    let step = |plan: &Plan, tries: &[(u64, u64)], sight: Sight| next(&request(permit()), plan, &tried(start, tries, Cause::Later), &sight);
    let refused = Step::TurnBack(Turn::Failed(Why::lossy("ApplicationStart exit 21, try again later, for too long \"db says no\"")));
    assert_eq!(step(&plan(), &[(10, 20)], at(30)), refused, "a package without x-pilotage means nothing by it");
    assert_eq!(step(&patient, &[(10, 20)], at(30)), Step::Wait(Uptime(120)));
    assert_eq!(step(&patient, &[(10, 20)], at(120)), Step::Do(start));
    let asked = Sight { turn_back: Some(Why::lossy("web@1 is wanted again")), ..at(30) };
    assert_eq!(step(&patient, &[(10, 20)], asked), Step::TurnBack(Turn::Asked(Why::lossy("web@1 is wanted again"))), "a wait is a boundary");
    assert_eq!(step(&patient, &[(10, 20), (120, 130), (230, 240), (340, 350)], at(500)), refused, "three times and no more");
    assert_eq!(step(&patient, &[(10, 20), (120, 980)], at(2000)), refused, "not later than one second after the first");
    let mut other_boot = tried(start, &[(10, 20)], Cause::Later);
    other_boot.record(Record { at: Uptime(1), wall: 1, entry: Entry::Resumed { boot: BootId([3; 16]) } }).unwrap();
    let rebooted = Sight { boot: BootId([3; 16]), ..at(2) };
    assert_eq!(next(&request(permit()), &patient, &other_boot, &rebooted), Step::Do(start), "a reboot is later");
}

#[test]
fn a_script_that_asks_for_a_reboot_gets_it_where_the_host_allows_it_and_the_run_goes_on_behind_it() {
    let start = hook(Side::To, Event::ApplicationStart);
    let asked = || tried(start, &[(10, 20)], Cause::Reboot);
    assert_eq!(next(&request(permit()), &plan(), &asked(), &sight()), Step::Reboot(start));
    let refused = Sight { reboot_refused: Some(Why::lossy("this host does not allow it")), ..sight() };
    let why = Why::lossy("ApplicationStart asks for a reboot (exit 194): this host does not allow it");
    assert_eq!(next(&request(permit()), &plan(), &asked(), &refused), Step::TurnBack(Turn::Failed(why)));
    let mut after = asked();
    let mut write = |entry: Entry| after.record(Record { at: Uptime(5), wall: 5, entry }).unwrap();
    write(Entry::Resumed { boot: BootId([3; 16]) });
    let rebooted = Sight { boot: BootId([3; 16]), ..sight() };
    let validate = hook(Side::To, Event::ValidateService);
    assert_eq!(next(&request(permit()), &plan(), &after, &rebooted), Step::Do(validate));
    let mut write = |entry: Entry| after.record(Record { at: Uptime(5), wall: 5, entry }).unwrap();
    write(Entry::Began { task: validate, process: None });
    write(Entry::Ended { task: validate, end: End::good() });
    write(Entry::Resumed { boot: BootId([4; 16]) });
    let again = Sight { boot: BootId([4; 16]), ..sight() };
    let turn = Turn::Failed(Why::lossy("the host was rebooted in the middle of the run"));
    assert_eq!(next(&request(permit()), &plan(), &after, &again), Step::TurnBack(turn), "the second one nobody asked for");
}

#[test]
fn preflight_runs_with_the_permission_and_its_failure_begins_nothing() {
    let look = hook(Side::To, Event::Preflight);
    let plan = Plan { to: hooks(&[Event::Preflight]), ..plan() };
    let verified = || vec![Entry::Began { task: Task::Verify, process: None }, Entry::Ended { task: Task::Verify, end: End::good() }];
    let step = |entries: Vec<Entry>, sight: Sight| next(&request(permit()), &plan, &journal(entries), &sight);
    assert_eq!(step(verified(), sight()), Step::Do(look));
    let late = Sight { revoked: Some(Why::lossy("pinned")), ..sight() };
    assert_eq!(step(verified(), late), Step::Close(Outcome::NotBegun { why: Why::lossy("pinned") }));
    let mut failing = verified();
    failing.extend([Entry::Began { task: look, process: None }, Entry::Ended { task: look, end: failed(Cause::Exited(3)) }]);
    assert_eq!(step(failing, sight()), Step::Close(Outcome::NotBegun { why: Why::lossy("Preflight exit 3 \"db says no\"") }));
}

#[test]
fn who_is_only_told_decides_nothing() {
    let (failure, rollback) = (hook(Side::To, Event::OnFailure), hook(Side::From, Event::OnRollback));
    let plan = Plan { to: hooks(&[Event::OnFailure]), from: Some(hooks(&[Event::OnRollback])), ..plan() };
    let mut entries = vec![Entry::Disturbed];
    for (task, end) in [(Task::Verify, End::good()), (Task::Keep, End::good()), (Task::Switch, failed(Cause::Own))] {
        entries.extend([Entry::Began { task, process: None }, Entry::Ended { task, end }]);
    }
    entries.push(Entry::Turned(Turn::Failed(Why::lossy("x"))));
    let step = |entries: &[Entry], sight: Sight| next(&request(permit()), &plan, &journal(entries.to_vec()), &sight);
    assert_eq!(step(&entries, sight()), Step::Do(failure));
    entries.extend([Entry::Began { task: failure, process: None }, Entry::Ended { task: failure, end: failed(Cause::Lost) }]);
    assert_eq!(step(&entries, sight()), Step::Do(Task::Unswitch), "what was lost is not told again");
    entries.extend([Entry::Began { task: Task::Unswitch, process: None }, Entry::Ended { task: Task::Unswitch, end: End::good() }]);
    assert_eq!(step(&entries, sight()), Step::Do(rollback));
    entries.extend([Entry::Began { task: rollback, process: None }, Entry::Ended { task: rollback, end: failed(Cause::TimedOut) }]);
    assert_eq!(step(&entries, sight()), Step::Close(Outcome::RolledBack { why: Why::lossy("x") }));
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
    let ways = || {
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(service, drain, retries)| Ways { service, drain, retry: retries.then_some(RETRY) })
    };
    (side(), prop::option::of(side()), any::<bool>(), any::<bool>(), ways(), ways()).prop_map(
        |(to, from, to_health, from_health, to_ways, from_ways)| Plan { to, from, to_health, from_health, again: false, to_ways, from_ways },
    )
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
        Step::Wait(_) => {}
        Step::Reboot(task) => panic!("{task:?} has not asked for it"),
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
            let later = matches!(task, Task::Hook { .. }) && dice.one_in(5);
            let end =
                if dice.one_in(6) && !matches!(task, Task::Unswitch) { failed(if later { Cause::Later } else { Cause::Own }) } else { End::good() };
            match (task, &end) {
                (Task::Switch, End::Good { .. }) => world.files = Some(true),
                (Task::Switch, End::Failed(_)) => world.files = Some(false),
                (Task::Unswitch, _) => world.files = None,
                (
                    Task::Verify
                    | Task::Keep
                    | Task::Prepare
                    | Task::Hook { .. }
                    | Task::Health(_)
                    | Task::Commit
                    | Task::Drain
                    | Task::Stop(_)
                    | Task::Start(_),
                    _,
                ) => {}
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
                let together = |t: &&Task| t.starts(Side::To) && !matches!(t, Task::Health(_));
                prop_assert!(forward.iter().filter(together).all(|t| journal.ended_in(*t) == committing));
            }
            Outcome::RolledBack { .. } => {
                prop_assert_eq!(world.files, None);
                let back = lifecycle::back(&plan, &before_turn(&journal));
                prop_assert!(back.iter().copied().all(well));
                prop_assert!(back.iter().filter(|t| t.starts(Side::From)).all(|t| journal.ended_in(*t) == Some(boot)));
            }
            Outcome::NotBegun { .. } => prop_assert!(world.started.iter().all(|t| !t.disturbs()), "{:?}", world),
            Outcome::NeedsHands { why } => prop_assert!(why.as_str().contains("going back failed"), "{}", why),
        }
        for task in journal.begun().into_iter().filter(|t| matches!(t, Task::Hook { side: Side::To, .. }) && t.event() != Event::ApplicationStop) {
            let tries = 1 + journal.records().iter().filter(|r| matches!(&r.entry, Entry::Ended { task: t, end: End::Failed(f) } if *t == task && f.cause == Cause::Later)).count();
            prop_assert!(tries <= 1 + RETRY.times as usize + 1, "{:?} was tried too often", task);
            prop_assert!(world.started.iter().filter(|t| **t == task).count() <= tries, "{:?} was started twice", task);
        }
    }
}
