//! Admitted inputs per second, each durable before it is answered.

use std::time::{Duration, Instant};

use pilotage_coordinator::engine::{Ask, Engine, Handle};
use pilotage_coordinator::principal::epoch;
use pilotage_coordinator::recording::{Limits, Recorder};
use pilotage_coordinator::store::{Keep, Store};
use pilotage_coordinator_core::input::{Request, Via};
use pilotage_coordinator_core::world::Settings;
use pilotage_shared::fleet::Labels;
use pilotage_shared::name::Reason;
use pilotage_shared::time::Millis;

use crate::{name, operator, percentile, say};

/// An engine on a store of its own.
pub fn engine(folder: &std::path::Path, recorded: bool) -> (Handle, std::thread::JoinHandle<()>) {
    let settings = Settings { heartbeat: Millis::seconds(5) };
    let (store, world) = Store::open(&folder.join("store"), &folder.join("backups"), settings, Keep { history: 1_000_000, runs: 200_000 }).unwrap();
    let limits = Limits { keep: Millis::seconds(3600), bytes: 1 << 30 };
    let recorder = if recorded { Recorder::new(&folder.join("recording"), limits, store.newest()) } else { Recorder::off() };
    let (engine, handle) = Engine::start(store, world, epoch().unwrap(), recorder).unwrap();
    let runtime = tokio::runtime::Handle::current();
    (handle, std::thread::spawn(move || engine.run(&runtime).unwrap()))
}

/// Asks for something as a person.
pub async fn ask(handle: &Handle, request: Request) {
    let make = Box::new(move |_: &_| Ok(request));
    let asked = handle.ask(|reply| Ask { by: operator(), via: Via::Api, reason: Reason::default(), idempotency: None, make, outbox: None, reply });
    asked.await.unwrap();
}

/// Adds hosts, many at a time.
pub async fn add_hosts(handle: &Handle, n: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for part in 0..256 {
        let handle = handle.clone();
        tasks.spawn(async move {
            for i in (part..n).step_by(256) {
                let token = pilotage_coordinator::principal::hash(&i.to_string());
                ask(&handle, Request::AddHost { host: name(i), labels: Labels::new(), token }).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

pub async fn measure() {
    // Twice each, by turns: the disk is not equally fast all the time.
    for recorded in [false, true, false, true] {
        durable(recorded).await;
    }
}

async fn durable(recorded: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (handle, thread) = engine(folder.path(), recorded);
    add_hosts(&handle, 1000).await;
    let how = if recorded { "recorded" } else { "not recorded" };
    for callers in [1usize, 16, 128, 512] {
        let each = if callers == 1 { 500 } else { 20_000 / callers };
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..callers {
            let handle = handle.clone();
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(each);
                for i in 0..each {
                    let host = name((caller * 7 + i) % 1000);
                    let begun = Instant::now();
                    ask(&handle, if i % 2 == 0 { Request::CordonHost { host } } else { Request::UncordonHost { host } }).await;
                    times.push(begun.elapsed());
                }
                times
            });
        }
        let mut times: Vec<Duration> = Vec::new();
        while let Some(more) = tasks.join_next().await {
            times.extend(more.unwrap());
        }
        let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
        let (half, most) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
        say(&format!("durable inputs, {callers} callers, {how}"), &format!("{rate:.0}/s, p50 {half:.1?}, p99 {most:.1?}"));
    }
    handle.stop().await;
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}
