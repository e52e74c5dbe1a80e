//! Runs a story's commands in the simulated world and says what an operator would read.

use std::collections::BTreeMap;

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::world::{Course, HostState};
use pilotage_coordinator_core::{Answer, Cause, Waiting, World, explain};
use pilotage_shared::name::FleetName;
use pilotage_shared::time::{Millis, Time};

use super::command::{Command, Until};
use super::deed::Deed;
use super::stage::{Reply, Stage};
use crate::simulation::Simulation;
use crate::trace::BEGINNING;

/// A story in course.
pub struct Runner {
    stage: Stage,
}

impl Runner {
    /// A world with a coordinator that has started, and nothing else.
    pub fn new() -> Self {
        let mut stage = Stage::new();
        stage.sim.telling.on = true;
        Self { stage }
    }

    /// Does one command; gives what it prints.
    pub fn run(&mut self, command: Command) -> Vec<String> {
        let mut out = self.perform(command);
        let told = self.stage.sim.telling.take();
        let mut lines = merged(told);
        lines.append(&mut out);
        if let Some(broken) = &self.stage.sim.promises.broken {
            lines.push(format!("BROKEN PROMISE {broken}"));
        }
        lines
    }

    fn perform(&mut self, command: Command) -> Vec<String> {
        match command {
            Command::Do(deed) => self.stage.perform(&deed).into_iter().flat_map(|reply| said(&deed, reply)).collect(),
            Command::Until(what, limit) => self.until(&what, limit),
            Command::Status => self.status(),
            Command::Explain(fleet) => self.explain(&fleet),
            Command::Lowest(_) => {
                let lowest = self.stage.sim.telling.lowest.take();
                vec![lowest.map_or_else(|| "nobody was taken".into(), |n| format!("lowest {n} serving"))]
            }
        }
    }

    fn until(&mut self, what: &Until, limit: Millis) -> Vec<String> {
        let end = self.stage.sim.now + limit;
        while self.stage.sim.now < end && self.stage.sim.promises.broken.is_none() {
            if self.reached(what) {
                return Vec::new();
            }
            if !self.stage.sim.step() {
                break;
            }
        }
        if self.reached(what) { Vec::new() } else { vec![format!("not reached within {limit}")] }
    }

    fn reached(&self, what: &Until) -> bool {
        let sim = &self.stage.sim;
        let Some(world) = sim.coordinator.world() else { return false };
        match what {
            Until::Done => is_done(sim, world),
            Until::InChange(host) => sim.machines.get(host).is_some_and(|m| m.runs.values().any(|u| u.disturbed())),
            Until::Available(host) => world.placed.iter().any(|((h, _), facts)| h == host && facts.counts()),
            Until::Unreachable(host) => world.live.get(host).is_some_and(|l| !l.reachable),
            Until::Waits(kind) => world.fleets.keys().any(|f| explain_fleet(world, f, sim.now).iter().any(|w| w.cause.kind() == kind)),
        }
    }

    fn status(&self) -> Vec<String> {
        let sim = &self.stage.sim;
        let Some(world) = sim.coordinator.world() else { return vec!["the coordinator is down".into()] };
        let mut out = Vec::new();
        for (name, fleet) in &world.fleets {
            let counts = world.counts(name);
            let settled = fleet.settled.map_or_else(|| "nothing".into(), |r| sim.telling.release(&r));
            let course = match world.newest(fleet) {
                None => "no deployment".to_owned(),
                Some(d) => format!("{} {} {}", d.id, sim.telling.release(&d.release), course(&d.course, d.paused.is_some())),
            };
            let frozen = if fleet.frozen.is_some() { ", frozen" } else { "" };
            out.push(format!(
                "{name}: {course}{frozen}; settled {settled}; available {} of {}, floor {}, in change {}",
                counts.available, counts.total, counts.floor, counts.in_change
            ));
        }
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, host) in &world.hosts {
            let facts = world.placed.iter().find(|((h, _), _)| h == name).map(|(_, f)| f);
            let line = facts.map_or_else(
                || "in no fleet".into(),
                |f| {
                    let running = f.running.map_or_else(|| "nothing".into(), |r| sim.telling.release(&r));
                    let bar = f.bar.map(|b| format!(", {}", format!("{b:?}").to_lowercase())).unwrap_or_default();
                    let busy = if f.run {
                        ", in a run"
                    } else if f.loan.is_some() {
                        ", lent"
                    } else {
                        ""
                    };
                    format!("runs {running}, {}{busy}{bar}", format!("{:?}", f.standing).to_lowercase())
                },
            );
            let line = if host.state == HostState::Retired { "retired".into() } else { line };
            groups.entry(line).or_default().push(name.as_str());
        }
        out.extend(groups.into_iter().map(|(line, hosts)| format!("  {}: {line}", hosts.join(" "))));
        out
    }

    fn explain(&self, fleet: &FleetName) -> Vec<String> {
        let sim = &self.stage.sim;
        let Some(world) = sim.coordinator.world() else { return vec!["the coordinator is down".into()] };
        let Some(record) = world.fleets.get(fleet) else { return vec![format!("there is no fleet {fleet}")] };
        let waiting = match world.active(record) {
            Some(deployment) => explain(world, &deployment.id, sim.now),
            None => explain_fleet(world, fleet, sim.now),
        };
        if waiting.is_empty() {
            return vec![format!("{fleet} waits for nothing")];
        }
        waiting.iter().map(|w| format!("  {}", wait(w))).collect()
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

/// Nothing in course, nothing lent, nobody in change, everybody on the way who can come by itself has come.
fn is_done(sim: &Simulation, world: &World) -> bool {
    let told = sim.machines.iter().filter(|(name, m)| m.on && !sim.network.cut_off().contains(*name)).all(|(name, m)| {
        let gone = world.hosts.get(name).is_none_or(|h| h.state == HostState::Retired || h.quarantined.is_some());
        let heard = world.live.get(name).is_some_and(|l| l.told && l.reachable);
        gone || heard && m.agent.as_ref().and_then(|a| a.session.as_ref()).is_some_and(|s| s.is_answered())
    });
    let idle = sim.machines.values().all(|m| m.runs.is_empty() || !m.on);
    let loans = world.slots.iter().any(|((_, host), s)| s.loan.is_some() && world.live.get(host).is_some_and(|l| l.reachable));
    let still = world.fleets.iter().all(|(name, fleet)| !fleet.active && explain_fleet(world, name, sim.now).iter().all(|w| !w.lifts_by_itself()));
    told && idle && !loans && still
}

fn said(deed: &Deed, reply: Reply) -> Option<String> {
    match reply {
        Reply::Answer(Some(Ok(Answer::Deployment(id)))) => Some(id.to_string()),
        Reply::Answer(Some(Ok(Answer::Configuration { number, deployment: Some(id), .. }))) => Some(format!("c{number} {id}")),
        Reply::Answer(Some(Ok(Answer::Configuration { number, .. }))) => Some(format!("c{number}")),
        Reply::Answer(Some(Ok(_))) => None,
        Reply::Answer(Some(Err(rejected))) => Some(format!("refused: {rejected}")),
        Reply::Answer(None) => Some("no answer: the coordinator is down".into()),
        Reply::Wrong(why) if matches!(deed, Deed::Draws { .. }) => Some(format!("error: {why}")),
        Reply::Wrong(why) => Some(why),
    }
}

fn course(course: &Course, paused: bool) -> &'static str {
    match course {
        Course::Forward if paused => "paused",
        Course::Forward => "forward",
        Course::Back { .. } => "going back",
        Course::Ended { outcome, .. } => outcome.words(),
    }
}

fn wait(waiting: &Waiting) -> String {
    let hosts: Vec<&str> = waiting.hosts.iter().map(|h| h.as_str()).collect();
    let about = if hosts.is_empty() { String::new() } else { format!(": {}", hosts.join(" ")) };
    let lifts = waiting.lifts_at.map(|at| format!(", lifts at {}", clock(at))).unwrap_or_default();
    let cause = match &waiting.cause {
        Cause::Floor { scope, counted, floor, members } => format!("floor of {scope}: {counted} of {members} count, {floor} must"),
        Cause::Batch { limit } => format!("batch: at most {limit} in change"),
        other => other.kind().to_owned(),
    };
    let missing = waiting.missing.iter().map(|m| {
        let hosts: Vec<&str> = m.hosts.iter().map(|h| h.as_str()).collect();
        format!("; missing, {:?}: {}", m.why, hosts.join(" "))
    });
    format!("{cause}{about}{lifts}{}", missing.collect::<String>())
}

/// As `+1m05.2s`.
fn clock(at: Time) -> String {
    let Millis(ms) = at - BEGINNING;
    let (minutes, seconds, tenths) = (ms / 60_000, ms / 1000 % 60, ms / 100 % 10);
    if minutes == 0 { format!("+{seconds}.{tenths}s") } else { format!("+{minutes}m{seconds:02}.{tenths}s") }
}

/// Lines with their times; what happens to several hosts at one moment is said once.
fn merged(told: Vec<(Time, String)>) -> Vec<String> {
    let mut out: Vec<(String, Vec<String>, String)> = Vec::new();
    for (at, line) in told {
        let (who, what) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let at = clock(at);
        match out.iter_mut().rev().take_while(|(a, _, _)| *a == at).find(|(_, _, w)| w == what) {
            Some((_, hosts, _)) => hosts.push(who.to_owned()),
            None => out.push((at, vec![who.to_owned()], what.to_owned())),
        }
    }
    out.into_iter().map(|(at, hosts, what)| format!("{at:>9} {} {what}", hosts.join(" "))).collect()
}
