//! Promises about taking hosts out of service: the floor (P1), nobody is taken while it is counted (P2), the batch.

use std::collections::BTreeMap;

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::world::{Fleet, Loan};
use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::intent::Intent;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::time::{Millis, Time};

use super::Promises;
use super::grant::{Grant, Other, Scope, fleet_of, limit, may_count};
use crate::coordinator::Coordinator;
use crate::coverage::Coverage;

/// The truth about one member at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Which machine of its name it is.
    pub join: u32,
    /// Its application answers well.
    pub serves: bool,
    /// The machine is on, and something of ours is installed.
    pub installed: bool,
    /// A run is under way.
    pub in_change: bool,
    /// When it served again after a run had taken it.
    pub restored: Option<Time>,
    /// When it had died by itself.
    pub own_deaths: Vec<Time>,
    /// By which check it is measured, and since when: that of the fleet it is in, as soon as it has heard of it.
    pub measured: Option<(Option<HealthCheck>, Time)>,
}

/// One scope at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Margin {
    up: u32,
    died: u32,
    floor: u32,
}

impl Margin {
    fn total(self) -> i64 {
        i64::from(self.up) + i64::from(self.died) - i64::from(self.floor)
    }
}

impl Truth {
    /// Available, in the sense of the floor: serving, and not just brought back by a run.
    fn available(&self, grant: &Grant, now: Time) -> bool {
        // A host's clock may go too fast, by a hundredth at most.
        let healthy_for = Millis(grant.healthy_for.0 * 98 / 100);
        let healthy = if grant.check.is_some() { self.serves } else { self.installed };
        healthy && !self.in_change && self.restored.is_none_or(|at| now - at >= healthy_for)
    }
}

impl Promises {
    /// P1: a run takes an application out of service that was up on this host, by this permission.
    pub fn disturbed(
        &mut self,
        coordinator: &Coordinator,
        (host, intent): (&HostName, &Intent),
        truth: &BTreeMap<HostName, Truth>,
        now: Time,
        coverage: &mut Coverage,
    ) {
        if self.doubtful.contains(&super::identity(host)) {
            return;
        }
        let world = coordinator.world();
        let Some(grant) = self.grants.find(host, intent).cloned() else {
            let generation = intent.generation;
            return self.breaks("P2 permission", || format!("{host} was taken by generation {generation}, which nobody derived"));
        };
        let short = |scopes: &[Scope], world: Option<&World>| {
            let margins = scopes.iter().map(|scope| (scope, self.margin(scope, &grant, (&intent.app, host), world, truth, now)));
            margins.min_by_key(|(_, margin)| margin.total()).filter(|(_, margin)| margin.total() < 0).map(|(s, m)| (s.clone(), m))
        };
        for scope in &grant.scopes {
            let margin = self.margin(scope, &grant, (&intent.app, host), world, truth, now);
            coverage.margin(i64::from(margin.up) - i64::from(scope.floor));
        }
        let Some((scope, margin)) = short(&grant.scopes, world) else { return };
        // People may have changed floors, labels or members since the permission was derived (PROTOCOL §7 f): then it is
        // broken only if it is by what they say now, too.
        let stored = coordinator.stored();
        let now_scopes = fleet_of(&stored, &intent.app, host).map(|f| self.scopes(&stored, f, host)).unwrap_or_default();
        // What was lent after a floor sank counts on the new one; what was lent before it rose, on the old.
        let later = self.grants.floors_since(&intent.app, &grant);
        let lower = |scope: &Scope| {
            let now = now_scopes.iter().find(|n| n.name == scope.name)?.floor;
            let between = later.get(&scope.name).copied().unwrap_or(now);
            Some(Scope { floor: scope.floor.min(now).min(between), ..scope.clone() })
        };
        let lowest: Vec<Scope> = grant.scopes.iter().filter_map(lower).collect();
        if short(&now_scopes, Some(&stored)).is_none() || short(&lowest, world).is_none() {
            return coverage.count("host", "taken under a policy that has changed");
        }
        let up = |other: &&Other| !truth.get(&other.host).is_some_and(|t| t.available(&grant, now));
        let missing =
            scope.beside(host).filter(up).map(|other| format!("{} {:?}", other.host, truth.get(&other.host))).collect::<Vec<_>>().join(", ");
        self.breaks("P1 floor", || {
            format!(
                "{host} was taken by generation {} while {} others were up and {} had died by themselves in scope {}, floor {} (permission derived at {}; not up: {missing})",
                grant.generation,
                margin.up,
                margin.died,
                scope.name,
                scope.floor,
                crate::trace::since_beginning(grant.at)
            )
        });
    }

    /// What stays in a scope when this host is taken now.
    fn margin(
        &self,
        scope: &Scope,
        grant: &Grant,
        (app, host): (&AppName, &HostName),
        world: Option<&World>,
        truth: &BTreeMap<HostName, Truth>,
        now: Time,
    ) -> Margin {
        let mut margin = Margin { up: 0, died: 0, floor: scope.floor };
        for other in scope.beside(host) {
            let Some(truth) = truth.get(&other.host) else { continue };
            if self.doubtful.contains(&other.host) {
                margin.up += 1;
                continue;
            }
            let can = other.could || world.is_none_or(|w| may_count(w, &other.host));
            if can && truth.available(grant, now) {
                margin.up += 1;
                continue;
            }
            let any = self.counted.get(&(app.clone(), other.host.clone())).copied();
            // Its clock may go too slowly, by a hundredth at most.
            let unseen_for = Millis(grant.unseen_for.0 * 102 / 100);
            // Whom people have replaced by a new machine under its name has left by their word, not by ours (PROTOCOL §7 f).
            let replaced = truth.join != other.join && other.counted_by.is_some();
            let dead = |made: Time| truth.own_deaths.iter().any(|death| *death + unseen_for >= made);
            // Whom people have moved here counts by the check of the fleet it came from until it has heard of this one's (§7 f).
            let elsewhere = |made: Time| truth.measured.as_ref().is_some_and(|(check, since)| *check != grant.check || *since > made);
            let came = |made: Time| truth.measured.as_ref().is_some_and(|(_, since)| *since > made && *since >= grant.at);
            let then = other.counted_by.is_some_and(|made| dead(made) || elsewhere(made));
            if replaced || then || any.is_some_and(|made| dead(made) || came(made)) {
                margin.died += 1;
            }
        }
        margin
    }

    /// P2: a begin, as the coordinator sees the host at this very moment.
    pub fn taken(&mut self, world: Option<&World>, app: &AppName, host: &HostName) {
        let Some(world) = world.filter(|_| !self.doubtful.contains(&super::identity(host))) else { return };
        let slot = world.slot(app, host);
        let lent = slot.is_some_and(|s| s.loan.is_some());
        let heard = world.live.get(host).is_some_and(|l| l.heard && l.reachable);
        let status = slot.and_then(|s| s.status.as_ref());
        let available = status.is_some_and(|s| s.standing == Standing::Available && s.run.is_none());
        let member = fleet_of(world, app, host).is_some();
        let counts = member && heard && available && !lent;
        self.must(!counts, "P2 nobody is taken while it is counted", || format!("{host} begins, and the coordinator counts it as available"));
    }

    /// Does a batch limit who may be in change beside this one?
    pub fn is_limited(&self, host: &HostName, begins: &Intent) -> bool {
        self.grants.find(host, begins).is_some_and(|grant| grant.limit.is_some())
    }

    /// In change ≤ batch, in truth: all runs under way for one deployment on its way forward, by their permissions. Runs that a
    /// restored store has forgotten are not its fault (PROTOCOL §7 g).
    /// On the way back nothing but the floor limits who begins (promise 7).
    pub fn batch(&mut self, deployment: &DeploymentId, (host, begins): (&HostName, &Intent), runs: &[(&HostName, &Intent)]) {
        let Some(own) = self.grants.find(host, begins).filter(|grant| grant.limit.is_some()) else { return };
        // Who left and was brought back by people was no member when one of the two was permitted: then nobody could count it
        // (PROTOCOL §7 f; its own loan has travelled with it, R14).
        let knew = |grant: &Grant, name: &HostName| grant.scopes.first().is_some_and(|fleet| fleet.others.get(name).is_some());
        let limits: Vec<u32> = runs
            .iter()
            .filter_map(|(name, intent)| Some((*name, self.grants.find(name, intent)?)))
            .filter(|(name, grant)| *name == host || knew(own, name) && knew(grant, host))
            .map(|(_, grant)| grant)
            .filter(|grant| grant.deployment.as_ref() == Some(deployment) && self.restored.is_none_or(|at| grant.at > at))
            .filter_map(|grant| grant.limit)
            .collect();
        let Some(limit) = limits.iter().copied().max() else { return };
        self.must(limits.len() as u32 <= limit, "batch", || format!("{} are in change for {deployment}, at most {limit} may be", limits.len()));
    }

    /// R10, R11, from the records alone: the others of each scope that count now are enough. Who is down is free.
    fn keeps_the_floor(&mut self, world: &World, fleet: &Fleet, host: &HostName) {
        let app = &fleet.spec.app;
        let heard = world.live.get(host).is_some_and(|l| l.heard && l.reachable);
        let status = world.slot(app, host).and_then(|s| s.status.as_ref());
        if heard && status.is_some_and(|s| s.standing == Standing::Down) {
            return;
        }
        for scope in self.present_scopes(world, fleet, host) {
            let counted = scope.others.counting_beside(host);
            self.must(counted >= scope.floor, "1 lent above the floor", || {
                format!("{host} is lent while {counted} others count in scope {}, floor {}", scope.name, scope.floor)
            });
        }
    }

    /// In change ≤ batch: this loan is about to be given.
    pub fn lent(&mut self, world: &World, app: &AppName, host: &HostName, loan: &Loan) {
        let replaced = world.slot(app, host).is_some_and(|s| s.loan.is_some());
        let Some(fleet) = fleet_of(world, app, host) else {
            return self.breaks("P2 loan", || format!("{host} is lent for {} and is in no fleet of {app}", loan.deployment));
        };
        let status = world.slot(app, host).and_then(|s| s.status.as_ref());
        let running = status.and_then(|s| s.running);
        let left_alone = !fleet.active && fleet.unsettled.is_some() && running.is_some() && (running == fleet.unsettled || running == fleet.settled);
        self.must(!left_alone || replaced, "10 a stopped deployment moves nobody", || {
            format!("{host} is lent for {:?} after {} was stopped", loan.release, fleet.newest)
        });
        if replaced {
            return;
        }
        self.keeps_the_floor(world, fleet, host);
        let all = self.present_members(world, fleet);
        let Some(limit) = limit(world, fleet, all.count()) else { return };
        let in_change = all.busy();
        self.must(in_change < limit, "batch", || format!("{host} is lent while {in_change} of at most {limit} are in change"));
    }
}
