//! The names that a person would have chosen: h1, h2, … and web, 1.0.0, 1.1.0, …; hosts that join together in one line. Each change
//! is kept only when the promise is still broken with it.

use std::collections::BTreeMap;

use pilotage_shared::name::{FleetName, HostName, LabelValue, Version};

use super::Shrinker;
use crate::story::deed::{Already, Deed};

impl Shrinker<'_> {
    /// Other names, then fewer lines.
    pub(super) fn tidy(&mut self) {
        for rename in [hosts, fleets, versions, zones] {
            let renamed = rename(&self.best);
            if renamed != self.best {
                self.attempt(renamed);
            }
        }
        if let Some(fewer) = together(&self.best) {
            self.attempt(fewer);
        }
    }
}

/// Names by first mention, and the names that they get.
fn renaming<T: Clone + Ord>(all: impl Iterator<Item = T>, new: impl Fn(usize) -> Option<T>) -> BTreeMap<T, T> {
    let mut names = BTreeMap::new();
    for name in all {
        let next = names.len();
        if let (false, Some(new)) = (names.contains_key(&name), new(next)) {
            names.insert(name, new);
        }
    }
    names
}

fn hosts(deeds: &[Deed]) -> Vec<Deed> {
    let mut deeds = deeds.to_vec();
    let mut mentioned: Vec<HostName> = deeds.iter_mut().filter_map(|deed| deed.mentions().host.cloned()).collect();
    // In the order of their numbers, as they had joined.
    mentioned.sort_by_key(|host| (host.as_str().len(), host.clone()));
    let names = renaming(mentioned.into_iter(), |n| format!("h{}", n + 1).parse().ok());
    for host in deeds.iter_mut().filter_map(|deed| deed.mentions().host) {
        *host = names.get(host).unwrap_or(host).clone();
    }
    deeds
}

fn fleets(deeds: &[Deed]) -> Vec<Deed> {
    let mut deeds = deeds.to_vec();
    let mentioned: Vec<FleetName> = deeds.iter_mut().filter_map(|deed| deed.mentions().fleet.cloned()).collect();
    let names = renaming(mentioned.into_iter(), |n| if n == 0 { "web" } else { ["api", "shop", "mail"].get(n - 1)? }.parse().ok());
    for fleet in deeds.iter_mut().filter_map(|deed| deed.mentions().fleet) {
        *fleet = names.get(fleet).unwrap_or(fleet).clone();
    }
    deeds
}

fn versions(deeds: &[Deed]) -> Vec<Deed> {
    let mut deeds = deeds.to_vec();
    let mentioned: Vec<Version> = deeds.iter_mut().filter_map(|deed| deed.mentions().version.cloned()).collect();
    let names = renaming(mentioned.into_iter(), |n| format!("1.{n}.0").parse().ok());
    for version in deeds.iter_mut().filter_map(|deed| deed.mentions().version) {
        *version = names.get(version).unwrap_or(version).clone();
    }
    deeds
}

fn zones(deeds: &[Deed]) -> Vec<Deed> {
    let mut deeds = deeds.to_vec();
    let zone = |name: usize| char::from_digit(u32::try_from(name).ok()? + 10, 36).map(|letter| LabelValue::lossy(&letter.to_string()));
    let values = |deed: &mut Deed| {
        deed.mentions().labels.and_then(|labels| labels.iter().find(|(key, _)| key.as_str() == "zone").map(|(_, zone)| zone.clone()))
    };
    let mut mentioned: Vec<LabelValue> = deeds.iter_mut().filter_map(values).collect();
    mentioned.sort();
    let names = renaming(mentioned.into_iter(), zone);
    for labels in deeds.iter_mut().filter_map(|deed| deed.mentions().labels) {
        for (_, zone) in labels.iter_mut().filter(|(key, _)| key.as_str() == "zone") {
            *zone = names.get(zone).unwrap_or(zone).clone();
        }
    }
    deeds
}

/// `join h1 zone=a`, `join h2 zone=b`, … at the beginning are `hosts 2 zones a,b`.
fn together(deeds: &[Deed]) -> Option<Vec<Deed>> {
    let first = deeds.iter().position(|deed| matches!(deed, Deed::Join(..)))?;
    let joins: Vec<_> = deeds[first..]
        .iter()
        .map_while(|deed| if let Deed::Join(host, labels, serves) = deed { Some((host, labels, serves)) } else { None })
        .collect();
    let numbered = joins.iter().enumerate().all(|(n, (host, _, _))| host.as_str() == format!("h{}", n + 1));
    let prod = joins
        .iter()
        .all(|(_, labels, _)| labels.iter().all(|(key, value)| key.as_str() == "zone" || (key.as_str(), value.as_str()) == ("env", "prod")));
    let zones: Vec<Option<LabelValue>> =
        joins.iter().map(|(_, labels, _)| labels.iter().find(|(key, _)| key.as_str() == "zone").map(|(_, zone)| zone.clone())).collect();
    let known = zones.iter().flatten().count();
    let serve = joins.iter().filter(|(_, _, serves)| !serves.is_empty()).count();
    let even = (known == 0 || known == joins.len()) && (serve == 0 || serve == joins.len());
    if !numbered || !prod || !even || joins.len() < 2 {
        return None;
    }
    let zones: Vec<LabelValue> = zones.into_iter().flatten().collect();
    // As few zones as say the same: a, b, a, b is a, b.
    let period = (1..=zones.len()).find(|length| zones.iter().enumerate().all(|(n, zone)| *zone == zones[n % length])).unwrap_or(0);
    let already = if serve > 0 { Already::Foreign } else { Already::Nothing };
    let hosts = Deed::Hosts(u32::try_from(joins.len()).ok()?, zones[..period].to_vec(), already);
    let mut out = deeds.to_vec();
    out.splice(first..first + joins.len(), [hosts]);
    Some(out)
}
