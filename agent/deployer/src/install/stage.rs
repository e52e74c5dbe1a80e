//! Where new files are made before they are put in place: complete, with their final outside, where no hook and no other user
//! reaches them, in the mount of their destination, so that all that is left to do is to rename.
//!
//! That is the run directory where it lies in that mount; else a folder of ours, 0700, in the ancestor nearest to the root
//! that only root can write. Its name is written down before it is made.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, mkfifoat, symlinkat, unlinkat};
use pilotage_disk::Together;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::installed;
use super::meta::Meta;
use crate::place::{self, Place, stat_at};

/// What to make.
pub enum Content<'a> {
    /// The bytes of this file.
    File(&'a mut File),
    /// These bytes.
    Bytes(&'a mut dyn Read),
    /// A link to this.
    Link(&'a Path),
    /// A named pipe.
    Pipe,
    /// An empty folder.
    Folder,
}

/// Something made aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    folder: usize,
    number: u64,
    /// Another one under its name is what it has taken the place of.
    inode: u64,
}

impl Staged {
    /// Is this what stands there?
    pub fn is(&self, stat: &FileStat) -> bool {
        self.inode == stat.st_ino
    }
}

/// The folders of one run.
pub struct Stages {
    run: PathBuf,
    /// The run's own comes first.
    folders: Vec<Folder>,
    /// Mounts in which nothing can be made aside.
    none: Vec<u64>,
    /// The last folder that was asked for, and its stage.
    last: Option<(PathBuf, Option<usize>)>,
    next: u64,
}

struct Folder {
    path: PathBuf,
    open: OwnedFd,
    mount: u64,
    synced: u64,
}

impl Stages {
    /// Goes on with what an earlier task of the run has made; numbers begin at `next`.
    pub fn open(run: &Path, next: u64) -> Result<Self, InstallError> {
        let mut stages = Self { run: run.to_owned(), folders: Vec::new(), none: Vec::new(), last: None, next };
        for path in listed(run)? {
            stages.add(path)?;
        }
        Ok(stages)
    }

    /// The number of the next thing.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Makes something for a path, whose folder may not exist yet. None: nothing can be made aside in its mount.
    pub fn make(&mut self, to: &Path, content: Content, meta: &Meta) -> Result<Option<Staged>, InstallError> {
        let Some(folder) = self.folder_for(to)? else { return Ok(None) };
        let number = self.next;
        self.next += 1;
        let at = &self.folders[folder];
        let (name, path) = (number.to_string(), at.path.join(number.to_string()));
        make(at.open.as_fd(), &name, content, meta, &path)?;
        let stat = stat_at(at.open.as_fd(), name.as_ref()).map_err(InstallError::io("look at", &path))?;
        Ok(stat.map(|stat| Staged { folder, number, inode: stat.st_ino }))
    }

    /// Dresses anew what was made.
    pub fn dress(&self, staged: Staged, meta: &Meta) -> Result<(), InstallError> {
        let (folder, name) = self.name(staged);
        let path = folder.path.join(&name);
        let stat = stat_at(folder.open.as_fd(), name.as_ref()).map_err(InstallError::io("look at", &path))?;
        match stat.map(|s| place::kind(&s)) {
            Some(SFlag::S_IFLNK) => dress_link(folder.open.as_fd(), &name, meta).map_err(InstallError::io("dress", &path)),
            Some(_) => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let open: File = openat(&folder.open, name.as_str(), flags, Mode::empty()).map_err(InstallError::io("open", &path))?.into();
                meta.give(&open).map_err(InstallError::io("dress", &path))
            }
            None => Ok(()),
        }
    }

    /// Is it still aside?
    pub fn holds(&self, staged: Staged) -> bool {
        let (folder, name) = self.name(staged);
        stat_at(folder.open.as_fd(), name.as_ref()).is_ok_and(|stat| stat.is_some_and(|s| s.st_ino == staged.inode))
    }

    /// Puts it in its place. False when it is not aside any more: it was put there before. What stood there is aside then, if
    /// the file system can exchange the two: to free it costs more than all else, and can wait until the app runs.
    pub fn put(&self, staged: Staged, place: &Place) -> Result<bool, InstallError> {
        if !self.holds(staged) {
            return Ok(false);
        }
        let (folder, name) = self.name(staged);
        if place.stat()?.is_some_and(|s| place::kind(&s) != SFlag::S_IFDIR) && self.exchange(folder, &name, place) {
            return Ok(true);
        }
        match renameat(&folder.open, name.as_str(), &place.folder, place.name.as_os_str()) {
            Ok(()) => Ok(true),
            Err(errno) => Err(InstallError::io("put in place", &place.path)(errno)),
        }
    }

    /// A folder that somebody has put there in this moment goes back: only what can be replaced by a rename is exchanged.
    fn exchange(&self, folder: &Folder, name: &str, place: &Place) -> bool {
        let swap = || renameat2(&folder.open, name, &place.folder, place.name.as_os_str(), RenameFlags::RENAME_EXCHANGE).is_ok();
        if !swap() {
            return false;
        }
        match stat_at(folder.open.as_fd(), name.as_ref()) {
            Ok(Some(stat)) if place::kind(&stat) == SFlag::S_IFDIR => !swap(),
            Ok(_) | Err(_) => true,
        }
    }

    /// Takes a file or link out of its place; it is freed later. False when that cannot be done here.
    pub fn take(&mut self, place: &Place) -> Result<bool, InstallError> {
        if place.stat()?.is_none_or(|s| place::kind(&s) == SFlag::S_IFDIR) {
            return Ok(false);
        }
        let Some(folder) = self.folder_for(&place.path)? else { return Ok(false) };
        let name = format!("gone-{}", self.next);
        self.next += 1;
        Ok(renameat2(&place.folder, place.name.as_os_str(), &self.folders[folder].open, name.as_str(), RenameFlags::RENAME_NOREPLACE).is_ok())
    }

    /// All that was made since it was last asked for becomes durable together with other things.
    pub fn durable(&mut self, together: &mut Together) -> Result<(), InstallError> {
        for folder in &mut self.folders {
            place::made_files(together, folder.open.as_fd(), &folder.path, folder.synced..self.next)
                .map_err(InstallError::io("sync", &folder.path))?;
            folder.synced = self.next;
        }
        Ok(())
    }

    fn name(&self, staged: Staged) -> (&Folder, String) {
        (&self.folders[staged.folder], staged.number.to_string())
    }

    fn folder_for(&mut self, to: &Path) -> Result<Option<usize>, InstallError> {
        let parent = to.parent().unwrap_or(to);
        if let Some((_, stage)) = self.last.as_ref().filter(|(last, _)| last == parent) {
            return Ok(*stage);
        }
        let (near, open) = place::nearest(parent)?;
        let mount = place::mount(&open).map_err(InstallError::io("look at", &near))?;
        let known = self.folders.iter().position(|f| f.mount == mount);
        let stage = match known {
            Some(known) => Some(known),
            None if self.none.contains(&mount) => None,
            None => self.new_in(&near, mount)?,
        };
        self.last = Some((parent.to_owned(), stage));
        Ok(stage)
    }

    fn new_in(&mut self, near: &Path, mount: u64) -> Result<Option<usize>, InstallError> {
        let Some(around) = place::safe_folder(near, mount) else {
            self.none.push(mount);
            return Ok(None);
        };
        // No two run directories have one inode, so no two runs one name.
        let number = fs::metadata(&self.run).map_err(InstallError::io("look at", &self.run))?.ino();
        let path = around.join(format!(".pilotage-{number}"));
        let mut all: Vec<&PathBuf> = self.folders.iter().map(|f| &f.path).collect();
        all.push(&path);
        installed::save(&list_path(&self.run), &all)?;
        match self.add(path) {
            Ok(()) => Ok(Some(self.folders.len() - 1)),
            // A file system that is full, or not to be written: what cannot be made aside is made beside its place, or fails there.
            Err(_) => {
                self.none.push(mount);
                Ok(None)
            }
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<(), InstallError> {
        let place = Place::of(&path)?;
        match mkdirat(&place.folder, place.name.as_os_str(), Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(InstallError::io("make", &path)(errno)),
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = openat(&place.folder, place.name.as_os_str(), flags, Mode::empty()).map_err(InstallError::io("open", &path))?;
        let stat = fstat(&open).map_err(InstallError::io("look at", &path))?;
        if stat.st_uid != geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
            return Err(InstallError::Place(place::PlaceError::Untrusted(path)));
        }
        let mount = place::mount(&open).map_err(InstallError::io("look at", &path))?;
        self.folders.push(Folder { path, open, mount, synced: self.next });
        Ok(())
    }
}

fn list_path(run: &Path) -> PathBuf {
    run.join("stages")
}

/// The folder in the run's own directory.
pub fn own(run: &Path) -> PathBuf {
    run.join("stage")
}

/// All folders of a run; its own comes first.
pub fn listed(run: &Path) -> Result<Vec<PathBuf>, InstallError> {
    Ok(installed::load(&list_path(run))?.unwrap_or_else(|| vec![own(run)]))
}

/// Writes down which folders a run has.
pub fn list(run: &Path, all: &[PathBuf]) -> Result<(), InstallError> {
    installed::save(&list_path(run), &all)
}

/// Removes all that a run has aside: files, links, pipes, empty folders. A folder with something in it is nothing of ours.
pub fn remove(run: &Path) -> Result<(), InstallError> {
    for path in listed(run)? {
        empty(&path)?;
    }
    forget(run)
}

/// Removes one such folder.
pub fn empty(path: &Path) -> Result<(), InstallError> {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.path();
        if fs::remove_file(&name).is_err() {
            fs::remove_dir(&name).map_err(InstallError::io("remove", &name))?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstallError::io("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes the list of a run's folders: they are another's now, or gone.
pub fn forget(run: &Path) -> Result<(), InstallError> {
    match fs::remove_file(list_path(run)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(InstallError::io("remove", list_path(run))(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes something under a name in a folder; what is there under that name goes.
pub fn make(folder: BorrowedFd, name: &str, content: Content, meta: &Meta, path: &Path) -> Result<(), InstallError> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        // A folder that an interrupted task has made aside is empty.
        Err(Errno::EISDIR) => unlinkat(folder, name, UnlinkatFlags::RemoveDir).map_err(InstallError::io("clear the way of", path))?,
        Err(errno) => return Err(InstallError::io("clear the way of", path)(errno)),
    }
    match content {
        Content::File(from) => make_file(folder, name, |to| io::copy(&mut from.take(u64::MAX), to), meta, path),
        Content::Bytes(mut from) => make_file(folder, name, |to| io::copy(&mut from, to), meta, path),
        Content::Link(target) => {
            symlinkat(target, folder, name).map_err(InstallError::io("make the link", path))?;
            dress_link(folder, name, meta).map_err(InstallError::io("dress the link", path))
        }
        Content::Pipe => {
            mkfifoat(folder, name, Mode::from_bits_truncate(0o600)).map_err(InstallError::io("make the pipe", path))?;
            dress_made(folder, name, OFlag::O_NONBLOCK, meta).map_err(InstallError::io("dress the pipe", path))
        }
        Content::Folder => {
            mkdirat(folder, name, Mode::S_IRWXU).map_err(InstallError::io("make the folder", path))?;
            dress_made(folder, name, OFlag::O_DIRECTORY, meta).map_err(InstallError::io("dress the folder", path))
        }
    }
}

fn make_file(folder: BorrowedFd, name: &str, write: impl FnOnce(&mut File) -> io::Result<u64>, meta: &Meta, path: &Path) -> Result<(), InstallError> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut to: File = openat(folder, name, flags, Mode::from_bits_truncate(0o600)).map_err(InstallError::io("create", path))?.into();
    write(&mut to).map_err(InstallError::io("write", path))?;
    meta.give(&to).map_err(InstallError::io("dress", path))
}

fn dress_made(folder: BorrowedFd, name: &str, flags: OFlag, meta: &Meta) -> io::Result<()> {
    let open: File = openat(folder, name, flags | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?.into();
    meta.give(&open)
}

/// A link has an owner and a time; never what it points to.
fn dress_link(folder: BorrowedFd, name: &str, meta: &Meta) -> io::Result<()> {
    if geteuid().is_root() {
        fchownat(folder, name, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    let time = TimeSpec::new(meta.mtime.0, meta.mtime.1);
    Ok(utimensat(folder, name, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}
