//! Fleets: the fleet file in its JSON form, and what the coordinator knows of one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NoteView, ReleaseView, Span};
use crate::fleet::{FleetSpec, OnFailure, OnLeave, Stragglers};
use crate::health::{HealthCheck, Probe};
use crate::name::{AppName, FleetName, HostName};
use crate::policy::Amount;
use crate::selector::Selector;
use crate::text::Text;
use crate::time::Millis;

/// A fleet as people declare it: the keys of the fleet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetBody {
    /// Its name.
    pub fleet: FleetName,
    /// What it runs.
    pub app: AppName,
    /// Where.
    pub select: Selector,
    /// How many hosts the author expects.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// Minimum of available hosts.
    pub floor: Floor,
    /// How many may be in change at once.
    #[serde(default)]
    pub parallel: Option<Amount>,
    /// How many may fail, and then.
    #[serde(default)]
    pub failure: Failure,
    /// Who may follow later.
    #[serde(default)]
    pub stragglers: Option<StragglersBody>,
    /// How health is asked.
    #[serde(default)]
    pub health: Option<Health>,
    /// Limits on hooks.
    #[serde(default)]
    pub hooks: Hooks,
    /// What hosts do that leave.
    #[serde(default)]
    pub leave: Leave,
    /// Without a health check: empty slots may be installed into.
    #[serde(default)]
    pub first_install: bool,
}

/// How many hosts the selector should match, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Expect {
    /// At least.
    pub low: u32,
    /// At most.
    pub high: u32,
}

/// Minimum of available hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Floor {
    /// In the whole fleet.
    pub fleet: Amount,
    /// For each value of a label.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Amount>))]
    pub per: BTreeMap<crate::name::LabelKey, Amount>,
}

/// How many may fail, and what happens when more did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// So many, rounded down.
    #[serde(default = "none")]
    pub tolerate: Amount,
    /// Then.
    #[serde(default)]
    pub then: FailureThen,
}

fn none() -> Amount {
    Amount::Count(0)
}

impl Default for Failure {
    fn default() -> Self {
        Self { tolerate: none(), then: FailureThen::default() }
    }
}

/// What happens when more failed than are tolerated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum FailureThen {
    /// The whole fleet goes back to its settled release.
    #[default]
    Rollback,
    /// Nothing more is begun.
    Stop,
    /// Waits for a person.
    Pause,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// Members that a deployment may end without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StragglersBody {
    /// How long they are waited for, after everybody else is done.
    pub after: Span,
    /// At most so many.
    pub at_most: Amount,
    /// Then.
    #[serde(default)]
    pub then: StragglersThen,
}

/// What stragglers do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StragglersThen {
    /// They get the release when they come.
    #[default]
    Follow,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// A health check: exactly one of `http`, `tcp`, `unit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// GET; healthy when the status is 200–399.
    #[serde(default)]
    pub http: Option<Text<300>>,
    /// Connect; healthy when accepted.
    #[serde(default)]
    pub tcp: Option<Text<200>>,
    /// Healthy when systemd says `active`.
    #[serde(default)]
    pub unit: Option<Text<200>>,
    /// How often; 5s.
    #[serde(default)]
    pub every: Option<Span>,
    /// How long one answer may take; 3s.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Available after so long without a failed check; 30s.
    #[serde(default)]
    pub healthy_for: Option<Span>,
    /// Down after so long of failure; 15s.
    #[serde(default)]
    pub unhealthy_for: Option<Span>,
    /// Not available for so long: flapping, hence down; 5m.
    #[serde(default)]
    pub deadline: Option<Span>,
}

/// Limits on hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hooks {
    /// The longest any one hook may run; 1h.
    #[serde(default = "hour")]
    pub timeout: Span,
}

fn hour() -> Span {
    Span(Millis::seconds(3600))
}

impl Default for Hooks {
    fn default() -> Self {
        Self { timeout: hour() }
    }
}

/// What hosts do that leave the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Leave {
    /// They keep what they run.
    #[default]
    Keep,
    /// A word of a newer version.
    #[serde(other)]
    Unknown,
}

/// A fleet as the coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetView {
    /// Its name.
    pub fleet: FleetName,
    /// As it was declared.
    pub spec: FleetBody,
    /// Members.
    pub members: u32,
    /// The release of its last deployment that succeeded.
    #[serde(default)]
    pub settled: Option<ReleaseView>,
    /// Who declared it last.
    pub applied: NoteView,
}

/// The answer to a declaration (also to a dry run).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetApplied {
    /// Its name.
    pub fleet: FleetName,
    /// It did not exist before.
    pub created: bool,
    /// Something differs from before.
    pub changed: bool,
    /// Nothing was changed: it was only asked.
    pub dry_run: bool,
    /// Members now (or then).
    pub members: u32,
    /// The floor in hosts.
    pub floor: u32,
    /// Members now (or then): the first 20.
    pub hosts: Vec<HostName>,
    /// Hosts that came: the first 20.
    pub gained: Vec<HostName>,
    /// Hosts that left: the first 20.
    pub lost: Vec<HostName>,
}

/// Why a declaration cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetBodyError {
    /// None or several probes.
    #[error("health: write exactly one of http, tcp, unit")]
    Probe,
    /// A word that this version does not know.
    #[error("{0}: a word that this version does not know")]
    Word(&'static str),
    /// The range is empty.
    #[error("expect: {low} is more than {high}")]
    Expect {
        /// At least.
        low: u32,
        /// At most.
        high: u32,
    },
}

impl From<&FleetSpec> for FleetBody {
    fn from(spec: &FleetSpec) -> Self {
        Self {
            fleet: spec.name.clone(),
            app: spec.app.clone(),
            select: spec.select.clone(),
            expect: spec.expect.map(|(low, high)| Expect { low, high }),
            floor: Floor { fleet: spec.floor, per: spec.floor_per.clone() },
            parallel: spec.parallel,
            failure: Failure {
                tolerate: spec.tolerate,
                then: match spec.on_failure {
                    OnFailure::Rollback => FailureThen::Rollback,
                    OnFailure::Stop => FailureThen::Stop,
                    OnFailure::Pause => FailureThen::Pause,
                },
            },
            stragglers: spec.stragglers.map(|s| StragglersBody { after: Span(s.after), at_most: s.at_most, then: StragglersThen::Follow }),
            health: spec.health.as_ref().map(Health::from),
            hooks: Hooks { timeout: Span(spec.hook_timeout) },
            leave: match spec.leave {
                OnLeave::Keep => Leave::Keep,
            },
            first_install: spec.first_install,
        }
    }
}

impl From<&HealthCheck> for Health {
    fn from(check: &HealthCheck) -> Self {
        let mut health = Health {
            every: Some(Span(check.every)),
            timeout: Some(Span(check.timeout)),
            healthy_for: Some(Span(check.healthy_for)),
            unhealthy_for: Some(Span(check.unhealthy_for)),
            deadline: Some(Span(check.deadline)),
            ..Health::default()
        };
        match &check.probe {
            Probe::Http { url } => health.http = Some(url.clone()),
            Probe::Tcp { address } => health.tcp = Some(address.clone()),
            Probe::Unit { unit } => health.unit = Some(unit.clone()),
            // A fleet never says it (the core refuses it at the door).
            Probe::Command { .. } => {}
        }
        health
    }
}

impl TryFrom<Health> for HealthCheck {
    type Error = FleetBodyError;
    fn try_from(health: Health) -> Result<Self, FleetBodyError> {
        let probe = match (health.http, health.tcp, health.unit) {
            (Some(url), None, None) => Probe::Http { url },
            (None, Some(address), None) => Probe::Tcp { address },
            (None, None, Some(unit)) => Probe::Unit { unit },
            _ => return Err(FleetBodyError::Probe),
        };
        let default = HealthCheck::of(probe);
        let or = |given: Option<Span>, default: Millis| given.map_or(default, |span| span.0);
        Ok(HealthCheck {
            every: or(health.every, default.every),
            timeout: or(health.timeout, default.timeout),
            healthy_for: or(health.healthy_for, default.healthy_for),
            unhealthy_for: or(health.unhealthy_for, default.unhealthy_for),
            deadline: or(health.deadline, default.deadline),
            probe: default.probe,
        })
    }
}

impl TryFrom<FleetBody> for FleetSpec {
    type Error = FleetBodyError;
    fn try_from(body: FleetBody) -> Result<Self, FleetBodyError> {
        if let Some(Expect { low, high }) = body.expect.filter(|e| e.low > e.high) {
            return Err(FleetBodyError::Expect { low, high });
        }
        let stragglers = match body.stragglers {
            Some(StragglersBody { then: StragglersThen::Unknown, .. }) => return Err(FleetBodyError::Word("stragglers.then")),
            Some(s) => Some(Stragglers { after: s.after.0, at_most: s.at_most }),
            None => None,
        };
        Ok(FleetSpec {
            name: body.fleet,
            app: body.app,
            select: body.select,
            expect: body.expect.map(|e| (e.low, e.high)),
            floor: body.floor.fleet,
            floor_per: body.floor.per,
            parallel: body.parallel,
            tolerate: body.failure.tolerate,
            on_failure: match body.failure.then {
                FailureThen::Rollback => OnFailure::Rollback,
                FailureThen::Stop => OnFailure::Stop,
                FailureThen::Pause => OnFailure::Pause,
                FailureThen::Unknown => return Err(FleetBodyError::Word("failure.then")),
            },
            stragglers,
            health: body.health.map(HealthCheck::try_from).transpose()?,
            hook_timeout: body.hooks.timeout.0,
            leave: match body.leave {
                Leave::Keep => OnLeave::Keep,
                Leave::Unknown => return Err(FleetBodyError::Word("leave")),
            },
            first_install: body.first_install,
        })
    }
}
