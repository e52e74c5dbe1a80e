//! Run directories as the agent sees them: made with the order, read while the deployer works, marked (the protocol stands in
//! `agent/core/src/run.rs`).

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};
use pilotage_agent_core::journal::{Journal, Turn, line};
use pilotage_agent_core::run::{JOURNAL, LOCK, LOGS, REPORT, REQUEST, REVOKED, Request, TURN_BACK};
use pilotage_agent_core::slot::RunSight;
use pilotage_disk::durable;
use pilotage_shared::name::Why;
use pilotage_shared::run::{Outcome, Phase, RunReport};

/// Makes the directory with its order, durably; one that has its order already is left as it is. An order that cannot be read
/// is written anew when nothing was done by it.
pub fn create(folder: &Path, order: &Request) -> anyhow::Result<()> {
    if !never_begun(folder) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder.join(LOGS))?;
    durable::replace(&folder.join(REQUEST), &serde_json::to_vec_pretty(order)?, 0o600)?;
    durable::sync_dir(folder.parent().unwrap_or(folder))?;
    Ok(())
}

/// It was named, and its order was never written whole: nobody has worked on it.
pub fn never_begun(folder: &Path) -> bool {
    request(folder).is_none() && !folder.join(JOURNAL).exists()
}

/// How the run is now.
pub fn look(folder: &Path) -> RunSight {
    if let Some(report) = report(folder) {
        return ended(folder, report.outcome);
    }
    if !folder.join(REQUEST).exists() || !alive(folder) {
        // It may have ended between the two looks.
        return report(folder).map_or_else(|| unfinished(folder), |r| ended(folder, r.outcome));
    }
    RunSight::Alive(journal(folder).map_or(Phase::Beginning, |journal| journal.phase()))
}

/// Nobody works on it. What was begun by an order that cannot be read any more cannot be finished by anybody (promise 4).
fn unfinished(folder: &Path) -> RunSight {
    if folder.join(JOURNAL).exists() && request(folder).is_none() {
        let why = format!("the order of a run that has begun is damaged: look at {}, then unpin and deploy", folder.display());
        return RunSight::Ended(Outcome::NeedsHands { why: Why::lossy(&why) });
    }
    RunSight::Lost
}

/// R31: a run that turned back because it was asked to has not failed.
fn ended(folder: &Path, outcome: Outcome) -> RunSight {
    match (outcome, journal(folder).as_ref().and_then(Journal::turned)) {
        (Outcome::RolledBack { why }, Some(Turn::Asked(_))) => RunSight::TurnedBack(why),
        (outcome, _) => RunSight::Ended(outcome),
    }
}

/// The order of a run; none when it was not written whole.
pub fn request(folder: &Path) -> Option<Request> {
    serde_json::from_slice(&fs::read(folder.join(REQUEST)).ok()?).ok()
}

/// The report of a run that has ended.
pub fn report(folder: &Path) -> Option<RunReport> {
    serde_json::from_slice(&fs::read(folder.join(REPORT)).ok()?).ok()
}

/// Somebody holds the lock: a deployer lives.
fn alive(folder: &Path) -> bool {
    let Ok(file) = File::options().read(true).write(true).open(folder.join(LOCK)) else { return false };
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
}

/// Waits until no deployer works in it: one that has reported still sweeps.
pub fn until_left(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(LOCK);
    let file = File::options().read(true).write(true).open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    drop(Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e).with_context(|| format!("failed to lock {}", path.display()))?);
    Ok(())
}

fn journal(folder: &Path) -> Option<Journal> {
    let bytes = fs::read(folder.join(JOURNAL)).ok()?;
    line::parse(&bytes).ok().map(|(journal, _)| journal)
}

/// The permission is void: looked at immediately before the first disturbing task (R6).
pub fn revoke(folder: &Path, why: &str) -> anyhow::Result<()> {
    mark(folder, REVOKED, why)
}

/// Turn back at the next task boundary (R29, R31).
pub fn turn_back(folder: &Path, why: &Why) -> anyhow::Result<()> {
    mark(folder, TURN_BACK, why.as_str())
}

fn mark(folder: &Path, name: &str, why: &str) -> anyhow::Result<()> {
    if !folder.join(name).exists() {
        durable::replace(&folder.join(name), why.as_bytes(), 0o600)?;
    }
    Ok(())
}

#[cfg(test)]
mod crash;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_by_an_order_that_is_damaged_needs_hands_and_what_was_not_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(REQUEST), "{").unwrap();
        assert_eq!(look(dir.path()), RunSight::Lost, "its order is written anew");
        fs::write(dir.path().join(JOURNAL), "").unwrap();
        assert!(matches!(look(dir.path()), RunSight::Ended(Outcome::NeedsHands { .. })));
    }
}
