//! What a run that was not begun has kept and made aside, handed on to the app's next run. A permission lasts seconds, and to
//! copy gigabytes takes longer: such a run ends as not begun and is lent again, and would do so for ever if each began anew.
//! The next one takes each copy whose original is still the same file, and each thing aside that is still wanted as it is, by
//! their records; so it has only to look, and to make what has changed since.
//!
//! It lies in `private/prepared/<app>`: `record`, and the run's `undo` and `stage`. What is aside in other mounts stays there,
//! under a name of the app's. It is handed on before the run is reported, and removed by the next run that is begun, or
//! whose release is another one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pilotage_shared::digest::Digest;
use pilotage_shared::name::AppName;
use serde::{Deserialize, Serialize};

use super::installed;
use super::ready::Ready;
use super::{InstallError, keep, stage};

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Whose it was: another run's is older, and goes.
    run: PathBuf,
    /// What was prepared.
    package: Digest,
    /// Where it is aside in other mounts: during the run, and now.
    elsewhere: Vec<(PathBuf, PathBuf)>,
}

fn record_path(folder: &Path) -> PathBuf {
    folder.join("record")
}

/// Hands on what a run has kept and made. Can be done again after a crash.
pub fn hand_on(run: &Path, folder: &Path, app: &AppName, package: &Digest) -> Result<(), InstallError> {
    if !keep::record_path(run).exists() {
        return Ok(());
    }
    let record = match installed::load::<Record>(&record_path(folder))? {
        Some(record) if record.run == run => record,
        Some(_) | None => {
            remove(folder)?;
            let now = |path: &PathBuf| path.with_file_name(format!(".pilotage-prepared-{app}"));
            let elsewhere = stage::listed(run)?.iter().skip(1).map(|path| (path.clone(), now(path))).collect();
            let record = Record { run: run.to_owned(), package: *package, elsewhere };
            installed::save(&record_path(folder), &record)?;
            record
        }
    };
    rename(&stage::own(run), &folder.join("stage"))?;
    record.elsewhere.iter().try_for_each(|(during, now)| rename(during, now))?;
    stage::forget(run)?;
    // Last: without it there is nothing to hand on.
    rename(&keep::folder(run), &folder.join("undo"))
}

/// Where the copies are that a run to this release may take; what was prepared for another one is removed.
pub fn kept(folder: &Path, package: &Digest) -> Result<Option<PathBuf>, InstallError> {
    match installed::load::<Record>(&record_path(folder))? {
        Some(record) if record.package == *package => Ok(Some(folder.join("undo"))),
        Some(_) | None => remove(folder).map(|()| None),
    }
}

/// Gives what is aside to a run that has nothing aside, and says what it is.
pub fn take(run: &Path, folder: &Path) -> Result<Ready, InstallError> {
    stage::remove(run)?;
    let Some(record) = installed::load::<Record>(&record_path(folder))? else { return Ok(Ready::default()) };
    let ready = installed::load(&folder.join("undo").join("ready"))?;
    let all: Vec<PathBuf> = std::iter::once(stage::own(run)).chain(record.elsewhere.into_iter().map(|(_, now)| now)).collect();
    stage::list(run, &all)?;
    rename(&folder.join("stage"), &stage::own(run))?;
    fs::remove_dir_all(folder).map_err(InstallError::io("remove", folder))?;
    Ok(ready.unwrap_or_default())
}

/// Removes what was handed on, if there is something.
pub fn remove(folder: &Path) -> Result<(), InstallError> {
    let record = installed::load::<Record>(&record_path(folder))?;
    for (_, now) in record.iter().flat_map(|r| &r.elsewhere) {
        stage::empty(now)?;
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstallError::io("remove", folder)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What is there no more was renamed before a crash.
fn rename(from: &Path, to: &Path) -> Result<(), InstallError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstallError::io("hand on", from)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
