//! A person at the host: rolls back, pins, unpins, adopts what another deployer has installed and hands it back, without the coordinator (promise 5).

use pilotage_shared::name::Why;
use pilotage_shared::release::Release;

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
    /// Adopting would forget it.
    #[error("something is deployed to it here already")]
    Occupied,
    /// Nothing to hand back.
    #[error("nothing of it runs here")]
    Empty,
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

/// What another deployer has installed is what runs from now on, and where the next deployment goes back to.
pub fn adopt(slot: &Slot, release: Release) -> Result<Slot, Refused> {
    match (&slot.run, slot.running) {
        (Some(_), _) => Err(Refused::Run),
        (None, Some(running)) if running != release => Err(Refused::Occupied),
        (None, _) => Ok(Slot { running: Some(release), pinned: None, declines: None, needs_hands: None, ..slot.clone() }),
    }
}

/// Another deployer goes on from what runs: pinned, so that two never deploy to it.
pub fn hand_back(slot: &Slot, why: Why) -> Result<(Slot, Release), Refused> {
    match (&slot.run, slot.running) {
        (Some(_), _) => Err(Refused::Run),
        (None, None) => Err(Refused::Empty),
        (None, Some(running)) => Ok((pin(slot, why), running)),
    }
}

/// Follows intents again; also says that a person has looked at what needed hands.
pub fn unpin(slot: &Slot) -> Result<Slot, Refused> {
    if slot.pinned.is_none() && slot.needs_hands.is_none() {
        return Err(Refused::NotPinned);
    }
    Ok(Slot { pinned: None, needs_hands: None, ..slot.clone() })
}
