//! The promises, checked after every step against the truth on the simulated hosts.
//!
//! Nothing here reads the planner's groups or counters: memberships are worked out from labels, floors from members, and
//! who counts from the statuses that were admitted. Which promise is meant stands in each check (DESIGN §3, PROTOCOL §7).

pub mod capacity;
pub mod course;
pub mod grant;
pub mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{DeploymentId, Generation, LedgerId};
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::time::Time;

pub use grant::{Grant, Grants};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// How one host was counted by the coordinator, from the status it admitted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// When the host made that status.
    pub made: Time,
    /// It said available, and no run.
    pub counts: bool,
}

/// What the checks remember.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// The first that was broken.
    pub broken: Option<Violation>,
    /// Each host's last admitted word; forgotten when the coordinator starts.
    pub words: BTreeMap<(AppName, HostName), Word>,
    /// When each host had made the newest status by which any decision could count it.
    pub counted: BTreeMap<(AppName, HostName), Time>,
    /// Permissions as they were derived.
    pub grants: Grants,
    /// Automatic rollbacks since a person's release of the package (promise 6).
    pub rollbacks: BTreeMap<(FleetName, Digest), BTreeSet<DeploymentId>>,
    /// Generations that each ledger has begun, and the highest it has seen (promise 8).
    pub begun: BTreeMap<(HostName, LedgerId, AppName), (Generation, Generation)>,
    /// When an old copy of the store was restored last.
    pub restored: Option<Time>,
    /// After a restore: what each host had seen above the restored counter, until a person goes on (R18).
    pub ahead: BTreeMap<(FleetName, HostName), (Generation, Generation)>,
    /// Times a host was lent without beginning anything, since something came from outside.
    pub fruitless: BTreeMap<HostName, u32>,
    /// Requests that were acknowledged: how many deployments each fleet has had, at least.
    pub acknowledged: BTreeMap<FleetName, u32>,
}

impl Promises {
    /// Notes that a promise is broken; the first one stays.
    pub fn breaks(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { promise, what: what() });
        }
    }

    /// Notes it unless it holds.
    pub fn must(&mut self, holds: bool, promise: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.breaks(promise, what);
        }
    }
}
