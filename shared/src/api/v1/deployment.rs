//! Deployments.

use serde::{Deserialize, Serialize};

use super::{NoteView, ReleaseView, WaitingView, When};
use crate::file_exists::FileExists;
use crate::ids::DeploymentId;
use crate::name::{AppName, FleetName, HostName, Reason};

/// Asks for a deployment: exactly one of `package` and `restart`, or `config` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateDeployment {
    /// Of which fleet.
    pub fleet: FleetName,
    /// `web@1.2.0`, `1.2.0`, or `sha256:…`.
    #[serde(default)]
    pub package: Option<String>,
    /// What runs, started again.
    #[serde(default)]
    pub restart: bool,
    /// `c17`, or `none` for without; when not given the fleet's current one. Alone: the settled package with it.
    #[serde(default)]
    pub config: Option<String>,
    /// What is done with files that are there and are not ours, where the AppSpec has no `file_exists_behavior`; when not given
    /// as the settled release of the same package was deployed, else `DISALLOW`.
    #[serde(default)]
    pub file_exists: Option<FileExists>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

/// Where a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DeploymentState {
    /// Towards its release, and something is in course.
    Moving,
    /// Towards its release, and nothing moves until a named thing lifts.
    Waiting,
    /// A person or the policy said: wait.
    Paused,
    /// A host knew a newer world than the store: waits for a person.
    Frozen,
    /// Towards the settled release.
    RollingBack,
    /// Over.
    Ended,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// How a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum OutcomeWord {
    /// Observed on every member, but for named exceptions.
    Succeeded,
    /// Every member reports the settled release.
    RolledBack,
    /// By a person, or because there was nothing to go back to.
    Stopped,
    /// A newer deployment took its place.
    Superseded,
    /// A host stands with something inconsistent.
    NeedsHands,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// A share of the fleet in numbers of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaveView {
    /// `all` while there is one wave.
    pub name: String,
    /// Members.
    pub hosts: u32,
    /// Run what the deployment goes to, at rest.
    pub new: u32,
    /// Of those, available.
    pub available: u32,
    /// Have its bits ready, or run it.
    pub staged: u32,
    /// Permitted, or in a run.
    pub in_change: u32,
    /// Failed in this deployment.
    pub failed: u32,
    /// All others.
    pub old: u32,
    /// `open` or `closed`.
    pub gate: String,
}

/// One attempt to bring a fleet to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeploymentView {
    /// As `web-prod.87`.
    pub id: DeploymentId,
    /// Whose.
    pub fleet: FleetName,
    /// Of which app.
    pub app: AppName,
    /// Where it is.
    pub state: DeploymentState,
    /// How it ended.
    #[serde(default)]
    pub outcome: Option<OutcomeWord>,
    /// Its release.
    pub wanted: ReleaseView,
    /// The settled release when it began: where a rollback goes.
    #[serde(default)]
    pub over: Option<ReleaseView>,
    /// What is done with files that are there and are not ours, where the AppSpec does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_exists: Option<FileExists>,
    /// Who asked.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub started_at: When,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<When>,
    /// Who paused it.
    #[serde(default)]
    pub paused: Option<NoteView>,
    /// Since when it goes back.
    #[serde(default)]
    pub turned_at: Option<When>,
    /// Why it went back or was stopped.
    #[serde(default)]
    pub because: Option<String>,
    /// Hosts that failed in it (the first 20).
    #[serde(default)]
    pub failed: Vec<HostName>,
    /// Members that it ended without: within tolerance, stragglers, pinned (the first 20).
    #[serde(default)]
    pub left_behind: Vec<HostName>,
    /// The lowest number of available members that the coordinator has seen since it began; none when it did not watch from
    /// the beginning (it was started again meanwhile).
    #[serde(default)]
    pub lowest_available: Option<u32>,
    /// The fleet's floor in hosts, now.
    #[serde(default)]
    pub floor: u32,
    /// Its waves; empty when it is not the fleet's newest.
    #[serde(default)]
    pub waves: Vec<WaveView>,
    /// Since when nothing moves.
    #[serde(default)]
    pub waiting_since: Option<When>,
    /// What is waited for.
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
}
