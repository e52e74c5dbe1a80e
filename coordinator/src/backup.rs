//! Backups of the store: one file each, made between two commits while requests are served, on a timer or when somebody asks;
//! and the way back. Packages and logs of hooks are files beside the store and are not in it.
//!
//! A restored store may be older than what hosts have seen. That is safe: it begins recovering, so nobody is moved until a
//! person goes on (R34); who has not been heard since the start does not count (R16), and a host that has seen more than the
//! store freezes its fleet until a person says how to go on (R18).

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::world::Settings;
use pilotage_disk::{ExportError, OpenOptions};
use pilotage_shared::time::{Millis, Time};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::engine::{Handle, begin_recovery};
use crate::store::{Keep, Store, StoreError};

/// How their names end.
const ENDING: &str = ".backup";

/// Why a backup was not made or not taken.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder.
    #[error("failed to use {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file, or the store.
    #[error("failed to copy the store")]
    Export(#[from] pilotage_disk::ExportError),
    /// The engine has ended.
    #[error("the coordinator stops")]
    Stopping,
    /// There is a store already.
    #[error("there is a store in {0} already: move it away first, nothing was changed")]
    Exists(PathBuf),
    /// Another version's.
    #[error("{path} was made by a newer program, which must restore it: {what}")]
    Newer {
        /// The backup.
        path: PathBuf,
        /// What is newer in it.
        what: String,
    },
    /// What came out of the file cannot be used.
    #[error("the backup does not hold a coordinator's store")]
    Store(#[from] StoreError),
}

/// One backup.
#[derive(Clone, Debug)]
pub struct Made {
    /// On the coordinator's machine.
    pub path: PathBuf,
    /// When.
    pub at: Time,
    /// Records in it.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
}

/// Where backups go, and how old the newest is.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    keep: usize,
    newest: AtomicU64,
}

impl Backups {
    /// Backups in this folder, of which the newest `keep` stay.
    pub fn new(folder: PathBuf, keep: usize) -> Backups {
        let newest = made(&folder).last().map_or(0, |(at, _)| *at);
        Backups { folder, keep: keep.max(1), newest: AtomicU64::new(newest) }
    }

    /// When the newest was made; none: there is none.
    pub fn newest(&self) -> Option<Time> {
        Some(self.newest.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Time)
    }

    /// Makes one. It blocks commits while it is written: about a second for a million records.
    pub async fn make(&self, engine: &Handle) -> Result<Made, BackupError> {
        let folder = |source| BackupError::Folder { path: self.folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(folder)?;
        let here = self.folder.clone();
        let made = engine.query(move |view| {
            let path = here.join(format!("{}{ENDING}", view.now.0));
            view.store.export(&path).map(|records| Made { path, at: view.now, records, bytes: 0 })
        });
        let mut made = made.await.map_err(|_| BackupError::Stopping)??;
        made.bytes = fs::metadata(&made.path).map_err(folder)?.len();
        self.newest.store(made.at.0, Ordering::Relaxed);
        self.prune();
        Ok(made)
    }

    fn prune(&self) {
        let made = made(&self.folder);
        for (_, path) in made.iter().take(made.len().saturating_sub(self.keep)) {
            if let Err(error) = fs::remove_file(path) {
                warn!(%error, path = %path.display(), "an old backup could not be removed");
            }
        }
    }

    /// Makes one whenever the newest is older than `every`, until it is told to stop.
    pub async fn keep_making(&self, every: Millis, engine: Handle, stop: CancellationToken) {
        let every = std::time::Duration::from_millis(every.0);
        let mut beat = tokio::time::interval(every);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = beat.tick() => match self.make(&engine).await {
                    Ok(made) => info!(path = %made.path.display(), records = made.records, bytes = made.bytes, "backup made"),
                    Err(BackupError::Stopping) => return,
                    Err(error) => error!(error = %said(&error), "no backup could be made"),
                },
            }
        }
    }
}

/// All of a folder, oldest first.
fn made(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u64, PathBuf)> = entries.filter_map(|e| Some((moment(&e.path())?.0, e.path()))).collect();
    found.sort();
    found
}

/// When a backup was made: its name says so, unless somebody has given it another.
fn moment(backup: &Path) -> Option<Time> {
    backup.file_name()?.to_str()?.strip_suffix(ENDING)?.parse().ok().map(Time)
}

/// What a restored store holds.
#[derive(Debug)]
pub struct Restored {
    /// Hosts that are in it.
    pub hosts: usize,
    /// Fleets.
    pub fleets: usize,
    /// Deployments.
    pub deployments: usize,
}

/// Makes a store in `state` from a backup; only where there is none. Nothing half-made stays.
pub fn restore(backup: &Path, state: &Path) -> Result<Restored, BackupError> {
    let store = state.join("store");
    if store.exists() {
        return Err(BackupError::Exists(state.to_owned()));
    }
    let folder = |source| BackupError::Folder { path: state.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(folder)?;
    match recovering(backup, &store).map_err(|e| newer(backup, e)) {
        Ok(world) => Ok(Restored { hosts: world.hosts.len(), fleets: world.fleets.len(), deployments: world.deployments.len() }),
        Err(error) => {
            // What was made of a backup that is no good is no store.
            let _ = fs::remove_dir_all(&store);
            Err(error)
        }
    }
}

/// The store of a backup, in which nobody is moved until a person goes on (R34).
fn recovering(backup: &Path, folder: &Path) -> Result<World, BackupError> {
    drop(pilotage_disk::import(backup, folder, OpenOptions::default())?);
    let keep = Keep { history: u64::MAX, runs: usize::MAX };
    let (mut store, mut world) = Store::open(folder, Settings { heartbeat: Millis::seconds(5) }, keep)?;
    begin_recovery(&mut store, &mut world, moment(backup))?;
    Ok(world)
}

/// What only a newer program understands is no damage.
fn newer(backup: &Path, error: BackupError) -> BackupError {
    let what = match &error {
        BackupError::Export(source @ ExportError::Newer { .. }) => source.to_string(),
        BackupError::Store(StoreError::Codec { source, .. }) if source.is_newer() => source.to_string(),
        _ => return error,
    };
    BackupError::Newer { path: backup.to_owned(), what }
}

fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
