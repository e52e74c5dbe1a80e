//! `x-pilotage`: hooks, services, and what scripts may ask for, with real scripts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use pilotage_agent_core::journal::{Entry, Journal, line};
use pilotage_agent_core::lifecycle::Task;
use pilotage_shared::ids::BootId;
use pilotage_shared::run::{Event, Outcome, RunReport};

use crate::world::{World, journal, log, report, start, until};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";

fn trace(world: &World) -> Vec<String> {
    let text = fs::read_to_string(world.path("trace")).unwrap_or_default();
    let _ = fs::remove_file(world.path("trace"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn on_failure_is_told_before_the_undo_and_on_rollback_when_it_is_back_and_neither_decides() {
    let world = World::new();
    let tell = "#!/bin/sh\necho $LIFECYCLE_EVENT $(cat @/out/app/page) $1 $WHO: $PILOTAGE_REASON >> @/trace\nexit 1\n";
    let hooks = |event: &str| {
        format!(
            "{SPEC}x-pilotage:\n  hooks:\n    {event}:\n      - location: tell.sh\n        args: [--now]\n        env: {{WHO: me}}\n      - location: tell.sh\n"
        )
    };
    let step = "echo $LIFECYCLE_EVENT $(cat @/out/app/page) >> @/trace";
    let steps = |validate| vec![("ApplicationStop", step), ("ApplicationStart", step), ("ValidateService", validate)];
    let one = world.package("1", &[("app/page", "one"), ("tell.sh", tell)], &hooks("OnRollback"), &steps(step));
    let bad = world.package("2", &[("app/page", "two"), ("tell.sh", tell)], &hooks("OnFailure"), &steps("echo broken; exit 7"));
    world.commit(None, &one);
    trace(&world);
    let (report, run) = world.deploy(Some(&one), &bad);
    let why = "ValidateService exit 7 \"broken\"";
    assert_eq!(report.outcome, Outcome::RolledBack { why: pilotage_shared::text::Text::new(why).unwrap() }, "{}", log(&run));
    assert_eq!(
        trace(&world),
        [
            "ApplicationStop one".to_owned(),
            "ApplicationStart two".into(),
            format!("OnFailure two --now me: {why}"),
            "ApplicationStop two".into(),
            "ApplicationStart one".into(),
            "ValidateService one".into(),
            format!("OnRollback one --now me: {why}"),
        ]
    );
    let told: Vec<(Event, bool, u8)> =
        report.events.iter().filter(|e| e.event > Event::AfterAllowTraffic).map(|e| (e.event, e.back, e.code)).collect();
    assert_eq!(told, [(Event::OnFailure, true, 4), (Event::OnRollback, true, 4)], "an event ends with its first failing script");
}

#[test]
fn who_is_told_is_not_waited_for_without_end() {
    let world = World::new();
    let spec = "x-pilotage:\n  hooks:\n    OnFailure:\n      - location: hang.sh\n        timeout: 1\n";
    let bad = world.package("1", &[("hang.sh", "#!/bin/sh\nsleep 1000\n")], spec, &[("ApplicationStart", "exit 1")]);
    let (report, run) = world.deploy(None, &bad);
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }), "{}", log(&run));
    assert_eq!(report.events.iter().find(|e| e.event == Event::OnFailure).map(|e| e.code), Some(3));
}

#[test]
fn arguments_and_environment_reach_a_script_through_no_shell() {
    let world = World::new();
    let spec = "hooks:\n  ApplicationStart:\n    - location: run.sh\n      x-pilotage:\n        args: [\"a b\", \"$(touch @/never)\", \"; exit 1\", \"\"]\n        env: {MODE: \"x y\", PORT: \"9\"}\n";
    let run = "#!/bin/sh\nfor a; do echo \"[$a]\" >> @/args; done\necho \"$MODE $PORT $APPLICATION_NAME\" > @/env\n";
    world.commit(None, &world.package("1", &[("run.sh", run)], spec, &[]));
    let never = world.path("never");
    assert_eq!(world.read("args"), format!("[a b]\n[$(touch {})]\n[; exit 1]\n[]\n", never.display()));
    assert_eq!(world.read("env"), "x y 9 web\n", "above the host's variables, below the contract");
    assert!(!never.exists());
}

#[test]
fn a_preflight_that_fails_begins_nothing_and_says_why() {
    let world = World::new();
    let step = "echo $LIFECYCLE_EVENT >> @/trace";
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("ApplicationStop", step)]);
    world.commit(None, &one);
    let look =
        "#!/bin/sh\necho $LIFECYCLE_EVENT $(cat @/out/app/page) >> @/trace\ntest -e @/database || { echo the database is away >&2; exit 2; }\n";
    let spec = format!("{SPEC}x-pilotage:\n  preflight:\n    - location: look.sh\n");
    let two = world.package("2", &[("app/page", "two"), ("look.sh", look)], &spec, &[("BeforeInstall", step)]);
    let before = world.photograph();
    let (report, run) = world.deploy(Some(&one), &two);
    let Outcome::NotBegun { why } = &report.outcome else { panic!("{}", log(&run)) };
    assert_eq!(why.as_str(), "Preflight exit 2 \"the database is away\"");
    assert_eq!((trace(&world), journal(&run).disturbed(), report.out_of_service_ms), (vec!["Preflight one".to_owned()], false, None));
    assert_eq!(world.photograph(), before);
    fs::write(world.path("database"), "").unwrap();
    world.commit(Some(&one), &two);
    assert_eq!(trace(&world), ["Preflight one", "ApplicationStop", "BeforeInstall"]);
}

/// A systemd of which nothing but its answers is there.
fn with_systemd(world: &World) {
    world.program("systemctl", "[ \"$1\" = --no-ask-password ] && shift\necho \"$*\" >> @/trace\ncase \"$1\" in\nstart) if [ -e @/broken ]; then echo 'Job for web.service failed.' >&2; exit 1; fi; touch @/active;;\nstop) rm -f @/active;;\nreset-failed) exit 1;;\nis-active) test -e @/active;;\nesac");
}

const START: [&str; 4] = ["daemon-reload", "reset-failed -- web.service", "start -- web.service", "is-active --quiet -- web.service"];

#[test]
fn a_service_needs_no_scripts() {
    let world = World::new();
    with_systemd(&world);
    let package = |version: &str, hooks: &[(&str, &str)]| {
        world.package(version, &[("app/page", version)], &format!("{SPEC}x-pilotage:\n  service: web\n"), hooks)
    };
    let one = package("1", &[]);
    world.commit(None, &one);
    assert_eq!(trace(&world), START);
    let two = package("2", &[("ApplicationStart", "echo started $(test -e @/active && echo behind its unit) >> @/trace")]);
    world.commit(Some(&one), &two);
    let all = [&["stop -- web.service"][..], &START, &["started behind its unit"]].concat();
    assert_eq!(trace(&world), all);
    // Its process is gone: stopped, started, as it is installed (R27).
    let again = pilotage_agent_core::run::Request { kind: pilotage_agent_core::run::Kind::GoBack, ..world.request(Some(&two), &two) };
    let run = world.run_directory(&again);
    assert!(start(&run).wait().unwrap().success());
    assert_eq!((report(&run).outcome, trace(&world)), (Outcome::Committed, all.iter().map(|l| (*l).to_owned()).collect()));
    // One that cannot be started goes back to one that can.
    fs::write(world.path("broken"), "").unwrap();
    let three = package("3", &[("AfterInstall", "true")]);
    let run = world.run_directory(&world.request(Some(&one), &three));
    let mut deployer = start(&run);
    until("it turns", || journal(&run).turned().is_some());
    let _ = fs::remove_file(world.path("broken"));
    assert!(deployer.wait().unwrap().success());
    let Outcome::RolledBack { why } = report(&run).outcome else { panic!("{}", log(&run)) };
    assert_eq!(why.as_str(), "starting the service failed: systemctl start: Job for web.service failed.");
    let back = [&["stop -- web.service"][..], &START[..3], &["stop -- web.service"], &START].concat();
    assert_eq!(trace(&world), back);
    assert!(world.path("active").exists());
}

#[test]
fn a_units_file_comes_with_the_package_and_goes_with_it() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new();
    with_systemd(&world);
    let unit = format!("pilotage-test-{}.service", std::process::id());
    let installed = Path::new("/etc/systemd/system").join(&unit);
    let spec = format!("x-pilotage:\n  service:\n    unit: {unit}\n    file: units/{unit}\n");
    let package =
        |version: &str, validate: &str| world.package(version, &[(&format!("units/{unit}"), version)], &spec, &[("ValidateService", validate)]);
    let one = package("1", "true");
    world.commit(None, &one);
    assert_eq!(fs::read_to_string(&installed).unwrap(), "1");
    let (report, _) = world.deploy(Some(&one), &package("2", "exit 1"));
    assert!(matches!(report.outcome, Outcome::RolledBack { .. }));
    assert_eq!(fs::read_to_string(&installed).unwrap(), "1", "put back with everything else");
    world.commit(Some(&one), &world.package("3", &[], "", &[]));
    assert!(!installed.exists());
}

#[test]
fn a_run_with_all_of_it_that_is_killed_at_any_entry_goes_back_and_tells_once() {
    let world = World::new();
    with_systemd(&world);
    let tell = "#!/bin/sh\necho $LIFECYCLE_EVENT >> @/told\nsleep 0.02\n";
    let spec = format!(
        "{SPEC}x-pilotage:\n  service: web\n  drain: {{wait: 10ms}}\n  preflight:\n    - location: tell.sh\n  hooks:\n    OnFailure:\n      - location: tell.sh\n    OnRollback:\n      - location: tell.sh\n  shared: [data]\n"
    );
    let package =
        |version: &str, validate: &str| world.package(version, &[("app/page", version), ("tell.sh", tell)], &spec, &[("ValidateService", validate)]);
    let one = package("1", "true");
    world.commit(None, &one);
    let two = package("2", "exit 1");
    let before = world.photograph();
    for entries in 1.. {
        let _ = fs::remove_file(world.path("told"));
        let run = world.run_directory(&world.request(Some(&one), &two));
        let through = crate::killed::kill_after(&run, entries);
        assert!(start(&run).wait().unwrap().success(), "{}", log(&run));
        assert!(matches!(report(&run).outcome, Outcome::RolledBack { .. }), "killed after {entries}: {}", log(&run));
        assert_eq!(world.read("told"), "Preflight\nOnFailure\nOnRollback\n", "killed after {entries}: {}", log(&run));
        assert!(world.photograph() == before && world.path("active").exists(), "killed after {entries}: {}", log(&run));
        if through && entries > journal(&run).records().len() {
            return;
        }
    }
}

const RETRY: &str = "x-pilotage:\n  retry: {times: 3, wait: 100ms, at_most: 30s}\n";

fn tries(report: &RunReport) -> (Vec<Option<i32>>, &Outcome) {
    (report.events.iter().filter(|e| e.event == Event::ApplicationStart).map(|e| e.exit).collect(), &report.outcome)
}

#[test]
fn exit_21_is_tried_again_and_not_for_ever() {
    let world = World::new();
    let count = "echo try >> @/trace; test $(wc -l < @/trace) -ge 3 || exit 21";
    let (report, run) = world.deploy(None, &world.package("1", &[], RETRY, &[("ApplicationStart", count)]));
    assert_eq!(tries(&report), (vec![Some(0)], &Outcome::Committed), "{}", log(&run));
    assert_eq!(trace(&world).len(), 3);
    let (report, run) = world.deploy(None, &world.package("2", &[], RETRY, &[("ApplicationStart", "echo try >> @/trace; echo not yet; exit 21")]));
    let Outcome::RolledBack { why } = &report.outcome else { panic!("{}", log(&run)) };
    assert_eq!(why.as_str(), "ApplicationStart exit 21, try again later, for too long \"not yet\"");
    assert_eq!((trace(&world).len(), tries(&report).0), (4, vec![Some(21)]), "three more tries, and told once");
    // A bundle of CodeDeploy's means a failure by it.
    let (report, _) = world.deploy(None, &world.package("3", &[], "", &[("ApplicationStart", "echo try >> @/trace; exit 21")]));
    assert!(matches!(&report.outcome, Outcome::RolledBack { why } if why.as_str() == "ApplicationStart exit 21"));
    assert_eq!(trace(&world).len(), 1);
}

#[test]
fn tries_are_counted_over_crashes_and_a_wait_hears_turn_back() {
    let world = World::new();
    let spec = "x-pilotage:\n  retry: {times: 2, wait: 300ms, at_most: 1m}\n";
    let one = world.package("1", &[], spec, &[("ApplicationStart", "echo try >> @/trace; exit 21")]);
    let run = world.run_directory(&world.request(None, &one));
    let tried = |n: usize| journal(&run).records().iter().filter(|r| matches!(r.entry, Entry::Ended { task: Task::Hook { .. }, .. })).count() >= n;
    for n in 1..=2 {
        let mut deployer = start(&run);
        until("it was tried", || tried(n));
        deployer.kill().unwrap();
        deployer.wait().unwrap();
    }
    assert!(start(&run).wait().unwrap().success());
    assert!(matches!(report(&run).outcome, Outcome::RolledBack { .. }), "{}", log(&run));
    assert_eq!(trace(&world).len(), 3);

    let patient = world.package("2", &[], "x-pilotage:\n  retry: {wait: 1h, at_most: 2h}\n", &[("ApplicationStart", "touch @/here; exit 21")]);
    let mut request = world.request(None, &patient);
    request.hook_timeout = pilotage_shared::time::Millis::seconds(7200);
    let run = world.run_directory(&request);
    let mut deployer = start(&run);
    until("it waits", || journal(&run).pending().is_none() && world.path("here").exists());
    fs::write(run.join("turn-back"), "another is wanted").unwrap();
    assert!(deployer.wait().unwrap().success());
    assert!(matches!(report(&run).outcome, Outcome::RolledBack { why } if why.as_str() == "another is wanted"));
}

#[test]
fn shared_folders_outlive_releases_and_are_linked_into_each() {
    let world = World::new();
    let spec = "files:\n  - source: /\n    destination: @/out/app\nx-pilotage:\n  shared:\n    - path: var/storage\n      owner: \"OWNER\"\n      mode: \"0750\"\n";
    let owner = if nix::unistd::geteuid().is_root() { 65534 } else { nix::unistd::geteuid().as_raw() };
    let spec = spec.replace("OWNER", &owner.to_string());
    let one = world.package("1", &[("page", "one")], &spec, &[("ApplicationStart", "echo kept > @/out/app/var/storage/file")]);
    world.commit(None, &one);
    let folder = world.path("state/shared/web/var/storage");
    let meta = fs::metadata(&folder).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777, world.read("state/shared/web/var/storage/file").as_str()), (owner, 0o750, "kept\n"));
    assert_eq!(fs::read_link(world.path("state/apps/web/current/var/storage")).unwrap(), folder);
    let two = world.package("2", &[("page", "two")], &spec, &[("ValidateService", "test $(cat @/out/app/var/storage/file) = kept")]);
    world.commit(Some(&one), &two);
    assert_eq!(fs::read_link(world.path("out/app/var/storage")).unwrap(), folder);
    // Again, now that it was committed here before; and back to a release that shares nothing.
    world.commit(Some(&two), &one);
    world.commit(Some(&one), &world.package("3", &[("page", "three")], SPEC.replace("/app\n    d", "page\n    d").as_str(), &[]));
    assert_eq!((world.read("state/shared/web/var/storage/file").as_str(), world.path("out/app/var").exists()), ("kept\n", false));
}

#[test]
fn a_release_is_drained_before_it_is_stopped_and_not_for_ever() {
    let world = World::new();
    let ask = "#!/bin/sh\necho asked >> @/trace\ntest -e @/idle || { touch @/idle; exit 1; }\n";
    let step = "echo $LIFECYCLE_EVENT >> @/trace";
    let package = |version: &str, ask: &str| {
        let spec = "x-pilotage:\n  drain: {wait: 50ms, until: asks.sh, at_most: 3s}\n";
        world.package(version, &[("asks.sh", ask)], spec, &[("BeforeBlockTraffic", step), ("AfterBlockTraffic", step), ("ApplicationStop", step)])
    };
    let one = package("1", ask);
    world.commit(None, &one);
    assert!(trace(&world).is_empty(), "nothing runs that could be drained");
    let busy = package("2", "#!/bin/sh\nexit 1\n");
    world.commit(Some(&one), &busy);
    assert_eq!(trace(&world), ["BeforeBlockTraffic", "asked", "asked", "AfterBlockTraffic", "ApplicationStop"]);
    let (report, run) = world.deploy(Some(&busy), &world.package("3", &[], "", &[]));
    assert_eq!(report.outcome, Outcome::Committed, "{}", log(&run));
    let drain = report.events.iter().find(|e| e.event == Event::Drain).unwrap();
    assert!(drain.code == 5 && drain.message.as_str().starts_with("not drained within 3s") && drain.took_ms >= 2900, "{drain:?}");
}

#[test]
fn wildcards_pick_files_which_keep_their_places() {
    let world = World::new();
    let files =
        [("dist/a.js", "a"), ("dist/x/b.js", "b"), ("dist/x/b.js.map", "m"), ("dist/vendor/c.js", "c"), ("dist/a.css", "s"), ("docs/d.js", "d")];
    let spec = "x-pilotage:\n  files:\n    - source: dist/**/*.js\n      destination: @/out/js\n      exclude: [dist/vendor]\n    - source: docs\n      destination: @/out/docs\n      exclude: [\"*.map\"]\n";
    let one = world.package("1", &files, spec, &[]);
    world.commit(None, &one);
    let found: Vec<String> = world.photograph().into_iter().filter(|l| l.contains(" 100")).map(|l| l.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(found, ["docs/d.js", "js/a.js", "js/x/b.js"].map(|name| world.path("out").join(name).display().to_string()));
    world.commit(Some(&one), &world.package("2", &files, &spec.replace("dist/**/*.js", "dist/*.css"), &[]));
    assert!(world.path("out/js/a.css").exists() && !world.path("out/js/x").exists());
    let none = world.package("3", &files, &spec.replace("dist/**/*.js", "dist/*.ts"), &[]);
    let outcome = world.deploy(None, &none).0.outcome;
    let Outcome::NotBegun { why } = &outcome else { panic!("{outcome:?}") };
    assert!(why.as_str().contains("dist/*.ts"), "{why}");
}

#[test]
fn exit_194_without_the_hosts_word_fails_and_says_what_would_allow_it() {
    let world = World::new();
    let one = world.package("1", &[], "x-pilotage: {}\n", &[("AfterInstall", "exit 194")]);
    let Outcome::RolledBack { why } = world.deploy(None, &one).0.outcome else { panic!() };
    assert!(why.as_str().starts_with("AfterInstall asks for a reboot (exit 194): this host does not allow it: reboot = \"allowed\""), "{why}");
}

/// As another boot finds it: what was recorded so far belongs to an earlier one.
fn in_an_earlier_boot(run: &Path) {
    let mut records = journal(run).records().to_vec();
    for record in &mut records {
        if let Entry::Opened { boot } | Entry::Resumed { boot } = &mut record.entry {
            *boot = BootId([7; 16]);
        }
    }
    let mut journal = Journal::default();
    records.iter().for_each(|record| journal.record(record.clone()).unwrap());
    fs::write(run.join("journal"), records.iter().flat_map(line::line).collect::<Vec<u8>>()).unwrap();
}

#[test]
fn exit_194_has_the_host_rebooted_and_the_run_goes_on_behind_its_script() {
    let world = World::new();
    world.program("systemctl", "echo \"$*\" >> @/trace");
    let step = "echo $LIFECYCLE_EVENT >> @/trace";
    let one = world.package(
        "1",
        &[("app/page", "one")],
        &format!("{SPEC}x-pilotage: {{}}\n"),
        &[("BeforeInstall", step), ("AfterInstall", "echo kernel >> @/trace; exit 194"), ("AfterInstall", step), ("ApplicationStart", step)],
    );
    let mut request = world.request(None, &one);
    request.host.reboot = true;
    let run = world.run_directory(&request);
    let mut deployer = start(&run);
    until("the reboot was asked for", || world.path("trace").exists() && world.read("trace").ends_with("reboot\n"));
    deployer.kill().unwrap();
    deployer.wait().unwrap();
    in_an_earlier_boot(&run);
    assert!(start(&run).wait().unwrap().success());
    let report = report(&run);
    assert_eq!(report.outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!(trace(&world), ["BeforeInstall", "kernel", "--no-ask-password reboot", "AfterInstall", "ApplicationStart"]);
    let asked = report.events.iter().find(|e| e.exit == Some(194)).unwrap();
    assert_eq!(asked.code, 0, "it got what it asked for");
}
