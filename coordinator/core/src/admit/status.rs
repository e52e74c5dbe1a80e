//! A host's word: what it changes in the world, and which loans it ends (R4, R12, R16–R19, R28).

use pilotage_shared::health::Standing;
use pilotage_shared::ids::{Epoch, Generation};
use pilotage_shared::limits::{APPS_PER_HOST, GENERATION_JUMP};
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{SlotStatus, Status};
use pilotage_shared::time::Time;

use super::Admitted;
use super::session::{current, host_of};
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::{Frozen, Live, Refused, Slot, World};

/// Refusals of one app that are stored: the newest is decided by, the one before it is for people.
const REFUSALS_STORED: usize = 2;

/// Takes a status in. One that changes no fact changes only what is remembered of this life: it costs no durable write.
pub fn status(world: &World, by: &Principal, status: &Status, now: Time) -> Result<Admitted, Rejected> {
    let host = host_of(by)?;
    let live = current(world, host, |s| *s == status.session)?;
    if (status.seq <= live.seq || status.beat <= live.beat) && !planted(Bug::StatusAnyOrder) {
        return Err(Rejected::Stale(host.clone())); // R4
    }
    if status.slots.len() > APPS_PER_HOST {
        return Err(Rejected::TooMany { what: "a status's list of apps", found: status.slots.len(), max: APPS_PER_HOST });
    }
    let first = !live.told;
    if let Some(why) = conflict(world, host, live.ledger, first, status) {
        return Admitted::new(vec![Change::Quarantined { host: host.clone(), why: why.clone() }], Answer::Goodbye(why));
    }
    let mut changes = ahead(world, host, live, status, now);
    let mut counter = changes.iter().fold(world.counter, |counter, change| match change {
        Change::CounterRaised { to } => *to,
        _ => counter,
    });
    if first {
        changes.push(Change::Confirmed { host: host.clone(), session: live.session, ledger: live.ledger });
    }
    changes.push(Change::Heard { host: host.clone(), seq: status.seq, beat: status.beat, at: now });
    if status.blocked_version > world.blocked.version.max(world.blocked_seen) {
        changes.push(Change::BlockedSeen { version: status.blocked_version });
    }
    if let Some(metrics) = &status.metrics {
        changes.push(Change::Measured { host: host.clone(), metrics: metrics.clone() });
    }
    for (app, new) in &status.slots {
        observe(world, host, app, new, now, &mut changes);
        end_loan(world, host, app, new, first, &mut counter, &mut changes);
    }
    let gone: Vec<&AppName> = world.host_slots(host).map(|(app, _)| app).filter(|app| !status.slots.contains_key(*app)).collect();
    for app in gone {
        // The host knows nothing of this app (any more): an empty slot (re-image). Nothing is returned by that (R12).
        observe(world, host, app, &SlotStatus::empty(Standing::Unknown), now, &mut changes);
    }
    Admitted::new(changes, Answer::Done)
}

/// R28: a known ledger whose counters fell; R17: a counter far out of bounds.
fn conflict(world: &World, host: &HostName, ledger: pilotage_shared::ids::LedgerId, first: bool, status: &Status) -> Option<Why> {
    let seen = newest_seen(status);
    if seen.0 > world.counter.0.saturating_add(GENERATION_JUMP) {
        return Some(Why::lossy(&format!("it says it has seen generation {seen}, the counter is {}", world.counter)));
    }
    let known = world.hosts.get(host).is_some_and(|h| h.ledger == Some(ledger));
    let fell = known
        && first
        && world.host_slots(host).any(|(app, slot)| {
            let old = slot.status.as_ref().map_or((Generation(0), Generation(0)), |s| (s.seen, s.spent));
            let new = status.slots.get(app).map_or((Generation(0), Generation(0)), |s| (s.seen, s.spent));
            new.0 < old.0 || new.1 < old.1
        });
    (fell && !planted(Bug::CloneUnchecked))
        .then(|| Why::lossy("its ledger is one we know, and has forgotten what it had seen: it was set back to an old state"))
}

fn newest_seen(status: &Status) -> Generation {
    status.slots.values().map(|s| s.seen).max().unwrap_or_default()
}

/// R17, R18: the host has seen more than the store: the counter rises and its fleet freezes until a person goes on.
fn ahead(world: &World, host: &HostName, live: &Live, status: &Status, now: Time) -> Vec<Change> {
    let known = can_have_seen(world, host, live);
    let seen = newest_seen(status);
    if seen <= known {
        return Vec::new();
    }
    let mut changes = Vec::new();
    if seen > world.counter && !planted(Bug::GenerationNotRaised) {
        changes.push(Change::CounterRaised { to: seen });
    }
    for (app, slot) in status.slots.iter().filter(|(_, s)| s.seen > known) {
        let fleet = world.member_of.get(host).and_then(|m| m.get(app)).and_then(|f| world.fleets.get(f));
        if let Some(fleet) = fleet.filter(|f| !planted(Bug::NoFreeze) && f.frozen.is_none() && !f.thawed.contains(&live.came_from)) {
            let frozen = Frozen { host: host.clone(), seen: slot.seen, counter: world.counter, epoch: live.came_from, at: now };
            changes.push(Change::Froze { fleet: fleet.spec.name.clone(), frozen });
        }
    }
    changes
}

/// The newest generation that a host can have seen, as far as the store knows. Before its first status in an epoch it has seen
/// nothing of it: what is above the counter of that start is of a world that the store has forgotten, also when other fleets
/// have raised the counter since, and also when the coordinator has been started again since.
fn can_have_seen(world: &World, host: &HostName, live: &Live) -> Generation {
    let confirmed = world.hosts.get(host).and_then(|h| h.confirmed).map(|s| s.epoch);
    let start_of = |epoch: &Epoch| world.starts.get(epoch).copied();
    let this_life = world.epoch.as_ref().and_then(start_of).unwrap_or(world.counter);
    let Some(last) = confirmed.or(live.came_from) else { return this_life };
    let next = match world.epochs.iter().position(|epoch| *epoch == last) {
        Some(i) if i + 1 == world.epochs.len() => return world.counter,
        Some(_) if planted(Bug::SecondStartForgets) => return this_life,
        Some(i) => i + 1,
        // One that was confirmed and is not remembered any more is older than all that are.
        None if confirmed.is_some() => 0,
        None => return Generation(0),
    };
    world.epochs.get(next).and_then(start_of).unwrap_or(this_life)
}

fn observe(world: &World, host: &HostName, app: &AppName, new: &SlotStatus, now: Time, changes: &mut Vec<Change>) {
    let surplus = new.refused.len().saturating_sub(REFUSALS_STORED);
    let old = world.slot(app, host);
    let before = old.and_then(|s| s.status.as_ref());
    if before.is_some_and(|b| same_facts(b, new, surplus)) {
        if before.is_some_and(|b| b.health != new.health) {
            changes.push(Change::Noted { host: host.clone(), app: app.clone(), health: new.health.clone() });
        }
        return;
    }
    let mut new = new.clone();
    new.refused.drain(..surplus);
    let refused = newest_refusal(old, &new);
    changes.push(Change::Observed { host: host.clone(), app: app.clone(), status: Box::new(new), refused, at: now });
}

/// Everything but the words of the last health check is the same; so many of the oldest refusals are not stored.
fn same_facts(old: &SlotStatus, new: &SlotStatus, surplus: usize) -> bool {
    let SlotStatus { seen, spent, run, running, previous, staged, refused, pinned, declines, needs_hands, standing, last_ended, health: _ } = old;
    (*seen, *spent, *standing) == (new.seen, new.spent, new.standing)
        && (running, previous, staged) == (&new.running, &new.previous, &new.staged)
        && (run, pinned, declines, needs_hands) == (&new.run, &new.pinned, &new.declines, &new.needs_hands)
        && last_ended == &new.last_ended
        && new.refused.get(surplus..) == Some(refused)
}

/// The newest refusal as the planner knows it: a new one is marked with what the host was when it was lent (R21); one that a
/// person has forgiven (retry) stays so.
fn newest_refusal(old: Option<&Slot>, new: &SlotStatus) -> Option<Refused> {
    let last = new.refused.last()?;
    let before = old.and_then(|s| s.status.as_ref());
    if before.is_some_and(|b| b.refused.last() == Some(last) && b.last_ended == new.last_ended) {
        return old.and_then(|s| s.refused.clone());
    }
    let was_down = old.and_then(|s| s.loan.as_ref()).is_some_and(|l| l.was_down && l.release == last.release);
    Some(Refused { release: last.release, deployment: last.deployment.clone(), was_down })
}

/// R12: a loan is returned by a status that shows no run and its generation spent (or its withdrawal seen); nothing else
/// returns it. R17: one that the first status of a session could have outlived takes a new generation.
fn end_loan(world: &World, host: &HostName, app: &AppName, new: &SlotStatus, first: bool, counter: &mut Generation, changes: &mut Vec<Change>) {
    let Some(loan) = world.slot(app, host).and_then(|s| s.loan.as_ref()) else { return };
    let seen = new.seen >= loan.generation;
    let used_up = if loan.withdrawn { seen } else { new.spent >= loan.generation || seen && planted(Bug::CloseOnSeen) } || planted(Bug::CloseOnNoRun);
    if new.run.is_none() && used_up {
        changes.push(Change::Returned { host: host.clone(), app: app.clone() });
    } else if first && loan.generation <= new.seen && !planted(Bug::GenerationReused) {
        *counter = Generation(counter.0 + 1);
        changes.push(Change::Renumbered { host: host.clone(), app: app.clone(), generation: *counter });
    }
}
