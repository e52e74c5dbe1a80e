//! What an app's committed release has put at its destinations: the only files that its next run may remove (D2), and the files
//! of others that it took the place of, which come back when a later release does not install there any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pilotage_disk::Together;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::meta::Meta;
use super::rules::Rules;

/// All of it, by cleaned absolute path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Files and links.
    pub files: BTreeSet<PathBuf>,
    /// Folders that were made for them.
    pub folders: BTreeSet<PathBuf>,
    /// What stood where some of them stand, and was not ours.
    #[serde(default)]
    pub overwritten: BTreeMap<PathBuf, Overwritten>,
    /// The host's SELinux rules that were set for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: Rules,
}

/// Somebody else's file, link or pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwritten {
    /// Its outside.
    pub meta: Meta,
    /// What it is.
    pub what: What,
}

/// The kinds of things that a file can take the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A file; its content lies under this name in the app's folder of such files.
    File(String),
    /// A link to this.
    Link(PathBuf),
}

/// Reads a record of ours; none when it was never written.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, InstallError> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|source| InstallError::Record { path: path.to_owned(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InstallError::io("read", path)(error)),
    }
}

/// Writes one, durable.
pub fn save<T: Serialize>(path: &Path, record: &T) -> Result<(), InstallError> {
    let mut together = Together::default();
    add(&mut together, path, record)?;
    Ok(together.finish()?)
}

/// The same together with other things: it is there when they are durable.
pub fn add<T: Serialize>(together: &mut Together, path: &Path, record: &T) -> Result<(), InstallError> {
    let text = serde_json::to_vec(record).map_err(|source| InstallError::Record { path: path.to_owned(), source })?;
    if let Some(folder) = path.parent() {
        together.create_dirs(folder, 0o700)?;
    }
    Ok(together.replace(path, &text, 0o600)?)
}
