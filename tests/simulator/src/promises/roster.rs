//! Each fleet's members as the checks see them, kept from one question to the next: only who was touched since is looked at
//! again. What is kept is what [`Promises::scopes`] would find in records, sessions and admitted words; debug builds compare
//! the two at every question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pilotage_coordinator_core::world::{Fleet, HostState};
use pilotage_coordinator_core::{Change, World};
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue};

use super::Promises;
use super::grant::{Other, Scope, members};

/// Members that are copied together when one of them changes and a permission still remembers how it was.
const TOGETHER: usize = 256;

/// In worlds of so many hosts debug builds compare what is kept with what is.
const COMPARED: usize = 200;

/// Members of one scope, by name. A copy shares what has not changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    parts: Arc<Vec<Arc<Vec<Other>>>>,
    counting: u32,
    busy: u32,
}

impl Members {
    /// From a list that is sorted by name.
    pub fn new(all: &[Other]) -> Self {
        let parts = all.chunks(TOGETHER).map(|part| Arc::new(part.to_vec())).collect();
        let count = |is: fn(&Other) -> bool| all.iter().filter(|o| is(o)).count() as u32;
        Self { parts: Arc::new(parts), counting: count(|o| o.counts), busy: count(|o| o.busy) }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Other> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        let last = self.parts.last().map_or(0, |part| part.len());
        (self.parts.len().saturating_sub(1) * TOGETHER + last) as u32
    }

    /// How many count now, beside this one.
    pub fn counting_beside(&self, host: &HostName) -> u32 {
        self.counting - u32::from(self.get(host).is_some_and(|o| o.counts))
    }

    /// How many hold a loan or report a run.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// One of them.
    pub fn get(&self, host: &HostName) -> Option<&Other> {
        let (part, at) = self.find(host)?;
        self.parts.get(part)?.get(at)
    }

    fn find(&self, host: &HostName) -> Option<(usize, usize)> {
        let part = self.parts.partition_point(|part| part.first().is_some_and(|first| first.host <= *host)).checked_sub(1)?;
        Some((part, self.parts.get(part)?.binary_search_by(|other| other.host.cmp(host)).ok()?))
    }

    /// This is how it is now.
    fn put(&mut self, new: &Other) {
        let Some((part, at)) = self.find(&new.host) else { return };
        if self.parts[part][at] == *new {
            return;
        }
        let old = &mut Arc::make_mut(&mut Arc::make_mut(&mut self.parts)[part])[at];
        self.counting = self.counting + u32::from(new.counts) - u32::from(old.counts);
        self.busy = self.busy + u32::from(new.busy) - u32::from(old.busy);
        old.clone_from(new);
    }
}

/// One fleet.
#[derive(Clone, Debug, Default)]
struct Lists {
    all: Members,
    per: BTreeMap<(LabelKey, LabelValue), Members>,
}

/// All fleets that were asked about.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    fleets: BTreeMap<FleetName, Lists>,
    touched: BTreeSet<HostName>,
}

impl Roster {
    /// Nothing that was known can be relied on.
    pub fn forget(&mut self) {
        self.fleets.clear();
        self.touched.clear();
    }

    /// Something about this host may be otherwise.
    pub fn touch(&mut self, host: &HostName) {
        if !self.fleets.is_empty() && !self.touched.contains(host) {
            self.touched.insert(host.clone());
        }
    }

    /// This change is about to be applied; whoever asks next asks after it.
    pub fn change(&mut self, world: &World, change: &Change) {
        match change {
            Change::SessionBegan { host, .. }
            | Change::Confirmed { host, .. }
            | Change::SessionEnded { host, .. }
            | Change::Silent { host }
            | Change::Quarantined { host, .. }
            | Change::Observed { host, .. }
            | Change::Lent { host, .. }
            | Change::Withdrawn { host, .. }
            | Change::Renumbered { host, .. }
            | Change::Returned { host, .. } => self.touch(host),
            Change::HostPut { host } => {
                let member = |h: &pilotage_coordinator_core::world::Host| h.state != HostState::Retired;
                match world.hosts.get(&host.id.name) {
                    Some(old) if old.id == host.id && old.labels == host.labels && member(old) == member(host) => self.touch(&host.id.name),
                    Some(_) | None => self.forget(),
                }
            }
            Change::HostRetired { .. } | Change::FleetPut { .. } | Change::FleetDeleted { .. } | Change::Started { .. } => self.forget(),
            Change::StartupOver
            | Change::CounterRaised { .. }
            | Change::Heard { .. }
            | Change::BlockedSeen { .. }
            | Change::Measured { .. }
            | Change::Noted { .. }
            | Change::Froze { .. }
            | Change::Thawed { .. }
            | Change::Deployed { .. }
            | Change::Paused { .. }
            | Change::Resumed { .. }
            | Change::Turned { .. }
            | Change::OthersDone { .. }
            | Change::StragglersDue { .. }
            | Change::Ended { .. }
            | Change::PackagePut { .. }
            | Change::PackageDeleted { .. }
            | Change::BlockedSet { .. }
            | Change::Remembered { .. }
            | Change::Forgotten { .. }
            | Change::Restored { .. }
            | Change::GoesOn { .. }
            | Change::FleetRecovered { .. }
            | Change::Recovered
            | Change::ConfigurationPut { .. }
            | Change::ConfigurationDeleted { .. }
            | Change::PairsReleased { .. } => {}
        }
    }
}

impl Promises {
    /// The host's scopes now: the same as [`Promises::scopes`], without a look at everybody.
    pub fn present_scopes(&mut self, world: &World, fleet: &Fleet, host: &HostName) -> Vec<Scope> {
        let lists = self.lists(world, fleet);
        let scope = |name: String, floor: u32, others: &Members| Scope { name, floor, others: others.clone() };
        let mut scopes = vec![scope("fleet".into(), fleet.spec.floor.round_up(lists.all.count()), &lists.all)];
        let labels = world.hosts.get(host).map(|h| &h.labels);
        for (key, floor) in &fleet.spec.floor_per {
            let Some(value) = labels.and_then(|labels| labels.get(key)) else { continue };
            let Some(with) = lists.per.get(&(key.clone(), value.clone())) else { continue };
            scopes.push(scope(format!("{key}={value}"), floor.round_up(with.count()), with));
        }
        let compared = cfg!(debug_assertions) && world.hosts.len() <= COMPARED;
        assert!(!compared || scopes == self.scopes(world, fleet, host), "what is kept of {} differs from what is", fleet.spec.name);
        scopes
    }

    /// The fleet's members now.
    pub fn present_members(&mut self, world: &World, fleet: &Fleet) -> Members {
        self.lists(world, fleet).all.clone()
    }

    fn lists(&mut self, world: &World, fleet: &Fleet) -> &Lists {
        let app_of = |name: &FleetName| world.fleets.get(name).map(|f| f.spec.app.clone());
        for host in std::mem::take(&mut self.roster.touched) {
            let apps: Vec<(FleetName, AppName)> = self.roster.fleets.keys().filter_map(|name| Some((name.clone(), app_of(name)?))).collect();
            for (name, app) in apps {
                let new = self.other(world, &app, &host);
                let Some(lists) = self.roster.fleets.get_mut(&name) else { continue };
                lists.all.put(&new);
                let labels = world.hosts.get(&host).map(|h| &h.labels);
                for ((key, value), members) in &mut lists.per {
                    if labels.and_then(|labels| labels.get(key)) == Some(value) {
                        members.put(&new);
                    }
                }
            }
        }
        if !self.roster.fleets.contains_key(&fleet.spec.name) {
            let lists = self.all_lists(world, fleet);
            self.roster.fleets.insert(fleet.spec.name.clone(), lists);
        }
        &self.roster.fleets[&fleet.spec.name]
    }

    fn all_lists(&self, world: &World, fleet: &Fleet) -> Lists {
        let all: Vec<Other> = members(world, fleet).map(|name| self.other(world, &fleet.spec.app, name)).collect();
        let mut per: BTreeMap<(LabelKey, LabelValue), Vec<Other>> = BTreeMap::new();
        for other in &all {
            let labels = world.hosts.get(&other.host).map(|h| &h.labels);
            for key in fleet.spec.floor_per.keys() {
                if let Some(value) = labels.and_then(|labels| labels.get(key)) {
                    per.entry((key.clone(), value.clone())).or_default().push(other.clone());
                }
            }
        }
        Lists { all: Members::new(&all), per: per.into_iter().map(|(label, all)| (label, Members::new(&all))).collect() }
    }
}
