//! A power cut at any moment loses nothing that was acknowledged, and leaves no unit torn.
//!
//! The store is watched while it works. What a sync has covered is on disk; of everything written since, a power cut may leave
//! any part: each changed page is old, new, or torn between two sectors, a new file may be missing or have the name it had before,
//! a removed one may be back. Folders are rebuilt like that, opened, and compared with what was acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::workload::{last_unit, options, unit, units_of};
use super::*;
use crate::records::watch::Moment;

/// How many more power cuts come while a database is opened.
const OPENING: u64 = 8;
const PAGE: usize = 4096;
const SECTOR: usize = 512;

type Files = BTreeMap<String, Arc<Vec<u8>>>;

/// What a power cut at this moment finds.
#[derive(Clone, Default)]
struct Crash {
    /// The database's name: it may not be finished yet.
    name: String,
    synced: Files,
    written: Files,
    acknowledged: u64,
}

/// What counts as a sync.
#[derive(Clone, Copy, PartialEq)]
enum Trust {
    /// fdatasync and fsync.
    Syncs,
    /// Only those at open, as if the store left the rest to sled.
    OpenOnly,
}

struct Recorder {
    trust: Trust,
    now: Crash,
    seen: Vec<Crash>,
}

impl Recorder {
    fn see(&mut self, moment: Moment, database: &Path) {
        self.now.name = database.file_name().unwrap().to_str().unwrap().to_owned();
        match moment {
            Moment::Opening | Moment::Written => {
                self.now.written = files(database, &self.now.written);
                self.seen.push(self.now.clone());
            }
            Moment::DataSynced if self.trust == Trust::OpenOnly => {}
            Moment::DataSynced => {
                let data = self.now.written["db"].clone();
                self.now.synced.insert("db".into(), data);
            }
            Moment::TreeSynced => self.now.synced = self.now.written.clone(),
        }
    }
}

/// The files of a database; those that have not changed share their content with `before`.
fn files(database: &Path, before: &Files) -> Files {
    let Ok(entries) = fs::read_dir(database) else { return Files::new() };
    let mut files = Files::new();
    for entry in entries.map(Result::unwrap).filter(|e| e.file_type().unwrap().is_file()) {
        let name = entry.file_name().into_string().unwrap();
        let content = fs::read(entry.path()).unwrap();
        let known = before.get(&name).filter(|known| ***known == content).cloned();
        files.insert(name, known.unwrap_or_else(|| Arc::new(content)));
    }
    files
}

/// In memory where that is possible: what is tested here does not depend on the disk below.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A small generator of our own: a failure is repeated by its number alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}

/// How much of what was not synced is lost.
fn kept(fate: usize, dice: &mut Dice) -> bool {
    match fate {
        0 => false,
        1 => true,
        2 => dice.roll(8) == 0,
        3 => dice.roll(8) != 0,
        _ => dice.roll(2) == 0,
    }
}

/// What a file may be after the power cut.
fn torn(old: &[u8], new: &[u8], dice: &mut Dice) -> Vec<u8> {
    let fate = dice.roll(5);
    let length = match (old.len() == new.len(), fate) {
        (true, _) | (_, 1) => new.len(),
        (_, 0) => old.len(),
        _ => {
            let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
            short + dice.roll((long - short) / SECTOR + 1) * SECTOR
        }
    };
    let mut found = old.to_vec();
    found.resize(length, 0);
    for start in (0..length.min(new.len())).step_by(PAGE) {
        let end = (start + PAGE).min(length).min(new.len());
        if found[start..end] != new[start..end] {
            let cut = match dice.roll(4) {
                0 if fate > 1 => (start + dice.roll(PAGE / SECTOR) * SECTOR).min(end),
                _ if kept(fate, dice) => end,
                _ => start,
            };
            found[start..cut].copy_from_slice(&new[start..cut]);
        }
    }
    found
}

fn is_snapshot(name: &str) -> bool {
    name.starts_with("snap.")
}

/// The files that a power cut leaves.
fn left(crash: &Crash, dice: &mut Dice) -> BTreeMap<String, Vec<u8>> {
    let Crash { synced, written, .. } = crash;
    let mut files = BTreeMap::new();
    let mut early = false;
    // sled syncs a new snapshot under a first name and renames it; only then it removes the older one and goes on.
    if let Some((new, content)) = written.iter().find(|(name, _)| is_snapshot(name) && !synced.contains_key(*name)) {
        let first = format!("{new}.generating");
        match dice.roll(5) {
            0 => {
                early = true;
                let torn = torn(&[], content, dice);
                files.insert(first, torn);
            }
            1 | 2 => drop(files.insert(first, content.to_vec())),
            _ => drop(files.insert(new.clone(), content.to_vec())),
        }
    }
    for (name, old) in synced {
        match written.get(name) {
            // Before there is a snapshot, sled only fills the last segment up.
            Some(new) if early => {
                let tail = new.get(old.len()..).unwrap_or_default();
                files.insert(name.clone(), [old, torn(&[], tail, dice).as_slice()].concat());
            }
            Some(new) => drop(files.insert(name.clone(), torn(old, new, dice))),
            None if early || dice.roll(2) == 0 => drop(files.insert(name.clone(), old.to_vec())),
            None => {}
        }
    }
    for (name, new) in written.iter().filter(|(name, _)| !is_snapshot(name) && !synced.contains_key(*name)) {
        if dice.roll(2) == 0 {
            files.insert(name.clone(), torn(&[], new, dice));
        }
    }
    files
}

fn rebuild(crash: &Crash, folder: &Path, dice: &mut Dice) {
    let database = folder.join(&crash.name);
    fs::create_dir_all(database.join("blobs")).unwrap();
    for (name, content) in left(crash, dice) {
        fs::write(database.join(name), content).unwrap();
    }
}

/// Lets a store work through `commits`, closed and opened again in between, and returns what power cuts would find.
fn work(trust: Trust, commits: u64) -> Vec<Crash> {
    let dir = folder();
    let recorder = Arc::new(Mutex::new(Recorder { trust, now: Crash::default(), seen: Vec::new() }));
    let open = || {
        let recorder = recorder.clone();
        let watch = Watch::by(move |moment, database| recorder.lock().unwrap().see(moment, database));
        RecordStore::open_watched(dir.path(), options(), watch).unwrap()
    };
    let mut crashes = Vec::new();
    let mut store = open();
    let mut n = 0;
    for commit in 0..commits {
        if commit % 17 == 16 {
            drop(store);
            store = open();
        }
        let units: Vec<Unit> = (n + 1..=n + units_of(commit)).map(unit).collect();
        store.commit(&units).unwrap();
        n += units.len() as u64;
        let mut recorder = recorder.lock().unwrap();
        recorder.now.acknowledged = n;
        crashes.append(&mut recorder.seen);
    }
    crashes
}

/// What is wrong with the store that a power cut left.
fn verdict(crash: &Crash, seed: u64) -> Result<(), String> {
    let dir = folder();
    rebuild(crash, dir.path(), &mut Dice(seed * 2_654_435_761 + 1));
    let mut store = RecordStore::open(dir.path(), options()).map_err(|e| format!("does not open: {e:?}"))?;
    let found = last_unit(&store)?;
    if found < crash.acknowledged {
        return Err(format!("acknowledged {}, found {found}", crash.acknowledged));
    }
    // It goes on from there, and still knows it all after that.
    store.commit(&[unit(found + 1)]).map_err(|e| format!("cannot go on: {e:?}"))?;
    match last_unit(&store)? {
        n if n == found + 1 => Ok(()),
        n => Err(format!("wrote {} and found {n}", found + 1)),
    }
}

fn failures(crashes: &[Crash], rounds: u64) -> Vec<String> {
    let mut failures = Vec::new();
    for (i, crash) in crashes.iter().enumerate() {
        // While sled opens, it does the most at once.
        let opening = crash.written.keys().any(|name| is_snapshot(name) && !crash.synced.contains_key(name));
        for round in 0..if opening { rounds * OPENING } else { rounds } {
            let seed = i as u64 * rounds * OPENING + round;
            if let Err(why) = verdict(crash, seed) {
                failures.push(format!("crash {i}, seed {seed}, {}: {why}", crash.name));
            }
        }
    }
    failures
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let crashes = work(Trust::Syncs, 60);
    let failures = failures(&crashes, 2);
    assert!(failures.is_empty(), "{} failed: {failures:#?}", failures.len());
}

#[test]
fn without_our_sync_a_power_cut_would_lose_acknowledged_commits() {
    assert!(!failures(&work(Trust::OpenOnly, 6), 3).is_empty(), "the test above could not have found anything");
}
