//! The history: immutable entries at dense positions. An entry's value is the SHA-256 of its predecessor's value followed by
//! its body; the body is JSON with a version, so that no migration ever needs to touch it. Pruning cuts a prefix and keeps
//! the hash of the last entry that went (the anchor).

use pilotage_disk::{Record, Unit, Write};
use pilotage_shared::principal::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::codec::{self, CodecError};
use super::{HISTORY, META};

/// Where the anchor stands in the table of single records.
pub(super) const ANCHOR: &[u8] = b"history";

/// What an entry is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Which app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Which fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
    /// Which host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Which deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
}

/// One entry's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Of this form: 1.
    pub v: u8,
    /// Milliseconds since 1970.
    pub at: u64,
    /// Who caused it.
    pub by: Principal,
    /// `api`, `agent`, `own`.
    pub via: String,
    /// Its words.
    #[serde(default)]
    pub reason: String,
    /// As `deployment.started`.
    pub kind: String,
    /// What it is about.
    #[serde(flatten)]
    pub scope: Scope,
    /// For people.
    pub text: String,
    /// The change itself, for changes that people or the planner made.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub change: serde_json::Value,
}

/// The chain's two ends.
#[derive(Debug)]
pub(super) struct Chain {
    /// Position of the oldest entry that is kept.
    first: u64,
    /// Position of the next one.
    next: u64,
    /// SHA-256 of the newest entry's value.
    last: [u8; 32],
}

impl Default for Chain {
    fn default() -> Self {
        Self { first: 1, next: 1, last: [0; 32] }
    }
}

impl Chain {
    /// The anchor comes before the entries when all is read in order.
    pub fn anchor(&mut self, record: &Record) -> Result<(), CodecError> {
        let (first, hash): (u64, [u8; 32]) = codec::decode(record)?;
        (self.first, self.next, self.last) = (first, first, hash);
        Ok(())
    }

    /// Checks that an entry follows the one before it.
    pub fn take(&mut self, record: &Record) -> Result<(), CodecError> {
        let position = position(record)?;
        let broken = |what| CodecError::Broken { position, what };
        let value = codec::open(record)?;
        if position != self.next {
            return Err(broken("entries are missing before it"));
        }
        if value.first_chunk::<32>() != Some(&self.last) {
            return Err(broken("it does not follow the entry before it"));
        }
        self.next = position + 1;
        self.last = Sha256::digest(&value).into();
        Ok(())
    }

    pub fn newest(&self) -> u64 {
        self.next - 1
    }

    pub fn oldest(&self) -> u64 {
        self.first
    }

    pub fn append(&mut self, entry: &Entry) -> Result<Write, CodecError> {
        let mut value = self.last.to_vec();
        serde_json::to_writer(&mut value, entry).map_err(|e| CodecError::Payload { table: HISTORY, why: e.to_string() })?;
        self.last = Sha256::digest(&value).into();
        let key = self.next.to_be_bytes().to_vec();
        self.next += 1;
        let (version, value) = codec::seal(HISTORY, value)?;
        Ok(Write::Put { table: HISTORY, key, version, value })
    }

    /// How many of the oldest entries are too many.
    pub fn surplus(&self, keep: u64) -> u64 {
        (self.next - self.first).saturating_sub(keep)
    }

    /// Cuts the entries before `first_kept`, the record at that position; the anchor moves in the same unit.
    pub fn cut(&mut self, first_kept: &Record) -> Result<Unit, CodecError> {
        let first = position(first_kept)?;
        let value = codec::open(first_kept)?;
        let hash = *value.first_chunk::<32>().ok_or(CodecError::Broken { position: first, what: "it is cut" })?;
        let deletes = (self.first..first).map(|p| Write::Delete { table: HISTORY, key: p.to_be_bytes().to_vec() });
        let mut unit: Unit = deletes.collect();
        let (version, value) = codec::encode(META, &(first, hash))?;
        unit.push(Write::Put { table: META, key: ANCHOR.to_vec(), version, value });
        self.first = first;
        Ok(unit)
    }
}

fn position(record: &Record) -> Result<u64, CodecError> {
    let key = record.key.as_slice().try_into().map_err(|_| CodecError::Payload { table: HISTORY, why: "its key is no position".into() })?;
    Ok(u64::from_be_bytes(key))
}

/// One entry as it was read.
pub(super) fn read(record: &Record) -> Result<(u64, Entry), CodecError> {
    let value = codec::open(record)?;
    let body = value.get(32..).unwrap_or_default();
    let entry = serde_json::from_slice(body).map_err(|e| CodecError::Payload { table: HISTORY, why: e.to_string() })?;
    Ok((position(record)?, entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::name::Why;

    fn entry(n: u64) -> Entry {
        Entry {
            v: 1,
            at: n,
            by: Principal::Rule { name: Why::lossy("plan") },
            via: "own".into(),
            reason: String::new(),
            kind: "test".into(),
            scope: Scope { fleet: Some("web-prod".into()), ..Scope::default() },
            text: "x".repeat(n as usize * 1000),
            change: serde_json::Value::Null,
        }
    }

    fn records(n: u64) -> (Chain, Vec<Record>) {
        let mut chain = Chain::default();
        let put = |write| match write {
            Write::Put { table, key, version, value } => Record { table, key, version, value },
            Write::Delete { .. } => panic!("nothing is deleted"),
        };
        let records = (1..=n).map(|i| put(chain.append(&entry(i)).unwrap())).collect();
        (chain, records)
    }

    #[test]
    fn the_chain_is_checked_at_load() {
        let (chain, records) = records(6);
        let load = |records: &[Record]| {
            let mut chain = Chain::default();
            records.iter().try_for_each(|r| chain.take(r)).map(|()| (chain.newest(), chain.last))
        };
        assert_eq!(load(&records).unwrap(), (6, chain.last));
        assert_eq!(read(&records[5]).unwrap(), (6, entry(6)), "also when it was compressed");
        let without = [&records[..2], &records[3..]].concat();
        assert!(matches!(load(&without), Err(CodecError::Broken { position: 4, .. })));
        let mut changed = records.clone();
        changed[1].value[40] ^= 1;
        assert!(matches!(load(&changed), Err(CodecError::Broken { position: 3, .. })));
    }

    #[test]
    fn pruning_keeps_the_hash_of_what_went() {
        let (mut chain, records) = records(6);
        let unit = chain.cut(&records[3]).unwrap();
        assert_eq!((unit.len(), chain.oldest(), chain.newest(), chain.surplus(2)), (4, 4, 6, 1));
        let Some(Write::Put { table, key, version, value }) = unit.last().cloned() else { panic!("no anchor") };
        let mut loaded = Chain::default();
        loaded.anchor(&Record { table, key, version, value }).unwrap();
        records[3..].iter().try_for_each(|r| loaded.take(r)).unwrap();
        assert_eq!((loaded.oldest(), loaded.newest(), loaded.last), (4, 6, chain.last));
    }
}
