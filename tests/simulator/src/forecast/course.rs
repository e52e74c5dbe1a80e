//! One course of the deployment: an event queue in short steps. In each step first the hosts move, then the
//! coordinator takes in what they say, plans, and tells whom it concerns; they hear it in the next.

mod live;

use std::collections::{BTreeMap, HashMap};

use pilotage_coordinator_core::{Change, Rejected};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::time::{Millis, Time};

use super::center::{Center, Concerned};
use super::fault::{Badness, Place};
use super::host::{Host, Wish};
pub use super::measure::{End, Noticed};
use super::measure::{Measure, Point, Scopes};
use super::open::{BEGIN, Base, Voice, connect};
use super::words::Waits;
use super::{HORIZON, Scenario};
use crate::rng::Rng;

/// The length of a step in milliseconds: a message's way and the coordinator's commit.
const STEP: u64 = 100;
/// The same for a large fleet whose labels have many floors: there a decision costs a thousand times as much, and a second
/// more or less for a message is nothing in its hours.
const LONG_STEP: u64 = 1000;
/// Hosts times groups from which on a step is long.
const LARGE: usize = 2_000_000;

/// What one course came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Its seed.
    pub seed: u64,
    /// How and when the deployment ended; none: it never did.
    pub end: Option<End>,
    /// When nothing moved any more, since its begin.
    pub still: Millis,
    /// It was not followed further: it still moved at the horizon.
    pub cut: bool,
    /// Lowest number of hosts that the floor counted while the deployment was in course.
    pub lowest_available: u32,
    /// Lowest number of hosts that answered, in truth, in the same time.
    pub lowest_serving: u32,
    /// For how long fewer than the floor were available.
    pub below_floor: Millis,
    /// Of each value of a label with a floor.
    pub scopes: Scopes,
    /// The moment at which too many had failed.
    pub noticed: Option<Noticed>,
    /// Hosts that ran the new version at the same time, at most.
    pub had_most: u32,
    /// Hosts that began a run to it.
    pub tried: u32,
    /// Hosts that ran it when nothing moved any more.
    pub left_with_it: u32,
    /// Hosts that did not answer when nothing moved any more, lost ones left aside.
    pub left_down: u32,
    /// What it waits for, when it never ended: blockers first.
    pub waits: Vec<Waits>,
    /// What it waited for on the way, longest first.
    pub limits: Vec<(Waits, Millis)>,
    /// Capacity over time.
    pub curve: Vec<Point>,
}

/// Something that happens to a host; the number says to which run or start it belongs.
#[derive(Clone, Debug)]
enum Happens {
    Told(Box<Wish>),
    Fetched(Release),
    Serves(u32),
    Over(u32),
    Available(u32),
    Dies(u32),
    Fails(u32),
    Falls(u32),
    Lost(Option<Time>),
    Silent,
    Returns,
}

struct Live<'a> {
    scenario: &'a Scenario,
    center: Center,
    hosts: Vec<Host>,
    index: &'a HashMap<HostName, u32>,
    voice: Voice,
    /// How the new version is bad on each host.
    bad: Vec<Option<Badness>>,
    /// Of each lost host: since when, and when it is back.
    away: BTreeMap<u32, (Time, Option<Time>)>,
    rng: Rng,
    queue: BTreeMap<u64, Vec<(u32, Happens)>>,
    step: u64,
    now: Time,
    /// Hosts that have something to say.
    news: Vec<u32>,
    target: Option<Release>,
    measure: Measure,
}

/// Runs it to its end.
pub fn run(base: Base, scenario: &Scenario, seed: u64) -> Result<Course, Box<Rejected>> {
    let mut rng = Rng::new(seed);
    let bad = spoiled(scenario, &mut rng.fork());
    let Base { mut center, hosts, index, voice } = base;
    let id = center.deploy(scenario, BEGIN)?;
    let target = center.target(&id);
    let measure = Measure::new(scenario, &hosts, target, center.available());
    let step = if hosts.len().saturating_mul(center.groups()) > LARGE { LONG_STEP } else { STEP };
    let mut live = Live {
        scenario,
        center,
        hosts,
        index: &index,
        voice,
        bad,
        away: BTreeMap::new(),
        rng,
        queue: BTreeMap::new(),
        step,
        now: BEGIN,
        news: Vec::new(),
        target,
        measure,
    };
    live.begin_with();
    live.course(&id)?;
    Ok(live.measure.course(seed, &live.center, &live.hosts, &id, live.now))
}

/// How the new version is bad on each host: drawn first, so that nothing else of the course moves it.
fn spoiled(scenario: &Scenario, rng: &mut Rng) -> Vec<Option<Badness>> {
    let mut spoiled = vec![None; scenario.members.len()];
    for bad in &scenario.bad {
        let mut left: Vec<usize> = (0..spoiled.len()).collect();
        let chosen: Vec<usize> = match &bad.place {
            Place::Everywhere => left,
            Place::Share(share) => left.into_iter().filter(|_| rng.below(1_000_000) < u64::from(*share)).collect(),
            Place::Some(count) => {
                let count = (*count as usize).min(left.len());
                (0..count).map(|_| left.swap_remove(rng.below(left.len() as u64) as usize)).collect()
            }
            Place::Label(key, value) => {
                left.retain(|n| scenario.members.get(*n).is_some_and(|m| m.labels.get(key) == Some(value)));
                left
            }
        };
        for n in chosen {
            if let Some(entry) = spoiled.get_mut(n) {
                entry.get_or_insert(bad.badness);
            }
        }
    }
    spoiled
}

impl Live<'_> {
    /// Step after step until nothing happens any more, or for too long.
    fn course(&mut self, id: &DeploymentId) -> Result<(), Box<Rejected>> {
        let horizon = BEGIN + HORIZON;
        let mut wake = self.coordinate(id)?;
        loop {
            let next = self.queue.first_key_value().map(|(step, _)| Time(step * self.step));
            let next = next.into_iter().chain(wake.map(|at| Time(at.0.next_multiple_of(self.step)))).min();
            let Some(next) = next.filter(|at| *at <= horizon) else {
                self.measure.cut = !self.queue.is_empty();
                return Ok(());
            };
            self.now = next.max(self.now);
            let due = self.queue.remove(&(self.now.0 / self.step)).unwrap_or_default();
            for (n, happens) in due {
                self.happen(n, happens)?;
            }
            wake = self.coordinate(id)?;
        }
    }

    /// The coordinator takes in what was said, plans, and tells whom it concerns.
    fn coordinate(&mut self, id: &DeploymentId) -> Result<Option<Time>, Box<Rejected>> {
        // In the order of their names: neighbours share what has to be looked up.
        let mut news = std::mem::take(&mut self.news);
        news.sort_unstable();
        news.dedup();
        for n in news {
            if let Some(host) = self.hosts.get_mut(n as usize).filter(|host| !host.lost) {
                self.voice.say(&mut self.center, host, self.now)?;
            }
        }
        let (now, measure) = (self.now, &mut self.measure);
        let wake = self.center.settle(now, |change: &Change| measure.change(change, now));
        match self.center.concerned() {
            Concerned::Everybody => (0..self.hosts.len() as u32).for_each(|n| self.tell(n)),
            Concerned::Hosts(hosts) => {
                let mut hosts: Vec<u32> = hosts.iter().filter_map(|name| self.index.get(name).copied()).collect();
                hosts.sort_unstable();
                hosts.dedup();
                hosts.into_iter().for_each(|n| self.tell(n));
            }
        }
        self.measure.step(&self.center, id, now);
        Ok(wake)
    }

    /// Sends a host its wish, if that is another than the one sent last.
    fn tell(&mut self, n: u32) {
        let Some(host) = self.hosts.get_mut(n as usize).filter(|host| !host.lost) else { return };
        let wish = self.center.intent(&host.id.name).map(Wish::from);
        if wish.is_some() && wish != host.sent {
            host.sent.clone_from(&wish);
            self.queue.entry(self.now.0 / self.step + 1).or_default().extend(wish.map(|wish| (n, Happens::Told(Box::new(wish)))));
        }
    }

    /// Puts something into the queue, not before the next step.
    fn at(&mut self, at: Time, n: u32, happens: Happens) {
        let step = at.0.div_ceil(self.step).max(self.now.0 / self.step + 1);
        self.queue.entry(step).or_default().push((n, happens));
    }

    /// What is under way at the begin, and what is to be lost.
    fn begin_with(&mut self) {
        let mut first = Vec::new();
        for (n, host) in (0..).zip(&self.hosts) {
            match (&self.scenario.spec.health, host.slot.standing, host.slot.running) {
                (Some(health), Standing::Settling, _) => first.push((health.healthy_for, n, Happens::Available(0))),
                // By its package's own check; how long that wants to see it healthy is not known here, as after a run.
                (None, Standing::Settling, _) => first.push((Millis(0), n, Happens::Available(0))),
                // Its check has not said anything yet: good where something runs, bad where nothing does.
                (Some(health), Standing::Unknown, Some(_)) => first.push((health.healthy_for, n, Happens::Available(0))),
                (Some(health), Standing::Unknown, None) => first.push((health.unhealthy_for, n, Happens::Falls(0))),
                (Some(_) | None, Standing::Down | Standing::Available, _) | (None, Standing::Unknown, _) => {}
            }
        }
        for (after, n, happens) in first {
            self.at(BEGIN + after, n, happens);
        }
        for loss in &self.scenario.lose {
            for (n, member) in (0..).zip(&self.scenario.members) {
                if loss.takes(&member.labels) {
                    self.at(BEGIN + loss.at, n, Happens::Lost(loss.until.map(|until| BEGIN + until)));
                }
            }
        }
    }

    /// A host comes back: a new session, its first status, and its application starts with the machine.
    fn returns(&mut self, n: u32) -> Result<(), Box<Rejected>> {
        let Some(host) = self.hosts.get_mut(n as usize) else { return Ok(()) };
        self.away.remove(&n);
        host.lost = false;
        (host.wish, host.sent) = (None, None);
        connect(&mut self.center, &mut self.voice, host, u64::from(n), self.now)?;
        if host.run.is_none() {
            self.started(n);
        }
        Ok(())
    }
}
