//! Runs: what each lifecycle event did on a host.

use serde::{Deserialize, Serialize};

use super::{ReleaseView, When};
use crate::ids::DeploymentId;
use crate::name::{AppName, HostName};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RunOutcomeWord {
    /// The new release runs, validated.
    Committed,
    /// The previous one runs as it was.
    RolledBack,
    /// Nothing was disturbed.
    NotBegun,
    /// Inconsistent: a person must look.
    NeedsHands,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// One execution of a lifecycle on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunView {
    /// As `web-prod.87/h23/1`.
    pub run: String,
    /// None for a run that a person started at the host.
    #[serde(default)]
    pub deployment: Option<DeploymentId>,
    /// Where.
    pub host: HostName,
    /// Counted by the host.
    pub attempt: u32,
    /// Of which app.
    pub app: AppName,
    /// Where it went.
    pub to: ReleaseView,
    /// Where it came from.
    #[serde(default)]
    pub from: Option<ReleaseView>,
    /// The generation that it spent.
    #[serde(default)]
    pub generation: Option<u64>,
    /// How it ended.
    pub outcome: RunOutcomeWord,
    /// Why it did not simply commit; empty when it did.
    #[serde(default)]
    pub why: String,
    /// By the host's clock.
    pub began_at: When,
    /// Milliseconds.
    pub took_ms: u64,
    /// Milliseconds out of service; none when the app was never stopped.
    #[serde(default)]
    pub out_of_service_ms: Option<u64>,
    /// In order.
    pub events: Vec<RunEventView>,
}

/// One lifecycle event of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunEventView {
    /// As `ValidateService`.
    pub event: String,
    /// It ran on the way back.
    pub back: bool,
    /// Script inside the bundle.
    #[serde(default)]
    pub script: Option<String>,
    /// Milliseconds since the run began.
    pub began_ms: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
    /// CodeDeploy's result code: 0 good, 1 missing, 2 not executable, 3 timed out, 4 failed, 5 unknown, 6 output left open.
    pub code: u8,
    /// The process's exit status.
    #[serde(default)]
    pub exit: Option<i32>,
    /// What went wrong; empty when nothing did.
    #[serde(default)]
    pub message: String,
    /// The last line of its output.
    #[serde(default)]
    pub last_line: String,
    /// Its output is at the coordinator.
    #[serde(default)]
    pub log: bool,
}
