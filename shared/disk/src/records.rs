//! The record store: sled 0.34 under the rules that experiments with kills, power cuts and full disks gave.
//!
//! - One tree, key = table byte + key, value = record version + crc32 + payload (≤ 4 KiB); `apply_batch` only.
//! - `flush()`, then `fdatasync` of sled's file `db` (sled's own flush ends in sync_file_range, which a power cut undoes), and
//!   only then is a commit acknowledged. At open every file and folder of the database is synced once.
//! - Any error of a commit poisons the store: what was being written is in doubt, nothing is answered any more.
//! - A commit is refused, without poison, while the disk is nearly full; a ballast file keeps enough aside for sled to open.

mod export;

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::durable::{self, DurableError};
use crate::space;

pub use export::{ExportError, import};

/// Longest key, the table's byte excluded.
pub const KEY_MAX: usize = 127;
/// Longest payload of a record.
pub const VALUE_MAX: usize = 4096;
/// Operations in one physical batch.
const BATCH_OPERATIONS: usize = 256;
/// Bytes in one physical batch.
const BATCH_BYTES: usize = 1 << 20;
/// The format of the whole store; a higher one is refused.
const FORMAT: u8 = 1;
/// The key of the format marker; no table may use byte 0.
const MARKER: &[u8] = &[0];

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Makes or replaces a record.
    Put {
        /// 1–255.
        table: u8,
        /// ≤ [`KEY_MAX`] bytes.
        key: Vec<u8>,
        /// Of the record's format.
        version: u8,
        /// ≤ [`VALUE_MAX`] bytes.
        value: Vec<u8>,
    },
    /// Removes a record, if it is there.
    Delete {
        /// 1–255.
        table: u8,
        /// ≤ [`KEY_MAX`] bytes.
        key: Vec<u8>,
    },
}

/// Writes that happen together or not at all; at most 100 records.
pub type Unit = Vec<Write>;

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The table.
    pub table: u8,
    /// The key.
    pub key: Vec<u8>,
    /// Of the record's format.
    pub version: u8,
    /// The payload.
    pub value: Vec<u8>,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// At least the working set.
    pub cache_bytes: u64,
    /// Commits are refused while fewer bytes are free.
    pub guard_bytes: u64,
    /// Kept aside for opening on a full disk.
    pub ballast_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, guard_bytes: 64 << 20, ballast_bytes: 8 << 20 }
    }
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {path} is in use by {}; stop it first", holder.map_or("another process".to_owned(), |p| format!("process {p}")))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that wrote its number there.
        holder: Option<u32>,
    },
    /// Written by a newer program.
    #[error("the store {path} has format {found}, this program knows up to {FORMAT}: start the newer program, or restore a backup made by this one")]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u8,
    },
    /// What is there is not what was written.
    #[error("the store {path} is damaged: {what}; restore a backup")]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Too little space; nothing was written, the store stays usable.
    #[error("failed to commit: {free} bytes are free at {path}, {guard} must stay free; make room")]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Free now.
        free: u64,
        /// Must stay.
        guard: u64,
    },
    /// A key or a value is over its limit; nothing was written.
    #[error("failed to commit: a record of table {table} has a {what} of {bytes} bytes")]
    TooLarge {
        /// Whose.
        table: u8,
        /// Key or value.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// An earlier commit failed: it is in doubt, the process must be started again.
    #[error("the store failed before; start the process again")]
    Poisoned,
    /// sled.
    #[error("failed to {doing} the store {path}")]
    Sled {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: sled::Error,
    },
    /// sled panicked.
    #[error("failed to {doing} the store {path}: the database panicked")]
    Panic {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A file beside the database.
    #[error(transparent)]
    File(#[from] DurableError),
}

/// An open store. Used from one thread; not clonable on purpose.
pub struct RecordStore {
    db: sled::Db,
    /// sled's file, for fdatasync.
    file: File,
    folder: PathBuf,
    options: OpenOptions,
    poisoned: bool,
    /// The file system cannot be trusted with syncs or locks; to be reported.
    pub warning: Option<String>,
}

impl std::fmt::Debug for RecordStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordStore").field("folder", &self.folder).field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl RecordStore {
    /// Opens the store in `folder`, or makes it.
    pub fn open(folder: &Path, options: OpenOptions) -> Result<RecordStore, StoreError> {
        let io = |doing, path: &Path, source| DurableError { doing, path: path.to_owned(), source };
        fs::create_dir_all(folder).map_err(|e| io("make the folder", folder, e))?;
        let ballast = folder.join("ballast");
        let free = |path: &Path| space::free_bytes(path).map_err(|e| io("measure the free space of", path, e));
        if free(folder)? < options.guard_bytes && ballast.exists() {
            fs::remove_file(&ballast).map_err(|e| io("remove", &ballast, e))?;
        }
        let database = folder.join("records");
        let config = sled::Config::new().path(&database).cache_capacity(options.cache_bytes).flush_every_ms(None).use_compression(false);
        let db = guarded("open", folder, || config.open()).map_err(|e| in_use(folder, e))?;
        durable::replace(&folder.join("pid"), format!("{}\n", std::process::id()).as_bytes(), 0o644)?;
        durable::sync_tree(&database)?;
        durable::sync_dir(folder)?;
        let path = database.join("db");
        let file = File::open(&path).map_err(|e| io("open", &path, e))?;
        let warning = space::untrusted(folder)
            .map_err(|e| io("look at the file system of", folder, e))?
            .map(|kind| format!("{} lies on {kind}, where syncs and locks cannot be trusted", folder.display()));
        let mut store = RecordStore { db, file, folder: folder.to_owned(), options, poisoned: false, warning };
        store.check_format()?;
        if !ballast.exists() && free(folder)? > options.guard_bytes + 2 * options.ballast_bytes {
            durable::create_new(&ballast, &vec![0; options.ballast_bytes as usize], 0o600)?;
        }
        Ok(store)
    }

    fn check_format(&mut self) -> Result<(), StoreError> {
        match guarded("read", &self.folder, || self.db.get(MARKER))? {
            None if self.db.is_empty() => {
                guarded("write", &self.folder, || self.db.insert(MARKER, &[FORMAT]))?;
                self.sync()
            }
            None => Err(self.corrupt("it has records and no format marker".into())),
            Some(marker) => match *marker {
                [found] if found > FORMAT => Err(StoreError::Newer { path: self.folder.clone(), found }),
                [_] => Ok(()),
                _ => Err(self.corrupt("its format marker is not one byte".into())),
            },
        }
    }

    /// Writes units, each of them whole; returns when all are on disk. Many units share one sync.
    pub fn commit(&mut self, units: &[Unit]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        check_sizes(units)?;
        let free = space::free_bytes(&self.folder).map_err(|source| DurableError {
            doing: "measure the free space of",
            path: self.folder.clone(),
            source,
        })?;
        if free < self.options.guard_bytes {
            return Err(StoreError::NoSpace { path: self.folder.clone(), free, guard: self.options.guard_bytes });
        }
        let result = self.write(units);
        self.poisoned = result.is_err();
        result
    }

    fn write(&mut self, units: &[Unit]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let (mut operations, mut bytes) = (0, 0);
        for unit in units {
            let size: usize = unit.iter().map(size).sum();
            if operations > 0 && (operations + unit.len() > BATCH_OPERATIONS || bytes + size > BATCH_BYTES) {
                self.apply(std::mem::take(&mut batch))?;
                (operations, bytes) = (0, 0);
            }
            for write in unit {
                match write {
                    Write::Put { table, key, version, value } => batch.insert(full_key(*table, key), seal(*version, value)),
                    Write::Delete { table, key } => batch.remove(full_key(*table, key)),
                }
            }
            operations += unit.len();
            bytes += size;
        }
        self.apply(batch)?;
        self.sync()
    }

    fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        guarded("write", &self.folder, || self.db.apply_batch(batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        guarded("flush", &self.folder, || self.db.flush())?;
        let failed = |source| DurableError { doing: "sync", path: self.folder.join("records/db"), source };
        Ok(self.file.sync_data().map_err(failed)?)
    }

    /// Reads and checks every record, in order of table and key.
    pub fn load(&self, mut each: impl FnMut(Record)) -> Result<(), StoreError> {
        self.scan(self.db.range::<Vec<u8>, _>(vec![1]..), usize::MAX, &mut each)
    }

    /// One record.
    pub fn get(&self, table: u8, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.usable()?;
        let key = full_key(table, key);
        let found = guarded("read", &self.folder, || self.db.get(&key))?;
        found.map(|value| self.unseal(&key, &value)).transpose()
    }

    /// Records of a table from a key on, in order, at most `limit`.
    pub fn range(&self, table: u8, from: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        self.scan(self.db.range(full_key(table, from)..end(table)), limit, &mut |r| found.push(r))?;
        Ok(found)
    }

    /// Records of a table below a key (all of them when there is none), last first, at most `limit`.
    pub fn range_rev(&self, table: u8, below: Option<&[u8]>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        let end = below.map_or_else(|| end(table), |key| full_key(table, key));
        self.scan(self.db.range(vec![table]..end).rev(), limit, &mut |r| found.push(r))?;
        Ok(found)
    }

    fn scan(
        &self,
        records: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
        limit: usize,
        each: &mut impl FnMut(Record),
    ) -> Result<(), StoreError> {
        self.usable()?;
        let mut records = records.take(limit);
        while let Some(entry) = guarded("read", &self.folder, || records.next().transpose())? {
            each(self.unseal(&entry.0, &entry.1)?);
        }
        Ok(())
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn unseal(&self, key: &[u8], value: &[u8]) -> Result<Record, StoreError> {
        let [table, key @ ..] = key else { return Err(self.corrupt("a record has an empty key".into())) };
        let bad = |what: &str| self.corrupt(format!("record {} of table {table} {what}", key.escape_ascii()));
        let Some((version, rest)) = value.split_first() else { return Err(bad("is empty")) };
        let Some((sum, value)) = rest.split_first_chunk::<4>() else { return Err(bad("is cut")) };
        if checksum(*version, value) != u32::from_be_bytes(*sum) {
            return Err(bad("has a wrong checksum"));
        }
        Ok(Record { table: *table, key: key.to_vec(), version: *version, value: value.to_vec() })
    }

    fn corrupt(&self, what: String) -> StoreError {
        StoreError::Corrupt { path: self.folder.clone(), what }
    }

    /// Bytes on disk.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        guarded("measure", &self.folder, || self.db.size_on_disk())
    }
}

/// Calls into sled; its panics stay here.
fn guarded<T>(doing: &'static str, folder: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(StoreError::Sled { doing, path: folder.to_owned(), source }),
        Err(_) => Err(StoreError::Panic { doing, path: folder.to_owned() }),
    }
}

/// sled says "could not acquire lock" as an IO error.
fn in_use(folder: &Path, error: StoreError) -> StoreError {
    match &error {
        StoreError::Sled { source: sled::Error::Io(io), .. } if io.to_string().contains("lock") => {
            let holder = fs::read_to_string(folder.join("pid")).ok().and_then(|t| t.trim().parse().ok());
            StoreError::InUse { path: folder.to_owned(), holder }
        }
        StoreError::Sled { source: sled::Error::Corruption { at, .. }, .. } => {
            StoreError::Corrupt { path: folder.to_owned(), what: format!("sled reports corruption at {at:?}") }
        }
        _ => error,
    }
}

fn check_sizes(units: &[Unit]) -> Result<(), StoreError> {
    for write in units.iter().flatten() {
        let (Write::Put { table, key, .. } | Write::Delete { table, key }) = write;
        if key.len() > KEY_MAX {
            return Err(StoreError::TooLarge { table: *table, what: "key", bytes: key.len() });
        }
        if let Write::Put { value, .. } = write
            && value.len() > VALUE_MAX
        {
            return Err(StoreError::TooLarge { table: *table, what: "value", bytes: value.len() });
        }
    }
    Ok(())
}

fn size(write: &Write) -> usize {
    match write {
        Write::Put { key, value, .. } => key.len() + value.len() + 6,
        Write::Delete { key, .. } => key.len() + 1,
    }
}

fn full_key(table: u8, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table);
    full.extend_from_slice(key);
    full
}

/// The first key behind a table.
fn end(table: u8) -> Vec<u8> {
    match table.checked_add(1) {
        Some(next) => vec![next],
        None => vec![u8::MAX; KEY_MAX + 2],
    }
}

fn seal(version: u8, value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + 5);
    sealed.push(version);
    sealed.extend_from_slice(&checksum(version, value).to_be_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn checksum(version: u8, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests;
