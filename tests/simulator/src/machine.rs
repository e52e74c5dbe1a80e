//! One simulated machine: power, boot, applications, runs, a disk that outlives all of these, and the agent process.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_agent_core::run::{Contract, Kind, Permit, Request, Target};
use pilotage_agent_core::slot::life::Life;
use pilotage_agent_core::slot::{RunEntry, RunKind, Slot, host};
use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::ids::{BootId, HostId, LedgerId};
use pilotage_shared::intent::{Blocked, Intent};
use pilotage_shared::name::{AppName, HostName, Version, Why};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::RunId;
use pilotage_shared::time::{Millis, Time, Uptime};

use crate::agent::Agent;
use crate::rng::Rng;
use crate::truth::run::{Pace, plan};
use crate::truth::{Application, Run, RunDirectory};

/// Clocks are this much coarser than their drift.
const THOUSAND: u64 = 1000;

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
    /// How the host stood when it began (R6).
    pub standing: Standing,
}

impl Underway {
    /// It has taken the application out of service.
    pub fn disturbed(&self) -> bool {
        self.run.directory.journal.disturbed()
    }
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
    pub runs: BTreeMap<AppName, Box<Underway>>,
    /// The ledger.
    pub disk: Disk,
    /// The agent's process.
    pub agent: Option<Box<Agent>>,
    /// How fast it is.
    pub pace: Pace,
    /// How much too fast its clock goes, in thousandths; too slowly below zero.
    pub drift: i64,
    /// How far its wall clock has jumped, milliseconds.
    pub jumped: u64,
    /// The fleet's health check and `first_install` as last heard, on the disk: an agent that starts must not guess (R9).
    pub checks: BTreeMap<AppName, (Option<HealthCheck>, bool)>,
    /// Since when each application is measured by that check; the simulator's own knowledge.
    pub measured: BTreeMap<AppName, Time>,
    /// What is kept of each application's processes (R27).
    pub lives: BTreeMap<AppName, Life>,
    /// Releases that were committed here; the simulator's own knowledge.
    pub kept: BTreeSet<Release>,
    /// Releases whose bits are on the disk.
    pub bits: BTreeSet<Release>,
    /// Something here speaks against beginning, as a full disk.
    pub obstacle: Option<Why>,
    /// Its init starts applications with the machine; else that is left to the agent (R27).
    pub init: bool,
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
            drift: 0,
            jumped: 0,
            checks: BTreeMap::new(),
            measured: BTreeMap::new(),
            lives: BTreeMap::new(),
            kept: BTreeSet::new(),
            init: true,
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
        Uptime((now - self.booted).0 * self.rate() / THOUSAND)
    }

    /// When its clock will have come so far.
    pub fn at(&self, uptime: Uptime) -> Time {
        self.booted + Millis((uptime.0 * THOUSAND).div_ceil(self.rate()))
    }

    fn rate(&self) -> u64 {
        THOUSAND.saturating_add_signed(self.drift).max(1)
    }

    /// What its wall clock says; nothing may be decided by it.
    pub fn wall(&self, now: Time) -> u64 {
        now.0.wrapping_add(self.jumped)
    }

    /// A new disk: nothing of ours is left, and nothing runs.
    pub fn reimage(&mut self, now: Time, rng: &mut Rng) {
        self.disk = Disk::new(rng);
        self.runs.clear();
        self.bits.clear();
        self.checks.clear();
        self.lives.clear();
        self.kept.clear();
        for app in self.apps.values_mut() {
            app.die(now);
            (app.installed, app.mixed) = (None, false);
        }
        self.excused = Some(now);
    }

    /// A run is under way, with a process or waiting for one.
    pub fn busy(&self, app: &AppName) -> bool {
        self.runs.get(app).is_some_and(|u| u.run.directory.ending().is_none())
    }

    /// The ledger is written, then the run directory made, then a deployer started; a crash may come between.
    pub fn begin(&mut self, app: &AppName, record: Slot, permit: Option<Intent>, begin_by: Uptime, standing: Standing) {
        let Some(entry) = record.run.clone() else { return };
        self.disk.slots.insert(app.clone(), record);
        let directory = self.order(app, &entry, permit.as_ref(), begin_by);
        self.runs.insert(app.clone(), Box::new(Underway { run: Run::new(directory), permit, standing }));
    }

    fn order(&self, app: &AppName, entry: &RunEntry, permit: Option<&Intent>, begin_by: Uptime) -> RunDirectory {
        let checked = self.checks.get(app).is_some_and(|(check, _)| check.is_some());
        let version: Version = "0".parse().expect("a version");
        let target = |release: Release| Target { release, package: PackageName { app: app.clone(), version: version.clone() }, health: None };
        let kind = match entry.kind {
            RunKind::Activate(generation) => {
                Kind::Activate(Permit { generation, begin_by, boot: self.boot, while_down: permit.is_some_and(|p| p.while_down) })
            }
            RunKind::LocalRollback => Kind::LocalRollback,
            RunKind::Again => Kind::GoBack,
        };
        let request = Request {
            format: Request::FORMAT,
            run: RunId { deployment: entry.deployment.clone(), host: self.id.name.clone(), attempt: entry.attempt },
            app: app.clone(),
            kind,
            to: target(entry.release),
            from: entry.from.map(target),
            hook_timeout: Millis::seconds(60),
            contract: Contract {
                application: String::new(),
                deployment_group: String::new(),
                deployment_group_id: None,
                deployment_id: String::new(),
            },
            variables: BTreeMap::new(),
            changes: Default::default(),
            proofs: Vec::new(),
            state: String::new(),
            host: Default::default(),
        };
        RunDirectory::new(request, plan(checked, entry.from.map(|_| checked), entry.kind == RunKind::Again))
    }

    /// A deployer is started on the run that the ledger names; its directory is made anew when it was not there yet, without a
    /// permission that anybody could still vouch for. False when one lives there already.
    pub fn resume(&mut self, app: &AppName, now: Time) -> bool {
        if !self.runs.contains_key(app) {
            if let Some(record) = self.disk.slots.get(app).cloned() {
                self.begin(app, record, None, Uptime(0), Standing::Unknown);
            }
            if let Some(underway) = self.runs.get_mut(app).filter(|u| u.run.directory.request.generation().is_some()) {
                underway.run.directory.revoked = Some(Why::lossy("the agent died before the run was prepared"));
            }
        }
        let Some(underway) = self.runs.get_mut(app) else { return true };
        let alone = underway.run.living.is_none();
        underway.run.launch(now);
        alone
    }

    /// Power goes: every process dies, the disk stays.
    pub fn power_off(&mut self, now: Time) {
        self.on = false;
        self.agent = None;
        for app in self.apps.values_mut() {
            app.die(now);
        }
        for underway in self.runs.values_mut() {
            underway.run.die();
        }
    }

    /// Power comes: a new boot; applications start with the machine, as init starts them, unless a run was in between.
    pub fn power_on(&mut self, now: Time, rng: &mut Rng) {
        self.on = true;
        self.boot = BootId(rng.bytes());
        self.booted = now;
        let busy: Vec<AppName> = self.runs.keys().filter(|a| self.busy(a)).cloned().collect();
        for (name, app) in &mut self.apps {
            if self.init && app.installed.is_some() && !app.mixed && !busy.contains(name) {
                app.process = Some(crate::truth::Process { release: app.installed, started: now });
            }
        }
    }
}
