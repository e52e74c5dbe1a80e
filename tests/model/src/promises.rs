//! What must never be, by the truth: who answers now.

use pilotage_coordinator_core::world::{Course, Deployment, HostState, Outcome};
use pilotage_shared::health::Standing;
use pilotage_shared::name::LabelKey;
use pilotage_shared::policy::Amount;
use serde::Serialize;

use crate::center::{Center, app, fleet, name, release, zone_of};
use crate::host::Run;
use crate::limits::Limits;
use crate::state::State;

/// Whom the coordinator counted, and where, when it derived an intent: what happens because of it is judged by that (P1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// For each host: its zone, if it is a member.
    pub zones: Vec<Option<u8>>,
    /// For each host: the coordinator had heard of it, in its present session or the one before, that it was available and at rest,
    /// and had lent it nothing. By our own words, not by the planner's.
    pub available: Vec<bool>,
    /// The coordinator waited for a person, having been made of a backup (R34).
    pub recovering: bool,
}

impl Basis {
    /// Of this moment.
    pub fn of(center: &Center, hosts: usize) -> Basis {
        let world = &center.world;
        let fleet = &world.fleets[&fleet()];
        let member = |i: usize| world.hosts.get(&name(i)).filter(|h| h.state != HostState::Retired && fleet.spec.select.matches(&h.labels));
        let key = LabelKey::new("zone").expect("a name");
        let zones: Vec<Option<u8>> = (0..hosts).map(|i| member(i).and_then(|h| h.labels.get(&key)).map(zone_of)).collect();
        let available = (0..hosts).map(|i| zones[i].is_some() && heard_available(center, i)).collect();
        Basis { zones, available, recovering: world.recovering.is_some() }
    }
}

impl Basis {
    /// Who was available is asked of those only who have died.
    pub fn ask_only(&mut self, mortal: &[bool]) {
        self.available.iter_mut().zip(mortal).for_each(|(available, mortal)| *available &= mortal);
    }
}

fn heard_available(center: &Center, i: usize) -> bool {
    let slot = center.world.slot(&app(), &name(i)).filter(|slot| slot.loan.is_none());
    let heard = center.world.live.get(&name(i)).is_some_and(|live| live.heard && live.reachable);
    heard && slot.and_then(|slot| slot.status.as_ref()).is_some_and(|s| s.standing == Standing::Available && s.run.is_none())
}

/// The coordinator counts this host now.
fn counts(center: &Center, i: usize) -> bool {
    let fleet = &center.world.fleets[&fleet()];
    center.world.member_of.get(&name(i)).is_some_and(|apps| !apps.is_empty()) && center.world.facts(fleet, &name(i)).counts()
}

/// Host `i` has just been stopped by us while it answered, with the permission of an intent that was derived on this basis:
/// what is wrong with that.
pub fn taken(limits: &Limits, state: &State, i: usize, basis: Option<&Basis>) -> Option<&'static str> {
    let host = &state.hosts[i];
    if let Some(basis) = basis {
        if basis.recovering {
            return Some("promise 8: what was made of a backup commands before a person has gone on");
        }
        let below = |floor: Amount, zone: Option<u8>| {
            let members = (0..limits.hosts).filter(|j| basis.zones[*j].is_some() && (zone.is_none() || basis.zones[*j] == zone));
            let left = members.clone().filter(|j| *j != i && (state.hosts[*j].serves() || excused(state, basis, *j)));
            (left.count() as u32) < floor.round_up(members.count() as u32)
        };
        // Who was no member then was in no scope. What a person has changed since is his doing (not promised: f): others were taken
        // by the scopes of now. An intent that is derived after it is judged by those.
        let now: Vec<Option<u8>> = (0..limits.hosts).map(|j| state.center.zone(j)).collect();
        let same_members = now.iter().map(Option::is_some).eq(basis.zones.iter().map(Option::is_some));
        let member = basis.zones[i].is_some();
        if member && same_members && below(limits.floor, None) {
            return Some("promise 1: below the floor of the fleet");
        }
        if member && now == basis.zones && limits.zone_floor.is_some_and(|floor| below(floor, basis.zones[i])) {
            return Some("promise 1: below the floor of a zone");
        }
    }
    if counts(&state.center, i) {
        return Some("promise 2: taken while it is counted");
    }
    let backwards = host.slot.running == Some(release(2)) && host.slot.run.as_ref().is_some_and(|r| r.release == release(1));
    (backwards && !state.back).then_some("promise 8: moved backwards by nobody's word")
}

/// Host `j` does not answer, and that is nobody's fault: it died by itself after a decision had counted it (this one, or one by
/// which another was stopped since).
fn excused(state: &State, basis: &Basis, j: usize) -> bool {
    let since = state.hosts.iter().filter(|k| k.run == Some(Run::Disturbed)).filter_map(|k| k.used_basis.as_ref());
    let counted = basis.available[j] || since.into_iter().any(|other| other.available[j]);
    state.hosts[j].died && counted
}

/// A host has just been stopped, whether it answered or not.
pub fn in_change(limits: &Limits, state: &State) -> Option<&'static str> {
    let in_change = state.hosts.iter().filter(|h| h.run == Some(Run::Disturbed)).count() as u32;
    // On the way back only the floor is a limit (promise 7).
    let forward = state.center.turns == 0;
    limits.batch.is_some_and(|batch| forward && in_change > batch).then_some("more in change than the batch")
}

/// After anything: what the coordinator has decided by itself.
pub fn decided(state: &State) -> Option<&'static str> {
    if state.center.turns > 1 {
        return Some("promise 6: turned twice by itself");
    }
    if state.center.turns > 0 && !state.failed {
        return Some("promise 6: turned although nothing has failed");
    }
    let world = &state.center.world;
    let stopped = |d: &Deployment| matches!(d.course, Course::Ended { outcome: Outcome::Stopped, because: None, .. });
    // By a person (who is named), or because there is nothing to go back to; not on the way back (R22).
    world.newest(&world.fleets[&fleet()]).is_some_and(stopped).then_some("promise 6: stopped on its way back, by nobody")
}
