//! kill -9 at any moment loses nothing that was acknowledged, and no unit is torn. The test runs itself as the victim.

#[path = "../src/records/tests/workload.rs"]
mod workload;

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use pilotage_disk::{OpenOptions, RecordStore, Unit, Write};
use workload::{last_unit, options, unit, units_of};

const CHILD: &str = "PILOTAGE_TEST_STORE";
const ROUNDS: u64 = 30;

/// Commits units from where the store ends, and says the last number of each commit once it is acknowledged.
fn victim(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut store = RecordStore::open(folder, options())?;
    let mut n = last_unit(&store)?;
    loop {
        let units: Vec<Unit> = (n + 1..=n + units_of(n)).map(unit).collect();
        store.commit(&units)?;
        n += units.len() as u64;
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{n}")?;
        out.flush()?;
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable tells the test that it is its own victim")]
fn nothing_acknowledged_is_lost_by_kill_9() {
    if let Ok(folder) = std::env::var(CHILD) {
        return victim(folder.as_ref()).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nothing_acknowledged_is_lost_by_kill_9", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut numbers = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter_map(|l| l.parse::<u64>().ok());
        // Some rounds end while the victim opens the store, most of them somewhere in a later commit.
        let random = RandomState::new().hash_one(round);
        if round % 5 != 0 {
            for _ in 0..=random % 20 {
                last = numbers.next().unwrap_or_else(|| panic!("the victim died by itself in round {round}"));
            }
        }
        // Not a wait for anything: the moment of the kill is the random input of this test.
        thread::sleep(Duration::from_micros(random >> 32 & 0xfff));
        child.kill().unwrap();
        child.wait().unwrap();
        last = numbers.last().unwrap_or(last);
        let store = RecordStore::open(dir.path(), options()).unwrap();
        let found = last_unit(&store).unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(found >= last, "acknowledged {last}, found {found} in round {round}");
        last = found;
    }
    assert!(last > ROUNDS, "the victims got nothing done: {last}");
}
