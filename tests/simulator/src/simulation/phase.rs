//! In which phase each host is at this moment, and what strikes it there.

use pilotage_coordinator_core::World;
use pilotage_shared::health::Standing;
use pilotage_shared::name::{AppName, HostName};

use super::Simulation;
use crate::coverage::{Fault, HostPhase, phase};
use crate::machine::Machine;
use crate::promises::grant::SMALL;
use crate::promises::identity;

impl Simulation {
    /// A fault strikes a host.
    pub(super) fn strikes(&mut self, fault: Fault, host: &HostName) {
        self.coverage.fault(fault);
        if let Some(phase) = self.phase(host) {
            self.coverage.pair(phase, fault);
        }
    }

    /// A fault of the coordinator strikes everybody, each in its phase.
    pub(super) fn strikes_all(&mut self, fault: Fault) {
        self.coverage.fault(fault);
        let world = self.coordinator.world();
        let phases: Vec<_> = self.machines.values().filter_map(|machine| phase_of(machine, world, self)).collect();
        for phase in phases {
            self.coverage.pair(phase, fault);
        }
    }

    /// The first of these hosts that is in this phase.
    pub fn first_in<'a>(&self, phase: HostPhase, hosts: impl Iterator<Item = &'a HostName>) -> Option<&'a HostName> {
        let may_be = |machine: &Machine| !phase.in_run() || machine.runs.values().any(|u| u.run.living.is_some());
        let world = self.coordinator.world();
        let is = |machine: &Machine| may_be(machine) && phase_of(machine, world, self) == Some(phase);
        let mut hosts = hosts;
        hosts.find(|host| self.machines.get(*host).is_some_and(is))
    }

    /// The first of those whom the last event was about that is in this phase; in a small world, of all.
    pub fn first_stirred_in<'a>(&'a self, phase: HostPhase, hosts: &'a [HostName]) -> Option<&'a HostName> {
        if self.machines.len() > SMALL { self.first_in(phase, self.stirred.iter()) } else { self.first_in(phase, hosts.iter()) }
    }

    /// The phase of a host; none in an instant that has no name.
    pub fn phase(&self, host: &HostName) -> Option<HostPhase> {
        phase_of(self.machines.get(host)?, self.coordinator.world(), self)
    }
}

fn phase_of(machine: &Machine, world: Option<&World>, simulation: &Simulation) -> Option<HostPhase> {
    if !machine.on {
        return Some(HostPhase::Off);
    }
    let underway = machine.runs.values().find(|u| u.run.living.is_some());
    let Some(agent) = &machine.agent else { return Some(if underway.is_some() { HostPhase::Orphaned } else { HostPhase::NoAgent }) };
    if let Some(underway) = underway {
        return phase::of_run(underway.run.directory.phase());
    }
    let name = identity(machine.name());
    let session = world.and_then(|w| w.live.get(&name)).is_some_and(|l| l.told && l.reachable);
    if !session || agent.session.is_none() {
        return Some(HostPhase::Unreachable);
    }
    let loan = |app: &AppName| world.and_then(|w| w.slot(app, &name)).and_then(|s| s.loan.as_ref());
    let loans: Vec<bool> = machine.disk.slots.keys().filter_map(loan).map(|l| l.withdrawn).collect();
    if loans.contains(&false) {
        return Some(HostPhase::Permitted);
    }
    if loans.contains(&true) {
        return Some(HostPhase::Withdrawn);
    }
    if agent.apps.values().any(|memory| memory.working.is_some()) {
        return Some(HostPhase::Staging);
    }
    let uptime = machine.uptime(simulation.now);
    let standing = |app: &AppName| Some(agent.apps.get(app)?.standing(machine.disk.slots.get(app)?, uptime));
    let standings: Vec<Standing> = machine.disk.slots.keys().filter_map(standing).collect();
    let any = |standing: Standing| standings.contains(&standing);
    Some(match () {
        () if any(Standing::Down) => HostPhase::Down,
        () if any(Standing::Settling) => HostPhase::Settling,
        () if any(Standing::Unknown) || standings.is_empty() => HostPhase::Unknown,
        () => HostPhase::Idle,
    })
}
