//! What the coordinator has watched of deployments in this life: the lowest number of available members, and since when
//! nothing moves. For people; nothing is decided by it, and it is not stored.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_coordinator_core::waiting::{Cause, Waiting};
use pilotage_coordinator_core::world::World;
use pilotage_coordinator_core::{explain, plan::explain_fleet};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::FleetName;
use pilotage_shared::time::Time;

/// Deployments that are remembered.
const KEPT: usize = 1000;

/// One deployment as it was watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// Lowest number of available members; none when it was not watched from its beginning.
    pub lowest: Option<u32>,
    /// Since when nothing moves.
    pub waiting_since: Option<Time>,
}

/// All that is watched.
#[derive(Debug, Default)]
pub struct Tracker {
    deployments: BTreeMap<DeploymentId, Watched>,
    order: std::collections::VecDeque<DeploymentId>,
}

/// Something is in course that ends by itself.
pub fn is_progress(cause: &Cause) -> bool {
    match cause {
        Cause::Staging | Cause::NotBegun | Cause::Withdrawing | Cause::InChange | Cause::Settling | Cause::Unheard => true,
        Cause::Floor { .. }
        | Cause::Batch { .. }
        | Cause::Unreachable
        | Cause::Unknown
        | Cause::Refused
        | Cause::Declines
        | Cause::Pinned
        | Cause::Cordoned
        | Cause::Maintenance
        | Cause::Quarantined
        | Cause::NeedsHands
        | Cause::FirstInstall
        | Cause::Paused
        | Cause::Frozen
        | Cause::Held
        | Cause::NoMembers
        | Cause::Stragglers
        | Cause::Recovering
        | Cause::LeftAsIs => false,
    }
}

/// Nothing moves until something of this lifts.
pub fn stands_still(waiting: &[Waiting]) -> bool {
    !waiting.is_empty() && !waiting.iter().any(|w| is_progress(&w.cause))
}

impl Tracker {
    /// Looks at the fleets that a turn has touched. O(groups of those fleets).
    pub fn update(&mut self, world: &World, touched: &BTreeSet<FleetName>, now: Time) {
        for name in touched {
            let Some(deployment) = world.fleets.get(name).and_then(|fleet| world.active(fleet)) else { continue };
            let still = stands_still(&explain(world, &deployment.id, now));
            let available = world.counts(name).available;
            let watched = match self.deployments.get_mut(&deployment.id) {
                Some(watched) => watched,
                None => {
                    // Seen at its very beginning, it is watched whole; after a restart of ours it is not.
                    let whole = now - deployment.started.at < pilotage_shared::time::Millis(1000);
                    self.order.push_back(deployment.id.clone());
                    if self.order.len() > KEPT
                        && let Some(old) = self.order.pop_front()
                    {
                        self.deployments.remove(&old);
                    }
                    let first = Watched { lowest: whole.then_some(available), waiting_since: None };
                    self.deployments.entry(deployment.id.clone()).or_insert(first)
                }
            };
            watched.lowest = watched.lowest.map(|lowest| lowest.min(available));
            watched.waiting_since = if still { watched.waiting_since.or(Some(now)) } else { None };
        }
    }

    /// What was watched of a deployment.
    pub fn of(&self, id: &DeploymentId) -> Watched {
        self.deployments.get(id).copied().unwrap_or_default()
    }

    /// What a fleet waits for, whether a deployment is in course or it only catches up.
    pub fn waiting(world: &World, fleet: &FleetName, now: Time) -> Vec<Waiting> {
        explain_fleet(world, fleet, now)
    }
}
