//! Literal bodies of the API for the tests of what is rendered.

use jiff::tz::TimeZone;
use pilotage_shared::api::v1::{
    CoordinatorView, DeploymentState, DeploymentView, Explanation, FleetState, FleetStatus, HostCounts, HostStateWord, HostView, MissingView,
    MissingWhy, NoteView, OutcomeWord, ReleaseView, RunEventView, RunOutcomeWord, RunView, ScopeCounts, SlotView, StandingWord, StatusView,
    WaitingHost, WaitingKind, WaitingView, WaveView, When,
};
use pilotage_shared::digest::Digest;

use super::words::Clock;

pub fn when(text: &str) -> When {
    text.parse().unwrap()
}

pub fn clock() -> Clock {
    Clock { now: when("2026-11-23T03:03:07Z"), zone: TimeZone::UTC }
}

pub fn release(package: &str) -> ReleaseView {
    ReleaseView { package: package.to_owned(), digest: Digest::of(package.as_bytes()), config: None, config_digest: None, restart: 0 }
}

fn wave(hosts: u32, new: u32, in_change: u32, failed: u32) -> WaveView {
    WaveView {
        name: "all".to_owned(),
        hosts,
        new,
        available: new,
        staged: hosts,
        in_change,
        failed,
        old: hosts - new - in_change - failed,
        gate: "open".to_owned(),
    }
}

pub fn succeeded() -> DeploymentView {
    DeploymentView {
        id: "web-prod.1".parse().unwrap(),
        fleet: "web-prod".parse().unwrap(),
        app: "web".parse().unwrap(),
        state: DeploymentState::Ended,
        outcome: Some(OutcomeWord::Succeeded),
        wanted: release("web@1.4.2"),
        over: None,
        file_exists: None,
        by: "maria".to_owned(),
        reason: "first".to_owned(),
        started_at: when("2026-11-23T02:00:00Z"),
        ended_at: Some(when("2026-11-23T02:10:48Z")),
        paused: None,
        turned_at: None,
        because: None,
        failed: Vec::new(),
        left_behind: Vec::new(),
        lowest_available: Some(2),
        floor: 2,
        waves: vec![wave(3, 3, 0, 0)],
        waiting_since: None,
        waiting: Vec::new(),
    }
}

pub fn rolled_back() -> DeploymentView {
    DeploymentView {
        id: "web-prod.87".parse().unwrap(),
        outcome: Some(OutcomeWord::RolledBack),
        wanted: release("web@1.5.0"),
        over: Some(release("web@1.4.2")),
        file_exists: None,
        ended_at: Some(when("2026-11-23T02:00:38Z")),
        because: Some("2 hosts failed, 1 tolerated: ValidateService exit 7 \x1b[31m".to_owned()),
        failed: vec!["h1".parse().unwrap(), "h2".parse().unwrap()],
        lowest_available: Some(41),
        floor: 40,
        waves: vec![wave(60, 0, 0, 2)],
        ..succeeded()
    }
}

pub fn waiting_deployment() -> DeploymentView {
    DeploymentView {
        id: "web-prod.87".parse().unwrap(),
        state: DeploymentState::Waiting,
        outcome: None,
        wanted: release("web@1.5.0"),
        over: Some(release("web@1.4.2")),
        file_exists: None,
        by: "ci:acme/web#1182".to_owned(),
        reason: "merge 4e1f9c2".to_owned(),
        started_at: when("2026-11-23T01:30:02Z"),
        ended_at: None,
        lowest_available: Some(350),
        floor: 272,
        waves: vec![wave(412, 59, 1, 3)],
        waiting_since: Some(when("2026-11-23T02:12:07Z")),
        waiting: explanation().waiting,
        ..succeeded()
    }
}

fn waiting(id: &str, kind: WaitingKind, blocks: bool, text: &str) -> WaitingView {
    WaitingView {
        id: id.to_owned(),
        kind,
        blocks,
        text: text.to_owned(),
        count: 0,
        hosts: Vec::new(),
        scope: None,
        counted: None,
        limit: None,
        missing: Vec::new(),
        since: None,
        lifts_at: None,
        lifts_when: String::new(),
        who: Vec::new(),
        lift: None,
    }
}

pub fn explanation() -> Explanation {
    let host = |host: &str, why: &str| WaitingHost { host: host.parse().unwrap(), why: why.to_owned(), since: None };
    Explanation {
        fleet: "web-prod".parse().unwrap(),
        deployment: Some("web-prod.87".parse().unwrap()),
        state: DeploymentState::Waiting,
        waiting: vec![
            WaitingView {
                count: 11,
                hosts: vec![host("h11", "not heard from"), host("h12", "not heard from"), host("h13", "down: \x1b[2Jrefused")],
                scope: Some("zone=b".to_owned()),
                counted: Some(69),
                limit: Some(69),
                missing: vec![
                    MissingView { why: MissingWhy::Settling, count: 1, hosts: vec![host("h20", "")] },
                    MissingView { why: MissingWhy::Down, count: 2, hosts: vec![host("h21", "refused"), host("h22", "refused")] },
                ],
                since: Some(when("2026-11-23T02:12:07Z")),
                lifts_when: "one more host of zone=b counts".to_owned(),
                ..waiting("floor:zone=b", WaitingKind::Floor, true, "zone=b has 69 available, floor 69: nobody can be taken")
            },
            WaitingView {
                since: Some(when("2026-11-23T02:20:07Z")),
                lifts_when: "a person resumes it".to_owned(),
                who: vec!["maria".to_owned()],
                lift: Some("pilotage resume web-prod".to_owned()),
                ..waiting("paused", WaitingKind::Paused, true, "paused by maria: db failover INC-4711")
            },
            WaitingView {
                count: 1,
                hosts: vec![host("h17", "in ApplicationStop")],
                since: Some(when("2026-11-23T02:12:07Z")),
                lifts_when: "its run ends".to_owned(),
                ..waiting("in-change", WaitingKind::InChange, false, "1 host is in change")
            },
        ],
    }
}

pub fn status() -> StatusView {
    let fleet = |name: &str, app: &str, state, total, available, floor| FleetStatus {
        fleet: name.parse().unwrap(),
        app: app.parse().unwrap(),
        state,
        since: Some(when("2026-11-21T03:00:00Z")),
        wanted: Some(release(&format!("{app}@3.2.0"))),
        settled: Some(release(&format!("{app}@3.2.0"))),
        hosts: HostCounts { total, available, floor, margin: available.saturating_sub(floor), ..HostCounts::default() },
        per: Default::default(),
        versions: Default::default(),
        deployment: None,
        waiting: Vec::new(),
    };
    let mut web = FleetStatus {
        since: Some(when("2026-11-23T02:12:07Z")),
        wanted: Some(release("web@1.5.0")),
        settled: Some(release("web@1.4.2")),
        deployment: Some(waiting_deployment()),
        ..fleet("web-prod", "web", FleetState::Waiting, 412, 400, 272)
    };
    web.hosts = HostCounts { in_change: 1, unreachable: 11, ..web.hosts };
    let scope = |available, floor| ScopeCounts { total: 138, available, floor };
    web.per = [("zone".to_owned(), [("a".to_owned(), scope(137, 69)), ("b".to_owned(), scope(126, 69))].into())].into();
    let mut jobs = fleet("jobs-edge", "jobs", FleetState::CatchingUp, 96, 89, 48);
    jobs.hosts.to_follow = 7;
    StatusView {
        api: "v1".to_owned(),
        at: clock().now,
        revision: 918_223,
        coordinator: CoordinatorView {
            version: "0.1.0".to_owned(),
            started_at: when("2026-11-20T03:00:00Z"),
            hosts: 688,
            unreachable: 18,
            unheard: 0,
            heartbeat_ms: 5000,
            backup_at: Some(when("2026-11-23T02:41:07Z")),
            recovering: None,
            recording_lost: None,
        },
        fleets: vec![fleet("api-prod", "api", FleetState::Settled, 180, 180, 119), jobs, web],
    }
}

pub fn failed_run(host: &str, last_line: &str) -> RunView {
    RunView {
        run: format!("web-prod.87/{host}/4"),
        deployment: Some("web-prod.87".parse().unwrap()),
        host: host.parse().unwrap(),
        attempt: 4,
        app: "web".parse().unwrap(),
        to: release("web@1.5.0"),
        from: Some(release("web@1.4.2")),
        generation: Some(41),
        outcome: RunOutcomeWord::RolledBack,
        why: "ValidateService exit 7".to_owned(),
        began_at: when("2026-11-23T02:06:11.204Z"),
        took_ms: 33_600,
        out_of_service_ms: Some(33_000),
        events: vec![
            RunEventView {
                event: "ApplicationStop".to_owned(),
                back: false,
                script: Some("scripts/stop.sh".to_owned()),
                began_ms: 10,
                took_ms: 1200,
                code: 0,
                exit: Some(0),
                message: String::new(),
                last_line: String::new(),
                log: false,
            },
            RunEventView {
                event: "ValidateService".to_owned(),
                back: false,
                script: Some("scripts/validate.sh".to_owned()),
                began_ms: 2000,
                took_ms: 31_188,
                code: 4,
                exit: Some(7),
                message: "Script at specified location: scripts/validate.sh failed with exit code 7".to_owned(),
                last_line: last_line.to_owned(),
                log: true,
            },
        ],
    }
}

pub fn host(name: &str) -> HostView {
    let rack = if name == "h41" { "a5" } else { "a4" };
    HostView {
        host: name.parse().unwrap(),
        id: format!("{name}/1"),
        state: HostStateWord::Active,
        standing: StandingWord::Available,
        labels: [("env", "prod"), ("rack", rack)].map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).into(),
        cordoned: None,
        quarantined: None,
        added: NoteView { by: "maria".to_owned(), reason: String::new(), at: when("2026-11-20T02:00:00Z") },
        agent: Some("0.1.0".to_owned()),
        heard_at: Some(when("2026-11-23T03:03:05Z")),
        slots: vec![SlotView {
            app: "web".parse().unwrap(),
            fleet: Some("web-prod".parse().unwrap()),
            wanted: Some(release("web@1.5.0")),
            running: Some(release("web@1.4.2")),
            previous: Some(release("web@1.4.1")),
            settled: Some(release("web@1.4.2")),
            staged: Some(release("web@1.5.0")),
            behind: true,
            standing: StandingWord::Available,
            phase: "staged".to_owned(),
            health: "200 OK".to_owned(),
            health_for_ms: 3_060_000,
            run: None,
            loan: None,
            refused: Vec::new(),
            pinned: None,
            declines: None,
            needs_hands: None,
            last_run: Some(RunOutcomeWord::RolledBack),
            last_run_why: Some("ValidateService exit 7".to_owned()),
            since: Some(when("2026-11-23T02:12:07Z")),
        }],
        metrics: None,
    }
}
