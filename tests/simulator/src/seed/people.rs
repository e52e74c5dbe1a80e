//! What people ask and what goes wrong, drawn from a deck of weighted actions.

use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::world::HostState;
use pilotage_coordinator_core::Request;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::time::{Millis, Time};

use super::Seed;
use super::world::name;
use crate::agent::Wish;
use crate::network::Cut;
use crate::rng::Rng;

/// One kind of thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new version, or an old one.
    Deploy,
    /// What runs, again.
    Restart,
    /// See the request of the same name, here and below.
    Pause,
    /// Also of a frozen fleet.
    Resume,
    /// In the middle.
    Cancel,
    /// In the middle, or of a stopped one.
    Rollback,
    /// A host, or back.
    Cordon,
    /// A host, or back.
    Maintain,
    /// For ever.
    Retire,
    /// A new machine, or one under the name of a retired one.
    Join,
    /// Another zone or another fleet.
    Label,
    /// Another policy.
    Policy,
    /// A fleet is deleted and declared again.
    Unfleet,
    /// From hold.
    Release,
    /// A package, or back.
    Block,
    /// A host.
    Retry,
    /// A host, by a person at it; or back.
    Pin,
    /// A person at a host goes back by hand.
    Undo,
    /// Full, or not any more.
    Disk,
    /// The process.
    CrashAgent,
    /// All of them at once.
    CrashAgents,
    /// Short.
    Reboot,
    /// Long.
    PowerOff,
    /// The process.
    CrashCoordinator,
    /// A copy of the store.
    Backup,
    /// Of the copy.
    Restore,
    /// A person goes on after it.
    Recover,
    /// One host.
    Partition,
    /// One host.
    Heal,
    /// The process dies.
    CrashApp,
    /// A dependency is away on one host, or everywhere; or comes back.
    Starve,
    /// The process.
    CrashDeployer,
    /// On one host.
    LoseLedger,
    /// A second machine under one identity.
    Clone,
    /// Of one machine.
    Snapshot,
    /// Of one machine, to its copy.
    SetBack,
    /// From the copy of the store; the first lives on.
    SecondCoordinator,
    /// The other coordinator answers.
    SwapCoordinators,
    /// One agent's process.
    Stall,
    /// The coordinator asks one host for anything; only in seeds in which it lies.
    Lie,
    /// One host behaves otherwise than the rest with the newest version.
    Odd,
    /// Something, at the moment at which a host is in some phase.
    Aim,
    /// A little story of its own.
    Plot,
}

const DECK: [(Action, u64); 42] = [
    (Action::Deploy, 40),
    (Action::Restart, 4),
    (Action::Pause, 8),
    (Action::Resume, 10),
    (Action::Cancel, 6),
    (Action::Rollback, 8),
    (Action::Cordon, 8),
    (Action::Maintain, 4),
    (Action::Retire, 3),
    (Action::Join, 6),
    (Action::Label, 6),
    (Action::Policy, 6),
    (Action::Unfleet, 2),
    (Action::Release, 6),
    (Action::Block, 3),
    (Action::Retry, 4),
    (Action::Pin, 5),
    (Action::Undo, 3),
    (Action::Disk, 5),
    (Action::CrashAgent, 10),
    (Action::CrashAgents, 3),
    (Action::Reboot, 6),
    (Action::PowerOff, 4),
    (Action::CrashCoordinator, 8),
    (Action::Backup, 6),
    (Action::Restore, 4),
    (Action::Recover, 8),
    (Action::Partition, 10),
    (Action::Heal, 14),
    (Action::CrashApp, 8),
    (Action::Starve, 6),
    (Action::CrashDeployer, 6),
    (Action::LoseLedger, 3),
    (Action::Odd, 8),
    (Action::Clone, 2),
    (Action::Snapshot, 5),
    (Action::SetBack, 4),
    (Action::SecondCoordinator, 4),
    (Action::SwapCoordinators, 10),
    (Action::Stall, 5),
    (Action::Aim, 30),
    (Action::Plot, 4),
];

/// The deck of one seed: deployments always, each other kind by a coin.
pub fn deck(rng: &mut Rng) -> Vec<(Action, u64)> {
    let coin = rng.between(200, 900);
    let knows = |rng: &mut Rng, action: Action| matches!(action, Action::Deploy | Action::Heal | Action::Resume | Action::Recover | Action::Aim) || rng.chance(coin);
    DECK.iter().copied().filter(|(action, _)| knows(rng, *action)).collect()
}

impl Seed {
    /// One thing happens.
    pub fn act(&mut self) {
        let total: u64 = self.deck.iter().map(|(_, w)| w).sum();
        let mut at = self.rng.below(total);
        let drawn = self.deck.iter().find(|(_, w)| {
            let here = at < *w;
            at = at.saturating_sub(*w);
            here
        });
        if let Some((action, _)) = drawn.copied() {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        self.sim.promises.fruitless.clear();
        let Some(host) = self.rng.pick(&self.hosts).cloned() else { return };
        let Some(fleet) = self.rng.pick(&self.fleets).cloned() else { return };
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        match action {
            Action::Deploy => {
                let again = self.rng.chance(250);
                self.deploy(&fleet, again);
            }
            Action::Restart => {
                self.ask(Request::Deploy { fleet, what: What::Restart });
            }
            Action::Pause => self.about(&fleet, |id| Request::Pause { id }),
            Action::Resume => {
                self.ask(Request::Resume { fleet });
            }
            Action::Cancel => self.about(&fleet, |id| Request::Cancel { id }),
            Action::Rollback => self.about(&fleet, |id| Request::Rollback { id }),
            Action::Cordon => self.cordon(host),
            Action::Maintain => {
                let on = self.rng.chance(400);
                self.ask(Request::MaintainHost { host, on });
            }
            Action::Retire => {
                self.ask(Request::RetireHost { host });
            }
            Action::Join => self.join(),
            Action::Label => {
                let n = self.rng.below(10);
                let before = self.sim.coordinator.world().and_then(|w| w.hosts.get(&host)).map(|h| h.labels.clone());
                let labels = self.labels(n);
                self.ask(Request::LabelHost { host: host.clone(), labels });
                // Often it was a mistake, and is taken back.
                if let Some(labels) = before.filter(|_| self.rng.chance(400)) {
                    let wait = self.rng.below(2500);
                    self.sim.run_until(Time(self.sim.now.0 + wait));
                    self.ask(Request::LabelHost { host, labels });
                }
            }
            Action::Policy => self.policy(&fleet),
            Action::Unfleet => self.unfleet(&fleet),
            Action::Release => self.release(),
            Action::Block => self.block(),
            Action::Retry => {
                self.ask(Request::RetryHost { host });
            }
            Action::Pin => {
                let wish = if self.rng.chance(450) { Wish::Pin } else { Wish::Unpin };
                self.sim.hands(&host, &app, wish);
            }
            Action::Undo => self.sim.hands(&host, &app, Wish::Rollback),
            Action::Disk => {
                let full = self.rng.chance(400);
                self.sim.fill_disk(&host, full);
            }
            Action::CrashAgent => self.sim.crash_agent(&host),
            Action::CrashAgents => {
                for host in self.hosts.clone() {
                    self.sim.crash_agent(&host);
                }
            }
            Action::Reboot => {
                let off = self.rng.between(1000, 15_000);
                self.sim.reboot(&host, off);
            }
            Action::PowerOff => {
                let off = self.rng.between(10_000, 200_000);
                self.sim.reboot(&host, off);
            }
            Action::CrashCoordinator => self.sim.kill_coordinator(true),
            Action::Backup => self.sim.back_up(),
            Action::Restore => {
                let recovering = self.rng.chance(500);
                self.sim.restore(recovering);
            }
            Action::Recover => {
                let request = Request::Recover { keep_backup: self.rng.chance(300), go_on: self.rng.chance(500) };
                self.ask(request);
            }
            Action::Partition => {
                let cut = *self.rng.pick(&[Cut::Both, Cut::Both, Cut::Up, Cut::Down]).unwrap_or(&Cut::Both);
                self.sim.partition(&host, cut);
            }
            Action::Heal => self.sim.heal(&host),
            Action::CrashApp => self.sim.crash_app(&host, &app),
            Action::Starve => self.starve(&host, &app),
            Action::CrashDeployer => self.sim.crash_deployer(&host),
            Action::LoseLedger => self.sim.lose_ledger(&host),
            Action::Clone => self.sim.clone_host(&host),
            Action::Snapshot => self.sim.snapshot(&host),
            Action::SetBack => self.sim.set_back(&host),
            Action::SecondCoordinator => self.sim.second_coordinator(),
            Action::SwapCoordinators => self.sim.swap_coordinators(),
            Action::Stall => {
                let span = self.rng.between(500, 15_000);
                self.sim.stall(&host, Millis(span));
            }
            Action::Lie => self.sim.lie_to(&host),
            Action::Aim => self.aim(),
            Action::Plot => self.plot(),
            Action::Odd => {
                let behaviour = self.behaviour();
                if let Some((app, version)) = self.versions.last().cloned() {
                    let digest = pilotage_shared::digest::Digest::of(format!("{app}@{version}").as_bytes());
                    self.sim.behaviours.set(digest, Some(&host), behaviour);
                }
            }
        }
    }

    /// Asks; true when it was done.
    pub fn ask(&mut self, request: Request) -> bool {
        matches!(self.sim.request(request), Some(Ok(_)))
    }

    /// A deployment of a new version, or of one that was there before.
    pub fn deploy(&mut self, fleet: &FleetName, again: bool) {
        let Some(app) = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.spec.app.clone()) else { return };
        let version = if again {
            let of: Vec<_> = self.versions.iter().filter(|(a, _)| *a == app).map(|(_, v)| v.clone()).collect();
            self.rng.pick(&of).cloned()
        } else {
            let behaviour = self.behaviour();
            Some(self.push(&app, behaviour))
        };
        if let Some(version) = version {
            self.ask(Request::Deploy { fleet: fleet.clone(), what: What::Version(version) });
        }
    }

    fn about(&mut self, fleet: &FleetName, request: impl FnOnce(DeploymentId) -> Request) {
        let newest = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.newest);
        if let Some(number) = newest {
            self.ask(request(DeploymentId { fleet: fleet.clone(), number }));
        }
    }

    fn cordon(&mut self, host: HostName) {
        let request = if self.rng.chance(500) { Request::CordonHost { host } } else { Request::UncordonHost { host } };
        self.ask(request);
    }

    fn join(&mut self) {
        let retired: Vec<HostName> = self
            .sim
            .coordinator
            .world()
            .map(|w| w.hosts.values().filter(|h| h.state == HostState::Retired).map(|h| h.id.name.clone()).collect())
            .unwrap_or_default();
        let n = self.hosts.len() as u64 + 1;
        let fresh: HostName = name(&format!("h{n}"));
        let host = if self.rng.chance(400) { self.rng.pick(&retired).cloned().unwrap_or(fresh) } else { fresh };
        if self.hosts.len() > 12 && !self.hosts.contains(&host) {
            return;
        }
        let labels = self.labels(n);
        self.sim.join(&host, labels, &[]);
        self.character(&host);
        if !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
    }

    /// Another policy for a fleet.
    pub fn policy(&mut self, fleet: &FleetName) {
        let Some(old) = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.spec.clone()) else { return };
        let new = self.spec(&old.name, &old.app, "env");
        let spec = pilotage_shared::fleet::FleetSpec { select: old.select, health: old.health, first_install: old.first_install, ..new };
        self.ask(Request::PutFleet { spec: Box::new(spec) });
    }

    fn unfleet(&mut self, fleet: &FleetName) {
        let spec = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.spec.clone());
        if let Some(spec) = spec
            && self.ask(Request::DeleteFleet { fleet: fleet.clone() })
        {
            let wait = self.rng.below(30_000);
            self.sim.run_until(Time(self.sim.now.0 + wait));
            self.ask(Request::PutFleet { spec: Box::new(spec) });
        }
    }

    fn release(&mut self) {
        let held: Vec<_> = self
            .sim
            .coordinator
            .world()
            .map(|w| w.packages.values().filter(|p| p.held.is_some()).map(|p| p.digest).collect())
            .unwrap_or_default();
        if let Some(digest) = self.rng.pick(&held).copied() {
            self.ask(Request::ReleasePackage { digest });
        }
    }

    fn block(&mut self) {
        let Some((app, version)) = self.rng.pick(&self.versions).cloned() else { return };
        let digest = pilotage_shared::digest::Digest::of(format!("{app}@{version}").as_bytes());
        let request = if self.rng.chance(400) { Request::BlockPackage { digest } } else { Request::UnblockPackage { digest } };
        self.ask(request);
    }

    fn starve(&mut self, host: &HostName, app: &AppName) {
        let starved = self.rng.chance(400);
        let all = self.rng.chance(200);
        let hosts = if all { self.hosts.clone() } else { vec![host.clone()] };
        for host in hosts {
            self.sim.starve(&host, app, starved);
        }
    }
}
