//! The outside of a file, link or folder: mode, owner, time of change, extended attributes (access control lists and SELinux
//! labels are such). Read from descriptors, and given to descriptors; never by path.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, geteuid};
use serde::{Deserialize, Serialize};
use xattr::FileExt as _;

/// The attribute of a SELinux label.
pub const LABEL: &str = "security.selinux";

/// Mode, owner, time of change, extended attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// All twelve bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub mtime: (i64, i64),
    /// By name, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, Vec<u8>)>,
}

impl Meta {
    /// Of a stat, without attributes: all that a link has.
    pub fn of(stat: &FileStat) -> Self {
        Self { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, mtime: (stat.st_mtime, stat.st_mtime_nsec), attributes: Vec::new() }
    }

    /// Of an open file or folder.
    pub fn read(open: &File) -> io::Result<Self> {
        let mut meta = Self::of(&fstat(open)?);
        for name in names(open)? {
            // One that went away since was not there.
            if let Some(value) = open.get_xattr(&name)? {
                meta.attributes.push((name, value));
            }
        }
        Ok(meta)
    }

    /// Sets an attribute, in its place.
    pub fn set(&mut self, name: &str, value: Vec<u8>) {
        self.attributes.retain(|(known, _)| known != name);
        self.attributes.push((name.to_owned(), value));
        self.attributes.sort();
    }

    /// Dresses an open file or folder: owner, then mode (a change of owner clears setuid), attributes, time. Attributes that it
    /// has and should not have go, but for a label. Without root the owner stays ours, and so does what only root can set.
    pub fn give(&self, open: &File) -> io::Result<()> {
        let root = geteuid().is_root();
        if root {
            fchown(open, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        }
        fchmod(open, Mode::from_bits_truncate(self.mode))?;
        let wanted: BTreeSet<&str> = self.attributes.iter().map(|(name, _)| name.as_str()).collect();
        let settable = |name: &str| root || !(name.starts_with("security.") || name.starts_with("trusted."));
        for name in names(open)?.iter().filter(|name| name.as_str() != LABEL && !wanted.contains(name.as_str()) && settable(name)) {
            open.remove_xattr(name)?;
        }
        for (name, value) in self.attributes.iter().filter(|(name, _)| settable(name)) {
            open.set_xattr(name, value).map_err(|e| io::Error::new(e.kind(), format!("its attribute {name}: {e}")))?;
        }
        let time = TimeSpec::new(self.mtime.0, self.mtime.1);
        Ok(futimens(open, &time, &time)?)
    }
}

/// The attributes that something has; none where its file system knows none.
fn names(open: &File) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = match open.list_xattr() {
        Ok(names) => names.filter_map(|name| name.into_string().ok()).collect(),
        Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Vec::new(),
        Err(error) => return Err(error),
    };
    names.sort();
    Ok(names)
}
