//! The simulated coordinator process: the real core in a loop as the engine has it, over a store that survives its death.
//!
//! One drain: all inputs that have arrived are admitted and applied; then it is planned and applied until nothing changes;
//! then one commit; then answers and intents. A crash loses what was not committed, and all that is only remembered.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_coordinator_core::replay::codec::{MAGIC, Writer};
use pilotage_coordinator_core::world::load::Record;
use pilotage_coordinator_core::world::{Settings, Slot};
use pilotage_coordinator_core::{Answer, Change, Input, Key, Rejected, Touched, World, admit, plan};
use pilotage_shared::health::HealthNote;
use pilotage_shared::name::{FleetName, HostName, Reason};
use pilotage_shared::principal::Principal;
use pilotage_shared::time::Time;

/// Rounds of planning after one drain; more than this is a livelock.
const ROUNDS: usize = 2000;

/// The store: what is on disk.
pub type Store = BTreeMap<Key, Record>;

/// The process and its store.
#[derive(Clone, Debug)]
pub struct Coordinator {
    settings: Settings,
    /// On disk.
    pub store: Store,
    /// A part of a commit whose end is missing: on the disk beside the store, until a start finds it.
    torn: Vec<(Key, Option<Record>)>,
    /// The living process; none between a crash and a start.
    pub life: Option<Life>,
    /// What is recorded of it, where somebody wants it.
    pub recording: Option<Recording>,
}

/// A recording in the making.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// As the service would have it in a file.
    pub bytes: Vec<u8>,
    writer: Writer,
}

/// What lives in memory.
#[derive(Clone, Debug)]
pub struct Life {
    /// All it knows.
    pub world: World,
    /// When time becomes a change.
    pub wake_at: Option<Time>,
    touched: Touched,
}

/// Something that must not be, found in the loop itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopFault(pub String);

/// Sees every change, with the world just before it.
pub trait Witness {
    /// About to be applied; `planned` by the planner, or admitted from an input.
    fn change(&mut self, world: &World, change: &Change, planned: bool);
}

/// What a drain gives to the outside, once it is committed.
#[derive(Debug, Default)]
pub struct Drained {
    /// To each input, in order.
    pub answers: Vec<Result<Answer, Rejected>>,
    /// Whose intents may differ.
    pub hosts: BTreeSet<HostName>,
    /// Whose connections must be ended.
    pub hang_up: BTreeSet<HostName>,
    /// Something changed that a decision could depend on.
    pub moved: bool,
}

impl Coordinator {
    /// An empty store and no process.
    pub fn new(settings: Settings) -> Self {
        Self { settings, store: Store::new(), torn: Vec::new(), life: None, recording: None }
    }

    /// Times set by the operator.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The living process's world.
    pub fn world(&self) -> Option<&World> {
        self.life.as_ref().map(|l| &l.world)
    }

    /// A process loads the store; its first input must be its start.
    pub fn boot(&mut self, now: Time) {
        // A commit without its end was none: the record store drops it whole (that it does is tested in `shared/disk`).
        self.torn.clear();
        let world = self.stored();
        if let Some(recording) = &mut self.recording {
            recording.begin(&world, &BTreeSet::new(), now);
        }
        self.life = Some(Life { world, wake_at: None, touched: Touched::default() });
    }

    /// It is recorded from now on.
    pub fn record(&mut self, now: Time) {
        let mut recording = Recording::default();
        if let Some(life) = &self.life {
            recording.begin(&life.world, &life.touched.fleets, now);
        }
        self.recording = Some(recording);
    }

    /// The world as the store has it.
    pub fn stored(&self) -> World {
        World::load(self.settings, self.store.values().cloned())
    }

    /// The store was made of a backup (R34): by this change.
    pub fn begin_recovery(&mut self, now: Time) -> Change {
        let mut world = self.stored();
        let restored = Change::Restored { backup: now, at: now };
        for key in world.apply(&restored).records {
            if let Some(record) = world.record(&key) {
                self.store.insert(key, record);
            }
        }
        restored
    }

    /// The process dies in the middle of a commit: half of its records have reached the disk, and their end has not.
    pub fn tear(&mut self) {
        let Some(life) = self.life.as_ref() else { return };
        let half = life.touched.records.len().div_ceil(2);
        self.torn = life.touched.records.iter().take(half).map(|key| (key.clone(), life.world.record(key))).collect();
    }

    /// The process dies: what was not committed is gone.
    pub fn crash(&mut self) {
        self.life = None;
    }

    /// Takes inputs in and plans until nothing changes. Nothing is on disk yet.
    pub fn drain(&mut self, inputs: &[Input], now: Time, witness: &mut dyn Witness) -> Result<Drained, LoopFault> {
        let Some(life) = self.life.as_mut() else { return Ok(Drained::default()) };
        let mut drained = Drained::default();
        for input in inputs {
            match admit(&life.world, input, now) {
                Ok(admitted) => {
                    if let Some(recording) = &mut self.recording {
                        // As the service has it: a host's input gives no reason, and is taken in when it arrives.
                        let as_served = match input.by {
                            Principal::Host(_) => Input { at: now, reason: Reason::default(), ..input.clone() },
                            _ => input.clone(),
                        };
                        recording.writer.input(&life.world, &as_served, now, &admitted);
                    }
                    for change in &admitted.changes {
                        witness.change(&life.world, change, false);
                        life.world.apply_to(change, &mut life.touched);
                    }
                    drained.answers.push(Ok(admitted.answer));
                }
                Err(rejected) => drained.answers.push(Err(rejected)),
            }
        }
        drained.moved = life.touched != Touched::default() || life.wake_at.is_some_and(|at| at <= now);
        if drained.moved {
            life.settle(now, witness, self.recording.as_mut())?;
        }
        if let Some(recording) = &mut self.recording {
            recording.writer.end_turn();
            recording.bytes.extend(recording.writer.frame(0).unwrap_or_default());
        }
        Ok(drained)
    }

    /// One flush; afterwards the outside may be told.
    pub fn commit(&mut self, drained: &mut Drained) {
        let Some(life) = self.life.as_mut() else { return };
        let touched = std::mem::take(&mut life.touched);
        for key in touched.records {
            match life.world.record(&key) {
                Some(record) => self.store.insert(key, record),
                None => self.store.remove(&key),
            };
        }
        drained.hosts = touched.hosts;
        for fleet in &touched.everybody {
            let members = life.world.groups.get(fleet).into_iter().flat_map(|g| g.values().flatten().cloned());
            drained.hosts.extend(members);
        }
        drained.hang_up = touched.hang_up;
    }

    /// What the store lacks of the world, or has beside it: a touched record that no change named.
    pub fn forgotten(&self) -> Option<Key> {
        let world = self.world()?;
        // As many as the world has, and each as the world has it: nothing lacks, and nothing is beside it.
        let first = World::new(self.settings);
        let own = [Key::Counter, Key::Epochs, Key::Starts, Key::Blocked];
        let fresh = own.iter().filter(|key| !self.store.contains_key(*key) && world.record(key) == first.record(key)).count();
        if records(world) == self.store.len() + fresh && self.store.values().all(|record| has(world, record)) {
            return None;
        }
        let keys = world.keys();
        let differs = |key: &Key| world.record(key).map(durable) != self.store.get(key).cloned().map(durable);
        let missing = keys.iter().find(|key| differs(key) && !self.fresh(key, world));
        let known: BTreeSet<&Key> = keys.iter().collect();
        missing.cloned().or_else(|| self.store.keys().find(|key| !known.contains(*key)).cloned())
    }

    /// Records that exist with their first values before anything was stored.
    fn fresh(&self, key: &Key, world: &World) -> bool {
        let first = World::new(self.settings);
        !self.store.contains_key(key) && first.record(key).is_some() && first.record(key) == world.record(key)
    }
}

/// How many records a world has.
fn records(world: &World) -> usize {
    let World { hosts, fleets, packages, deployments, slots, remembered, recovering, left, configurations, held_pairs, .. } = world;
    let single = 4; // counter, epochs, starts, blocked list
    let named = hosts.len() + fleets.len() + packages.len() + deployments.len() + slots.len() + remembered.len();
    single + named + usize::from(recovering.is_some()) + left.len() + configurations.len() + held_pairs.len()
}

/// Does the world have this record, but for what is only remembered?
fn has(world: &World, record: &Record) -> bool {
    match record {
        Record::Counter(counter) => world.counter == *counter,
        Record::Epochs(epochs) => world.epochs == *epochs,
        Record::Starts(starts) => world.starts == *starts,
        Record::Blocked(blocked) => world.blocked == *blocked,
        Record::Host(host) => world.hosts.get(&host.id.name) == Some(host),
        Record::Fleet(fleet) => world.fleets.get(&fleet.spec.name) == Some(fleet),
        Record::Package(package) => world.packages.get(&package.digest) == Some(package),
        Record::Deployment(deployment) => world.deployments.get(&deployment.id) == Some(deployment),
        Record::Slot(app, host, stored) => world.slot(app, host).is_some_and(|slot| {
            let of = |slot: &Slot| durable(Record::Slot(app.clone(), host.clone(), slot.clone()));
            slot == stored || of(slot) == of(stored)
        }),
        Record::Remembered(key, remembered) => world.remembered.get(key) == Some(remembered),
        Record::Recovering(recovering) => world.recovering.as_ref() == Some(recovering),
        Record::Left(fleet, left) => world.left.get(fleet) == Some(left),
        Record::Configuration(configuration) => world.configurations.get(&(configuration.app.clone(), configuration.number)) == Some(configuration),
        Record::HeldPair(pair, hold) => world.held_pairs.get(pair) == Some(hold),
    }
}

/// A record without what is only remembered: the words of the last health check are written when something else is.
fn durable(record: Record) -> Record {
    match record {
        Record::Slot(app, host, mut slot) => {
            if let Some(status) = &mut slot.status {
                status.health = HealthNote::default();
            }
            Record::Slot(app, host, slot)
        }
        other => other,
    }
}

impl Recording {
    fn begin(&mut self, world: &World, dirty: &BTreeSet<FleetName>, now: Time) {
        self.bytes.extend_from_slice(MAGIC);
        self.bytes.extend(self.writer.checkpoint(world, dirty, now, 0));
    }
}

impl Life {
    fn settle(&mut self, now: Time, witness: &mut dyn Witness, mut recording: Option<&mut Recording>) -> Result<(), LoopFault> {
        if let Some(recording) = &mut recording {
            recording.writer.plan(now);
        }
        for _ in 0..ROUNDS {
            let plan = plan(&self.world, &self.touched.fleets, now);
            self.wake_at = plan.wake_at;
            if plan.changes.is_empty() {
                return self.fixed_point(now);
            }
            for change in &plan.changes {
                if let Some(recording) = &mut recording {
                    recording.writer.planned(change);
                }
                witness.change(&self.world, change, true);
                self.world.apply_to(change, &mut self.touched);
            }
        }
        let next = plan(&self.world, &self.touched.fleets, now).changes;
        Err(LoopFault(format!("livelock: {ROUNDS} rounds of planning without an input; next is {:?}", next.first())))
    }

    /// Planning the touched fleets gives what planning all would: the others have nothing to do either.
    fn fixed_point(&self, now: Time) -> Result<(), LoopFault> {
        let others: BTreeSet<FleetName> = self.world.fleets.keys().filter(|fleet| !self.touched.fleets.contains(*fleet)).cloned().collect();
        match plan(&self.world, &others, now).changes.first() {
            None => Ok(()),
            Some(change) => Err(LoopFault(format!("fixed point: no touched fleet has anything to do, but all have: {change:?}"))),
        }
    }
}
