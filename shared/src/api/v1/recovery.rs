//! After a restore: what the backup wants, what the hosts run, and what going on makes of it.

use serde::{Deserialize, Serialize};

use super::{NoteView, ReleaseView, When};
use crate::ids::DeploymentId;
use crate::name::{AppName, FleetName, HostName, Reason};

/// That the coordinator recovers, in a few words for `pilotage status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveringView {
    /// When the backup was made.
    pub backup_at: When,
    /// When the store was made of it.
    pub restored_at: When,
    /// Hosts that are members of a fleet.
    pub hosts: u32,
    /// Of those: not heard since this process began.
    pub unheard: u32,
    /// The first 20 of them by name.
    pub missing: Vec<HostName>,
}

/// The whole of a recovery: each fleet as the backup wants it and as its hosts are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryView {
    /// None: the coordinator does not recover; the fleets are as they are.
    #[serde(default)]
    pub recovering: Option<RecoveringView>,
    /// By name.
    pub fleets: Vec<FleetRecovery>,
}

/// One fleet of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetRecovery {
    /// Its name.
    pub fleet: FleetName,
    /// What it runs.
    pub app: AppName,
    /// What the backup calls settled; after the recovery: what is settled now.
    #[serde(default)]
    pub settled: Option<ReleaseView>,
    /// The deployment that the backup has in course, and where it goes.
    #[serde(default)]
    pub in_course: Option<InCourseView>,
    /// Members.
    pub members: u32,
    /// What those run that were heard, most first.
    pub runs: Vec<RunsView>,
    /// Members that were not heard since this process began; the first 20 of them by name.
    pub missing: Vec<HostName>,
    /// How many there are.
    pub unheard: u32,
    /// What confirming makes of it; none when the coordinator does not recover.
    #[serde(default)]
    pub then: Option<RecoveryThen>,
    /// What confirming makes of it, in words that name hosts and releases.
    pub why: String,
    /// A host is ahead of the backup: the fleet stays frozen after the recovery, until a person deploys or resumes.
    pub frozen: bool,
    /// Its members were left where they are, by whom and why; until a person deploys.
    #[serde(default)]
    pub left: Option<NoteView>,
}

/// A deployment that the backup has in course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InCourseView {
    /// Its name.
    pub deployment: DeploymentId,
    /// Where it goes.
    pub to: ReleaseView,
}

/// Hosts that run the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunsView {
    /// What; none: nothing.
    #[serde(default)]
    pub release: Option<ReleaseView>,
    /// The store knows its package.
    pub known: bool,
    /// How many hosts.
    pub count: u32,
    /// The first 20 of them by name.
    pub hosts: Vec<HostName>,
}

/// What confirming a recovery makes of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RecoveryThen {
    /// What the backup calls settled stays.
    Keep,
    /// What all hosts run becomes the settled release.
    Adopt,
    /// Members stay where they are until a person deploys.
    Leave,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Goes on after a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recover {
    /// What the backup wants stays, whatever the hosts run.
    #[serde(default)]
    pub keep_backup: bool,
    /// Although hosts were not heard.
    #[serde(default)]
    pub go_on: bool,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}
