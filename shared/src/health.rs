//! How an application's health is asked, and how a host counts by it.

use serde::{Deserialize, Serialize};

use crate::name::Why;
use crate::text::Text;
use crate::time::Millis;

/// One question to an application. `${NAME}` in texts is replaced on the host from its own `[variables]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Probe {
    /// GET; healthy when the status is 200–399. Only `http://`, to the host itself when a fleet says it.
    Http {
        /// As `http://localhost:8080/healthz`.
        url: Text<300>,
    },
    /// Connect; healthy when accepted.
    Tcp {
        /// As `localhost:5432`.
        address: Text<200>,
    },
    /// Healthy when systemd says `active`.
    Unit {
        /// As `web.service`.
        unit: Text<200>,
    },
    /// Healthy when it exits 0. Only an AppSpec or the host's own file may say it, never a fleet (DESIGN §6).
    Command {
        /// Path inside the package.
        location: Text<300>,
    },
}

/// A health check: the question and how its answers become a standing (R9).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub every: Millis,
    /// How long one answer may take.
    pub timeout: Millis,
    /// `available` after so long without a failed check.
    pub healthy_for: Millis,
    /// `down` after so long of failure.
    pub unhealthy_for: Millis,
    /// Heard from but not available for so long: flapping, hence `down` until available.
    pub deadline: Millis,
}

impl HealthCheck {
    /// The defaults of a fleet file's short form (UI.md e): every 5 s, healthy for 30 s, unhealthy for 15 s, deadline 5 m.
    pub fn of(probe: Probe) -> Self {
        Self {
            probe,
            every: Millis::seconds(5),
            timeout: Millis::seconds(3),
            healthy_for: Millis::seconds(30),
            unhealthy_for: Millis::seconds(15),
            deadline: Millis::seconds(300),
        }
    }
}

/// How a host says its application stands (R9). `unreachable` and `unheard` are the coordinator's own facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// Its check has failed for `unhealthy_for`, or it flaps, or nothing runs in an empty slot that a check watches.
    Down,
    /// No health is known.
    Unknown,
    /// Healthy, but not for `healthy_for` yet.
    Settling,
    /// Healthy for `healthy_for`.
    Available,
}

/// What the last check said; for people, never decided upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthNote {
    /// As `503 Service Unavailable` or `connection refused`.
    pub last: Why,
    /// Since how long it says so, milliseconds.
    pub for_ms: u64,
}
