//! What the agent asks a deployer to do. JSON, additive; the format's number stands in it.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::health::HealthCheck;
use pilotage_shared::ids::{BootId, Generation};
use pilotage_shared::name::AppName;
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Event, RunId};
use pilotage_shared::time::{Millis, Uptime};
use serde::{Deserialize, Serialize};

/// One order, written once and durable before the deployer starts (R7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Version of this format: [`Request::FORMAT`].
    pub format: u32,
    /// Which run.
    pub run: RunId,
    /// Of which app.
    pub app: AppName,
    /// On whose word, and what must still hold when it begins.
    pub kind: Kind,
    /// Where it goes.
    pub to: Target,
    /// What runs now: the last committed release. None: the slot is empty, a failure goes back to empty (R20).
    pub from: Option<Target>,
    /// The longest any one hook may run, whatever the AppSpec says.
    pub hook_timeout: Millis,
    /// What hooks are told of the deployment (CodeDeploy's environment contract).
    pub contract: Contract,
    /// The host's own `[variables]`: in every hook's environment, never above the contract's names.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What is done otherwise than the AppSpec says.
    #[serde(default)]
    pub changes: Changes,
    /// Statements about the release's digest; empty until proofs exist (DESIGN §5).
    #[serde(default)]
    pub proofs: Vec<Digest>,
    /// The agent's state directory, absolute; everything else lies below it by rule.
    pub state: String,
    /// What this host is asked to allow or offer beyond a plain run; its own configuration says it.
    #[serde(default)]
    pub host: HostOffers,
}

/// What the host's own file allows to packages and offers to their hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOffers {
    /// A script that asks for it (exit 194) gets this host rebooted.
    #[serde(default)]
    pub reboot: bool,
    /// Where CodeDeploy's agent would have its deployment root: the paths of its layout are offered there.
    #[serde(default)]
    pub codedeploy_root: Option<String>,
}

/// The exit code of a script that asks to be tried again later.
pub const LATER: i32 = 21;
/// The exit code of a script that asks for a reboot, to go on behind it.
pub const REBOOT: i32 = 194;

impl Request {
    /// The format that this program writes.
    pub const FORMAT: u32 = 1;

    /// The generation that it spent; none for a run without a loan (R26).
    pub fn generation(&self) -> Option<Generation> {
        match &self.kind {
            Kind::Activate(permit) => Some(permit.generation),
            Kind::LocalRollback | Kind::GoBack => None,
        }
    }
}

/// On whose word a run goes from `from` to `to`. The lifecycle is the same for the first two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The coordinator lent this host's service; tested again before the first disturbing task (R6).
    Activate(Permit),
    /// A person at this host goes to the previous release, or deploys one without a coordinator; needs no permission (promise 5).
    LocalRollback,
    /// The agent itself brings the committed release back up, because its process is gone (R27): stop what is left, start,
    /// validate, nothing is installed; `from` is `to`. Ends Committed, NotBegun or NeedsHands.
    GoBack,
}

/// What the deployer tests of R6 by itself; all else is the agent's, who writes [`super::REVOKED`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// What was spent for it.
    pub generation: Generation,
    /// The lease's end by this host's own clock (CLOCK_BOOTTIME): `sent_at(answers.beat) + lease`.
    pub begin_by: Uptime,
    /// The boot that `begin_by` was read in; void in any other.
    pub boot: BootId,
    /// It holds only while the host's own standing is `down`. The agent revokes when that changes (R15); it is here for the record.
    pub while_down: bool,
}

/// One end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it is.
    pub release: Release,
    /// As people write it; for the log.
    pub package: PackageName,
    /// The check to be healthy by, once, before the run commits (or has gone back); texts resolved with the host's variables.
    pub health: Option<HealthCheck>,
}

/// CodeDeploy's names for what we are doing (H1); values of the environment, never of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// `APPLICATION_NAME`: the app.
    pub application: String,
    /// `DEPLOYMENT_GROUP_NAME`: the fleet; `local` without one.
    pub deployment_group: String,
    /// `DEPLOYMENT_GROUP_ID`; none: the same as the name.
    #[serde(default)]
    pub deployment_group_id: Option<String>,
    /// `DEPLOYMENT_ID`: the deployment as people write it, or `local.<attempt>`.
    pub deployment_id: String,
}

/// What an order does otherwise than the AppSpec says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Where the AppSpec has no `file_exists_behavior` (C1).
    pub file_exists: Option<FileExists>,
    /// Hooks of these events only; none: of all.
    pub events: Option<BTreeSet<Event>>,
    /// As an ordinary user: `runas`, `sudo`, owners and groups are left out.
    pub one_account: bool,
}
