//! Where rules of the protocol bite, as far as the coordinator's changes show it; the hosts' own are counted where they happen.

use pilotage_coordinator_core::world::{Because, Outcome};
use pilotage_coordinator_core::{Cause, Change, World};

use crate::coverage::{Coverage, Rule};
use crate::promises::grant::fleet_of;

/// A change is about to be applied.
pub(super) fn of_change(world: &World, change: &Change, planned: bool, coverage: &mut Coverage) {
    match change {
        Change::CounterRaised { .. } | Change::Renumbered { .. } => coverage.rule(Rule::R17),
        Change::Froze { .. } => coverage.rule(Rule::R18),
        Change::Quarantined { .. } => coverage.rule(Rule::R28),
        Change::HostRetired { host } | Change::Silent { host } if world.host_slots(host).any(|(_, slot)| slot.loan.is_some()) => {
            coverage.rule(Rule::R13);
        }
        Change::Observed { host, app, status, .. } => {
            let slot = world.slot(app, host);
            if status.run.is_some() && slot.is_none_or(|s| s.loan.is_none()) {
                coverage.rule(Rule::R26);
            }
            let declined = slot.and_then(|s| s.status.as_ref()).is_some_and(|s| s.declines.is_some());
            if status.declines.is_some() && !declined && slot.is_some_and(|s| s.loan.is_some()) {
                coverage.rule(Rule::R30);
            }
        }
        Change::Lent { host, app, loan } => {
            let Some(fleet) = fleet_of(world, app, host) else { return };
            let slot = world.slot(app, host);
            if loan.while_down {
                coverage.rule(Rule::R10);
            }
            // What is counted of rules may come from the planner's own groups; what is promised may not.
            if world.groups.get(&fleet.spec.name).is_some_and(|groups| groups.keys().any(|facts| !facts.is_heard())) {
                coverage.rule(Rule::R11);
            }
            if slot.and_then(|s| s.refused.as_ref()).is_some_and(|r| r.release == loan.release && r.deployment != loan.deployment) {
                coverage.rule(Rule::R19);
            }
            if !fleet.active && fleet.unsettled.is_some() {
                coverage.rule(Rule::R24);
            }
            if slot.is_some_and(|s| s.loan.is_some() && s.status.as_ref().is_some_and(|s| s.run.is_some())) {
                coverage.rule(Rule::R31);
            }
        }
        Change::Withdrawn { host, app, .. } => {
            let Some(loan) = world.slot(app, host).and_then(|s| s.loan.as_ref()) else { return };
            match fleet_of(world, app, host) {
                Some(fleet) if fleet.spec.name == loan.deployment.fleet => {
                    let wanted = fleet.active && world.newest(fleet).is_some_and(|d| d.release == loan.release && d.paused.is_none());
                    if wanted && fleet.frozen.is_none() {
                        coverage.rule(Rule::R15);
                    }
                }
                Some(_) | None => coverage.rule(Rule::R14),
            }
        }
        Change::Turned { because, hold, .. } => {
            if planned && matches!(because, Because::TooManyFailed { .. }) {
                coverage.rule(Rule::R21);
            }
            if hold.is_some() {
                coverage.rule(Rule::R23);
            }
        }
        Change::Ended { id, outcome, left_behind, .. } => {
            coverage.count("outcome", crate::coverage::kinds::end(outcome));
            match outcome {
                Outcome::Stopped if planned && world.fleets.get(&id.fleet).is_some_and(|f| f.settled.is_none()) => coverage.rule(Rule::R20),
                Outcome::NeedsHands => coverage.rule(Rule::R22),
                Outcome::Succeeded if !left_behind.is_empty() => coverage.rule(Rule::R25),
                Outcome::Stopped | Outcome::Succeeded | Outcome::RolledBack | Outcome::Superseded => {}
            }
        }
        _ => {}
    }
}

/// Something is waited for.
pub(super) fn of_wait(cause: &Cause, coverage: &mut Coverage) {
    coverage.count("waiting", crate::coverage::kinds::cause(cause));
    coverage.rule(Rule::R32);
    match cause {
        Cause::Unheard => coverage.rule(Rule::R16),
        Cause::Recovering => coverage.rule(Rule::R34),
        _ => {}
    }
}
