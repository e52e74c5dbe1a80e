//! One thing as it was before the run: enough to put it back with content, mode, owner and time of change.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag};
use serde::{Deserialize, Serialize};

use super::InstallError;
use crate::place::{Place, PlaceError, kind};

/// Mode, owner and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// All twelve bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, i64),
}

impl Meta {
    /// Of a stat.
    pub fn of(stat: &FileStat) -> Self {
        Self { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, mtime: (stat.st_mtime, stat.st_mtime_nsec) }
    }
}

/// A path and what stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub was: Was,
    /// Nothing that a release installed: put back when it is gone, never overwritten.
    pub foreign: bool,
}

/// What stood at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Was {
    /// Nothing.
    Absent,
    /// A file; its content is copy number `copy`.
    File {
        /// Its outside.
        meta: Meta,
        /// The inode and its change time: the same ones mean that nothing has touched it.
        identity: Identity,
        /// In the folder of copies.
        copy: u64,
    },
    /// A symbolic link.
    Link {
        /// Its outside.
        meta: Meta,
        /// Where it points.
        target: PathBuf,
    },
    /// A folder.
    Folder {
        /// Its outside.
        meta: Meta,
    },
    /// A device, socket or pipe: never touched.
    Other,
}

/// Inode and change time, seconds and nanoseconds.
pub type Identity = (u64, i64, i64);

/// Of a stat.
pub fn identity(stat: &FileStat) -> Identity {
    (stat.st_ino, stat.st_ctime, stat.st_ctime_nsec)
}

/// The folder of copies.
pub struct Copies {
    folder: PathBuf,
    next: u64,
}

impl Copies {
    /// Numbers go on from `next`.
    pub fn new(folder: &Path, next: u64) -> Self {
        Self { folder: folder.to_owned(), next }
    }

    /// The file of a copy.
    pub fn path(&self, copy: u64) -> PathBuf {
        self.folder.join(copy.to_string())
    }

    /// The number that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Looks at a path and keeps a copy of what stands there. A path that cannot be reached holds nothing.
    pub fn keep(&mut self, path: &Path) -> Result<Was, InstallError> {
        let place = match Place::of(path) {
            Ok(place) => place,
            Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => return Ok(Was::Absent),
            Err(error) => return Err(error.into()),
        };
        let Some(stat) = place.stat()? else { return Ok(Was::Absent) };
        let meta = Meta::of(&stat);
        Ok(match kind(&stat) {
            SFlag::S_IFREG => Was::File { meta, identity: identity(&stat), copy: self.copy(&place)? },
            SFlag::S_IFLNK => {
                let target = readlinkat(&place.folder, place.name.as_os_str()).map_err(InstallError::io("read the link", path))?;
                Was::Link { meta, target: target.into() }
            }
            SFlag::S_IFDIR => Was::Folder { meta },
            _ => Was::Other,
        })
    }

    fn copy(&mut self, place: &Place) -> Result<u64, InstallError> {
        let mut from = open_file(place)?;
        let copy = self.next;
        self.next += 1;
        let path = self.path(copy);
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let mut to = made.map_err(InstallError::io("write", &path))?;
        io::copy(&mut from, &mut to).map_err(InstallError::io("copy aside", &place.path))?;
        Ok(copy)
    }
}

/// Opens a regular file at a place; a link, pipe or device is an error and is not waited for.
pub fn open_file(place: &Place) -> Result<File, InstallError> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let opened = openat(&place.folder, place.name.as_os_str(), flags, Mode::empty());
    let file: File = opened.map_err(InstallError::io("open", &place.path))?.into();
    let regular = file.metadata().map_err(InstallError::io("look at", &place.path))?.is_file();
    if regular { Ok(file) } else { Err(InstallError::NotAFile(place.path.clone())) }
}
