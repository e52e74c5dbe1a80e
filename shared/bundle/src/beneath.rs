//! Files beneath a root, by descriptor: no path is followed out of it, and no link on the way is followed at all.
//!
//! Every call resolves with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`: there is no moment between a check and a use in
//! which another process could swap a folder for a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, Mode, fstat, mkdirat};
use nix::unistd::{Gid, Uid};

/// An open folder below which all work is done.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
}

/// The parent's path and the last name. The kernel resolves the parent beneath the root, but takes the last name as it is: it
/// must be one.
fn split(path: &str) -> io::Result<(&str, &str)> {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    if matches!(name, "" | "." | "..") || parent.starts_with('/') || path.starts_with('/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} does not end in a name beneath the root")));
    }
    Ok((parent, name))
}

impl Root {
    /// Opens the folder; a link in its last place is not followed.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        Ok(Root { folder: nix::fcntl::open(path, flags, Mode::empty())? })
    }

    /// A folder beneath the root, as a root of its own.
    pub fn below(&self, path: &str) -> io::Result<Root> {
        Ok(Root { folder: self.folder(path)? })
    }

    fn resolve(&self, path: &str, flags: OFlag, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(self.folder.as_fd(), path, how)?)
    }

    /// An open folder beneath the root; the empty path is the root itself.
    pub fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        self.resolve(path, OFlag::O_DIRECTORY | OFlag::O_RDONLY, Mode::empty())
    }

    /// An open file for reading.
    pub fn open_file(&self, path: &str) -> io::Result<File> {
        let file = File::from(self.resolve(path, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(file)
    }

    /// A new file, which must not exist; its mode is set exactly by the caller.
    pub fn create_file(&self, path: &str) -> io::Result<File> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW;
        Ok(File::from(self.resolve(path, flags, Mode::from_bits_truncate(0o600))?))
    }

    /// A new folder, which must not exist.
    pub fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let (parent, name) = split(path)?;
        Ok(mkdirat(self.folder(parent)?, name, Mode::from_bits_truncate(mode))?)
    }

    /// A new symbolic link, which must not exist; data, never followed.
    pub fn make_link(&self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = split(path)?;
        Ok(nix::unistd::symlinkat(target, self.folder(parent)?, name)?)
    }

    /// Removes a file or link.
    pub fn remove_file(&self, path: &str) -> io::Result<()> {
        let (parent, name) = split(path)?;
        Ok(nix::unistd::unlinkat(self.folder(parent)?, name, nix::unistd::UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, path: &str) -> io::Result<()> {
        let (parent, name) = split(path)?;
        Ok(nix::unistd::unlinkat(self.folder(parent)?, name, nix::unistd::UnlinkatFlags::RemoveDir)?)
    }

    /// Gives what is there another name, in place of what has that name.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let ((old, name), (new, wanted)) = (split(from)?, split(to)?);
        Ok(nix::fcntl::renameat(self.folder(old)?, name, self.folder(new)?, wanted)?)
    }

    /// Sets owner and group of what is there, of a link itself.
    pub fn give(&self, path: &str, owner: Uid, group: Gid) -> io::Result<()> {
        let (parent, name) = split(path)?;
        Ok(nix::unistd::fchownat(self.folder(parent)?, name, Some(owner), Some(group), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// The names in a folder, sorted, with their types where the file system says them; the empty path is the root itself.
    pub fn list(&self, path: &str) -> io::Result<Vec<(OsString, Option<Type>)>> {
        let mut found = Vec::new();
        for entry in Dir::from_fd(self.folder(path)?)?.iter() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if !matches!(name.as_bytes(), b"." | b"..") {
                found.push((name.to_owned(), entry.file_type()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Where a link points.
    pub fn read_link(&self, path: &str) -> io::Result<std::ffi::OsString> {
        let (parent, name) = split(path)?;
        Ok(nix::fcntl::readlinkat(self.folder(parent)?, name)?)
    }

    /// What is there, links not followed.
    pub fn stat(&self, path: &str) -> io::Result<FileStat> {
        let (parent, name) = split(path)?;
        Ok(nix::sys::stat::fstatat(self.folder(parent)?, name, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Of the root itself.
    pub fn stat_root(&self) -> io::Result<FileStat> {
        Ok(fstat(&self.folder)?)
    }

    /// Makes everything on the root's file system durable.
    pub fn sync_all(&self) -> io::Result<()> {
        Ok(nix::unistd::syncfs(&self.folder)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        std::fs::create_dir_all(inside.join("d")).unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        std::os::unix::fs::symlink("d", inside.join("same")).unwrap();
        let root = Root::open(&inside).unwrap();
        for bad in ["../secret", "up/secret", "same/x", "/etc/passwd", "d/../../secret", "/x", "..", "d/..", "d/../..", ".", "", "d/"] {
            let (owner, group) = (Uid::effective(), Gid::effective());
            let outcomes = [
                root.create_file(bad).is_err(),
                root.open_file(bad).is_err(),
                root.make_link(bad, "x").is_err(),
                root.make_folder(bad, 0o755).is_err(),
                root.stat(bad).is_err(),
                root.read_link(bad).is_err(),
                root.remove_file(bad).is_err(),
                root.remove_folder(bad).is_err(),
                root.rename(bad, "d/new").is_err(),
                root.rename("d", bad).is_err(),
                root.give(bad, owner, group).is_err(),
            ];
            assert!(outcomes.iter().all(|refused| *refused), "{bad:?}: {outcomes:?}");
        }
        assert!(root.below("up").is_err() && root.list("..").is_err());
        assert!(dir.path().join("secret").exists() && inside.join("d").is_dir());
        root.create_file("d/x").unwrap();
        assert!(root.open_file("d/x").is_ok());
        assert!(root.create_file("d/x").is_err(), "never over something");
        assert!(root.open_file("up").is_err());
        root.rename("d/x", "y").unwrap();
        root.remove_folder("d").unwrap();
        let names: Vec<OsString> = root.list("").unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["same", "up", "y"]);
    }
}
