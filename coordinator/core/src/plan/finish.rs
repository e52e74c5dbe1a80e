//! Is it over? Judged on statuses of the members of now, never on what was sent or lent (R25); and who is missing (R32).

use std::collections::BTreeMap;

use pilotage_shared::name::HostName;
use pilotage_shared::planted::{Bug, planted};

use super::goal::{Goal, may_hide_something};
use super::{Decision, Mode, View, forward};
use crate::change::Change;
use crate::waiting::{Cause, NAMED, Waiting};
use crate::world::Outcome;
use crate::world::facts::{Bar, Counted, Facts};

/// How one member stands to the end of the deployment.
enum Place {
    Done,
    /// Not as it should be, and the deployment may end so; named.
    Exception(Cause),
    /// Something is still to happen, by itself.
    Moving(Cause),
    /// Wants capacity: `lend` has said what is missing, or pausing or unheard members have stopped it.
    Wanting,
    /// It does not move by itself; it may follow later when the policy allows.
    Standing(Cause),
}

/// Ends the deployment, or says who is missing.
pub fn finish(view: &View, decision: &mut Decision) {
    match view.mode {
        Mode::Frozen => return decision.wait(Cause::Frozen),
        Mode::Recovering => return decision.waiting.push(recovering(view)),
        Mode::Left => return decision.wait(Cause::LeftAsIs),
        Mode::Rest => return,
        Mode::Forward { .. } | Mode::Back { .. } | Mode::CatchUp { .. } => {}
    }
    let mut missing: BTreeMap<Cause, (u32, Vec<HostName>)> = BTreeMap::new();
    let (mut left_behind, mut hands, mut moving, mut standing) = (Vec::new(), false, 0, 0);
    for (facts, hosts) in view.groups {
        let n = hosts.len() as u32;
        if planted(Bug::FrozenMembers) && hosts.iter().all(|host| joined_since(view, host)) {
            continue;
        }
        let cause = match place(view, facts) {
            Place::Done => continue,
            Place::Exception(cause) => {
                hands |= matches!(cause, Cause::NeedsHands | Cause::Refused);
                left_behind.extend(hosts.iter().take(NAMED).cloned());
                if view.fleet.active {
                    continue;
                }
                cause
            }
            Place::Wanting => {
                moving += n;
                continue;
            }
            Place::Moving(cause) => {
                moving += n;
                cause
            }
            Place::Standing(cause) => {
                standing += n;
                left_behind.extend(hosts.iter().take(NAMED).cloned());
                cause
            }
        };
        let (count, named) = missing.entry(cause).or_default();
        *count += n;
        named.extend(hosts.iter().take(view.named()).cloned());
    }
    left_behind.sort();
    left_behind.truncate(NAMED);
    let Some(deployment) = view.newest.filter(|_| view.fleet.active) else {
        return decision.waiting.extend(waits(missing));
    };
    let id = deployment.id.clone();
    let policy = view.fleet.spec.stragglers;
    let few = policy.is_some_and(|p| standing <= p.at_most.round_down(view.members()));
    let only_stragglers = moving == 0 && standing > 0 && few && decision.waiting.is_empty();
    let over = moving == 0 && (standing == 0 || only_stragglers && deployment.stragglers_due);
    if view.members() == 0 {
        decision.wait(Cause::NoMembers);
    } else if forward::too_many(view) || over && proved_by_nobody(view) {
        // The policy has paused it, or nobody runs it: that never ends as a success; a person goes on, or back.
        decision.waiting.push(refused(view));
    } else if over && decision.waiting.is_empty() {
        let outcome = match view.mode {
            Mode::Back { .. } if hands => Outcome::NeedsHands,
            Mode::Back { .. } => Outcome::RolledBack,
            Mode::Forward { .. } | Mode::CatchUp { .. } | Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => Outcome::Succeeded,
        };
        decision.changes.push(Change::Ended { id, outcome, because: None, left_behind, hold: None, at: view.now });
        return;
    } else if only_stragglers && deployment.others_done.is_none() {
        let due = policy.map(|p| view.now + p.after);
        decision.changes.push(Change::OthersDone { id, at: Some(view.now), due });
        return;
    } else if !only_stragglers && deployment.others_done.is_some() {
        decision.changes.push(Change::OthersDone { id, at: None, due: None });
        return;
    }
    if let Mode::Forward { to, paused } = view.mode {
        if paused {
            decision.wait(Cause::Paused);
        }
        if view.world.barred(&to) {
            decision.wait(Cause::Held);
        }
    }
    if let Some(at) = deployment.stragglers_at {
        decision.waiting.push(Waiting { cause: Cause::Stragglers, count: standing, hosts: left_behind, lifts_at: Some(at), missing: Vec::new() });
    }
    let said = |cause: &Cause| decision.waiting.iter().any(|w| w.cause == *cause);
    missing.retain(|cause, _| !said(cause));
    decision.waiting.extend(waits(missing));
}

fn joined_since(view: &View, host: &HostName) -> bool {
    let joined = view.world.hosts.get(host).map(|h| h.added.at);
    view.newest.is_some_and(|d| joined.is_some_and(|at| at > d.started.at))
}

/// R34: which members were not heard in this life.
fn recovering(view: &View) -> Waiting {
    let unheard = |f: &Facts| f.standing == Counted::Unheard;
    Waiting { cause: Cause::Recovering, count: view.count(unheard), hosts: forward::named(view, unheard), lifts_at: None, missing: Vec::new() }
}

/// A release that no member runs is not settled by exceptions alone.
fn proved_by_nobody(view: &View) -> bool {
    let Mode::Forward { to, .. } = view.mode else { return false };
    view.count(|f| f.rests_on(&to)) == 0
}

fn refused(view: &View) -> Waiting {
    let failed = |f: &Facts| view.mode.to().is_some_and(|to| forward::has_failed(f, &to, view.fleet.newest));
    if view.count(failed) == 0 {
        // All of them are pinned by hand.
        return Waiting { cause: Cause::Pinned, count: view.members(), hosts: forward::named(view, |_| true), lifts_at: None, missing: Vec::new() };
    }
    Waiting { cause: Cause::Refused, count: view.count(failed), hosts: forward::named(view, failed), lifts_at: None, missing: Vec::new() }
}

fn waits(missing: BTreeMap<Cause, (u32, Vec<HostName>)>) -> impl Iterator<Item = Waiting> {
    missing.into_iter().map(|(cause, (count, mut hosts))| {
        hosts.sort();
        hosts.truncate(NAMED);
        Waiting { cause, count, hosts, lifts_at: None, missing: Vec::new() }
    })
}

fn place(view: &View, facts: &Facts) -> Place {
    let Some(to) = view.mode.to() else { return Place::Done };
    // Whoever is not heard from cannot say that it is done (R25), but in a rollback what it last said in this epoch is enough.
    let silent = match facts.standing {
        Counted::Unreachable => Some(Cause::Unreachable),
        Counted::Unheard => Some(if view.world.startup_over { Cause::Unreachable } else { Cause::Unheard }),
        Counted::Down | Counted::Unknown | Counted::Settling | Counted::Available => None,
    };
    let forward = matches!(view.mode, Mode::Forward { .. });
    if facts.rests_on(&to) && !forward && facts.standing != Counted::Unheard {
        return Place::Done;
    }
    if facts.bar == Some(Bar::Quarantined) {
        return Place::Standing(Cause::Quarantined); // that is why it is silent (R28)
    }
    if let Some(cause) = silent {
        return if cause == Cause::Unheard { Place::Moving(cause) } else { Place::Standing(cause) };
    }
    if let Some(loan) = &facts.loan {
        if planted(Bug::CommandedIsDone) && loan.release == to && !loan.withdrawn {
            return Place::Done;
        }
        return Place::Moving(match (facts.run, loan.withdrawn) {
            (true, _) => Cause::InChange,
            (false, true) => Cause::Withdrawing,
            (false, false) => Cause::NotBegun,
        });
    }
    if facts.run {
        return Place::Moving(Cause::InChange);
    }
    if facts.has_refused(&to, view.fleet.newest) {
        return Place::Exception(Cause::Refused);
    }
    match facts.bar {
        Some(Bar::Pinned) => return Place::Exception(Cause::Pinned),
        Some(Bar::NeedsHands) if !forward => return Place::Exception(Cause::NeedsHands),
        Some(Bar::NeedsHands) => return Place::Standing(Cause::NeedsHands),
        Some(Bar::Maintenance) => return Place::Standing(Cause::Maintenance),
        Some(Bar::Quarantined | Bar::Cordoned | Bar::Declines) | None => {}
    }
    if facts.rests_on(&to) {
        return match facts.standing {
            Counted::Available => Place::Done,
            Counted::Settling => Place::Moving(Cause::Settling),
            Counted::Unknown => Place::Standing(Cause::Unknown),
            // Failed, and within tolerance, or the deployment would have turned (R21).
            Counted::Down => Place::Exception(Cause::Refused),
            Counted::Unreachable | Counted::Unheard => Place::Standing(Cause::Unreachable),
        };
    }
    match (facts.bar, view.goal(facts)) {
        (Some(Bar::Cordoned), _) => Place::Standing(Cause::Cordoned),
        (Some(_), _) => Place::Standing(Cause::Declines),
        // A package that may not be used now, or a member that a stopped deployment left alone (R24).
        (None, Goal::Stay) if matches!(view.mode, Mode::CatchUp { .. }) => Place::Done,
        (None, Goal::Stay) => Place::Standing(Cause::Held),
        (None, Goal::Run(_)) if facts.staged != Some(to) => Place::Moving(Cause::Staging),
        (None, Goal::Run(_)) if may_hide_something(view.fleet, facts) => Place::Standing(Cause::FirstInstall),
        (None, Goal::Run(_)) if facts.told => Place::Wanting,
        (None, Goal::Run(_)) => Place::Moving(Cause::Unheard),
    }
}
