use super::*;
use crate::demo::package::VERSIONS;
use crate::demo::prober::Failure;
use crate::render::samples;
use pilotage_shared::api::v1::{RunEventView, When};
use pilotage_shared::time::Time;

const BEGAN: u64 = 1_000_000;

fn hosts() -> Vec<HostName> {
    (1..=6).map(|i| format!("h{i}").parse().unwrap()).collect()
}

fn event(event: &str, began_ms: u64, took_ms: u64, exit: i32, last_line: &str) -> RunEventView {
    RunEventView {
        event: event.to_owned(),
        back: false,
        script: Some("scripts/x.sh".to_owned()),
        began_ms,
        took_ms,
        code: if exit == 0 { 0 } else { 4 },
        exit: Some(exit),
        message: String::new(),
        last_line: last_line.to_owned(),
        log: false,
    }
}

fn run(host: &str, to: &str, from: Option<&str>, outcome: RunOutcomeWord, began: u64, took_ms: u64, events: Vec<RunEventView>) -> RunView {
    let from = from.map(|version| samples::release(&format!("web@{version}")));
    let began_at = When(Time(began));
    RunView {
        host: host.parse().unwrap(),
        to: samples::release(&format!("web@{to}")),
        from,
        outcome,
        began_at,
        took_ms,
        out_of_service_ms: Some(took_ms),
        events,
        ..samples::failed_run("h1", "")
    }
}

fn act(i: usize, outcome: OutcomeWord, runs: Vec<RunView>, failures: Vec<Failure>) -> Act {
    let seen = Seen { min_answering: 4, requests: 1200, failures };
    Act { version: VERSIONS[i], outcome, seconds: 2.94, floor: 4, seen, runs, held: i >= 2, because: None, first: i == 0, problems: Vec::new() }
}

fn cannot_validate() -> Act {
    let events = vec![event("ApplicationStart", 100, 50, 0, ""), event("ValidateService", 150, 50, 1, "/healthz says 500")];
    act(2, OutcomeWord::RolledBack, vec![run("h1", "1.2.0", Some("1.1.0"), RunOutcomeWord::RolledBack, BEGAN, 500, events)], Vec::new())
}

fn dies_later() -> Act {
    let start = || vec![event("ApplicationStart", 100, 50, 0, "")];
    let runs = vec![
        run("h1", "1.3.0", Some("1.1.0"), RunOutcomeWord::Committed, BEGAN, 400, start()),
        run("h2", "1.3.0", Some("1.1.0"), RunOutcomeWord::Committed, BEGAN, 400, start()),
        run("h1", "1.1.0", Some("1.3.0"), RunOutcomeWord::Committed, BEGAN + 5000, 600, start()),
        run("h2", "1.1.0", Some("1.3.0"), RunOutcomeWord::Committed, BEGAN + 5000, 500, start()),
    ];
    let failure = |host, at_ms| Failure { host, at_ms, what: "connection refused".to_owned() };
    act(3, OutcomeWord::RolledBack, runs, vec![failure(0, BEGAN + 200), failure(0, BEGAN + 3350), failure(1, BEGAN + 3400), failure(0, BEGAN + 5500)])
}

#[test]
fn a_version_that_cannot_validate_is_told_in_two_lines() {
    assert_eq!(
        lines(&cannot_validate(), &hosts()),
        [
            "web@1.2.0  cannot validate  █░░░░░ 1/6  rolled back    2.9s  lowest 4 answering, floor 4",
            "           h1 ValidateService exit 1 \"/healthz says 500\"; went back to 1.1.0 by itself in 0.3s; 1.2.0 is held",
        ]
    );
}

#[test]
fn a_version_that_dies_later_is_told_by_the_prober() {
    assert_eq!(
        lines(&dies_later(), &hosts()),
        [
            "web@1.3.0  dies 3s later    ██░░░░ 2/6  rolled back    2.9s  lowest 4 answering, floor 4",
            "           h1 h2 down 3.2s after start; both back on 1.1.0 in 2.1s; 1.3.0 is held",
        ]
    );
}

#[test]
fn the_first_install_has_no_lowest() {
    let first = act(0, OutcomeWord::Succeeded, vec![run("h1", "1.0.0", None, RunOutcomeWord::Committed, BEGAN, 400, Vec::new())], Vec::new());
    assert_eq!(lines(&first, &hosts()), ["web@1.0.0  first install    █░░░░░ 1/6  succeeded      2.9s"]);
}

#[test]
fn the_sum_names_requests_that_nobody_excuses() {
    let mut told = Told { acts: vec![cannot_validate(), dies_later()], restarts: 0, error: None };
    assert_eq!(
        ending(&told)[0],
        "prober     2,400 requests, 4 not answered, each by a host in change or a dead 1.3.0 (this demo has no load balancer)"
    );
    told.acts[0].seen.failures.push(Failure { host: 4, at_ms: BEGAN, what: "connection refused".to_owned() });
    assert!(ending(&told)[0].contains("5 not answered, 1 of them by hosts neither"));
    assert!(ending(&told).last().unwrap().starts_with("next"));
    told.acts[0].problems.push("x".to_owned());
    assert!(ending(&told).last().unwrap().starts_with("NOT OK"));
}

#[test]
fn machines_get_one_object() {
    let mut told = Told { acts: vec![dies_later()], restarts: 0, error: None };
    assert_eq!(
        serde_json::to_string(&told.summary()).unwrap(),
        r#"{"deployments":[{"package":"web@1.3.0","outcome":"rolled_back","seconds":2.9,"min_available":4,"floor":4}],"requests":1200,"failed_requests":4,"ok":true}"#
    );
    told.error = Some("h1 does not stay up".to_owned());
    assert!(serde_json::to_string(&told.summary()).unwrap().ends_with(r#""ok":false,"error":"h1 does not stay up"}"#));
}
