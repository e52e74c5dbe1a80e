//! Promises about the course of a deployment: rollback is bounded (6), success is observed (10), everything ends or waits for
//! a named thing (11).

use std::collections::BTreeMap;

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::world::configuration::Pair;
use pilotage_coordinator_core::world::{Because, Course, Deployment, Fleet, Outcome};
use pilotage_coordinator_core::{Cause, Change, World};
use pilotage_shared::digest::Digest;
use pilotage_shared::health::Standing;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::time::Time;

use super::grant::members;
use super::{Ahead, Promises};
use crate::coordinator::Coordinator;
use crate::machine::Machine;

/// What was new in a deployment beside the settled release: what its rollback holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum New {
    /// Its package.
    Package(Digest),
    /// Its configuration, with the settled package.
    Pair(Pair),
}

/// What a host truly runs, as far as a deployment's end is judged by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Its files.
    pub installed: Option<Release>,
    /// A run is under way.
    pub in_change: bool,
    /// Something happened to it that the coordinator cannot know yet: a person at the host, a new disk, a lost ledger.
    pub excused: bool,
}

impl Promises {
    /// A change is about to be applied.
    pub fn course(&mut self, world: &World, change: &Change, planned: bool, truth: &dyn Fn(&HostName) -> Runs) {
        match change {
            Change::Turned { id, because: Because::TooManyFailed { .. }, .. } if planned => self.turned(world, id),
            // A person who goes on after a restore stops what the backup had in course (R34).
            Change::Ended { because: Some(Because::Asked(_)), outcome: Outcome::Stopped, .. } if world.recovering.is_some() => {}
            Change::Ended { id, outcome: Outcome::Stopped, .. } if planned => self.stopped(world, id),
            Change::Ended { id, outcome: Outcome::Succeeded, left_behind, .. } => self.succeeded(world, id, left_behind, truth),
            Change::Ended { id, outcome: Outcome::RolledBack, left_behind, .. } => self.rolled_back(world, id, left_behind, truth),
            Change::PackagePut { package } if package.held.is_none() && world.packages.get(&package.digest).is_some_and(|p| p.held.is_some()) => {
                self.rollbacks.retain(|(_, new), _| *new != New::Package(package.digest));
            }
            Change::PairsReleased { pairs, .. } => self.rollbacks.retain(|(_, new), _| !pairs.iter().any(|pair| *new == New::Pair(*pair))),
            Change::Lent { host, app, loan } => {
                let pair = world.held_pairs.contains_key(&Pair::of(&loan.release));
                let held = pair || world.packages.get(&loan.release.package).is_some_and(|p| p.held.is_some());
                let deployment = world.deployments.get(&loan.deployment);
                let back = deployment.is_some_and(|d| matches!(d.course, Course::Back { .. }));
                let frozen = super::grant::fleet_of(world, app, host).is_some_and(|f| f.frozen.is_some());
                self.must(!held || back, "6 held", || format!("{host} is lent for a held release in {}", loan.deployment));
                let blocked = world.blocked.packages.contains(&loan.release.package);
                self.must(!blocked, "9 blocked is not lent", || format!("{host} is lent for a blocked package in {}", loan.deployment));
                self.must(!frozen, "8 frozen", || format!("{host} is lent while its fleet is frozen"));
                let renewed = world.slot(app, host).is_some_and(|s| s.loan.is_some());
                self.must(loan.generation > world.counter, "8 generations rise", || {
                    format!("{host} is lent generation {} and the counter is {} (replaced: {renewed})", loan.generation, world.counter)
                });
            }
            _ => {}
        }
    }

    /// Promise 6: at most one automatic rollback for a fleet, package and release by a person; for failures, not for silence.
    fn turned(&mut self, world: &World, id: &DeploymentId) {
        let Some((fleet, deployment)) = both(world, id) else { return };
        let release = deployment.release;
        // A restart of the settled release is not held: it is the way back. Each one needs a person's request.
        let new = match fleet.settled {
            Some(settled) if settled.package == release.package => (settled.config != release.config).then_some(New::Pair(Pair::of(&release))),
            Some(_) | None => Some(New::Package(release.package)),
        };
        let times = new.map_or(0, |new| {
            let times = self.rollbacks.entry((id.fleet.clone(), new)).or_default();
            times.insert(id.clone());
            times.len()
        });
        self.must(deployment.course == Course::Forward, "6 a rollback is never rolled back", || format!("{id} turns back again"));
        self.must(times <= 1, "6 rollback is bounded", || format!("{id} turns back; it is rollback {times} of what is new in it"));
        let failed = members(world, fleet).filter(|m| has_failed(world, fleet, deployment, m)).count() as u32;
        let all = members(world, fleet).count() as u32;
        let tolerated = fleet.spec.tolerate.round_down(all);
        self.must(failed > tolerated, "6 only failures turn", || {
            format!("{id} turns back with {failed} failed of {tolerated} tolerated, as the admitted statuses say")
        });
        self.must(fleet.frozen.is_none(), "8 frozen", || format!("{id} turns while its fleet is frozen"));
    }

    /// R20, R22: a rule stops only what goes forward, for failures.
    fn stopped(&mut self, world: &World, id: &DeploymentId) {
        let Some((fleet, deployment)) = both(world, id) else { return };
        let failed = members(world, fleet).filter(|m| has_failed(world, fleet, deployment, m)).count() as u32;
        let tolerated = fleet.spec.tolerate.round_down(members(world, fleet).count() as u32);
        self.must(deployment.course == Course::Forward && failed > tolerated, "6 only failures stop", || {
            format!("{id} is stopped in {:?} with {failed} failed of {tolerated} tolerated", deployment.course)
        });
    }

    /// Promise 10: succeeded means observed on every member, but for named exceptions.
    fn succeeded(&mut self, world: &World, id: &DeploymentId, left: &[HostName], truth: &dyn Fn(&HostName) -> Runs) {
        let Some((fleet, deployment)) = both(world, id) else { return };
        let target = deployment.release;
        let all: Vec<&HostName> = members(world, fleet).collect();
        let (mut failed, mut arrived) = (0, false);
        for host in &all {
            let runs = truth(host);
            let there = runs.installed == Some(target) && !runs.in_change;
            failed += u32::from(has_failed(world, fleet, deployment, host) && !was_down(world, fleet, deployment, host));
            arrived |= there || runs.excused;
            let named = left.contains(host) || left.len() >= 20;
            self.must(there || named || runs.excused, "10 succeeded is observed", || {
                format!("{id} succeeds, {host} truly runs {:?} (in change: {}) and is not named", runs.installed, runs.in_change)
            });
        }
        self.must(arrived, "10 succeeded is observed", || format!("{id} succeeds and nobody runs it"));
        let tolerated = fleet.spec.tolerate.round_down(all.len() as u32) + deployment.forgiven;
        self.must(failed <= tolerated, "10 within tolerance", || format!("{id} succeeds with {failed} failed, {tolerated} tolerated"));
    }

    fn rolled_back(&mut self, world: &World, id: &DeploymentId, left: &[HostName], truth: &dyn Fn(&HostName) -> Runs) {
        let Some((fleet, deployment)) = both(world, id) else { return };
        let Course::Back { to, .. } = &deployment.course else {
            return self.breaks("10 rolled back", || format!("{id} ends rolled back and never turned"));
        };
        for host in members(world, fleet) {
            let runs = truth(host);
            let named = left.contains(host) || left.len() >= 20;
            let there = runs.installed == Some(*to) && !runs.in_change;
            self.must(there || named || runs.excused, "10 rolled back is observed", || {
                format!("{id} is rolled back, {host} truly runs {:?} (in change: {}) and is not named", runs.installed, runs.in_change)
            });
        }
    }

    /// Promise 11, after each drain: whatever is in course waits for something that is named.
    /// Fleets without a deployment are asked only when `all` are.
    pub fn waits(&mut self, world: &World, now: Time, all: bool, mut seen: impl FnMut(&Cause)) {
        for fleet in world.fleets.values() {
            let Some(deployment) = world.active(fleet) else {
                if all {
                    explain_fleet(world, &fleet.spec.name, now).iter().for_each(|wait| seen(&wait.cause));
                }
                continue;
            };
            let waiting = pilotage_coordinator_core::explain(world, &deployment.id, now);
            waiting.iter().for_each(|wait| seen(&wait.cause));
            self.must(!waiting.is_empty(), "11 waits for a named thing", || {
                let groups = world.groups.get(&fleet.spec.name);
                format!("{} neither moves nor waits: {:?}, paused {}, {groups:?}", deployment.id, deployment.course, deployment.paused.is_some())
            });
        }
    }

    /// What was acknowledged survives: compared after every start of the coordinator from its own store.
    pub fn remembered(&mut self, world: &World) {
        let numbers: BTreeMap<&FleetName, u32> = world.fleets.iter().map(|(name, f)| (name, f.newest)).collect();
        for (fleet, number) in self.acknowledged.clone() {
            let found = numbers.get(&fleet).copied();
            self.must(found.is_none_or(|n| n >= number), "acknowledged survives", || {
                format!("{fleet}.{number} was acknowledged; after the start {fleet} has had {found:?}")
            });
        }
    }
}

fn both<'a>(world: &'a World, id: &DeploymentId) -> Option<(&'a Fleet, &'a Deployment)> {
    Some((world.fleets.get(&id.fleet)?, world.deployments.get(id)?))
}

/// R21, from the statuses alone.
fn has_failed(world: &World, fleet: &Fleet, deployment: &Deployment, host: &HostName) -> bool {
    let Some(slot) = world.slot(&fleet.spec.app, host) else { return false };
    let refused = slot.refused.as_ref().is_some_and(|r| r.release == deployment.release && r.deployment == deployment.id);
    let heard = world.live.get(host).is_some_and(|l| l.heard && l.reachable);
    let down =
        heard && slot.status.as_ref().is_some_and(|s| s.running == Some(deployment.release) && s.run.is_none() && s.standing == Standing::Down);
    refused || down
}

/// It refused, but was broken before (R21).
fn was_down(world: &World, fleet: &Fleet, deployment: &Deployment, host: &HostName) -> bool {
    let refused = world.slot(&fleet.spec.app, host).and_then(|s| s.refused.as_ref());
    refused.is_some_and(|r| r.was_down && r.release == deployment.release && r.deployment == deployment.id)
}

impl Promises {
    /// An old copy of the store was restored: what it has forgotten is not expected of it, but hosts that are ahead of it must
    /// not be commanded before a person goes on (R18).
    pub fn forget(&mut self, coordinator: &Coordinator, machines: &BTreeMap<HostName, Machine>, now: Time) {
        self.restored = Some(now);
        let world = &coordinator.stored();
        self.acknowledged = world.fleets.iter().map(|(name, f)| (name.clone(), f.newest)).collect();
        self.rollbacks.clear();
        self.ahead.clear();
        for (name, machine) in machines {
            for (app, record) in machine.disk.slots.iter().filter(|(_, r)| r.seen > world.counter) {
                // Beside the world that it comes from a person has gone on already, before the copy was made.
                let last = machine.disk.host.last.map(|s| s.epoch);
                if let Some(fleet) = super::grant::fleet_of(world, app, name).filter(|f| !f.thawed.contains(&last)) {
                    let ahead = Ahead { ledger: machine.disk.host.ledger, seen: record.seen, counter: world.counter };
                    self.ahead.insert((fleet.spec.name.clone(), name.clone()), ahead);
                }
            }
        }
    }
}
