//! A manifest made into a release directory, and a release directory compared with its manifest.
//!
//! In a release every inode belongs to root (to us, when we are not root); folders have 0755, files the manifest's mode & 0755;
//! owners, setuid bits and times are data for the copies that `files:` makes. Links are written last.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::dir::Type;
use nix::unistd::{Gid, Uid};
use pilotage_shared::manifest::{Entry, Kind, Manifest};

use crate::beneath::Root;
use crate::build::digest_of;
use crate::objects::{ObjectError, Objects};

/// Why a release could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The disk.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A content.
    #[error("failed to read an object of the package")]
    Object(#[from] ObjectError),
}

/// Makes a release in `folder`, which must not exist; on disk when it returns. On failure nothing is left.
pub fn unpack(manifest: &Manifest, objects: &Objects, folder: &Path) -> Result<(), UnpackError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| UnpackError::Io { doing, path, source }
    };
    let (parent, name) = place(folder).ok_or_else(|| failed("make", folder)(io::ErrorKind::InvalidInput.into()))?;
    let parent = Root::open(parent).map_err(failed("open the folder of", folder))?;
    parent.make_folder(name, 0o700).map_err(failed("make", folder))?;
    let result = parent.below(name).map_err(failed("open", folder)).and_then(|root| fill(manifest, objects, &root, folder));
    if result.is_err() {
        let _ = fs::remove_dir_all(folder); // a half-made release is never named; the next attempt clears it as well
    }
    result
}

/// The folder around it and its last name.
fn place(folder: &Path) -> Option<(&Path, &str)> {
    let parent = folder.parent()?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Some((parent, folder.file_name()?.to_str()?))
}

/// All beneath `root`, by descriptor; `folder` is its path, for messages. The root gets its mode last, when all is there.
fn fill(manifest: &Manifest, objects: &Objects, root: &Root, folder: &Path) -> Result<(), UnpackError> {
    let failed = |doing, path: &str| {
        let path = folder.join(path);
        move |source| UnpackError::Io { doing, path, source }
    };
    for entry in &manifest.entries {
        let path = entry.path.as_str();
        match &entry.kind {
            Kind::Directory => {
                root.make_folder(path, 0o755).map_err(failed("make", path))?;
                let made = File::from(root.folder(path).map_err(failed("open", path))?);
                settle(&made, 0o755).map_err(failed("set owner and mode of", path))?;
            }
            Kind::File { digest } => {
                let mut file = root.create_file(path).map_err(failed("create", path))?;
                let mut content = objects.read(digest)?.take(entry.size.saturating_add(1));
                let written = io::copy(&mut content, &mut file).map_err(failed("write", path))?;
                if written != entry.size {
                    let wrong = io::Error::new(io::ErrorKind::InvalidData, "its content has another size than the manifest says");
                    return Err(failed("write", path)(wrong));
                }
                settle(&file, release_mode(entry)).map_err(failed("set owner and mode of", path))?;
            }
            Kind::Link { .. } => {}
        }
    }
    for entry in &manifest.entries {
        if let Kind::Link { target } = &entry.kind {
            root.make_link(&entry.path, target).map_err(failed("link", &entry.path))?;
            if Uid::effective().is_root() {
                root.give(&entry.path, Uid::from_raw(0), Gid::from_raw(0)).map_err(failed("set the owner of", &entry.path))?;
            }
        }
    }
    let own = File::from(root.folder("").map_err(failed("open", ""))?);
    settle(&own, 0o755).map_err(failed("set owner and mode of", ""))?;
    root.sync_all().map_err(failed("sync", ""))
}

/// Root's, whatever the folder around it hands down (a set-group-id bit), and of exactly this mode, whatever the umask.
fn settle(made: &File, mode: u32) -> io::Result<()> {
    if Uid::effective().is_root() {
        nix::unistd::fchown(made, Some(Uid::from_raw(0)), Some(Gid::from_raw(0)))?;
    }
    made.set_permissions(Permissions::from_mode(mode))
}

/// The mode of a file in a release.
pub fn release_mode(entry: &Entry) -> u32 {
    (entry.mode & 0o755) | 0o400
}

/// One thing in which a release differs from its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which entry.
    pub path: String,
    /// What is different.
    pub what: &'static str,
}

/// Compares contents, kinds, modes and links; also finds what the manifest does not have. O(bytes).
pub fn verify(manifest: &Manifest, folder: &Path) -> Result<Vec<Difference>, UnpackError> {
    verify_since(manifest, folder, i64::MIN)
}

/// The same, for a release that was compared before: a file whose inode has not changed since then (seconds since 1970) is not
/// read again. O(entries).
pub fn verify_since(manifest: &Manifest, folder: &Path, since: i64) -> Result<Vec<Difference>, UnpackError> {
    let failed = |path: &str| {
        let path = folder.join(path);
        move |source| UnpackError::Io { doing: "look at", path, source }
    };
    let root = Root::open(folder).map_err(failed(""))?;
    let mut found = Vec::new();
    for entry in &manifest.entries {
        if let Some(what) = differs(&root, entry, since).map_err(failed(&entry.path))? {
            found.push(Difference { path: entry.path.clone(), what });
        }
    }
    extra(&root, "", manifest, &mut found).map_err(failed(""))?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn differs(root: &Root, entry: &Entry, since: i64) -> io::Result<Option<&'static str>> {
    let stat = match root.stat(&entry.path) {
        Ok(stat) => stat,
        Err(e) if matches!(e.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENOTDIR | nix::libc::ELOOP)) => return Ok(Some("it is missing")),
        Err(e) => return Err(e),
    };
    let kind = stat.st_mode & 0o170_000;
    Ok(match &entry.kind {
        Kind::Directory if kind != 0o040_000 => Some("it is no folder"),
        Kind::Directory => None,
        Kind::Link { .. } if kind != 0o120_000 => Some("it is no link"),
        Kind::Link { target } => (root.read_link(&entry.path)? != target.as_str()).then_some("the link points elsewhere"),
        Kind::File { .. } if kind != 0o100_000 => Some("it is no file"),
        Kind::File { .. } if stat.st_size as u64 != entry.size => Some("its size is another"),
        Kind::File { .. } if stat.st_ctime < since => None,
        Kind::File { digest } => {
            let file = root.open_file(&entry.path)?;
            // A hook may have been made executable; more may not have happened to the mode.
            let mode = file.metadata()?.mode() & 0o7777;
            if mode & !0o111 != release_mode(entry) & !0o111 {
                Some("its mode is another")
            } else {
                (digest_of(file)?.0 != *digest).then_some("its content is another")
            }
        }
    })
}

fn extra(root: &Root, below: &str, manifest: &Manifest, found: &mut Vec<Difference>) -> io::Result<()> {
    for (name, kind) in root.list(below)? {
        // No path of a manifest has a replacement character in place of a byte that is not UTF-8.
        let known = name.to_str();
        let name = name.to_string_lossy();
        let path = if below.is_empty() { name.into_owned() } else { format!("{below}/{name}") };
        match manifest.get(&path).filter(|_| known.is_some()) {
            None => found.push(Difference { path, what: "it is not of the package" }),
            Some(Entry { kind: Kind::Directory, .. }) if is_folder(root, &path, kind)? => extra(root, &path, manifest, found)?,
            Some(_) => {}
        }
    }
    Ok(())
}

/// Not every file system says the type in its listing.
fn is_folder(root: &Root, path: &str, listed: Option<Type>) -> io::Result<bool> {
    match listed {
        Some(kind) => Ok(kind == Type::Directory),
        None => Ok(root.stat(path)?.st_mode & 0o170_000 == 0o040_000),
    }
}
