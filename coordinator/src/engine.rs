//! The one thread that alone touches world and store. A turn:
//!
//! ```text
//! inputs that have arrived (≤ 512)     admit → apply, each a unit
//! plan → apply until nothing is left   each change a unit
//! one commit of all of it              one flush (R1)
//! then                                 answer callers · publish intents · run queries
//! ```
//!
//! Queries are closures that run between commits, so nobody reads what is not on disk. Any failure of the store ends the
//! engine, and with it the process: it never limps.

mod batch;
mod clock;
mod event;
mod handle;
mod numbers;
mod restored;
mod tracker;

use std::collections::BTreeSet;
use std::time::Duration;

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::{Input, Request, Via};
use pilotage_coordinator_core::{Answer, World, admit, plan};
use pilotage_shared::ids::Epoch;
use pilotage_shared::name::{FleetName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::time::Time;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::follow::Follows;
use crate::recording::Recorder;
use crate::sessions::Hub;
use crate::store::{Store, StoreError};
use batch::{Batch, Cause};
use clock::Clock;
pub use event::phase;
pub use handle::{Ask, Handle, Make, Refusal, View};
use handle::{Job, Tokens};
pub use numbers::Numbers;
pub use restored::begin_recovery;
pub use tracker::{Tracker, stands_still};

/// Inputs that one commit takes in.
const INPUTS: usize = 512;
/// Jobs that may wait.
const QUEUE: usize = 2048;
/// Planned changes of one turn.
const PLANNED: usize = pilotage_coordinator_core::plan::TURN;
/// How often a full disk is looked at again.
const FULL_DISK: Duration = Duration::from_secs(2);

/// The engine, before its thread has begun.
#[derive(Debug)]
pub struct Engine {
    world: World,
    store: Store,
    recorder: Recorder,
    clock: Clock,
    hub: Hub,
    tracker: Tracker,
    numbers: Numbers,
    started_at: Time,
    /// Fleets to be planned.
    dirty: BTreeSet<FleetName>,
    wake_at: Option<Time>,
    full: bool,
    jobs: mpsc::Receiver<Job>,
    newest: watch::Sender<u64>,
    tokens: Tokens,
}

impl Engine {
    /// Takes an open store and its world; the start itself is the first input (R16), committed before anybody is answered.
    pub fn start(store: Store, world: World, epoch: Epoch, recorder: Recorder) -> Result<(Engine, Handle), StoreError> {
        let mut clock = Clock::not_before(store.newest_at()?);
        let (sender, jobs) = mpsc::channel(QUEUE);
        let (newest, position) = watch::channel(store.newest());
        let tokens = Tokens::of(&world);
        let numbers = Numbers::default();
        let follows = Follows::default();
        let handle = Handle::new(sender, position, tokens.clone(), numbers.clone(), follows.clone());
        let started_at = clock.now();
        let (hub, tracker) = (Hub::new(follows), Tracker::default());
        let dirty = world.fleets.keys().cloned().collect();
        let mut engine =
            Engine { world, store, recorder, clock, hub, tracker, numbers, started_at, dirty, wake_at: None, full: false, jobs, newest, tokens };
        engine.begin(epoch)?;
        Ok((engine, handle))
    }

    fn begin(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        let input = Input {
            by: Principal::Rule { name: Why::lossy("start") },
            via: Via::Own,
            reason: Reason::default(),
            at: self.started_at,
            idempotency: None,
            request: Request::Start { epoch },
        };
        let mut batch = Batch::default();
        self.recorder.begin(&self.world, &self.dirty, self.started_at, self.store.newest());
        match admit(&self.world, &input, self.started_at) {
            Ok(admitted) => {
                self.recorder.input(&self.world, &input, &admitted);
                self.apply_unit(&mut batch, &admitted.changes, &Cause::of(&input))?;
            }
            // Only an error of ours could do it; without an epoch no host is ever commanded.
            Err(rejected) => warn!(%rejected, "the start was refused"),
        }
        self.finish(batch)
    }

    /// Runs until it is told to stop. `runtime` is where waiting callers live.
    pub fn run(mut self, runtime: &tokio::runtime::Handle) -> Result<(), StoreError> {
        loop {
            let Some(mut jobs) = self.wait(runtime) else { break };
            while jobs.len() < INPUTS {
                let Ok(job) = self.jobs.try_recv() else { break };
                jobs.push(job);
            }
            if !self.turn(jobs)? {
                break;
            }
        }
        self.recorder.flush(self.store.newest());
        self.hub.close_all("the coordinator stops");
        info!("engine stopped");
        Ok(())
    }

    /// Waits for a job or for the time to act. None when nobody can ask any more.
    fn wait(&mut self, runtime: &tokio::runtime::Handle) -> Option<Vec<Job>> {
        let now = self.clock.now();
        let due = self.wake_at.map(|at| Duration::from_millis((at - now).0));
        let due = if self.full { Some(FULL_DISK) } else { due };
        if !self.full && (due == Some(Duration::ZERO) || !self.dirty.is_empty()) {
            return Some(Vec::new());
        }
        let jobs = &mut self.jobs;
        runtime.block_on(async {
            match due {
                None => jobs.recv().await.map(|job| vec![job]),
                Some(due) => match tokio::time::timeout(due, jobs.recv()).await {
                    Ok(job) => job.map(|job| vec![job]),
                    Err(_) => Some(Vec::new()),
                },
            }
        })
    }

    /// One turn; false when the engine is to stop.
    fn turn(&mut self, jobs: Vec<Job>) -> Result<bool, StoreError> {
        let mut batch = Batch::default();
        let full = !self.store.has_room();
        if full != self.full {
            self.full = full;
            if full {
                warn!("the disk is nearly full: nothing is admitted or planned until there is room");
            } else {
                info!("there is room on the disk again");
            }
        }
        let now = self.clock.now();
        if !full {
            self.recorder.begin(&self.world, &self.dirty, now, self.store.newest());
        }
        let mut go_on = true;
        let mut queries = Vec::new();
        for job in jobs {
            match job {
                Job::Ask(ask) if full => ask.refuse(Refusal::NoSpace),
                Job::Run(_, reply) if full => drop(reply.send(Err(Refusal::NoSpace))),
                Job::Ask(ask) => self.ask(&mut batch, *ask)?,
                Job::Run(report, reply) => {
                    let writes = self.store.run_writes(&report)?;
                    if !writes.is_empty() {
                        let entry = event::run(&report, self.clock.now());
                        batch.run(writes, self.store.append(&entry)?);
                    }
                    batch.after.push(Box::new(move || drop(reply.send(Ok(())))));
                }
                Job::Query(query) => queries.push(query),
                Job::Tell(host) => drop(batch.touched.hosts.insert(host)),
                Job::Stop => go_on = false,
            }
        }
        if !full {
            self.plan(&mut batch)?;
        }
        self.finish(batch)?;
        if !queries.is_empty() {
            self.recorder.flush(self.store.newest());
        }
        let view = self.view();
        for query in queries {
            query(&view);
        }
        Ok(go_on)
    }

    fn view(&mut self) -> View<'_> {
        let now = self.clock.now();
        View {
            world: &self.world,
            store: &self.store,
            tracker: &self.tracker,
            recorder: &self.recorder,
            started_at: self.started_at,
            now,
            full: self.full,
        }
    }

    fn ask(&mut self, batch: &mut Batch, ask: Ask) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Ask { by, via, reason, idempotency, make, outbox, reply } = ask;
        let host = match &by {
            Principal::Host(id) => Some(id.name.clone()),
            Principal::Local { .. } | Principal::Token { .. } | Principal::Rule { .. } => None,
        };
        let admitted = make(&self.world).and_then(|request| {
            let input = Input { by, via, reason, at: now, idempotency, request };
            let admitted = admit(&self.world, &input, now)?;
            Ok((input, admitted))
        });
        self.numbers.input(admitted.is_ok());
        let answer = match admitted {
            Ok((input, admitted)) => {
                self.recorder.input(&self.world, &input, &admitted);
                self.apply_unit(batch, &admitted.changes, &Cause::of(&input))?;
                if let (Some(host), Request::Status { .. } | Request::Heartbeat { .. }) = (&host, &input.request) {
                    batch.heard.insert(host.clone());
                }
                if let (Some(host), Answer::Welcome(welcome), Some(outbox)) = (host, &admitted.answer, outbox) {
                    batch.sessions.push((host, welcome.clone(), outbox));
                }
                Ok(admitted.answer)
            }
            Err(rejected) => {
                debug!(code = rejected.code(), %rejected, "refused");
                Err(Refusal::Rejected(Box::new(rejected)))
            }
        };
        // A caller that has gone away needs no answer; what it asked for is done.
        batch.after.push(Box::new(move || drop(reply.send(answer))));
        Ok(())
    }

    /// Applies the changes of one unit, and collects its writes.
    fn apply_unit(&mut self, batch: &mut Batch, changes: &[Change], cause: &Cause) -> Result<(), StoreError> {
        let mut records = BTreeSet::new();
        let mut unit = Vec::new();
        for change in changes {
            let entry = event::of(&self.world, change, cause, self.clock.now());
            let touched = self.world.apply(change);
            records.extend(touched.records.iter().cloned());
            if let Some(entry) = entry {
                unit.push(self.store.append(&entry)?);
            }
            self.tokens.change(&self.world, change);
            self.dirty.extend(touched.fleets.iter().cloned());
            batch.touched.join(touched);
        }
        for key in &records {
            unit.push(self.store.write_of(&self.world, key)?);
        }
        batch.unit(unit);
        Ok(())
    }

    fn plan(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.recorder.plan(now);
        let cause = Cause::rule("plan");
        let mut planned = 0;
        while planned < PLANNED {
            let next = plan(&self.world, &self.dirty, now);
            self.wake_at = next.wake_at;
            if next.changes.is_empty() {
                self.dirty.clear();
                break;
            }
            planned += next.changes.len();
            for change in &next.changes {
                self.recorder.planned(change);
                self.apply_unit(batch, std::slice::from_ref(change), &cause)?;
            }
        }
        Ok(())
    }

    /// Commits; then tells everybody.
    fn finish(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch { units, touched, after, sessions, heard } = batch;
        self.numbers.commit(units.len());
        self.recorder.end_turn(self.store.newest(), !units.is_empty());
        self.store.commit(units)?;
        self.newest.send_if_modified(|position| {
            let new = self.store.newest();
            std::mem::replace(position, new) != new
        });
        self.tracker.update(&self.world, &touched.fleets, self.clock.now());
        for (host, welcome, outbox) in sessions {
            self.hub.begin(host, welcome, outbox);
        }
        for host in &touched.hang_up {
            self.hub.close(host, "its session is over");
        }
        for host in &heard {
            if let Some(live) = self.world.live.get(host) {
                self.hub.heard(host, live, &self.world.blocked);
            }
        }
        self.hub.publish(&self.world, &touched);
        for answer in after {
            answer();
        }
        self.numbers.sessions(self.hub.len());
        Ok(())
    }
}
