//! What the coordinator wants one host to do for one app: a level, whole each time (PROTOCOL §1). Data only: nothing in it
//! is executed, put into an environment, or used as a path.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::file_exists::FileExists;
use crate::health::HealthCheck;
use crate::ids::{DeploymentId, Generation, SessionId};
use crate::name::AppName;
use crate::release::Release;
use crate::time::Millis;

/// How far the host may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Go {
    /// Stay as you are; a withdrawal of what was permitted is this at a new generation (R8).
    Keep,
    /// Fetch, verify, unpack and preflight the release; stop nothing.
    Stage,
    /// You may take the app out of service now and bring it to the release (R6).
    Activate,
}

/// The newest status or heartbeat that the coordinator had taken in when it derived an intent (R4, R6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Answers {
    /// The status's sequence in this session.
    pub seq: u64,
    /// The frame's number in this session.
    pub beat: u64,
}

/// Packages that no host that has heard of it may activate (R29).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Rises with each change.
    pub version: u64,
    /// Package digests, sorted.
    pub packages: Vec<Digest>,
}

/// The whole wish for one (host, app).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The session it is valid in (R3).
    pub session: SessionId,
    /// What it answers.
    pub answers: Answers,
    /// Of which app.
    pub app: AppName,
    /// Older ones lose (R5).
    pub generation: Generation,
    /// For which deployment; catch-up names the fleet's last one.
    pub deployment: Option<DeploymentId>,
    /// What it is about; none when the fleet has nothing to say yet.
    pub release: Option<Release>,
    /// How far.
    pub go: Go,
    /// The permission holds only while the host's own standing is `down` (R6, R15).
    pub while_down: bool,
    /// The fleet's health check, checked even before the first package is there.
    pub health: Option<HealthCheck>,
    /// The longest any one hook may run here.
    pub hook_timeout: Millis,
    /// Statements about the release's digest; empty until proofs exist (DESIGN §5).
    pub proofs: Vec<Digest>,
    /// Upload the running hook's output as it comes (a level, not an order).
    pub follow: bool,
    /// What the deployment that brings the release says of files that are there and are not ours (C1); none: nothing.
    pub file_exists: Option<FileExists>,
    /// The fleet has no health check and says that an empty slot may be installed into (DESIGN §10).
    pub first_install: bool,
}
