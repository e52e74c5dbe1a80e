//! A fleet as people declare it: an app on the hosts that a selector matches, with its rollout policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::HealthCheck;
use crate::name::{AppName, FleetName, LabelKey};
use crate::policy::Amount;
use crate::selector::Selector;
use crate::time::Millis;

/// Labels of a host.
pub type Labels = BTreeMap<LabelKey, crate::name::LabelValue>;

/// What happens when more hosts failed than are tolerated (R21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The whole fleet goes back to its settled release.
    Rollback,
    /// Nothing more is begun; the fleet is unsettled.
    Stop,
    /// Waits for a person.
    Pause,
}

/// What hosts keep that leave the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLeave {
    /// They keep what they run.
    Keep,
}

/// Members that a deployment may end without (promise 10); they are caught up when they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stragglers {
    /// How long they are waited for, after everybody else is done.
    pub after: Millis,
    /// At most so many, rounded down.
    pub at_most: Amount,
}

/// The whole declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetSpec {
    /// Its name.
    pub name: FleetName,
    /// What it runs.
    pub app: AppName,
    /// Where.
    pub select: Selector,
    /// How many hosts the author expects, inclusive; anything else is refused when it is applied.
    pub expect: Option<(u32, u32)>,
    /// Minimum of available hosts in the whole fleet.
    pub floor: Amount,
    /// The same for each value of a label.
    pub floor_per: BTreeMap<LabelKey, Amount>,
    /// How many may be in change at once; none: only the floor limits it.
    pub parallel: Option<Amount>,
    /// How many may fail.
    pub tolerate: Amount,
    /// What happens when more did.
    pub on_failure: OnFailure,
    /// Who may follow later.
    pub stragglers: Option<Stragglers>,
    /// How health is asked; none: a host counts as healthy when its last run succeeded.
    pub health: Option<HealthCheck>,
    /// The longest any one hook may run.
    pub hook_timeout: Millis,
    /// What hosts do that leave.
    pub leave: OnLeave,
    /// Without a health check: empty slots may be installed into (DESIGN §10).
    pub first_install: bool,
}
