//! Puts things in their places and takes them away: by descriptor, each by one rename or removal, so that whoever looks finds
//! the old or the new. What was made aside is only renamed; the rest is made beside its place under a name of ours.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::InstallError;
use super::meta::Meta;
use super::stage::{Content, Staged, Stages, make};
use crate::place::{self, Place, kind};

/// What is put, and where that has changed names.
pub struct Putter {
    stages: Stages,
    touched: BTreeSet<PathBuf>,
}

impl Putter {
    /// With what is aside already.
    pub fn new(stages: Stages) -> Self {
        Self { stages, touched: BTreeSet::new() }
    }

    /// What is aside.
    pub fn stages(&mut self) -> &mut Stages {
        &mut self.stages
    }

    /// Puts what was made aside. False when it is not aside any more: it was put before.
    pub fn put(&mut self, staged: Staged, place: &Place) -> Result<bool, InstallError> {
        self.touch(place);
        self.stages.put(staged, place)
    }

    /// Makes something beside its place, durable, and puts it there.
    pub fn put_beside(&mut self, place: &Place, content: Content, meta: &Meta) -> Result<(), InstallError> {
        self.touch(place);
        let name = format!(".pilotage-{}", std::process::id());
        make(place.folder.as_fd(), &name, content, meta, &place.path)?;
        place::sync_name(place.folder.as_fd(), &name).map_err(InstallError::io("sync", &place.path))?;
        renameat(&place.folder, name.as_str(), &place.folder, place.name.as_os_str()).map_err(InstallError::io("put in place", &place.path))
    }

    /// Makes a folder if there is none; true when it was made. It has its outside before it has its name.
    pub fn folder(&mut self, place: &Place, meta: &Meta) -> Result<bool, InstallError> {
        match place.stat()?.map(|s| kind(&s)) {
            Some(SFlag::S_IFDIR) => return Ok(false),
            Some(SFlag::S_IFLNK) => return place::folder(&place.path).map(|_| false).map_err(InstallError::from),
            Some(_) => return Err(InstallError::NotAFile(place.path.clone())),
            None => self.touch(place),
        }
        if let Some(staged) = self.stages.make(&place.path, Content::Folder, meta)? {
            self.stages.put(staged, place)?;
            return Ok(true);
        }
        let name = format!(".pilotage-{}", std::process::id());
        make(place.folder.as_fd(), &name, Content::Folder, meta, &place.path)?;
        renameat2(&place.folder, name.as_str(), &place.folder, place.name.as_os_str(), RenameFlags::RENAME_NOREPLACE)
            .map_err(InstallError::io("put in place", &place.path))?;
        Ok(true)
    }

    /// Takes a file or link away, if there is one; what it costs to free it is paid later where that can be.
    pub fn take(&mut self, place: &Place) -> Result<(), InstallError> {
        self.touch(place);
        if self.stages.take(place)? { Ok(()) } else { self.remove(place) }
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

    /// Makes all changes of names durable, also those in the app's folder.
    pub fn sync(mut self, app: &Path) -> Result<(), InstallError> {
        self.touched.insert(app.to_owned());
        let touched: Vec<PathBuf> = self.touched.into_iter().collect();
        Ok(place::sync_folders(&touched)?)
    }

    fn touch(&mut self, place: &Place) {
        if let Some(folder) = place.path.parent()
            && !self.touched.contains(folder)
        {
            self.touched.insert(folder.to_owned());
        }
    }
}

/// Opens a folder at a place so that it can be read and dressed; never through a link.
pub fn open_folder(place: &Place) -> Result<File, InstallError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = openat(&place.folder, place.name.as_os_str(), flags, Mode::empty());
    Ok(open.map_err(InstallError::io("open", &place.path))?.into())
}

/// Dresses a folder where it stands, if it is still the one of this inode: somebody else's may have taken its name.
pub fn dress_folder(place: &Place, inode: u64, meta: &Meta) -> Result<(), InstallError> {
    let open = open_folder(place)?;
    let stat = nix::sys::stat::fstat(&open).map_err(InstallError::io("look at", &place.path))?;
    if stat.st_ino != inode {
        return Ok(());
    }
    meta.give(&open).map_err(InstallError::io("dress", &place.path))
}
