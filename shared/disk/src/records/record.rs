//! What is written and read: records in tables, their limits, and the bytes that stand for them.
//!
//! A key is the table's byte and the record's key; a value is the record's version, a crc32 of version and payload, and the
//! payload. Table 0 holds the format marker alone; its bytes never change, so that every program can read it.

use std::path::Path;

use super::error::StoreError;

/// Longest key, the table's byte excluded.
pub const KEY_MAX: usize = 127;
/// Longest payload of a record. Far larger values become files inside sled that are never reclaimed.
pub const VALUE_MAX: usize = 4096;
/// Writes in one physical batch, hence in a unit. Units are meant to have at most 100.
pub const UNIT_WRITES: usize = 256;
/// Bytes in one physical batch, hence in a unit.
pub const UNIT_BYTES: usize = 1 << 20;
/// The format of the whole store; a higher one is refused.
pub(super) const FORMAT: u8 = 1;
/// The key of the format marker: table 0, an empty key.
pub(super) const MARKER: &[u8] = &[0];
/// The payload of the format marker; the format is its version.
const MARKER_PAYLOAD: &[u8] = b"pilotage-records";

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

/// Writes that happen together or not at all: at most [`UNIT_WRITES`] and [`UNIT_BYTES`], by design at most 100 records. Of
/// two writes to one record the last counts.
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

impl Record {
    /// The record that these bytes stand for.
    pub(super) fn read(store: &Path, key: &[u8], value: &[u8]) -> Result<Record, StoreError> {
        let [table, key @ ..] = key else { return Err(StoreError::corrupt(store, "a record has an empty key")) };
        let (version, value) =
            unseal(value).map_err(|what| StoreError::corrupt(store, format!("record {} of table {table} {what}", key.escape_ascii())))?;
        Ok(Record { table: *table, key: key.to_vec(), version, value: value.to_vec() })
    }
}

/// The marker's value.
pub(super) fn marker(format: u8) -> Vec<u8> {
    seal(format, MARKER_PAYLOAD)
}

/// Refuses a store without our marker or with a newer one.
pub(super) fn check_marker(store: &Path, found: Option<&[u8]>) -> Result<(), StoreError> {
    let Some(found) = found else { return Err(StoreError::corrupt(store, "it has no format marker")) };
    match unseal(found) {
        Ok((format, MARKER_PAYLOAD)) if format <= FORMAT => Ok(()),
        Ok((format, MARKER_PAYLOAD)) => Err(StoreError::newer(store, format)),
        Ok(_) => Err(StoreError::corrupt(store, "its format marker is not ours")),
        Err(what) => Err(StoreError::corrupt(store, format!("its format marker {what}"))),
    }
}

/// Refuses what is over a limit.
pub(super) fn check_limits(unit: &Unit) -> Result<(), StoreError> {
    for write in unit {
        let (Write::Put { table, key, .. } | Write::Delete { table, key }) = write;
        if *table == 0 {
            return Err(StoreError::Reserved);
        }
        if key.len() > KEY_MAX {
            return Err(StoreError::TooLarge { table: *table, what: "key", bytes: key.len() });
        }
        if let Write::Put { value, .. } = write
            && value.len() > VALUE_MAX
        {
            return Err(StoreError::TooLarge { table: *table, what: "value", bytes: value.len() });
        }
    }
    let (writes, bytes) = (unit.len(), size(unit));
    if writes > UNIT_WRITES || bytes > UNIT_BYTES { Err(StoreError::UnitTooLarge { writes, bytes }) } else { Ok(()) }
}

/// Bytes of a unit's keys and values.
pub(super) fn size(unit: &Unit) -> usize {
    let bytes = |write: &Write| match write {
        Write::Put { key, value, .. } => key.len() + value.len() + 6,
        Write::Delete { key, .. } => key.len() + 1,
    };
    unit.iter().map(bytes).sum()
}

pub(super) fn full_key(table: u8, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table);
    full.extend_from_slice(key);
    full
}

/// A key behind all of a table's.
pub(super) fn end(table: u8) -> Vec<u8> {
    match table.checked_add(1) {
        Some(next) => vec![next],
        None => vec![u8::MAX; KEY_MAX + 2],
    }
}

pub(super) fn seal(version: u8, value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + 5);
    sealed.push(version);
    sealed.extend_from_slice(&checksum(version, value).to_be_bytes());
    sealed.extend_from_slice(value);
    sealed
}

fn unseal(value: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    let (version, rest) = value.split_first().ok_or("is empty")?;
    let (sum, payload) = rest.split_first_chunk::<4>().ok_or("is cut")?;
    if checksum(*version, payload) == u32::from_be_bytes(*sum) { Ok((*version, payload)) } else { Err("has a wrong checksum") }
}

fn checksum(version: u8, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(value);
    hasher.finalize()
}
