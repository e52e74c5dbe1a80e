//! The facts by which a fleet's members are grouped: everything that the planner decides by, and nothing relative to a
//! deployment but a refusal, which names its own. Counting, choosing and explaining read the groups, never all members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pilotage_shared::health::Standing;
use pilotage_shared::name::{HostName, LabelKey, LabelValue};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;

use super::{Fleet, HostState, World};
use crate::waiting::Absence;

/// A fleet's members by their facts.
pub type Groups = BTreeMap<Arc<Facts>, BTreeSet<HostName>>;

/// How a member counts: its own word, or why it has none (R9, R16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Observed `down`: free to work on.
    Down,
    /// No health known: may be serving.
    Unknown,
    /// Healthy, not long enough.
    Settling,
    /// Counts.
    Available,
    /// Not heard from for three heartbeats.
    Unreachable,
    /// Not heard since the coordinator's start.
    Unheard,
}

/// A loan as the planner sees it (PROTOCOL §2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoanFact {
    /// What may be activated.
    pub release: Release,
    /// Taken back, not yet acknowledged.
    pub withdrawn: bool,
    /// Lent free, because the host was down (R15).
    pub while_down: bool,
    /// For the deployment of this number; none when it was another fleet's.
    pub number: Option<u32>,
}

/// The newest refusal, when it was in a deployment of this fleet (R19).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedFact {
    /// What.
    pub release: Release,
    /// The deployment's number.
    pub number: u32,
    /// R21.
    pub was_down: bool,
}

/// Why a member is not to be touched, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// R28, R17: counts nowhere.
    Quarantined,
    /// R11: never counts.
    Maintenance,
    /// A person said so at the coordinator.
    Cordoned,
    /// The host says it is inconsistent.
    NeedsHands,
    /// A person said so at the host.
    Pinned,
    /// The host will not begin (R30).
    Declines,
}

/// One member's facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facts {
    /// How it counts.
    pub standing: Counted,
    /// A status of this session was admitted (R3).
    pub told: bool,
    /// What it was lent.
    pub loan: Option<LoanFact>,
    /// A run is reported (R10, R26).
    pub run: bool,
    /// What runs, committed.
    pub running: Option<Release>,
    /// Whose bits are ready.
    pub staged: Option<Release>,
    /// Its newest refusal in this fleet.
    pub refused: Option<RefusedFact>,
    /// Not to be touched.
    pub bar: Option<Bar>,
    /// Its values of the labels that have a floor.
    pub scopes: Vec<(LabelKey, LabelValue)>,
}

impl Facts {
    /// Counts for the floor (R10): heard, available, no run reported, no loan, and not barred from counting.
    pub fn counts(&self) -> bool {
        self.absence().is_none()
    }

    /// Why it does not count; none: it does.
    pub fn absence(&self) -> Option<Absence> {
        match (self.bar, self.standing) {
            (Some(Bar::Quarantined), _) => Some(Absence::Quarantined),
            (Some(Bar::Maintenance), _) => Some(Absence::Maintenance),
            (_, Counted::Unheard) => Some(Absence::Unheard),
            (_, Counted::Unreachable) => Some(Absence::Unreachable),
            _ if self.in_change() && !planted(Bug::CountInChange) => Some(Absence::InChange),
            (_, Counted::Down) => Some(Absence::Down),
            (_, Counted::Unknown) => Some(Absence::Unknown),
            (_, Counted::Settling) if planted(Bug::SettlingCounts) => None,
            (_, Counted::Settling) => Some(Absence::Settling),
            (_, Counted::Available) => None,
        }
    }

    /// Somebody is out of service, or may be at any moment.
    pub fn in_change(&self) -> bool {
        self.loan.is_some() || self.run && !planted(Bug::RunNotSeen)
    }

    /// Runs it, at rest.
    pub fn rests_on(&self, release: &Release) -> bool {
        self.running.as_ref() == Some(release) && !self.in_change()
    }

    /// Refused this release in the deployment of this number (R19).
    pub fn has_refused(&self, release: &Release, number: u32) -> bool {
        self.refused.as_ref().is_some_and(|r| r.number == number && r.release == *release)
    }

    /// Standing of its own, known now.
    pub fn is_heard(&self) -> bool {
        !matches!(self.standing, Counted::Unheard | Counted::Unreachable)
    }
}

impl World {
    /// The facts of one member of a fleet, from the records and the live sessions.
    pub fn facts(&self, fleet: &Fleet, host: &HostName) -> Facts {
        let record = self.hosts.get(host);
        let slot = self.slot(&fleet.spec.app, host);
        let status = slot.and_then(|s| s.status.as_ref());
        let live = self.live.get(host);
        let own = match status.map_or(Standing::Unknown, |s| s.standing) {
            Standing::Down => Counted::Down,
            Standing::Unknown => Counted::Unknown,
            Standing::Settling => Counted::Settling,
            Standing::Available => Counted::Available,
        };
        let standing = match live {
            Some(l) if l.heard && (l.reachable || planted(Bug::UnreachableCounts)) => own,
            Some(l) if l.heard => Counted::Unreachable,
            None | Some(_) if planted(Bug::StartKeepsStanding) => own,
            None | Some(_) => Counted::Unheard,
        };
        let bar = if record.is_some_and(|h| h.quarantined.is_some()) {
            Some(Bar::Quarantined)
        } else if record.is_some_and(|h| h.state == HostState::Maintenance) {
            Some(Bar::Maintenance)
        } else if record.is_some_and(|h| h.cordoned.is_some()) {
            Some(Bar::Cordoned)
        } else if status.is_some_and(|s| s.needs_hands.is_some()) {
            Some(Bar::NeedsHands)
        } else if status.is_some_and(|s| s.pinned.is_some()) {
            Some(Bar::Pinned)
        } else if status.is_some_and(|s| s.declines.is_some()) {
            Some(Bar::Declines)
        } else {
            None
        };
        let scopes_now = || fleet.spec.floor_per.keys().filter_map(|key| Some((key.clone(), record?.labels.get(key)?.clone()))).collect();
        let scopes = match self.placed.get(&(host.clone(), fleet.spec.name.clone())) {
            Some(old) if planted(Bug::ZoneInLoan) && old.loan.is_some() => old.scopes.clone(),
            Some(_) | None => scopes_now(),
        };
        let ours = |id: &pilotage_shared::ids::DeploymentId| (id.fleet == fleet.spec.name).then_some(id.number);
        Facts {
            standing,
            told: live.is_some_and(|l| l.told && l.reachable),
            loan: slot.and_then(|s| s.loan.as_ref()).map(|l| LoanFact {
                release: l.release,
                withdrawn: l.withdrawn,
                while_down: l.while_down,
                number: ours(&l.deployment),
            }),
            run: status.is_some_and(|s| s.run.is_some()),
            running: status.and_then(|s| s.running),
            staged: status.and_then(|s| s.staged),
            refused: slot
                .and_then(|s| s.refused.as_ref())
                .and_then(|r| Some(RefusedFact { release: r.release, number: ours(&r.deployment)?, was_down: r.was_down })),
            bar,
            scopes,
        }
    }
}
