//! kill -9 of the deployer at every entry of its journal: the next one finishes the same run, in all or before.

use std::fs;
use std::path::Path;

use pilotage_agent_core::journal::Entry;
use pilotage_agent_core::lifecycle::Task;
use pilotage_shared::run::{Event, Outcome};

use crate::world::{World, alive, journal, log, report, start, until};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";

/// Every hook counts its starts, and is slow enough to be met alive.
const COUNT: &str = "echo $LIFECYCLE_EVENT $DEPLOYMENT_ID >> @/trace; sleep 0.02";

/// True when it had ended before.
pub fn kill_after(run: &Path, entries: usize) -> bool {
    let mut deployer = start(run);
    let lines = || fs::read(run.join("journal")).map_or(0, |t| t.iter().filter(|b| **b == b'\n').count());
    let mut ended = false;
    while lines() < entries && !run.join("report").exists() {
        std::thread::yield_now();
    }
    if !run.join("report").exists() {
        deployer.kill().unwrap();
    } else {
        ended = true;
    }
    deployer.wait().unwrap();
    ended
}

fn check(validation: &str, expected: &Outcome) {
    let world = World::new();
    let hooks = |validation| vec![("ApplicationStop", COUNT), ("BeforeInstall", COUNT), ("AfterInstall", COUNT), ("ApplicationStart", COUNT), ("ValidateService", validation)];
    let one = world.package("1", &[("app/page", "one"), ("app/old", "x")], SPEC, &hooks("true"));
    let two = world.package("2", &[("app/page", "two"), ("app/new/er", "y")], SPEC, &hooks(validation));
    world.commit(None, &one);
    let before = world.photograph();
    for entries in 1.. {
        let _ = fs::remove_file(world.path("trace"));
        let run = world.run_directory(&world.request(Some(&one), &two));
        let through = kill_after(&run, entries);
        assert!(start(&run).wait().unwrap().success(), "{}", log(&run));
        assert_eq!(&report(&run).outcome, expected, "killed after {entries}: {}", log(&run));
        let trace = world.read("trace");
        let forward = ["BeforeInstall", "AfterInstall"];
        assert!(forward.iter().all(|e| trace.matches(e).count() == 1), "no hook runs twice: {trace}");
        match expected {
            Outcome::Committed => {
                assert_eq!((world.read("out/app/page").as_str(), world.path("out/app/old").exists()), ("two", false));
                world.commit(Some(&two), &one);
            }
            Outcome::RolledBack { .. } | Outcome::NotBegun { .. } | Outcome::NeedsHands { .. } => {
                assert_eq!(world.photograph(), before, "killed after {entries}");
            }
        }
        if through && entries > journal(&run).records().len() {
            return;
        }
    }
}

#[test]
fn a_run_killed_at_any_entry_is_committed_by_the_next_deployer() {
    check("true", &Outcome::Committed);
}

#[test]
fn a_run_killed_at_any_entry_goes_back_by_the_next_deployer() {
    let why = pilotage_shared::text::Text::new("ValidateService exit 1").unwrap();
    check("exit 1", &Outcome::RolledBack { why });
}

/// Many files, so that kills fall into the switch and the switch back, not only between them.
fn killed_inside(task: Task, validation: &str) {
    let world = World::new();
    let many = |text: &str| (0..60).map(|n| (format!("app/{}/{n}", n % 7), format!("{text} {n}"))).collect::<Vec<_>>();
    let package = |version: &str, text: &str, hooks: &[(&str, &str)]| {
        let files = many(text);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        world.package(version, &files, SPEC, hooks)
    };
    let one = package("1", "one", &[]);
    world.commit(None, &one);
    let before = world.photograph();
    let two = package("2", "two", &[("ValidateService", validation)]);
    for round in 0..6u64 {
        let run = world.run_directory(&world.request(Some(&one), &two));
        let mut deployer = start(&run);
        let begun = || journal(&run).pending().is_some_and(|(t, _)| t == task);
        while !begun() && !run.join("report").exists() {
            std::thread::yield_now();
        }
        // Not a wait for something: a place in the work to be met at, another in each round.
        std::thread::sleep(std::time::Duration::from_millis(round * 5));
        let _ = deployer.kill();
        deployer.wait().unwrap();
        assert!(start(&run).wait().unwrap().success(), "{}", log(&run));
        match report(&run).outcome {
            Outcome::RolledBack { .. } => assert_eq!(world.photograph(), before, "round {round}"),
            Outcome::Committed => {
                assert!((0..60).all(|n| world.read(&format!("out/app/{}/{n}", n % 7)) == format!("two {n}")), "round {round}");
                world.commit(Some(&two), &one);
            }
            Outcome::NotBegun { .. } | Outcome::NeedsHands { .. } => panic!("{}", log(&run)),
        }
    }
}

#[test]
fn a_kill_inside_the_switch_leaves_no_mix() {
    killed_inside(Task::Switch, "true");
}

#[test]
fn a_kill_inside_the_switch_back_leaves_no_mix() {
    killed_inside(Task::Unswitch, "exit 1");
}

#[test]
fn a_hook_outlives_its_deployer_with_its_output_and_its_result_is_found() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", "echo before; touch @/here; while test ! -e @/go; do sleep 0.01; done; echo after; exit 5")]);
    let run = world.run_directory(&world.request(None, &one));
    let mut deployer = start(&run);
    until("the hook runs", || world.path("here").exists());
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    let mut second = start(&run);
    until("it was taken over", || journal(&run).records().iter().any(|r| matches!(r.entry, Entry::Resumed { .. })));
    fs::write(world.path("go"), "").unwrap();
    assert!(second.wait().unwrap().success());
    let report = report(&run);
    let event = report.events.iter().find(|e| e.event == Event::ApplicationStart).unwrap();
    assert_eq!((event.exit, event.last_line.as_str()), (Some(5), "after"), "{}", log(&run));
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }));
}

#[test]
fn a_hook_that_lost_its_supervisor_is_ended_and_counts_as_lost() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", "echo $$ $PPID > @/here.new; mv @/here.new @/here; sleep 1000")]);
    let run = world.run_directory(&world.request(None, &one));
    let mut deployer = start(&run);
    until("the hook runs", || world.path("here").exists());
    let text = world.read("here");
    let (hook, supervisor) = text.trim().split_once(' ').unwrap();
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor.parse().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    until("the supervisor is gone", || !alive(supervisor));
    assert!(start(&run).wait().unwrap().success());
    assert!(!alive(hook));
    let Outcome::RolledBack { why } = report(&run).outcome else { panic!() };
    assert!(why.as_str().starts_with("ApplicationStart lost"), "{why}");
}

#[test]
fn after_a_reboot_a_running_hook_is_lost() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("ApplicationStart", "echo $PPID > @/here; sleep 1000")]);
    let run = world.run_directory(&world.request(None, &one));
    let mut deployer = start(&run);
    until("the hook runs", || world.path("here").exists());
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    let Some((_, Some(process))) = journal(&run).pending() else { panic!("{}", log(&run)) };
    pilotage_deployer::hook::process::end_session(process.pid);
    until("the supervisor is gone", || !alive(&world.read("here")));
    // As a reboot leaves it: another boot in the journal, no result.
    let _ = fs::remove_file(run.join("results/1"));
    let text = fs::read(run.join("journal")).unwrap();
    let (journal, _) = pilotage_agent_core::journal::line::parse(&text).unwrap();
    let mut records = journal.records().to_vec();
    records[0].entry = Entry::Opened { boot: pilotage_shared::ids::BootId([7; 16]) };
    let lines: Vec<u8> = records.iter().flat_map(pilotage_agent_core::journal::line::line).collect();
    fs::write(run.join("journal"), lines).unwrap();
    assert!(start(&run).wait().unwrap().success());
    assert!(matches!(report(&run).outcome, Outcome::RolledBack { .. }), "{}", log(&run));
    assert!(!world.path("out/app").exists());
}

#[test]
fn a_run_that_is_over_is_only_reported_again() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStart", COUNT)]);
    let run = world.commit(None, &one);
    let before = journal(&run);
    fs::remove_file(run.join("report")).unwrap();
    assert!(start(&run).wait().unwrap().success());
    assert_eq!((report(&run).outcome, journal(&run)), (Outcome::Committed, before));
    assert_eq!(world.read("trace").lines().count(), 1);
    assert!(journal(&run).begun().contains(&Task::Commit));
}
