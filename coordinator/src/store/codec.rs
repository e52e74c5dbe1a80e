//! Records of the world as bytes: bincode with fixed integers, one version number per record. Version 1 is frozen by the
//! golden bytes in the tests: a change of a record's form is version 2 with a struct of its own and `From` to the next.
//!
//! A payload over a record's limit is kept compressed (the version's highest bit says so): long host names in long lists.

use std::io::Read as _;

use bincode::Options;
use pilotage_coordinator_core::world::load::Key;
use pilotage_coordinator_core::world::load::Record as Fact;
use pilotage_disk::records::VALUE_MAX;
use pilotage_disk::{Record, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{CONFIGURATIONS, DEPLOYMENTS, FLEETS, HELD_PAIRS, HOSTS, LEFT, META, PACKAGES, REMEMBERED, SLOTS};

/// The version that this program writes.
pub(super) const VERSION: u8 = 1;
const COMPRESSED: u8 = 0x80;
/// A payload before compression.
const PAYLOAD_MAX: u64 = 64 << 10;

const COUNTER: &[u8] = b"counter";
const EPOCHS: &[u8] = b"epochs";
const STARTS: &[u8] = b"starts";
const BLOCKED: &[u8] = b"blocked";
const RECOVERING: &[u8] = b"recovering";

/// Why bytes are not a record, or a record no bytes.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer program.
    #[error(
        "a record of table {table} has version {version}, this program knows {VERSION}: start the newer program, or restore a backup made by this one"
    )]
    Newer {
        /// Whose.
        table: u8,
        /// Its version.
        version: u8,
    },
    /// The whole store is a newer program's.
    #[error("it has form {found}, this program knows {known}: start the newer program, or restore a backup made by this one")]
    Form {
        /// Its form.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// No such table.
    #[error("a record lies in table {0}, which this program does not know: it was written by a newer one")]
    Table(u8),
    /// The payload is not what the table says.
    #[error("a record of table {table} cannot be read: {why}")]
    Payload {
        /// Whose.
        table: u8,
        /// What is wrong.
        why: String,
    },
    /// The history has a gap, or an entry does not follow the one before it.
    #[error("the history is broken at position {position}: {what}; restore a backup")]
    Broken {
        /// Where.
        position: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl CodecError {
    /// A newer program would understand it.
    pub fn is_newer(&self) -> bool {
        match self {
            CodecError::Newer { .. } | CodecError::Form { .. } | CodecError::Table(_) => true,
            CodecError::Payload { .. } | CodecError::Broken { .. } => false,
        }
    }
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(PAYLOAD_MAX).reject_trailing_bytes()
}

fn payload(table: u8) -> impl Fn(String) -> CodecError {
    move |why| CodecError::Payload { table, why }
}

/// Encodes and, where it must, compresses.
pub(super) fn encode<T: Serialize + ?Sized>(table: u8, value: &T) -> Result<(u8, Vec<u8>), CodecError> {
    let bytes = options().serialize(value).map_err(|e| payload(table)(e.to_string()))?;
    seal(table, bytes)
}

pub(super) fn seal(table: u8, bytes: Vec<u8>) -> Result<(u8, Vec<u8>), CodecError> {
    if bytes.len() <= VALUE_MAX {
        return Ok((VERSION, bytes));
    }
    let packed = zstd::bulk::compress(&bytes, 3).map_err(|e| payload(table)(e.to_string()))?;
    if packed.len() > VALUE_MAX {
        return Err(payload(table)(format!("it has {} bytes, {} compressed; {VALUE_MAX} are allowed", bytes.len(), packed.len())));
    }
    Ok((VERSION | COMPRESSED, packed))
}

pub(super) fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, CodecError> {
    options().deserialize(&open(record)?).map_err(|e| payload(record.table)(e.to_string()))
}

/// The payload as it was before it was compressed.
pub(super) fn open(record: &Record) -> Result<Vec<u8>, CodecError> {
    let version = record.version & !COMPRESSED;
    if version != VERSION {
        return Err(CodecError::Newer { table: record.table, version });
    }
    if record.version & COMPRESSED == 0 {
        return Ok(record.value.clone());
    }
    let bad = |e: std::io::Error| payload(record.table)(e.to_string());
    let mut bytes = Vec::new();
    let reader = zstd::stream::read::Decoder::new(record.value.as_slice()).map_err(bad)?;
    reader.take(PAYLOAD_MAX).read_to_end(&mut bytes).map_err(bad)?;
    Ok(bytes)
}

fn place(key: &Key) -> (u8, Vec<u8>) {
    let joined = |a: &str, b: &[u8]| [a.as_bytes(), &[0], b].concat();
    match key {
        Key::Counter => (META, COUNTER.to_vec()),
        Key::Epochs => (META, EPOCHS.to_vec()),
        Key::Starts => (META, STARTS.to_vec()),
        Key::Blocked => (META, BLOCKED.to_vec()),
        Key::Recovering => (META, RECOVERING.to_vec()),
        Key::Left(fleet) => (LEFT, fleet.as_str().into()),
        Key::Host(name) => (HOSTS, name.as_str().into()),
        Key::Fleet(name) => (FLEETS, name.as_str().into()),
        Key::Package(digest) => (PACKAGES, digest.0.to_vec()),
        Key::Deployment(id) => (DEPLOYMENTS, joined(id.fleet.as_str(), &id.number.to_be_bytes())),
        Key::Slot(app, host) => (SLOTS, joined(app.as_str(), host.as_str().as_bytes())),
        Key::Configuration(app, number) => (CONFIGURATIONS, joined(app.as_str(), &number.to_be_bytes())),
        Key::HeldPair(pair) => (HELD_PAIRS, [pair.package.0.as_slice(), pair.config.as_ref().map_or(&[], |c| c.0.as_slice())].concat()),
        // A principal and a caller's key are longer than a key may be; the record holds them.
        Key::Remembered(key) => (REMEMBERED, Sha256::digest(format!("{:?}", (&key.by, &key.key))).to_vec()),
    }
}

/// The write that makes a record so, or removes it.
pub(super) fn write(key: &Key, fact: Option<&Fact>) -> Result<Write, CodecError> {
    let (table, key) = place(key);
    let Some(fact) = fact else { return Ok(Write::Delete { table, key }) };
    let (version, value) = match fact {
        Fact::Counter(v) => encode(table, v),
        Fact::Epochs(v) => encode(table, v),
        Fact::Starts(v) => encode(table, v),
        Fact::Blocked(v) => encode(table, v),
        Fact::Host(v) => encode(table, v),
        Fact::Fleet(v) => encode(table, v),
        Fact::Package(v) => encode(table, v),
        Fact::Deployment(v) => encode(table, v),
        Fact::Slot(app, host, slot) => encode(table, &(app, host, slot)),
        Fact::Remembered(key, remembered) => encode(table, &(key, remembered)),
        Fact::Recovering(v) => encode(table, v),
        Fact::Left(fleet, left) => encode(table, &(fleet, left)),
        Fact::Configuration(v) => encode(table, v),
        Fact::HeldPair(pair, hold) => encode(table, &(pair, hold)),
    }?;
    Ok(Write::Put { table, key, version, value })
}

/// A record of the world.
pub(super) fn read(record: &Record) -> Result<Fact, CodecError> {
    match (record.table, record.key.as_slice()) {
        (META, COUNTER) => decode(record).map(Fact::Counter),
        (META, EPOCHS) => decode(record).map(Fact::Epochs),
        (META, STARTS) => decode(record).map(Fact::Starts),
        (META, BLOCKED) => decode(record).map(Fact::Blocked),
        (META, RECOVERING) => decode(record).map(Fact::Recovering),
        (LEFT, _) => decode(record).map(|(fleet, left)| Fact::Left(fleet, left)),
        (HOSTS, _) => decode(record).map(Fact::Host),
        (FLEETS, _) => decode(record).map(Fact::Fleet),
        (PACKAGES, _) => decode(record).map(Fact::Package),
        (DEPLOYMENTS, _) => decode(record).map(Fact::Deployment),
        (SLOTS, _) => decode(record).map(|(app, host, slot)| Fact::Slot(app, host, slot)),
        (REMEMBERED, _) => decode(record).map(|(key, remembered)| Fact::Remembered(key, remembered)),
        (CONFIGURATIONS, _) => decode(record).map(Fact::Configuration),
        (HELD_PAIRS, _) => decode(record).map(|(pair, hold)| Fact::HeldPair(pair, hold)),
        (table, _) => Err(CodecError::Table(table)),
    }
}

#[cfg(test)]
mod tests;
