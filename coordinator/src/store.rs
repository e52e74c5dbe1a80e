//! The coordinator's records: the world (each record by its key, replaced as it changes), the history (immutable entries at
//! dense positions, each with the SHA-256 of the one before it), and the reports of runs. Only this module and its parts
//! know tables and formats; `pilotage_disk` knows how bytes stay on a disk.

mod codec;
mod history;
mod migrate;
mod runs;

use std::path::Path;

use pilotage_coordinator_core::world::load::Key;
use pilotage_coordinator_core::world::load::Record as Fact;
use pilotage_coordinator_core::world::{Settings, World};
use pilotage_disk::durable::Replacement;
use pilotage_disk::{OpenOptions, Record, RecordStore, Unit, Write};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::{RunId, RunReport};
use pilotage_shared::time::Time;

pub use codec::CodecError;
use history::Chain;
pub use history::{Entry, Scope};
pub use migrate::MigrateError;
use runs::Runs;

/// Bytes that must be free beside the store's own guard before anything is admitted: what one turn may write.
const MARGIN: u64 = 16 << 20;
/// Old entries removed with one commit.
const PRUNE: usize = 100;

pub(crate) const META: u8 = 1;
pub(crate) const HOSTS: u8 = 2;
pub(crate) const FLEETS: u8 = 3;
pub(crate) const PACKAGES: u8 = 4;
pub(crate) const DEPLOYMENTS: u8 = 5;
pub(crate) const SLOTS: u8 = 6;
pub(crate) const REMEMBERED: u8 = 7;
pub(crate) const LEFT: u8 = 8;
pub(crate) const CONFIGURATIONS: u8 = 20;
pub(crate) const HELD_PAIRS: u8 = 21;
pub(crate) const HISTORY: u8 = 10;
pub(crate) const RUNS: u8 = 11;
pub(crate) const RUN_EVENTS: u8 = 12;

/// Why the store could not be used. Whatever was being written is in doubt; the process ends.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk's word.
    #[error(transparent)]
    Disk(#[from] pilotage_disk::StoreError),
    /// A record has no form that we know.
    #[error("failed to understand the store {path}")]
    Codec {
        /// The folder.
        path: std::path::PathBuf,
        /// What is wrong.
        source: CodecError,
    },
    /// An older one could not be changed to the form of this program.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

impl StoreError {
    /// What is there is not what was written: only a backup helps.
    pub fn is_damage(&self) -> bool {
        match self {
            StoreError::Disk(error) => error.is_damage(),
            StoreError::Codec { source, .. } => !source.is_newer(),
            StoreError::Migrate(_) => false,
        }
    }
}

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Entries of the history.
    pub history: u64,
    /// Reports of runs.
    pub runs: usize,
}

/// The open store. Used by the engine's thread alone.
#[derive(Debug)]
pub struct Store {
    records: RecordStore,
    folder: std::path::PathBuf,
    chain: Chain,
    runs: Runs,
    keep: Keep,
    guard: u64,
}

impl Store {
    /// Opens (or makes) the store, changes an older one to the form of this program (with a backup in `backups` first), reads
    /// and checks every record, and makes a world of them.
    pub fn open(folder: &Path, backups: &Path, settings: Settings, keep: Keep) -> Result<(Store, World), StoreError> {
        let options = OpenOptions::default();
        let mut records = RecordStore::open(folder, options)?;
        migrate::migrate(folder, &mut records, backups)?;
        let (mut chain, mut runs, mut facts) = (Chain::default(), Runs::default(), Vec::new());
        let mut failed = None;
        records.load(|record| {
            if failed.is_none() {
                failed = take(record, &mut chain, &mut runs, &mut facts).err();
            }
        })?;
        let codec = |source| StoreError::Codec { path: folder.to_owned(), source };
        failed.map_or(Ok(()), |e| Err(codec(e)))?;
        let world = World::load(settings, facts);
        let guard = options.guard_bytes;
        Ok((Store { records, folder: folder.to_owned(), chain, runs, keep, guard }, world))
    }

    /// Something about the file system that the operator should know.
    pub fn warning(&self) -> Option<&str> {
        self.records.warning.as_deref()
    }

    /// Is there room for another turn? Asked before anything is admitted, so that the world never runs ahead of the disk.
    pub fn has_room(&self) -> bool {
        pilotage_disk::space::free_bytes(&self.folder).is_ok_and(|free| free > self.guard + MARGIN)
    }

    /// The write that makes a record of the world what it is now (or removes it).
    pub fn write_of(&self, world: &World, key: &Key) -> Result<Write, StoreError> {
        codec::write(key, world.record(key).as_ref()).map_err(|e| self.codec(e))
    }

    /// The write that appends an entry to the history.
    pub fn append(&mut self, entry: &Entry) -> Result<Write, StoreError> {
        self.chain.append(entry).map_err(|e| self.codec(e))
    }

    /// The writes of a run's report; none when it is known already.
    pub fn run_writes(&mut self, report: &RunReport) -> Result<Vec<Write>, StoreError> {
        self.runs.add(report).map_err(|e| self.codec(e))
    }

    /// Writes units, each of them whole, in one flush.
    pub fn commit(&mut self, mut units: Vec<Unit>) -> Result<(), StoreError> {
        if units.is_empty() {
            return Ok(());
        }
        units.extend(self.prune()?);
        Ok(self.records.commit(&units)?)
    }

    /// The oldest entries and runs beyond what is kept, a few with each commit.
    fn prune(&mut self) -> Result<Vec<Unit>, StoreError> {
        let mut units = self.runs.prune(self.keep.runs, PRUNE);
        if self.chain.surplus(self.keep.history) >= PRUNE as u64 {
            let first = self.chain.oldest() + PRUNE as u64 - 1;
            if let Some(record) = self.records.get(HISTORY, &first.to_be_bytes())? {
                units.push(self.chain.cut(&record).map_err(|e| self.codec(e))?);
            }
        }
        Ok(units)
    }

    /// Position of the newest entry; 0 when there is none.
    pub fn newest(&self) -> u64 {
        self.chain.newest()
    }

    /// When the newest entry was made; 0 when there is none.
    pub fn newest_at(&self) -> Result<Time, StoreError> {
        Ok(self.history(self.newest().saturating_sub(1), 1)?.first().map_or(Time(0), |(_, entry)| Time(entry.at)))
    }

    /// Position of the oldest entry that is kept.
    pub fn oldest(&self) -> u64 {
        self.chain.oldest()
    }

    /// Entries behind a position, in order, at most `limit`.
    pub fn history(&self, after: u64, limit: usize) -> Result<Vec<(u64, Entry)>, StoreError> {
        let records = self.records.range(HISTORY, &(after + 1).to_be_bytes(), limit)?;
        records.iter().map(|r| history::read(r).map_err(|e| self.codec(e))).collect()
    }

    /// Reports of a deployment's runs (or of people's own at their hosts, when there is none), by host and attempt.
    pub fn runs(&self, deployment: Option<&DeploymentId>, host: Option<&HostName>) -> Result<Vec<RunReport>, StoreError> {
        let numbers = self.runs.of(deployment, host);
        numbers.into_iter().filter_map(|n| self.run(n).transpose()).collect()
    }

    /// Is the report of this run kept?
    pub fn has_run(&self, app: &AppName, id: &RunId) -> bool {
        self.runs.has(id.deployment.as_ref(), &id.host, app, id.attempt)
    }

    /// How many reports are kept.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    fn run(&self, n: u64) -> Result<Option<RunReport>, StoreError> {
        let Some(head) = self.records.get(RUNS, &n.to_be_bytes())? else { return Ok(None) };
        let events = self.records.range(RUN_EVENTS, &n.to_be_bytes(), runs::EVENTS_MAX)?;
        let events = events.iter().filter(|r| r.key.starts_with(&n.to_be_bytes()));
        runs::read(&head, events).map(Some).map_err(|e| self.codec(e))
    }

    /// Copies all records to one file; by the thread that commits, between two commits. Returns their number.
    pub fn export_into(&self, file: &mut Replacement) -> Result<u64, pilotage_disk::ExportError> {
        self.records.export_into(file)
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        self.records.size_on_disk().unwrap_or(0)
    }

    fn codec(&self, source: CodecError) -> StoreError {
        StoreError::Codec { path: self.folder.clone(), source }
    }
}

fn take(record: Record, chain: &mut Chain, runs: &mut Runs, facts: &mut Vec<Fact>) -> Result<(), CodecError> {
    match record.table {
        HISTORY => chain.take(&record),
        META if record.key == history::ANCHOR => chain.anchor(&record),
        META if record.key == migrate::KEY => Ok(()),
        RUNS => runs.take(&record),
        RUN_EVENTS => Ok(()),
        _ => {
            facts.push(codec::read(&record)?);
            Ok(())
        }
    }
}
