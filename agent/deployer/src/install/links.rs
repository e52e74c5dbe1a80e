//! `current` and `previous` of an app: relative links to release directories, and `current-config` to what is rendered for the
//! one that runs; replaced by rename. For people and for
//! applications that run from `current/`; we ourselves resolve digests and never act through them.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InstallError;

/// Where they point; none: there is no such link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// What runs, or is being made to run.
    pub current: Option<PathBuf>,
    /// What ran before.
    pub previous: Option<PathBuf>,
    /// The rendered configuration of what runs.
    #[serde(default)]
    pub config: Option<PathBuf>,
}

/// Reads them.
pub fn read(app: &Path) -> Result<Links, InstallError> {
    let one = |name: &str| match fs::read_link(app.join(name)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(InstallError::io("read the link", app.join(name))(error)),
    };
    Ok(Links { current: one("current")?, previous: one("previous")?, config: one("current-config")? })
}

/// Makes them as given; durable when the folder is synced.
pub fn write(app: &Path, links: &Links) -> Result<(), InstallError> {
    set(&app.join("current"), links.current.as_deref())?;
    set(&app.join("previous"), links.previous.as_deref())?;
    set(&app.join("current-config"), links.config.as_deref())
}

/// Points one link somewhere, or removes it.
pub fn set(link: &Path, target: Option<&Path>) -> Result<(), InstallError> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let Some(target) = target else {
        return gone(fs::remove_file(link)).map_err(InstallError::io("remove", link));
    };
    // Each hook sets some of them: nearly always they point there already.
    if fs::read_link(link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    let name = link.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = link.with_file_name(format!(".{name}.new"));
    gone(fs::remove_file(&aside)).map_err(InstallError::io("remove", &aside))?;
    symlink(target, &aside).map_err(InstallError::io("make the link", link))?;
    fs::rename(&aside, link).map_err(InstallError::io("replace the link", link))
}
