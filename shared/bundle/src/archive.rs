//! Archives, entry by entry with our own loop: tar, tar.gz, tar.zst, zip. The form is recognised by its first bytes.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use pilotage_shared::limits::{UPLOAD_MAX, ZSTD_WINDOW_LOG};

use crate::build::{BuildError, Builder, Built};
use crate::objects::Objects;

/// Makes a package of an archive; its contents go to `objects`. `appspec`: another name than the usual ones.
pub fn build(path: &Path, objects: &Objects, appspec: Option<&str>) -> Result<Built, BuildError> {
    let read = |source| BuildError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let size = file.metadata().map_err(read)?.len();
    if size > UPLOAD_MAX {
        return Err(BuildError::Archive(format!("it has {size} bytes, at most {UPLOAD_MAX} are allowed")));
    }
    let mut head = [0; 4];
    let n = file.read(&mut head).map_err(read)?;
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    let builder = Builder::new(objects, size);
    let file = BufReader::with_capacity(128 << 10, file);
    match &head[..n] {
        [0x1f, 0x8b, ..] => tar(flate2::bufread::MultiGzDecoder::new(file), builder, appspec),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::Decoder::with_buffer(file).map_err(damaged)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(damaged)?;
            tar(decoder, builder, appspec)
        }
        [b'P', b'K', ..] => zip(file, builder, appspec),
        _ => tar(file, builder, appspec),
    }
}

fn damaged(error: io::Error) -> BuildError {
    BuildError::Archive(error.to_string())
}

fn text(bytes: &[u8]) -> Result<String, BuildError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| BuildError::Hostile {
        entry: String::from_utf8_lossy(bytes).chars().take(200).collect(),
        why: "its name is not UTF-8".into(),
    })
}

fn tar(input: impl Read, mut builder: Builder, appspec: Option<&str>) -> Result<Built, BuildError> {
    let mut archive = tar::Archive::new(input);
    let mut count = 0u32;
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        count += 1;
        let path = text(&entry.path_bytes())?;
        let mode = entry.header().mode().map_err(damaged)?;
        let mtime = entry.header().mtime().map_err(damaged)?;
        let target = entry.link_name_bytes().map(|t| text(&t)).transpose()?.unwrap_or_default();
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let size = entry.size();
                let mut left = Exactly { from: &mut entry, left: size };
                builder.file(&path, mode, mtime, &mut left)?;
            }
            tar::EntryType::Directory => builder.directory(&path, mode)?,
            tar::EntryType::Symlink => builder.link(&path, &target)?,
            tar::EntryType::Link => builder.copy(&path, &target)?,
            tar::EntryType::XGlobalHeader => {}
            other => {
                return Err(BuildError::Hostile { entry: path, why: format!("it is neither a file, a folder nor a link (tar type {:?})", other.as_byte() as char) });
            }
        }
    }
    // A cut stream may end between two entries: the end of the archive must have been there.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    if count == 0 {
        return Err(BuildError::Archive("it is no tar, tar.gz, tar.zst or zip, or it is empty".into()));
    }
    builder.finish(appspec)
}

/// Fails when the input ends before the entry does.
struct Exactly<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        if n == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut"));
        }
        self.left = self.left.saturating_sub(n as u64);
        Ok(n)
    }
}

fn zip(input: BufReader<File>, mut builder: Builder, appspec: Option<&str>) -> Result<Built, BuildError> {
    let bad = |e: zip::result::ZipError| BuildError::Archive(e.to_string());
    let mut archive = zip::ZipArchive::new(input).map_err(bad)?;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).map_err(bad)?;
        let path = text(entry.name_raw())?.replace('\\', "/");
        let mode = entry.unix_mode();
        let mtime = entry.last_modified().map_or(0, |t| {
            let days = days_from_civil(i64::from(t.year()), i64::from(t.month()), i64::from(t.day()));
            let seconds = days * 86_400 + i64::from(t.hour()) * 3600 + i64::from(t.minute()) * 60 + i64::from(t.second());
            u64::try_from(seconds).unwrap_or(0)
        });
        match mode.map_or(0, |m| m & 0o170_000) {
            0o120_000 => {
                let mut target = Vec::new();
                (&mut entry).take(4097).read_to_end(&mut target).map_err(damaged)?;
                builder.link(&path, &text(&target)?)?;
            }
            0o040_000 => builder.directory(&path, mode.unwrap_or(0o755))?,
            0 | 0o100_000 if entry.is_dir() => builder.directory(&path, mode.filter(|m| m & 0o777 != 0).unwrap_or(0o755))?,
            0 | 0o100_000 => builder.file(&path, mode.filter(|m| m & 0o777 != 0).unwrap_or(0o600), mtime, &mut entry)?,
            _ => return Err(BuildError::Hostile { entry: path, why: "it is neither a file, a folder nor a link".into() }),
        }
    }
    builder.finish(appspec)
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
