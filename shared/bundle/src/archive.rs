//! Archives, entry by entry with our own loops: tar, tar.gz, tar.zst, zip. The form is recognised by its first bytes.
//!
//! What an archive may cost is bounded before it is believed: contents by the [`Builder`], the unpacked stream as a whole by
//! [`Bounded`], and what describes an entry (long names, a zip's directory) by limits of its own.

mod tar;
mod zip;

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
    let mut head = Vec::new();
    (&mut file).take(6).read_to_end(&mut head).map_err(read)?;
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    let mut builder = Builder::new(objects, size);
    let stream = builder.limit().saturating_mul(2);
    let file = BufReader::with_capacity(128 << 10, file);
    match head.as_slice() {
        [0x1f, 0x8b, ..] => tar::read(Bounded::new(flate2::bufread::MultiGzDecoder::new(file), stream), &mut builder)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(file).map_err(damaged)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(damaged)?;
            tar::read(Bounded::new(decoder, stream), &mut builder)?;
        }
        [b'P', b'K', ..] => zip::read(file, &mut builder)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0] => return unknown("xz"),
        [b'B', b'Z', b'h', ..] => return unknown("bzip2"),
        [b'7', b'z', 0xbc, 0xaf, ..] => return unknown("7z"),
        _ => tar::read(Bounded::new(file, stream), &mut builder)?,
    }
    builder.finish(appspec)
}

fn unknown(form: &str) -> Result<Built, BuildError> {
    Err(BuildError::Archive(format!("it is {form}; make a .tar, .tar.gz, .tar.zst or .zip of it")))
}

fn damaged(error: io::Error) -> BuildError {
    BuildError::Archive(error.to_string())
}

fn hostile<T>(path: &[u8], why: impl Into<String>) -> Result<T, BuildError> {
    Err(BuildError::Hostile { entry: String::from_utf8_lossy(path).chars().take(200).collect(), why: why.into() })
}

fn text(bytes: &[u8]) -> Result<&str, BuildError> {
    std::str::from_utf8(bytes).or_else(|_| hostile(bytes, "its name is not UTF-8"))
}

/// A stream that may not become longer than it may: few bytes can be compressed to describe endless ones, also outside of
/// the contents (a long name, what stands behind the end).
struct Bounded<R> {
    from: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Bounded<R> {
    /// At most `limit` bytes.
    fn new(from: R, limit: u64) -> Self {
        Self { from, left: limit, limit }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("unpacked it has more than {} bytes, which such an input may have", self.limit))
        })?;
        Ok(n)
    }
}
