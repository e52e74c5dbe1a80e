//! Why something does not move: the exact set of things, from the code that decided (R32).
//!
//! Property: remove the whole set and it moves. An empty set means that it moves by itself at the next input.

use pilotage_shared::name::HostName;
use pilotage_shared::time::Time;

/// How many hosts are named; the rest are counted.
pub const NAMED: usize = 20;

/// One thing that is waited for, with the hosts that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What.
    pub cause: Cause,
    /// How many hosts it is about; 0 when it is about the whole fleet.
    pub count: u32,
    /// The first [`NAMED`] of them by name.
    pub hosts: Vec<HostName>,
    /// When it lifts by itself, where that is known.
    pub lifts_at: Option<Time>,
    /// Of a floor: the members of its scope that do not count, by why (R32).
    pub missing: Vec<Missing>,
}

/// Members that do not count for a floor, all for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Why.
    pub why: Absence,
    /// How many.
    pub count: u32,
    /// The first [`NAMED`] of them by name.
    pub hosts: Vec<HostName>,
}

/// Why a member does not count (R10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// It was lent, or a run is reported.
    InChange,
    /// Healthy, not long enough yet.
    Settling,
    /// Not heard since the coordinator's start (R16).
    Unheard,
    /// Its health check fails.
    Down,
    /// No health known.
    Unknown,
    /// Not heard from.
    Unreachable,
    /// R11.
    Maintenance,
    /// R28.
    Quarantined,
}

impl Absence {
    /// Does it pass without anybody?
    pub fn passes_by_itself(self) -> bool {
        match self {
            Absence::InChange | Absence::Settling | Absence::Unheard => true,
            Absence::Down | Absence::Unknown | Absence::Unreachable | Absence::Maintenance | Absence::Quarantined => false,
        }
    }
}

impl Waiting {
    /// Does it lift without a person? What moves by itself is progress, what does not is a blocker. A floor lifts by itself
    /// while somebody who does not count now is on the way.
    pub fn lifts_by_itself(&self) -> bool {
        match self.cause {
            Cause::Floor { .. } => self.missing.iter().any(|m| m.why.passes_by_itself()),
            _ => self.cause.lifts_by_itself(),
        }
    }
}

/// The kinds of things that are waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Fetching, verifying, unpacking.
    Staging,
    /// Fewer than enough count in this scope to take one more (R10, R11).
    Floor {
        /// `fleet` or `zone=a`.
        scope: String,
        /// Count now.
        counted: u32,
        /// Must.
        floor: u32,
        /// Members.
        members: u32,
    },
    /// As many in change as may be.
    Batch {
        /// The limit.
        limit: u32,
    },
    /// Lent and not begun.
    NotBegun,
    /// Withdrawn and not acknowledged.
    Withdrawing,
    /// A run is in course.
    InChange,
    /// Healthy, not long enough yet.
    Settling,
    /// Not heard from.
    Unreachable,
    /// Not heard since the coordinator's start (R16).
    Unheard,
    /// On the target, no health known.
    Unknown,
    /// Refused in this deployment (R19).
    Refused,
    /// The host will not begin (R30).
    Declines,
    /// A person at the host said: stay.
    Pinned,
    /// A person at the coordinator said: do not touch.
    Cordoned,
    /// In maintenance.
    Maintenance,
    /// R28.
    Quarantined,
    /// Inconsistent: a person must look (promise 4).
    NeedsHands,
    /// Something may be running there, and the fleet has neither a health check nor `first_install` (DESIGN §10).
    FirstInstall,
    /// Paused by a person or by the policy.
    Paused,
    /// R18.
    Frozen,
    /// The package is held (R23) or blocked (R29).
    Held,
    /// The fleet has no members.
    NoMembers,
    /// Stragglers have until then.
    Stragglers,
    /// The store was made of a backup; the hosts are those that were not heard since (R34).
    Recovering,
    /// Its members stay where a recovery has found them (R34).
    LeftAsIs,
}

impl Cause {
    /// The stable word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Cause::Staging => "staging",
            Cause::Floor { .. } => "floor",
            Cause::Batch { .. } => "batch",
            Cause::NotBegun => "not-begun",
            Cause::Withdrawing => "withdrawing",
            Cause::InChange => "in-change",
            Cause::Settling => "settling",
            Cause::Unreachable => "unreachable",
            Cause::Unheard => "unheard",
            Cause::Unknown => "unknown",
            Cause::Refused => "refused",
            Cause::Declines => "declines",
            Cause::Pinned => "pinned",
            Cause::Cordoned => "cordoned",
            Cause::Maintenance => "maintenance",
            Cause::Quarantined => "quarantined",
            Cause::NeedsHands => "needs-hands",
            Cause::FirstInstall => "first-install",
            Cause::Paused => "paused",
            Cause::Frozen => "frozen",
            Cause::Held => "held",
            Cause::NoMembers => "no-members",
            Cause::Stragglers => "stragglers",
            Cause::Recovering => "recovering",
            Cause::LeftAsIs => "left-as-is",
        }
    }

    /// Does it lift without a person, as far as the cause alone says it?
    fn lifts_by_itself(&self) -> bool {
        match self {
            Cause::Staging
            | Cause::Floor { .. }
            | Cause::Batch { .. }
            | Cause::NotBegun
            | Cause::Withdrawing
            | Cause::InChange
            | Cause::Settling
            | Cause::Unheard
            | Cause::Stragglers => true,
            Cause::Unreachable
            | Cause::Unknown
            | Cause::Refused
            | Cause::Declines
            | Cause::Pinned
            | Cause::Cordoned
            | Cause::Maintenance
            | Cause::Quarantined
            | Cause::NeedsHands
            | Cause::FirstInstall
            | Cause::Paused
            | Cause::Frozen
            | Cause::Held
            | Cause::NoMembers
            | Cause::Recovering
            | Cause::LeftAsIs => false,
        }
    }
}
