//! Permissions as they were derived: which scopes the host stood in then, and on whose word the others counted. The floor
//! is promised in exactly these terms (P1).

use std::collections::{BTreeMap, VecDeque};

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::world::{Course, Fleet, HostState};
use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::ids::{DeploymentId, Generation, SessionId};
use pilotage_shared::intent::{Answers, Go, Intent};
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::time::{Millis, Time};

use super::Promises;
use super::roster::Members;

/// Permissions that are remembered for each host and app; older ones cannot be fresh any more.
const REMEMBERED: usize = 64;

/// One scope of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `fleet` or `zone=a`.
    pub name: String,
    /// Must stay.
    pub floor: u32,
    /// Its members, the host itself among them.
    pub others: Members,
}

impl Scope {
    /// The other members.
    pub fn beside<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a Other> {
        self.others.iter().filter(move |other| other.host != *host)
    }
}

/// A member of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Who.
    pub host: HostName,
    /// Which machine of that name (DESIGN §1).
    pub join: u32,
    /// When it had made the status by which it counted; none when it did not.
    pub counted_by: Option<Time>,
    /// It was neither in maintenance nor in quarantine.
    pub could: bool,
    /// It counted, by what the coordinator had stored of it (R10).
    pub counts: bool,
    /// It held a loan, or reported a run.
    pub busy: bool,
}

/// One permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Of the intent.
    pub generation: Generation,
    /// Of the intent.
    pub session: SessionId,
    /// Of the intent.
    pub answers: Answers,
    /// Of the intent.
    pub deployment: Option<DeploymentId>,
    /// When it was derived.
    pub at: Time,
    /// The host's scopes then.
    pub scopes: Vec<Scope>,
    /// How many may be in change: only forward (promise 7); the most since the capacity was free last.
    pub limit: Option<u32>,
    /// The fleet's health check then; without one a host is healthy when its last run succeeded.
    pub check: Option<HealthCheck>,
    /// So long a standing must last; the fleet's then.
    pub healthy_for: Millis,
    /// So long a death may stay unseen by the host itself.
    pub unseen_for: Millis,
}

/// All that may still be used.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    of: BTreeMap<(AppName, HostName), VecDeque<Grant>>,
    /// The highest limit under which a host's capacity was lent since it was returned last: who is in change when people
    /// lower the limit stays so, also under a replaced loan (R31, PROTOCOL §7 f).
    carried: BTreeMap<(AppName, HostName), u32>,
}

impl Grants {
    /// A loan was returned.
    pub fn returned(&mut self, app: &AppName, host: &HostName) {
        self.carried.remove(&(app.clone(), host.clone()));
    }

    /// The lowest floors by which anybody was permitted in the same fleet since this permission was derived.
    pub fn floors_since(&self, app: &AppName, grant: &Grant) -> BTreeMap<String, u32> {
        let fleet = |g: &Grant| g.deployment.as_ref().map(|d| d.fleet.clone());
        let all = self.of.iter().filter(|((a, _), _)| a == app).flat_map(|(_, grants)| grants);
        let later = all.filter(|g| g.at >= grant.at && fleet(g) == fleet(grant));
        let mut lowest = BTreeMap::new();
        for scope in later.flat_map(|g| &g.scopes) {
            let floor = lowest.entry(scope.name.clone()).or_insert(scope.floor);
            *floor = scope.floor.min(*floor);
        }
        lowest
    }

    /// The permission that this intent is.
    pub fn find(&self, host: &HostName, intent: &Intent) -> Option<&Grant> {
        self.of
            .get(&(intent.app.clone(), host.clone()))?
            .iter()
            .rev()
            .find(|g| g.generation == intent.generation && g.session == intent.session && g.answers == intent.answers)
    }
}

/// Hosts of a world in which each of them is looked at.
pub const SMALL: usize = 1000;

/// What needs a look at all hosts is asked of every host in a world of up to a thousand; of about a thousand of a larger one,
/// always the same, so that a step costs the same in every world.
pub fn looked_at(hosts: usize, host: &HostName) -> bool {
    let mixed = host.as_str().bytes().fold(0_usize, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(byte.into()));
    hosts <= SMALL || mixed.is_multiple_of(hosts / SMALL)
}

/// The fleet that a host is a member of, for an app: by labels alone.
pub fn fleet_of<'a>(world: &'a World, app: &AppName, host: &HostName) -> Option<&'a Fleet> {
    let record = world.hosts.get(host).filter(|h| h.state != HostState::Retired)?;
    world.fleets.values().find(|f| f.spec.app == *app && f.spec.select.matches(&record.labels))
}

/// The members of a fleet: by labels alone (R11).
pub fn members<'a>(world: &'a World, fleet: &'a Fleet) -> impl Iterator<Item = &'a HostName> {
    let matching = world.hosts.values().filter(|h| h.state != HostState::Retired && fleet.spec.select.matches(&h.labels));
    matching.map(|h| &h.id.name)
}

impl Promises {
    /// An intent was derived and is being sent.
    pub fn derived(&mut self, world: &World, host: &HostName, intent: &Intent, now: Time) {
        if intent.go != Go::Activate {
            return;
        }
        let fleet = fleet_of(world, &intent.app, host);
        let known = self.of_host(&intent.app, host);
        if known.is_some_and(|g| g.generation == intent.generation && g.session == intent.session && g.answers == intent.answers) {
            return;
        }
        let check = fleet.and_then(|f| f.spec.health.as_ref());
        let looked_at = fleet.filter(|_| looked_at(world.hosts.len(), host));
        let scopes = looked_at.map(|f| self.present_scopes(world, f, host)).unwrap_or_default();
        let all = scopes.first().map_or(0, |scope| scope.others.count());
        let carried = self.grants.carried.entry((intent.app.clone(), host.clone())).or_default();
        *carried = (*carried).max(looked_at.and_then(|f| limit(world, f, all)).unwrap_or(u32::MAX));
        let limit = Some(*carried).filter(|l| *l < u32::MAX);
        let grant = Grant {
            generation: intent.generation,
            session: intent.session,
            answers: intent.answers,
            deployment: intent.deployment.clone(),
            at: now,
            scopes,
            limit,
            check: check.cloned(),
            healthy_for: check.map_or(Millis(0), |h| h.healthy_for),
            unseen_for: check.map_or(Millis(0), |h| Millis(h.every.0 + h.timeout.0)),
        };
        let grants = self.grants.of.entry((intent.app.clone(), host.clone())).or_default();
        grants.push_back(grant);
        if grants.len() > REMEMBERED {
            grants.pop_front();
        }
    }

    fn of_host(&self, app: &AppName, host: &HostName) -> Option<&Grant> {
        self.grants.of.get(&(app.clone(), host.clone()))?.back()
    }

    /// The host's scopes as the records say now.
    pub fn scopes(&self, world: &World, fleet: &Fleet, host: &HostName) -> Vec<Scope> {
        let Some(own) = world.hosts.get(host) else { return Vec::new() };
        let scope = |name: String, floor: u32, all: Vec<&HostName>| {
            let all: Vec<Other> = all.into_iter().map(|m| self.other(world, &fleet.spec.app, m)).collect();
            Scope { name, floor, others: Members::new(&all) }
        };
        let all: Vec<&HostName> = members(world, fleet).collect();
        let mut scopes = vec![scope("fleet".into(), fleet.spec.floor.round_up(all.len() as u32), all.clone())];
        for (key, floor) in &fleet.spec.floor_per {
            let Some(value) = own.labels.get(key) else { continue };
            let with: Vec<&HostName> = all.iter().copied().filter(|m| world.hosts.get(*m).and_then(|h| h.labels.get(key)) == Some(value)).collect();
            scopes.push(scope(format!("{key}={value}"), floor.round_up(with.len() as u32), with));
        }
        scopes
    }

    /// One member, as records, sessions and admitted words say.
    pub(super) fn other(&self, world: &World, app: &AppName, name: &HostName) -> Other {
        let slot = world.slot(app, name);
        let lent = slot.is_some_and(|s| s.loan.is_some());
        let status = slot.and_then(|s| s.status.as_ref());
        let word = self.words.get(&(app.clone(), name.clone()));
        let heard = world.live.get(name).is_some_and(|l| l.heard && l.reachable);
        let counted_by = word.filter(|w| w.counts && !lent && heard).map(|w| w.made);
        let could = may_count(world, name);
        let available = status.is_some_and(|s| s.standing == Standing::Available && s.run.is_none());
        let busy = lent || status.is_some_and(|s| s.run.is_some());
        let join = world.hosts.get(name).map_or(0, |h| h.id.join);
        Other { host: name.clone(), join, counted_by, could, counts: heard && could && available && !lent, busy }
    }
}

/// A member in maintenance or in quarantine never counts (R11, R28).
pub fn may_count(world: &World, host: &HostName) -> bool {
    world.hosts.get(host).is_some_and(|h| h.state == HostState::Active && h.quarantined.is_none())
}

/// How many of all members may be in change now; none on the way back.
pub fn limit(world: &World, fleet: &Fleet, all: u32) -> Option<u32> {
    let back = fleet.active && world.newest(fleet).is_some_and(|d| matches!(d.course, Course::Back { .. }));
    let parallel = fleet.spec.parallel.filter(|_| !back)?;
    Some(parallel.round_down(all).max(1))
}
