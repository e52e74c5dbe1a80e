//! The floor in every scope, and how many may be in change (R10, R11).

use std::collections::BTreeMap;

use pilotage_shared::name::{LabelKey, LabelValue};
use pilotage_shared::planted::{Bug, planted};

use super::{Mode, View};
use crate::waiting::Cause;
use crate::world::facts::{Counted, Facts};

/// The name of the whole fleet as a scope.
pub const FLEET: &str = "fleet";

/// One scope: the fleet, or one value of a label with a floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// All members, whatever their state (R11).
    pub members: u32,
    /// Heard, available, no run, no loan (R10).
    pub counted: u32,
    /// Must count.
    pub floor: u32,
}

/// What may still be taken in this decision.
#[derive(Clone, Debug)]
pub struct Budget {
    fleet: Scope,
    labels: BTreeMap<(LabelKey, LabelValue), Scope>,
    in_change: u32,
    limit: Option<u32>,
}

impl Budget {
    /// Counts the groups. O(groups · labels with a floor).
    pub fn new(view: &View) -> Budget {
        let spec = &view.fleet.spec;
        let mut budget = Budget { fleet: Scope::default(), labels: BTreeMap::new(), in_change: 0, limit: None };
        for (facts, hosts) in view.groups {
            let n = hosts.len() as u32;
            let counts = if facts.counts() { n } else { 0 };
            budget.fleet.members += if facts.is_heard() || !planted(Bug::DenominatorHeard) { n } else { 0 };
            budget.fleet.counted += counts;
            for scope in &facts.scopes {
                if !budget.labels.contains_key(scope) {
                    budget.labels.insert(scope.clone(), Scope::default());
                }
                let Some(scope) = budget.labels.get_mut(scope) else { continue };
                scope.members += n;
                scope.counted += counts;
            }
            if facts.in_change() {
                budget.in_change += n;
            }
        }
        budget.fleet.floor =
            if planted(Bug::RoundDown) { spec.floor.round_down(budget.fleet.members) } else { spec.floor.round_up(budget.fleet.members) };
        for ((key, _), scope) in &mut budget.labels {
            scope.floor = spec.floor_per.get(key).map_or(0, |floor| floor.round_up(scope.members));
        }
        budget.limit = match view.mode {
            Mode::Back { .. } => None,
            Mode::Forward { .. } | Mode::CatchUp { .. } | Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => {
                spec.parallel.map(|p| p.round_down(budget.fleet.members).max(1))
            }
        };
        budget
    }

    /// R10 for a member that holds no loan: a `down` host is free of the floor, but not of the batch.
    pub fn take(&mut self, facts: &Facts) -> Result<(), Cause> {
        let down = facts.standing == Counted::Down || facts.standing == Counted::Unreachable && planted(Bug::UnreachableIsFree);
        if let Some(limit) = self.limit.filter(|limit| self.in_change >= *limit && !(down && planted(Bug::DownIgnoresBatch))) {
            return Err(Cause::Batch { limit });
        }
        let free = down || facts.standing == Counted::Settling && planted(Bug::SettlingIsFree);
        if !free {
            self.keeps(facts, u32::from(facts.counts() && !planted(Bug::FloorOffByOne)))?;
        }
        if facts.counts() {
            self.fleet.counted -= 1;
            for scope in &facts.scopes {
                if let Some(scope) = self.labels.get_mut(scope) {
                    scope.counted -= 1;
                }
            }
        }
        self.in_change += 1;
        Ok(())
    }

    /// R15 for a member that holds an unused loan: it does not count itself.
    pub fn still_keeps(&self, facts: &Facts) -> Result<(), Cause> {
        self.keeps(facts, 0)
    }

    /// R15 for any unused loan: asked for now, it would be one too many.
    pub fn has_too_many(&self) -> bool {
        self.limit.is_some_and(|limit| self.in_change > limit)
    }

    /// For each scope of the member: the others that count are enough.
    fn keeps(&self, facts: &Facts, itself: u32) -> Result<(), Cause> {
        let short = |name: String, s: &Scope| Cause::Floor { scope: name, counted: s.counted, floor: s.floor, members: s.members };
        if self.fleet.counted < self.fleet.floor + itself {
            return Err(short(FLEET.into(), &self.fleet));
        }
        for (key, value) in facts.scopes.iter().filter(|_| !planted(Bug::NoZoneFloor)) {
            if let Some(scope) = self.labels.get(&(key.clone(), value.clone())).filter(|s| s.counted < s.floor + itself) {
                return Err(short(format!("{key}={value}"), scope));
            }
        }
        Ok(())
    }
}
