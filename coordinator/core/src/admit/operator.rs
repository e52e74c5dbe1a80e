//! People steer a deployment in course: pause, resume, cancel, roll back (R18, R24, R31).

use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{FleetName, Why};
use pilotage_shared::planted::{Bug, planted};

use super::fleet::find;
use super::{Admitted, recovery};
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::configuration::Held;
use crate::world::{Because, Course, Deployment, Hold, Note, Outcome, Slot, World};

pub fn pause(world: &World, note: Note, id: &DeploymentId) -> Result<Admitted, Rejected> {
    match in_course(world, id)?.course {
        Course::Forward => Admitted::new(vec![Change::Paused { id: id.clone(), note }], Answer::Deployment(id.clone())),
        Course::Back { .. } => Err(Rejected::GoingBack(id.clone())),
        Course::Ended { .. } => Err(Rejected::Over(id.clone())),
    }
}

/// Also lifts a freeze (R18). Failures known now are forgiven when the policy had paused because of them.
pub fn resume(world: &World, name: &FleetName) -> Result<Admitted, Rejected> {
    recovery::over(world)?;
    let fleet = find(world, name)?;
    let mut changes = Vec::new();
    if fleet.frozen.is_some() {
        changes.push(Change::Thawed { fleet: name.clone() });
    }
    if let Some(deployment) = world.active(fleet).filter(|d| d.paused.is_some()) {
        let forgiven = crate::plan::failed(world, name).max(deployment.forgiven);
        changes.push(Change::Resumed { id: deployment.id.clone(), forgiven });
    }
    if changes.is_empty() {
        return Err(Rejected::NotPaused(name.clone()));
    }
    Admitted::new(changes, Answer::Done)
}

/// Nobody is moved any more; runs in course finish, unused loans are withdrawn by the plan (R12, R24).
pub fn cancel(world: &World, note: Note, id: &DeploymentId) -> Result<Admitted, Rejected> {
    in_course(world, id)?;
    let at = note.at;
    let because = Some(Because::Asked(note));
    let ended = Change::Ended { id: id.clone(), outcome: Outcome::Stopped, because, left_behind: Vec::new(), hold: None, at };
    let mut changes = vec![ended];
    if planted(Bug::CancelDropsLoan) {
        changes.extend(unused_dropped(world, id));
    }
    Admitted::new(changes, Answer::Deployment(id.clone()))
}

/// What R12 forbids: unused loans of a deployment, returned by decree.
pub fn unused_dropped<'a>(world: &'a World, id: &'a DeploymentId) -> impl Iterator<Item = Change> + 'a {
    let unused = move |slot: &Slot| {
        let begun = slot.status.as_ref().is_some_and(|s| s.run.is_some());
        slot.loan.as_ref().is_some_and(|l| l.deployment == *id && !begun)
    };
    let slots = world.slots.iter().filter(move |(_, slot)| unused(slot));
    slots.map(|((app, host), _)| Change::Returned { host: host.clone(), app: app.clone() })
}

/// Back to the settled release; also works on a stopped deployment (R24). What was new is held in the same unit (R23).
pub fn rollback(world: &World, note: Note, id: &DeploymentId) -> Result<Admitted, Rejected> {
    recovery::over(world)?;
    let fleet = find(world, &id.fleet)?;
    let deployment = world.deployments.get(id).ok_or_else(|| Rejected::UnknownDeployment(id.clone()))?;
    let newest = fleet.newest == id.number;
    match &deployment.course {
        Course::Forward if newest => {}
        Course::Back { .. } => return Err(Rejected::GoingBack(id.clone())),
        Course::Ended { outcome: Outcome::Stopped, .. } if newest => {}
        Course::Forward | Course::Ended { .. } => return Err(Rejected::Over(id.clone())),
    }
    let Some(to) = fleet.settled else { return Err(Rejected::NothingSettled(id.fleet.clone())) };
    let at = note.at;
    let why = Why::lossy(&format!("rolled back by {}: {}", note.by, note.reason));
    let hold = Held::beside(&deployment.release, Some(&to), Hold { by: id.clone(), at, why });
    let mut changes = Vec::new();
    if fleet.frozen.is_some() {
        changes.push(Change::Thawed { fleet: id.fleet.clone() });
    }
    changes.push(Change::Turned { id: id.clone(), to, because: Because::Asked(note), hold, at });
    Admitted::new(changes, Answer::Deployment(id.clone()))
}

fn in_course<'a>(world: &'a World, id: &DeploymentId) -> Result<&'a Deployment, Rejected> {
    let deployment = world.deployments.get(id).ok_or_else(|| Rejected::UnknownDeployment(id.clone()))?;
    match deployment.course {
        Course::Forward | Course::Back { .. } => Ok(deployment),
        Course::Ended { .. } => Err(Rejected::Over(id.clone())),
    }
}
