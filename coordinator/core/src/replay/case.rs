//! One deployment as a recording tells it: when it began and ended, who did what, and what each host made of it. Fed turn by
//! turn, so that a long recording is never held whole.

use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::principal::Principal;
use pilotage_shared::time::Time;

use super::course::Profile;
use super::{Decided, Played, Player, TookIn, Turn};
use crate::change::{About, Change};
use crate::input::{Input, Request};
use crate::world::{Because, Deployment, Outcome};

/// What became of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which.
    pub deployment: Deployment,
    /// When and how it ended; none: it was still in course when the recording ends.
    pub ended: Option<Ended>,
    /// The fewest members that counted, as the coordinator saw it.
    pub lowest: u32,
    /// Decisions about its fleet.
    pub decisions: usize,
    /// What people and rules asked for while it was in course.
    pub asked: Vec<(Time, Input)>,
    /// What its hosts made of it.
    pub profile: Profile,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Time,
    /// How.
    pub outcome: Outcome,
    /// Why it did not simply succeed.
    pub because: Option<Because>,
}

/// The deployments that begin in a turn.
pub fn begun(turn: &Turn) -> impl Iterator<Item = &Deployment> {
    let decided = turn.inputs.iter().filter_map(|taken| taken.decided.as_ref());
    decided.flat_map(|Decided { changes, .. }| changes).filter_map(|change| match change {
        Change::Deployed { deployment } => Some(deployment),
        _ => None,
    })
}

/// When a turn began.
pub fn moment(turn: &Turn) -> Option<Time> {
    turn.inputs.first().map(|taken| taken.at).or(turn.plan.as_ref().map(|plan| plan.at))
}

impl Case {
    /// It begins in the next turn.
    pub fn new(deployment: &Deployment) -> Case {
        let profile = Profile::default();
        Case { deployment: deployment.clone(), ended: None, lowest: u32::MAX, decisions: 0, asked: Vec::new(), profile }
    }

    /// Which.
    pub fn id(&self) -> &DeploymentId {
        &self.deployment.id
    }

    /// A turn was played; `player` is behind it.
    pub fn turn(&mut self, player: &Player, played: &Played) {
        if self.ended.is_some() {
            return;
        }
        self.profile.app = player.world.fleets.get(&self.id().fleet).map(|fleet| fleet.spec.app.clone());
        for TookIn { at, input, decided } in &played.inputs {
            let began = decided.changes.iter().any(|c| matches!(c, Change::Deployed { deployment } if deployment.id == *self.id()));
            // A start is no wish of anybody: an estimate goes on in one life.
            let asked = !matches!(input.by, Principal::Host(_)) && !matches!(input.request, Request::Start { .. });
            if asked && !began {
                self.asked.push((*at, input.clone()));
            }
            self.see(player, *at, &decided.changes);
        }
        if let Some((at, changes)) = &played.plan {
            self.see(player, *at, changes);
        }
        self.lowest = self.lowest.min(player.world.counts(&self.id().fleet).available);
    }

    fn see(&mut self, player: &Player, at: Time, changes: &[Change]) {
        for change in changes {
            self.decisions += usize::from(concerns(player, change, self.id()));
            self.profile.see(at, &self.deployment, change);
            match change {
                Change::Ended { id, outcome, because, .. } if id == self.id() => {
                    self.ended = Some(Ended { at, outcome: *outcome, because: because.clone() });
                }
                Change::Deployed { deployment } if deployment.id.fleet == self.id().fleet && deployment.id.number > self.id().number => {
                    self.ended.get_or_insert(Ended { at, outcome: Outcome::Superseded, because: None });
                }
                _ => {}
            }
        }
    }
}

/// Is it a decision about the deployment's fleet, and no mere fact?
pub fn concerns(player: &Player, change: &Change, id: &DeploymentId) -> bool {
    let world = &player.world;
    let of_fleet = |app: &AppName| world.fleets.get(&id.fleet).is_some_and(|fleet| fleet.spec.app == *app);
    let member = |host: &HostName| world.member_of.get(host).is_some_and(|fleets| fleets.values().any(|fleet| *fleet == id.fleet));
    match change.about() {
        About::Slot(host, app) => of_fleet(app) && member(host),
        About::Host(host) => member(host),
        About::Fleet(fleet) => *fleet == id.fleet,
        About::App(app) => of_fleet(app),
        About::Everything => true,
        About::Fact => false,
    }
}
