//! Several courses as one forecast: the middle and the bad end of each number, and one course to look at.

use std::collections::BTreeMap;

use pilotage_coordinator_core::world::Outcome;
use pilotage_shared::time::Millis;

use super::Scenario;
use super::course::Course;
use super::measure::{Point, Scopes};
use super::words::Waits;

/// Points of a curve that are kept: enough for the widest terminal and for an SVG.
const POINTS: u64 = 240;

/// The middle and the bad end of a number over all courses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread<T> {
    /// Half of the courses have at most this.
    pub p50: T,
    /// 95 of 100 have at most this.
    pub p95: T,
}

/// What the version did before and after somebody noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// In how many courses it was noticed.
    pub courses: u32,
    /// When, since the begin.
    pub at: Spread<Millis>,
    /// Hosts that ran it then.
    pub had: Spread<u32>,
    /// Hosts that had begun a run to it by then.
    pub tried: Spread<u32>,
    /// When nobody ran it any more, since it was noticed; none: somebody runs it to the end.
    pub back: Option<Spread<Millis>>,
    /// Failed and tolerated, in the course that is shown.
    pub failed: (u32, u32),
    /// The first failed host and what it said, in the course that is shown.
    pub why: String,
}

/// A forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Members.
    pub hosts: u32,
    /// Members that must be available.
    pub floor: u32,
    /// Members that may be in change at once; none: only the floor limits it.
    pub batch: Option<u32>,
    /// The first seed, and how many.
    pub seeds: (u64, u32),
    /// How the courses ended; under none those that never did.
    pub outcomes: BTreeMap<Option<Outcome>, u32>,
    /// From the begin to the end, of those that ended.
    pub duration: Option<Spread<Millis>>,
    /// The lowest number of all courses that the floor counted, and that answered.
    pub lowest: (u32, u32),
    /// The longest time of all courses below the floor.
    pub below_floor: Millis,
    /// Of each value of a label with a floor: the lowest number of all courses, and its floor.
    pub scopes: Scopes,
    /// What was noticed; none: nothing in any course.
    pub bad: Option<Bad>,
    /// Hosts that ran it at the same time, at most, in any course.
    pub had_most: u32,
    /// Hosts that ran it, and hosts that did not answer, when nothing moved any more: the most of any course.
    pub left: (u32, u32),
    /// What it waits for, in the course that is shown, when that never ended.
    pub waits: Vec<Waits>,
    /// Since when it stands still, in that course.
    pub still: Millis,
    /// It still moved when it was not followed any further, in that course.
    pub cut: bool,
    /// What it waited for on the way, in the course that is shown, longest first.
    pub limits: Vec<(Waits, Millis)>,
    /// Capacity in the course that is shown; between two points the lowest counts.
    pub curve: Vec<Point>,
}

/// Nearest rank.
fn rank<T: Copy + Ord>(mut values: Vec<T>) -> Option<Spread<T>> {
    values.sort_unstable();
    let at = |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Spread { p50: at(50)?, p95: at(95)? })
}

/// The course that is shown: of those with the most frequent end the one in the middle by when nothing moved any more.
fn shown(courses: &[Course], outcomes: &BTreeMap<Option<Outcome>, u32>) -> Option<usize> {
    let most = outcomes.iter().max_by_key(|(_, n)| **n).map(|(outcome, _)| *outcome)?;
    let mut of_it: Vec<usize> = (0..courses.len()).filter(|n| courses.get(*n).is_some_and(|c| c.end.map(|e| e.outcome) == most)).collect();
    of_it.sort_by_key(|n| courses.get(*n).map(|c| c.still));
    of_it.get(of_it.len().saturating_sub(1) / 2).copied()
}

/// Sums courses up.
pub fn summary(scenario: &Scenario, courses: Vec<Course>) -> Summary {
    let hosts = scenario.members.len() as u32;
    let mut outcomes: BTreeMap<Option<Outcome>, u32> = BTreeMap::new();
    for course in &courses {
        *outcomes.entry(course.end.map(|e| e.outcome)).or_default() += 1;
    }
    let most = |of: &dyn Fn(&Course) -> u32| courses.iter().map(of).max().unwrap_or(0);
    let least = |of: &dyn Fn(&Course) -> u32| courses.iter().map(of).min().unwrap_or(0);
    let at = shown(&courses, &outcomes);
    let bad = noticed(&courses, at.and_then(|at| courses.get(at)));
    let (duration, below_floor) =
        (rank(courses.iter().filter_map(|c| c.end.map(|e| e.at)).collect()), courses.iter().map(|c| c.below_floor).max().unwrap_or_default());
    let (lowest, had_most) = ((least(&|c| c.lowest_available), least(&|c| c.lowest_serving)), most(&|c| c.had_most));
    let left = (most(&|c| c.left_with_it), most(&|c| c.left_down));
    let mut scopes = Scopes::new();
    for (scope, (lowest, floor)) in courses.iter().flat_map(|c| &c.scopes) {
        let entry = scopes.entry(scope.clone()).or_insert((*lowest, *floor));
        entry.0 = entry.0.min(*lowest);
    }
    let course = at.and_then(|at| courses.into_iter().nth(at));
    let (waits, still, cut, limits, curve) = course.map(|c| (c.waits, c.still, c.cut, c.limits, c.curve)).unwrap_or_default();
    Summary {
        hosts,
        floor: scenario.spec.floor.round_up(hosts),
        batch: scenario.spec.parallel.map(|p| p.round_down(hosts).max(1)),
        seeds: (scenario.seed, scenario.seeds),
        outcomes,
        duration,
        lowest,
        below_floor,
        scopes,
        bad,
        had_most,
        left,
        waits,
        still,
        cut,
        limits,
        curve: thin(curve, still),
    }
}

fn noticed(courses: &[Course], shown: Option<&Course>) -> Option<Bad> {
    let found: Vec<_> = courses.iter().filter_map(|c| c.noticed.as_ref()).collect();
    let example = shown.and_then(|c| c.noticed.as_ref()).or_else(|| found.first().copied())?;
    let back: Option<Vec<Millis>> = found.iter().map(|n| n.back.map(|back| Millis(back.0.saturating_sub(n.at.0)))).collect();
    Some(Bad {
        courses: found.len() as u32,
        at: rank(found.iter().map(|n| n.at).collect())?,
        had: rank(found.iter().map(|n| n.had).collect())?,
        tried: rank(found.iter().map(|n| n.tried).collect())?,
        back: back.and_then(rank),
        failed: example.failed,
        why: example.why.clone(),
    })
}

/// At most [`POINTS`] points: of each stretch the lowest capacity, and the newest count of the new version.
fn thin(curve: Vec<Point>, still: Millis) -> Vec<Point> {
    let stretch = still.0.div_ceil(POINTS).max(1);
    let mut thin: Vec<Point> = Vec::new();
    for point in curve {
        match thin.last_mut().filter(|last| last.at.0 / stretch == point.at.0 / stretch && last.at.0 > 0) {
            Some(last) => {
                let (available, serving) = (last.available.min(point.available), last.serving.min(point.serving));
                *last = Point { available, serving, at: last.at, new: point.new };
            }
            None => thin.push(point),
        }
    }
    thin
}
