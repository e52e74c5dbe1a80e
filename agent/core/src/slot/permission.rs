//! R6: when a permission may be used. Every clause has its own reason to be stale.

use pilotage_shared::health::Standing;
use pilotage_shared::ids::{Generation, SessionId};
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::time::Uptime;

use super::Slot;

/// What R6 asks of this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now<'a> {
    /// CLOCK_BOOTTIME.
    pub uptime: Uptime,
    /// The current session; none from the moment a new hello is written.
    pub session: Option<&'a SessionId>,
    /// The end of the lease of what the intent answers: `sent_at(answers.beat) + lease`; none when that frame is not known.
    pub lease_ends: Option<Uptime>,
    /// The status that first told the present standing, run and running release; none when it was not told yet.
    pub facts_told_in: Option<u64>,
    /// Measured here.
    pub standing: Standing,
}

/// Why a permission may not be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// It permits nothing.
    #[error("it is no permission")]
    NoPermission,
    /// R3.
    #[error("the permission is of another session")]
    Session,
    /// R7.
    #[error("the permission was used, or a newer intent is known")]
    Generation,
    /// R26.
    #[error("a run is alive")]
    Run,
    /// The coordinator has not heard what changed here.
    #[error("something changed here that the permission does not answer")]
    Facts,
    /// Too old.
    #[error("the permission's lease is over")]
    Lease,
    /// R15.
    #[error("the permission holds only while the app is down, and it is not")]
    NotDown,
}

/// May this permission be used now (R6)? Blocked, refused and pinned are asked by `slot::next`, which gives it up for them.
pub fn fresh(slot: &Slot, intent: &Intent, now: &Now) -> Result<(), Stale> {
    if intent.go != Go::Activate {
        return Err(Stale::NoPermission);
    }
    if now.session != Some(&intent.session) && !any_session() {
        return Err(Stale::Session);
    }
    if intent.generation != slot.seen && !planted(Bug::IntentOlder) || intent.generation <= slot.spent {
        return Err(Stale::Generation);
    }
    if slot.run.is_some() && !planted(Bug::TwoRuns) {
        return Err(Stale::Run);
    }
    if now.facts_told_in.is_none_or(|told| intent.answers.seq < told) && !planted(Bug::PermissionDuringRun) {
        return Err(Stale::Facts);
    }
    if now.lease_ends.is_none_or(|end| now.uptime > end) && !planted(Bug::LeaseUnchecked) {
        return Err(Stale::Lease);
    }
    if intent.while_down && !planted(Bug::NoWhileDown) && now.standing != Standing::Down {
        return Err(Stale::NotDown);
    }
    Ok(())
}

fn any_session() -> bool {
    planted(Bug::IntentAnySession) || planted(Bug::PermissionSurvivesReconnect)
}

/// What a permission was used on: remembered from the begin of its run until the run has disturbed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The session that gave it.
    pub session: SessionId,
    /// What was spent.
    pub generation: Generation,
    /// Measured here when the run began.
    pub standing: Standing,
}

/// Why a permission that was used is void before anything was disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// The memory of it went with the agent's process (R3, R6).
    #[error("the agent was started anew")]
    Forgotten,
    /// R3.
    #[error("its session is over")]
    Session,
    /// A withdrawal, or another release (R5, R8).
    #[error("a newer intent was seen")]
    Generation,
    /// Promise 5.
    #[error("pinned")]
    Pinned,
    /// R6, R15: one that holds while the app is down does not hold when it has come up.
    #[error("the app's standing has changed")]
    Standing,
}

/// R6 once more, for as long as the run has disturbed nothing: the deployer asks it immediately before its first disturbing
/// task, by the mark that the agent leaves. The lease and the boot are in the deployer's order; a block is a turn back (R29).
pub fn void(slot: &Slot, used: Option<&Used>, session: Option<&SessionId>, standing: Standing) -> Option<Void> {
    let Some(used) = used else { return Some(Void::Forgotten) };
    if session != Some(&used.session) && !any_session() {
        return Some(Void::Session);
    }
    if slot.seen > used.generation && !planted(Bug::IntentOlder) {
        return Some(Void::Generation);
    }
    if slot.pinned.is_some() && !planted(Bug::PinIgnored) {
        return Some(Void::Pinned);
    }
    (standing != used.standing && !planted(Bug::NoWhileDown)).then_some(Void::Standing)
}
