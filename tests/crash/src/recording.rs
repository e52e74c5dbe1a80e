//! What a program did to the files below a folder, in order; or the same program killed before one of its changes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::unistd::Pid;

use crate::call::{self, Change, Name, change};
use crate::files::{Dress, Files, Id, Kind};
use crate::trace::{self, Call, Watcher};
use crate::victim;

/// One thing that the kernel did for the program, or a word of it.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A name in a folder means this from now on.
    Named { folder: Id, name: OsString, node: Id },
    /// A name is gone.
    Removed { folder: Id, name: OsString },
    /// A name moves, whole.
    Moved { from: (Id, OsString), to: (Id, OsString), node: Id },
    /// Bytes.
    Wrote { node: Id, at: u64, bytes: Vec<u8> },
    /// Another length.
    Resized { node: Id, length: u64 },
    /// Mode, owner, times.
    Dressed { node: Id, dress: Dress },
    /// All that was done to it before the event of this number is kept.
    Synced { node: Id, before: usize },
    /// All that was done to anything.
    SyncedAll { before: usize },
    /// Promised to the outside.
    Acknowledged(u64),
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(crate) files: Files,
    pub(crate) journalled: bool,
    /// In the kernel's order.
    pub(crate) events: Vec<Event>,
    /// How the program ended.
    pub status: ExitStatus,
    /// What it said on standard error, and on standard output.
    pub said: String,
}

/// Runs a program and records what it does below `root`.
pub fn record(command: &Command, root: &Path) -> io::Result<Recording> {
    watch(command, root, None)
}

/// Runs a program and kills it with -9, and the processes that it has started, before the n-th change (from 1) of anything below
/// `root`. The status says whether it came so far.
pub fn kill_before(command: &Command, root: &Path, n: usize) -> io::Result<Recording> {
    watch(command, root, Some(n))
}

fn watch(command: &Command, root: &Path, kill: Option<usize>) -> io::Result<Recording> {
    let files = Files::below(&fs::canonicalize(root)?)?;
    let mut names = BTreeMap::new();
    for (folder, node) in files.nodes.iter().enumerate() {
        if let Kind::Folder(inner) = &node.kind {
            names.extend(inner.iter().map(|(name, id)| ((folder, name.clone()), *id)));
        }
    }
    let mut recorder = Recorder { files, names, events: Vec::new(), begun: BTreeMap::new(), said: String::new(), left: kill };
    let status = trace::run(command, &mut recorder)?;
    Ok(Recording { files: recorder.files, journalled: false, events: recorder.events, status, said: recorder.said })
}

struct Recorder {
    files: Files,
    /// What each name means now.
    names: BTreeMap<(Id, OsString), Id>,
    events: Vec<Event>,
    /// For each thread, how many events there were when its call began.
    begun: BTreeMap<Pid, usize>,
    said: String,
    /// So many changes are still done, if it is to be killed.
    left: Option<usize>,
}

impl Watcher for Recorder {
    fn begins(&mut self, call: &Call) -> bool {
        let Some(change) = change(call) else { return true };
        self.begun.insert(call.thread, self.events.len());
        if let Some(left) = &mut self.left {
            if *left == 0 {
                return false;
            }
            if concerns(&self.files, call, &change) {
                *left -= 1;
                return *left > 0;
            }
        }
        true
    }

    fn ended(&mut self, call: &Call, result: i64) {
        if result < 0 {
            return;
        }
        if let Some((descriptor, text)) = call::said(call) {
            if let Some(n) = victim::acknowledged(&text).filter(|_| descriptor == 1) {
                self.events.push(Event::Acknowledged(n));
            }
            self.said.push_str(&text);
        }
        if let Some(change) = change(call) {
            let before = self.begun.remove(&call.thread).unwrap_or_default();
            // What is not below the folder has no number, and is passed over.
            let _ = self.take(call, change, result, before);
        }
    }
}

/// Does it touch anything of ours?
fn concerns(files: &Files, call: &Call, change: &Change) -> bool {
    let open = |descriptor: &i32| files.of(&call::opened(call, *descriptor)).is_some();
    let named = |name: &Name| files.place(&name.0).is_some();
    match change {
        Change::Open { name, .. } | Change::Folder(name) | Change::Link(name) | Change::Hard(name) => named(name),
        Change::Remove(name) | Change::DressNamed(name) => named(name),
        Change::Rename(from, to) => named(from) || named(to),
        Change::Write { descriptor, .. } | Change::Resize { descriptor } | Change::Dress { descriptor } | Change::Sync { descriptor } => {
            open(descriptor)
        }
        Change::SyncAll => true,
    }
}

impl Recorder {
    fn take(&mut self, call: &Call, change: Change, result: i64, before: usize) -> Option<()> {
        let event = match change {
            Change::Open { empty, .. } => {
                let descriptor = result as i32;
                let path = fs::read_link(call::opened(call, descriptor)).ok()?;
                let place = self.files.place(&path)?;
                let node = self.files.of(&call::opened(call, descriptor));
                match node {
                    Some(node) if self.names.get(&place) == Some(&node) && empty => Event::Resized { node, length: 0 },
                    Some(node) if self.names.get(&place) == Some(&node) => return None,
                    Some(_) | None => return self.made(&path),
                }
            }
            Change::Write { descriptor, at } => {
                let node = self.files.of(&call::opened(call, descriptor))?;
                let at = at.or_else(|| call::position(call, descriptor)?.checked_sub(result as u64))?;
                Event::Wrote { node, at, bytes: call::bytes(call, descriptor, at, result as usize).ok()? }
            }
            Change::Resize { descriptor } => {
                let path = call::opened(call, descriptor);
                Event::Resized { node: self.files.of(&path)?, length: fs::metadata(path).ok()?.len() }
            }
            Change::Folder(name) | Change::Link(name) => return self.made(&name.0),
            Change::Hard(name) => {
                let (folder, entry) = self.files.place(&name.0)?;
                let node = self.files.of_meta(&fs::symlink_metadata(&name.0).ok()?)?;
                self.names.insert((folder, entry.clone()), node);
                Event::Named { folder, name: entry, node }
            }
            Change::Rename(from, to) => return self.moved(&from, &to),
            Change::Remove(name) => {
                let (folder, name) = self.files.place(&name.0)?;
                self.names.remove(&(folder, name.clone()))?;
                Event::Removed { folder, name }
            }
            Change::Dress { descriptor } => {
                let path = call::opened(call, descriptor);
                Event::Dressed { node: self.files.of(&path)?, dress: Dress::of(&fs::metadata(path).ok()?) }
            }
            Change::DressNamed(name) => {
                let meta = fs::symlink_metadata(&name.0).ok()?;
                Event::Dressed { node: self.files.of_meta(&meta)?, dress: Dress::of(&meta) }
            }
            Change::Sync { descriptor } => Event::Synced { node: self.files.of(&call::opened(call, descriptor))?, before },
            Change::SyncAll => Event::SyncedAll { before },
        };
        self.events.push(event);
        Some(())
    }

    fn made(&mut self, path: &Path) -> Option<()> {
        let (folder, name) = self.files.place(path)?;
        let node = self.files.made(path)?;
        self.names.insert((folder, name.clone()), node);
        self.events.push(Event::Named { folder, name, node });
        Some(())
    }

    /// From outside, or to it, is a making or a removing.
    fn moved(&mut self, from: &Name, to: &Name) -> Option<()> {
        let (from, place) = (self.files.place(&from.0), self.files.place(&to.0));
        let node = from.as_ref().and_then(|from| self.names.remove(from));
        match (from, place, node) {
            (Some(from), Some(to), Some(node)) => {
                self.names.insert(to.clone(), node);
                self.events.push(Event::Moved { from, to, node });
            }
            (Some((folder, name)), None, Some(_)) => self.events.push(Event::Removed { folder, name }),
            (_, Some(_), None) => return self.made(&to.0),
            (_, None, None) | (None, _, Some(_)) => return None,
        }
        Some(())
    }
}
