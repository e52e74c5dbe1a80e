//! A consistent copy of all records in one file, and a fresh database made from it. The live folder is never copied.
//!
//! The file: a first line that names the format; each record as table, version, length of key (1 byte each), length of payload
//! (4 bytes, big-endian), key, payload; a zero byte; the number of records (8 bytes); the crc32 of all before it. Whose file it
//! is may put more behind that.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use super::engine::Engine;
use super::place::Place;
use super::record::{KEY_MAX, VALUE_MAX};
use super::{OpenOptions, RecordStore, StoreError, Unit, Write};
use crate::durable::{self, Replacement, failed};

/// First bytes of an export: what it is, a space, its format, a newline.
const MAGIC: &[u8] = b"pilotage-records 1\n";
/// What every format begins with.
const ANY: &[u8] = b"pilotage-records ";
/// The format that this program writes and knows.
const EXPORT: u32 = 1;
/// Digits of a format's number, with the end of its line.
const FORMAT_DIGITS: usize = 10;
/// Records in one unit while importing.
const UNIT: usize = 100;
/// Units that share a sync while importing; more would cost memory.
const UNITS: usize = 50;

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
        source: io::Error,
    },
    /// Not one of ours, or cut, or changed. No database was made.
    #[error("{path} is not a whole export of this version: {what}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Written by a newer program. No database was made.
    #[error("failed to read {path}: it is an export of format {found}, this program knows up to {known}")]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// There is something already.
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
    /// Writes all records to one file: temporary file, checksum, fsync, rename. Call it between two commits, by the thread that
    /// commits. Returns the number of records.
    pub fn export(&self, path: &Path) -> Result<u64, ExportError> {
        let mut file = Replacement::begin(path, 0o600)?;
        let count = self.export_into(&mut file)?;
        file.finish()?;
        Ok(count)
    }

    /// The same as the beginning of a file that holds more behind it.
    pub fn export_into(&self, file: &mut Replacement) -> Result<u64, ExportError> {
        let (mut sum, mut count, mut written) = (crc32fast::Hasher::new(), 0u64, Ok(()));
        let mut put = |bytes: &[u8]| {
            sum.update(bytes);
            if written.is_ok() {
                written = file.write_all(bytes);
            }
        };
        put(MAGIC);
        self.load(|record| {
            count += 1;
            // Both lengths are within KEY_MAX and VALUE_MAX: nothing larger was ever committed.
            put(&[record.table, record.version, record.key.len() as u8]);
            put(&(record.value.len() as u32).to_be_bytes());
            put(&record.key);
            put(&record.value);
        })?;
        put(&[0]);
        put(&count.to_be_bytes());
        let sum = sum.finalize();
        written.and_then(|()| file.write_all(&sum.to_be_bytes())).map_err(failed("write", file.path()))?;
        Ok(count)
    }
}

/// Makes a fresh database in `folder` from an export. A folder that holds anything is refused; until all is read, checked and
/// written there is no database.
pub fn import(path: &Path, folder: &Path, options: OpenOptions) -> Result<RecordStore, ExportError> {
    Ok(import_from(path, folder, options, true)?.0)
}

/// The same of a file's beginning; gives what follows it, unread.
pub fn import_beginning(path: &Path, folder: &Path, options: OpenOptions) -> Result<(RecordStore, BufReader<File>), ExportError> {
    import_from(path, folder, options, false)
}

fn import_from(path: &Path, folder: &Path, options: OpenOptions, alone: bool) -> Result<(RecordStore, BufReader<File>), ExportError> {
    let file = File::open(path).map_err(|source| ExportError::Read { path: path.to_owned(), source })?;
    if Place::is_used(folder).map_err(failed("list", folder))? {
        return Err(ExportError::NotEmpty(folder.to_owned()));
    }
    let place = Place::take(folder)?;
    let mut import = Import { path, file: BufReader::new(file), sum: crc32fast::Hasher::new(), count: 0, alone };
    let store = RecordStore::open_in(place, options, |engine| import.fill(engine))?;
    Ok((store, import.file))
}

struct Import<'a> {
    path: &'a Path,
    file: BufReader<File>,
    sum: crc32fast::Hasher,
    count: u64,
    /// Nothing may follow.
    alone: bool,
}

impl Import<'_> {
    /// Reads all and writes it.
    fn fill(&mut self, engine: &Engine) -> Result<(), ExportError> {
        self.begins()?;
        let mut units: Vec<Unit> = Vec::new();
        let mut unit = Unit::new();
        while let Some(write) = self.record()? {
            self.count += 1;
            unit.push(write);
            if unit.len() == UNIT {
                units.push(std::mem::take(&mut unit));
            }
            if units.len() == UNITS {
                engine.write(&units)?;
                engine.sync()?;
                units.clear();
            }
        }
        units.push(unit);
        engine.write(&units)?;
        Ok(engine.sync()?)
    }

    /// The first line: ours, or a newer program's.
    fn begins(&mut self) -> Result<(), ExportError> {
        let mut line = self.take::<{ MAGIC.len() }>()?.to_vec();
        if line == MAGIC {
            return Ok(());
        }
        while line.starts_with(ANY) && !line.ends_with(b"\n") && line.len() < ANY.len() + FORMAT_DIGITS {
            line.extend(self.take::<1>()?);
        }
        let format = line.strip_prefix(ANY).and_then(|l| l.strip_suffix(b"\n")).and_then(|l| std::str::from_utf8(l).ok()?.parse().ok());
        match format {
            Some(found) if found > EXPORT => Err(ExportError::Newer { path: self.path.to_owned(), found, known: EXPORT }),
            Some(_) | None => Err(self.damaged("it does not begin as one")),
        }
    }

    /// The next record; at the end, none, once the number and the checksum have proved right.
    fn record(&mut self) -> Result<Option<Write>, ExportError> {
        let [table] = self.take()?;
        if table == 0 {
            let count = u64::from_be_bytes(self.take()?);
            let sum = self.sum.clone().finalize();
            let found = u32::from_be_bytes(self.take()?);
            let rest = self.file.fill_buf().map_err(|source| ExportError::Read { path: self.path.to_owned(), source })?;
            let good = !self.alone || rest.is_empty();
            return match (found == sum, count == self.count, good) {
                (false, _, _) => Err(self.damaged("its checksum is wrong")),
                (true, false, _) => Err(self.damaged("records are missing")),
                (true, true, false) => Err(self.damaged("something follows its end")),
                (true, true, true) => Ok(None),
            };
        }
        let [version, key] = self.take()?;
        let value = u32::from_be_bytes(self.take()?) as usize;
        if usize::from(key) > KEY_MAX || value > VALUE_MAX {
            return Err(self.damaged("a record is too large"));
        }
        let write = Write::Put { table, key: self.bytes(key.into())?, version, value: self.bytes(value)? };
        Ok(Some(write))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ExportError> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, ExportError> {
        let mut bytes = vec![0; length];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ExportError> {
        self.file.read_exact(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut"),
            _ => ExportError::Read { path: self.path.to_owned(), source },
        })?;
        self.sum.update(bytes);
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> ExportError {
        ExportError::Damaged { path: self.path.to_owned(), what }
    }
}
