//! The end of a seed: everything that people and chance have broken is repaired, and the world must come to rest.

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::world::HostState;
use pilotage_coordinator_core::{Cause, Request};
use pilotage_shared::digest::Digest;
use pilotage_shared::health::Standing;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::time::Millis;

use crate::agent::Wish;
use crate::network::Rates;
use crate::promises::grant::{SMALL, members};
use crate::simulation::Luck;
use crate::story::stage::Stage;
use crate::truth::{Behaviour, Health};

/// How long the healed world has to come to rest.
const REST_WITHIN: Millis = Millis::seconds(1200);
/// How often it is looked at.
const LOOK_EVERY: Millis = Millis::seconds(5);

/// How an application answers that answers well by turns only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaps {
    /// It is available from time to time, and never `down`.
    LongEnough,
    /// It is never available, and `down` after its deadline.
    NeverLong,
}

impl Stage {
    /// Heals all and requires rest.
    pub fn heal(&mut self) {
        self.sim.network.rates = Rates { late: 0, lost: 0, repeated: 0, ..self.sim.network.rates };
        self.sim.luck = Luck::default();
        self.sim.nothing_comes();
        // Else the hosts' people would speak to agents that do not listen.
        self.sim.end_stalls();
        self.sim.end_old_coordinator();
        for host in self.hosts.clone() {
            self.sim.heal(&host);
            self.sim.remove_twin(&host);
            self.sim.power_on(&host);
            self.sim.start_agent(&host);
            self.sim.fill_disk(&host, false);
            for app in self.apps.clone() {
                self.sim.starve(&host, &app, false);
                self.sim.hands(&host, &app, Wish::Unpin);
            }
        }
        self.sim.boot_coordinator();
        self.sim.run_until(self.sim.now + Millis::seconds(60));
        self.ask(Request::Recover { keep_backup: false, go_on: true });
        if let Some(host) = self.liar.clone() {
            self.ask(Request::RetireHost { host });
        }
        for host in self.hosts.clone() {
            // In a large world people ask only where there is something to ask for.
            let (cordoned, in_maintenance, refused) = if self.hosts.len() > SMALL { self.needs(&host) } else { (true, true, true) };
            if cordoned {
                self.ask(Request::UncordonHost { host: host.clone() });
            }
            if in_maintenance {
                self.ask(Request::MaintainHost { host: host.clone(), on: false });
            }
            if refused {
                self.ask(Request::RetryHost { host });
            }
        }
        // Hosts may know of a newer list than a restored store: a person who says anything about it says it anew (R29).
        if let Some((app, version)) = self.versions.first().cloned() {
            let digest = Digest::of(format!("{app}@{version}").as_bytes());
            self.ask(Request::BlockPackage { digest });
        }
        let blocked = self.sim.coordinator.world().map(|w| w.blocked.packages.clone()).unwrap_or_default();
        for digest in blocked {
            self.ask(Request::UnblockPackage { digest });
        }
        self.sim.promises.fruitless.clear();
        let end = self.sim.now + REST_WITHIN;
        let mut last = None;
        while self.sim.now < end && self.sim.promises.broken.is_none() {
            for fleet in self.fleets.clone() {
                if self.waits_for_a_person(&fleet) {
                    self.ask(Request::Resume { fleet });
                }
            }
            self.sim.run_until(self.sim.now + LOOK_EVERY);
            last = self.unrest();
            if last.is_none() {
                break;
            }
        }
        if let Some(what) = last {
            self.sim.promises.breaks("11 converges after everything is healed", || what);
        }
    }

    /// Is it cordoned; is it in maintenance; is it in quarantine, or has it refused something?
    fn needs(&self, host: &HostName) -> (bool, bool, bool) {
        let Some(world) = self.sim.coordinator.world() else { return (true, true, true) };
        let refused = world.host_slots(host).any(|(_, slot)| slot.refused.is_some());
        let Some(record) = world.hosts.get(host) else { return (false, false, false) };
        (record.cordoned.is_some(), record.state == HostState::Maintenance, record.quarantined.is_some() || refused)
    }

    fn waits_for_a_person(&self, fleet: &FleetName) -> bool {
        self.sim
            .coordinator
            .world()
            .is_some_and(|w| w.fleets.get(fleet).is_some_and(|f| f.frozen.is_some() || w.active(f).is_some_and(|d| d.paused.is_some())))
    }

    /// What is not at rest, though nothing stands in its way any more.
    fn unrest(&mut self) -> Option<String> {
        let now = self.sim.now;
        let Some(world) = self.sim.coordinator.world() else { return Some("the coordinator is down".into()) };
        let retired = |host: &HostName| world.hosts.get(host).is_none_or(|h| h.state == HostState::Retired);
        for (host, machine) in self.sim.machines.iter().filter(|(h, _)| !retired(h)) {
            if !machine.on || machine.agent.is_none() {
                return Some(format!("{host} is not up"));
            }
            let current = world.hosts.get(host).is_some_and(|h| h.id == machine.id);
            if current && !world.live.get(host).is_some_and(|l| l.told && l.reachable) {
                return Some(format!("{host} has no session: {:?}", world.hosts.get(host).and_then(|h| h.quarantined.clone())));
            }
            if let Some((app, underway)) = machine.runs.first_key_value().filter(|_| current) {
                return Some(format!("{host} is still in a run of {app}: {:?}", underway.run.directory));
            }
        }
        // A restored store may know only the predecessor of a machine: a person retires it (R13).
        let here = |host: &HostName| self.sim.machines.get(host).is_some_and(|m| world.hosts.get(host).is_some_and(|h| h.id == m.id));
        if let Some(((app, host), slot)) = world.slots.iter().find(|((_, host), s)| s.loan.is_some() && here(host)) {
            return Some(format!("{host} still holds a loan for {app}: {:?}", slot.loan));
        }
        let mut blocked = Vec::new();
        for (fleet, record) in &world.fleets {
            let waiting = explain_fleet(world, fleet, now);
            let stays = waiting.iter().any(|w| !w.lifts_by_itself());
            let floor = waiting.iter().any(|w| matches!(w.cause, Cause::Floor { .. }));
            if waiting.is_empty() && !record.active {
                // R24: nobody is forgotten: whoever runs nothing at all is brought to what is settled.
                let usable = record.frozen.is_none() && record.settled.is_some_and(|r| !world.barred(&r));
                let refused = |host: &HostName| world.slot(&record.spec.app, host).is_some_and(|s| s.refused.is_some());
                let empty = |host: &&HostName| {
                    world.slot(&record.spec.app, host).and_then(|s| s.status.as_ref()).is_some_and(|s| s.running.is_none() && s.needs_hands.is_none())
                };
                if let Some(host) = members(world, record).filter(empty).find(|h| usable && !refused(h)) {
                    return Some(format!("{host} runs nothing, {fleet} is settled, and nothing is waited for"));
                }
                continue;
            }
            let causes: Vec<String> = waiting.iter().map(|w| format!("{:?} {:?}", w.cause, w.hosts)).collect();
            let text = format!("{fleet}.{} (in course: {}) waits: {}", record.newest, record.active, causes.join("; "));
            if !stays && !floor && !self.target_is_bad(fleet) {
                return Some(text);
            }
            if floor && !self.someone_is_out(fleet) && !self.too_high(fleet) {
                return Some(text);
            }
            let says = |host: &HostName| world.slot(&record.spec.app, host).and_then(|s| s.status.as_ref()).map(|s| s.standing);
            if let Some(host) = members(world, record).find(|h| self.flaps(fleet, h) == Some(Flaps::NeverLong) && says(h) == Some(Standing::Settling))
            {
                return Some(format!("{text}; {host} is never good for long enough, and is not called down"));
            }
            blocked.extend(waiting.iter().map(|w| w.cause.kind()));
        }
        for kind in blocked {
            self.sim.coverage.count("rests on", kind);
        }
        None
    }

    /// A release that is healthy by turns can be waited for for ever.
    fn target_is_bad(&self, fleet: &FleetName) -> bool {
        let Some(world) = self.sim.coordinator.world() else { return false };
        let Some(record) = world.fleets.get(fleet) else { return false };
        let target = world.newest(record).map(|d| d.release);
        let bad = |host: &HostName, release: &Release| self.sim.behaviours.of(release, host) != Behaviour::default();
        members(world, record).any(|host| target.into_iter().chain(record.settled).any(|r| bad(host, &r)))
    }

    /// Does what runs on a host answer well by turns only?
    fn flaps(&self, fleet: &FleetName, host: &HostName) -> Option<Flaps> {
        let world = self.sim.coordinator.world()?;
        let record = world.fleets.get(fleet)?;
        let running = world.slot(&record.spec.app, host)?.status.as_ref()?.running?;
        let check = record.spec.health.as_ref()?;
        // It counts as good until the next check has said otherwise.
        let seen_for = |good: Millis| Millis(good.0 + check.every.0 + check.timeout.0 + 100);
        match self.sim.behaviours.of(&running, host).health {
            // What is bad for less than the time between two checks may never be seen.
            Health::Flaps { good, bad } if seen_for(good) < check.healthy_for && bad > seen_for(Millis(0)) => Some(Flaps::NeverLong),
            Health::Flaps { .. } => Some(Flaps::LongEnough),
            _ => None,
        }
    }

    /// Membership has made a floor that can never be kept in a change (R11).
    fn too_high(&self, fleet: &FleetName) -> bool {
        let Some(world) = self.sim.coordinator.world() else { return false };
        let counts = world.counts(fleet);
        counts.floor >= counts.total || counts.per.values().any(|(total, _, floor)| floor >= total)
    }

    /// A floor may hold for ever only when somebody truly does not count.
    fn someone_is_out(&self, fleet: &FleetName) -> bool {
        let Some(world) = self.sim.coordinator.world() else { return false };
        let Some(record) = world.fleets.get(fleet) else { return false };
        members(world, record).any(|host| {
            let status = world.slot(&record.spec.app, host).and_then(|s| s.status.as_ref());
            let says = status.is_none_or(|s| matches!(s.standing, Standing::Down | Standing::Unknown));
            says || self.flaps(fleet, host) == Some(Flaps::LongEnough)
                || self.sim.machines.get(host).is_none_or(|m| {
                    world.hosts.get(host).is_none_or(|h| h.id != m.id)
                        || !m.apps.get(&record.spec.app).is_some_and(|a| a.serves(host, &self.sim.behaviours, self.sim.now))
                })
        })
    }
}
