//! Reports of ended runs go to the coordinator, each until it is acknowledged; scripts that failed bring the tail of their
//! output.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pilotage_agent_core::journal::{Cause, End, Entry, Journal, line};
use pilotage_agent_core::lifecycle::Task;
use pilotage_agent_core::run::{JOURNAL, LOGS};
use pilotage_client::agent::Coordinator;
use pilotage_shared::limits::LOG_TAIL;
use pilotage_shared::run::{Event, Outcome, RunReport};
use tracing::{debug, warn};

use crate::link::said;
use crate::{output, rundir};

/// In the run directory: the report was acknowledged.
const REPORTED: &str = "reported";
/// Run directories of one app that are kept.
const KEPT: usize = 20;
/// Between two attempts; doubles up to [`LONGEST`] while nothing changes.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Sends everything that was not acknowledged, whenever it is told that something may be there.
pub async fn keep(coordinator: Arc<Coordinator>, runs: PathBuf, mut wake: tokio::sync::watch::Receiver<u64>) {
    let mut wait = FIRST;
    loop {
        let left = send_all(&coordinator, &runs).await;
        if let Err(error) = sweep(&runs) {
            warn!(%error, "old run directories could not be removed");
        }
        let changed = if left {
            match tokio::time::timeout(wait, wake.changed()).await {
                Err(_) => {
                    wait = (wait * 2).min(LONGEST);
                    continue;
                }
                Ok(changed) => changed,
            }
        } else {
            wake.changed().await
        };
        wait = FIRST;
        if changed.is_err() {
            return;
        }
    }
}

/// True when something is left to send. One that is refused does not hold up the others.
async fn send_all(coordinator: &Coordinator, runs: &Path) -> bool {
    let mut left = false;
    for folder in by_app(runs).unwrap_or_default().into_values().flatten() {
        if folder.join(REPORTED).exists() {
            continue;
        }
        let Some(report) = rundir::report(&folder) else { continue };
        match send(coordinator, &folder, &report).await {
            Ok(()) => {
                // Sent again after a crash at the worst.
                let _ = fs::write(folder.join(REPORTED), b"");
            }
            Err(why) => {
                debug!(run = %report.id, why, "a report was not acknowledged yet");
                left = true;
            }
        }
    }
    left
}

async fn send(coordinator: &Coordinator, folder: &Path, report: &RunReport) -> Result<(), String> {
    coordinator.put_run(report).await.map_err(|e| said(&e))?;
    for script in failed(&journal(folder)) {
        let Some(output) = tail(folder, &script) else { continue };
        coordinator.put_log(&report.app, &report.id, script.event, script.back, output).await.map_err(|e| said(&e))?;
    }
    Ok(())
}

/// A script that failed.
#[derive(Debug, PartialEq, Eq)]
struct Script {
    /// The n-th of its run, from 1: its log is named by it, and events come twice in a run that goes back.
    number: usize,
    event: Event,
    back: bool,
}

/// What was recorded; of a journal that cannot be read nothing, the report itself has been sent.
fn journal(folder: &Path) -> Journal {
    fs::read(folder.join(JOURNAL)).ok().and_then(|bytes| line::parse(&bytes).ok()).map(|(journal, _)| journal).unwrap_or_default()
}

fn failed(journal: &Journal) -> Vec<Script> {
    let (mut found, mut number, mut back) = (Vec::new(), 0, false);
    for record in journal.records() {
        match &record.entry {
            Entry::Began { task: Task::Hook { .. }, .. } => number += 1,
            Entry::Turned(_) => back = true,
            Entry::Ended { task: Task::Hook { event, .. }, end: End::Failed(failure) } if failure.cause != Cause::NeverStarted => {
                found.push(Script { number, event: *event, back });
            }
            Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Began { .. } | Entry::Ended { .. } | Entry::Closed(_) => {}
        }
    }
    found
}

/// The end of a script's own log; none when it wrote none (it may not have been there at all).
fn tail(folder: &Path, script: &Script) -> Option<Bytes> {
    let path = folder.join(LOGS).join(format!("{:03}-{}.log", script.number, script.event));
    let mut file = fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL as u64))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes.into())
}

/// Run directories of each app, oldest first. Their names say which belong together, not to whom: `<app, opaque>-<attempt>`.
fn by_app(runs: &Path) -> std::io::Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut found: Vec<(String, u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(runs)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((app, attempt)) = name.rsplit_once('-').and_then(|(app, n)| Some((app.to_owned(), n.parse().ok()?))) {
            found.push((app, attempt, path));
        }
    }
    found.sort();
    let mut apps: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (app, _, path) in found {
        apps.entry(app).or_default().push(path);
    }
    Ok(apps)
}

/// The oldest acknowledged ones of each app go; what was not acknowledged stays, and so does whatever has started what runs:
/// its journal names the processes (R27). What was there for people to follow goes with the next run.
fn sweep(runs: &Path) -> std::io::Result<()> {
    for folders in by_app(runs)?.into_values() {
        for folder in folders.iter().rev().skip(1).filter(|folder| folder.join(REPORTED).exists()) {
            output::remove(folder)?;
        }
        let old = folders.len().saturating_sub(KEPT);
        if old == 0 {
            continue;
        }
        let outcomes: Vec<Option<Outcome>> = folders.iter().map(|f| rundir::report(f).map(|r| r.outcome)).collect();
        let newest = |wanted: fn(&Outcome) -> bool| outcomes.iter().rposition(|o| o.as_ref().is_some_and(wanted));
        let starters = [newest(|o| matches!(o, Outcome::Committed)), newest(|o| matches!(o, Outcome::RolledBack { .. }))];
        for (n, folder) in folders.iter().enumerate().take(old) {
            if folder.join(REPORTED).exists() && !starters.contains(&Some(n)) {
                fs::remove_dir_all(folder)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
