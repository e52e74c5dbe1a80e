//! Where a fleet is going, and so what each of its members is to run in the end.

use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;

use crate::world::facts::{Counted, Facts};
use crate::world::{Course, Deployment, Fleet, World};

/// What a fleet does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Towards the deployment's release.
    Forward {
        /// The target.
        to: Release,
        /// Nothing new begins.
        paused: bool,
    },
    /// Towards the settled release; only the floor limits it (promise 7).
    Back {
        /// Where.
        to: Release,
    },
    /// No deployment in course: members that run something else are brought to the settled release.
    CatchUp {
        /// Where.
        to: Release,
        /// A stopped deployment's release, beside which nobody is moved (R24).
        spare: Option<Release>,
    },
    /// Nothing settled, nothing in course.
    Rest,
    /// R18: no lending, no catch-up, no turn.
    Frozen,
    /// R34: the same, for the whole world.
    Recovering,
    /// R34: nobody is moved until a person deploys.
    Left,
}

/// What one member is to run in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// This.
    Run(Release),
    /// What it runs.
    Stay,
}

impl Mode {
    /// The fleet's mode, from its records.
    pub fn of(world: &World, fleet: &Fleet, newest: Option<&Deployment>) -> Mode {
        if world.recovering.is_some() && !planted(Bug::BackupCommands) {
            return Mode::Recovering;
        }
        if fleet.frozen.is_some() {
            return Mode::Frozen;
        }
        let course = newest.filter(|_| fleet.active).map(|d| (&d.course, d));
        match (course, fleet.settled) {
            (Some((Course::Forward, d)), _) => Mode::Forward { to: d.release, paused: d.paused.is_some() },
            (Some((Course::Back { to, .. }, _)), _) => Mode::Back { to: *to },
            (Some((Course::Ended { .. }, _)) | None, _) if world.left.contains_key(&fleet.spec.name) => Mode::Left,
            (Some((Course::Ended { .. }, _)) | None, Some(to)) if !world.barred(&to) || planted(Bug::HeldIsCaughtUp) => {
                Mode::CatchUp { to, spare: fleet.unsettled }
            }
            (Some((Course::Ended { .. }, _)) | None, _) => Mode::Rest,
        }
    }

    /// Where it goes.
    pub fn to(&self) -> Option<Release> {
        match self {
            Mode::Forward { to, .. } | Mode::Back { to } | Mode::CatchUp { to, .. } => Some(*to),
            Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => None,
        }
    }

    /// May capacity be lent for it now?
    pub fn lends(&self) -> bool {
        match self {
            Mode::Forward { paused, .. } => !paused,
            Mode::Back { .. } | Mode::CatchUp { .. } => true,
            Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => false,
        }
    }

    /// May no member be brought to where it goes, as things stand (R23, promise 9)?
    pub fn barred(&self, world: &World) -> bool {
        match self {
            Mode::CatchUp { .. } => false, // else it would rest
            // A rollback goes to a release that was proved here; only a blocked package stays out (promise 9).
            Mode::Back { to } => world.blocked.packages.contains(&to.package),
            Mode::Forward { .. } if planted(Bug::HeldIsDeployed) => false,
            Mode::Forward { to, .. } => world.barred(to),
            Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => true,
        }
    }

    /// What this member is to run in the end (R19, R23, R24).
    pub fn goal(&self, barred: bool, newest: u32, facts: &Facts) -> Goal {
        let Some(to) = self.to() else { return Goal::Stay };
        let stay = barred
            || facts.has_refused(&to, newest) && !planted(Bug::IgnoreRefused)
            || match self {
                Mode::CatchUp { .. } if planted(Bug::JoinerForgotten) && facts.running.is_none() => true,
                Mode::CatchUp { .. } if planted(Bug::CatchUpAfterCancel) => false,
                Mode::CatchUp { spare, .. } => facts.running.is_some() && facts.running == *spare,
                Mode::Back { .. } | Mode::Forward { .. } => false,
                Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => true,
            };
        if stay { Goal::Stay } else { Goal::Run(to) }
    }
}

/// An empty slot of a fleet without a health check, where something else may be running (DESIGN §10).
pub fn may_hide_something(fleet: &Fleet, facts: &Facts) -> bool {
    fleet.spec.health.is_none() && !fleet.spec.first_install && facts.running.is_none() && facts.standing != Counted::Down
}
