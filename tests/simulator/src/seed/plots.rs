//! Little stories that a seed may play in its own world: a few deeds in an order that chance alone would hardly find, each a
//! way in which a rule of the protocol was broken once, in a model or in somebody's fleet.

use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::policy::Amount;
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use super::Seed;
use crate::coverage::{Fault, HostPhase, Inborn, listed};
use crate::network::Cut;
use crate::promises::grant::members;
use crate::story::deed::Deed;
use crate::story::stage::Reply;
use crate::truth::Behaviour;

/// As long as anybody stays away.
const WEEKS: Millis = Millis::seconds(16 * 24 * 3600);
/// More lives of the coordinator than a host's ledger remembers.
const LIVES: usize = 9;

listed! {
    /// A little story.
    Plot {
        /// A host leaves its fleet and returns while its permission is on its way, and another is lent meanwhile.
        ThereAndBack,
        /// Hosts meet a second coordinator, and the first one commands again.
        OldCoordinator,
        /// What one fleet has settled on is held, because another fleet turned back from it; then a host has lost it.
        HeldElsewhere,
        /// Two copies of a store, each with another future; a loan of the one meets a host that has seen the other.
        TwoFutures,
        /// A host is off while its fleet goes on, through more lives of the coordinator than it remembers.
        LongAway,
        /// Everything is switched off for weeks.
        Holidays,
        /// A person asks the same thing twice, under one key.
        Twice,
        /// A fleet is settled on what is then blocked, and a host has lost it.
        SettledOnBlocked,
        /// An old package is thrown away.
        CleanUp,
        /// A fleet is away while an old store is restored, other fleets raise its counter above all that it has seen, and the
        /// coordinator starts once more before it is back.
        AheadUnseen,
    }
}

impl Seed {
    /// One of them.
    pub fn plot(&mut self) {
        let Some(plot) = self.rng.pick(Plot::ALL).copied() else { return };
        let Some(fleet) = self.rng.pick(&self.stage.fleets).cloned() else { return };
        self.stage.sim.coverage.count("plot", plot.name());
        match plot {
            Plot::ThereAndBack => self.one_leaves(&fleet),
            Plot::OldCoordinator => self.old_coordinator(&fleet),
            Plot::HeldElsewhere => self.held_elsewhere(),
            Plot::TwoFutures => self.two_futures(&fleet),
            Plot::LongAway => self.long_away(&fleet),
            Plot::Holidays => self.holidays(),
            Plot::Twice => self.twice(&fleet),
            Plot::SettledOnBlocked => self.settled_on_blocked(&fleet),
            Plot::CleanUp => self.clean_up(),
            Plot::AheadUnseen => self.ahead_unseen(&fleet),
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.wait(seconds * 1000);
    }

    /// A new good version goes to a fleet, one host at a time.
    fn one_by_one(&mut self, fleet: &FleetName) -> bool {
        let Some(old) = self.declared(fleet) else { return false };
        let app = old.app.clone();
        let spec = FleetSpec { parallel: Some(Amount::Count(1)), floor: Amount::Count(1), floor_per: Default::default(), ..old };
        self.perform(Deed::Fleet(Box::new(spec)));
        let version = self.push(&app, Behaviour::default());
        self.perform(Deed::Deploy(fleet.clone(), version)).iter().all(Reply::is_good)
    }

    fn one_leaves(&mut self, fleet: &FleetName) {
        if self.one_by_one(fleet) {
            for _ in 0..3 {
                if let Some(host) = self.wait_for(HostPhase::Permitted) {
                    self.there_and_back(&host);
                }
                self.pass(3000);
            }
        }
    }

    fn old_coordinator(&mut self, fleet: &FleetName) {
        self.perform(Deed::Backup);
        self.perform(Deed::SecondCoordinator);
        self.seconds(20);
        self.perform(Deed::SwapCoordinators);
        self.perform(Deed::Resume(fleet.clone()));
        self.deploy(fleet, false);
        self.seconds(20);
        self.deploy(fleet, false);
        self.pass(30_000);
    }

    fn held_elsewhere(&mut self) {
        let pair = self.stage.fleets.iter().find_map(|one| {
            let world = self.stage.sim.coordinator.world()?;
            let app = &world.fleets.get(one)?.spec.app;
            let other = self.stage.fleets.iter().find(|other| *other != one && world.fleets.get(*other).is_some_and(|f| f.spec.app == *app))?;
            Some((app.clone(), one.clone(), other.clone()))
        });
        let Some((app, settled, turns)) = pair else { return };
        let version = self.push(&app, Behaviour::default());
        self.perform(Deed::Deploy(settled.clone(), version.clone()));
        self.seconds(60);
        let bad = Behaviour { fails_at: Some(Event::ValidateService), ..Behaviour::default() };
        for host in self.members(&turns) {
            let named = self.named(&app, &version);
            self.perform(Deed::Fail(Some(host), bad, named));
        }
        self.perform(Deed::Deploy(turns, version));
        self.seconds(40);
        self.one_forgets(&settled);
    }

    /// A member has nothing any more, and is to be brought to what is settled.
    fn one_forgets(&mut self, fleet: &FleetName) {
        let members = self.members(fleet);
        let Some(host) = self.rng.pick(&members).cloned() else { return };
        self.perform(Deed::Reimage(host, Millis::seconds(1)));
        self.seconds(30);
    }

    fn two_futures(&mut self, fleet: &FleetName) {
        if !self.one_by_one(fleet) {
            return;
        }
        self.perform(Deed::Pause(fleet.clone()));
        self.seconds(25);
        self.perform(Deed::Backup);
        for host in self.stage.hosts.clone() {
            self.perform(Deed::Partition(host, Cut::Down));
        }
        self.perform(Deed::Resume(fleet.clone()));
        let lent = |seed: &Seed| seed.stage.sim.coordinator.world().filter(|w| w.slots.values().any(|s| s.loan.is_some())).map(|w| w.counter);
        let promised = lent(self);
        self.perform(Deed::Backup);
        self.perform(Deed::SwapBackups);
        self.perform(Deed::Restore { by_hand: true });
        for host in self.stage.hosts.clone() {
            self.perform(Deed::Heal(Some(host.clone())));
            self.perform(Deed::Cordon(host));
        }
        self.seconds(25);
        for _ in 0..4 {
            let counter = self.stage.sim.coordinator.world().map(|w| w.counter);
            if promised.is_some() && counter < promised {
                self.deploy(fleet, true);
            }
        }
        self.seconds(10);
        self.perform(Deed::SwapBackups);
        self.perform(Deed::Restore { by_hand: true });
        self.seconds(30);
        for host in self.stage.hosts.clone() {
            self.perform(Deed::Uncordon(host));
        }
    }

    fn long_away(&mut self, fleet: &FleetName) {
        let Some(host) = self.rng.pick(&self.stage.hosts).cloned() else { return };
        self.perform(Deed::Kill(host.clone()));
        let again = self.rng.chance(500);
        for _ in 0..LIVES {
            self.perform(Deed::CrashCoordinator { again: false });
            self.perform(Deed::StartCoordinator);
            self.deploy(fleet, again);
            self.pass(6000);
        }
        self.stage.sim.coverage.fault(Fault::Inborn(Inborn::LongAway));
        self.perform(Deed::Boot(host));
    }

    fn holidays(&mut self) {
        let on: Vec<HostName> = self.stage.hosts.iter().filter(|host| self.stage.sim.machines.get(*host).is_some_and(|m| m.on)).cloned().collect();
        let Some(fleet) = self.rng.pick(&self.stage.fleets).cloned() else { return };
        self.twice(&fleet);
        // Whatever is still to rise by itself is switched off again.
        for _ in 0..25 {
            let all: Vec<HostName> = self.stage.sim.machines.iter().filter(|(_, m)| m.on).map(|(machine, _)| machine.clone()).collect();
            for machine in all {
                self.perform(Deed::Kill(machine));
            }
            if self.stage.sim.coordinator.life.is_some() {
                self.perform(Deed::CrashCoordinator { again: false });
            }
            self.seconds(10);
        }
        self.wait(WEEKS.0);
        self.perform(Deed::StartCoordinator);
        for host in on {
            self.perform(Deed::Boot(host));
            self.pass(1000);
        }
        self.seconds(10);
        self.twice(&fleet);
    }

    fn twice(&mut self, fleet: &FleetName) {
        let once = Deed::Once(self.rng.next_u64(), fleet.clone());
        self.perform(once.clone());
        self.pass(4000);
        self.perform(once);
    }

    fn settled_on_blocked(&mut self, fleet: &FleetName) {
        let settled = self.stage.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).and_then(|f| f.settled);
        let Some(settled) = settled else { return };
        let Some(named) = self.named_by(settled.package) else { return };
        self.perform(Deed::Block(named.clone()));
        self.one_forgets(fleet);
        self.pass(20_000);
        self.perform(Deed::Unblock(named));
    }

    fn clean_up(&mut self) {
        for (app, version) in self.stage.versions.clone() {
            if self.rng.chance(300) {
                self.perform(Deed::Delete(self.named(&app, &version)));
            }
        }
    }

    fn ahead_unseen(&mut self, fleet: &FleetName) {
        let Some(other) = self.stage.fleets.iter().find(|other| *other != fleet).cloned() else { return };
        self.perform(Deed::Backup);
        if !self.one_by_one(fleet) {
            return;
        }
        self.seconds(25);
        let away = self.members(fleet);
        for host in &away {
            self.perform(Deed::Kill(host.clone()));
        }
        self.perform(Deed::Restore { by_hand: true });
        let seen = |seed: &Seed| {
            let slots = away.iter().filter_map(|host| seed.stage.sim.machines.get(host)).flat_map(|m| m.disk.slots.values());
            slots.map(|slot| slot.seen).max().unwrap_or_default()
        };
        for _ in 0..12 {
            if self.stage.sim.coordinator.world().is_some_and(|w| w.counter < seen(self)) {
                self.deploy(&other, true);
                self.pass(1000);
            }
        }
        self.perform(Deed::CrashCoordinator { again: false });
        self.perform(Deed::StartCoordinator);
        for host in away.clone() {
            self.perform(Deed::Boot(host));
        }
        self.seconds(25);
    }

    fn members(&self, fleet: &FleetName) -> Vec<HostName> {
        let Some(world) = self.stage.sim.coordinator.world() else { return Vec::new() };
        let Some(record) = world.fleets.get(fleet) else { return Vec::new() };
        members(world, record).cloned().collect()
    }
}
