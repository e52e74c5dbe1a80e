//! Fleets: declared, changed, deleted. Overlaps and floors that can never be kept are refused at once (R11).

use std::collections::BTreeMap;

use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::health::Probe;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::policy::Amount;

use super::Admitted;
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::waiting::NAMED;
use crate::world::{Fleet, HostState, Note, World};

/// Longest selector, in bytes of its text; it stands in the fleet's record.
const SELECTOR_MAX: usize = 1000;
/// Labels with a floor of their own.
const FLOORS_MAX: usize = 8;

pub fn put(world: &World, note: Note, spec: &FleetSpec) -> Result<Admitted, Rejected> {
    check(spec)?;
    let old = world.fleets.get(&spec.name);
    if let Some(old) = old.filter(|f| f.spec.app != spec.app) {
        let (fleet, app, other) = (spec.name.clone(), old.spec.app.clone(), spec.app.clone());
        return Err(Rejected::AppChanged { fleet, app, other });
    }
    let after: Vec<&HostName> = matching(world, spec).collect();
    if after.is_empty() {
        return Err(Rejected::NoMembers { fleet: spec.name.clone(), selector: spec.select.to_string() });
    }
    let found = after.len() as u32;
    if let Some((low, high)) = spec.expect.filter(|(low, high)| found < *low || found > *high) {
        let first: Vec<&str> = after.iter().take(5).map(|h| h.as_str()).collect();
        return Err(Rejected::Unexpected { found, low, high, first: first.join(" ") });
    }
    for host in &after {
        let other = world.member_of.get(*host).and_then(|m| m.get(&spec.app)).filter(|f| **f != spec.name);
        if let Some(other) = other {
            let (host, app) = ((*host).clone(), spec.app.clone());
            return Err(Rejected::Overlap { host, app, first: other.clone(), second: spec.name.clone() });
        }
    }
    can_keep_floors(world, spec, |_| None)?;

    let before = |h: &HostName| world.member_of.get(h).is_some_and(|m| m.values().any(|f| *f == spec.name));
    let gained = after.iter().filter(|h| !before(h)).take(NAMED).map(|h| (*h).clone()).collect();
    let left = world.groups.get(&spec.name).into_iter().flat_map(|g| g.values().flatten());
    let mut lost: Vec<HostName> = left.filter(|h| world.hosts.get(*h).is_some_and(|r| !spec.select.matches(&r.labels))).cloned().collect();
    lost.sort();
    lost.truncate(NAMED);
    let fleet = match old {
        Some(old) => Fleet { spec: spec.clone(), applied: note, ..old.clone() },
        None => Fleet {
            spec: spec.clone(),
            settled: None,
            settled_file_exists: None,
            newest: 0,
            active: false,
            unsettled: None,
            frozen: None,
            thawed: Vec::new(),
            applied: note,
        },
    };
    Admitted::new(vec![Change::FleetPut { fleet }], Answer::Fleet { members: found, gained, lost })
}

pub fn delete(world: &World, name: &FleetName) -> Result<Admitted, Rejected> {
    let fleet = find(world, name)?;
    match world.active(fleet) {
        Some(deployment) => Err(Rejected::InCourse(deployment.id.clone())),
        None => Admitted::new(vec![Change::FleetDeleted { fleet: name.clone() }], Answer::Done),
    }
}

pub fn find<'a>(world: &'a World, name: &FleetName) -> Result<&'a Fleet, Rejected> {
    world.fleets.get(name).ok_or_else(|| Rejected::UnknownFleet(name.clone()))
}

/// What a fleet may say at all.
fn check(spec: &FleetSpec) -> Result<(), Rejected> {
    let wrong = |why: &str| Err(Rejected::FleetSpec { fleet: spec.name.clone(), why: why.into() });
    if spec.select.to_string().len() > SELECTOR_MAX {
        return wrong("its selector is longer than 1000 bytes");
    }
    if spec.floor_per.len() > FLOORS_MAX {
        return wrong("more than 8 labels have a floor");
    }
    if spec.hook_timeout.0 == 0 {
        return wrong("hooks may run for 0 s: nothing could ever start");
    }
    let Some(health) = &spec.health else { return Ok(()) };
    if matches!(health.probe, Probe::Command { .. }) {
        return wrong("a health check by command may stand in an AppSpec or in the host's own file only");
    }
    if health.every.0 == 0 || health.timeout.0 == 0 {
        return wrong("its health check has an interval or a timeout of 0");
    }
    if health.deadline <= health.healthy_for {
        return wrong("its health check's deadline is not longer than healthy_for: no host could ever be available");
    }
    Ok(())
}

fn matching<'a>(world: &'a World, spec: &'a FleetSpec) -> impl Iterator<Item = &'a HostName> {
    let members = world.hosts.values().filter(|h| h.state != HostState::Retired && spec.select.matches(&h.labels));
    members.map(|h| &h.id.name)
}

/// R11: `floor(S) ≥ |members(S)|` can never take anybody. `moved` gives labels that a host is about to have. O(hosts).
pub fn can_keep_floors<'a>(world: &World, spec: &FleetSpec, moved: impl Fn(&HostName) -> Option<&'a Labels>) -> Result<(), Rejected> {
    let mut members = 0u32;
    let mut values: BTreeMap<_, u32> = BTreeMap::new();
    for host in world.hosts.values().filter(|h| h.state != HostState::Retired) {
        let labels = moved(&host.id.name).unwrap_or(&host.labels);
        if !spec.select.matches(labels) {
            continue;
        }
        members += 1;
        for key in spec.floor_per.keys() {
            if let Some(value) = labels.get(key) {
                *values.entry((key, value.clone())).or_default() += 1;
            }
        }
    }
    let check = |scope: String, floor: Amount, members: u32| {
        let floor = floor.round_up(members);
        if members > 0 && floor >= members {
            return Err(Rejected::FloorTooHigh { scope, floor, members, most: members - 1 });
        }
        Ok(())
    };
    check("the fleet".into(), spec.floor, members)?;
    for ((key, value), members) in values {
        let floor = spec.floor_per.get(key).copied().unwrap_or(Amount::Count(0));
        check(format!("{key}={value}"), floor, members)?;
    }
    Ok(())
}

/// A host in two fleets of one app is refused with the names (DESIGN §10).
pub fn no_overlap(world: &World, host: &HostName, labels: &Labels) -> Result<(), Rejected> {
    let mut found: BTreeMap<_, &FleetName> = BTreeMap::new();
    for (name, fleet) in world.fleets.iter().filter(|(_, f)| f.spec.select.matches(labels)) {
        if let Some(first) = found.insert(&fleet.spec.app, name) {
            let (host, app) = (host.clone(), fleet.spec.app.clone());
            return Err(Rejected::Overlap { host, app, first: first.clone(), second: name.clone() });
        }
    }
    Ok(())
}
