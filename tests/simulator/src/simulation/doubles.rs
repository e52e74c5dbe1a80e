//! Things that exist twice or lie: cloned machines, machines set back to an old copy, a second coordinator that lives on,
//! a host that says anything, a coordinator that asks for anything.

use pilotage_coordinator_core::world::HostState;
use pilotage_shared::health::Standing;
use pilotage_shared::ids::{BootId, Epoch, Generation};
use pilotage_shared::intent::{Answers, Go, Intent};
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::status::Status;
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Frame;

use super::{Event, Simulation};
use crate::coordinator::Coordinator;
use crate::coverage::{Fault, Inborn};
use crate::machine::Machine;
use crate::network::Side;
use crate::promises::{Ledgers, Lie, twin};

/// A coordinator that is not reachable now, and what was known of its words.
pub(super) struct Other {
    coordinator: Coordinator,
    ledgers: Ledgers,
    /// It was started from a copy of the one that is reachable.
    newer: bool,
}

impl Simulation {
    /// A second machine comes up from a copy of the first one's disk, under the same identity.
    pub fn clone_host(&mut self, host: &HostName) {
        let key = twin(host);
        let Some(original) = self.machines.get(host).filter(|_| !self.machines.contains_key(&key)) else { return };
        let mut twin = Machine { agent: None, boot: BootId(self.rng.bytes()), ..original.clone() };
        for underway in twin.runs.values_mut() {
            underway.run.die();
        }
        self.strikes(Fault::Cloned, host);
        self.trace.line(self.now, || format!("{host} is cloned"));
        self.promises.doubtful.insert(host.clone());
        self.promises.twins.insert(host.clone());
        self.promises.forget_doubles(host);
        self.machines.insert(key.clone(), twin);
        self.start_agent(&key);
    }

    /// A person switches the second machine off.
    pub fn remove_twin(&mut self, host: &HostName) {
        let key = twin(host);
        self.power_off(&key);
        self.machines.remove(&key);
    }

    /// A machine's state is copied aside, as a snapshot of a virtual machine.
    pub fn snapshot(&mut self, host: &HostName) {
        if let Some(machine) = self.machines.get(host) {
            let copy = Machine { agent: None, ..machine.clone() };
            self.snapshots.insert(host.clone(), copy);
        }
    }

    /// The machine is switched off and comes up as it was when it was copied.
    pub fn set_back(&mut self, host: &HostName) {
        let Some(copy) = self.snapshots.remove(host) else { return };
        let same = self.machines.get(host).is_some_and(|m| m.id == copy.id && m.disk.host.ledger == copy.disk.host.ledger);
        if !same {
            return;
        }
        self.strikes(Fault::SetBack, host);
        self.power_off(host);
        let Some(machine) = self.machines.get_mut(host) else { return };
        let (rises, deaths): (bool, Vec<_>) = (machine.on, machine.apps.iter().map(|(name, app)| (name.clone(), app.own_deaths.clone())).collect());
        *machine = Machine { on: rises, excused: Some(self.now), ..copy };
        for (name, deaths) in deaths {
            machine.apps.entry(name).or_default().own_deaths = deaths;
        }
        for app in machine.apps.values_mut() {
            app.die(self.now);
        }
        for underway in machine.runs.values_mut() {
            underway.run.die();
        }
        let world = self.coordinator.world();
        let confirmed = world.and_then(|w| w.hosts.get(host)).and_then(|h| h.confirmed);
        let last = self.machines.get(host).and_then(|m| m.disk.host.last);
        let behind = confirmed.zip(last).is_some_and(|(c, l)| c.epoch == l.epoch && l.n < c.n);
        if behind {
            self.promises.must_not_speak.insert(host.clone(), self.now);
        }
        self.promises.was_set_back(host);
        self.trace.line(self.now, || format!("{host} is set back to an old copy"));
        self.power_on(host);
    }

    /// A second coordinator is started from the copy of the store, and takes over; the first lives on, unreachable.
    pub fn second_coordinator(&mut self) {
        let Some(backup) = self.backup.clone().filter(|_| self.other.is_none() && self.coordinator.life.is_some()) else { return };
        let mut second = Coordinator::new(self.coordinator.settings());
        second.store = backup;
        self.strikes_all(Fault::SecondCoordinator);
        self.trace.line(self.now, || "a second coordinator takes over, the first lives on".into());
        self.break_links();
        let first = std::mem::replace(&mut self.coordinator, second);
        let ledgers = self.promises.take_ledgers();
        self.other = Some(Other { coordinator: first, ledgers, newer: false });
        self.promises.forget(&self.coordinator, &self.machines, self.now);
        self.start_coordinator();
    }

    /// The network leads to the other coordinator now.
    pub fn swap_coordinators(&mut self) {
        let Some(mut other) = self.other.take() else { return };
        self.strikes_all(Fault::CoordinatorsSwapped);
        self.trace.line(self.now, || "the other coordinator answers now".into());
        self.break_links();
        std::mem::swap(&mut self.coordinator, &mut other.coordinator);
        let ledgers = self.promises.take_ledgers();
        self.promises.put_ledgers(std::mem::replace(&mut other.ledgers, ledgers));
        other.newer = !other.newer;
        self.other = Some(other);
        if self.coordinator.life.is_some() {
            self.plan_drain(self.now);
        } else {
            self.plan_event(self.now, Event::StartCoordinator);
        }
    }

    /// The older coordinator's process is ended, at last.
    pub fn end_old_coordinator(&mut self) {
        if self.other.as_ref().is_some_and(|o| o.newer) {
            self.swap_coordinators();
        }
        if self.other.take().is_some() {
            // Hosts that have left this one for the other come back to a new life of it only (R33).
            self.kill_coordinator(false);
            self.start_coordinator();
        }
    }

    /// The life of the coordinator that is not reachable now.
    pub(super) fn epoch_elsewhere(&self) -> Option<Epoch> {
        self.other.as_ref()?.coordinator.world()?.epoch
    }

    fn break_links(&mut self) {
        self.links_of.clear();
        self.inbox.clear();
        for link in self.network.close_all(Side::Coordinator, None) {
            let at = self.now + self.network.rates.slowest;
            self.plan_event(at, Event::Closed { link, side: Side::Host });
        }
    }

    /// A host says anything (a lying host).
    pub(super) fn twist(&mut self, status: &mut Status) {
        self.coverage.fault(Fault::Inborn(Inborn::HostLied));
        let releases: Vec<Release> = self.telling.releases().collect();
        let standings = [Standing::Available, Standing::Down, Standing::Settling, Standing::Unknown];
        for slot in status.slots.values_mut() {
            match self.rng.below(6) {
                0 => slot.standing = *self.rng.pick(&standings).unwrap_or(&Standing::Down),
                1 => slot.running = self.rng.pick(&releases).copied(),
                2 => slot.staged = self.rng.pick(&releases).copied(),
                3 => slot.run = None,
                4 => slot.spent = Generation(slot.spent.0 + self.rng.below(5)),
                _ => slot.seen = Generation(slot.seen.0 + self.rng.below(9)),
            }
        }
    }

    /// The coordinator asks a host for anything (a lying coordinator): in its session, and newer than what it has seen.
    pub fn lie_to(&mut self, host: &HostName) {
        self.promises.lie = Lie::Coordinator;
        let releases: Vec<Release> = self.telling.releases().collect();
        let Some(machine) = self.machines.get(host) else { return };
        let Some((agent, link)) = machine.agent.as_ref().and_then(|a| Some((a, a.link?))) else { return };
        let Some((session, answers)) = agent.session.as_ref().map(|s| (s.id, s.last_sent())) else { return };
        let Some((app, slot)) = machine.disk.slots.first_key_value() else { return };
        let check = machine.checks.get(app).and_then(|(check, _)| check.clone());
        let generation = Generation((slot.seen.0 + self.rng.below(4)).saturating_sub(self.rng.below(2)));
        let go = *self.rng.pick(&[Go::Activate, Go::Activate, Go::Activate, Go::Stage, Go::Keep]).unwrap_or(&Go::Keep);
        let intent = Intent {
            session: if self.rng.chance(100) { pilotage_shared::ids::SessionId { epoch: Epoch(self.rng.bytes()), n: 1 } } else { session },
            answers: if self.rng.chance(200) { Answers { seq: answers.seq + 1, beat: answers.beat + 1 } } else { answers },
            app: app.clone(),
            generation,
            deployment: "lie.1".parse().ok(),
            release: self.rng.pick(&releases).copied(),
            go,
            while_down: self.rng.chance(200),
            health: check,
            hook_timeout: Millis::seconds(60),
            proofs: Vec::new(),
            follow: false,
            file_exists: None,
            first_install: false,
        };
        self.coverage.fault(Fault::Inborn(Inborn::CoordinatorLied));
        self.trace.line(self.now, || format!("a lie → {host} {}", crate::trace::intent(&intent)));
        let frame = Box::new(Frame::Intent(intent, 0, None));
        self.plan_event(self.now, Event::Down { link, frame });
    }

    /// From now on this host says anything.
    pub fn begin_lying(&mut self, host: &HostName) {
        self.promises.lie = Lie::Host;
        self.liar = Some(host.clone());
    }

    /// The agent's process is stopped for so long, as under a debugger or on a machine that swaps.
    pub fn stall(&mut self, host: &HostName, span: Millis) {
        let until = self.now + span;
        if self.machines.get(host).is_some_and(|m| m.agent.is_some()) {
            self.strikes(Fault::AgentStalled, host);
            self.stalled.insert(host.clone(), until);
            self.trace.line(self.now, || format!("{host} agent stalls for {span}"));
            self.plan_event(until, Event::Wake(host.clone()));
        }
    }

    /// Agents whose processes were stopped go on.
    pub fn end_stalls(&mut self) {
        for host in std::mem::take(&mut self.stalled).into_keys() {
            self.with_agent(&host, |agent, machine, outside| agent.step(machine, outside));
        }
    }

    /// When a stalled agent goes on.
    pub(super) fn stalled_until(&self, host: &HostName) -> Option<Time> {
        self.stalled.get(host).copied().filter(|until| *until > self.now)
    }

    /// Who is a member no more, by a person's word.
    pub(super) fn is_retired(&self, host: &HostName) -> bool {
        self.coordinator.world().and_then(|w| w.hosts.get(host)).is_some_and(|h| h.state == HostState::Retired)
    }
}
