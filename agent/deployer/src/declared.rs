//! What a release declares beside files and scripts, as a run keeps it in its plan.

use pilotage_agent_core::lifecycle::{Retry, Ways};
use pilotage_bundle::appspec::{self, AppSpec};
use pilotage_shared::time::Millis;
use serde::{Deserialize, Serialize};

/// Of one release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// The systemd unit that is the application.
    pub service: Option<Service>,
    /// How it is drained.
    pub drain: Option<Drain>,
    /// Folders that all its releases share.
    pub shared: Vec<Shared>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// With its suffix.
    pub unit: String,
    /// How long it may take to start, and to stop.
    pub timeout: Millis,
}

/// How requests in course come to their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// At least so long.
    pub wait: Millis,
    /// Then until this script exits with 0.
    pub until: Option<String>,
    /// Never longer.
    pub at_most: Millis,
}

/// One shared folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// In the release.
    pub path: String,
    /// Name or number.
    pub owner: Option<String>,
    /// Name or number.
    pub group: Option<String>,
    /// Of the folder itself.
    pub mode: Option<u32>,
}

impl Declared {
    /// What this AppSpec declares; nothing takes longer than `cap`, the fleet's word about hooks.
    pub fn of(spec: &AppSpec, cap: Millis) -> Self {
        let Some(ours) = &spec.ours else { return Self::default() };
        let shared = |s: &appspec::Shared| Shared { path: s.path.clone(), owner: s.owner.clone(), group: s.group.clone(), mode: s.mode };
        Self {
            service: ours.service.as_ref().map(|s| Service { unit: s.unit.clone(), timeout: s.timeout.min(cap) }),
            drain: ours.drain.as_ref().map(|d| Drain { wait: d.wait.min(cap), until: d.until.clone(), at_most: d.at_most.min(cap) }),
            shared: ours.shared.iter().map(shared).collect(),
        }
    }
}

/// As far as it changes the order of things; all tries of a script together end by `cap`.
pub fn ways(spec: &AppSpec, cap: Millis) -> Ways {
    let Some(ours) = &spec.ours else { return Ways::default() };
    let retry = Retry { times: ours.retry.times, wait: ours.retry.wait, at_most: ours.retry.at_most.min(cap) };
    Ways { service: ours.service.is_some(), drain: ours.drain.is_some(), retry: Some(retry) }
}
