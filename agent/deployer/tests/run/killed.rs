//! kill -9 of the deployer at every entry of its journal: the next one finishes the same run, in all or before.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use pilotage_agent_core::journal::Entry;
use pilotage_agent_core::lifecycle::Task;
use pilotage_deployer::hook::order::SUPERVISOR_LOCK;
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
    let hooks = |validation| {
        vec![
            ("ApplicationStop", COUNT),
            ("BeforeInstall", COUNT),
            ("AfterInstall", COUNT),
            ("ApplicationStart", COUNT),
            ("ValidateService", validation),
        ]
    };
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
    let one = world.package(
        "1",
        &[],
        "",
        &[("ApplicationStart", "echo before; touch @/here; while test ! -e @/go; do sleep 0.01; done; echo after; exit 5")],
    );
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

/// Two releases that need all of a switch: files, folders made and left, links, a file of somebody else, permissions, hooks.
fn rich(world: &World, validation: &str) -> [pilotage_agent_core::run::Target; 2] {
    fs::create_dir_all(world.path("out/app")).unwrap();
    fs::write(world.path("out/app/theirs"), "theirs").unwrap();
    let permissions = "permissions:\n  - {object: /, mode: 640, type: [file]}\n  - {object: /, mode: 2750, type: [directory]}\n";
    let spec = format!("file_exists_behavior: OVERWRITE\n{SPEC}{permissions}");
    let one = world.package(
        "1",
        &[("app/page", "one"), ("app/old/only", "x"), ("app/theirs", "ours")],
        &spec,
        &[("ApplicationStop", COUNT), ("ApplicationStart", COUNT)],
    );
    let hooks = [
        ("BeforeInstall", "rm -f @/out/app/old/only"),
        ("AfterInstall", "echo made > @/out/app/by-hook"),
        ("ApplicationStart", COUNT),
        ("ValidateService", validation),
    ];
    let two = world.package("2", &[("app/page", "two"), ("app/new/deep/x", "y"), ("app/new/z", "z")], &spec, &hooks);
    world.commit(None, &one);
    [one, two]
}

fn is_new(world: &World) -> bool {
    let read = |name: &str| fs::read_to_string(world.path("out/app").join(name)).ok();
    let new = ["page", "new/deep/x", "new/z", "theirs"].map(read) == ["two", "y", "z", "theirs"].map(|t| Some(t.to_owned()));
    new && !world.path("out/app/old").exists()
}

/// Ends a run that was cut, and looks whether it is old or new exactly; then the next deployment works.
fn old_or_new(world: &World, run: &Path, [one, two]: &[pilotage_agent_core::run::Target; 2], before: &std::collections::BTreeSet<String>, at: &str) {
    assert!(start(run).wait().unwrap().success(), "{at}: {}", log(run));
    match report(run).outcome {
        Outcome::Committed => {
            assert!(is_new(world), "{at}: {}", log(run));
            world.commit(Some(two), one);
        }
        Outcome::RolledBack { .. } | Outcome::NotBegun { .. } => {}
        Outcome::NeedsHands { why } => panic!("{at}: {why} {}", log(run)),
    }
    let _ = fs::remove_file(world.path("out/app/by-hook"));
    let all_but_previous = |all: &std::collections::BTreeSet<String>| all.iter().filter(|l| !l.starts_with("previous ")).cloned().collect::<Vec<_>>();
    assert_eq!(all_but_previous(&world.photograph_without_folder_times()), all_but_previous(before), "{at}: {}", log(run));
    assert!(!run.join("undo").exists() && !run.join("stage").exists(), "{at}");
}

/// kill -9 at every call of these kinds that the deployer makes: renames, removals, folders, syncs.
fn killed_at_every(call: &str, validation: &str) {
    let world = World::new();
    let targets = rich(&world, validation);
    let before = world.photograph_without_folder_times();
    for nth in 1.. {
        let run = world.run_directory(&world.request(Some(&targets[0]), &targets[1]));
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=KILL:when={nth}")]);
        let status = strace.arg(env!("CARGO_BIN_EXE_pilotage-deployer")).arg(".").current_dir(&run).status();
        let status = status.expect("this test needs strace: apt-get install strace");
        let whole = status.success();
        old_or_new(&world, &run, &targets, &before, &format!("killed at {call} {nth}"));
        if whole {
            assert!(nth > 2, "{call} was never met");
            return;
        }
    }
}

#[test]
fn a_kill_at_every_rename_leaves_old_or_new_exactly() {
    killed_at_every("renameat", "true");
    killed_at_every("renameat2", "true");
}

#[test]
fn a_kill_at_every_rename_on_the_way_back_leaves_the_old_exactly() {
    killed_at_every("renameat", "exit 1");
    killed_at_every("renameat2", "exit 1");
}

#[test]
fn a_kill_at_every_removal_leaves_old_or_new_exactly() {
    killed_at_every("unlinkat", "exit 1");
}

#[test]
fn a_kill_at_every_record_leaves_old_or_new_exactly() {
    killed_at_every("rename", "true");
}

/// The host goes down at an entry of the journal: what ran is gone, and the boot is another.
fn rebooted_at_every_entry(validation: &str) {
    let world = World::new();
    let targets = rich(&world, validation);
    let before = world.photograph_without_folder_times();
    for entries in 1.. {
        let run = world.run_directory(&world.request(Some(&targets[0]), &targets[1]));
        let through = kill_after(&run, entries);
        let old = journal(&run);
        if let Some((_, Some(process))) = old.pending() {
            pilotage_deployer::hook::process::end_session(process.pid);
            until("the hook is gone", || !alive(&process.pid.to_string()));
            // Its supervisor goes down with it, and what it says of its end was never durable.
            let lock = fs::File::options().write(true).create(true).truncate(false).open(run.join(SUPERVISOR_LOCK)).unwrap();
            until("the supervisor is gone", || lock.try_lock().is_ok());
            fs::remove_dir_all(run.join("results")).unwrap();
        }
        let boot = pilotage_shared::ids::BootId([7; 16]);
        let elsewhere = |entry: Entry| match entry {
            Entry::Opened { .. } => Entry::Opened { boot },
            Entry::Resumed { .. } => Entry::Resumed { boot },
            other => other,
        };
        let records = old.records().iter().cloned().map(|mut r| {
            r.entry = elsewhere(r.entry);
            r
        });
        let lines: Vec<u8> = records.flat_map(|r| pilotage_agent_core::journal::line::line(&r)).collect();
        fs::write(run.join("journal"), lines).unwrap();
        old_or_new(&world, &run, &targets, &before, &format!("rebooted after entry {entries}"));
        if through && entries > journal(&run).records().len() {
            return;
        }
    }
}

#[test]
fn a_reboot_at_any_entry_leaves_old_or_new_exactly() {
    rebooted_at_every_entry("true");
}

#[test]
fn a_reboot_at_any_entry_of_a_run_that_fails_leaves_the_old_exactly() {
    rebooted_at_every_entry("exit 1");
}

#[test]
fn a_switch_that_a_power_cut_has_half_undone_is_completed_after_the_reboot() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one"), ("app/old", "x")], SPEC, &[]);
    let two = world.package("2", &[("app/page", "two"), ("app/new", "n")], SPEC, &[("BeforeAllowTraffic", "touch @/here; sleep 1000")]);
    world.commit(None, &one);
    let run = world.run_directory(&world.request(Some(&one), &two));
    let mut deployer = start(&run);
    until("the switch is done", || world.path("here").exists());
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    let old = journal(&run);
    let Some((_, Some(process))) = old.pending() else { panic!("{}", log(&run)) };
    pilotage_deployer::hook::process::end_session(process.pid);
    // The renames of the switch are lost: what was put is aside again.
    let staged = |name: &str| fs::rename(world.path("out/app").join(name), run.join("stage").join(if name == "new" { "0" } else { "1" })).unwrap();
    staged("new");
    staged("page");
    // As a reboot leaves it in the switch.
    let boot = pilotage_shared::ids::BootId([7; 16]);
    let cut = old.records().iter().take_while(|r| !matches!(r.entry, Entry::Ended { task: Task::Switch, .. }));
    let lines: Vec<u8> = cut
        .cloned()
        .map(|mut r| {
            if let Entry::Opened { boot: b } = &mut r.entry {
                *b = boot;
            }
            r
        })
        .flat_map(|r| pilotage_agent_core::journal::line::line(&r))
        .collect();
    fs::write(run.join("journal"), lines).unwrap();
    fs::remove_dir_all(run.join("results")).unwrap();
    let mut second = start(&run);
    until("it is completed", || world.path("out/app/new").exists() && journal(&run).pending().is_some_and(|(t, _)| matches!(t, Task::Hook { .. })));
    assert_eq!((world.read("out/app/page").as_str(), world.read("out/app/new").as_str()), ("two", "n"));
    fs::write(run.join("turn-back"), "enough").unwrap();
    let Some((_, Some(process))) = journal(&run).pending() else { panic!("{}", log(&run)) };
    pilotage_deployer::hook::process::end_session(process.pid);
    assert!(second.wait().unwrap().success());
}

#[test]
fn what_a_run_has_prepared_that_was_not_begun_is_taken_by_the_next() {
    let world = World::new();
    let wait = [("BeforeBlockTraffic", "[ -e @/go ] || { touch @/here; sleep 1000; }")];
    let one = world.package("1", &[("app/page", "one"), ("app/old", "x")], SPEC, &wait);
    let two = world.package("2", &[("app/page", "two"), ("app/new", "n")], SPEC, &[]);
    world.commit(None, &one);
    let before = world.photograph_without_folder_times();
    let run = world.run_directory(&world.request(Some(&one), &two));
    let mut deployer = start(&run);
    until("it has prepared", || world.path("here").exists());
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    let old = journal(&run);
    let Some((_, Some(process))) = old.pending() else { panic!("{}", log(&run)) };
    pilotage_deployer::hook::process::end_session(process.pid);
    // As it is right behind Prepare; there the permission is void.
    let cut = old.records().iter().take_while(|r| !matches!(r.entry, Entry::Disturbed));
    let lines: Vec<u8> = cut.flat_map(pilotage_agent_core::journal::line::line).collect();
    fs::write(run.join("journal"), lines).unwrap();
    fs::write(run.join("revoked"), "a new session began").unwrap();
    let inode = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().metadata().unwrap().ino();
    let inodes = |folder: &Path| -> std::collections::BTreeSet<u64> { fs::read_dir(folder).unwrap().map(inode).collect() };
    let (staged, copied) = (inodes(&run.join("stage")), inodes(&run.join("undo/copies")));
    assert_eq!((staged.len(), copied.len()), (2, 2));
    assert!(start(&run).wait().unwrap().success());
    assert!(matches!(report(&run).outcome, Outcome::NotBegun { .. }), "{}", log(&run));
    assert_eq!(world.photograph_without_folder_times(), before);
    let prepared = world.path("state/private/prepared/web");
    assert_eq!((inodes(&prepared.join("stage")), inodes(&prepared.join("undo/copies"))), (staged.clone(), copied));
    fs::remove_dir_all(&run).unwrap();
    fs::write(world.path("go"), "").unwrap();
    world.commit(Some(&one), &two);
    assert_eq!((world.read("out/app/page").as_str(), world.read("out/app/new").as_str()), ("two", "n"));
    assert!(!world.path("out/app/old").exists() && !prepared.exists());
    let installed = inodes(&world.path("out/app"));
    assert!(installed.is_subset(&staged), "{installed:?} was made anew: {staged:?}");
}

#[test]
fn what_was_prepared_for_another_release_is_removed() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[]);
    let prepared = world.path("state/private/prepared/web");
    fs::create_dir_all(prepared.join("undo/copies")).unwrap();
    let other = pilotage_shared::digest::Digest::of(b"another");
    fs::write(prepared.join("record"), serde_json::json!({"run": "/nowhere", "package": other, "elsewhere": []}).to_string()).unwrap();
    world.commit(None, &one);
    assert_eq!((world.read("out/app/page").as_str(), prepared.exists()), ("one", false));
}
