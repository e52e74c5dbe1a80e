//! The rest of a deployment, with hosts that do what they did: each takes as long as it took, and comes through or not as it
//! did. A host whose course was not recorded does as most others did.

mod bits;
mod host;

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::ids::Generation;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::status::Refusal;
use pilotage_shared::time::{Millis, Time};

use crate::change::Change;
use crate::input::Input;
use crate::plan::explain;
use crate::replay::case::{Case, Ended};
use crate::replay::player::Player;
use crate::replay::what_if::{Adjust, adjusted};
use crate::waiting::Waiting;
use crate::world::{Course, Due, Loan, Outcome};

/// A message on its way, when nothing else is known.
const SOON: Millis = Millis(200);
/// A run, when none was recorded.
pub const RUN: Millis = Millis::seconds(10);
/// It is not followed for longer.
const HORIZON: Millis = Millis::seconds(7 * 24 * 3600);
/// Nor for more steps.
const STEPS: usize = 1_000_000;

/// How it would have gone on.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// How it would have ended; none: not by itself.
    pub ended: Option<Ended>,
    /// What it would then wait for.
    pub waiting: Vec<Waiting>,
    /// The fewest members that would have counted, from the difference on.
    pub lowest: u32,
    /// Hosts that were lent to without a recorded run of theirs to go by, and what was taken instead.
    pub guessed: BTreeMap<HostName, Guess>,
    /// What would have been decided, from the difference on.
    pub decisions: Vec<(Time, Change)>,
}

/// What a host is taken to do that did not do it; later ones stand on less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guess {
    /// As most others that were brought to the same release.
    AsMostOthers,
    /// Nobody was brought there: to take as long as other runs of the deployment, and to come through.
    AsOtherRuns,
    /// No run was recorded at all: to take as long as [`RUN`], and to come through.
    Invented,
}

enum Event {
    Staged(Release),
    Begins(Loan, Time, usize),
    Ends(Generation, Release, Box<Way>),
    Stands(Standing),
    Sees(Generation),
    Came(Box<Change>),
}

/// What comes of a permission.
#[derive(Clone, Debug)]
struct Way {
    begins: Millis,
    takes: Millis,
    committed: bool,
    refusal: Option<Refusal>,
    standings: Vec<(Millis, Standing)>,
}

struct Stage<'a> {
    player: Player,
    case: &'a Case,
    app: AppName,
    check: Option<(HealthCheck, HealthCheck)>,
    queue: BTreeMap<(Time, u64), (HostName, Event)>,
    count: u64,
    guessed: BTreeMap<HostName, Guess>,
    decisions: Vec<(Time, Change)>,
    lowest: u32,
    /// Hosts that something was lent to, from the difference on.
    lent: BTreeSet<HostName>,
    /// What is being fetched.
    fetching: BTreeMap<HostName, Release>,
    /// Where the fleet goes, as its members were last told.
    goes_to: Option<Option<Release>>,
}

/// From this world on. `check`: the fleet's health check as it was and as it is taken to be, where they differ.
pub fn estimate(from: &Player, case: &Case, check: Option<(HealthCheck, HealthCheck)>, adjust: Adjust<'_>) -> Estimate {
    let id = case.id();
    let Some(fleet) = from.world.fleets.get(&id.fleet) else {
        return Estimate { ended: None, waiting: Vec::new(), lowest: 0, guessed: BTreeMap::new(), decisions: Vec::new() };
    };
    let app = fleet.spec.app.clone();
    let lowest = from.world.counts(&id.fleet).available;
    let player = from.clone();
    let (guessed, decisions, lent) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let (queue, fetching) = (BTreeMap::new(), BTreeMap::new());
    let mut stage = Stage { player, case, app, check, queue, count: 0, guessed, decisions, lowest, lent, fetching, goes_to: None };
    stage.pick_up();
    let mut asked = case.asked.iter().filter(|(at, _)| *at > from.now).peekable();
    for _ in 0..STEPS {
        let now = [stage.queue.keys().next().map(|(at, _)| *at), asked.peek().map(|(at, _)| *at), stage.due()].into_iter().flatten().min();
        let Some(now) = now.filter(|now| *now - from.now <= HORIZON) else { break };
        while let Some((_, input)) = asked.next_if(|(at, _)| *at <= now) {
            stage.take(&Input { at: now, ..adjusted(input, id, adjust) });
        }
        stage.step(now);
        if stage.ended().is_some() {
            break;
        }
    }
    let ended = stage.ended();
    let waiting = if ended.is_some() { Vec::new() } else { explain(&stage.player.world, id, stage.player.now) };
    let Stage { lowest, guessed, decisions, .. } = stage;
    Estimate { ended, waiting, lowest, guessed, decisions }
}

impl Stage<'_> {
    fn push(&mut self, at: Time, host: &HostName, event: Event) {
        self.count += 1;
        self.queue.insert((at.max(self.player.now), self.count), (host.clone(), event));
    }

    /// What was on its way when decisions began to differ.
    fn pick_up(&mut self) {
        let now = self.player.now;
        for host in self.members() {
            let course = self.case.profile.hosts.get(&host);
            for (at, change) in course.into_iter().flat_map(|course| &course.came).filter(|(at, _)| *at > now) {
                self.push(*at, &host, Event::Came(Box::new(change.clone())));
            }
            let loan = self.player.world.slot(&self.app, &host).and_then(|slot| slot.loan.clone());
            let run = course.and_then(|course| course.runs.iter().rfind(|run| run.lent <= now)).cloned();
            match (loan, run) {
                (Some(loan), run) => {
                    let lent = run.filter(|run| run.generation == loan.generation).map_or(now, |run| run.lent);
                    self.lent(lent, &host, &loan);
                }
                (None, run) => {
                    // One that was lent at this very moment has not been lent here.
                    let over = run.filter(|run| run.ended.is_some_and(|ended| ended <= now));
                    let later: Vec<(Time, Standing)> = over.into_iter().flat_map(|run| run.standings).filter(|(at, _)| *at > now).collect();
                    let status = self.player.world.slot(&self.app, &host).and_then(|slot| slot.status.as_ref());
                    // The recording ends before it was available.
                    if status.is_some_and(|status| status.standing == Standing::Settling)
                        && later.iter().all(|(_, standing)| *standing == Standing::Settling)
                    {
                        self.push(now + self.settles(), &host, Event::Stands(Standing::Available));
                    }
                    for (at, standing) in later {
                        self.push(at, &host, Event::Stands(standing));
                    }
                }
            }
        }
        self.fetch_all();
    }

    fn members(&self) -> Vec<HostName> {
        let groups = self.player.world.groups.get(&self.case.id().fleet);
        groups.into_iter().flat_map(|groups| groups.values().flatten().cloned()).collect()
    }

    fn settles(&self) -> Millis {
        let spec = self.player.world.fleets.get(&self.case.id().fleet).and_then(|fleet| fleet.spec.health.as_ref());
        spec.map_or(Millis(0), |check| check.healthy_for)
    }

    fn lent(&mut self, at: Time, host: &HostName, loan: &Loan) {
        if loan.withdrawn {
            return self.push(at + SOON, host, Event::Sees(loan.generation));
        }
        let begins = self.way(host, &loan.release).0.begins;
        self.push(at + begins, host, Event::Begins(loan.clone(), at + begins, 0));
    }

    /// When time becomes a change; hosts that are there stay there.
    fn due(&self) -> Option<Time> {
        let silence = |due: &Due| matches!(due, Due::Silence(_));
        let busy = !self.queue.is_empty() || self.player.world.due.iter().any(|(_, due)| !silence(due));
        self.player.world.due.first().map(|(at, _)| *at).filter(|_| busy)
    }

    fn step(&mut self, now: Time) {
        self.player.now = now;
        let silent: Vec<HostName> = self
            .player
            .world
            .due
            .iter()
            .take_while(|(at, _)| *at <= now)
            .filter_map(|(_, due)| match due {
                Due::Silence(host) => Some(host.clone()),
                Due::Stragglers(_) | Due::Startup => None,
            })
            .collect();
        for host in silent {
            self.beat(&host);
        }
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let (host, event) = entry.remove();
            self.event(now, &host, event);
            self.fetch(&host);
        }
        let mut decided = Vec::new();
        self.player.settle(now, |changes| decided.extend_from_slice(changes));
        for change in decided {
            match &change {
                Change::Lent { host, app, loan } if *app == self.app => {
                    self.lent.insert(host.clone());
                    self.lent(now, host, loan);
                }
                Change::Withdrawn { host, app, generation } if *app == self.app => self.push(now + SOON, host, Event::Sees(*generation)),
                _ => {}
            }
            self.decisions.push((now, change));
        }
        self.fetch_all();
        self.lowest = self.lowest.min(self.player.world.counts(&self.case.id().fleet).available);
    }

    fn ended(&self) -> Option<Ended> {
        let id = self.case.id();
        let world = &self.player.world;
        match &world.deployments.get(id)?.course {
            Course::Ended { outcome, at, because } => Some(Ended { at: *at, outcome: *outcome, because: because.clone() }),
            Course::Forward | Course::Back { .. } => {
                let newer = world.fleets.get(&id.fleet).is_some_and(|fleet| fleet.newest > id.number);
                newer.then_some(Ended { at: self.player.now, outcome: Outcome::Superseded, because: None })
            }
        }
    }
}
