//! What must never be, by the truth: who answers now.

use pilotage_coordinator_core::world::HostState;
use pilotage_shared::name::LabelKey;
use pilotage_shared::policy::Amount;

use crate::center::{Center, fleet, name, release, zone_of};
use crate::limits::Limits;
use crate::state::State;

/// Whom the coordinator counted, and where, when it derived an intent: what happens because of it is judged by that (P1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// For each host: its zone, if it is a member.
    pub zones: Vec<Option<u8>>,
    /// For each host: it was counted.
    pub counted: Vec<bool>,
}

impl Basis {
    /// Of this moment.
    pub fn of(center: &Center, hosts: usize) -> Basis {
        let world = &center.world;
        let fleet = &world.fleets[&fleet()];
        let member = |i: usize| world.hosts.get(&name(i)).filter(|h| h.state != HostState::Retired && fleet.spec.select.matches(&h.labels));
        let key = LabelKey::new("zone").expect("a name");
        let zones: Vec<Option<u8>> = (0..hosts).map(|i| member(i).and_then(|h| h.labels.get(&key)).map(zone_of)).collect();
        let counted = (0..hosts).map(|i| zones[i].is_some() && world.facts(fleet, &name(i)).counts()).collect();
        Basis { zones, counted }
    }
}

/// Host `i` has just been stopped by us while it answered: what is wrong with that.
pub fn taken(limits: &Limits, state: &State, i: usize) -> Option<&'static str> {
    let host = &state.hosts[i];
    if let Some(basis) = &host.used_basis {
        let below = |floor: Amount, zone: Option<u8>| {
            let members = (0..limits.hosts).filter(|j| basis.zones[*j].is_some() && (zone.is_none() || basis.zones[*j] == zone));
            // Who died by itself after it was counted is nobody's fault; who was stopped by us is ours.
            let left = members.clone().filter(|j| *j != i && (state.hosts[*j].up || state.hosts[*j].died && basis.counted[*j]));
            (left.count() as u32) < floor.round_up(members.count() as u32)
        };
        // Who was no member then was in no scope.
        let member = basis.zones[i].is_some();
        if member && below(limits.floor, None) {
            return Some("promise 1: below the floor of the fleet");
        }
        if member && limits.zone_floor.is_some_and(|floor| below(floor, basis.zones[i])) {
            return Some("promise 1: below the floor of a zone");
        }
    }
    if Basis::of(&state.center, limits.hosts).counted[i] {
        return Some("promise 2: taken while it is counted");
    }
    let backwards = host.slot.running == Some(release(2)) && host.slot.run.as_ref().is_some_and(|r| r.release == release(1));
    (backwards && !state.back).then_some("promise 8: moved backwards by nobody's word")
}

/// After anything: what the coordinator has decided by itself.
pub fn decided(state: &State) -> Option<&'static str> {
    if state.center.turns > 1 {
        return Some("promise 6: turned twice by itself");
    }
    if state.center.turns > 0 && !state.failed {
        return Some("promise 6: turned although nothing has failed");
    }
    None
}
