//! What one host says of itself: always whole, never a difference (PROTOCOL §1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::health::{HealthNote, Standing};
use crate::ids::{DeploymentId, Generation, SessionId};
use crate::metrics::HostMetrics;
use crate::name::{AppName, Why};
use crate::release::Release;
use crate::run::{Outcome, Phase};

/// A host's whole word. `seq` counts changes, `beat` counts frames of this session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The session it belongs to (R3).
    pub session: SessionId,
    /// Higher wins within a session (R4).
    pub seq: u64,
    /// The frame's number.
    pub beat: u64,
    /// Version of the blocked list that the host holds durably (R29).
    pub blocked_version: u64,
    /// One entry for each app that the host knows of.
    pub slots: BTreeMap<AppName, SlotStatus>,
    /// For people; never decided upon.
    pub metrics: Option<HostMetrics>,
}

/// "Sequence `seq` still holds" (≤ 40 bytes of payload).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Sessions in the epoch are counted; the epoch is the connection's.
    pub session_n: u64,
    /// The status that still holds.
    pub seq: u64,
    /// The frame's number.
    pub beat: u64,
}

/// A run that is alive, or that a restarted agent must still end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// The generation that it spent; none for a person's own run at the host (R26).
    pub generation: Option<Generation>,
    /// Where it is going.
    pub release: Release,
    /// What it does now.
    pub phase: Phase,
}

/// A release that the host tried and went back from, in one deployment (R19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was refused.
    pub release: Release,
    /// In which deployment.
    pub deployment: DeploymentId,
    /// As `ValidateService exit 1 "…"`.
    pub why: Why,
    /// The host stands with something inconsistent (promise 4).
    pub needs_hands: bool,
}

/// One consistent snapshot of one slot's ledger record and health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// Highest generation ever received (R5).
    pub seen: Generation,
    /// Highest generation used for a run or given up (R7, R30).
    pub spent: Generation,
    /// The run that is alive.
    pub run: Option<RunStatus>,
    /// What runs, committed.
    pub running: Option<Release>,
    /// Where a local rollback goes.
    pub previous: Option<Release>,
    /// The release whose bits are here, verified, unpacked and preflighted for the newest intent.
    pub staged: Option<Release>,
    /// Newest last, at most 8.
    pub refused: Vec<Refusal>,
    /// A person at the host said: stay. Who and why.
    pub pinned: Option<Why>,
    /// The host will not begin now, and why (R30).
    pub declines: Option<Why>,
    /// Inconsistent: says exactly what (promise 4).
    pub needs_hands: Option<Why>,
    /// By the host's own check (R9).
    pub standing: Standing,
    /// How the last run ended.
    pub last_ended: Option<(Generation, Outcome)>,
    /// For people.
    pub health: HealthNote,
}

impl SlotStatus {
    /// A slot that nothing has happened in.
    pub fn empty(standing: Standing) -> Self {
        Self {
            seen: Generation(0),
            spent: Generation(0),
            run: None,
            running: None,
            previous: None,
            staged: None,
            refused: Vec::new(),
            pinned: None,
            declines: None,
            needs_hands: None,
            standing,
            last_ended: None,
            health: HealthNote::default(),
        }
    }
}
