//! The state of the world: what is stored (one struct for each kind of record, ≤ 4 KiB each), what is only remembered in
//! this life of the process, and the indexes that are derived from both.
//!
//! [`World::apply`](crate::apply) is the only mutation. The derived part is kept up to date by `world/index.rs` and can be
//! rebuilt from the rest at any time; a test compares the two.

pub mod configuration;
pub mod facts;
pub mod index;
pub mod load;
pub mod recovery;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::ids::{BootId, DeploymentId, Epoch, Generation, HostId, LedgerId, SessionId};
use pilotage_shared::intent::Blocked;
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::{AppName, FleetName, HostName, Reason, Version, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Time};
use serde::{Deserialize, Serialize};

use configuration::{Configuration, Pair};
use facts::Groups;
use recovery::{Left, Recovering};

/// Who did something, when and why; every record that a person or program causes carries one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Who.
    pub by: Principal,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Time,
}

/// Is a host worked on?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostState {
    /// Yes.
    Active,
    /// A member that never counts and is not touched (R11).
    Maintenance,
    /// No member any more; its identity is refused (R13).
    Retired,
}

/// A machine with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Name and join number.
    pub id: HostId,
    /// Is it worked on?
    pub state: HostState,
    /// From its invitation or from people; never from itself.
    pub labels: Labels,
    /// SHA-256 of the token that its agent shows.
    pub token: [u8; 32],
    /// Not touched, still a member, counts if available.
    pub cordoned: Option<Note>,
    /// Two machines under one identity, or one set back (R28), or a counter out of bounds (R17).
    pub quarantined: Option<Why>,
    /// The ledger of its last confirmed session.
    pub ledger: Option<LedgerId>,
    /// The last session that it has answered with a status (R28).
    pub confirmed: Option<SessionId>,
    /// Who added it.
    pub added: Note,
}

/// A fleet that waits for a person because a host knew a newer world than the store (R18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The host that was ahead.
    pub host: HostName,
    /// What it had seen.
    pub seen: Generation,
    /// What the store's counter was.
    pub counter: Generation,
    /// The epoch of the host's last session before this one: of the world that the store has forgotten.
    pub epoch: Option<Epoch>,
    /// When.
    pub at: Time,
}

/// An app on the hosts that a selector matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// As people declared it.
    pub spec: FleetSpec,
    /// The release of its last deployment that succeeded.
    pub settled: Option<Release>,
    /// What that deployment said of files that are there and are not ours.
    pub settled_file_exists: Option<FileExists>,
    /// The number of its newest deployment; 0 when there was none.
    pub newest: u32,
    /// The newest deployment is in course.
    pub active: bool,
    /// The newest deployment was stopped: its release, beside which nobody is moved (R24).
    pub unsettled: Option<Release>,
    /// R18.
    pub frozen: Option<Frozen>,
    /// Forgotten epochs beside which a person has gone on: hosts that come from them do not freeze it again (R18).
    pub thawed: Vec<Option<Epoch>>,
    /// Who declared it last.
    pub applied: Note,
}

/// Why a deployment turned, or was stopped by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Because {
    /// More failed than were tolerated (R21).
    TooManyFailed {
        /// How many.
        failed: u32,
        /// How many may.
        tolerated: u32,
        /// The first 20 by name.
        hosts: Vec<HostName>,
    },
    /// A person asked.
    Asked(Note),
}

/// Where a deployment is in its course (PROTOCOL §2). Back never becomes forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Course {
    /// Towards its release.
    Forward,
    /// Towards the settled release.
    Back {
        /// Which.
        to: Release,
        /// Why.
        because: Because,
        /// Since when.
        at: Time,
    },
    /// Over.
    Ended {
        /// How.
        outcome: Outcome,
        /// When.
        at: Time,
        /// Why it did not simply succeed.
        because: Option<Because>,
    },
}

/// How a deployment ended (promise 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// Observed on every member, but for named exceptions (R25).
    Succeeded,
    /// Every member reports the settled release (R25).
    RolledBack,
    /// By a person, or because there was nothing to go back to (R20).
    Stopped,
    /// A newer deployment took its place.
    Superseded,
    /// A host stands with something inconsistent, or refused the settled release (R22).
    NeedsHands,
}

impl Outcome {
    /// In people's words, as `rolled back`.
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::RolledBack => "rolled back",
            Outcome::Stopped => "stopped",
            Outcome::Superseded => "superseded",
            Outcome::NeedsHands => "needs hands",
        }
    }
}

/// One attempt to bring a fleet to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `fleet.n`.
    pub id: DeploymentId,
    /// Where to.
    pub release: Release,
    /// What is done with files that are there and are not ours, where the AppSpec does not say it (C1).
    pub file_exists: Option<FileExists>,
    /// The settled release when it began: where a rollback goes.
    pub over: Option<Release>,
    /// Its generation: hosts without a loan are told at this one (R8).
    pub base: Generation,
    /// Who asked, why, when.
    pub started: Note,
    /// Only in forward.
    pub paused: Option<Note>,
    /// Where it is.
    pub course: Course,
    /// When everybody was done but those who may follow later; their time counts from here.
    pub others_done: Option<Time>,
    /// When that time is over.
    pub stragglers_at: Option<Time>,
    /// That time is over: stragglers need not be waited for.
    pub stragglers_due: bool,
    /// Failures that a person has seen and gone on from (a pause by rule was resumed).
    pub forgiven: u32,
    /// Members that ended it as exceptions: failed within tolerance, stragglers, pinned; at most 20 named.
    pub left_behind: Vec<HostName>,
}

/// Out-of-service time of (host, app) that was lent (R10–R15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loan {
    /// Its own; each loan, replacement and withdrawal has a new one (R8).
    pub generation: Generation,
    /// What may be activated.
    pub release: Release,
    /// On whose behalf.
    pub deployment: DeploymentId,
    /// Lent because the host was observed `down`; holds only while it is (R15).
    pub while_down: bool,
    /// The host was `down` when it was lent (R21).
    pub was_down: bool,
    /// Taken back; ends when the host has seen it (R12).
    pub withdrawn: bool,
    /// When.
    pub at: Time,
}

/// The newest refusal by a host (R19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What.
    pub release: Release,
    /// In which deployment.
    pub deployment: DeploymentId,
    /// The host was `down` when it was lent (R21).
    pub was_down: bool,
}

/// One app on one host: what it last said, and what it was lent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The host's own word; none before its first.
    pub status: Option<SlotStatus>,
    /// What it was lent, by whichever fleet or deployment (R14).
    pub loan: Option<Loan>,
    /// The newest refusal.
    pub refused: Option<Refused>,
    /// When a fact of it last changed.
    pub since: Time,
}

/// A package may not be used until a person releases it (R23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The deployment that turned.
    pub by: DeploymentId,
    /// When.
    pub at: Time,
    /// What failed, for people.
    pub why: Why,
}

/// One immutable version of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its manifest's SHA-256.
    pub digest: Digest,
    /// Of which app.
    pub app: AppName,
    /// People's name for it.
    pub version: Version,
    /// Files in it.
    pub files: u32,
    /// Bytes unpacked.
    pub bytes: u64,
    /// Who brought it.
    pub added: Note,
    /// It failed somewhere.
    pub held: Option<Hold>,
    /// A person's last release from hold (R23).
    pub released: Option<Note>,
}

/// The answer to an earlier request under the same key (DESIGN §10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// SHA-256 of method, path and body.
    pub request: [u8; 32],
    /// What was answered.
    pub answer: crate::answer::Answer,
    /// When.
    pub at: Time,
}

/// Whose key it is, and the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// Whose.
    pub by: Principal,
    /// The caller's own text.
    pub key: Why,
}

/// One host's connection in this epoch; memory only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Of the newest session.
    pub session: SessionId,
    /// A status of *this session* was admitted (R3).
    pub told: bool,
    /// A status of *this epoch* was admitted (R16).
    pub heard: bool,
    /// Connected, and not silent for three heartbeats.
    pub reachable: bool,
    /// Highest sequence admitted (R4).
    pub seq: u64,
    /// Highest frame number taken in.
    pub beat: u64,
    /// When it was last heard from.
    pub heard_at: Time,
    /// From its hello.
    pub ledger: LedgerId,
    /// From its hello.
    pub boot: BootId,
    /// The epoch of its last session before this one.
    pub came_from: Option<Epoch>,
    /// The agent's version.
    pub agent: Why,
    /// Its last reading.
    pub metrics: Option<HostMetrics>,
}

/// Times that the operator of the coordinator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often hosts report.
    pub heartbeat: Millis,
}

impl Settings {
    /// A host not heard from for so long is unreachable: three heartbeats (R9).
    pub fn silence(&self) -> Millis {
        Millis(self.heartbeat.0 * 3)
    }
    /// How old a permission may be: three heartbeats (R6).
    pub fn lease(&self) -> Millis {
        Millis(self.heartbeat.0 * 3)
    }
}

/// Something that becomes a change when its time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The host falls silent.
    Silence(HostName),
    /// The stragglers of a deployment need not be waited for any more.
    Stragglers(DeploymentId),
    /// Members that were not heard since the start are not waited for any more (R16).
    Startup,
}

/// Everything the coordinator decides by.
#[derive(Clone, Debug)]
pub struct World {
    // ---- stored ----
    /// Rises with each loan, replacement, withdrawal and deployment (R8).
    pub counter: Generation,
    /// The coordinator's own epochs, oldest first, at most 64 (R28).
    pub epochs: Vec<Epoch>,
    /// The counter at the start of each of them: nobody can have seen more before its first status in it (R18).
    pub starts: BTreeMap<Epoch, Generation>,
    /// By name.
    pub hosts: BTreeMap<HostName, Host>,
    /// By name.
    pub fleets: BTreeMap<FleetName, Fleet>,
    /// By digest.
    pub packages: BTreeMap<Digest, Package>,
    /// The newest 50 of each fleet.
    pub deployments: BTreeMap<DeploymentId, Deployment>,
    /// By app and host.
    pub slots: BTreeMap<(AppName, HostName), Slot>,
    /// R29.
    pub blocked: Blocked,
    /// Answers to repeat.
    pub remembered: BTreeMap<IdempotencyKey, Remembered>,
    /// Made of a backup, and no person has gone on yet (R34).
    pub recovering: Option<Recovering>,
    /// Fleets whose members stay where they are since then (R34).
    pub left: BTreeMap<FleetName, Left>,
    /// By app and number.
    pub configurations: BTreeMap<(AppName, u32), Configuration>,
    /// A package with a configuration that failed where the package was settled (R23).
    pub held_pairs: BTreeMap<Pair, Hold>,

    // ---- memory of this life ----
    /// Times set by the operator.
    pub settings: Settings,
    /// This life's epoch; none before the start was admitted.
    pub epoch: Option<Epoch>,
    /// The newest blocked list that a host has told of; above ours after a restore (R29).
    pub blocked_seen: u64,
    /// Sessions handed out in this epoch.
    pub sessions: u64,
    /// R16: one silence time has passed since the start.
    pub startup_over: bool,
    /// When that will be.
    pub startup_at: Option<Time>,
    /// Hosts that have connected in this epoch.
    pub live: BTreeMap<HostName, Live>,

    // ---- derived ----
    /// Apps that any slot or fleet names.
    pub apps: BTreeSet<AppName>,
    /// Digest by what people call it.
    pub versions: BTreeMap<(AppName, Version), Digest>,
    /// A configuration's number by its content.
    pub config_numbers: BTreeMap<(AppName, Digest), u32>,
    /// Each host's fleet for each app.
    pub member_of: BTreeMap<HostName, BTreeMap<AppName, FleetName>>,
    /// Each fleet's members, grouped by their facts.
    pub groups: BTreeMap<FleetName, Groups>,
    /// Where each member stands in the groups.
    pub placed: BTreeMap<(HostName, FleetName), Arc<facts::Facts>>,
    /// Loans of hosts that are in no fleet of that app (R14).
    pub strays: BTreeSet<(AppName, HostName)>,
    /// The passing of time as changes.
    pub due: BTreeSet<(Time, Due)>,
    /// Whose answers can be forgotten first.
    pub remembered_at: BTreeSet<(Time, IdempotencyKey)>,
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Self {
        Self {
            counter: Generation(0),
            epochs: Vec::new(),
            starts: BTreeMap::new(),
            hosts: BTreeMap::new(),
            fleets: BTreeMap::new(),
            packages: BTreeMap::new(),
            deployments: BTreeMap::new(),
            slots: BTreeMap::new(),
            blocked: Blocked::default(),
            remembered: BTreeMap::new(),
            recovering: None,
            left: BTreeMap::new(),
            configurations: BTreeMap::new(),
            held_pairs: BTreeMap::new(),
            settings,
            epoch: None,
            blocked_seen: 0,
            sessions: 0,
            startup_over: false,
            startup_at: None,
            live: BTreeMap::new(),
            apps: BTreeSet::new(),
            versions: BTreeMap::new(),
            config_numbers: BTreeMap::new(),
            member_of: BTreeMap::new(),
            groups: BTreeMap::new(),
            placed: BTreeMap::new(),
            strays: BTreeSet::new(),
            due: BTreeSet::new(),
            remembered_at: BTreeSet::new(),
        }
    }

    /// The fleet's newest deployment, in course or not.
    pub fn newest(&self, fleet: &Fleet) -> Option<&Deployment> {
        self.deployments.get(&DeploymentId { fleet: fleet.spec.name.clone(), number: fleet.newest })
    }

    /// The fleet's deployment in course.
    pub fn active(&self, fleet: &Fleet) -> Option<&Deployment> {
        self.newest(fleet).filter(|_| fleet.active)
    }

    /// The slot, where the host has one.
    #[inline]
    pub fn slot(&self, app: &AppName, host: &HostName) -> Option<&Slot> {
        self.slots.get(&(app.clone(), host.clone()))
    }

    /// How many members a fleet has now (R11).
    pub fn members(&self, fleet: &FleetName) -> u32 {
        self.groups.get(fleet).map_or(0, |g| g.values().map(|hosts| hosts.len() as u32).sum())
    }

    /// May nobody use this release now: its package held (R23) or blocked (R29), or held with this configuration?
    pub fn barred(&self, release: &Release) -> bool {
        self.barred_package(&release.package) || self.held_pairs.contains_key(&Pair::of(release))
    }

    /// May nobody use this package now, whatever its configuration?
    pub fn barred_package(&self, package: &Digest) -> bool {
        self.packages.get(package).is_some_and(|p| p.held.is_some()) || self.blocked.packages.contains(package)
    }

    /// `web@1.4.2`, or the digest's beginning when the package is gone.
    pub fn package_name(&self, digest: &Digest) -> String {
        self.packages.get(digest).map_or_else(|| digest.short(), |p| format!("{}@{}", p.app, p.version))
    }
}
