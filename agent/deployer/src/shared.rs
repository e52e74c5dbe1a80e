//! Folders that all releases of an app share: `<state>/shared/<app>/<path>`, made once, never removed. In each release a link
//! stands at `<path>`; where `files` installs the release, the link is installed as any other.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

use crate::declared::Shared;
use crate::install::InstallError;
use crate::install::links;
use crate::install::permissions::{group, user};
use crate::layout::Layout;
use crate::place::{self, Place};

/// Makes the folders that are missing, and the links in the release.
pub fn link(layout: &Layout, release: &Path, all: &[Shared]) -> Result<(), InstallError> {
    for shared in all {
        let folder = folder_of(layout, shared);
        make_folders(&folder, layout.state())?;
        let link = release.join(&shared.path);
        let above = link.parent().unwrap_or(release);
        fs::create_dir_all(above).map_err(InstallError::io("make", above))?;
        if fs::read_link(&link).ok().as_ref() != Some(&folder) {
            links::set(&link, Some(&folder))?;
        }
    }
    Ok(())
}

/// Gives them their owners and modes. Accounts are looked up now: a hook of BeforeInstall may have made them. What is in a
/// folder is its owner's and is left alone.
pub fn dress(layout: &Layout, all: &[Shared]) -> Result<(), InstallError> {
    for shared in all {
        let path = folder_of(layout, shared);
        let place = Place::of(&path)?;
        // Everything above it is root's: nobody else puts another folder, or a link, in its place.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = openat(place.folder.as_fd(), place.name.as_os_str(), flags, Mode::empty()).map_err(InstallError::io("open", &path))?;
        let uid = shared.owner.as_deref().map(user).transpose()?.map(Uid::from_raw);
        let gid = shared.group.as_deref().map(group).transpose()?.map(Gid::from_raw);
        if uid.is_some() || gid.is_some() {
            fchown(&open, uid, gid).map_err(InstallError::io("change the owner of", &path))?;
        }
        if let Some(mode) = shared.mode {
            fchmod(&open, Mode::from_bits_truncate(mode)).map_err(InstallError::io("change the mode of", &path))?;
        }
    }
    Ok(())
}

fn folder_of(layout: &Layout, shared: &Shared) -> PathBuf {
    layout.shared().join(&shared.path)
}

fn make_folders(folder: &Path, state: &Path) -> Result<(), InstallError> {
    let below = folder.strip_prefix(state).unwrap_or(folder);
    let mut path = state.to_owned();
    for name in below.components() {
        path.push(name);
        if place::make_folder(&Place::of(&path)?)? {
            pilotage_disk::durable::sync_dir(path.parent().unwrap_or(state))?;
        }
    }
    Ok(())
}
