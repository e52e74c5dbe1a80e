//! The way back: a new store of a backup, which recovers until a person goes on.

use std::fs;
use std::path::Path;

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::world::Settings;
use pilotage_disk::{ExportError, OpenOptions, durable};
use pilotage_shared::time::Millis;

use super::{BackupError, contents, moment};
use crate::engine::begin_recovery;
use crate::packages::Packages;
use crate::store::{Keep, Store, StoreError};

/// A store that is being made: what a kill or a power cut leaves of it is no store, and nothing is started beside it.
pub const UNFINISHED: &str = "store.restoring";

/// What a restored store holds.
#[derive(Debug)]
pub struct Restored {
    /// Hosts that are in it.
    pub hosts: usize,
    /// Fleets.
    pub fleets: usize,
    /// Deployments.
    pub deployments: usize,
    /// Packages whose contents came with the backup.
    pub contents: u64,
    /// Packages that its records name and whose contents are not in the state folder.
    pub missing: usize,
}

/// Makes a store in `state` from a backup; only where there is none. Until all of it is there and says that it recovers,
/// it does not bear a store's name; nothing half-made stays.
pub fn restore(backup: &Path, state: &Path) -> Result<Restored, BackupError> {
    let (store, unfinished) = (state.join("store"), state.join(UNFINISHED));
    if store.exists() {
        return Err(BackupError::Exists(state.to_owned()));
    }
    let folder = |source| BackupError::Folder { path: state.to_owned(), source };
    durable::create_dirs(state, 0o700)?;
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(folder)?;
    }
    let packages = state.join("packages");
    let had_packages = packages.exists();
    match make(backup, &unfinished, state).map_err(|e| newer(backup, e)) {
        Ok((world, contents)) => {
            fs::rename(&unfinished, &store).map_err(folder)?;
            durable::sync_dir(state)?;
            let files = Packages::open(&packages)?;
            let missing = world.packages.keys().filter(|digest| files.complete(digest).is_err()).count();
            let (hosts, fleets) = (world.hosts.len(), world.fleets.len());
            Ok(Restored { hosts, fleets, deployments: world.deployments.len(), contents, missing })
        }
        Err(error) => {
            // What was made of a backup that is no good is of no use.
            let _ = fs::remove_dir_all(&unfinished);
            if !had_packages {
                let _ = fs::remove_dir_all(&packages);
            }
            Err(error)
        }
    }
}

/// The store of a backup, in which nobody is moved until a person goes on (R34), and the packages that came with it.
fn make(backup: &Path, folder: &Path, state: &Path) -> Result<(World, u64), BackupError> {
    let (records, rest) = pilotage_disk::import_beginning(backup, folder, OpenOptions::default())?;
    drop(records);
    let contents = contents::read(backup, rest, || Packages::open(&state.join("packages")))?;
    let keep = Keep { history: u64::MAX, runs: usize::MAX };
    let (mut store, mut world) = Store::open(folder, &state.join("backups"), Settings { heartbeat: Millis::seconds(5) }, keep)?;
    begin_recovery(&mut store, &mut world, moment(backup))?;
    Ok((world, contents))
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
