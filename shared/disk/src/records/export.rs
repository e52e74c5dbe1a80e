//! A consistent copy of all records in one file, and a fresh database made from it. The live folder is never copied.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{OpenOptions, Record, RecordStore, StoreError, Unit, Write, checksum};
use crate::durable;

/// First bytes of an export.
const MAGIC: &[u8] = b"pilotage-records 1\n";
/// Records in one unit while importing.
const CHUNK: usize = 100;

/// Why an export was not made or not taken.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not one of ours, or cut, or changed.
    #[error("{path} is not a whole export: {what}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// There is a database already.
    #[error("{0} is not empty; an export is taken into a new folder only")]
    NotEmpty(PathBuf),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be written.
    #[error(transparent)]
    File(#[from] durable::DurableError),
}

impl RecordStore {
    /// Writes all records to one file: temporary file, checksum, fsync, rename. Call it between two commits.
    pub fn export(&self, path: &Path) -> Result<u64, ExportError> {
        let mut out = MAGIC.to_vec();
        let mut count = 0u64;
        self.load(|record| {
            count += 1;
            out.extend_from_slice(&[record.table, record.version, record.key.len() as u8]);
            out.extend_from_slice(&(record.value.len() as u32).to_be_bytes());
            out.extend_from_slice(&record.key);
            out.extend_from_slice(&record.value);
        })?;
        let sum = checksum(0, &out);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&sum.to_be_bytes());
        durable::replace(path, &out, 0o600)?;
        Ok(count)
    }
}

/// Makes a fresh database in `folder` from an export; a folder that holds anything is refused.
pub fn import(path: &Path, folder: &Path, options: OpenOptions) -> Result<RecordStore, ExportError> {
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ExportError::NotEmpty(folder.to_owned()));
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes));
    read.map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
    let units = parse(&bytes).map_err(|what| ExportError::Damaged { path: path.to_owned(), what })?;
    let mut store = RecordStore::open(folder, options)?;
    store.commit(&units)?;
    Ok(store)
}

fn parse(bytes: &[u8]) -> Result<Vec<Unit>, &'static str> {
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    let (body, count) = body.split_last_chunk::<8>().ok_or("it is too short")?;
    if checksum(0, body) != u32::from_be_bytes(*sum) {
        return Err("its checksum is wrong");
    }
    let mut rest = body.strip_prefix(MAGIC).ok_or("it does not begin as one")?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) = one(rest).ok_or("a record is cut")?;
        records.push(Write::Put { table: record.table, key: record.key, version: record.version, value: record.value });
        rest = after;
    }
    if records.len() as u64 != u64::from_be_bytes(*count) {
        return Err("records are missing");
    }
    Ok(records.chunks(CHUNK).map(<[Write]>::to_vec).collect())
}

fn one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let ([table, version, key], rest) = bytes.split_first_chunk::<3>()?;
    let (value, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key))?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value) as usize)?;
    Some((Record { table: *table, key: key.to_vec(), version: *version, value: value.to_vec() }, rest))
}
