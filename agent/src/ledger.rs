//! The host's durable memory: one record of the host, one for each app. Version 1, bincode, frozen by the test below.

use std::collections::BTreeMap;
use std::path::Path;

use bincode::Options as _;
use pilotage_agent_core::slot::Slot;
use pilotage_agent_core::slot::host::Host;
use pilotage_disk::{OpenOptions, RecordStore, StoreError, Write};
use pilotage_shared::ids::LedgerId;
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{AppName, NameError};

const HOST: u8 = 1;
const SLOT: u8 = 2;
const VERSION: u8 = 1;
/// A ledger holds a few records; sled needs little.
const OPEN: OpenOptions = OpenOptions { cache_bytes: 8 << 20, guard_bytes: 16 << 20, ballast_bytes: 1 << 20 };

/// Why the ledger did not do it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is not what this program writes.
    #[error("failed to read the ledger's record of {0}")]
    Form(String, #[source] bincode::Error),
    /// A record of a newer program.
    #[error("the ledger's record of {0} has version {1}, this program knows {VERSION}: start the newer agent")]
    Newer(String, u8),
    /// A record under a name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The kernel's random source.
    #[error("failed to make the ledger's id: {0}")]
    Random(String),
}

/// The open ledger.
pub struct Ledger {
    store: RecordStore,
}

fn options() -> impl bincode::Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(4096).reject_trailing_bytes()
}

impl Ledger {
    /// Opens it, or makes one with a new id. `true`: it was made now.
    pub fn open(folder: &Path) -> Result<(Ledger, Host, BTreeMap<AppName, Slot>, bool), LedgerError> {
        let mut ledger = Ledger { store: RecordStore::open(folder, OPEN)? };
        let mut records = Vec::new();
        ledger.store.load(|record| records.push(record))?;
        let (mut host, mut slots) = (None, BTreeMap::new());
        for record in records {
            let name = String::from_utf8_lossy(&record.key).into_owned();
            if record.version != VERSION {
                return Err(LedgerError::Newer(name, record.version));
            }
            let form = |e| LedgerError::Form(name.clone(), e);
            match record.table {
                HOST => host = Some(options().deserialize(&record.value).map_err(form)?),
                _ => {
                    slots.insert(AppName::new(&name)?, options().deserialize(&record.value).map_err(form)?);
                }
            }
        }
        match host {
            Some(host) => Ok((ledger, host, slots, false)),
            None => {
                let mut id = [0; 16];
                getrandom::fill(&mut id).map_err(|e| LedgerError::Random(e.to_string()))?;
                let host = Host { ledger: LedgerId(id), last: None, left: Vec::new(), blocked: Blocked::default() };
                ledger.write_host(&host)?;
                Ok((ledger, host, slots, true))
            }
        }
    }

    /// On disk when it returns.
    pub fn write_host(&mut self, host: &Host) -> Result<(), LedgerError> {
        let value = options().serialize(host).map_err(|e| LedgerError::Form("host".into(), e))?;
        Ok(self.store.commit(&[vec![Write::Put { table: HOST, key: b"host".to_vec(), version: VERSION, value }]])?)
    }

    /// On disk when it returns; one write, so that spent and run, or run and running, change together (R7).
    pub fn write_slot(&mut self, app: &AppName, slot: &Slot) -> Result<(), LedgerError> {
        let value = options().serialize(slot).map_err(|e| LedgerError::Form(app.to_string(), e))?;
        Ok(self.store.commit(&[vec![Write::Put { table: SLOT, key: app.as_str().into(), version: VERSION, value }]])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::ids::Generation;

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
        let (mut ledger, host, slots, new) = Ledger::open(dir.path()).unwrap();
        assert!(new && slots.is_empty());
        ledger.write_slot(&app, &slot).unwrap();
        drop(ledger);
        let (_, again, slots, new) = Ledger::open(dir.path()).unwrap();
        assert_eq!((again, slots, new), (host, BTreeMap::from([(app, slot)]), false));
    }
}
