//! A person at the host: rolls back, pins, unpins, without the coordinator (promise 5).

use pilotage_shared::name::Why;

use super::{RunKind, Slot, begun};

/// Why a person's wish cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// R26.
    #[error("a run is alive; wait for its end")]
    Run,
    /// Nothing to go back to.
    #[error("there is no previous release on this host")]
    NoPrevious,
    /// Not pinned.
    #[error("it is not pinned")]
    NotPinned,
}

/// To the previous release, by a run without a loan, reported as `run` (R26); pinned from now on, so that the coordinator does
/// not undo it. The record is written before the deployer is started.
pub fn rollback(slot: &Slot, why: Why) -> Result<Slot, Refused> {
    if slot.run.is_some() {
        return Err(Refused::Run);
    }
    let previous = slot.previous.ok_or(Refused::NoPrevious)?;
    Ok(Slot { pinned: Some(why), ..begun(slot, RunKind::LocalRollback, None, previous) })
}

/// Stays as it is, whatever is wanted; a permission is given up at the next look (R30).
pub fn pin(slot: &Slot, why: Why) -> Slot {
    Slot { pinned: Some(why), ..slot.clone() }
}

/// Follows intents again; also says that a person has looked at what needed hands.
pub fn unpin(slot: &Slot) -> Result<Slot, Refused> {
    if slot.pinned.is_none() && slot.needs_hands.is_none() {
        return Err(Refused::NotPinned);
    }
    Ok(Slot { pinned: None, needs_hands: None, ..slot.clone() })
}
