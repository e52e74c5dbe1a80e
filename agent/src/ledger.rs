//! The host's durable memory: one record of the host, and for each app its slot, how its health is asked, and what is kept of
//! its processes. Version 1, bincode, frozen by the tests below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bincode::Options as _;
use pilotage_agent_core::slot::Slot;
use pilotage_agent_core::slot::host::Host;
use pilotage_agent_core::slot::life::Life;
use pilotage_disk::{OpenOptions, RecordStore, StoreError, Write};
use pilotage_shared::health::HealthCheck;
use pilotage_shared::ids::LedgerId;
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{AppName, NameError};
use serde::{Deserialize, Serialize};
use tracing::warn;

const HOST: u8 = 1;
const SLOT: u8 = 2;
const CHECK: u8 = 3;
const LIFE: u8 = 4;
const VERSION: u8 = 1;
/// A ledger holds a few records; sled needs little.
const OPEN: OpenOptions = OpenOptions { cache_bytes: 8 << 20, guard_bytes: 16 << 20, ballast_bytes: 1 << 20 };

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is there is not what was written.
    #[error("the ledger {0} is damaged: move it away and start the agent again; the host then takes part as one that was made anew")]
    Damaged(PathBuf, #[source] StoreError),
    /// A record is not what this program writes.
    #[error("failed to read the ledger's record of {0}")]
    Form(String, #[source] bincode::Error),
    /// A record of a newer program.
    #[error("the ledger's record of {0} has version {1}, this program knows {VERSION}: start the newer agent")]
    Newer(String, u8),
    /// A table of a newer program.
    #[error("the ledger has records of a kind {0} that this program does not know: start the newer agent")]
    Table(u8),
    /// A record under a name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The kernel's random source.
    #[error("failed to make the ledger's id: {0}")]
    Random(String),
}

/// How an app's health is asked, as the newest intent said it. Kept, so that an agent that was started anew watches at once,
/// with the coordinator away too, and never takes "not heard yet" for "there is no health check".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The fleet's; none: the last run speaks.
    pub health: Option<HealthCheck>,
    /// The fleet vouches that an empty slot is empty.
    pub first_install: bool,
}

/// All that a ledger holds, as it was read.
pub struct Contents {
    /// The host.
    pub host: Host,
    /// Each app.
    pub slots: BTreeMap<AppName, Slot>,
    /// How each app is watched.
    pub checks: BTreeMap<AppName, Check>,
    /// What is kept of each app's processes.
    pub lives: BTreeMap<AppName, Life>,
    /// It was made now.
    pub new: bool,
}

/// The open ledger.
pub struct Ledger {
    store: RecordStore,
}

fn options() -> impl bincode::Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(4096).reject_trailing_bytes()
}

impl Ledger {
    /// Opens it, or makes one with a new id.
    pub fn open(folder: &Path) -> Result<(Ledger, Contents), LedgerError> {
        let failed = |error: StoreError| if error.is_damage() { LedgerError::Damaged(folder.to_owned(), error) } else { error.into() };
        let mut ledger = Ledger { store: RecordStore::open(folder, OPEN).map_err(failed)? };
        if let Some(warning) = &ledger.store.warning {
            warn!(warning, "the ledger");
        }
        let mut records = Vec::new();
        ledger.store.load(|record| records.push(record)).map_err(failed)?;
        let (mut host, mut slots, mut checks, mut lives) = (None, BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for record in records {
            let name = String::from_utf8_lossy(&record.key).into_owned();
            if record.version != VERSION {
                return Err(LedgerError::Newer(name, record.version));
            }
            let form = |e| LedgerError::Form(name.clone(), e);
            match record.table {
                HOST => host = Some(options().deserialize(&record.value).map_err(form)?),
                SLOT => drop(slots.insert(AppName::new(&name)?, options().deserialize(&record.value).map_err(form)?)),
                CHECK => drop(checks.insert(AppName::new(&name)?, options().deserialize(&record.value).map_err(form)?)),
                LIFE => drop(lives.insert(AppName::new(&name)?, options().deserialize(&record.value).map_err(form)?)),
                table => return Err(LedgerError::Table(table)),
            }
        }
        if let Some(host) = host {
            return Ok((ledger, Contents { host, slots, checks, lives, new: false }));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| LedgerError::Random(e.to_string()))?;
        let host = Host { ledger: LedgerId(id), last: None, left: Vec::new(), blocked: Blocked::default() };
        ledger.write_host(&host)?;
        Ok((ledger, Contents { host, slots, checks, lives, new: true }))
    }

    /// On disk when it returns.
    pub fn write_host(&mut self, host: &Host) -> Result<(), LedgerError> {
        let value = options().serialize(host).map_err(|e| LedgerError::Form("host".into(), e))?;
        Ok(self.store.commit(&[vec![Write::Put { table: HOST, key: b"host".to_vec(), version: VERSION, value }]])?)
    }

    /// On disk when it returns; one write, so that spent and run, or run and running, change together (R7).
    pub fn write_slot(&mut self, app: &AppName, slot: &Slot) -> Result<(), LedgerError> {
        self.write(SLOT, app, slot)
    }

    /// On disk when it returns.
    pub fn write_check(&mut self, app: &AppName, check: &Check) -> Result<(), LedgerError> {
        self.write(CHECK, app, check)
    }

    /// On disk when it returns.
    pub fn write_life(&mut self, app: &AppName, life: &Life) -> Result<(), LedgerError> {
        self.write(LIFE, app, life)
    }

    fn write(&mut self, table: u8, app: &AppName, record: &impl Serialize) -> Result<(), LedgerError> {
        let value = options().serialize(record).map_err(|e| LedgerError::Form(app.to_string(), e))?;
        Ok(self.store.commit(&[vec![Write::Put { table, key: app.as_str().into(), version: VERSION, value }]])?)
    }
}

#[cfg(test)]
mod crash;

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_agent_core::slot::{RunEntry, RunKind};
    use pilotage_shared::digest::Digest;
    use pilotage_shared::health::Probe;
    use pilotage_shared::ids::Generation;
    use pilotage_shared::limits::REFUSALS_MAX;
    use pilotage_shared::name::Why;
    use pilotage_shared::release::Release;
    use pilotage_shared::run::Outcome;

    #[test]
    fn version_1_is_frozen_and_survives_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        let app = AppName::new("web").unwrap();
        let slot = Slot { seen: Generation(5), spent: Generation(4), attempts: 2, ..Slot::default() };
        let bytes = options().serialize(&slot).unwrap();
        let mut golden = vec![5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        golden.extend([0; 8]); // refused
        golden.extend([0, 0, 0]); // pinned, declines, needs_hands
        golden.extend([2, 0, 0, 0, 0]); // attempts, last_ended
        assert_eq!(bytes, golden);
        let check = Check { health: None, first_install: true };
        assert_eq!(options().serialize(&check).unwrap(), [0, 1]);
        let (mut ledger, made) = Ledger::open(dir.path()).unwrap();
        assert!(made.new && made.slots.is_empty() && made.checks.is_empty());
        ledger.write_slot(&app, &slot).unwrap();
        ledger.write_check(&app, &check).unwrap();
        let life = Life { proved: None, restarts: 3 };
        assert_eq!(options().serialize(&life).unwrap(), [0, 3, 0, 0, 0]);
        ledger.write_life(&app, &life).unwrap();
        drop(ledger);
        let (_, found) = Ledger::open(dir.path()).unwrap();
        assert_eq!((found.host, found.new), (made.host, false));
        assert_eq!(found.slots, BTreeMap::from([(app.clone(), slot)]));
        assert_eq!(found.checks, BTreeMap::from([(app.clone(), check)]));
        assert_eq!(found.lives, BTreeMap::from([(app, life)]));
    }

    #[test]
    fn the_largest_slot_and_check_fit_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let app = AppName::new(&"a".repeat(63)).unwrap();
        let (mut ledger, _) = Ledger::open(dir.path()).unwrap();
        let why = Some(Why::lossy(&"x".repeat(1000)));
        let release = Release { package: Digest([255; 32]), config: Some(Digest([255; 32])), restart: u32::MAX };
        let mut slot = Slot { running: Some(release), previous: Some(release), pinned: why.clone(), declines: why.clone(), ..Slot::default() };
        for n in 0..=REFUSALS_MAX as u32 {
            let deployment = format!("{}.{}", "f".repeat(63), u32::MAX - n).parse().unwrap();
            slot.run =
                Some(RunEntry { attempt: n, kind: RunKind::Activate(Generation(9)), deployment: Some(deployment), release, from: Some(release) });
            ledger.write_slot(&app, &slot).unwrap();
            let outcome = Outcome::NeedsHands { why: why.clone().unwrap() };
            slot = close(&slot, outcome);
        }
        assert_eq!(slot.refused.len(), REFUSALS_MAX);
        slot.run = Some(RunEntry {
            attempt: 9,
            kind: RunKind::LocalRollback,
            deployment: Some(slot.refused[0].deployment.clone()),
            release,
            from: Some(release),
        });
        ledger.write_slot(&app, &slot).unwrap();
        let health = Some(HealthCheck::of(Probe::Http { url: "u".repeat(300).parse().unwrap() }));
        ledger.write_check(&app, &Check { health, first_install: true }).unwrap();
    }

    /// By the core: what it makes is what must fit.
    fn close(slot: &Slot, outcome: Outcome) -> Slot {
        use pilotage_agent_core::acceptable::{HostPolicy, Seen};
        use pilotage_agent_core::slot::permission::Now;
        use pilotage_agent_core::slot::{Act, Bits, Held, RunSight, Sight, next};
        use pilotage_shared::health::Standing;
        use pilotage_shared::time::Uptime;
        let now = Now { uptime: Uptime(0), session: None, lease_ends: None, facts_told_in: None, standing: Standing::Unknown };
        let (policy, seen) = (HostPolicy::default(), Seen::default());
        let sight = Sight { now, bits: Bits::Absent, run: RunSight::Ended(outcome), gone: false, obstacle: None, policy: &policy, seen: &seen };
        match next(slot, &Held::default(), &sight) {
            Act::Close { record } => record,
            other => panic!("{other:?}"),
        }
    }
}
