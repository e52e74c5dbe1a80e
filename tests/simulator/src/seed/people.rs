//! What people ask and what goes wrong, drawn from a deck of weighted actions.

use pilotage_coordinator_core::world::HostState;
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::name::{AppName, FleetName, HostName, Version};
use pilotage_shared::time::Millis;

use super::Seed;
use super::world::name;
use crate::agent::Wish;
use crate::network::Cut;
use crate::rng::Rng;
use crate::story::deed::{Deed, Named};
use crate::story::stage::Reply;

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
    let knows = |rng: &mut Rng, action: Action| {
        matches!(action, Action::Deploy | Action::Heal | Action::Resume | Action::Recover | Action::Aim) || rng.chance(coin)
    };
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
            self.draw(action);
        }
    }

    fn draw(&mut self, action: Action) {
        let Some(host) = self.rng.pick(&self.stage.hosts).cloned() else { return };
        let Some(fleet) = self.rng.pick(&self.stage.fleets).cloned() else { return };
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        let said = self.said(&app);
        let rng = &mut self.rng;
        let deed = match action {
            Action::Deploy => {
                let again = rng.chance(250);
                return self.deploy(&fleet, again);
            }
            Action::Join => return self.join_one(),
            Action::Label => return self.label(&host),
            Action::Policy => return self.policy(&fleet),
            Action::Unfleet => return self.unfleet(&fleet),
            Action::Release => return self.release(),
            Action::Block => return self.block(),
            Action::Starve => return self.starve(&host, &app),
            Action::Odd => return self.odd(host),
            Action::Aim => return self.aim(),
            Action::Plot => return self.plot(),
            Action::Restart => Deed::Restart(fleet),
            Action::Pause => Deed::Pause(fleet),
            Action::Resume => Deed::Resume(fleet),
            Action::Cancel => Deed::Cancel(fleet),
            Action::Rollback => Deed::Rollback(fleet),
            Action::Cordon if rng.chance(500) => Deed::Cordon(host),
            Action::Cordon => Deed::Uncordon(host),
            Action::Maintain => Deed::Maintain(host, rng.chance(400)),
            Action::Retire => Deed::Retire(host),
            Action::Retry => Deed::Retry(host),
            Action::Pin => Deed::Hands(host, said, if rng.chance(450) { Wish::Pin } else { Wish::Unpin }),
            Action::Undo => Deed::Hands(host, said, Wish::Rollback),
            Action::Disk => Deed::Disk(host, rng.chance(400)),
            Action::CrashAgent => Deed::RestartAgents(Some(host)),
            Action::CrashAgents => Deed::RestartAgents(None),
            Action::Reboot => Deed::Reboot(host, Millis(rng.between(1000, 15_000))),
            Action::PowerOff => Deed::Reboot(host, Millis(rng.between(10_000, 200_000))),
            Action::CrashCoordinator => Deed::CrashCoordinator { again: true },
            Action::Backup => Deed::Backup,
            Action::Restore => Deed::Restore { by_hand: !rng.chance(500) },
            Action::Recover => Deed::Recover { keep_backup: rng.chance(300), go_on: rng.chance(500) },
            Action::Partition => Deed::Partition(host, *rng.pick(&[Cut::Both, Cut::Both, Cut::Up, Cut::Down]).unwrap_or(&Cut::Both)),
            Action::Heal => Deed::Heal(Some(host)),
            Action::CrashApp => Deed::CrashApp(host, said),
            Action::CrashDeployer => Deed::CrashDeployer(host),
            Action::LoseLedger => Deed::LoseLedger(host),
            Action::Clone => Deed::Clone(host),
            Action::Snapshot => Deed::Snapshot(host),
            Action::SetBack => Deed::SetBack(host),
            Action::SecondCoordinator => Deed::SecondCoordinator,
            Action::SwapCoordinators => Deed::SwapCoordinators,
            Action::Stall => Deed::Stall(host, Millis(rng.between(500, 15_000))),
            Action::Lie => Deed::LieTo(host),
        };
        self.perform(deed);
    }

    /// A deployment of a new version, or of one that was there before.
    pub fn deploy(&mut self, fleet: &FleetName, again: bool) {
        let Some(app) = self.declared(fleet).map(|spec| spec.app) else { return };
        let version = if again {
            let of: Vec<_> = self.stage.versions.iter().filter(|(a, _)| *a == app).map(|(_, v)| v.clone()).collect();
            self.rng.pick(&of).cloned()
        } else {
            let behaviour = self.behaviour();
            Some(self.push(&app, behaviour))
        };
        if let Some(version) = version {
            let deed = self.configured(fleet, &app, version);
            self.perform(deed);
        }
    }

    /// What a fleet is declared to be.
    pub fn declared(&self, fleet: &FleetName) -> Option<FleetSpec> {
        self.stage.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.spec.clone())
    }

    fn join_one(&mut self) {
        let world = self.stage.sim.coordinator.world();
        let retired: Vec<HostName> =
            world.map(|w| w.hosts.values().filter(|h| h.state == HostState::Retired).map(|h| h.id.name.clone()).collect()).unwrap_or_default();
        let n = self.stage.hosts.len() as u64 + 1;
        let fresh: HostName = name(&format!("h{n}"));
        let host = if self.rng.chance(400) { self.rng.pick(&retired).cloned().unwrap_or(fresh) } else { fresh };
        if self.stage.hosts.len() > 12 && !self.stage.hosts.contains(&host) {
            return;
        }
        let labels = self.labels(n);
        self.join(host, labels, Vec::new());
    }

    fn label(&mut self, host: &HostName) {
        let n = self.rng.below(10);
        let before = self.labels_of(host);
        let labels = self.labels(n);
        self.perform(Deed::Label(host.clone(), labels));
        // Often it was a mistake, and is taken back.
        if let Some(labels) = before.filter(|_| self.rng.chance(400)) {
            let pause = self.rng.below(2500);
            self.wait(pause);
            self.perform(Deed::Label(host.clone(), labels));
        }
    }

    /// Another policy for a fleet.
    pub fn policy(&mut self, fleet: &FleetName) {
        let Some(old) = self.declared(fleet) else { return };
        let new = self.spec(&old.name, &old.app, "env");
        let spec = FleetSpec { select: old.select, health: old.health, first_install: old.first_install, ..new };
        self.perform(Deed::Fleet(Box::new(spec)));
    }

    fn unfleet(&mut self, fleet: &FleetName) {
        let Some(spec) = self.declared(fleet) else { return };
        if self.perform(Deed::Unfleet(fleet.clone())).iter().all(Reply::is_good) {
            let pause = self.rng.below(30_000);
            self.wait(pause);
            self.perform(Deed::Fleet(Box::new(spec)));
        }
    }

    fn release(&mut self) {
        if let Some(deed) = self.held_configuration() {
            return self.happens(deed);
        }
        let world = self.stage.sim.coordinator.world();
        let held: Vec<_> = world.map(|w| w.packages.values().filter(|p| p.held.is_some()).map(|p| p.digest).collect()).unwrap_or_default();
        let Some(digest) = self.rng.pick(&held).copied() else { return };
        if let Some(named) = self.named_by(digest) {
            self.perform(Deed::Release(named));
        }
    }

    /// How people name the package of this digest; none when they have not heard that it was pushed.
    pub fn named_by(&self, digest: Digest) -> Option<Named> {
        let of = |(app, version): &&(AppName, Version)| Digest::of(format!("{app}@{version}").as_bytes()) == digest;
        self.stage.versions.iter().find(of).map(|(app, version)| self.named(app, version))
    }

    fn block(&mut self) {
        let Some((app, version)) = self.rng.pick(&self.stage.versions).cloned() else { return };
        let named = self.named(&app, &version);
        let deed = if self.rng.chance(400) { Deed::Block(named) } else { Deed::Unblock(named) };
        self.perform(deed);
    }

    fn starve(&mut self, host: &HostName, app: &AppName) {
        let starved = self.rng.chance(400);
        let all = self.rng.chance(200);
        let hosts = if all { self.stage.hosts.clone() } else { vec![host.clone()] };
        for host in hosts {
            self.perform(Deed::Starve(host, self.said(app), starved));
        }
    }

    /// One host behaves otherwise than the rest with the newest version.
    fn odd(&mut self, host: HostName) {
        let behaviour = self.behaviour();
        if let Some((app, version)) = self.stage.versions.last().cloned() {
            let named = self.named(&app, &version);
            self.perform(Deed::Fail(Some(host), behaviour, named));
        }
    }
}
