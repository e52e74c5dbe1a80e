//! Why something does not move (R32), for people and machines.

use serde::{Deserialize, Serialize};

use super::{DeploymentState, When};
use crate::ids::DeploymentId;
use crate::name::{FleetName, HostName};

/// The kinds of things that are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum WaitingKind {
    /// Fetching, verifying, unpacking.
    Staging,
    /// Too few count in a scope to take one more.
    Floor,
    /// As many in change as may be.
    Batch,
    /// Permitted and not begun.
    NotBegun,
    /// Taken back and not acknowledged.
    Withdrawing,
    /// A run is in course.
    InChange,
    /// Healthy, not long enough yet.
    Settling,
    /// Not heard from.
    Unreachable,
    /// Not heard since the coordinator's start.
    Unheard,
    /// On the target and down.
    Down,
    /// On the target, no health known.
    UnknownHealth,
    /// Refused in this deployment.
    Refused,
    /// The host will not begin.
    Declines,
    /// A person at the host said: stay.
    Pinned,
    /// A person at the coordinator said: do not touch.
    Cordoned,
    /// In maintenance.
    Maintenance,
    /// Two machines under one identity, or one set back.
    Quarantined,
    /// Inconsistent: a person must look.
    NeedsHands,
    /// Something may be running there and nobody can say.
    FirstInstall,
    /// Paused.
    Paused,
    /// A host knew a newer world than the store.
    Frozen,
    /// The package is held or blocked.
    Held,
    /// The fleet has no members.
    NoMembers,
    /// Stragglers have until then.
    Stragglers,
    /// The coordinator was restored from a backup, and no person has gone on yet.
    Recovering,
    /// Left where a recovery has found them, until a person deploys.
    LeftAsIs,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Why a member does not count for a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MissingWhy {
    /// It may be out of service for a change.
    InChange,
    /// Healthy, not long enough yet.
    Settling,
    /// Not heard since the coordinator's start.
    Unheard,
    /// Its health check fails.
    Down,
    /// No health known.
    UnknownHealth,
    /// Not heard from.
    Unreachable,
    /// In maintenance.
    Maintenance,
    /// In quarantine.
    Quarantined,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Members that do not count for a floor, all for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissingView {
    /// Why.
    pub why: MissingWhy,
    /// How many.
    pub count: u32,
    /// The first 20 of them, each with its own reason.
    pub hosts: Vec<WaitingHost>,
}

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitingView {
    /// Stable while it lasts, as `floor:zone=a`.
    pub id: String,
    /// What kind.
    pub kind: WaitingKind,
    /// It does not lift without somebody: a blocker, not progress.
    pub blocks: bool,
    /// One line for people, with its numbers.
    pub text: String,
    /// How many hosts it is about; 0 when it is about the whole fleet.
    pub count: u32,
    /// The first 20 of them, each with its own reason.
    pub hosts: Vec<WaitingHost>,
    /// `fleet` or `zone=a`, where it is about a floor.
    #[serde(default)]
    pub scope: Option<String>,
    /// Hosts that count now, where it is about a floor.
    #[serde(default)]
    pub counted: Option<u32>,
    /// Hosts that must count, or may be in change.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Members that do not count, by why, where it is about a floor.
    #[serde(default)]
    pub missing: Vec<MissingView>,
    /// Since when, where that is known.
    #[serde(default)]
    pub since: Option<When>,
    /// When it lifts by itself, where that is known.
    #[serde(default)]
    pub lifts_at: Option<When>,
    /// What must be true for it to lift.
    pub lifts_when: String,
    /// Who can lift it.
    #[serde(default)]
    pub who: Vec<String>,
    /// The command that does.
    #[serde(default)]
    pub lift: Option<String>,
}

/// A host that something is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WaitingHost {
    /// Which.
    pub host: HostName,
    /// Its own reason, as `in ApplicationStop` or `ValidateService exit 7`; empty when the kind says it all.
    #[serde(default)]
    pub why: String,
    /// Since when a fact of it has not changed.
    #[serde(default)]
    pub since: Option<When>,
}

/// Why a fleet or deployment does not move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// Whose.
    pub fleet: FleetName,
    /// Of which deployment; none for a fleet that only catches up.
    #[serde(default)]
    pub deployment: Option<DeploymentId>,
    /// Where that is.
    pub state: DeploymentState,
    /// What is waited for, blockers first. Empty: it is over, or moves at once.
    pub waiting: Vec<WaitingView>,
}
