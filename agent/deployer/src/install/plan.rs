//! What is to be installed where, from the release directory as it is now (B15): pure reading, nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pilotage_bundle::appspec::Glob;
use serde::{Deserialize, Serialize};

use super::InstallError;
use super::kept::Identity;
use super::meta::Meta;
use super::spec::Spec;
use super::stage::Content;
use crate::place;

/// One file or link to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where its content comes from.
    pub origin: Origin,
    /// What it gets.
    pub meta: Meta,
}

/// Where the content of a file or link comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A file of the release.
    Release {
        /// Inside the release directory.
        source: PathBuf,
        /// Another one is another content.
        identity: Identity,
    },
    /// A link to this.
    Link(PathBuf),
    /// A file of somebody else, given back: its name among those that were kept.
    Foreign(String),
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallPlan {
    /// By destination.
    pub items: BTreeMap<PathBuf, Item>,
    /// Folders that must be there, from the top down.
    pub folders: BTreeSet<PathBuf>,
    /// Modes and owners that `permissions` gives to folders that are made.
    pub dressed: BTreeMap<PathBuf, Meta>,
}

/// What the manifest says of an entry: in the release directory its owner is root and its mode is tamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// All twelve bits.
    pub mode: u32,
    /// Owner on this host.
    pub uid: u32,
    /// Group on this host.
    pub gid: u32,
    /// Seconds since 1970; 0 when nobody said.
    pub mtime: i64,
    /// Bytes.
    pub size: u64,
}

/// By path inside the release.
pub type Originals = BTreeMap<PathBuf, Original>;

/// Where a release comes from.
pub struct Source<'a> {
    /// Its directory.
    pub release: &'a Path,
    /// What its manifest says.
    pub originals: &'a Originals,
    /// The agent's state directory: nothing is installed there.
    pub state: &'a Path,
    /// Where files of others are kept that the app has taken the place of.
    pub foreign: &'a Path,
    /// This host has SELinux.
    pub selinux: bool,
}

impl Source<'_> {
    /// Opens the content of an item for one use.
    pub fn content<T>(&self, item: &Item, done: impl FnOnce(Content) -> Result<T, InstallError>) -> Result<T, InstallError> {
        let mut file: File = match &item.origin {
            Origin::Link(target) => return done(Content::Link(target)),
            Origin::Release { source, .. } => {
                place::open_beneath(self.release, source).map_err(InstallError::io("open", self.release.join(source)))?
            }
            Origin::Foreign(name) => place::open_beneath(self.foreign, Path::new(name)).map_err(InstallError::io("open", self.foreign.join(name)))?,
        };
        done(Content::File(&mut file))
    }
}

/// Plans all entries of `files`. What is wrong with the release as it is now, and hooks may mend, goes to `doubts`.
pub fn plan(source: &Source, spec: &Spec, doubts: &mut Vec<InstallError>) -> Result<InstallPlan, InstallError> {
    let mut plan = InstallPlan::default();
    for entry in &spec.files {
        let inside = place::clean(Path::new(&entry.source));
        let inside = inside.strip_prefix("/").unwrap_or(&inside).to_owned();
        let destination = place::clean(Path::new(&entry.destination));
        let from = source.release.join(&inside);
        let Ok(meta) = fs::symlink_metadata(&from) else {
            doubts.push(InstallError::Source(entry.source.clone()));
            continue;
        };
        if let Some(glob) = &entry.glob {
            let to = if meta.is_dir() { destination } else { destination.join(inside.file_name().unwrap_or_default()) };
            if plan.matching(source, glob, &inside, &to)? == 0 {
                doubts.push(InstallError::Source(glob.pattern.clone()));
            }
        } else if meta.is_dir() {
            plan.folder(source, &inside, &destination)?;
        } else {
            let name = inside.file_name().ok_or_else(|| InstallError::Source(entry.source.clone()))?.to_owned();
            plan.ancestors(&destination);
            plan.item(source, &inside, destination.join(name), &meta)?;
        }
    }
    match plan.items.keys().find(|to| plan.folders.contains(*to)) {
        Some(both) => Err(InstallError::Twice(both.clone())),
        None => Ok(plan),
    }
}

impl InstallPlan {
    fn folder(&mut self, source: &Source, inside: &Path, to: &Path) -> Result<(), InstallError> {
        self.ancestors(to);
        let from = source.release.join(inside);
        for entry in fs::read_dir(&from).map_err(InstallError::io("list", &from))? {
            let entry = entry.map_err(InstallError::io("list", &from))?;
            let (inside, to) = (inside.join(entry.file_name()), to.join(entry.file_name()));
            let meta = entry.metadata().map_err(InstallError::io("look at", entry.path()))?;
            if meta.is_dir() {
                self.folder(source, &inside, &to)?;
            } else {
                self.item(source, &inside, to, &meta)?;
            }
        }
        Ok(())
    }

    /// What the wildcards mean at this place and below it; how many there were.
    fn matching(&mut self, source: &Source, glob: &Glob, inside: &Path, to: &Path) -> Result<usize, InstallError> {
        let from = source.release.join(inside);
        let meta = fs::symlink_metadata(&from).map_err(InstallError::io("look at", &from))?;
        if !meta.is_dir() {
            if !glob.takes(&inside.to_string_lossy()) {
                return Ok(0);
            }
            self.ancestors(to.parent().unwrap_or(to));
            return self.item(source, inside, to.to_owned(), &meta).map(|()| 1);
        }
        let mut found = 0;
        for entry in fs::read_dir(&from).map_err(InstallError::io("list", &from))? {
            let name = entry.map_err(InstallError::io("list", &from))?.file_name();
            found += self.matching(source, glob, &inside.join(&name), &to.join(&name))?;
        }
        Ok(found)
    }

    fn ancestors(&mut self, folder: &Path) {
        for folder in folder.ancestors().filter(|f| f.parent().is_some()) {
            if self.folders.contains(folder) {
                return;
            }
            self.folders.insert(folder.to_owned());
        }
    }

    fn item(&mut self, source: &Source, inside: &Path, to: PathBuf, meta: &Metadata) -> Result<(), InstallError> {
        if to.starts_with(source.state) {
            return Err(InstallError::OwnState(to));
        }
        // A record of paths is text.
        if to.to_str().is_none() {
            return Err(InstallError::Name(to));
        }
        let origin = match (meta.is_symlink(), meta.is_file()) {
            (true, _) => Origin::Link(fs::read_link(source.release.join(inside)).map_err(InstallError::io("read the link", inside))?),
            (false, true) => Origin::Release { source: inside.to_owned(), identity: (meta.ino(), meta.ctime(), meta.ctime_nsec()) },
            // A hook may have left a socket or pipe in the release: nothing that can be installed.
            (false, false) => return Ok(()),
        };
        let item = Item { origin, meta: dressed(source.originals.get(inside), meta) };
        match self.items.insert(to.clone(), item) {
            Some(_) => Err(InstallError::Twice(to)),
            None => Ok(()),
        }
    }
}

/// The manifest's word, unless a hook has changed it in the release directory since (B10, B15).
fn dressed(original: Option<&Original>, now: &Metadata) -> Meta {
    let mode = now.mode() & 0o7777;
    let mut meta = Meta { mode, uid: now.uid(), gid: now.gid(), mtime: (now.mtime(), now.mtime_nsec()), attributes: Vec::new() };
    if let Some(original) = original {
        let plain = |m: u32| m & 0o755 & !0o111;
        if plain(mode) == plain(original.mode) && mode & 0o7022 == 0 {
            meta.mode = original.mode | (mode & 0o111);
        }
        if place::ours(meta.uid) {
            (meta.uid, meta.gid) = (original.uid, original.gid);
        }
        if original.mtime > 0 && original.size == now.len() {
            meta.mtime = (original.mtime, 0);
        }
    }
    meta
}
