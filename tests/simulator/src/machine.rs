//! One simulated machine: power, boot, applications, runs, a disk that outlives all of these, and the agent process.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_agent_core::slot::{RunKind, Slot, host};
use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::ids::{BootId, HostId, LedgerId};
use pilotage_shared::intent::{Blocked, Intent};
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::time::{Time, Uptime};

use crate::agent::Agent;
use crate::rng::Rng;
use crate::truth::run::Pace;
use crate::truth::{Application, Run, RunDirectory};

/// What survives every crash: the agent's ledger, one record for the host and one for each app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Sessions, epochs left, the blocked list.
    pub host: host::Host,
    /// One record for each app.
    pub slots: BTreeMap<AppName, Slot>,
}

impl Disk {
    /// An empty ledger.
    pub fn new(rng: &mut Rng) -> Self {
        let host = host::Host { ledger: LedgerId(rng.bytes()), last: None, left: Vec::new(), blocked: Blocked::default() };
        Self { host, slots: BTreeMap::new() }
    }
}

/// A run, and by which permission it began; the simulator's own knowledge, for the promises.
#[derive(Clone, Debug, PartialEq)]
pub struct Underway {
    /// Its directory and process.
    pub run: Run,
    /// The permission; none for a person's own run.
    pub permit: Option<Intent>,
    /// The agent wrote that the permission is void.
    pub revoked: Option<Why>,
    /// How the host stood when it began (R6).
    pub standing: Standing,
    /// The lease's end.
    pub begin_by: Uptime,
    /// The boot that this means something in.
    pub boot: BootId,
    /// It has taken the application out of service.
    pub disturbed: bool,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Who it is.
    pub id: HostId,
    /// Power is on.
    pub on: bool,
    /// Of this boot.
    pub boot: BootId,
    /// When it booted.
    pub booted: Time,
    /// What is installed and runs.
    pub apps: BTreeMap<AppName, Application>,
    /// Run directories; gone once the ledger has taken their end.
    pub runs: BTreeMap<AppName, Underway>,
    /// The ledger.
    pub disk: Disk,
    /// The agent's process.
    pub agent: Option<Agent>,
    /// How fast it is.
    pub pace: Pace,
    /// The fleet's health check and `first_install` as last heard, on the disk: an agent that starts must not guess (R9).
    pub checks: BTreeMap<AppName, (Option<HealthCheck>, bool)>,
    /// Releases whose bits are on the disk.
    pub bits: BTreeSet<Release>,
    /// Something here speaks against beginning, as a full disk.
    pub obstacle: Option<Why>,
    /// When something happened here that the coordinator may not know yet.
    pub excused: Option<Time>,
}

impl Machine {
    /// A machine that has just been switched on for the first time.
    pub fn new(id: HostId, now: Time, rng: &mut Rng) -> Self {
        Self {
            id,
            on: true,
            boot: BootId(rng.bytes()),
            booted: now,
            apps: BTreeMap::new(),
            runs: BTreeMap::new(),
            disk: Disk::new(rng),
            agent: None,
            pace: Pace::default(),
            checks: BTreeMap::new(),
            bits: BTreeSet::new(),
            obstacle: None,
            excused: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &HostName {
        &self.id.name
    }

    /// Its own clock.
    pub fn uptime(&self, now: Time) -> Uptime {
        Uptime((now - self.booted).0)
    }

    /// A run is under way, with a process or waiting for one.
    pub fn busy(&self, app: &AppName) -> bool {
        self.runs.get(app).is_some_and(|u| u.run.directory.ending.is_none())
    }

    /// The ledger is written, then the run directory made, then a deployer started; a crash may come between.
    pub fn begin(&mut self, app: &AppName, record: Slot, permit: Option<Intent>, begin_by: Uptime, standing: Standing, now: Time) {
        let Some(entry) = record.run.clone() else { return };
        self.disk.slots.insert(app.clone(), record);
        let mut directory = RunDirectory::new(entry.attempt, entry.release, entry.from, now);
        directory.generation = match entry.kind {
            RunKind::Activate(generation) => Some(generation),
            RunKind::LocalRollback | RunKind::Again => None,
        };
        directory.deployment = entry.deployment;
        let run = Run { directory, living: None };
        let underway = Underway { run, permit, revoked: None, standing, begin_by, boot: self.boot, disturbed: false };
        self.runs.insert(app.clone(), underway);
    }

    /// A deployer is started on the run that the ledger names; its directory is made anew when it was not there yet, without a
    /// permission that anybody could still vouch for.
    pub fn resume(&mut self, app: &AppName, now: Time) {
        if !self.runs.contains_key(app) {
            if let Some(record) = self.disk.slots.get(app).cloned() {
                self.begin(app, record, None, Uptime(0), Standing::Unknown, now);
            }
            if let Some(underway) = self.runs.get_mut(app).filter(|u| u.run.directory.generation.is_some()) {
                underway.revoked = Some(Why::lossy("the agent died before the run was prepared"));
            }
        }
        let pace = self.pace;
        if let Some(underway) = self.runs.get_mut(app) {
            underway.run.launch(pace, now);
        }
    }

    /// Power goes: every process dies, the disk stays.
    pub fn power_off(&mut self, now: Time) {
        self.on = false;
        self.agent = None;
        for app in self.apps.values_mut() {
            app.die(now);
        }
        for underway in self.runs.values_mut() {
            underway.run.living = None;
        }
    }

    /// Power comes: a new boot; applications start with the machine, as init starts them, unless a run was in between.
    pub fn power_on(&mut self, now: Time, rng: &mut Rng) {
        self.on = true;
        self.boot = BootId(rng.bytes());
        self.booted = now;
        let busy: Vec<AppName> = self.runs.keys().filter(|a| self.busy(a)).cloned().collect();
        for (name, app) in &mut self.apps {
            if app.installed.is_some() && !app.mixed && !busy.contains(name) {
                app.process = Some(crate::truth::Process { release: app.installed, started: now });
            }
        }
    }
}
