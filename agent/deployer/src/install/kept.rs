//! One thing as it was before the run: enough to put it back with content, mode, owner, time of change and attributes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag};
use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::meta::Meta;
use super::put::open_folder;
use super::stage::{Content, make};
use crate::place::{self, Place, PlaceError, Places, kind};

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
    /// A file; its content is copy number `copy`, dressed as it was.
    File {
        /// Its outside.
        meta: Meta,
        /// The same one means that nothing has touched it.
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
        /// Its number in its file system.
        inode: u64,
    },
    /// A named pipe.
    Pipe {
        /// Its outside.
        meta: Meta,
    },
    /// A socket, which whoever listens there makes anew, or a device: never touched.
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
    path: PathBuf,
    open: OwnedFd,
    first: u64,
    next: u64,
    places: Places,
    /// Where copies of an earlier run lie, and which are of which file.
    earlier: (PathBuf, BTreeMap<PathBuf, (Identity, u64)>),
}

impl Copies {
    /// Numbers go on from `next`.
    pub fn open(path: &Path, next: u64) -> Result<Self, InstallError> {
        fs::create_dir_all(path).map_err(InstallError::io("make", path))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = nix::fcntl::open(path, flags, Mode::empty()).map_err(InstallError::io("open", path))?;
        Ok(Self { path: path.to_owned(), open, first: next, next, places: Places::default(), earlier: Default::default() })
    }

    /// Copies that were made before are taken instead of made, while what they are of is the same.
    pub fn take_from(&mut self, copies: PathBuf, kept: &[Kept]) {
        let file = |k: &Kept| match &k.was {
            Was::File { identity, copy, .. } => Some((k.path.clone(), (*identity, *copy))),
            Was::Absent | Was::Link { .. } | Was::Folder { .. } | Was::Pipe { .. } | Was::Other => None,
        };
        self.earlier = (copies, kept.iter().filter_map(file).collect());
    }

    /// The number that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Looks at a path and keeps a copy of what stands there. A path that cannot be reached holds nothing.
    pub fn keep(&mut self, path: &Path) -> Result<Was, InstallError> {
        let place = match self.places.of(path) {
            Ok(place) => place,
            Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => return Ok(Was::Absent),
            Err(error) => return Err(error.into()),
        };
        let Some(stat) = place.stat()? else { return Ok(Was::Absent) };
        Ok(match kind(&stat) {
            SFlag::S_IFREG => self.copy(&place)?,
            SFlag::S_IFLNK => {
                let target = readlinkat(&place.folder, place.name.as_os_str()).map_err(InstallError::io("read the link", path))?;
                Was::Link { meta: Meta::of(&stat), target: target.into() }
            }
            SFlag::S_IFDIR => {
                // Without root we may pass through folders that we may not read.
                let meta = open_folder(&place).ok().and_then(|open| Meta::read(&open).ok());
                Was::Folder { meta: meta.unwrap_or_else(|| Meta::of(&stat)), inode: stat.st_ino }
            }
            SFlag::S_IFIFO => Was::Pipe { meta: Meta::of(&stat) },
            _ => Was::Other,
        })
    }

    /// What is written down is what was copied: all from one open file.
    fn copy(&mut self, place: &Place) -> Result<Was, InstallError> {
        let mut from = open_file(place)?;
        let stat = nix::sys::stat::fstat(&from).map_err(InstallError::io("look at", &place.path))?;
        let meta = Meta::read(&from).map_err(InstallError::io("look at", &place.path))?;
        let copy = self.next;
        self.next += 1;
        let name = copy.to_string();
        if let Some((was, number)) = self.earlier.1.get(&place.path)
            && *was == identity(&stat)
            && fs::rename(self.earlier.0.join(number.to_string()), self.path.join(&name)).is_ok()
        {
            return Ok(Was::File { meta, identity: *was, copy });
        }
        make(self.open.as_fd(), &name, Content::File(&mut from), &meta, &self.path.join(&name))?;
        Ok(Was::File { meta, identity: identity(&stat), copy })
    }

    /// Opens a copy; none: it stands in its place again.
    pub fn read(&self, copy: u64) -> Result<Option<File>, InstallError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(&self.open, copy.to_string().as_str(), flags, Mode::empty()) {
            Ok(open) => Ok(Some(open.into())),
            Err(nix::errno::Errno::ENOENT) => Ok(None),
            Err(errno) => Err(InstallError::io("open", self.path.join(copy.to_string()))(errno)),
        }
    }

    /// Can copies be renamed to this place?
    pub fn near(&self, place: &Place) -> Result<bool, InstallError> {
        let mount = |folder| place::mount(folder).map_err(InstallError::io("look at", &place.path));
        Ok(mount(self.open.as_fd())? == mount(place.folder.as_fd())?)
    }

    /// Puts a copy itself into its place. False when it is in its place already.
    pub fn put(&self, copy: u64, place: &Place) -> Result<bool, InstallError> {
        use nix::errno::Errno;
        match nix::fcntl::renameat(&self.open, copy.to_string().as_str(), &place.folder, place.name.as_os_str()) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(InstallError::io("put back", &place.path)(errno)),
        }
    }

    /// The copies since it was opened become durable together with other things.
    pub fn durable(&mut self, together: &mut Together) -> Result<(), InstallError> {
        place::made_files(together, self.open.as_fd(), &self.path, self.first..self.next).map_err(InstallError::io("sync", &self.path))?;
        self.first = self.next;
        Ok(())
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
