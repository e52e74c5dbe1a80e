//! Reports of ended runs go to the coordinator, each until it is acknowledged; failed events bring the tail of their output.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pilotage_agent_core::run::LOGS;
use pilotage_client::agent::Coordinator;
use pilotage_shared::limits::LOG_TAIL;
use pilotage_shared::run::{Event, RunReport};
use tracing::{debug, warn};

use crate::link::said;
use crate::rundir;

/// In the run directory: the report was acknowledged.
const REPORTED: &str = "reported";
/// Run directories that are kept.
const KEPT: usize = 20;
/// Between two attempts.
const AGAIN: Duration = Duration::from_secs(5);

/// Sends everything that was not acknowledged, whenever it is told that something may be there.
pub async fn keep(coordinator: Arc<Coordinator>, runs: PathBuf, mut wake: tokio::sync::watch::Receiver<u64>) {
    loop {
        let left = send_all(&coordinator, &runs).await;
        if let Err(error) = sweep(&runs) {
            warn!(%error, "old run directories could not be removed");
        }
        let changed = if left { tokio::time::timeout(AGAIN, wake.changed()).await.unwrap_or(Ok(())) } else { wake.changed().await };
        if changed.is_err() {
            return;
        }
    }
}

/// True when something is left to send.
async fn send_all(coordinator: &Coordinator, runs: &Path) -> bool {
    let mut left = false;
    for folder in folders(runs).unwrap_or_default() {
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
    for event in report.events.iter().filter(|e| e.code != 0 && e.script.is_some()) {
        let Some(output) = tail(folder, event.event) else { continue };
        coordinator.put_log(&report.app, &report.id, event.event, event.back, output).await.map_err(|e| said(&e))?;
    }
    Ok(())
}

/// The end of the newest log of that event.
fn tail(folder: &Path, event: Event) -> Option<Bytes> {
    let number = |path: &Path| path.file_name()?.to_string_lossy().split('-').next()?.parse::<u32>().ok();
    let ending = format!("-{event}.log");
    let logs = fs::read_dir(folder.join(LOGS)).ok()?.flatten().map(|e| e.path());
    let newest = logs.filter(|p| p.to_string_lossy().ends_with(&ending)).max_by_key(|p| number(p))?;
    let mut file = fs::File::open(newest).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL as u64))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes.into())
}

fn folders(runs: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(runs)? {
        let entry = entry?;
        found.push((entry.metadata()?.modified()?, entry.path()));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Oldest acknowledged ones go first; what was not acknowledged stays.
fn sweep(runs: &Path) -> std::io::Result<()> {
    let done: Vec<PathBuf> = folders(runs)?.into_iter().filter(|f| f.join(REPORTED).exists()).collect();
    for folder in done.iter().take(done.len().saturating_sub(KEPT)) {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}
