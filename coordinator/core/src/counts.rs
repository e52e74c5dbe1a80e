//! Numbers of a fleet for people and metrics, from its groups. O(groups).

use std::collections::BTreeMap;

use pilotage_shared::name::{FleetName, LabelKey, LabelValue};
use pilotage_shared::release::Release;

use crate::world::World;
use crate::world::facts::{Bar, Counted, Facts};

/// One fleet in numbers of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members.
    pub total: u32,
    /// Count for the floor (R10).
    pub available: u32,
    /// Must count.
    pub floor: u32,
    /// Hold a loan or report a run.
    pub in_change: u32,
    /// Observed down.
    pub down: u32,
    /// Healthy, not long enough.
    pub settling: u32,
    /// No health known, or not heard since the start.
    pub unknown: u32,
    /// Silent.
    pub unreachable: u32,
    /// Do not run where the fleet goes, or the settled release when it goes nowhere.
    pub behind: u32,
    /// Pinned by hand.
    pub pinned: u32,
    /// Say that they are inconsistent.
    pub needs_hands: u32,
    /// Refused in the newest deployment.
    pub refused: u32,
    /// By label value with a floor: members, available, floor.
    pub per: BTreeMap<(LabelKey, LabelValue), (u32, u32, u32)>,
    /// By what they run.
    pub versions: BTreeMap<Option<Release>, u32>,
}

impl World {
    /// A fleet in numbers.
    pub fn counts(&self, name: &FleetName) -> Counts {
        let mut counts = Counts::default();
        let Some(fleet) = self.fleets.get(name) else { return counts };
        let to = self.mode(fleet).to().or(fleet.settled);
        for (facts, hosts) in self.groups.get(name).into_iter().flatten() {
            let n = hosts.len() as u32;
            let add = |number: &mut u32, is: bool| *number += if is { n } else { 0 };
            add(&mut counts.total, true);
            add(&mut counts.available, facts.counts());
            add(&mut counts.in_change, facts.in_change());
            add(&mut counts.down, facts.standing == Counted::Down);
            add(&mut counts.settling, facts.standing == Counted::Settling);
            add(&mut counts.unknown, matches!(facts.standing, Counted::Unknown | Counted::Unheard));
            add(&mut counts.unreachable, facts.standing == Counted::Unreachable);
            add(&mut counts.behind, to.is_some() && facts.running != to);
            add(&mut counts.pinned, facts.bar == Some(Bar::Pinned));
            add(&mut counts.needs_hands, facts.bar == Some(Bar::NeedsHands));
            add(&mut counts.refused, refused_newest(facts, fleet.newest));
            for scope in &facts.scopes {
                let (total, available, _) = counts.per.entry(scope.clone()).or_default();
                add(total, true);
                add(available, facts.counts());
            }
            add(counts.versions.entry(facts.running).or_default(), true);
        }
        counts.floor = fleet.spec.floor.round_up(counts.total);
        for ((key, _), (total, _, floor)) in &mut counts.per {
            *floor = fleet.spec.floor_per.get(key).map_or(0, |f| f.round_up(*total));
        }
        counts
    }
}

fn refused_newest(facts: &Facts, newest: u32) -> bool {
    facts.refused.as_ref().is_some_and(|r| r.number == newest)
}
