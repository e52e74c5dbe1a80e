//! Keeps the derived part of the world right: memberships, groups, strays, due times. Called by `apply` alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::time::Time;

use super::{Due, Host, HostState, World};

impl World {
    /// The fleets that a host is a member of, by app; the first of an app wins, since overlaps are refused at the door.
    pub fn memberships(&self, host: &Host) -> BTreeMap<AppName, FleetName> {
        let mut found = BTreeMap::new();
        if host.state != HostState::Retired {
            for (name, fleet) in &self.fleets {
                if fleet.spec.select.matches(&host.labels) {
                    found.entry(fleet.spec.app.clone()).or_insert_with(|| name.clone());
                }
            }
        }
        found
    }

    /// Works out one host's memberships again, after its labels or state changed. O(fleets).
    pub(crate) fn rejoin(&mut self, name: &HostName) -> Vec<FleetName> {
        let new = self.hosts.get(name).map(|h| self.memberships(h)).unwrap_or_default();
        let old = self.member_of.insert(name.clone(), new.clone()).unwrap_or_default();
        for fleet in old.values().filter(|f| !new.values().any(|n| n == *f)) {
            self.displace(name, fleet);
        }
        let mut touched: Vec<FleetName> = old.into_values().collect();
        touched.extend(self.place(name));
        touched
    }

    /// Puts one host into its groups again, after a fact of it changed. O(log hosts) for each of its apps.
    pub(crate) fn place(&mut self, name: &HostName) -> Vec<FleetName> {
        let fleets: Vec<FleetName> = self.member_of.get(name).map(|m| m.values().cloned().collect()).unwrap_or_default();
        for fleet in &fleets {
            let Some(record) = self.fleets.get(fleet) else { continue };
            let facts = self.facts(record, name);
            let at = (name.clone(), fleet.clone());
            if self.placed.get(&at).is_some_and(|old| **old == facts) {
                continue;
            }
            self.displace(name, fleet);
            let groups = self.groups.entry(fleet.clone()).or_default();
            let facts = groups.get_key_value(&facts).map_or_else(|| Arc::new(facts), |(k, _)| k.clone());
            groups.entry(facts.clone()).or_default().insert(name.clone());
            self.placed.insert(at, facts);
        }
        self.note_strays(name);
        fleets
    }

    fn displace(&mut self, name: &HostName, fleet: &FleetName) {
        let Some(facts) = self.placed.remove(&(name.clone(), fleet.clone())) else { return };
        let Some(groups) = self.groups.get_mut(fleet) else { return };
        if let Some(hosts) = groups.get_mut(&facts) {
            hosts.remove(name);
            if hosts.is_empty() {
                groups.remove(&facts);
            }
        }
    }

    fn note_strays(&mut self, name: &HostName) {
        let member = self.member_of.get(name);
        let apps: Vec<(AppName, bool)> =
            self.host_slots(name).map(|(app, slot)| (app.clone(), slot.loan.is_some() && !member.is_some_and(|m| m.contains_key(app)))).collect();
        for (app, stray) in apps {
            if stray {
                self.strays.insert((app, name.clone()));
            } else {
                self.strays.remove(&(app, name.clone()));
            }
        }
    }

    /// All slots of one host. O(apps · log slots).
    pub fn host_slots<'a>(&'a self, name: &'a HostName) -> impl Iterator<Item = (&'a AppName, &'a super::Slot)> {
        self.apps.iter().filter_map(move |app| Some((app, self.slots.get(&(app.clone(), name.clone()))?)))
    }

    /// Works out a fleet's members again, after it was declared or deleted. O(hosts).
    pub(crate) fn regroup(&mut self, fleet: &FleetName) {
        self.groups.remove(fleet);
        let stale: Vec<_> = self.placed.keys().filter(|(_, f)| f == fleet).cloned().collect();
        for key in stale {
            self.placed.remove(&key);
        }
        let hosts: Vec<HostName> = self.hosts.keys().cloned().collect();
        for host in hosts {
            self.rejoin(&host);
        }
    }

    /// Replaces the moment at which a host falls silent.
    pub(crate) fn expect_from(&mut self, host: &HostName, old: Option<Time>, new: Option<Time>) {
        let silence = self.settings.silence();
        if let Some(old) = old {
            self.due.remove(&(old + silence, Due::Silence(host.clone())));
        }
        if let Some(new) = new {
            self.due.insert((new + silence, Due::Silence(host.clone())));
        }
    }
}
