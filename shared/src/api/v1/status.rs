//! The verdict over all fleets: what `pilotage status` shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeploymentView, RecoveringView, ReleaseView, WaitingView, When};
use crate::name::{AppName, FleetName};

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusView {
    /// `v1`.
    pub api: String,
    /// The coordinator's time.
    pub at: When,
    /// Position of the newest entry of the history; rises with every change.
    pub revision: u64,
    /// Itself.
    pub coordinator: CoordinatorView,
    /// By name.
    pub fleets: Vec<FleetStatus>,
}

/// The coordinator itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CoordinatorView {
    /// Its version.
    pub version: String,
    /// When this process began.
    pub started_at: When,
    /// Hosts that are not retired.
    pub hosts: u32,
    /// Of those: not heard from.
    pub unreachable: u32,
    /// Of those: not heard since this process began.
    pub unheard: u32,
    /// How often hosts report, milliseconds.
    pub heartbeat_ms: u64,
    /// When the newest backup was made.
    #[serde(default)]
    pub backup_at: Option<When>,
    /// It was restored from a backup, and no person has gone on yet.
    #[serde(default)]
    pub recovering: Option<RecoveringView>,
    /// Since when nothing is recorded, although it should be, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_lost: Option<String>,
}

/// Asks for a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MakeBackup {
    /// The contents of the packages too.
    #[serde(default)]
    pub packages: bool,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupView {
    /// Its file, on the coordinator's machine.
    pub path: String,
    /// When it was made.
    pub at: When,
    /// Records in it.
    pub records: u64,
    /// Packages whose contents are in it.
    #[serde(default)]
    pub packages: u64,
    /// Packages that were asked for and whose contents are not on the coordinator's machine.
    #[serde(default)]
    pub packages_left_out: u64,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Where a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FleetState {
    /// Nothing was ever deployed.
    Empty,
    /// Every member runs the settled release, or is a named exception.
    Settled,
    /// No deployment runs; members are being brought to the settled release.
    CatchingUp,
    /// Its newest deployment was stopped: mixed, and nobody is moved.
    Unsettled,
    /// A deployment is in course.
    Moving,
    /// A deployment is in course and nothing moves.
    Waiting,
    /// Its deployment is paused.
    Paused,
    /// A host knew a newer world than the store.
    Frozen,
    /// Its deployment goes back.
    RollingBack,
    /// The coordinator was restored from a backup, and no person has gone on yet.
    Recovering,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Members in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostCounts {
    /// Members.
    pub total: u32,
    /// Count for the floor.
    pub available: u32,
    /// Must count.
    pub floor: u32,
    /// Available above the floor; 0 when there is none.
    pub margin: u32,
    /// Permitted, or in a run.
    pub in_change: u32,
    /// Observed down.
    pub down: u32,
    /// Healthy, not long enough.
    #[serde(default)]
    pub settling: u32,
    /// No health known.
    pub unknown: u32,
    /// Silent.
    pub unreachable: u32,
    /// Do not run what the fleet wants.
    pub to_follow: u32,
    /// Pinned by hand at the host.
    pub pinned: u32,
    /// Say that they are inconsistent.
    pub needs_hands: u32,
}

/// The same for one value of a label with a floor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScopeCounts {
    /// Members.
    pub total: u32,
    /// Count for the floor.
    pub available: u32,
    /// Must count.
    pub floor: u32,
}

/// One fleet at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetStatus {
    /// Its name.
    pub fleet: FleetName,
    /// What it runs.
    pub app: AppName,
    /// Where it is.
    pub state: FleetState,
    /// Since when, where that is known.
    #[serde(default)]
    pub since: Option<When>,
    /// Where it goes, or where it stands when it goes nowhere.
    #[serde(default)]
    pub wanted: Option<ReleaseView>,
    /// The release of its last deployment that succeeded.
    #[serde(default)]
    pub settled: Option<ReleaseView>,
    /// Members in numbers.
    pub hosts: HostCounts,
    /// Label, value, numbers.
    #[serde(default)]
    pub per: BTreeMap<String, BTreeMap<String, ScopeCounts>>,
    /// Members by what they run; `none` for empty slots.
    #[serde(default)]
    pub versions: BTreeMap<String, u32>,
    /// Its newest deployment.
    #[serde(default)]
    pub deployment: Option<DeploymentView>,
    /// What is waited for while no deployment is in course (catch-up).
    #[serde(default)]
    pub waiting: Vec<WaitingView>,
}
