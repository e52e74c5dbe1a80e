//! One deployment under another policy, beside the replay of how it went.

use pilotage_coordinator_core::replay::case::Case;
use pilotage_coordinator_core::replay::course::{Estimate, estimate};
use pilotage_coordinator_core::replay::what_if::{Departure, Fork};
use pilotage_coordinator_core::replay::{Played, Player};
use pilotage_coordinator_core::world::Deployment;
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::health::HealthCheck;

use super::policy::{Policy, PolicyError};

/// How it went, and where it would have gone otherwise.
pub struct Tried {
    /// How it went.
    pub case: Case,
    /// Where decisions begin to differ.
    pub departure: Option<Departure>,
    /// The fleet's times for health, as they were and as they would be, where they differ: hosts judge by them, so that it is
    /// another story from its beginning on.
    pub check: Option<(HealthCheck, HealthCheck)>,
    /// Members of the fleet.
    pub members: u32,
    /// The fewest that counted before the difference.
    lowest: u32,
    fork: Option<Fork>,
}

/// How it would have gone on.
pub struct GoesOn {
    /// From the difference on.
    pub estimate: Estimate,
    /// The fewest members that would have counted in all of it.
    pub lowest: u32,
}

fn adjust(policy: &Policy) -> impl Fn(&FleetSpec) -> FleetSpec + '_ {
    // It was read once for this fleet; a declaration that it does not fit stays as it is.
    |spec| policy.of(spec).unwrap_or_else(|_| spec.clone())
}

impl Tried {
    /// It begins in the next turn of this replay.
    pub fn new(player: &Player, deployment: &Deployment, policy: &Policy) -> Result<Tried, PolicyError> {
        let id = &deployment.id;
        let mut check = None;
        if let Some(fleet) = player.world.fleets.get(&id.fleet) {
            let other = policy.of(&fleet.spec)?;
            let times = |check: &HealthCheck| (check.healthy_for, check.unhealthy_for);
            check = fleet.spec.health.clone().zip(other.health).filter(|(was, is)| times(was) != times(is));
        }
        let fork = Some(Fork::new(player, id, &adjust(policy)));
        Ok(Tried { case: Case::new(deployment), departure: None, check, members: player.world.members(&id.fleet), lowest: u32::MAX, fork })
    }

    /// A turn was played.
    pub fn turn(&mut self, player: &Player, played: &Played, policy: &Policy) {
        self.case.turn(player, played);
        let Some(fork) = &mut self.fork else { return };
        self.departure = fork.turn(played, &adjust(policy));
        let behind = fork.world();
        if self.departure.is_none() {
            self.lowest = self.lowest.min(behind.world.counts(&self.case.id().fleet).available);
        }
        if self.departure.is_none() && self.check.is_some() {
            let other = Player { now: player.now, ..behind.clone() };
            self.departure = Some(Departure { at: player.now, recorded: Vec::new(), instead: Vec::new(), waiting: Vec::new(), refused: None, other });
        }
        if self.departure.is_some() || self.case.ended.is_some() {
            self.fork = None;
        }
    }

    /// How it would have gone on; none when no decision differs, or nothing would have begun.
    pub fn goes_on(&self, policy: &Policy) -> Option<GoesOn> {
        let departure = self.departure.as_ref().filter(|departure| departure.refused.is_none())?;
        let estimate = estimate(&departure.other, &self.case, self.check.clone(), &adjust(policy));
        let lowest = self.lowest.min(estimate.lowest);
        Some(GoesOn { estimate, lowest })
    }
}
