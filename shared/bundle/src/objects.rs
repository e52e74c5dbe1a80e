//! The store of file contents: each once, compressed with zstd, named by the SHA-256 of what it holds.
//!
//! A content takes its name only after it was hashed and is on disk. Constant memory.

mod batch;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use batch::Batch;
use pilotage_shared::digest::{Digest, Hasher};
use pilotage_shared::limits::ZSTD_WINDOW_LOG;

/// zstd's level for what is stored: fast, and most of what higher levels would save.
const LEVEL: i32 = 3;

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The disk.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was to be stored could not be read.
    #[error("failed to read the content")]
    Source(#[source] io::Error),
    /// More than was allowed; nothing of it was kept.
    #[error("the content has more than {limit} bytes")]
    TooLong {
        /// Allowed.
        limit: u64,
    },
    /// The content is not what its name says.
    #[error("object {wanted} has other content: {found}")]
    Mismatch {
        /// Asked for.
        wanted: Digest,
        /// What it is.
        found: String,
    },
}

/// A folder of objects.
#[derive(Debug)]
pub struct Objects {
    folder: PathBuf,
    temporary: AtomicU64,
}

impl Objects {
    /// Opens or makes the store; what a crash left half-written is removed.
    pub fn open(folder: &Path) -> Result<Objects, ObjectError> {
        let new = folder.join("new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(io("clear", &new))?;
        }
        fs::create_dir_all(&new).map_err(io("make the folder", &new))?;
        Ok(Objects { folder: folder.to_owned(), temporary: AtomicU64::new(0) })
    }

    /// A store that somebody else writes to, for reading: nothing in it is made or cleared.
    pub fn at(folder: &Path) -> Objects {
        Objects { folder: folder.to_owned(), temporary: AtomicU64::new(0) }
    }

    /// Where an object's compressed bytes are.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(&hex[2..])
    }

    /// Is it here?
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// Stores a content; gives its name and its size.
    pub fn put(&self, content: impl Read) -> Result<(Digest, u64), ObjectError> {
        self.put_at_most(content, u64::MAX)
    }

    /// As [`put`](Self::put); a content of more than `limit` bytes is refused and gets no name.
    pub fn put_at_most(&self, content: impl Read, limit: u64) -> Result<(Digest, u64), ObjectError> {
        let temporary = self.temporary();
        let result = self.write(&temporary, content, limit);
        if result.is_err() {
            let _ = fs::remove_file(&temporary); // swept at the next open as well
        }
        let (digest, size) = result?;
        self.name(&temporary, &digest)?;
        Ok((digest, size))
    }

    fn write(&self, temporary: &Path, mut content: impl Read, limit: u64) -> Result<(Digest, u64), ObjectError> {
        let file = File::create_new(temporary).map_err(io("create", temporary))?;
        let mut encoder = zstd::Encoder::new(file, LEVEL).map_err(io("compress into", temporary))?;
        let (mut hasher, mut size, mut buffer) = (Hasher::default(), 0u64, vec![0; 128 << 10]);
        loop {
            let n = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(ObjectError::Source(e)),
            };
            hasher.update(&buffer[..n]);
            size += n as u64;
            if size > limit {
                return Err(ObjectError::TooLong { limit });
            }
            encoder.write_all(&buffer[..n]).map_err(io("write", temporary))?;
        }
        let file = encoder.finish().map_err(io("write", temporary))?;
        file.sync_data().map_err(io("sync", temporary))?;
        Ok((hasher.finish(), size))
    }

    /// Stores compressed bytes as they were sent, after what they hold was found to be `wanted` of `size` bytes. Never takes
    /// more of them than [`compressed_max`] of that size.
    pub fn import_raw(&self, wanted: &Digest, size: u64, compressed: impl Read) -> Result<(), ObjectError> {
        let mut batch = self.batch();
        batch.import_raw(wanted, size, compressed)?;
        batch.finish()
    }

    /// To store many.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// The content, decompressed; the reader fails when it is not what its name says.
    pub fn read(&self, digest: &Digest) -> Result<impl Read + use<>, ObjectError> {
        let path = self.path(digest);
        let file = File::open(&path).map_err(io("open", &path))?;
        let content = decoder(file).map_err(io("decompress", &path))?;
        Ok(Checked { content, hasher: Some(Hasher::default()), wanted: *digest })
    }

    /// The compressed bytes and their number.
    pub fn open_raw(&self, digest: &Digest) -> Result<(File, u64), ObjectError> {
        let path = self.path(digest);
        let file = File::open(&path).map_err(io("open", &path))?;
        let size = file.metadata().map_err(io("look at", &path))?.len();
        Ok((file, size))
    }

    /// Removes an object; one that is not there is fine.
    pub fn remove(&self, digest: &Digest) -> Result<(), ObjectError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    /// All that are here.
    pub fn list(&self) -> Result<Vec<Digest>, ObjectError> {
        let mut found = Vec::new();
        for folder in fs::read_dir(&self.folder).map_err(io("list", &self.folder))? {
            let folder = folder.map_err(io("list", &self.folder))?;
            let first = folder.file_name().to_string_lossy().into_owned();
            if first.len() != 2 {
                continue;
            }
            for file in fs::read_dir(folder.path()).map_err(io("list", &folder.path()))? {
                let file = file.map_err(io("list", &folder.path()))?;
                found.extend(format!("sha256:{first}{}", file.file_name().to_string_lossy()).parse::<Digest>());
            }
        }
        found.sort();
        Ok(found)
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join("new").join(self.temporary.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// The content is on disk: it gets its name, durably.
    fn name(&self, temporary: &Path, digest: &Digest) -> Result<(), ObjectError> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(io("make the folder", folder))?;
            File::open(&self.folder).and_then(|f| f.sync_all()).map_err(io("sync", &self.folder))?;
        }
        fs::rename(temporary, &path).map_err(io("rename to", &path))?;
        File::open(folder).and_then(|f| f.sync_all()).map_err(io("sync", folder))
    }
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ObjectError {
    let path = path.to_owned();
    move |source| ObjectError::Io { doing, path, source }
}

/// The most bytes that a content of that size may have compressed: zstd's own bound and room for small blocks. More is not
/// compression but a way to fill a disk (empty blocks, skippable frames).
pub fn compressed_max(size: u64) -> u64 {
    size.saturating_add(size / 64).saturating_add(64 << 10)
}

/// Copies compressed bytes to `to` while it looks whether they hold `wanted`, of `size` bytes, and nothing behind it.
fn check_raw(wanted: &Digest, size: u64, compressed: impl Read, path: &Path, to: impl Write) -> Result<(), ObjectError> {
    let mut tee = Tee { from: compressed.take(compressed_max(size).saturating_add(1)), to, failed: None };
    let mut count = Count { from: &mut tee, read: 0 };
    let result = holds(wanted, size, &mut count);
    let taken = count.read;
    if let Some(source) = tee.failed {
        return Err(io("write", path)(source));
    }
    if taken > compressed_max(size) {
        return Err(ObjectError::TooLong { limit: compressed_max(size) });
    }
    result
}

fn holds(wanted: &Digest, size: u64, compressed: impl Read) -> Result<(), ObjectError> {
    let mut content = decoder(compressed).map_err(ObjectError::Source)?;
    let (found, read) = hash(&mut content, size)?;
    if read != size || found != *wanted {
        return Err(ObjectError::Mismatch { wanted: *wanted, found: format!("{found}, {read} bytes or more") });
    }
    // What stands behind the frame would be kept and never read: refuse it.
    if io::copy(&mut content.finish(), &mut io::sink()).map_err(ObjectError::Source)? > 0 {
        return Err(ObjectError::Mismatch { wanted: *wanted, found: "bytes behind its end".into() });
    }
    Ok(())
}

fn decoder<R: Read>(from: R) -> io::Result<zstd::Decoder<'static, io::BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(from)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

/// Digest and length of a content, never reading further than one byte past `limit`.
fn hash(content: &mut impl Read, limit: u64) -> Result<(Digest, u64), ObjectError> {
    let (mut hasher, mut size, mut buffer) = (Hasher::default(), 0u64, vec![0; 128 << 10]);
    let mut content = content.take(limit.saturating_add(1));
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(ObjectError::Source(e)),
        }
    }
}

/// Writes down what is read. A failure to write is kept apart: it is ours, not the sender's.
struct Tee<R, W> {
    from: R,
    to: W,
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        if let Err(error) = self.to.write_all(&buffer[..n]) {
            self.failed = Some(error);
            return Err(io::Error::other("it cannot be written down"));
        }
        Ok(n)
    }
}

/// Counts what is read.
struct Count<R> {
    from: R,
    read: u64,
}

impl<R: Read> Read for Count<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// Fails at the end when the content was not what its name says.
struct Checked<R> {
    content: R,
    hasher: Option<Hasher>,
    wanted: Digest,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.content.read(buffer)?;
        match (&mut self.hasher, n) {
            (Some(hasher), 1..) => hasher.update(&buffer[..n]),
            (Some(_), 0) if !buffer.is_empty() => {
                let found = self.hasher.take().map(Hasher::finish);
                if found != Some(self.wanted) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("object {} is damaged on disk", self.wanted)));
                }
            }
            (Some(_) | None, _) => {}
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Objects) {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::open(dir.path()).unwrap();
        (dir, objects)
    }

    #[test]
    fn what_was_put_is_read_back_and_stored_once() {
        let (_dir, objects) = store();
        let (digest, size) = objects.put(&b"hello"[..]).unwrap();
        assert_eq!((digest, size), (Digest::of(b"hello"), 5));
        objects.put(&b"hello"[..]).unwrap();
        assert_eq!(objects.list().unwrap(), [digest]);
        let mut content = Vec::new();
        objects.read(&digest).unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content, b"hello");
        objects.remove(&digest).unwrap();
        assert!(!objects.has(&digest));
    }

    #[test]
    fn raw_bytes_are_taken_only_when_they_hold_what_was_named() {
        let (_dir, from) = store();
        let (_dir2, to) = store();
        let content = vec![7u8; 300_000];
        let (digest, size) = from.put(&content[..]).unwrap();
        let mut raw = Vec::new();
        from.open_raw(&digest).unwrap().0.read_to_end(&mut raw).unwrap();
        to.import_raw(&digest, size, &raw[..]).unwrap();
        assert!(to.has(&digest));
        let other = Digest::of(b"other");
        let mut behind = raw.clone();
        behind.extend_from_slice(b"xx");
        for (name, size, raw) in [
            (other, size, &raw[..]),
            (digest, size - 1, &raw[..]),
            (digest, size + 1, &raw[..]),
            (digest, size, &raw[..raw.len() / 2]),
            (digest, size, &behind[..]),
        ] {
            to.remove(&digest).unwrap();
            assert!(to.import_raw(&name, size, raw).is_err());
            assert_eq!(to.list().unwrap(), []);
        }
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_not_the_senders_fault() {
        let (_dir, from) = store();
        let (digest, size) = from.put(&vec![7u8; 300_000][..]).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = check_raw(&digest, size, from.open_raw(&digest).unwrap().0, Path::new("x"), &full).unwrap_err();
        assert!(matches!(error, ObjectError::Io { .. }), "{error}");
    }

    #[test]
    fn a_stream_longer_than_its_content_can_need_is_refused() {
        let (_dir, objects) = store();
        // A frame of a million empty blocks: valid, and without content.
        let mut raw = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
        raw.extend([0, 0, 0].repeat(1_000_000));
        raw.extend([1, 0, 0]);
        let error = objects.import_raw(&Digest::of(b""), 0, &raw[..]).unwrap_err();
        assert!(matches!(error, ObjectError::TooLong { .. }), "{error}");
        assert_eq!(objects.list().unwrap(), []);
    }

    #[test]
    fn a_content_that_is_too_long_touches_no_other_object() {
        let (_dir, objects) = store();
        let (digest, _) = objects.put(&b"12345"[..]).unwrap();
        assert!(matches!(objects.put_at_most(&b"12345"[..], 4), Err(ObjectError::TooLong { limit: 4 })));
        assert!(objects.has(&digest));
        assert_eq!(objects.put_at_most(&b"12345"[..], 5).unwrap(), (digest, 5));
    }

    #[test]
    fn a_damaged_object_fails_when_it_is_read() {
        let (_dir, objects) = store();
        let (digest, _) = objects.put(&b"hello"[..]).unwrap();
        let other = objects.put(&b"hallo"[..]).unwrap().0;
        fs::copy(objects.path(&other), objects.path(&digest)).unwrap();
        assert!(objects.read(&digest).unwrap().read_to_end(&mut Vec::new()).is_err());
    }
}
