//! What comes in: a request with who asks, by which way, why, and when. A start of the coordinator is an input too.

#![expect(missing_docs, reason = "the fields of a request are named by their types, whose docs say what they are")]

use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::ids::{DeploymentId, Epoch, SessionId};
use pilotage_shared::name::{AppName, FleetName, HostName, Reason, Version, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{Heartbeat, Status};
use pilotage_shared::time::Time;
use pilotage_shared::wire::Hello;
use serde::{Deserialize, Serialize};

use crate::world::configuration::Numbers;

/// By which way an input came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// The HTTP API.
    Api,
    /// An agent's connection.
    Agent,
    /// The coordinator itself.
    Own,
}

/// The caller's key, and what it stands for (DESIGN §10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The caller's text.
    pub key: Why,
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
}

/// One input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Who asks; made by the transport.
    pub by: Principal,
    /// By which way.
    pub via: Via,
    /// Why.
    pub reason: Reason,
    /// When it arrived.
    pub at: Time,
    /// For writes of people.
    pub idempotency: Option<Idempotency>,
    /// What is asked.
    pub request: Request,
}

/// What a deployment is to bring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A package of the fleet's app, by version.
    Version(Version),
    /// The same by digest.
    Package(Digest),
    /// What runs, started again.
    Restart,
    /// The package that the fleet is settled on.
    Settled,
    /// One of these with the app's configuration of this number (none: without), instead of the fleet's current one.
    Configured { what: Box<What>, config: Option<u32> },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    // ---- ours
    /// This life begins.
    Start { epoch: Epoch },
    // ---- packages
    /// A package is complete in the store.
    PutPackage { digest: Digest, app: AppName, version: Version, files: u32, bytes: u64 },
    /// Refused while in use.
    DeletePackage { digest: Digest },
    /// From hold (R23).
    ReleasePackage { digest: Digest },
    /// No host that has heard of it may activate it (R29).
    BlockPackage { digest: Digest },
    /// Opens it again.
    UnblockPackage { digest: Digest },
    // ---- configurations
    /// A configuration is complete in the store: it gets the next number of the fleet's app, and with `deploy` it is a
    /// deployment of the fleet's settled package, where there is one.
    PutConfiguration { fleet: FleetName, digest: Digest, numbers: Numbers, deploy: bool },
    /// Refused while in use.
    DeleteConfiguration { app: AppName, number: u32 },
    /// From hold with all packages (R23).
    ReleaseConfiguration { app: AppName, number: u32 },
    // ---- fleets
    /// Declare or change.
    PutFleet { spec: Box<FleetSpec> },
    /// Refused while a deployment is in course.
    DeleteFleet { fleet: FleetName },
    // ---- hosts
    /// Invite a machine: its labels and the hash of its token.
    AddHost { host: HostName, labels: Labels, token: [u8; 32] },
    /// Replace its labels.
    LabelHost { host: HostName, labels: Labels },
    /// Do not touch it.
    CordonHost { host: HostName },
    /// Touch it again.
    UncordonHost { host: HostName },
    /// A member that never counts; or back to active.
    MaintainHost { host: HostName, on: bool },
    /// It never comes back (R13).
    RetireHost { host: HostName },
    /// Forget its refusal in this fleet's newest deployment, and a quarantine.
    RetryHost { host: HostName },
    // ---- deployments
    /// Bring a fleet to a release.
    Deploy { fleet: FleetName, what: What, file_exists: Option<FileExists> },
    /// Begin nothing more.
    Pause { id: DeploymentId },
    /// Go on; also lifts a freeze (R18).
    Resume { fleet: FleetName },
    /// Stop: nobody is moved any more (R24).
    Cancel { id: DeploymentId },
    /// Back to the settled release.
    Rollback { id: DeploymentId },
    // ---- agents
    /// A connection begins.
    Hello { hello: Box<Hello> },
    /// All it has to say.
    Status { status: Box<Status> },
    /// It still holds.
    Heartbeat { heartbeat: Heartbeat },
    /// The connection ended.
    Gone { session: SessionId },
    // ---- after a restore
    /// Go on (R34); `keep_backup`: with what the backup wants, whatever runs; `go_on`: although hosts are missing.
    Recover { keep_backup: bool, go_on: bool },
}
