//! Machines: invited, labelled, cordoned, retired (R13, R28).

use std::collections::BTreeSet;

use pilotage_shared::fleet::Labels;
use pilotage_shared::ids::HostId;
use pilotage_shared::limits::LABELS_MAX;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::time::Time;

use super::Admitted;
use super::fleet::{can_keep_floors, no_overlap};
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::{Host, HostState, Note, World};

/// A machine may join under this name: a new one, or the next after a retired one (the join number is never reused).
pub fn add(world: &World, note: Note, name: &HostName, labels: &Labels, token: [u8; 32]) -> Result<Admitted, Rejected> {
    few(labels)?;
    let join = match world.hosts.get(name) {
        Some(old) if old.state != HostState::Retired => return Err(Rejected::HostExists(name.clone())),
        Some(old) => old.id.join + 1,
        None => 1,
    };
    no_overlap(world, name, labels)?;
    let id = HostId { name: name.clone(), join };
    let host = Host {
        id: id.clone(),
        state: HostState::Active,
        labels: labels.clone(),
        token,
        cordoned: None,
        quarantined: None,
        ledger: None,
        confirmed: None,
        added: note,
    };
    Admitted::new(vec![Change::HostPut { host }], Answer::Host(id))
}

/// Replaces the labels. A floor that could never be kept afterwards is refused with both numbers.
pub fn label(world: &World, name: &HostName, labels: &Labels) -> Result<Admitted, Rejected> {
    few(labels)?;
    let host = find(world, name)?;
    no_overlap(world, name, labels)?;
    let new = Host { labels: labels.clone(), ..host.clone() };
    let before: BTreeSet<FleetName> = world.memberships(host).into_values().collect();
    let after: BTreeSet<FleetName> = world.memberships(&new).into_values().collect();
    for fleet in before.union(&after).filter_map(|f| world.fleets.get(f)) {
        let could = can_keep_floors(world, &fleet.spec, |_| None).is_ok();
        let moved = |h: &HostName| (h == name).then_some(labels);
        if could && fleet.newest > 0 {
            can_keep_floors(world, &fleet.spec, moved)?;
        }
    }
    Admitted::new(vec![Change::HostPut { host: new }], Answer::Host(host.id.clone()))
}

pub fn cordon(world: &World, name: &HostName, cordoned: Option<Note>) -> Result<Admitted, Rejected> {
    let host = find(world, name)?;
    let mut changes = vec![Change::HostPut { host: Host { cordoned, ..host.clone() } }];
    if planted(Bug::ForgetHost) {
        changes.extend(world.host_slots(name).map(|(app, _)| Change::Returned { host: name.clone(), app: app.clone() }));
    }
    Admitted::new(changes, Answer::Host(host.id.clone()))
}

pub fn maintain(world: &World, name: &HostName, on: bool) -> Result<Admitted, Rejected> {
    let host = find(world, name)?;
    let state = if on { HostState::Maintenance } else { HostState::Active };
    Admitted::new(vec![Change::HostPut { host: Host { state, ..host.clone() } }], Answer::Host(host.id.clone()))
}

pub fn retire(world: &World, name: &HostName) -> Result<Admitted, Rejected> {
    let host = find(world, name)?;
    Admitted::new(vec![Change::HostRetired { host: name.clone() }], Answer::Host(host.id.clone()))
}

/// A person has looked: its refusals count no more, and a quarantine ends.
pub fn retry(world: &World, name: &HostName, now: Time) -> Result<Admitted, Rejected> {
    let host = find(world, name)?;
    let mut changes = Vec::new();
    if host.quarantined.is_some() {
        let host = Host { quarantined: None, confirmed: None, ledger: None, ..host.clone() };
        changes.push(Change::HostPut { host });
    }
    for (app, slot) in world.host_slots(name).filter(|(_, s)| s.refused.is_some()) {
        if let Some(status) = &slot.status {
            let status = Box::new(status.clone());
            changes.push(Change::Observed { host: name.clone(), app: app.clone(), status, refused: None, at: now });
        }
    }
    Admitted::new(changes, Answer::Host(host.id.clone()))
}

fn few(labels: &Labels) -> Result<(), Rejected> {
    if labels.len() > LABELS_MAX {
        return Err(Rejected::TooMany { what: "a host's list of labels", found: labels.len(), max: LABELS_MAX });
    }
    Ok(())
}

fn find<'a>(world: &'a World, name: &HostName) -> Result<&'a Host, Rejected> {
    match world.hosts.get(name) {
        None => Err(Rejected::UnknownHost(name.clone())),
        Some(host) if host.state == HostState::Retired => Err(Rejected::Retired(name.clone())),
        Some(host) => Ok(host),
    }
}
