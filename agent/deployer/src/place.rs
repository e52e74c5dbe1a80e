//! Places in the file system, held by descriptor: nothing is done by path after a check (DESIGN §6).
//!
//! A path is walked name by name from `/`. A link on the way is followed only when root (or we) own it and the folder it
//! lies in, or when its owner owns what it points to: anything else could be swapped by somebody else under our hands.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::geteuid;
use pilotage_disk::together::{self, Together, side_by_side};

/// Links on one way, at most.
const LINKS_MAX: usize = 40;

/// Why a place could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is not there.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// Something on the way is no folder.
    #[error("{0} is not a folder")]
    NotAFolder(PathBuf),
    /// A link on the way that others could change.
    #[error("{0} is a link that somebody else than root controls")]
    Untrusted(PathBuf),
    /// Links without end.
    #[error("{0} leads through too many links")]
    Links(PathBuf),
    /// Not a path that can be used.
    #[error("{0} is not an absolute path to a file or folder")]
    Form(PathBuf),
    /// The kernel.
    #[error("failed to {doing} {path}")]
    Io {
        /// What.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl PlaceError {
    /// For `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(Errno) -> PlaceError {
        let path = path.to_owned();
        move |errno| PlaceError::Io { doing, path, source: errno.into() }
    }
}

/// A name in an open folder; what the name holds may change, the folder cannot.
#[derive(Debug)]
pub struct Place {
    /// The folder, opened `O_PATH`.
    pub folder: Rc<OwnedFd>,
    /// The last name of the path.
    pub name: OsString,
    /// The whole path; for messages only.
    pub path: PathBuf,
}

impl Place {
    /// The place that an absolute path names; its folder must be there.
    pub fn of(path: &Path) -> Result<Self, PlaceError> {
        Places::default().of(path)
    }

    /// What stands there; links are not followed. None: nothing.
    pub fn stat(&self) -> Result<Option<FileStat>, PlaceError> {
        stat_at(self.folder.as_fd(), &self.name).map_err(PlaceError::io("look at", &self.path))
    }
}

/// Finds many places, one after the other: neighbours share their folder, which is walked to once.
#[derive(Debug, Default)]
pub struct Places {
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

impl Places {
    /// The place that an absolute path names; its folder must be there.
    pub fn of(&mut self, path: &Path) -> Result<Place, PlaceError> {
        let form = || PlaceError::Form(path.to_owned());
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(form)?;
        let known = self.last.as_ref().filter(|(last, _)| last == parent).map(|(_, folder)| folder.clone());
        let folder = match known {
            Some(folder) => folder,
            None => {
                let folder = Rc::new(folder(parent)?);
                self.last = Some((parent.to_owned(), folder.clone()));
                folder
            }
        };
        Ok(Place { folder, name: name.to_owned(), path: path.to_owned() })
    }

    /// The same; none when its folder is not there.
    pub fn reachable(&mut self, path: &Path) -> Result<Option<Place>, PlaceError> {
        match self.of(path) {
            Ok(place) => Ok(Some(place)),
            Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What stands under a name; links are not followed.
pub fn stat_at(folder: BorrowedFd, name: &OsStr) -> Result<Option<FileStat>, Errno> {
    match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What kind of thing a stat is about.
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

/// Opens a folder by its absolute path, `O_PATH`.
pub fn folder(path: &Path) -> Result<OwnedFd, PlaceError> {
    if !path.is_absolute() {
        return Err(PlaceError::Form(path.to_owned()));
    }
    walk(root()?, path, path, &mut LINKS_MAX.clone())
}

fn root() -> Result<OwnedFd, PlaceError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open("/", flags, Mode::empty()).map_err(PlaceError::io("open", Path::new("/")))
}

/// Walks `path` from `from`; `whole` is for messages.
fn walk(from: OwnedFd, path: &Path, whole: &Path, links: &mut usize) -> Result<OwnedFd, PlaceError> {
    let mut here = from;
    for component in path.components() {
        let name = match component {
            Component::RootDir | Component::Prefix(_) => {
                here = root()?;
                continue;
            }
            Component::CurDir => continue,
            Component::ParentDir => OsStr::new(".."),
            Component::Normal(name) => name,
        };
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let next = match openat(&here, name, flags, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::ENOENT) => return Err(PlaceError::Missing(whole.to_owned())),
            Err(Errno::ENOTDIR) => return Err(PlaceError::NotAFolder(whole.to_owned())),
            Err(errno) => return Err(PlaceError::io("open", whole)(errno)),
        };
        let stat = fstat(&next).map_err(PlaceError::io("look at", whole))?;
        here = match kind(&stat) {
            SFlag::S_IFDIR => next,
            SFlag::S_IFLNK => {
                *links = links.checked_sub(1).ok_or_else(|| PlaceError::Links(whole.to_owned()))?;
                follow(here, &next, &stat, whole, links)?
            }
            _ => return Err(PlaceError::NotAFolder(whole.to_owned())),
        };
    }
    Ok(here)
}

fn follow(from: OwnedFd, link: &OwnedFd, stat: &FileStat, whole: &Path, links: &mut usize) -> Result<OwnedFd, PlaceError> {
    let around = fstat(&from).map_err(PlaceError::io("look at", whole))?;
    let target = readlinkat(link, "").map_err(PlaceError::io("read the link", whole))?;
    let found = walk(from, Path::new(&target), whole, links)?;
    let safe = ours(stat.st_uid) && only_ours(&around);
    let owned = || fstat(&found).map(|t| t.st_uid == stat.st_uid).unwrap_or(false);
    if safe || owned() { Ok(found) } else { Err(PlaceError::Untrusted(whole.to_owned())) }
}

/// Root's, or our own where we are not root.
pub fn ours(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// A folder in which nobody else can exchange what we own: ours, and not writable by others (or sticky, as `/tmp`).
pub fn only_ours(folder: &FileStat) -> bool {
    ours(folder.st_uid) && (folder.st_mode & 0o022 == 0 || folder.st_mode & 0o1000 != 0)
}

/// The mount that an open folder lies in: what can be renamed from one folder to another. Bind mounts of one file system are
/// several.
pub fn mount(folder: impl AsFd) -> io::Result<u64> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", folder.as_fd().as_raw_fd()))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")).and_then(|id| id.trim().parse().ok());
    id.ok_or_else(|| io::Error::other("the kernel does not say in which mount it lies"))
}

/// The nearest folder on the way to a path that is there.
pub fn nearest(path: &Path) -> Result<(PathBuf, OwnedFd), PlaceError> {
    for near in path.ancestors() {
        match folder(near) {
            Ok(found) => return Ok((near.to_owned(), found)),
            Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(PlaceError::Form(path.to_owned()))
}

/// The folder nearest to the root that lies in the same mount as `path` and in which only we can exchange what is ours.
pub fn safe_folder(path: &Path, wanted: u64) -> Option<PathBuf> {
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    let safe = |near: &&&Path| {
        let Ok(open) = folder(near) else { return false };
        mount(&open).is_ok_and(|mount| mount == wanted) && fstat(&open).is_ok_and(|stat| only_ours(&stat))
    };
    ancestors.iter().find(safe).map(|path| path.to_path_buf())
}

/// Opens something beneath a root for reading; links inside may be followed, none leads out.
pub fn open_beneath(root: &Path, path: &Path) -> io::Result<File> {
    let root = File::open(root)?;
    open_beneath_at(root.as_fd(), path)
}

/// The same from an open root.
pub fn open_beneath_at(root: BorrowedFd, path: &Path) -> io::Result<File> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(root, path, how)?.into())
}

/// Makes a folder, 0755, if there is none; true when it was made.
pub fn make_folder(place: &Place) -> Result<bool, PlaceError> {
    match mkdirat(&place.folder, place.name.as_os_str(), Mode::from_bits_truncate(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(PlaceError::io("make the folder", &place.path)(errno)),
    }
}

/// An absolute path without `.`, `..` and doubled slashes, by words alone. Relative ones count from `/` (B8).
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Files that were just made in a folder of ours become durable together with other things, and so do their names.
pub fn made_files(together: &mut Together, folder: BorrowedFd, path: &Path, names: std::ops::Range<u64>) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    together.names(path);
    if names.end - names.start > together::ONE_BY_ONE as u64 {
        together.file_system(folder.try_clone_to_owned()?.into(), path);
        return Ok(());
    }
    for name in names.map(|number| number.to_string()) {
        match openat(folder, name.as_str(), OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty()) {
            // A pipe has nothing to sync.
            Ok(file) if kind(&fstat(&file)?) == SFlag::S_IFREG => together.content(file.into(), &path.join(&name)),
            // Nor has a link; and some numbers are of other folders.
            Ok(_) | Err(Errno::ELOOP | Errno::EACCES | Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Makes one new file durable; a link has no content.
pub fn sync_name(folder: BorrowedFd, name: &str) -> io::Result<()> {
    match openat(folder, name, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK, Mode::empty()) {
        Ok(file) => match File::from(file).sync_all() {
            // A pipe has nothing to sync.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
            synced => synced,
        },
        Err(Errno::ELOOP | Errno::EACCES) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes the names in folders durable; one that is gone has lost them durably with its own. Never by a sync of the whole file
/// system: that would wait for what everybody else has written.
pub fn sync_folders(folders: &[PathBuf]) -> Result<(), PlaceError> {
    side_by_side(folders, |path| {
        let found = match folder(path) {
            Ok(found) => found,
            Err(PlaceError::Missing(_) | PlaceError::NotAFolder(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let open =
            openat(&found, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(PlaceError::io("open", path))?;
        nix::unistd::fsync(&open).map_err(PlaceError::io("sync", path))
    })
}
