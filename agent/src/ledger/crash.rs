//! The ledger under kill -9 before each of its writes and under power cuts: what a slot, a check or a life was said to be is
//! still said afterwards, and nothing older.

use pilotage_crash::{Recording, kill_before, record, victim};
use pilotage_shared::ids::{Epoch, Generation, SessionId};

use super::*;

const ROUNDS: u64 = 12;

fn web() -> AppName {
    AppName::new("web").unwrap()
}

fn slot(n: u64) -> Slot {
    Slot { seen: Generation(n), spent: Generation(n), attempts: n as u32, ..Slot::default() }
}

/// Four records a round, each acknowledged; the agent starts anew in between.
fn work(folder: &Path) {
    let (mut ledger, contents) = Ledger::open(folder).unwrap();
    let mut host = contents.host;
    victim::acknowledge(0);
    for n in 1..=ROUNDS {
        if n % 5 == 0 {
            drop(ledger);
            ledger = Ledger::open(folder).unwrap().0;
        }
        ledger.write_slot(&web(), &slot(n)).unwrap();
        victim::acknowledge(4 * n - 3);
        ledger.write_check(&web(), &Check { health: None, first_install: n % 2 == 0 }).unwrap();
        victim::acknowledge(4 * n - 2);
        ledger.write_life(&web(), &Life { proved: None, restarts: n as u32 }).unwrap();
        victim::acknowledge(4 * n - 1);
        host.last = Some(SessionId { epoch: Epoch([1; 32]), n });
        ledger.write_host(&host).unwrap();
        victim::acknowledge(4 * n);
    }
}

/// How many writes the ledger holds, in their order; an error when it is not what that many leave.
fn written(found: &Contents) -> Result<u64, String> {
    let of_slot = found.slots.get(&web()).map_or(0, |s| s.seen.0);
    let of_check = found.checks.get(&web()).map(|c| c.first_install);
    let of_life = found.lives.get(&web()).map_or(0, |l| u64::from(l.restarts));
    let of_host = found.host.last.map_or(0, |s| s.n);
    let whole = found.slots.get(&web()).is_none_or(|s| *s == slot(s.seen.0));
    let fits = |n: u64| {
        let at_least = |nth: u64| (n + 4 - nth) / 4; // of the nth of four, so many rounds are there
        let check = (at_least(2) > 0).then(|| at_least(2) % 2 == 0);
        whole && (of_slot, of_check, of_life, of_host) == (at_least(1), check, at_least(3), at_least(4))
    };
    (0..=4 * ROUNDS).find(|n| fits(*n)).ok_or_else(|| format!("{of_slot} {of_check:?} {of_life} {of_host}"))
}

fn verdict(folder: &Path, acknowledged: Option<u64>) -> Result<(), String> {
    let (mut ledger, found) = Ledger::open(folder).map_err(|e| format!("does not open: {e:?}"))?;
    if acknowledged.is_some() && found.new {
        return Err("it was made anew, with another id".into());
    }
    let n = written(&found)?;
    if Some(n) < acknowledged {
        return Err(format!("acknowledged {acknowledged:?}, found {n}"));
    }
    ledger.write_slot(&web(), &slot(1000)).map_err(|e| format!("cannot go on: {e:?}"))
}

fn failures(recording: &Recording) -> (usize, Vec<String>) {
    let (mut tried, mut failures) = (0, Vec::new());
    for crash in recording.crashes(2) {
        let dir = tempfile::tempdir().unwrap();
        recording.rebuild(crash, dir.path()).unwrap();
        tried += 1;
        failures.extend(verdict(dir.path(), recording.acknowledged(crash.after)).err().map(|why| format!("{crash:?}: {why}")));
    }
    (tried, failures)
}

#[test]
fn the_ledger_loses_nothing_by_kill_9() {
    if let Some(folder) = victim::folder() {
        return work(&folder);
    }
    for n in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let killed = kill_before(&victim::again("ledger::crash::the_ledger_loses_nothing_by_kill_9", dir.path()), dir.path(), n).unwrap();
        verdict(dir.path(), killed.acknowledged(killed.end())).unwrap_or_else(|why| panic!("killed before change {n}: {why}"));
        if killed.status.success() {
            println!("ledger: killed before each of {} changes", n - 1);
            assert!(n > 4 * ROUNDS as usize, "the victim did little: {n}\n{}", killed.said);
            return;
        }
    }
}

#[test]
fn the_ledger_loses_nothing_by_a_power_cut() {
    if let Some(folder) = victim::folder() {
        return work(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let recording = record(&victim::again("ledger::crash::the_ledger_loses_nothing_by_a_power_cut", dir.path()), dir.path()).unwrap().journalled();
    assert!(recording.status.success(), "{}", recording.said);
    let (tried, failures) = failures(&recording);
    println!("ledger: {tried} states after a power cut");
    assert!(failures.is_empty(), "{} of {tried} failed: {failures:#?}", failures.len());
}
