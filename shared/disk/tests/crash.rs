//! The record store under kill -9 before each of its writes, and under power cuts after each of them: nothing that was
//! acknowledged is lost, no unit is torn, and the store goes on from there. The store needs a disk on which the first sync of a new
//! file keeps its name: sled, while it opens, overwrites what only its older snapshot needs, and does not sync the folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "crash/workload.rs"]
mod workload;

use std::path::Path;

use pilotage_crash::{Recording, kill_before, record, victim};
use pilotage_disk::{OpenOptions, RecordStore, Unit, Write};
use workload::{last_unit, options, unit, units_of};

/// Commits, closing the store and opening it again in between, and acknowledges each.
fn work(folder: &Path, commits: u64) {
    let open = || RecordStore::open(folder, options()).unwrap();
    let mut store = open();
    let mut n = last_unit(&store).unwrap();
    for commit in 0..commits {
        if commit % 6 == 5 {
            drop(store);
            store = open();
        }
        let units: Vec<Unit> = (n + 1..=n + units_of(commit)).map(unit).collect();
        store.commit(&units).unwrap();
        n += units.len() as u64;
        victim::acknowledge(n);
    }
}

/// What is wrong with the store that a crash left.
fn verdict(folder: &Path, acknowledged: Option<u64>) -> Result<(), String> {
    let mut store = RecordStore::open(folder, options()).map_err(|e| format!("does not open: {e:?}"))?;
    let found = last_unit(&store)?;
    if Some(found) < acknowledged {
        return Err(format!("acknowledged {acknowledged:?}, found {found}"));
    }
    // It goes on from there, and still knows it all after that.
    store.commit(&[unit(found + 1)]).map_err(|e| format!("cannot go on: {e:?}"))?;
    match last_unit(&store)? {
        n if n == found + 1 => Ok(()),
        n => Err(format!("wrote {} and found {n}", found + 1)),
    }
}

/// In memory where that is possible: what is tested here does not depend on the disk below.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn failures(recording: &Recording, draws: u64) -> (usize, Vec<String>) {
    let mut failures = Vec::new();
    let mut tried = 0;
    for crash in recording.crashes(draws) {
        let dir = folder();
        recording.rebuild(crash, dir.path()).unwrap();
        tried += 1;
        if let Err(why) = verdict(dir.path(), recording.acknowledged(crash.after)) {
            let story = if failures.is_empty() { recording.story(crash) } else { String::new() };
            failures.push(format!("{story}\n{crash:?}: {why}"));
        }
    }
    (tried, failures)
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    if let Some(folder) = victim::folder() {
        return work(&folder, 8);
    }
    for n in 1.. {
        let dir = folder();
        let killed = kill_before(&victim::again("nothing_acknowledged_is_lost_by_kill_9", dir.path()), dir.path(), n).unwrap();
        verdict(dir.path(), killed.acknowledged(killed.end())).unwrap_or_else(|why| panic!("killed before change {n}: {why}"));
        if killed.status.success() {
            println!("killed before each of {} changes", n - 1);
            assert!(n > 60, "the victim did little: {n}");
            return;
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    if let Some(folder) = victim::folder() {
        return work(&folder, 30);
    }
    let dir = folder();
    let recording = record(&victim::again("nothing_acknowledged_is_lost_by_a_power_cut", dir.path()), dir.path()).unwrap().journalled();
    assert!(recording.status.success(), "{}", recording.said);
    let (tried, failures) = failures(&recording, 3);
    println!("{tried} states after a power cut within {} events", recording.end());
    assert!(failures.is_empty(), "{} of {tried} failed: {}", failures.len(), failures.join("\n"));
}

#[test]
fn without_our_sync_a_power_cut_would_lose_acknowledged_commits() {
    if let Some(folder) = victim::folder() {
        return work(&folder, 4);
    }
    let dir = folder();
    let test = "without_our_sync_a_power_cut_would_lose_acknowledged_commits";
    let recording = record(&victim::again(test, dir.path()), dir.path()).unwrap().without_syncs_of("db");
    assert!(!failures(&recording, 3).1.is_empty(), "the test above could not have found anything");
}
