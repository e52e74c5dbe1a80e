//! sled itself: the only module that calls it. Panics inside sled end here, as errors.
//!
//! Used of sled: one default tree, `apply_batch`, `flush`, `get`, `range`. Never transactions, `flush_async`, merge operators,
//! subscribers, `generate_id` or compression.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::place::Place;
use super::record::{Record, UNIT_BYTES, UNIT_WRITES, Unit, Write, full_key, seal, size};
use super::snapshot;
use crate::durable::{self, failed};

/// Which record comes first.
#[derive(Clone, Copy)]
pub(super) enum Order {
    FirstToLast,
    LastToFirst,
}

/// An open database.
pub(super) struct Engine {
    db: sled::Db,
    /// sled's file, for fdatasync.
    file: File,
    /// The store's folder, for messages.
    folder: PathBuf,
    database: PathBuf,
}

impl Engine {
    /// Opens (or makes) the database `name` in the store's folder. Everything in it is durable afterwards.
    pub(super) fn open(place: &Place, name: &str, cache_bytes: u64) -> Result<Self, StoreError> {
        let (folder, database) = (place.folder.clone(), place.folder.join(name));
        place.wait_until_closed(&database)?;
        if database.exists() {
            snapshot::finish(&database)?;
            // What a killed process wrote may be in memory only; sled must not build on that.
            durable::sync_tree(&database)?;
        }
        let config = sled::Config::new().path(&database).cache_capacity(cache_bytes).flush_every_ms(None).use_compression(false);
        let db = guarded("open", &folder, || config.open()).map_err(damaged)?;
        // sled never syncs `conf`, nor the names of its files.
        durable::sync_tree(&database)?;
        let path = database.join("db");
        let file = File::open(&path).map_err(failed("open", &path))?;
        Ok(Self { db, file, folder, database })
    }

    /// Writes units in as few physical batches as the limits allow; none is split. Not durable before [`Self::sync`].
    pub(super) fn write(&self, units: &[Unit]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let (mut writes, mut bytes) = (0, 0);
        for unit in units {
            let size = size(unit);
            if writes > 0 && (writes + unit.len() > UNIT_WRITES || bytes + size > UNIT_BYTES) {
                self.apply(std::mem::take(&mut batch))?;
                (writes, bytes) = (0, 0);
            }
            for write in unit {
                match write {
                    Write::Put { table, key, version, value } => batch.insert(full_key(*table, key), seal(*version, value)),
                    Write::Delete { table, key } => batch.remove(full_key(*table, key)),
                }
            }
            writes += unit.len();
            bytes += size;
        }
        self.apply(batch)
    }

    /// Writes bytes at a full key.
    pub(super) fn put(&self, key: &[u8], bytes: Vec<u8>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        batch.insert(key, bytes);
        self.apply(batch)
    }

    fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        guarded("write", &self.folder, || self.db.apply_batch(batch))
    }

    /// Makes everything written durable. sled's own flush ends in sync_file_range, which a power cut undoes.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        guarded("flush", &self.folder, || self.db.flush())?;
        Ok(self.file.sync_data().map_err(failed("sync", &self.database.join("db")))?)
    }

    /// The bytes at a full key.
    pub(super) fn bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(guarded("read", &self.folder, || self.db.get(key)).map_err(damaged)?.map(|bytes| bytes.to_vec()))
    }

    /// Records from a full key to below another one, in order or last first, each of them checked; `each` says whether to go on.
    pub(super) fn scan(&self, keys: Range<Vec<u8>>, order: Order, mut each: impl FnMut(Record) -> bool) -> Result<(), StoreError> {
        let mut entries = self.db.range(keys);
        loop {
            let next = || match order {
                Order::FirstToLast => entries.next().transpose(),
                Order::LastToFirst => entries.next_back().transpose(),
            };
            let Some((key, value)) = guarded("read", &self.folder, next).map_err(damaged)? else { return Ok(()) };
            if !each(Record::read(&self.folder, &key, &value)?) {
                return Ok(());
            }
        }
    }

    /// Bytes on disk.
    pub(super) fn size_on_disk(&self) -> Result<u64, StoreError> {
        guarded("measure", &self.folder, || self.db.size_on_disk())
    }

    /// Never closes the database any more: after a failure there is nothing that closing it could save, and it may hang.
    pub(super) fn abandon(&self) {
        std::mem::forget(self.db.clone());
    }

    /// Closes it, waits until its threads have let go of it, and syncs everything.
    pub(super) fn close(self, place: &Place) -> Result<(), StoreError> {
        let Self { db, database, .. } = self;
        drop(db);
        place.wait_until_closed(&database)?;
        Ok(durable::sync_tree(&database)?)
    }
}

/// Calls into sled; its panics stay here.
pub(super) fn guarded<T>(doing: &'static str, folder: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(StoreError::Sled { doing, path: folder.to_owned(), source }),
        Err(_) => Err(StoreError::Panic { doing, path: folder.to_owned() }),
    }
}

/// sled's word for damage is ours.
fn damaged(error: StoreError) -> StoreError {
    match error {
        StoreError::Sled { path, source: sled::Error::Corruption { at, .. }, .. } => {
            StoreError::Corrupt { path, what: format!("sled found a damaged page at {at:?}") }
        }
        other => other,
    }
}
