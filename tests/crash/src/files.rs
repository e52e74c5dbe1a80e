//! The files below a folder, as the recording knows them: each has a number, whatever it is called.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of a file or folder.
pub(crate) type Id = usize;
/// The folder that is watched.
pub(crate) const ROOT: Id = 0;

/// Mode, owner and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dress {
    pub mode: u32,
    pub owner: (u32, u32),
    pub time: (i64, i64),
}

impl Dress {
    pub fn of(meta: &fs::Metadata) -> Dress {
        Dress { mode: meta.mode() & 0o7777, owner: (meta.uid(), meta.gid()), time: (meta.mtime(), meta.mtime_nsec()) }
    }
}

/// What it is, and what it was when the recording began (or it was made).
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Folder(BTreeMap<OsString, Id>),
    File(Arc<Vec<u8>>),
    Link(PathBuf),
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub dress: Dress,
}

/// All of them, and which of the machine's files each is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub nodes: Vec<Node>,
    known: BTreeMap<(u64, u64), Id>,
}

impl Files {
    /// Everything below a folder.
    pub fn below(root: &Path) -> io::Result<Files> {
        let mut files = Files::default();
        files.take(root)?;
        Ok(files)
    }

    fn take(&mut self, path: &Path) -> io::Result<Id> {
        let meta = fs::symlink_metadata(path)?;
        // A file with two names is one file.
        if let Some(id) = self.known.get(&(meta.dev(), meta.ino())) {
            return Ok(*id);
        }
        let kind = if meta.is_dir() {
            Kind::Folder(BTreeMap::new())
        } else if meta.is_symlink() {
            Kind::Link(fs::read_link(path)?)
        } else {
            Kind::File(Arc::new(fs::read(path)?))
        };
        let id = self.add(kind, &meta);
        if meta.is_dir() {
            let mut names = BTreeMap::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                if is_other(&entry.file_type()?) {
                    continue;
                }
                names.insert(entry.file_name(), self.take(&entry.path())?);
            }
            self.nodes[id].kind = Kind::Folder(names);
        }
        Ok(id)
    }

    fn add(&mut self, kind: Kind, meta: &fs::Metadata) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node { kind, dress: Dress::of(meta) });
        self.known.insert((meta.dev(), meta.ino()), id);
        id
    }

    /// Something new under a path; its number was another's before, when that is gone.
    pub fn made(&mut self, path: &Path) -> Option<Id> {
        let meta = fs::symlink_metadata(path).ok().filter(|m| !is_other(&m.file_type()))?;
        let kind = if meta.is_dir() {
            Kind::Folder(BTreeMap::new())
        } else if meta.is_symlink() {
            Kind::Link(fs::read_link(path).ok()?)
        } else {
            Kind::File(Arc::default())
        };
        Some(self.add(kind, &meta))
    }

    /// Which one this is; links are followed.
    pub fn of(&self, path: &Path) -> Option<Id> {
        self.of_meta(&fs::metadata(path).ok()?)
    }

    /// Which one this is.
    pub fn of_meta(&self, meta: &fs::Metadata) -> Option<Id> {
        self.known.get(&(meta.dev(), meta.ino())).copied()
    }

    /// The folder and the name in it, when the folder is one of ours.
    pub fn place(&self, path: &Path) -> Option<(Id, OsString)> {
        let folder = self.of(path.parent()?)?;
        Some((folder, path.file_name()?.to_owned()))
    }
}

/// A socket or a pipe: of no use after a crash.
fn is_other(kind: &fs::FileType) -> bool {
    !kind.is_dir() && !kind.is_symlink() && !kind.is_file()
}
