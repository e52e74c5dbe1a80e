//! Puts files, links and folders where they belong: made aside with their final owner, mode and time, then renamed.
//! All by descriptor; owner before mode (a change of owner clears setuid).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, UtimensatFlags, fchmod, fstat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, geteuid, symlinkat, unlinkat};

use super::InstallError;
use super::kept::Meta;
use crate::place::{self, Place};

/// Where new things are made before they are put in place: in the run directory when that is on the same file system,
/// else beside their place under a name of ours.
pub struct Putter {
    stage: OwnedFd,
    path: PathBuf,
    device: u64,
    number: u64,
    touched: BTreeSet<PathBuf>,
}

/// What to put.
pub enum Content<'a> {
    /// The bytes of this file.
    File(&'a mut File),
    /// A link to this.
    Link(&'a Path),
}

/// Something made aside, not yet in its place.
pub struct Staged(Option<String>);

impl Putter {
    /// Makes or empties the folder for staging.
    pub fn new(stage: &Path) -> Result<Self, InstallError> {
        if stage.exists() {
            fs::remove_dir_all(stage).map_err(InstallError::io("empty", stage))?;
        }
        fs::create_dir_all(stage).map_err(InstallError::io("make", stage))?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(stage, flags, Mode::empty()).map_err(InstallError::io("open", stage))?;
        let device = fstat(&fd).map_err(InstallError::io("look at", stage))?.st_dev;
        Ok(Self { stage: fd, path: stage.to_owned(), device, number: 0, touched: BTreeSet::new() })
    }

    /// Makes it aside if its file system is ours; else it will be made when it is put. Its folder may not exist yet.
    pub fn stage(&mut self, to: &Path, content: Content, meta: &Meta) -> Result<Staged, InstallError> {
        let near = to.ancestors().skip(1).find_map(|folder| place::folder(folder).ok());
        let device = near.and_then(|fd| fstat(&fd).ok()).map(|s| s.st_dev);
        if device != Some(self.device) {
            return Ok(Staged(None));
        }
        let name = self.name();
        make(&self.stage, &name, content, meta, &self.path)?;
        Ok(Staged(Some(name)))
    }

    /// Makes all that was staged durable.
    pub fn sync_stage(&self) -> Result<(), InstallError> {
        place::sync_files(&self.path, 1..self.number + 1).map_err(InstallError::io("sync", &self.path))
    }

    /// Puts it in its place. `content` is used when it could not be staged, or its file system is another one after all.
    pub fn put(&mut self, staged: Staged, place: &Place, content: Content, meta: &Meta) -> Result<(), InstallError> {
        self.touch(place);
        if let Some(name) = staged.0 {
            match renameat(&self.stage, name.as_str(), &place.folder, place.name.as_os_str()) {
                Ok(()) => return Ok(()),
                Err(Errno::EXDEV) => {}
                Err(errno) => return Err(InstallError::io("put in place", &place.path)(errno)),
            }
        }
        let name = format!(".pilotage-{}", self.name());
        make(&place.folder, &name, content, meta, &place.path)?;
        place::sync_name(place.folder.as_fd(), &name).map_err(InstallError::io("sync", &place.path))?;
        renameat(&place.folder, name.as_str(), &place.folder, place.name.as_os_str()).map_err(InstallError::io("put in place", &place.path))
    }

    /// Removes a file or link, if there is one.
    pub fn remove(&mut self, place: &Place) -> Result<(), InstallError> {
        self.touch(place);
        match unlinkat(&place.folder, place.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::EISDIR) => Ok(()),
            Err(errno) => Err(InstallError::io("remove", &place.path)(errno)),
        }
    }

    /// Removes a folder, if it is empty.
    pub fn remove_folder(&mut self, place: &Place) -> Result<(), InstallError> {
        self.touch(place);
        match unlinkat(&place.folder, place.name.as_os_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR | Errno::EBUSY) => Ok(()),
            Err(errno) => Err(InstallError::io("remove", &place.path)(errno)),
        }
    }

    /// Makes all changes of names durable.
    pub fn sync(&mut self) -> Result<(), InstallError> {
        Ok(place::sync_folders(&std::mem::take(&mut self.touched))?)
    }

    fn touch(&mut self, place: &Place) {
        self.touched.extend(place.path.parent().map(Path::to_owned));
    }

    fn name(&mut self) -> String {
        self.number += 1;
        self.number.to_string()
    }
}

fn make(folder: &OwnedFd, name: &str, content: Content, meta: &Meta, path: &Path) -> Result<(), InstallError> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(InstallError::io("clear the way of", path)(errno)),
    }
    match content {
        Content::File(from) => make_file(folder, name, from, meta).map_err(InstallError::io("write", path)),
        Content::Link(target) => make_link(folder, name, target, meta).map_err(InstallError::io("make the link", path)),
    }
}

fn make_file(folder: &OwnedFd, name: &str, from: &mut File, meta: &Meta) -> io::Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut to: File = openat(folder, name, flags, Mode::from_bits_truncate(0o600))?.into();
    io::copy(&mut from.take(u64::MAX), &mut to)?;
    dress(to.as_fd(), meta)
}

fn make_link(folder: &OwnedFd, name: &str, target: &Path, meta: &Meta) -> io::Result<()> {
    symlinkat(target, folder, name)?;
    if geteuid().is_root() {
        fchownat(folder, name, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    let time = TimeSpec::new(meta.mtime.0, meta.mtime.1);
    utimensat(folder, name, &time, &time, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}

/// Gives an open file or folder its owner, mode and time. Without root the owner stays ours.
pub fn dress(fd: impl AsFd, meta: &Meta) -> io::Result<()> {
    if geteuid().is_root() {
        fchown(fd.as_fd(), Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))?;
    }
    fchmod(fd.as_fd(), Mode::from_bits_truncate(meta.mode))?;
    let time = TimeSpec::new(meta.mtime.0, meta.mtime.1);
    futimens(fd.as_fd(), &time, &time)?;
    Ok(())
}

/// Opens a folder at a place so that it can be dressed; never through a link.
pub fn open_folder(place: &Place) -> Result<OwnedFd, InstallError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(&place.folder, place.name.as_os_str(), flags, Mode::empty()).map_err(InstallError::io("open", &place.path))
}
