//! Failures of a deployment that is on its way forward, and what they make of it (R20, R21, R23).

use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::OnFailure;
use pilotage_shared::name::{HostName, Reason, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;

use super::{Mode, View};
use crate::change::Change;
use crate::waiting::NAMED;
use crate::world::configuration::Held;
use crate::world::facts::{Counted, Facts};
use crate::world::{Because, Deployment, Hold, Note, Outcome};

/// More failed than are tolerated: back, or stop, or pause.
pub fn turn(view: &View) -> Option<Change> {
    let Mode::Forward { to, paused } = view.mode else { return turn_of_back(view) };
    let deployment = view.newest?;
    let number = deployment.id.number;
    if !too_many(view) {
        return None;
    }
    let failed = view.failed();
    let tolerated = view.fleet.spec.tolerate.round_down(view.members());
    let because = Because::TooManyFailed { failed, tolerated, hosts: named(view, |f| has_failed(f, &to, number)) };
    let id = deployment.id.clone();
    match (view.fleet.spec.on_failure, view.fleet.settled) {
        (OnFailure::Pause, _) if paused => None,
        (OnFailure::Pause, _) => Some(Change::Paused { id, note: rule(view, "failure tolerance") }),
        (OnFailure::Rollback, Some(settled)) if settled != to => {
            let hold = hold(view, deployment, Some(&settled));
            Some(Change::Turned { id, to: settled, because, hold, at: view.now })
        }
        (OnFailure::Rollback, None) if planted(Bug::FirstInstallRollsBack) => {
            Some(Change::Turned { id, to: Release::of(Digest([0; 32])), because, hold: None, at: view.now })
        }
        // Nothing to go back to (R20), or told to stop.
        (OnFailure::Rollback | OnFailure::Stop, settled) => Some(Change::Ended {
            id,
            outcome: Outcome::Stopped,
            because: Some(because),
            left_behind: Vec::new(),
            hold: hold(view, deployment, settled.as_ref()),
            at: view.now,
        }),
    }
}

/// R22: no failure turns anything on the way back.
fn turn_of_back(view: &View) -> Option<Change> {
    let Mode::Back { to } = view.mode else { return None };
    let id = view.newest.filter(|d| planted(Bug::BackCountsFailures) && count(view, &to, d.id.number) > 0)?.id.clone();
    Some(Change::Ended { id, outcome: Outcome::Stopped, because: None, left_behind: Vec::new(), hold: None, at: view.now })
}

/// More have failed on the way forward than are tolerated, those left aside from which a person has gone on.
pub fn too_many(view: &View) -> bool {
    let (Mode::Forward { .. }, Some(deployment)) = (&view.mode, view.newest) else { return false };
    let tolerated = view.fleet.spec.tolerate.round_down(view.members());
    view.failed().saturating_sub(deployment.forgiven) > tolerated
}

/// R21. Refusals by hosts that were down before count only when nobody is left who could prove the release, or has.
pub fn count(view: &View, to: &Release, number: u32) -> u32 {
    let (mut left, mut failed, mut broken_before) = (0, 0, 0);
    for (facts, hosts) in view.groups {
        let n = hosts.len() as u32;
        match (has_failed(facts, to, number), was_down(facts, to, number)) {
            (false, _) => left += n,
            (true, false) => failed += n,
            (true, true) => broken_before += n,
        }
    }
    if left == 0 { failed + broken_before } else { failed }
}

/// Refused in this deployment, or runs the target, at rest, and is down.
pub fn has_failed(facts: &Facts, to: &Release, number: u32) -> bool {
    let dead = facts.running.as_ref() == Some(to) && !facts.run && facts.standing == Counted::Down;
    let silent = facts.standing == Counted::Unreachable && planted(Bug::UnreachableIsFailed);
    facts.has_refused(to, number) || dead && !planted(Bug::DeadOnTargetOk) || silent
}

fn was_down(facts: &Facts, to: &Release, number: u32) -> bool {
    facts.has_refused(to, number) && facts.refused.as_ref().is_some_and(|r| r.was_down)
}

/// The first members by name for which it is true.
pub fn named(view: &View, is: impl Fn(&Facts) -> bool) -> Vec<HostName> {
    let mut hosts: Vec<HostName> = view.groups.iter().filter(|(f, _)| is(f)).flat_map(|(_, h)| h.iter().take(NAMED).cloned()).collect();
    hosts.sort();
    hosts.truncate(NAMED);
    hosts
}

/// What was new in the release that failed is held (R23); a restart of the settled one holds nothing: it is the way back.
fn hold(view: &View, deployment: &Deployment, settled: Option<&Release>) -> Option<Held> {
    Held::beside(&deployment.release, settled, held(view, deployment))
}

fn held(view: &View, deployment: &Deployment) -> Hold {
    let number = deployment.id.number;
    let first = named(view, |f| has_failed(f, &deployment.release, number)).into_iter().next();
    let why = first
        .and_then(|host| {
            let status = view.world.slot(&view.fleet.spec.app, &host)?.status.as_ref()?;
            let last = status.refused.last().filter(|r| r.release == deployment.release);
            Some(last.map_or_else(|| Why::lossy(&format!("{host} is down: {}", status.health.last)), |r| Why::lossy(&format!("{host} {}", r.why))))
        })
        .unwrap_or_default();
    Hold { by: deployment.id.clone(), at: view.now, why }
}

fn rule(view: &View, name: &str) -> Note {
    Note { by: Principal::Rule { name: Why::lossy(name) }, reason: Reason::lossy("more hosts failed than are tolerated"), at: view.now }
}
