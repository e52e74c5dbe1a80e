//! From the start of the process's work to the first answer, with a full store.

use std::time::Instant;

use pilotage_client::{Address, Client};
use pilotage_coordinator::config::{Config, Flags};
use pilotage_coordinator::service::Service;
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, EventReport, Outcome, RunId, RunReport};

use crate::inputs::{add_hosts, engine};
use crate::{name, say};

const HOSTS: usize = 10_000;
const RUNS: usize = 100_000;

fn report(i: usize) -> RunReport {
    let deployment = DeploymentId { fleet: FleetName::new("web-prod").unwrap(), number: (i / HOSTS) as u32 + 1 };
    let event = |event| EventReport {
        event,
        back: false,
        script: None,
        began_ms: 0,
        took_ms: 100,
        code: 0,
        exit: Some(0),
        message: Why::default(),
        last_line: Why::lossy("done"),
    };
    let events = [Event::ApplicationStop, Event::Install, Event::ApplicationStart, Event::ValidateService, Event::HealthCheck];
    RunReport {
        id: RunId { deployment: Some(deployment), host: name(i % HOSTS), attempt: 1 },
        app: AppName::new("web").unwrap(),
        generation: None,
        to: Release::of(Digest([1; 32])),
        from: None,
        began_at_ms: 1_800_000_000_000,
        took_ms: 4000,
        out_of_service_ms: Some(1900),
        events: events.map(event).to_vec(),
        outcome: Outcome::Committed,
    }
}

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (handle, thread) = engine(&state, true);
    add_hosts(&handle, HOSTS).await;
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..256 {
        let handle = handle.clone();
        tasks.spawn(async move {
            for i in (part..RUNS).step_by(256) {
                handle.put_run(report(i)).await.unwrap();
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    say("durable reports of runs, 5 events each, 256 callers", &format!("{:.0}/s", RUNS as f64 / begun.elapsed().as_secs_f64()));
    handle.stop().await;
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();

    let flags = Flags { state: Some(state), socket: Some(folder.path().join("c.sock")), ..Flags::default() };
    let config = Config::from_flags(flags).unwrap();
    let begun = Instant::now();
    let service = Service::start(&config).await.unwrap();
    let client = Client::new(Address::Unix(config.socket.clone()), None);
    client.get_bytes("/readyz", 100).await.unwrap();
    say(&format!("restart to serving, {HOSTS} hosts, {RUNS} runs"), &format!("{:.2?}", begun.elapsed()));
    service.stop().await.unwrap();
}
