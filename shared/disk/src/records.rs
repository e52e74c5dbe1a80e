//! The record store: sled 0.34 under the rules that experiments with kills, power cuts and full disks gave.
//!
//! - One tree, key = table byte + key, value = record version + crc32 + payload (≤ 4 KiB); `apply_batch` only.
//! - `flush()`, then `fdatasync` of sled's file `db` (sled's own flush ends in sync_file_range, which a power cut undoes), and
//!   only then is a commit acknowledged. Every file and folder of the database is synced before and after sled opens it.
//! - A new database is made under another name and renamed when it is whole: there is never half of one.
//! - Any error but a refusal poisons the store: what was being written is in doubt, nothing is answered any more.
//! - A commit is refused, without poison, while the disk is nearly full; a ballast file keeps enough aside for sled to open.
//!
//! One thread commits, and puts the units of all who wait (at most 512 of them) into one commit. It leaves to others what the
//! records mean, and serving reads: those come from a model in memory that is published after the commit.

mod engine;
mod error;
mod export;
mod place;
mod record;
mod snapshot;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::{Engine, Order};
use place::{Place, RECORDS, UNFINISHED};
use record::{FORMAT, MARKER, check_limits, check_marker, end, full_key, marker};

use crate::durable::failed;
use crate::space;

pub use error::StoreError;
pub use export::{ExportError, import, import_beginning};
pub use record::{KEY_MAX, Record, UNIT_BYTES, UNIT_WRITES, Unit, VALUE_MAX, Write};

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// sled's cache in bytes; at least the working set.
    pub cache_bytes: u64,
    /// Commits are refused while fewer bytes are free.
    pub guard_bytes: u64,
    /// Bytes kept aside for opening on a full disk.
    pub ballast_bytes: u64,
}

impl Default for OpenOptions {
    /// 256 MiB of cache, 64 MiB of guard, 8 MiB of ballast.
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, guard_bytes: 64 << 20, ballast_bytes: 8 << 20 }
    }
}

/// An open store. Used from one thread; not clonable on purpose.
pub struct RecordStore {
    // Closed before the folder's lock is given back: fields are dropped in this order.
    engine: Engine,
    place: Place,
    options: OpenOptions,
    poisoned: AtomicBool,
    /// The file system cannot be trusted with syncs or locks; to be reported.
    pub warning: Option<String>,
}

impl std::fmt::Debug for RecordStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordStore").field("folder", &self.place.folder).field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl RecordStore {
    /// Opens the store in `folder`, or makes it. Refused at once when another process has it open, when it was written by a
    /// newer program, and when it is damaged.
    pub fn open(folder: &Path, options: OpenOptions) -> Result<RecordStore, StoreError> {
        let place = Place::take(folder)?;
        let free = place.free_bytes()?;
        let opened = Self::open_in(place, options, |_| Ok(()));
        opened.map_err(|e: StoreError| match e.is_full_disk() {
            true => StoreError::NoSpace { path: folder.to_owned(), free, guard: options.guard_bytes },
            false => e,
        })
    }

    /// Opens the database in a folder that we hold; a new one is made with what `fill` writes.
    fn open_in<E: From<StoreError>>(place: Place, options: OpenOptions, fill: impl FnOnce(&Engine) -> Result<(), E>) -> Result<RecordStore, E> {
        place.drop_ballast(options.guard_bytes)?;
        let records = place.folder.join(RECORDS);
        if !records.exists() {
            place.clear(UNFINISHED)?;
            let engine = Engine::open(&place, UNFINISHED, options.cache_bytes)?;
            fill(&engine)?;
            engine.put(MARKER, marker(FORMAT))?;
            engine.sync()?;
            engine.close(&place)?;
            place.rename(UNFINISHED, RECORDS)?;
        }
        let engine = Engine::open(&place, RECORDS, options.cache_bytes)?;
        check_marker(&place.folder, engine.bytes(MARKER)?.as_deref())?;
        place.restore_ballast(options.ballast_bytes, options.guard_bytes)?;
        let kind = space::untrusted(&place.folder).map_err(failed("look at the file system of", &place.folder));
        let warning =
            kind.map_err(StoreError::from)?.map(|kind| format!("{} lies on {kind}, where syncs and locks cannot be trusted", place.folder.display()));
        Ok(RecordStore { engine, place, options, poisoned: AtomicBool::new(false), warning })
    }

    /// Writes units, each of them whole and in this order; returns when all are on disk. Many units share one sync: after an
    /// error any number of them may be there, and the store is poisoned, unless they were refused before anything was written
    /// (too large, too little space).
    pub fn commit(&mut self, units: &[Unit]) -> Result<(), StoreError> {
        self.usable()?;
        for unit in units {
            check_limits(unit)?;
        }
        if units.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let (free, guard) = (self.place.free_bytes()?, self.options.guard_bytes);
        if free < guard {
            return Err(StoreError::NoSpace { path: self.place.folder.clone(), free, guard });
        }
        self.call(|engine| {
            engine.write(units)?;
            engine.sync()
        })
    }

    /// Reads and checks every record, in order of table and key.
    pub fn load(&self, mut each: impl FnMut(Record)) -> Result<(), StoreError> {
        self.call(|engine| {
            engine.scan(vec![1]..end(u8::MAX), Order::FirstToLast, |record| {
                each(record);
                true
            })
        })
    }

    /// One record.
    pub fn get(&self, table: u8, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let key = full_key(table, key);
        self.call(|engine| engine.bytes(&key)?.map(|value| Record::read(&self.place.folder, &key, &value)).transpose())
    }

    /// Records of a table from a key on, in order, at most `limit`.
    pub fn range(&self, table: u8, from: &[u8], limit: usize) -> Result<Vec<Record>, StoreError> {
        self.some(full_key(table, from)..end(table), Order::FirstToLast, limit)
    }

    /// Records of a table below a key (all of them when there is none), last first, at most `limit`.
    pub fn range_rev(&self, table: u8, below: Option<&[u8]>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let end = below.map_or_else(|| end(table), |key| full_key(table, key));
        self.some(vec![table]..end, Order::LastToFirst, limit)
    }

    /// Bytes on disk.
    pub fn size_on_disk(&self) -> Result<u64, StoreError> {
        self.call(Engine::size_on_disk)
    }

    fn some(&self, keys: std::ops::Range<Vec<u8>>, order: Order, limit: usize) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        self.call(|engine| match limit == 0 || keys.is_empty() {
            true => Ok(()),
            false => engine.scan(keys, order, |record| {
                found.push(record);
                found.len() < limit
            }),
        })?;
        Ok(found)
    }

    fn usable(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Calls the engine; its first error is its last answer.
    fn call<T>(&self, call: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.usable()?;
        let result = call(&self.engine);
        if result.is_err() {
            self.poisoned.store(true, Ordering::Release);
            self.engine.abandon();
        }
        result
    }
}

#[cfg(test)]
mod tests;
