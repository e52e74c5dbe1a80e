//! Makes a folder anew as a power cut may have left it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::dice::Dice;
use crate::files::{Dress, Id, Kind, ROOT};
use crate::recording::{Event, Recording};

const PAGE: usize = 4096;
const SECTOR: usize = 512;
/// Events of a story.
const STORY: usize = 40;

/// What becomes of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on the disk all the same: what kill -9 leaves.
    Kept,
    /// It is gone.
    Lost,
    /// Each part of it is there, gone or torn, by the seed.
    Drawn(u64),
}

/// A power cut: how many events had happened, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Events before it.
    pub after: usize,
    /// And their fate.
    pub fate: Fate,
}

type Tree = BTreeMap<Id, BTreeMap<OsString, Id>>;

impl Recording {
    /// Every prefix, with nothing lost and with everything, and `draws` times as the seed says.
    pub fn crashes(&self, draws: u64) -> impl Iterator<Item = Crash> {
        let fates = move |after: usize| {
            let drawn = (0..draws).map(move |n| Fate::Drawn(after as u64 * draws + n));
            [Fate::Kept, Fate::Lost].into_iter().chain(drawn)
        };
        (0..=self.events.len()).flat_map(move |after| fates(after).map(move |fate| Crash { after, fate }))
    }

    /// How many events there are.
    pub fn end(&self) -> usize {
        self.events.len()
    }

    /// The last number that was acknowledged by then.
    pub fn acknowledged(&self, after: usize) -> Option<u64> {
        self.events[..after].iter().rev().find_map(|event| match event {
            Event::Acknowledged(n) => Some(*n),
            _ => None,
        })
    }

    /// On a disk where the first sync of a new file keeps the name that it was made under, as ext4, XFS, Btrfs and F2FS do and
    /// POSIX does not ask for. Names that it is given later are not kept by it there either.
    pub fn journalled(self) -> Recording {
        Recording { journalled: true, ..self }
    }

    /// What had happened last before a power cut, for who looks for the reason of a failure.
    pub fn story(&self, crash: Crash) -> String {
        let mut names: BTreeMap<Id, OsString> = BTreeMap::from([(ROOT, ".".into())]);
        for node in &self.files.nodes {
            if let Kind::Folder(inner) = &node.kind {
                names.extend(inner.iter().map(|(name, id)| (*id, name.clone())));
            }
        }
        let mut lines = Vec::new();
        for (n, event) in self.events[..crash.after].iter().enumerate() {
            if let Event::Named { name, node, .. } | Event::Moved { to: (_, name), node, .. } = event {
                names.insert(*node, name.clone());
            }
            let called = |id: &Id| names.get(id).map_or_else(|| format!("{id}"), |name| name.to_string_lossy().into_owned());
            lines.push(match event {
                Event::Named { folder, name, node } => format!("{n} {} has {} ({node})", called(folder), name.display()),
                Event::Removed { folder, name } => format!("{n} {} lost {}", called(folder), name.display()),
                Event::Moved { from, to, node } => format!("{n} {} is {} ({node})", from.1.display(), to.1.display()),
                Event::Wrote { node, at, bytes } => format!("{n} {} at {at}: {} bytes", called(node), bytes.len()),
                Event::Resized { node, length } => format!("{n} {} has {length} bytes", called(node)),
                Event::Dressed { node, .. } => format!("{n} {} has another mode, owner or time", called(node)),
                Event::Synced { node, before } => format!("{n} {} is synced, of what was before {before}", called(node)),
                Event::SyncedAll { before } => format!("{n} all is synced, of what was before {before}"),
                Event::Acknowledged(number) => format!("{n} acknowledged {number}"),
            });
        }
        lines.split_off(lines.len().saturating_sub(STORY)).join("\n")
    }

    /// The same without the syncs of files of this name: to show that a check would notice.
    pub fn without_syncs_of(mut self, name: &str) -> Recording {
        let named: BTreeSet<Id> = self.names_of(name);
        // In place, so that the numbers of events stay.
        for event in &mut self.events {
            if let Event::Synced { node, before } = event
                && named.contains(node)
            {
                *before = 0;
            }
        }
        self
    }

    fn names_of(&self, wanted: &str) -> BTreeSet<Id> {
        let first = self.files.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Folder(names) => Some(names.iter().filter(|(name, _)| **name == *wanted).map(|(_, id)| *id)),
            Kind::File(_) | Kind::Link(_) => None,
        });
        let later = self.events.iter().filter_map(|event| match event {
            Event::Named { name, node, .. } if **name == *wanted => Some(*node),
            Event::Moved { to: (_, name), node, .. } if **name == *wanted => Some(*node),
            _ => None,
        });
        first.flatten().chain(later).collect()
    }

    /// Makes `root`, an empty folder, what the power cut left.
    pub fn rebuild(&self, crash: Crash, root: &Path) -> io::Result<()> {
        let mut dice = Dice::new(match crash.fate {
            Fate::Drawn(seed) => seed,
            Fate::Kept | Fate::Lost => 0,
        });
        let events = &self.events[..crash.after];
        let kept = synced(events, self.files.nodes.len());
        let tree = self.names(events, &kept, crash.fate, &mut dice);
        let mut content = BTreeMap::new();
        let mut folders = Vec::new();
        let mut place = Vec::from([(ROOT, root.to_owned())]);
        let mut writer = Writer { recording: self, events, kept: &kept, fate: crash.fate, dice };
        while let Some((folder, path)) = place.pop() {
            for (name, node) in tree.get(&folder).into_iter().flatten() {
                let inner = path.join(name);
                match &self.files.nodes[*node].kind {
                    Kind::Folder(_) => {
                        fs::create_dir(&inner)?;
                        place.push((*node, inner));
                    }
                    Kind::Link(target) => {
                        symlink(target, &inner)?;
                        own(&inner, writer.dress(*node))?;
                    }
                    Kind::File(_) => match content.get(node) {
                        Some(first) => fs::hard_link(first, &inner)?,
                        None => {
                            fs::write(&inner, writer.content(*node))?;
                            dress(&inner, writer.dress(*node))?;
                            content.insert(*node, inner);
                        }
                    },
                }
            }
            if folder != ROOT {
                folders.push((path, writer.dress(folder)));
            }
        }
        // From the bottom up: what is put into a folder changes its times.
        folders.iter().rev().try_for_each(|(path, as_it_was)| dress(path, *as_it_was))
    }

    /// Which names there are.
    fn names(&self, events: &[Event], kept: &[usize], fate: Fate, dice: &mut Dice) -> Tree {
        let mut tree: Tree = BTreeMap::new();
        for (id, node) in self.files.nodes.iter().enumerate() {
            if let Kind::Folder(names) = &node.kind {
                tree.insert(id, names.clone());
            }
        }
        let folders = |event: &Event| match event {
            Event::Named { folder, .. } | Event::Removed { folder, .. } => vec![*folder],
            Event::Moved { from, to, .. } => vec![from.0, to.0],
            _ => Vec::new(),
        };
        let mut least: Vec<usize> = kept.to_vec();
        if self.journalled {
            for (n, event) in events.iter().enumerate() {
                match event {
                    Event::Named { folder, node, .. } if n < kept[*node] && matches!(self.files.nodes[*node].kind, Kind::File(_)) => {
                        least[*folder] = least[*folder].max(n + 1);
                    }
                    _ => {}
                }
            }
        }
        let kept = &least;
        // How far each folder came: no less than its last sync, no more than all.
        let mut reached: BTreeMap<Id, usize> = BTreeMap::new();
        for folder in events.iter().flat_map(folders).collect::<BTreeSet<Id>>() {
            let changes: Vec<usize> = (kept[folder]..events.len()).filter(|n| folders(&events[*n]).contains(&folder)).collect();
            let end = match fate {
                Fate::Kept => events.len(),
                Fate::Lost => kept[folder],
                Fate::Drawn(_) => changes.get(dice.roll(changes.len() + 1)).copied().unwrap_or(events.len()),
            };
            reached.insert(folder, end);
        }
        for (n, event) in events.iter().enumerate() {
            match event {
                Event::Named { folder, name, node } if n < reached[folder] => drop(tree.entry(*folder).or_default().insert(name.clone(), *node)),
                Event::Removed { folder, name } if n < reached[folder] => drop(tree.entry(*folder).or_default().remove(name)),
                // Both or neither: what was synced on either side is kept on both.
                Event::Moved { from, to, node } if n < reached[&to.0] || n < kept[from.0] => {
                    tree.entry(from.0).or_default().remove(&from.1);
                    tree.entry(to.0).or_default().insert(to.1.clone(), *node);
                }
                _ => {}
            }
        }
        tree
    }
}

/// For each node: everything done to it before the event of this number is on the disk.
fn synced(events: &[Event], nodes: usize) -> Vec<usize> {
    let mut kept = vec![0; nodes];
    for event in events {
        match event {
            Event::Synced { node, before } => kept[*node] = kept[*node].max(*before),
            Event::SyncedAll { before } => kept.iter_mut().for_each(|k| *k = (*k).max(*before)),
            _ => {}
        }
    }
    kept
}

struct Writer<'a> {
    recording: &'a Recording,
    events: &'a [Event],
    kept: &'a [usize],
    fate: Fate,
    dice: Dice,
}

impl Writer<'_> {
    fn content(&mut self, file: Id) -> Vec<u8> {
        let mut content = match &self.recording.files.nodes[file].kind {
            Kind::File(bytes) => bytes.to_vec(),
            Kind::Folder(_) | Kind::Link(_) => Vec::new(),
        };
        // Seldom lost, mostly lost, or anything: each file has its luck.
        let luck = self.dice.roll(3);
        for (n, event) in self.events.iter().enumerate() {
            match event {
                Event::Wrote { node, at, bytes } if *node == file => {
                    for (start, end) in self.survives(n < self.kept[file], *at as usize, bytes.len(), luck) {
                        let (from, to) = (*at as usize + start, *at as usize + end);
                        if content.len() < to {
                            content.resize(to, 0);
                        }
                        content[from..to].copy_from_slice(&bytes[start..end]);
                    }
                }
                Event::Resized { node, length } if *node == file && (n < self.kept[file] || self.lasts(luck)) => content.resize(*length as usize, 0),
                _ => {}
            }
        }
        content
    }

    /// Which parts of a write are on the disk: by pages, and now and then by sectors.
    fn survives(&mut self, synced: bool, at: usize, length: usize, luck: usize) -> Vec<(usize, usize)> {
        match self.fate {
            _ if synced => vec![(0, length)],
            Fate::Kept => vec![(0, length)],
            Fate::Lost => Vec::new(),
            Fate::Drawn(_) => {
                let mut parts = Vec::new();
                let mut start = 0;
                while start < length {
                    let end = ((at + start) / PAGE * PAGE + PAGE - at).min(length);
                    match self.dice.roll(6) {
                        0 => {
                            let cut = ((at + start) / SECTOR + self.dice.roll(PAGE / SECTOR)) * SECTOR;
                            let cut = cut.saturating_sub(at).clamp(start, end);
                            if cut > start {
                                parts.push((start, cut));
                            }
                        }
                        _ if self.lasts(luck) => parts.push((start, end)),
                        _ => {}
                    }
                    start = end;
                }
                parts
            }
        }
    }

    fn lasts(&mut self, luck: usize) -> bool {
        match (self.fate, luck) {
            (Fate::Kept, _) => true,
            (Fate::Lost, _) => false,
            (Fate::Drawn(_), 0) => self.dice.roll(8) != 0,
            (Fate::Drawn(_), 1) => self.dice.roll(8) == 0,
            (Fate::Drawn(_), _) => self.dice.roll(2) == 0,
        }
    }

    fn dress(&mut self, wanted: Id) -> Dress {
        let mut dress = self.recording.files.nodes[wanted].dress;
        for (n, event) in self.events.iter().enumerate() {
            match event {
                Event::Dressed { node, dress: new } if *node == wanted => {
                    if n >= self.kept[wanted] && !self.lasts(2) {
                        break;
                    }
                    dress = *new;
                }
                _ => {}
            }
        }
        dress
    }
}

fn dress(path: &Path, dress: Dress) -> io::Result<()> {
    own(path, dress)?;
    fs::set_permissions(path, fs::Permissions::from_mode(dress.mode))?;
    let since = Duration::new(dress.time.0.max(0) as u64, dress.time.1 as u32);
    fs::File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + since)
}

/// What is ours already need not be given to us, which only root may do to others.
fn own(path: &Path, dress: Dress) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if Dress::of(&meta).owner == dress.owner { Ok(()) } else { lchown(path, Some(dress.owner.0), Some(dress.owner.1)) }
}
