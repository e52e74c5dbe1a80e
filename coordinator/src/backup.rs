//! Backups of the store: one file each, made between two commits while requests are served, on a timer or when somebody asks;
//! and the way back ([`restore`]). Packages are in it when somebody asks for them; logs of hooks never are.
//!
//! A restored store may be older than what hosts have seen. That is safe: it begins recovering, so nobody is moved until a
//! person goes on (R34); who has not been heard since the start does not count (R16), and a host that has seen more than the
//! store freezes its fleet until a person says how to go on (R18).

mod contents;
mod restore;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pilotage_disk::durable::{self, DurableError, Replacement};
use pilotage_disk::space;
use pilotage_shared::digest::Digest;
use pilotage_shared::time::{Millis, Time};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::engine::Handle;
use crate::packages::{GUARD, PackageError, Packages};
use crate::store::StoreError;
pub use contents::Taken;
pub use restore::{Restored, UNFINISHED, restore};

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
    /// The file.
    #[error("failed to write the backup")]
    Write(#[from] DurableError),
    /// A package.
    #[error("failed to copy the packages")]
    Packages(#[from] PackageError),
    /// No room for packages.
    #[error(
        "{path} has {free} bytes free, a backup with its packages needs {needed}, and {GUARD} must stay free: make room, or choose another backup_folder"
    )]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Free now.
        free: u64,
        /// That it would take.
        needed: u64,
    },
    /// The packages of a backup.
    #[error("{path} is not whole: {what}")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
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
    /// Packages in it, when they were asked for.
    pub packages: Option<Taken>,
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

    /// Makes one, with the contents of all packages if they are given. It blocks commits while the records are written: about
    /// a second for a million of them.
    pub async fn make(&self, engine: &Handle, packages: Option<&Arc<Packages>>) -> Result<Made, BackupError> {
        durable::create_dirs(&self.folder, 0o700)?;
        // No package that the records name may go before it was copied.
        let kept = match packages {
            Some(packages) => Some((packages.clone(), packages.gate.read().await)),
            None => None,
        };
        let here = self.folder.clone();
        let begun = engine.query(move |view| {
            let mut file = Replacement::begin(&here.join(format!("{}{ENDING}", view.now.0)), 0o600)?;
            let records = view.store.export_into(&mut file)?;
            Ok(Begun { file, at: view.now, records, packages: view.world.packages.keys().copied().collect() })
        });
        let begun: Result<Begun, BackupError> = begun.await.map_err(|_| BackupError::Stopping)?;
        let (begun, contents) = (begun?, kept.as_ref().map(|(packages, _)| packages.clone()));
        let written = tokio::task::spawn_blocking(move || begun.finish(contents.as_deref()));
        let made = written.await.map_err(|_| BackupError::Stopping)??;
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

    /// Makes one whenever the newest is older than `every`, until it is told to stop. A coordinator that is started again and
    /// again makes no more of them: what is kept must not be pushed out by copies of one moment.
    pub async fn keep_making(&self, every: Millis, engine: Handle, stop: CancellationToken) {
        let mut wait = match self.newest() {
            None => Millis(0),
            Some(newest) => match engine.query(|view| view.now).await {
                Ok(now) => Millis(every.0.saturating_sub(now.0.saturating_sub(newest.0))),
                Err(_) => return,
            },
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(wait.0)) => {}
            }
            match self.make(&engine, None).await {
                Ok(made) => info!(path = %made.path.display(), records = made.records, bytes = made.bytes, "backup made"),
                Err(BackupError::Stopping) => return,
                Err(error) => error!(error = %said(&error), "no backup could be made"),
            }
            wait = every;
        }
    }
}

/// The records are in it; nobody waits for the rest.
struct Begun {
    file: Replacement,
    at: Time,
    records: u64,
    packages: Vec<Digest>,
}

impl Begun {
    fn finish(mut self, contents: Option<&Packages>) -> Result<Made, BackupError> {
        let path = self.file.path().to_owned();
        let packages = match contents {
            None => None,
            Some(packages) => {
                let plan = contents::plan(packages, &self.packages)?;
                let folder = path.parent().unwrap_or(Path::new("."));
                let free = space::free_bytes(folder).map_err(|source| BackupError::Folder { path: folder.to_owned(), source })?;
                if free < plan.bytes.saturating_add(GUARD) {
                    return Err(BackupError::NoSpace { path: folder.to_owned(), free, needed: plan.bytes });
                }
                Some(contents::write(packages, plan, &path, &mut self.file)?)
            }
        };
        self.file.finish()?;
        let bytes = fs::metadata(&path).map_err(|source| BackupError::Folder { path: path.clone(), source })?.len();
        Ok(Made { path, at: self.at, records: self.records, packages, bytes })
    }
}

/// All of a folder, oldest first.
fn made(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u64, PathBuf)> = entries.filter_map(|e| Some((moment(&e.path())?.0, e.path()))).collect();
    found.sort();
    found
}

/// The newest backup of a folder, for who needs one.
pub fn newest_in(folder: &Path) -> Option<PathBuf> {
    made(folder).pop().map(|(_, path)| path)
}

/// When a backup was made: its name says so, unless somebody has given it another.
fn moment(backup: &Path) -> Option<Time> {
    backup.file_name()?.to_str()?.strip_suffix(ENDING)?.parse().ok().map(Time)
}

/// With all that is behind it.
pub fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}
