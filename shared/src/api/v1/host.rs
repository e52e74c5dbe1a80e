//! Hosts and their slots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NoteView, ReleaseView, RunOutcomeWord, When};
use crate::fleet::Labels;
use crate::ids::DeploymentId;
use crate::metrics::HostMetrics;
use crate::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Reason};

/// Invites a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddHost {
    /// Its name.
    pub name: HostName,
    /// Its labels.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

/// The answer: the token is shown this once, the coordinator keeps its hash alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostAdded {
    /// Its name.
    pub host: HostName,
    /// Name and join number, as `h1/3`.
    pub id: String,
    /// The agent shows it at every request.
    pub token: String,
}

impl std::fmt::Debug for HostAdded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostAdded").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Changes labels: a value sets, null removes, what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PatchHost {
    /// By key.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Option<String>>))]
    pub labels: BTreeMap<LabelKey, Option<LabelValue>>,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

/// Is a host worked on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum HostStateWord {
    /// Yes.
    Active,
    /// A member that never counts and is not touched.
    Maintenance,
    /// No member any more.
    Retired,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// How a host counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StandingWord {
    /// Healthy for long enough.
    Available,
    /// Healthy, not long enough.
    Settling,
    /// Its check has failed for long enough.
    Down,
    /// Not heard from.
    Unreachable,
    /// Not heard since the coordinator's start.
    Unheard,
    /// No health known. (Also what a reader makes of a newer word.)
    #[serde(other)]
    Unknown,
}

/// A machine with an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostView {
    /// Its name.
    pub host: HostName,
    /// Name and join number, as `h1/3`.
    pub id: String,
    /// Is it worked on?
    pub state: HostStateWord,
    /// The worst standing of its slots; `unreachable`, `unheard` for the whole host.
    pub standing: StandingWord,
    /// From its invitation or from people.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub labels: Labels,
    /// A person said: do not touch.
    #[serde(default)]
    pub cordoned: Option<NoteView>,
    /// Two machines under one identity, or one set back.
    #[serde(default)]
    pub quarantined: Option<String>,
    /// Who added it.
    pub added: NoteView,
    /// The agent's version; none before it connected in this life of the coordinator.
    #[serde(default)]
    pub agent: Option<String>,
    /// When it was last heard from in this life of the coordinator.
    #[serde(default)]
    pub heard_at: Option<When>,
    /// One for each app.
    pub slots: Vec<SlotView>,
    /// Its last reading.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub metrics: Option<HostMetrics>,
}

/// One app on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SlotView {
    /// Which app.
    pub app: AppName,
    /// Whose member it is; none when no fleet's.
    #[serde(default)]
    pub fleet: Option<FleetName>,
    /// What it should run.
    #[serde(default)]
    pub wanted: Option<ReleaseView>,
    /// What it runs, committed.
    #[serde(default)]
    pub running: Option<ReleaseView>,
    /// Where a local rollback goes.
    #[serde(default)]
    pub previous: Option<ReleaseView>,
    /// The fleet's settled release.
    #[serde(default)]
    pub settled: Option<ReleaseView>,
    /// Whose bits are ready.
    #[serde(default)]
    pub staged: Option<ReleaseView>,
    /// It does not run what it should.
    pub behind: bool,
    /// How it counts.
    pub standing: StandingWord,
    /// What it does now, as `idle`, `staged`, `permitted`, `in ApplicationStop`, `back, in ApplicationStart`.
    pub phase: String,
    /// What its last health check said.
    #[serde(default)]
    pub health: String,
    /// For how long it says so, milliseconds.
    #[serde(default)]
    pub health_for_ms: u64,
    /// The run that is alive.
    #[serde(default)]
    pub run: Option<RunNow>,
    /// Out-of-service time that it was lent.
    #[serde(default)]
    pub loan: Option<LoanView>,
    /// What it refused lately, newest last.
    #[serde(default)]
    pub refused: Vec<RefusalView>,
    /// A person at the host said: stay.
    #[serde(default)]
    pub pinned: Option<String>,
    /// It will not begin, and why.
    #[serde(default)]
    pub declines: Option<String>,
    /// Inconsistent: what exactly.
    #[serde(default)]
    pub needs_hands: Option<String>,
    /// How its last run ended.
    #[serde(default)]
    pub last_run: Option<RunOutcomeWord>,
    /// Why, when that was not simply good.
    #[serde(default)]
    pub last_run_why: Option<String>,
    /// Since when no fact of it has changed.
    #[serde(default)]
    pub since: Option<When>,
}

/// A run that is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunNow {
    /// Where it goes.
    pub to: ReleaseView,
    /// The event it is in; none before the first.
    #[serde(default)]
    pub event: Option<String>,
    /// It is on its way back.
    pub back: bool,
    /// The generation that it spent.
    #[serde(default)]
    pub generation: Option<u64>,
}

/// Out-of-service time that was lent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LoanView {
    /// Its own.
    pub generation: u64,
    /// What may be activated.
    pub release: ReleaseView,
    /// On whose behalf.
    pub deployment: DeploymentId,
    /// Taken back, not yet acknowledged.
    pub withdrawn: bool,
    /// Holds only while the host is down.
    pub while_down: bool,
    /// When.
    pub at: When,
}

/// Something that a host tried and went back from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefusalView {
    /// What.
    pub release: ReleaseView,
    /// In which deployment.
    pub deployment: DeploymentId,
    /// As `ValidateService exit 1 "…"`.
    pub why: String,
    /// It left something inconsistent.
    pub needs_hands: bool,
}
