//! Zip, entry by entry of its directory.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use ::zip::extra_fields::ExtraField;
use ::zip::read::ZipFile;
use ::zip::{System, ZipArchive};
use pilotage_shared::limits::{ENTRIES_MAX, PATH_MAX, ZIP_DIRECTORY_MAX};

use super::{damaged, hostile, text};
use crate::build::{BuildError, Builder};

/// Gives every entry to the builder.
pub fn read(input: impl Read + Seek, builder: &mut Builder) -> Result<(), BuildError> {
    let bad = |e: ::zip::result::ZipError| BuildError::Archive(e.to_string());
    let left = Rc::new(Cell::new(Some(ZIP_DIRECTORY_MAX)));
    let mut archive = ZipArchive::new(Metered { input, left: left.clone() }).map_err(bad)?;
    left.set(None);
    if archive.has_duplicate_names() {
        return Err(BuildError::Archive("two of its entries have the same name".into()));
    }
    if archive.len() > ENTRIES_MAX {
        return Err(BuildError::Archive(format!("it has {} entries, {ENTRIES_MAX} are allowed", archive.len())));
    }
    for i in 0..archive.len() {
        member(archive.by_index(i).map_err(bad)?, builder)?;
    }
    Ok(())
}

fn member<R: Read>(mut entry: ZipFile<R>, builder: &mut Builder) -> Result<(), BuildError> {
    let mut path = text(entry.name_raw())?.to_owned();
    if matches!(entry.system(), System::Dos | System::WindowsNTFS | System::VFAT) {
        path = path.replace('\\', "/");
    }
    let (mtime, mode) = (mtime(&entry), mode(&entry));
    match mode & 0o170_000 {
        0o120_000 => {
            let mut target = Vec::new();
            (&mut entry).take(PATH_MAX as u64 + 1).read_to_end(&mut target).map_err(damaged)?;
            builder.link(&path, text(&target)?)
        }
        0o040_000 => builder.directory(&path, mode),
        0 | 0o100_000 if entry.is_dir() => builder.directory(&path, mode),
        0 | 0o100_000 => builder.file(&path, mode, mtime, &mut entry),
        _ => hostile(path.as_bytes(), "it is neither a file, a folder nor a link"),
    }
}

/// Unix mode as `unzip` reads it. Made on Windows, or a plain file of `git archive`: there is none, and it is readable by all.
fn mode<R: Read>(entry: &ZipFile<R>) -> u32 {
    const READ_ONLY: u32 = 1;
    let attributes = entry.external_attributes();
    match (attributes >> 16, entry.system()) {
        (0, System::Unix) if entry.is_dir() => 0o755,
        (0, System::Unix) => 0o600,
        (0, _) if entry.is_dir() => 0o755,
        (0, _) if attributes & READ_ONLY != 0 => 0o444,
        (0, _) => 0o644,
        (mode, _) => mode,
    }
}

/// Seconds since 1970: from the attribute that says UTC, else the local time of whoever made it, taken as UTC.
fn mtime<R: Read>(entry: &ZipFile<R>) -> u64 {
    let utc = entry.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        _ => None,
    });
    if let Some(seconds) = utc {
        return u64::from(seconds);
    }
    entry.last_modified().map_or(0, |t| {
        let days = days_from_civil(i64::from(t.year()), i64::from(t.month()), i64::from(t.day()));
        let seconds = days * 86_400 + i64::from(t.hour()) * 3600 + i64::from(t.minute()) * 60 + i64::from(t.second());
        u64::try_from(seconds).unwrap_or(0)
    })
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Counts what is read while the directory is: all of it is held in memory.
struct Metered<R> {
    input: R,
    left: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        if let Some(left) = self.left.get() {
            let left = left
                .checked_sub(n as u64)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its directory is too large, or is not at its end"))?;
            self.left.set(Some(left));
        }
        Ok(n)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.input.seek(to)
    }
}
