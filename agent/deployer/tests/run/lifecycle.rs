//! Whole runs: forward, back, refused.

use std::fs;
use std::net::TcpListener;

use pilotage_agent_core::run::Kind;
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::ids::BootId;
use pilotage_shared::run::{Event, Outcome};
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Uptime};

use crate::world::{World, journal, log, report, start, until};

const SPEC: &str = "files:\n  - source: /app\n    destination: @/out/app\n";
const TRACE: &str = "echo $LIFECYCLE_EVENT $DEPLOYMENT_ID >> @/trace";

fn traced(events: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    events.iter().map(|e| (*e, TRACE)).collect()
}

const ALL: [&str; 9] = [
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

#[test]
fn a_first_install_and_an_upgrade_run_all_events_in_order() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &traced(&ALL));
    let two = world.package("2", &[("app/page", "two")], SPEC, &traced(&ALL));
    world.commit(None, &one);
    let first: Vec<String> = ALL[3..].iter().map(|e| format!("{e} web-prod.1")).collect();
    assert_eq!(world.read("trace").lines().collect::<Vec<_>>(), first, "nothing to stop on an empty slot");
    fs::remove_file(world.path("trace")).unwrap();
    let (report, _) = world.deploy(Some(&one), &two);
    assert_eq!(report.outcome, Outcome::Committed);
    let all: Vec<String> = ALL.iter().map(|e| format!("{e} web-prod.2")).collect();
    assert_eq!(world.read("trace").lines().collect::<Vec<_>>(), all);
    assert_eq!(world.read("out/app/page"), "two");
    assert_eq!(world.read("state/apps/web/current/app/page"), "two");
    assert_eq!(world.read("state/apps/web/previous/app/page"), "one");
    let events: Vec<Event> = report.events.iter().map(|e| e.event).collect();
    assert_eq!(events.len(), 10);
    assert!(report.events.iter().all(|e| e.code == 0 && !e.back) && events.is_sorted());
    assert!(report.out_of_service_ms.is_some() && report.from == Some(one.release) && report.to == two.release);
}

#[test]
fn a_failing_validation_goes_back_byte_for_byte() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one"), ("app/old/only", "x")], SPEC, &traced(&ALL));
    // The worst of guests: deletes the tree before, and litters after.
    let bad = world.package(
        "2",
        &[("app/page", "two"), ("app/new/only", "y")],
        SPEC,
        &[
            ("BeforeInstall", "rm -rf @/out/app"),
            ("AfterInstall", "chmod 600 @/out/app/page; echo z > @/out/app/page.tmp; rm @/out/app/page.tmp"),
            ("ApplicationStop", TRACE),
            ("ValidateService", "echo '/healthz says 500' >&2; exit 7"),
        ],
    );
    world.commit(None, &one);
    fs::write(world.path("out/app/node_modules"), "installed by a hook").unwrap();
    let before = world.photograph();
    fs::remove_file(world.path("trace")).unwrap();
    let (report, run) = world.deploy(Some(&one), &bad);
    let Outcome::RolledBack { why } = &report.outcome else { panic!("{}", log(&run)) };
    assert_eq!(why.as_str(), "ValidateService exit 7 \"/healthz says 500\"");
    assert_eq!(world.photograph(), before);
    let back = ["ApplicationStop", "ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"];
    let traces = world.read("trace");
    let events: Vec<&str> = traces.lines().map(|l| l.split(' ').next().unwrap()).skip(3).collect();
    assert_eq!(events, back);
    let failed = report.events.iter().find(|e| e.code != 0).unwrap();
    assert_eq!((failed.code, failed.exit, failed.back), (4, Some(7), false));
    assert_eq!(failed.message.as_str(), "Script at specified location: hooks/3.sh failed with exit code 7");
    assert!(!run.join("undo").exists(), "what was kept is swept");
    // The same once more, and then a good one: nothing is left that disturbs.
    assert!(matches!(world.deploy(Some(&one), &bad).0.outcome, Outcome::RolledBack { .. }));
    let good = world.package("3", &[("app/page", "three")], SPEC, &[]);
    world.commit(Some(&one), &good);
    assert_eq!(world.read("out/app/page"), "three");
    assert!(!world.path("out/app/old").exists() && world.path("out/app/node_modules").exists());
}

#[test]
fn a_failing_first_install_goes_back_to_nothing() {
    let world = World::new();
    let bad = world.package("1", &[("app/page", "one")], SPEC, &[("ValidateService", "exit 1")]);
    let before = world.photograph();
    assert!(matches!(world.deploy(None, &bad).0.outcome, Outcome::RolledBack { .. }));
    assert_eq!(world.photograph(), before);
}

#[test]
fn a_way_back_that_fails_says_what_to_look_at() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("ValidateService", "test ! -e @/broken")]);
    let bad = world.package("2", &[("app/page", "two")], SPEC, &[("ValidateService", "touch @/broken; exit 1")]);
    world.commit(None, &one);
    let Outcome::NeedsHands { why } = world.deploy(Some(&one), &bad).0.outcome else { panic!() };
    assert_eq!(why.as_str(), "going back failed: ValidateService exit 1; it went back because of ValidateService exit 1");
    assert_eq!(world.read("out/app/page"), "one");
}

#[test]
fn a_stop_script_that_fails_or_hangs_is_overruled() {
    let world = World::new();
    let one = world.package("1", &[], "", &[("ApplicationStop timeout=1", "sleep 1000"), ("BeforeBlockTraffic", "exit 9")]);
    let two = world.package("2", &[], "", &[]);
    world.commit(None, &one);
    let (report, run) = world.deploy(Some(&one), &two);
    assert_eq!(report.outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!(report.events.iter().map(|e| e.code).collect::<Vec<_>>(), [4, 3, 0]);
}

#[test]
fn without_its_permission_a_run_disturbs_nothing() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("BeforeInstall", TRACE)]);
    let check = |change: &dyn Fn(&mut pilotage_agent_core::run::Permit), file: Option<&str>, expected: &str| {
        let mut request = world.request(None, &one);
        if let Kind::Activate(permit) = &mut request.kind {
            change(permit);
        }
        let run = world.run_directory(&request);
        if let Some(name) = file {
            fs::write(run.join(name), expected).unwrap();
        }
        assert_eq!(start(&run).wait().unwrap().code(), Some(0));
        let Outcome::NotBegun { why } = report(&run).outcome else { panic!("{}", log(&run)) };
        assert!(why.as_str().starts_with(expected), "{why}");
        assert!(!journal(&run).disturbed() && !world.path("trace").exists() && !world.path("out/app").exists());
    };
    check(&|_| {}, Some("revoked"), "a new session began");
    check(&|_| {}, Some("turn-back"), "another release is wanted");
    check(&|p| p.begin_by = Uptime(1), None, "the permission ran out");
    check(&|p| p.boot = BootId([9; 16]), None, "the host was booted");
    let list = format!("{{\"version\":3,\"packages\":[\"{}\"]}}", one.release.package);
    fs::write(world.path("state/private/blocked"), list).unwrap();
    check(&|_| {}, None, "web@1: its package is blocked (list 3)");
}

#[test]
fn a_release_that_is_not_what_its_manifest_says_is_not_begun() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("BeforeInstall", TRACE)]);
    let page = world.release(&one.release.package.hex()).join("app/page");
    fs::write(&page, "0ne").unwrap();
    let Outcome::NotBegun { why } = world.deploy(None, &one).0.outcome else { panic!() };
    assert!(why.as_str().contains("\"app/page\": its content is another"), "{why}");
    fs::write(page, "one").unwrap();
    fs::write(world.release(&one.release.package.hex()).join("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
    let Outcome::NotBegun { why } = world.deploy(None, &one).0.outcome else { panic!() };
    assert!(why.as_str().contains("the AppSpec of the release is not what its digest says"), "{why}");
}

#[test]
fn it_turns_back_at_a_task_boundary_when_asked() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("ApplicationStart", TRACE)]);
    let two = world.package(
        "2",
        &[("app/page", "two")],
        SPEC,
        &[("AfterInstall", "touch @/here; while test ! -e @/go; do sleep 0.01; done; echo done > @/finished"), ("ApplicationStart", "touch @/never")],
    );
    world.commit(None, &one);
    let before = world.photograph();
    let run = world.run_directory(&world.request(Some(&one), &two));
    let mut deployer = start(&run);
    until("the hook runs", || world.path("here").exists());
    assert_eq!(start(&run).wait().unwrap().code(), Some(3), "one deployer for a run");
    fs::write(run.join("turn-back"), "web@1 is wanted again").unwrap();
    fs::write(world.path("go"), "").unwrap();
    assert!(deployer.wait().unwrap().success());
    assert_eq!(report(&run).outcome, Outcome::RolledBack { why: Text::new("web@1 is wanted again").unwrap() });
    assert!(world.path("finished").exists() && !world.path("never").exists(), "a hook is never cut");
    assert_eq!(world.photograph(), before);
}

#[test]
fn health_decides_within_its_deadline() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = |address: &str| Some(HealthCheck { deadline: Millis(1500), ..HealthCheck::of(Probe::Tcp { address: Text::new(address).unwrap() }) });
    let mut one = world.package("1", &[("check.sh", "#!/bin/sh\ntest -e @/healthy\n")], "", &[("ApplicationStart", "touch @/healthy")]);
    one.health = Some(HealthCheck::of(Probe::Command { location: Text::new("check.sh").unwrap() }));
    world.commit(None, &one);
    let mut two = world.package("2", &[], "", &[]);
    two.health = tcp(&listener.local_addr().unwrap().to_string());
    world.commit(Some(&one), &two);
    let mut three = world.package("3", &[], "", &[("ApplicationStart", "rm -f @/healthy")]);
    three.health = tcp("127.0.0.1:1");
    let (report, _) = world.deploy(Some(&one), &three);
    let Outcome::RolledBack { why } = &report.outcome else { panic!("{report:?}") };
    assert!(why.as_str().starts_with("HealthCheck failed: not healthy within 1.5s: "), "{why}");
    assert_eq!(report.events.iter().filter(|e| e.event == Event::HealthCheck).map(|e| (e.back, e.code)).collect::<Vec<_>>(), [(false, 5), (true, 0)]);
}

#[test]
fn a_release_that_cannot_be_read_any_more_is_left_and_not_started_again() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[("ApplicationStop", TRACE)]);
    world.commit(None, &one);
    fs::remove_dir_all(world.release(&one.release.package.hex())).unwrap();
    let bad = world.package("2", &[("app/page", "two")], SPEC, &[("ValidateService", "exit 1")]);
    let Outcome::NeedsHands { why } = world.deploy(Some(&one), &bad).0.outcome else { panic!() };
    assert!(why.as_str().starts_with("switched back, but not started: failed to read /"), "{why}");
    assert_eq!(world.read("out/app/page"), "one", "its files are back all the same");
    world.commit(Some(&one), &world.package("3", &[("app/page", "three")], SPEC, &[]));
    assert!(!world.path("trace").exists());
}

#[test]
fn a_release_whose_process_is_gone_is_started_again_as_it_is_installed() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &traced(&ALL));
    world.commit(None, &one);
    let before = world.photograph();
    fs::remove_file(world.path("trace")).unwrap();
    let request = pilotage_agent_core::run::Request { kind: Kind::GoBack, ..world.request(Some(&one), &one) };
    let run = world.run_directory(&request);
    assert!(start(&run).wait().unwrap().success());
    assert_eq!(report(&run).outcome, Outcome::Committed, "{}", log(&run));
    assert_eq!(world.read("trace"), "ApplicationStop web-prod.2\nApplicationStart web-prod.2\nValidateService web-prod.2\n");
    assert_eq!(world.photograph(), before);
}

#[test]
fn a_local_rollback_needs_no_permission_and_swaps_current_and_previous() {
    let world = World::new();
    let one = world.package("1", &[("app/page", "one")], SPEC, &[]);
    let two = world.package("2", &[("app/page", "two")], SPEC, &[]);
    world.commit(None, &one);
    world.commit(Some(&one), &two);
    let request = pilotage_agent_core::run::Request { kind: Kind::LocalRollback, ..world.request(Some(&two), &one) };
    let run = world.run_directory(&request);
    assert!(start(&run).wait().unwrap().success());
    assert_eq!((report(&run).outcome, report(&run).generation), (Outcome::Committed, None));
    let read = |name: &str| world.read(&format!("state/apps/web/{name}/app/page"));
    assert_eq!((world.read("out/app/page").as_str(), read("current").as_str(), read("previous").as_str()), ("one", "one", "two"));
}

#[test]
fn an_unreadable_journal_needs_hands_and_an_unreadable_request_is_an_error() {
    let world = World::new();
    let one = world.package("1", &[], "", &[]);
    let run = world.commit(None, &one);
    let text = fs::read(run.join("journal")).unwrap();
    fs::write(run.join("journal"), [&text[..10], b"x", &text[11..]].concat()).unwrap();
    fs::remove_file(run.join("report")).unwrap();
    assert_eq!(start(&run).wait().unwrap().code(), Some(0));
    let Outcome::NeedsHands { why } = report(&run).outcome else { panic!("{:?}", report(&run)) };
    assert!(why.as_str().starts_with("line 1 of the journal is damaged"), "{why}");
    fs::write(run.join("request"), "{").unwrap();
    assert_eq!(start(&run).wait().unwrap().code(), Some(1));
}
