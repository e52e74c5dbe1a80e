//! Changes of state. Each touches a bounded number of records; none is an effect.
#![expect(missing_docs, reason = "the fields of a change are named by their types, whose docs say what they are")]

use std::collections::BTreeSet;

use pilotage_shared::digest::Digest;
use pilotage_shared::health::HealthNote;
use pilotage_shared::ids::{BootId, DeploymentId, Epoch, Generation, LedgerId, SessionId};
use pilotage_shared::intent::Blocked;
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::{AppName, FleetName, HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::Time;
use serde::{Deserialize, Serialize};

use crate::world::configuration::{Configuration, Held, Pair};
use crate::world::load::Key;
use crate::world::recovery::Verdict;
use crate::world::{Because, Deployment, Fleet, Frozen, Host, IdempotencyKey, Loan, Note, Outcome, Package, Refused, Remembered};

/// One change of state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A life of the coordinator begins (R2, R16).
    Started { epoch: Epoch, at: Time },
    /// Members that were not heard since the start are not waited for any more (R16).
    StartupOver,
    /// R17.
    CounterRaised { to: Generation },
    /// A host was added, or its labels, cordon, state or token changed.
    HostPut { host: Host },
    /// A person retires it: loans dropped and session ended in the same unit (R13).
    HostRetired { host: HostName },
    /// R28, R17.
    Quarantined { host: HostName, why: Why },
    /// A connection said hello; memory only.
    SessionBegan { host: HostName, session: SessionId, ledger: LedgerId, boot: BootId, came_from: Option<Epoch>, agent: Why, at: Time },
    /// The session's first status: the coordinator stores it as confirmed (R28).
    Confirmed { host: HostName, session: SessionId, ledger: LedgerId },
    /// The connection is gone; memory only. The host still has until its silence.
    SessionEnded { host: HostName, session: SessionId },
    /// Not heard from for three heartbeats (R9); memory only.
    Silent { host: HostName },
    /// Heard from; memory only.
    Heard { host: HostName, seq: u64, beat: u64, at: Time },
    /// A host holds a newer blocked list than the store (R29); memory only.
    BlockedSeen { version: u64 },
    /// Its readings; memory only.
    Measured { host: HostName, metrics: HostMetrics },
    /// A slot's facts changed.
    Observed { host: HostName, app: AppName, status: Box<SlotStatus>, refused: Option<Refused>, at: Time },
    /// What the last health check said; memory only.
    Noted { host: HostName, app: AppName, health: HealthNote },
    /// Capacity was lent, or a loan replaced (R8, R10, R31).
    Lent { host: HostName, app: AppName, loan: Loan },
    /// A loan was withdrawn (R8, R15).
    Withdrawn { host: HostName, app: AppName, generation: Generation },
    /// A loan takes a new generation (R17).
    Renumbered { host: HostName, app: AppName, generation: Generation },
    /// A loan has ended (R12).
    Returned { host: HostName, app: AppName },
    /// A fleet was declared.
    FleetPut { fleet: Fleet },
    /// A fleet was deleted; its hosts keep what they run.
    FleetDeleted { fleet: FleetName },
    /// R18.
    Froze { fleet: FleetName, frozen: Frozen },
    /// A person goes on (R18).
    Thawed { fleet: FleetName },
    /// A deployment begins; the one before it is superseded.
    Deployed { deployment: Deployment },
    /// Forward stands still.
    Paused { id: DeploymentId, note: Note },
    /// Forward goes on.
    Resumed { id: DeploymentId, forgiven: u32 },
    /// Forward becomes back; what was new in its release is held in the same unit (R23).
    Turned { id: DeploymentId, to: Release, because: Because, hold: Option<Held>, at: Time },
    /// Everybody is done but those who may follow later, since then; or not any more.
    OthersDone { id: DeploymentId, at: Option<Time>, due: Option<Time> },
    /// The stragglers' time is over.
    StragglersDue { id: DeploymentId },
    /// It is over.
    Ended { id: DeploymentId, outcome: Outcome, because: Option<Because>, left_behind: Vec<HostName>, hold: Option<Held>, at: Time },
    /// A package is known.
    PackagePut { package: Package },
    /// A package is gone.
    PackageDeleted { digest: Digest },
    /// R29.
    BlockedSet { blocked: Blocked },
    /// An answer to repeat.
    Remembered { key: IdempotencyKey, remembered: Remembered },
    /// An answer that need not be repeated any more.
    Forgotten { key: IdempotencyKey },
    /// The store was made of a backup: it recovers (R34).
    Restored { backup: Time, at: Time },
    /// A person goes on (R34).
    GoesOn { note: Note, keep_backup: bool },
    /// One fleet is recovered (R34).
    FleetRecovered { fleet: FleetName, verdict: Verdict, note: Note },
    /// All fleets are (R34).
    Recovered,
    /// A configuration is known.
    ConfigurationPut { configuration: Configuration },
    /// A configuration is gone.
    ConfigurationDeleted { app: AppName, number: u32 },
    /// A person releases packages with their configurations from hold (R23).
    PairsReleased { app: AppName, pairs: Vec<Pair> },
}

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About<'a> {
    /// One app on one host.
    Slot(&'a HostName, &'a AppName),
    /// A host.
    Host(&'a HostName),
    /// A fleet, or a deployment of it.
    Fleet(&'a FleetName),
    /// What belongs to an app.
    App(&'a AppName),
    /// All of it.
    Everything,
    /// It is none: something was heard or taken note of.
    Fact,
}

impl Change {
    /// What it is a decision about.
    pub fn about(&self) -> About<'_> {
        match self {
            Change::Lent { host, app, .. }
            | Change::Withdrawn { host, app, .. }
            | Change::Renumbered { host, app, .. }
            | Change::Returned { host, app } => About::Slot(host, app),
            Change::HostPut { host } => About::Host(&host.id.name),
            Change::HostRetired { host } | Change::Quarantined { host, .. } | Change::Silent { host } => About::Host(host),
            Change::FleetPut { fleet } => About::Fleet(&fleet.spec.name),
            Change::FleetDeleted { fleet } | Change::Froze { fleet, .. } | Change::Thawed { fleet } | Change::FleetRecovered { fleet, .. } => {
                About::Fleet(fleet)
            }
            Change::Deployed { deployment } => About::Fleet(&deployment.id.fleet),
            Change::Paused { id, .. }
            | Change::Resumed { id, .. }
            | Change::Turned { id, .. }
            | Change::OthersDone { id, .. }
            | Change::StragglersDue { id }
            | Change::Ended { id, .. } => About::Fleet(&id.fleet),
            Change::PackagePut { package } => About::App(&package.app),
            Change::ConfigurationPut { configuration } => About::App(&configuration.app),
            Change::PairsReleased { app, .. } => About::App(app),
            Change::Started { .. }
            | Change::StartupOver
            | Change::BlockedSet { .. }
            | Change::Restored { .. }
            | Change::GoesOn { .. }
            | Change::Recovered => About::Everything,
            Change::CounterRaised { .. }
            | Change::SessionBegan { .. }
            | Change::Confirmed { .. }
            | Change::SessionEnded { .. }
            | Change::Heard { .. }
            | Change::BlockedSeen { .. }
            | Change::Measured { .. }
            | Change::Observed { .. }
            | Change::Noted { .. }
            | Change::PackageDeleted { .. }
            | Change::ConfigurationDeleted { .. }
            | Change::Remembered { .. }
            | Change::Forgotten { .. } => About::Fact,
        }
    }

    /// Is it no decision?
    pub fn is_fact(&self) -> bool {
        self.about() == About::Fact
    }
}

/// What a change touched: which records to store, which fleets to plan again, whose intents may differ. A touched fleet
/// means that the intents of *all* its members may differ only when it is in `everybody`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// To be stored (or deleted, where the world has none any more).
    pub records: BTreeSet<Key>,
    /// To be planned again.
    pub fleets: BTreeSet<FleetName>,
    /// Whose intents may differ.
    pub hosts: BTreeSet<HostName>,
    /// Fleets of whose every member the intent may differ: O(members) to publish, only when a deployment begins, turns,
    /// pauses, ends, or the fleet is declared.
    pub everybody: BTreeSet<FleetName>,
    /// Sessions that must be ended now (R13).
    pub hang_up: BTreeSet<HostName>,
}

impl Touched {
    /// Adds another change's touches.
    pub fn join(&mut self, other: Touched) {
        self.records.extend(other.records);
        self.fleets.extend(other.fleets);
        self.hosts.extend(other.hosts);
        self.everybody.extend(other.everybody);
        self.hang_up.extend(other.hang_up);
    }
}
