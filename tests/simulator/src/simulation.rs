//! The whole simulated world on one clock: machines, network, coordinator, and the promises watched after every step.
//!
//! Events are taken in the order of their time; equal times in the order in which they were planned. Nothing else decides
//! what comes next, so a seed is a run.

mod center;
mod doubles;
mod hosts;
mod operate;
mod phase;
mod queue;
mod rules;
pub mod telling;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};

use pilotage_coordinator_core::input::Idempotency;
use pilotage_coordinator_core::world::Settings;
use pilotage_coordinator_core::{Answer, Input, Rejected};
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Frame;

use crate::coordinator::{Coordinator, Store};
use crate::coverage::{Coverage, Fault};
use crate::machine::Machine;
use crate::network::{LinkId, Network, Rates, Side};
use crate::promises::Promises;
use crate::promises::grant::SMALL;
use crate::rng::Rng;
use crate::trace::{BEGINNING, Trace};
use crate::truth::Behaviours;
use queue::Queue;
use telling::Telling;

/// Events of one run at most, in a small world and for each host of a large one; more is a storm.
const EVENTS: u64 = 1_000_000;
const EVENTS_PER_HOST: u64 = 20_000;

/// What comes at its time.
#[derive(Clone, Debug)]
enum Event {
    /// A frame arrives at the coordinator; it was sent then.
    Up { link: LinkId, frame: Box<Frame>, sent: Time },
    /// A frame arrives at the host.
    Down { link: LinkId, frame: Box<Frame> },
    /// That side learns that the other has closed the connection.
    Closed { link: LinkId, side: Side },
    /// An agent's own time has come.
    Wake(HostName),
    /// A deployer has come to the end of its stage.
    Deployer(HostName, AppName),
    /// The coordinator takes in what has arrived, or its own time has come.
    Drain,
    /// An agent's process is started again.
    StartAgent(HostName),
    /// A machine is switched on.
    PowerOn(HostName),
    /// The coordinator's process is started.
    StartCoordinator,
}

/// Where an input came from.
#[derive(Clone, Debug)]
enum Origin {
    /// A person, who waits for the answer under this number.
    Person(u64),
    /// An agent's connection; the frame was made then.
    Link(LinkId, Time),
    /// The coordinator itself.
    Own,
}

/// How unlucky processes are, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Luck {
    /// The coordinator dies in a drain before its commit.
    pub crash_before_commit: u64,
    /// It dies after its commit, before anybody is told.
    pub crash_before_publish: u64,
    /// An agent dies between two acts.
    pub crash_agent: u64,
    /// A fetch fails and is tried again.
    pub fetch_fails: u64,
    /// How long a drain may wait for more inputs, milliseconds.
    pub drain_within: u64,
}

/// The world.
pub struct Simulation {
    /// Now.
    pub now: Time,
    /// Draws of the simulator itself.
    pub rng: Rng,
    /// What frames suffer.
    pub network: Network,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The hosts, by name; a machine that joins under a retired name takes its place.
    pub machines: BTreeMap<HostName, Machine>,
    /// How packages behave.
    pub behaviours: Behaviours,
    /// What must hold.
    pub promises: Promises,
    /// What was met.
    pub coverage: Coverage,
    /// For failing seeds.
    pub trace: Trace,
    /// For stories.
    pub telling: Telling,
    /// How unlucky processes are.
    pub luck: Luck,
    /// A copy of the store, made by a person.
    pub backup: Option<Store>,
    /// The copy before that.
    backup_before: Option<Store>,
    /// Copies of machines.
    snapshots: BTreeMap<HostName, Machine>,
    /// A coordinator that lives on elsewhere.
    other: Option<doubles::Other>,
    /// A host that says anything.
    liar: Option<HostName>,
    /// What becomes of the next commit.
    next_commit: Option<Fault>,
    /// Hosts whose next fetch fails, and whose next begin is their agent's end.
    next_fetch_fails: BTreeSet<HostName>,
    next_begin_dies: BTreeSet<HostName>,
    /// Agents whose processes are stopped, until then.
    stalled: BTreeMap<HostName, Time>,
    queue: Queue,
    serial: u64,
    taken: u64,
    wakes: BTreeMap<HostName, (Time, u64)>,
    drains: BTreeMap<Time, u64>,
    inbox: Vec<(Origin, Input)>,
    /// Under which the next request is made.
    key: Option<Idempotency>,
    links_of: BTreeMap<HostName, LinkId>,
    greeted: BTreeSet<LinkId>,
    stages: BTreeMap<(HostName, AppName), Time>,
    /// In a large world: whom the last event was about, or may have been.
    stirred: Vec<HostName>,
    /// Apps that statuses have told of.
    spoken_of: BTreeSet<AppName>,
    answers: BTreeMap<u64, Result<Answer, Rejected>>,
}

impl Simulation {
    /// Nothing but a coordinator that has not started yet.
    pub fn new(seed: u64, rates: Rates, heartbeat: Millis) -> Self {
        let mut rng = Rng::new(seed);
        let network = Network::new(rng.fork(), rates);
        Self {
            now: BEGINNING,
            network,
            coordinator: Coordinator::new(Settings { heartbeat }),
            machines: BTreeMap::new(),
            behaviours: Behaviours::default(),
            promises: Promises::default(),
            coverage: Coverage::default(),
            trace: Trace::off(),
            telling: Telling::default(),
            luck: Luck::default(),
            backup: None,
            backup_before: None,
            snapshots: BTreeMap::new(),
            other: None,
            liar: None,
            next_commit: None,
            next_fetch_fails: BTreeSet::new(),
            next_begin_dies: BTreeSet::new(),
            stalled: BTreeMap::new(),
            queue: Queue::default(),
            serial: 0,
            taken: 0,
            wakes: BTreeMap::new(),
            drains: BTreeMap::new(),
            inbox: Vec::new(),
            key: None,
            links_of: BTreeMap::new(),
            greeted: BTreeSet::new(),
            stages: BTreeMap::new(),
            stirred: Vec::new(),
            spoken_of: BTreeSet::new(),
            answers: BTreeMap::new(),
            rng,
        }
    }

    /// Lets time pass; stops early when a promise is broken.
    pub fn run_until(&mut self, end: Time) {
        while self.queue.next_at().is_some_and(|at| at <= end) && self.promises.broken.is_none() {
            let Some(((at, serial), event)) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.taken += 1;
            let most = EVENTS.max(self.machines.len() as u64 * EVENTS_PER_HOST);
            self.promises.must(self.taken <= most, "simulator", || format!("a storm: {most} events"));
            self.take(serial, event);
        }
        if self.promises.broken.is_none() {
            self.now = self.now.max(end);
        }
    }

    /// Takes the next event; false when there is none.
    pub fn step(&mut self) -> bool {
        match self.queue.next_at() {
            Some(at) => {
                self.run_until(at);
                true
            }
            None => false,
        }
    }

    /// Events so far.
    pub fn steps(&self) -> u64 {
        self.taken
    }

    fn plan_event(&mut self, at: Time, event: Event) -> u64 {
        self.serial += 1;
        self.queue.insert((at.max(self.now), self.serial), event);
        self.serial
    }

    fn take(&mut self, serial: u64, event: Event) {
        self.stirred.clear();
        if self.machines.len() > SMALL {
            let host = match &event {
                Event::Up { link, .. } | Event::Down { link, .. } | Event::Closed { link, .. } => self.network.link(*link).map(|l| &l.host),
                Event::Wake(host) | Event::Deployer(host, _) | Event::StartAgent(host) | Event::PowerOn(host) => Some(host),
                Event::Drain | Event::StartCoordinator => None, // whom a drain is about is known at its end
            };
            self.stirred.extend(host.cloned());
        }
        match event {
            Event::Up { link, frame, sent } => self.arrives_up(link, *frame, sent),
            Event::Down { link, frame } => self.arrives_down(link, *frame),
            Event::Closed { link, side: Side::Host } => self.host_sees_closed(link),
            Event::Closed { link, side: Side::Coordinator } => self.coordinator_sees_closed(link),
            Event::Wake(host) => {
                let stalled = self.stalled.get(&host).is_some_and(|until| *until <= self.now);
                if stalled {
                    self.stalled.remove(&host);
                }
                if stalled || self.wakes.get(&host).is_some_and(|(_, s)| *s == serial) {
                    self.wakes.remove(&host);
                    self.with_agent(&host, |agent, machine, outside| agent.step(machine, outside));
                }
            }
            Event::Deployer(host, app) => self.deployer_goes_on(&host, &app),
            Event::Drain => {
                if self.drains.get(&self.now) == Some(&serial) {
                    self.drains.remove(&self.now);
                    self.drain();
                }
            }
            Event::StartAgent(host) => self.start_agent(&host),
            Event::PowerOn(host) => self.power_on(&host),
            Event::StartCoordinator => {
                self.start_coordinator();
            }
        }
    }

    fn send(&mut self, link: LinkId, from: Side, frame: Frame) {
        let sent = self.now;
        let arrivals = self.network.send(link, from, sent);
        for fault in self.network.take_fates() {
            if let Some(host) = self.network.link(link).map(|l| l.host.clone()) {
                self.strikes(fault, &host);
            }
        }
        let arrives = |frame: Frame| match from {
            Side::Host => Event::Up { link, frame: Box::new(frame), sent },
            Side::Coordinator => Event::Down { link, frame: Box::new(frame) },
        };
        let Some((last, others)) = arrivals.split_last() else { return };
        for at in others {
            self.plan_event(*at, arrives(frame.clone()));
        }
        self.plan_event(*last, arrives(frame));
    }

    /// One side gives a connection up; the other learns of it when the network lets it.
    fn close(&mut self, link: LinkId, side: Side) {
        if self.network.close(link, side) {
            let other = match side {
                Side::Host => Side::Coordinator,
                Side::Coordinator => Side::Host,
            };
            let at = self.now + self.network.rates.slowest;
            self.plan_event(at, Event::Closed { link, side: other });
        }
    }
}
