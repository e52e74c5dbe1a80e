//! Little stories that a seed may play in its own world: a few deeds in an order that chance alone would hardly find, each a
//! way in which a rule of the protocol was broken once, in a model or in somebody's fleet.

use pilotage_coordinator_core::Request;
use pilotage_coordinator_core::input::What;
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::policy::Amount;
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use super::Seed;
use crate::coverage::{Fault, HostPhase, listed};
use crate::network::Cut;
use crate::promises::grant::members;
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
        let Some(fleet) = self.rng.pick(&self.fleets).cloned() else { return };
        self.sim.coverage.count("plot", plot.name());
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
        self.sim.run_until(self.sim.now + Millis::seconds(seconds));
    }

    /// A new good version goes to a fleet, one host at a time.
    fn one_by_one(&mut self, fleet: &FleetName) -> bool {
        let Some(old) = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.spec.clone()) else { return false };
        let app = old.app.clone();
        let spec = pilotage_shared::fleet::FleetSpec { parallel: Some(Amount::Count(1)), floor: Amount::Count(1), floor_per: Default::default(), ..old };
        self.ask(Request::PutFleet { spec: Box::new(spec) });
        let version = self.push(&app, Behaviour::default());
        self.ask(Request::Deploy { fleet: fleet.clone(), what: What::Version(version) })
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
        self.sim.back_up();
        self.sim.second_coordinator();
        self.seconds(20);
        self.sim.swap_coordinators();
        self.ask(Request::Resume { fleet: fleet.clone() });
        self.deploy(fleet, false);
        self.seconds(20);
        self.deploy(fleet, false);
        self.pass(30_000);
    }

    fn held_elsewhere(&mut self) {
        let pair = self.fleets.iter().find_map(|one| {
            let world = self.sim.coordinator.world()?;
            let app = &world.fleets.get(one)?.spec.app;
            let other = self.fleets.iter().find(|other| *other != one && world.fleets.get(*other).is_some_and(|f| f.spec.app == *app))?;
            Some((app.clone(), one.clone(), other.clone()))
        });
        let Some((app, settled, turns)) = pair else { return };
        let version = self.push(&app, Behaviour::default());
        let deploy = |fleet: &FleetName| Request::Deploy { fleet: fleet.clone(), what: What::Version(version.clone()) };
        self.ask(deploy(&settled));
        self.seconds(60);
        let Some(release) = self.target(&settled) else { return };
        let bad = Behaviour { fails_at: Some(Event::ValidateService), ..Behaviour::default() };
        for host in self.members(&turns) {
            self.sim.behaviours.set(release.package, Some(&host), bad);
        }
        self.ask(deploy(&turns));
        self.seconds(40);
        self.one_forgets(&settled);
    }

    /// A member has nothing any more, and is to be brought to what is settled.
    fn one_forgets(&mut self, fleet: &FleetName) {
        let members = self.members(fleet);
        let Some(host) = self.rng.pick(&members).cloned() else { return };
        self.sim.reimage(&host, 1000);
        self.seconds(30);
    }

    fn two_futures(&mut self, fleet: &FleetName) {
        if !self.one_by_one(fleet) {
            return;
        }
        let Some(number) = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.newest) else { return };
        self.ask(Request::Pause { id: DeploymentId { fleet: fleet.clone(), number } });
        self.seconds(25);
        self.sim.back_up();
        let first = self.sim.backup.clone();
        for host in self.hosts.clone() {
            self.sim.partition(&host, Cut::Down);
        }
        self.ask(Request::Resume { fleet: fleet.clone() });
        let lent = |seed: &Seed| seed.sim.coordinator.world().filter(|w| w.slots.values().any(|s| s.loan.is_some())).map(|w| w.counter);
        let promised = lent(self);
        self.sim.back_up();
        let second = self.sim.backup.clone();
        self.sim.backup = first;
        self.sim.restore(false);
        for host in self.hosts.clone() {
            self.sim.heal(&host);
            self.ask(Request::CordonHost { host });
        }
        self.seconds(25);
        for _ in 0..4 {
            let counter = self.sim.coordinator.world().map(|w| w.counter);
            if promised.is_some() && counter < promised {
                self.deploy(fleet, true);
            }
        }
        self.seconds(10);
        self.sim.backup = second;
        self.sim.restore(false);
        self.seconds(30);
        for host in self.hosts.clone() {
            self.ask(Request::UncordonHost { host });
        }
    }

    fn long_away(&mut self, fleet: &FleetName) {
        let Some(host) = self.rng.pick(&self.hosts).cloned() else { return };
        self.sim.power_off(&host);
        let again = self.rng.chance(500);
        for _ in 0..LIVES {
            self.sim.kill_coordinator(false);
            self.sim.boot_coordinator();
            self.deploy(fleet, again);
            self.pass(6000);
        }
        self.sim.coverage.fault(Fault::LongAway);
        self.sim.power_on(&host);
    }

    fn holidays(&mut self) {
        let on: Vec<HostName> = self.hosts.iter().filter(|host| self.sim.machines.get(*host).is_some_and(|m| m.on)).cloned().collect();
        let Some(fleet) = self.rng.pick(&self.fleets).cloned() else { return };
        self.twice(&fleet);
        // Whatever is still to rise by itself is switched off again.
        for _ in 0..25 {
            let all: Vec<HostName> = self.sim.machines.keys().cloned().collect();
            all.iter().for_each(|machine| self.sim.power_off(machine));
            self.sim.kill_coordinator(false);
            self.seconds(10);
        }
        self.sim.run_until(self.sim.now + WEEKS);
        self.sim.boot_coordinator();
        for host in &on {
            self.sim.power_on(host);
            self.pass(1000);
        }
        self.seconds(10);
        self.twice(&fleet);
    }

    fn twice(&mut self, fleet: &FleetName) {
        let what = What::Restart;
        let key = self.rng.next_u64().to_string();
        let request = Request::Deploy { fleet: fleet.clone(), what };
        let first = self.sim.request_once(&key, request.clone());
        self.pass(4000);
        let second = self.sim.request_once(&key, request);
        let (Some(Ok(first)), Some(Ok(second))) = (first, second) else { return };
        let restored = self.sim.promises.restored;
        self.sim.promises.must(first == second || restored.is_some(), "acknowledged survives", || {
            format!("asked twice under one key, the answers were {first:?} and {second:?}")
        });
    }

    fn settled_on_blocked(&mut self, fleet: &FleetName) {
        let settled = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).and_then(|f| f.settled);
        let Some(settled) = settled else { return };
        self.ask(Request::BlockPackage { digest: settled.package });
        self.one_forgets(fleet);
        self.pass(20_000);
        self.ask(Request::UnblockPackage { digest: settled.package });
    }

    fn clean_up(&mut self) {
        let packages: Vec<_> = self.sim.coordinator.world().map(|w| w.packages.keys().copied().collect()).unwrap_or_default();
        for digest in packages {
            if self.rng.chance(300) && self.ask(Request::DeletePackage { digest }) {
                self.versions.retain(|(app, version)| Digest::of(format!("{app}@{version}").as_bytes()) != digest);
            }
        }
    }

    fn ahead_unseen(&mut self, fleet: &FleetName) {
        let Some(other) = self.fleets.iter().find(|other| *other != fleet).cloned() else { return };
        self.sim.back_up();
        if !self.one_by_one(fleet) {
            return;
        }
        self.seconds(25);
        let away = self.members(fleet);
        away.iter().for_each(|host| self.sim.power_off(host));
        self.sim.restore(false);
        let seen = |seed: &Seed| {
            let slots = away.iter().filter_map(|host| seed.sim.machines.get(host)).flat_map(|m| m.disk.slots.values());
            slots.map(|slot| slot.seen).max().unwrap_or_default()
        };
        for _ in 0..12 {
            if self.sim.coordinator.world().is_some_and(|w| w.counter < seen(self)) {
                self.deploy(&other, true);
                self.pass(1000);
            }
        }
        self.sim.kill_coordinator(false);
        self.sim.boot_coordinator();
        away.iter().for_each(|host| self.sim.power_on(host));
        self.seconds(25);
    }

    fn members(&self, fleet: &FleetName) -> Vec<HostName> {
        let Some(world) = self.sim.coordinator.world() else { return Vec::new() };
        let Some(record) = world.fleets.get(fleet) else { return Vec::new() };
        members(world, record).cloned().collect()
    }
}
