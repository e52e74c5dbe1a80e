use http::StatusCode;
use pilotage_agent_core::journal::{Failure, Record, Turn};
use pilotage_agent_core::lifecycle::Side;
use pilotage_agent_core::run::REPORT;
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::BootId;
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Outcome, RunId};
use pilotage_shared::text::Text;
use pilotage_shared::time::Uptime;

use super::*;
use crate::fetch::stand_in::StandIn;

fn hook(side: Side, event: Event) -> Task {
    Task::Hook { side, event, script: 0 }
}

fn end(cause: Option<Cause>) -> End {
    match cause {
        None => End::good(),
        Some(cause) => End::Failed(Failure { cause, message: Text::lossy("it failed"), last_line: Why::default() }),
    }
}

/// A run directory with a journal of these entries, and its report.
fn run(runs: &Path, name: &str, entries: Vec<Entry>) -> PathBuf {
    let folder = runs.join(name);
    fs::create_dir_all(folder.join(LOGS)).unwrap();
    let lines: Vec<u8> = entries.into_iter().flat_map(|entry| line::line(&Record { at: Uptime(0), wall: 0, entry })).collect();
    fs::write(folder.join(JOURNAL), lines).unwrap();
    fs::write(folder.join(REPORT), serde_json::to_vec(&report(Outcome::RolledBack { why: Why::lossy("it failed") })).unwrap()).unwrap();
    folder
}

fn report(outcome: Outcome) -> RunReport {
    RunReport {
        id: RunId { deployment: Some("web-prod.7".parse().unwrap()), host: HostName::new("h1").unwrap(), attempt: 1 },
        app: AppName::new("web").unwrap(),
        generation: None,
        to: Release::of(Digest::of(b"to")),
        from: None,
        began_at_ms: 0,
        took_ms: 0,
        out_of_service_ms: None,
        events: Vec::new(),
        outcome,
    }
}

/// Goes forward through a start that fails, and back through a stop that is fine and a start that fails too.
fn failed_both_ways() -> Vec<Entry> {
    let began = |task| Entry::Began { task, process: None };
    let ended = |task, cause| Entry::Ended { task, end: end(cause) };
    let (stop, start) = (Event::ApplicationStop, Event::ApplicationStart);
    let task = |task, cause| [began(task), ended(task, cause)];
    let mut entries = vec![Entry::Opened { boot: BootId([1; 16]) }];
    entries.extend(task(Task::Verify, None));
    entries.extend(task(Task::Keep, None));
    entries.extend(task(Task::Prepare, None));
    entries.push(Entry::Disturbed);
    entries.extend(task(hook(Side::From, stop), None));
    entries.extend(task(hook(Side::To, start), Some(Cause::NeverStarted)));
    entries.extend(task(hook(Side::To, start), Some(Cause::Exited(1))));
    entries.push(Entry::Turned(Turn::Failed(Why::lossy("it failed"))));
    entries.extend(task(hook(Side::To, stop), None));
    entries.extend(task(hook(Side::From, start), Some(Cause::Exited(2))));
    entries
}

#[tokio::test]
async fn a_failed_script_brings_the_tail_of_its_own_output() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = StandIn::start(dir.path());
    let runs = dir.path().join("runs");
    let folder = run(&runs, "0a0a0a0a-1", failed_both_ways());
    let long = format!("cut{}", "y".repeat(LOG_TAIL));
    for (name, text) in
        [("001-ApplicationStop", "fine"), ("003-ApplicationStart", &long), ("004-ApplicationStop", "fine"), ("005-ApplicationStart", "back")]
    {
        fs::write(folder.join(LOGS).join(format!("{name}.log")), text).unwrap();
    }
    assert!(!send_all(&coordinator.client, &runs).await);
    let told = coordinator.known.lock().unwrap().told.clone();
    let log = |back| format!("/agent/v1/logs?app=web&deployment=web-prod.7&attempt=1&event=ApplicationStart&back={back}");
    assert_eq!(told.keys().cloned().collect::<Vec<_>>(), [log(false), log(true), "/agent/v1/runs".to_owned()]);
    assert_eq!(told[&log(false)], "y".repeat(LOG_TAIL));
    assert_eq!(told[&log(true)], "back");
    let asked = coordinator.known.lock().unwrap().asked.len();
    assert!(!send_all(&coordinator.client, &runs).await);
    assert_eq!(coordinator.known.lock().unwrap().asked.len(), asked, "what was acknowledged is not sent again");
}

#[tokio::test]
async fn what_was_not_acknowledged_is_kept_and_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let coordinator = StandIn::start(dir.path());
    let runs = dir.path().join("runs");
    let folders: Vec<PathBuf> = (1..=2).map(|n| run(&runs, &format!("0a0a0a0a-{n}"), Vec::new())).collect();
    coordinator.known.lock().unwrap().refuse = Some(StatusCode::SERVICE_UNAVAILABLE);
    assert!(send_all(&coordinator.client, &runs).await);
    assert_eq!(coordinator.known.lock().unwrap().asked.len(), 2, "one refusal does not hold up the others");
    assert!(folders.iter().all(|f| !f.join(REPORTED).exists()));
    coordinator.known.lock().unwrap().refuse = None;
    let (_wake, woken) = tokio::sync::watch::channel(0);
    let keeping = tokio::spawn(keep(coordinator.client.clone(), runs, woken));
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !folders.iter().all(|f| f.join(REPORTED).exists()) {
        assert!(std::time::Instant::now() < until, "the reports are not sent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    keeping.abort();
}

#[test]
fn each_app_keeps_its_newest_runs_and_whatever_was_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: String, reported: bool| {
        fs::create_dir_all(dir.path().join(&name)).unwrap();
        if reported {
            fs::write(dir.path().join(&name).join(REPORTED), b"").unwrap();
        }
    };
    make("aaaaaaaa-1".into(), true);
    (1..=KEPT + 3).for_each(|n| make(format!("bbbbbbbb-{n}"), n != 2));
    sweep(dir.path()).unwrap();
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("aaaaaaaa-1"), "a busy app does not cost another one its runs");
    assert!(!left("bbbbbbbb-1") && left("bbbbbbbb-2") && !left("bbbbbbbb-3"));
    assert!((4..=KEPT + 3).all(|n| left(&format!("bbbbbbbb-{n}"))));
}

#[test]
fn whatever_has_started_what_runs_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=KEPT + 4 {
        let folder = dir.path().join(format!("bbbbbbbb-{n}"));
        fs::create_dir_all(&folder).unwrap();
        let why = pilotage_shared::name::Why::lossy("x");
        let outcome = match n {
            1 | 2 => Outcome::Committed,
            3 => Outcome::RolledBack { why },
            _ => Outcome::NotBegun { why },
        };
        fs::write(folder.join(REPORTED), b"").unwrap();
        fs::write(folder.join(pilotage_agent_core::run::REPORT), serde_json::to_vec(&report(outcome)).unwrap()).unwrap();
    }
    sweep(dir.path()).unwrap();
    let left: Vec<usize> = (1..=6).filter(|n| dir.path().join(format!("bbbbbbbb-{n}")).exists()).collect();
    assert_eq!(left, [2, 3, 5, 6]);
}
