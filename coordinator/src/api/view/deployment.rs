//! Deployments as people see them.

use pilotage_coordinator_core::world::{Because, Course, Deployment, Fleet, Outcome, World};
use pilotage_coordinator_core::{Cause, explain};
use pilotage_shared::api::v1::{DeploymentState, DeploymentView, OutcomeWord, WaveView, When};
use pilotage_shared::name::{AppName, HostName};

use super::{note, release, waiting};
use crate::engine::{View, stands_still};

/// Hosts that are named.
const NAMED: usize = 20;

/// The whole deployment.
pub fn deployment(view: &View<'_>, d: &Deployment) -> DeploymentView {
    let world = view.world;
    let fleet = world.fleets.get(&d.id.fleet);
    let newest = fleet.filter(|f| f.newest == d.id.number);
    let waits = newest.map(|_| explain(world, &d.id, view.now)).unwrap_or_default();
    let watched = view.tracker.of(&d.id);
    let (outcome, ended_at, because, turned_at) = match &d.course {
        Course::Forward => (None, None, None, None),
        Course::Back { because, at, .. } => (None, None, Some(because), Some(When(*at))),
        Course::Ended { outcome, at, because } => (Some(word(*outcome)), Some(When(*at)), because.as_ref(), None),
    };
    let mut failed = newest.map(|f| failed(world, f, d)).unwrap_or_default();
    if let (true, Some(Because::TooManyFailed { hosts, .. })) = (failed.is_empty(), because) {
        failed.clone_from(hosts);
    }
    DeploymentView {
        id: d.id.clone(),
        fleet: d.id.fleet.clone(),
        app: fleet.map_or_else(|| app_of(world, d), |f| Some(f.spec.app.clone())).unwrap_or_else(|| unknown_app(d)),
        state: state(newest, d, &waits),
        outcome,
        wanted: release(world, &d.release),
        over: d.over.as_ref().map(|r| release(world, r)),
        file_exists: d.file_exists,
        by: d.started.by.to_string(),
        reason: d.started.reason.to_string(),
        started_at: When(d.started.at),
        ended_at,
        paused: d.paused.as_ref().map(note),
        turned_at,
        because: because.map(|b| in_words(world, fleet, d, b)),
        failed,
        left_behind: d.left_behind.iter().take(NAMED).cloned().collect(),
        lowest_available: watched.lowest,
        floor: fleet.map_or(0, |f| world.counts(&f.spec.name).floor),
        waves: newest.map(|f| vec![wave(world, f, d)]).unwrap_or_default(),
        waiting_since: watched.waiting_since.map(When).filter(|_| stands_still(&waits)),
        waiting: newest.map(|f| waiting(world, f, &waits)).unwrap_or_default(),
    }
}

fn app_of(world: &World, d: &Deployment) -> Option<AppName> {
    world.packages.get(&d.release.package).map(|p| p.app.clone())
}

/// The fleet and its package are gone: its own name is the best that is left.
fn unknown_app(d: &Deployment) -> AppName {
    AppName::new(d.id.fleet.as_str()).expect("names of fleets and apps have one form")
}

/// Where a deployment is.
pub fn state(newest: Option<&Fleet>, d: &Deployment, waits: &[pilotage_coordinator_core::Waiting]) -> DeploymentState {
    let frozen = newest.is_some_and(|f| f.frozen.is_some());
    match &d.course {
        Course::Ended { .. } => DeploymentState::Ended,
        _ if waits.iter().any(|w| w.cause == Cause::Recovering) => DeploymentState::Waiting,
        _ if frozen => DeploymentState::Frozen,
        Course::Back { .. } => DeploymentState::RollingBack,
        Course::Forward if d.paused.is_some() => DeploymentState::Paused,
        Course::Forward if stands_still(waits) => DeploymentState::Waiting,
        Course::Forward => DeploymentState::Moving,
    }
}

fn word(outcome: Outcome) -> OutcomeWord {
    match outcome {
        Outcome::Succeeded => OutcomeWord::Succeeded,
        Outcome::RolledBack => OutcomeWord::RolledBack,
        Outcome::Stopped => OutcomeWord::Stopped,
        Outcome::Superseded => OutcomeWord::Superseded,
        Outcome::NeedsHands => OutcomeWord::NeedsHands,
    }
}

fn in_words(world: &World, fleet: Option<&Fleet>, d: &Deployment, because: &Because) -> String {
    match because {
        Because::Asked(note) if note.reason.is_empty() => format!("asked by {}", note.by),
        Because::Asked(note) => format!("asked by {}: {}", note.by, note.reason),
        Because::TooManyFailed { failed, tolerated, hosts } => {
            let why = hosts.first().and_then(|host| {
                let slot = world.slot(&fleet?.spec.app, host)?;
                let refusal = slot.status.as_ref()?.refused.iter().rev().find(|r| r.deployment == d.id)?;
                Some(format!(": {}", refusal.why))
            });
            let names: Vec<&str> = hosts.iter().take(5).map(HostName::as_str).collect();
            format!("{failed} failed ({}), {tolerated} tolerated{}", names.join(" "), why.unwrap_or_default())
        }
    }
}

/// Members that failed in this deployment: refused it there, or are on it and down while it is in course (R21).
fn failed(world: &World, fleet: &Fleet, d: &Deployment) -> Vec<HostName> {
    let groups = world.groups.get(&fleet.spec.name).into_iter().flatten();
    let in_course = !matches!(d.course, Course::Ended { .. });
    let down = |f: &pilotage_coordinator_core::world::facts::Facts| {
        in_course && f.rests_on(&d.release) && f.standing == pilotage_coordinator_core::world::facts::Counted::Down
    };
    let mut hosts: Vec<HostName> =
        groups.filter(|(f, _)| f.has_refused(&d.release, d.id.number) || down(f)).flat_map(|(_, h)| h.iter().take(NAMED).cloned()).collect();
    hosts.sort();
    hosts.truncate(NAMED);
    hosts
}

fn wave(world: &World, fleet: &Fleet, d: &Deployment) -> WaveView {
    let to = match &d.course {
        Course::Back { to, .. } => *to,
        Course::Forward | Course::Ended { .. } => d.release,
    };
    let mut wave = WaveView { name: "all".into(), gate: "open".into(), ..WaveView::default() };
    for (facts, hosts) in world.groups.get(&fleet.spec.name).into_iter().flatten() {
        let n = hosts.len() as u32;
        wave.hosts += n;
        let new = facts.rests_on(&to);
        wave.new += if new { n } else { 0 };
        wave.available += if new && facts.counts() { n } else { 0 };
        wave.staged += if new || facts.staged == Some(to) || facts.running == Some(to) { n } else { 0 };
        wave.in_change += if facts.in_change() { n } else { 0 };
        wave.failed += if facts.has_refused(&d.release, d.id.number) { n } else { 0 };
        wave.old += if new || facts.in_change() { 0 } else { n };
    }
    wave
}
