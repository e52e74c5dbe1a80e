//! Run directories as the agent sees them: made with the order, read while the deployer works, marked (the protocol stands in
//! `agent/core/src/run.rs`).

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};
use pilotage_agent_core::journal::line;
use pilotage_agent_core::run::{JOURNAL, LOCK, LOGS, REPORT, REQUEST, REVOKED, Request, TURN_BACK};
use pilotage_agent_core::slot::RunSight;
use pilotage_disk::durable;
use pilotage_shared::name::Why;
use pilotage_shared::run::{Phase, RunReport};

/// Between two looks at locks of an earlier ledger's deployers; the kernel does not tell when a lock is free.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes the directory with its order, durably; one that has its order already is left as it is.
pub fn create(folder: &Path, request: &Request) -> anyhow::Result<()> {
    if folder.join(REQUEST).exists() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder.join(LOGS))?;
    durable::replace(&folder.join(REQUEST), &serde_json::to_vec_pretty(request)?, 0o600)?;
    durable::sync_dir(folder.parent().unwrap_or(folder))?;
    Ok(())
}

/// How the run is now.
pub fn look(folder: &Path) -> RunSight {
    if let Some(report) = report(folder) {
        return RunSight::Ended(report.outcome);
    }
    if !folder.join(REQUEST).exists() || !alive(folder) {
        // It may have ended between the two looks.
        return report(folder).map_or(RunSight::Lost, |r| RunSight::Ended(r.outcome));
    }
    RunSight::Alive(phase(folder))
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

fn phase(folder: &Path) -> Phase {
    let bytes = fs::read(folder.join(JOURNAL)).unwrap_or_default();
    line::parse(&bytes).map_or(Phase::Beginning, |(journal, _)| journal.phase())
}

/// An empty ledger beside run directories: the ledger was lost. Nothing is said to the coordinator before no deployer of the
/// earlier one lives (PROTOCOL §5); then its runs are put aside, so that none is taken for one of ours.
pub async fn outlive_earlier(runs: &Path) -> anyhow::Result<()> {
    let folders = || -> std::io::Result<Vec<_>> { fs::read_dir(runs)?.map(|e| Ok(e?.path())).collect() };
    if folders()?.is_empty() {
        return Ok(());
    }
    while folders()?.iter().any(|folder| alive(folder)) {
        tracing::warn!("the ledger is new and a deployer of an earlier one still works: waiting for its end");
        tokio::time::sleep(AGAIN).await;
    }
    let aside = runs.with_file_name(format!("runs.lost-{}", crate::clock::uptime().0));
    fs::rename(runs, &aside).with_context(|| format!("failed to put {} aside", runs.display()))?;
    DirBuilder::new().mode(0o700).create(runs)?;
    durable::sync_dir(runs.parent().unwrap_or(runs))?;
    Ok(())
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
