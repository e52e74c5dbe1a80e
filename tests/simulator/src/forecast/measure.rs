//! What is counted on the way: capacity, who had the new version, when somebody noticed, what it waited for.

use std::collections::BTreeMap;

use pilotage_coordinator_core::Change;
use pilotage_coordinator_core::waiting::Cause;
use pilotage_coordinator_core::world::configuration::Held;
use pilotage_coordinator_core::world::{Because, Outcome};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::FleetName;
use pilotage_shared::release::Release;
use pilotage_shared::time::{Millis, Time};

use super::Scenario;
use super::center::Center;
use super::course::Course;
use super::host::Host;
use super::open::BEGIN;
use super::words::{Waits, waits};

/// Between two looks at what is waited for, in steps that changed something.
const LOOK: u32 = 64;
/// And at the latest after so long.
const LOOK_AT_LEAST: Millis = Millis::seconds(60);

/// The fleet at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Since the deployment began.
    pub at: Millis,
    /// What the floor counts.
    pub available: u32,
    /// What answers, in truth.
    pub serving: u32,
    /// What runs the new version, in truth.
    pub new: u32,
}

/// How and when a deployment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// Since its begin.
    pub at: Millis,
}

/// The moment at which too many had failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// Since the begin.
    pub at: Millis,
    /// Hosts that ran the new version then.
    pub had: u32,
    /// Hosts that had begun a run to it by then.
    pub tried: u32,
    /// How many had failed, and how many may.
    pub failed: (u32, u32),
    /// The first of them by name, and what it said.
    pub why: String,
    /// When nobody ran it any more, since the begin.
    pub back: Option<Millis>,
}

/// The lowest number of available members of one label's value, and its floor, by `zone=a`.
pub type Scopes = BTreeMap<String, (u32, u32)>;

/// Counters of one course.
#[derive(Debug)]
pub struct Measure {
    floor: u32,
    serving: u32,
    had: u32,
    had_most: u32,
    /// Hosts that began a run to the new version.
    pub tried: u32,
    /// It still moved at the horizon.
    pub cut: bool,
    lowest_available: u32,
    lowest_serving: u32,
    below_floor: Millis,
    last: Point,
    curve: Vec<Point>,
    noticed: Option<Noticed>,
    end: Option<End>,
    looks: u32,
    looked: Millis,
    limits: BTreeMap<Cause, (Waits, Millis)>,
    fleet: FleetName,
    /// Some labels have a floor of their own.
    scoped: bool,
    scopes: Scopes,
}

impl Measure {
    /// At the begin.
    pub fn new(scenario: &Scenario, hosts: &[Host], target: Option<Release>, available: u32) -> Self {
        let count = |is: &dyn Fn(&Host) -> bool| hosts.iter().filter(|host| is(host)).count() as u32;
        let serving = count(&|host| host.serving && !host.lost);
        let had = count(&|host| host.process == target && target.is_some());
        let last = Point { at: Millis(0), available, serving, new: had };
        Self {
            floor: scenario.spec.floor.round_up(hosts.len() as u32),
            serving,
            had,
            had_most: had,
            tried: 0,
            cut: false,
            lowest_available: available,
            lowest_serving: serving,
            below_floor: Millis(0),
            last,
            curve: vec![last],
            noticed: None,
            end: None,
            looks: 0,
            looked: Millis(0),
            limits: BTreeMap::new(),
            fleet: scenario.spec.name.clone(),
            scoped: !scenario.spec.floor_per.is_empty(),
            scopes: Scopes::new(),
        }
    }

    /// A host began to answer, or ceased to.
    pub fn serves(&mut self, serving: bool) {
        self.serving = if serving { self.serving + 1 } else { self.serving.saturating_sub(1) };
    }

    /// A host ran the new version before, and does now.
    pub fn has(&mut self, had: bool, has: bool) {
        match (had, has) {
            (false, true) => self.had += 1,
            (true, false) => self.had = self.had.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        self.had_most = self.had_most.max(self.had);
    }

    /// The coordinator decided something.
    pub fn change(&mut self, change: &Change, now: Time) {
        let at = now - BEGIN;
        let said = |held: &Option<Held>| held.as_ref().map(|h| h.hold().why.to_string());
        if let Change::Turned { because, hold, .. } = change {
            self.notice(because, said(hold), at);
        } else if let Change::Paused { note, .. } = change {
            self.failed((0, 0), note.reason.to_string(), at);
        } else if let Change::Ended { outcome, because, hold, .. } = change {
            if let Some(because) = because {
                self.notice(because, said(hold), at);
            }
            self.end.get_or_insert(End { outcome: *outcome, at });
        }
    }

    fn notice(&mut self, because: &Because, why: Option<String>, at: Millis) {
        let Because::TooManyFailed { failed, tolerated, hosts } = because else { return };
        let why = why.or_else(|| hosts.first().map(ToString::to_string)).unwrap_or_default();
        self.failed((*failed, *tolerated), why, at);
    }

    fn failed(&mut self, failed: (u32, u32), why: String, at: Millis) {
        let (had, tried) = (self.had, self.tried);
        self.noticed.get_or_insert(Noticed { at, had, tried, failed, why, back: None });
    }

    /// A step is over.
    pub fn step(&mut self, center: &Center, id: &DeploymentId, now: Time) {
        let at = now - BEGIN;
        let in_course = self.end.is_none_or(|end| end.at == at);
        if in_course && self.last.available < self.floor {
            self.below_floor.0 += at.0.saturating_sub(self.last.at.0);
        }
        let point = Point { at, available: center.available(), serving: self.serving, new: self.had };
        if in_course {
            self.lowest_available = self.lowest_available.min(point.available);
            self.lowest_serving = self.lowest_serving.min(point.serving);
            if self.scoped {
                self.scope(center);
            }
        }
        if (Point { at: self.last.at, ..point }) != self.last {
            self.curve.push(point);
        }
        self.last = point;
        if let Some(noticed) = self.noticed.as_mut().filter(|n| n.back.is_none())
            && self.had == 0
        {
            noticed.back = Some(at);
        }
        self.looks += 1;
        if self.end.is_none() && (self.looks.is_multiple_of(LOOK) || at.0 >= self.looked.0 + LOOK_AT_LEAST.0) {
            self.look(center, id, now);
        }
    }

    fn scope(&mut self, center: &Center) {
        for ((key, value), (_, available, floor)) in center.world.counts(&self.fleet).per {
            let lowest = self.scopes.entry(format!("{key}={value}")).or_insert((available, floor));
            *lowest = (lowest.0.min(available), floor);
        }
    }

    /// What it waits for at this moment counts for the time since the last look.
    fn look(&mut self, center: &Center, id: &DeploymentId, now: Time) {
        let since = (now - BEGIN).0.saturating_sub(self.looked.0);
        self.looked = now - BEGIN;
        for waiting in center.explain(id, now) {
            let cause = match &waiting.cause {
                // One floor is one limit, whatever it counts at the moment.
                Cause::Floor { scope, floor, members, .. } => Cause::Floor { scope: scope.clone(), counted: 0, floor: *floor, members: *members },
                cause => cause.clone(),
            };
            self.limits.entry(cause).or_insert_with(|| (waits(center, &waiting), Millis(0))).1.0 += since;
        }
    }

    /// All of it.
    pub fn course(self, seed: u64, center: &Center, hosts: &[Host], id: &DeploymentId, now: Time) -> Course {
        let mut waiting: Vec<Waits> = match self.end {
            None => center.explain(id, now).iter().map(|waiting| waits(center, waiting)).collect(),
            Some(_) => Vec::new(),
        };
        waiting.sort_by_key(|waits| !waits.blocks);
        let mut limits: Vec<(Waits, Millis)> = self.limits.into_values().collect();
        limits.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.kind.cmp(b.0.kind)));
        Course {
            seed,
            end: self.end,
            still: now - BEGIN,
            cut: self.cut,
            lowest_available: self.lowest_available,
            lowest_serving: self.lowest_serving,
            below_floor: self.below_floor,
            scopes: self.scopes,
            noticed: self.noticed,
            had_most: self.had_most,
            tried: self.tried,
            left_with_it: self.had,
            left_down: hosts.iter().filter(|host| !host.serving && !host.lost).count() as u32,
            waits: waiting,
            limits,
            curve: self.curve,
        }
    }
}
