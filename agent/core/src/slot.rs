//! One app on this host: what it remembers, what it may do next.
//!
//! ```text
//!  idle ──activate g > spent, fresh (R6)──▶ begin: spent := g, run := g in one write (R7) ──▶ running(g) ──▶ idle
//!  idle ──activate, but something speaks against it──▶ give up: spent := g, declines (R30)
//!  idle, running == intent.release ──▶ spent := g, no run
//!  running(g) ──agent or host restart──▶ running(g)   the same run from its journal; no second one while it may be alive (R26)
//!  running(g) ──newest intent names the release it came from──▶ turns back at its next task boundary (R31)
//! ```
//!
//! The agent does not restart or roll back a committed release because its health check fails (R27): nothing here reads the
//! standing but for R6. What is started again is what is gone (`life`).

pub mod hands;
pub mod host;
pub mod life;
pub mod permission;
pub mod receive;
pub mod recovered;

use pilotage_shared::health::{HealthNote, Standing};
use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::limits::REFUSALS_MAX;
use pilotage_shared::name::Why;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Outcome, Phase};
use pilotage_shared::status::{Refusal, RunStatus, SlotStatus};
use pilotage_shared::text::Text;
use serde::{Deserialize, Serialize};

use crate::acceptable::{HostPolicy, Seen, acceptable};
use permission::{Now, fresh};

/// Bytes of a refusal's reason that are kept: eight of them, with all else of a slot, fit one record of the ledger (4 KiB).
/// The whole reason stands in `last_ended` and in the run's report.
const REFUSAL_WHY: usize = 140;

/// One app's durable record in the host's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Highest generation ever received (R5).
    pub seen: Generation,
    /// Highest generation used or given up (R7, R30).
    pub spent: Generation,
    /// The run that has begun and not been closed (R26).
    pub run: Option<RunEntry>,
    /// What runs, committed.
    pub running: Option<Release>,
    /// Where a local rollback goes.
    pub previous: Option<Release>,
    /// What was tried and not kept, newest last (R19).
    pub refused: Vec<Refusal>,
    /// A person at this host said: stay.
    pub pinned: Option<Why>,
    /// Why it will not begin (R30).
    pub declines: Option<Why>,
    /// Inconsistent, and how (promise 4).
    pub needs_hands: Option<Why>,
    /// Runs begun so far; names them.
    pub attempts: u32,
    /// How the last one ended.
    pub last_ended: Option<(Generation, Outcome)>,
}

/// A run in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Its number on this host.
    pub attempt: u32,
    /// On whose word.
    pub kind: RunKind,
    /// For which deployment.
    pub deployment: Option<DeploymentId>,
    /// Where it goes.
    pub release: Release,
    /// Where it came from.
    pub from: Option<Release>,
}

/// On whose word a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunKind {
    /// The coordinator's permission of this generation.
    Activate(Generation),
    /// A person's at this host.
    LocalRollback,
    /// The host's own: its process is gone, and it is started again as it is (R27).
    Again,
}

/// What the agent knows of one app in memory only: lost at its restart, made anew by the next intent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// The newest intent of this session.
    pub intent: Option<Intent>,
}

/// What the shell sees now; gathered before each call, never remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight<'a> {
    /// For R6.
    pub now: Now<'a>,
    /// The bits of the intent's release.
    pub bits: Bits,
    /// The run in the ledger, as its directory says.
    pub run: RunSight,
    /// What runs was committed, and its process is gone (R27; `life`).
    pub gone: bool,
    /// Something on this host speaks against beginning now, as a full disk (R30).
    pub obstacle: Option<Why>,
    /// What this host's owner demands of releases.
    pub policy: &'a HostPolicy,
    /// What was heard against releases.
    pub seen: &'a Seen,
}

/// How far the bits of a release are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bits {
    /// Nothing was done.
    Absent,
    /// Being fetched, verified, unpacked.
    Working,
    /// This release is here, verified, unpacked and preflighted.
    Staged(Release),
    /// It did not go; the shell tries again later by itself.
    Failed(Why),
}

/// How the run in the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunSight {
    /// There is none.
    None,
    /// Its deployer lives.
    Alive(Phase),
    /// It has ended.
    Ended(Outcome),
    /// It has ended on the release that it came from, because it was asked to turn back and not because anything failed.
    TurnedBack(Why),
    /// It has not ended and nobody holds its lock.
    Lost,
}

/// What to do next. A record in an act is written durably before anything else of the act is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Fetch, verify, unpack and preflight it.
    Stage(Release),
    /// Spend the generation, name the run, then start a deployer.
    Begin {
        /// To be written first (R7).
        record: Slot,
    },
    /// Start a deployer again on the same run directory.
    Resume,
    /// Make the run turn back at its next task boundary.
    TurnBack(Why),
    /// The run is over.
    Close {
        /// To be written.
        record: Slot,
    },
    /// Only the record changes: given up, already there, or a reason that has passed.
    Record {
        /// To be written.
        record: Slot,
    },
    /// Nothing; why, for people.
    Idle(Why),
}

/// What this app on this host does next.
pub fn next(slot: &Slot, held: &Held, sight: &Sight) -> Act {
    match &slot.run {
        Some(_) if planted(Bug::TwoRuns) && held.intent.as_ref().is_some_and(|i| i.go == Go::Activate && i.generation > slot.spent) => {
            at_rest(slot, held, sight)
        }
        Some(run) => in_run(slot, run, held, sight),
        None => match at_rest(slot, held, sight) {
            Act::Idle(why) => again(slot, sight).unwrap_or(Act::Idle(why)),
            act => act,
        },
    }
}

/// R27: by a run without a loan (R26). A pin holds the release, not its process.
fn again(slot: &Slot, sight: &Sight) -> Option<Act> {
    let release = slot.running.filter(|_| sight.gone && slot.needs_hands.is_none())?;
    acceptable(&release, &[], sight.policy, sight.seen).ok()?;
    let begun = begun(slot, RunKind::Again, None, release);
    Some(Act::Begin { record: Slot { declines: slot.declines.clone(), ..begun } })
}

/// R26: one run at a time; it is finished, whatever else is wanted.
fn in_run(slot: &Slot, run: &RunEntry, held: &Held, sight: &Sight) -> Act {
    match &sight.run {
        RunSight::Alive(_) if planted(Bug::SecondDeployer) => Act::Resume,
        RunSight::Lost if planted(Bug::LostRunForgotten) => Act::Close { record: turned_back(slot, run, &Why::fixed("lost")) },
        RunSight::None | RunSight::Lost => Act::Resume,
        RunSight::Ended(outcome) => Act::Close { record: closed(slot, run, outcome) },
        RunSight::TurnedBack(why) => Act::Close { record: turned_back(slot, run, why) },
        RunSight::Alive(Phase::Back(_)) => Act::Idle(Why::fixed("a run goes back")),
        RunSight::Alive(Phase::Beginning | Phase::Forward(_)) => {
            if sight.seen.blocked.packages.contains(&run.release.package) && !planted(Bug::BlockedAtReceiptOnly) {
                return Act::TurnBack(Why::fixed("its package was blocked")); // R29
            }
            let back = held.intent.as_ref().filter(|i| newer(i, run) && i.release.is_some() && i.release == run.from && i.go != Go::Keep);
            match back {
                Some(intent) => Act::TurnBack(Why::lossy(&format!("generation {} wants what it came from", intent.generation))),
                None => Act::Idle(Why::fixed("a run is alive")),
            }
        }
    }
}

fn newer(intent: &Intent, run: &RunEntry) -> bool {
    match run.kind {
        RunKind::Activate(generation) => intent.generation > generation,
        // A person's word at the host stands (promise 5); what is only started again has nothing to turn back to.
        RunKind::LocalRollback | RunKind::Again => false,
    }
}

fn at_rest(slot: &Slot, held: &Held, sight: &Sight) -> Act {
    if let Some(act) = reason_passed(slot, sight) {
        return act;
    }
    let Some(intent) = &held.intent else { return Act::Idle(Why::fixed("no intent in this session")) };
    let Some(release) = intent.release else { return Act::Idle(Why::fixed("nothing is wanted here")) };
    let unspent = intent.go == Go::Activate && intent.generation > slot.spent;
    if slot.running == Some(release) {
        return if unspent {
            Act::Record { record: Slot { spent: intent.generation, ..slot.clone() } }
        } else {
            Act::Idle(Why::fixed("it runs what is wanted"))
        };
    }
    if intent.go == Go::Keep {
        return Act::Idle(Why::fixed("told to stay"));
    }
    if let Err(why) = acceptable(&release, &intent.proofs, sight.policy, sight.seen)
        && !planted(Bug::BlockedAtReceiptOnly)
    {
        return if unspent { give_up(slot, intent, &why.to_string()) } else { Act::Idle(Why::lossy(&why.to_string())) };
    }
    match &sight.bits {
        Bits::Staged(staged) if *staged == release => {}
        Bits::Failed(why) => return failed_to_stage(slot, intent, why, unspent),
        Bits::Absent | Bits::Staged(_) => return Act::Stage(release),
        Bits::Working => return Act::Idle(Why::fixed("the bits are on their way")),
    }
    if !unspent {
        return Act::Idle(if intent.go == Go::Activate {
            Why::fixed("this permission was used")
        } else {
            Why::fixed("staged; waits for a permission")
        });
    }
    if slot.pinned.is_some() && planted(Bug::PinnedSilently) {
        return Act::Idle(Why::fixed("pinned"));
    }
    if let Some(why) = against(slot, intent, release, sight) {
        return give_up(slot, intent, &why);
    }
    match fresh(slot, intent, &sight.now) {
        Ok(()) => Act::Begin { record: begun(slot, RunKind::Activate(intent.generation), intent.deployment.clone(), release) },
        Err(stale) => Act::Idle(Why::lossy(&stale.to_string())),
    }
}

/// What makes a host give its permission up at once (R30).
fn against(slot: &Slot, intent: &Intent, release: Release, sight: &Sight) -> Option<String> {
    if let Some(why) = slot.pinned.as_ref().filter(|_| !planted(Bug::PinIgnored)) {
        return Some(format!("pinned: {why}"));
    }
    if let Some(why) = &slot.needs_hands {
        return Some(format!("needs hands: {why}"));
    }
    let refused = slot.refused.iter().any(|r| r.release == release && Some(&r.deployment) == intent.deployment.as_ref());
    // R19; after a person's retry the coordinator lends again, at a generation above all that were spent on refusals.
    let retried = slot.last_ended.as_ref().is_some_and(|(generation, _)| intent.generation > *generation);
    if refused && !retried {
        return Some("it was refused in this deployment".into());
    }
    sight.obstacle.as_ref().map(Why::to_string)
}

fn give_up(slot: &Slot, intent: &Intent, why: &str) -> Act {
    let declines = slot.pinned.is_none().then(|| Why::lossy(why)); // a pin shows by itself
    Act::Record { record: Slot { spent: intent.generation, declines, ..slot.clone() } }
}

/// The coordinator learns why it waits; the shell tries again by itself.
fn failed_to_stage(slot: &Slot, intent: &Intent, why: &Why, unspent: bool) -> Act {
    if unspent {
        return give_up(slot, intent, why.as_str());
    }
    if slot.declines.as_ref() == Some(why) {
        return Act::Idle(why.clone());
    }
    Act::Record { record: Slot { declines: Some(why.clone()), ..slot.clone() } }
}

/// A decline lifts when what it was about has passed: the bits are here, or on their way again, and nothing is in the way.
fn reason_passed(slot: &Slot, sight: &Sight) -> Option<Act> {
    slot.declines.as_ref()?;
    let lifted = sight.obstacle.is_none() && matches!(sight.bits, Bits::Staged(_));
    lifted.then(|| Act::Record { record: Slot { declines: None, ..slot.clone() } })
}

/// R7: spent and run in one write.
pub(crate) fn begun(slot: &Slot, kind: RunKind, deployment: Option<DeploymentId>, release: Release) -> Slot {
    let attempt = slot.attempts + 1;
    let run = RunEntry { attempt, kind, deployment, release, from: slot.running };
    let spent = match kind {
        RunKind::Activate(generation) => generation,
        RunKind::LocalRollback | RunKind::Again => slot.spent,
    };
    Slot { spent, run: Some(run), attempts: attempt, declines: None, ..slot.clone() }
}

/// R7: run := none, running and refused in one write at the end.
fn closed(slot: &Slot, run: &RunEntry, outcome: &Outcome) -> Slot {
    let generation = match run.kind {
        RunKind::Activate(generation) => generation,
        RunKind::LocalRollback => slot.spent,
        // Nothing was decided: it is down, as it was before, and a release that can run may be wanted here any time.
        RunKind::Again => return Slot { run: None, ..slot.clone() },
    };
    let mut record = Slot { run: None, last_ended: Some((generation, outcome.clone())), ..slot.clone() };
    let refusal = |why: &Why, needs_hands| {
        let deployment = run.deployment.clone()?;
        let why = Why::lossy(Text::<REFUSAL_WHY>::lossy(why.as_str()).as_str());
        Some(Refusal { release: run.release, deployment, why, needs_hands })
    };
    match outcome {
        Outcome::Committed => {
            record.running = Some(run.release);
            record.previous = way_back(slot, run);
            record.needs_hands = None;
            if run.kind == RunKind::LocalRollback {
                record.pinned = Some(record.pinned.unwrap_or_else(|| Why::fixed("rolled back by hand")));
            }
        }
        Outcome::RolledBack { why } => {
            record.refused.extend(refusal(why, false));
            if planted(Bug::BackToUnproved) {
                record.previous = Some(run.release);
            }
        }
        // Nothing was disturbed; it is asked again under the next permission.
        Outcome::NotBegun { .. } => {}
        Outcome::NeedsHands { why } => {
            record.refused.extend(refusal(why, true));
            record.needs_hands = Some(why.clone());
        }
    }
    let surplus = record.refused.len().saturating_sub(REFUSALS_MAX);
    record.refused.drain(..surplus);
    if planted(Bug::SpentNotKept) {
        record.spent = Generation(record.spent.0.saturating_sub(1));
    }
    record
}

/// Where a local rollback goes once this run is committed. Whoever went back left what he does not want to return to; a
/// restart leaves the way back as it was.
fn way_back(slot: &Slot, run: &RunEntry) -> Option<Release> {
    let same = |from: &Release| (from.package, from.config) == (run.release.package, run.release.config);
    match run.from {
        Some(from) if same(&from) => slot.previous,
        _ if slot.previous == Some(run.release) => None,
        from => from,
    }
}

/// R31: as if validation had failed, but the release is not refused.
fn turned_back(slot: &Slot, run: &RunEntry, why: &Why) -> Slot {
    let record = closed(slot, run, &Outcome::RolledBack { why: why.clone() });
    Slot { refused: slot.refused.clone(), ..record }
}

/// What the host says of this app (PROTOCOL §1): one consistent snapshot.
pub fn status(slot: &Slot, staged: Option<Release>, phase: Option<Phase>, standing: Standing, health: HealthNote) -> SlotStatus {
    let run = slot.run.as_ref().map(|run| run_status(run, phase));
    SlotStatus {
        seen: slot.seen,
        spent: slot.spent,
        run,
        running: slot.running,
        previous: slot.previous,
        staged,
        refused: slot.refused.clone(),
        pinned: slot.pinned.clone().filter(|_| !planted(Bug::PinnedSilently)),
        declines: slot.declines.clone(),
        needs_hands: slot.needs_hands.clone(),
        standing,
        last_ended: slot.last_ended.clone(),
        health,
    }
}

/// Would [`status`] say the same again? Nothing is copied to find out.
pub fn is_said(slot: &Slot, staged: Option<Release>, phase: Option<Phase>, standing: Standing, health: &HealthNote, said: &SlotStatus) -> bool {
    let pinned = slot.pinned.as_ref().filter(|_| !planted(Bug::PinnedSilently));
    let run = slot.run.as_ref().map(|run| run_status(run, phase));
    (said.seen, said.spent, said.standing) == (slot.seen, slot.spent, standing)
        && (said.running, said.previous, said.staged) == (slot.running, slot.previous, staged)
        && (said.pinned.as_ref(), &said.declines, &said.needs_hands) == (pinned, &slot.declines, &slot.needs_hands)
        && (&said.run, &said.refused, &said.last_ended, &said.health) == (&run, &slot.refused, &slot.last_ended, health)
}

fn run_status(run: &RunEntry, phase: Option<Phase>) -> RunStatus {
    let generation = match run.kind {
        RunKind::Activate(generation) => Some(generation),
        RunKind::LocalRollback | RunKind::Again => None,
    };
    RunStatus { generation, release: run.release, phase: phase.unwrap_or(Phase::Beginning) }
}

#[cfg(test)]
mod tests;
