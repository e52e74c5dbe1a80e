//! What another policy would have decided: a second world that is given the same inputs, until a decision differs. From there
//! on the hosts would have been told other things, and what they said is no answer to it any more.

use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::time::Time;

use super::codec::bytes;
use super::{Played, Player, TookIn};
use crate::admit::admit;
use crate::change::Change;
use crate::input::{Input, Request};
use crate::plan::explain;
use crate::rejected::Rejected;
use crate::waiting::Waiting;

/// Makes another policy of one.
pub type Adjust<'a> = &'a dyn Fn(&FleetSpec) -> FleetSpec;

/// The second world.
#[derive(Clone, Debug)]
pub struct Fork {
    other: Player,
    id: DeploymentId,
}

/// The first decision that differs.
#[derive(Clone, Debug)]
pub struct Departure {
    /// When.
    pub at: Time,
    /// What was decided there, from the difference on.
    pub recorded: Vec<Change>,
    /// What would have been.
    pub instead: Vec<Change>,
    /// What the deployment would have waited for.
    pub waiting: Vec<Waiting>,
    /// What would have been refused, and why.
    pub refused: Option<Rejected>,
    /// The world behind it.
    pub other: Player,
}

impl Fork {
    /// A world in which the fleet was declared so just before the deployment began.
    pub fn new(player: &Player, id: &DeploymentId, adjust: Adjust<'_>) -> Fork {
        let mut other = player.clone();
        if let Some(mut fleet) = other.world.fleets.get(&id.fleet).cloned() {
            fleet.spec = adjust(&fleet.spec);
            other.apply(&[Change::FleetPut { fleet }]);
        }
        Fork { other, id: id.clone() }
    }

    /// The world so far.
    pub fn world(&self) -> &Player {
        &self.other
    }

    /// Goes with a turn that was played; gives where it departs from it.
    pub fn turn(&mut self, played: &Played, adjust: Adjust<'_>) -> Option<Departure> {
        for TookIn { at, input, decided } in &played.inputs {
            let input = adjusted(input, &self.id, adjust);
            let admitted = match admit(&self.other.world, &input, *at) {
                Ok(admitted) => admitted,
                Err(rejected) => return Some(self.departure(*at, decided.changes.clone(), Vec::new(), Some(rejected))),
            };
            self.other.apply(&admitted.changes);
            let differ = first_difference(&self.without_policy(&decided.changes), &self.without_policy(&admitted.changes));
            if let Some((recorded, instead)) = differ {
                return Some(self.departure(*at, recorded, instead, None));
            }
        }
        let (at, planned) = played.plan.as_ref()?;
        let mut instead = Vec::new();
        self.other.settle(*at, |changes| instead.extend_from_slice(changes));
        self.other.now = *at;
        let (recorded, instead) = first_difference(planned, &instead)?;
        Some(self.departure(*at, recorded, instead, None))
    }

    fn departure(&self, at: Time, recorded: Vec<Change>, instead: Vec<Change>, refused: Option<Rejected>) -> Departure {
        let waiting = explain(&self.other.world, &self.id, at);
        Departure { at, recorded, instead, waiting, refused, other: self.other.clone() }
    }

    /// That the policy is another one is no decision.
    fn without_policy(&self, changes: &[Change]) -> Vec<Change> {
        let own = |change: &&Change| matches!(change, Change::FleetPut { fleet } if fleet.spec.name == self.id.fleet);
        changes.iter().filter(|change| !own(change)).cloned().collect()
    }
}

/// An input under the other policy: only a declaration of the fleet is another.
pub(super) fn adjusted(input: &Input, id: &DeploymentId, adjust: Adjust<'_>) -> Input {
    match &input.request {
        Request::PutFleet { spec } if spec.name == id.fleet => Input { request: Request::PutFleet { spec: Box::new(adjust(spec)) }, ..input.clone() },
        _ => input.clone(),
    }
}

fn first_difference(recorded: &[Change], instead: &[Change]) -> Option<(Vec<Change>, Vec<Change>)> {
    let same = recorded.iter().zip(instead).take_while(|(a, b)| bytes(a) == bytes(b)).count();
    (same < recorded.len().max(instead.len())).then(|| (recorded[same..].to_vec(), instead[same..].to_vec()))
}
