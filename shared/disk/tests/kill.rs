//! kill -9 at any moment loses nothing that was acknowledged, and no unit is torn. The test runs itself as the victim.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use pilotage_disk::{OpenOptions, RecordStore, Write};

const CHILD: &str = "PILOTAGE_TEST_STORE";

fn options() -> OpenOptions {
    OpenOptions { cache_bytes: 16 << 20, guard_bytes: 1 << 20, ballast_bytes: 1 << 16 }
}

fn number(store: &RecordStore, table: u8) -> u64 {
    let record = store.get(table, b"n").unwrap();
    record.map_or(0, |r| u64::from_be_bytes(r.value.try_into().unwrap()))
}

/// Commits units of two records that must always agree, and says each number once it is acknowledged.
fn victim(folder: &str) -> ! {
    let mut store = RecordStore::open(folder.as_ref(), options()).unwrap();
    let mut n = number(&store, 1);
    loop {
        n += 1;
        let put = |table| Write::Put { table, key: b"n".to_vec(), version: 1, value: n.to_be_bytes().to_vec() };
        store.commit(&[vec![put(1), put(2)]]).unwrap();
        println!("{n}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the variable tells the test that it is its own victim")]
fn nothing_acknowledged_is_lost_by_kill_9() {
    if let Ok(folder) = std::env::var(CHILD) {
        victim(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..30u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nothing_acknowledged_is_lost_by_kill_9", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after a different number of acknowledgements each round, the next commit in whatever state it is.
        let mut wanted = 1 + round * 7 % 23;
        while wanted > 0 {
            let Some(Ok(line)) = lines.next() else { break };
            if let Ok(n) = line.parse::<u64>() {
                last = n;
                wanted -= 1;
            }
        }
        assert_eq!(wanted, 0, "the victim died by itself in round {round}");
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.map_while(Result::ok).filter_map(|l| l.parse().ok()).last().unwrap_or(last);
        let store = RecordStore::open(dir.path(), options()).unwrap();
        let (one, two) = (number(&store, 1), number(&store, 2));
        assert_eq!(one, two, "a unit was torn in round {round}");
        assert!(one >= last, "acknowledged {last}, found {one} in round {round}");
    }
}
