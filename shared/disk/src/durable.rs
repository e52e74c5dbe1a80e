//! Files that are written for good: after a call returns, what it wrote survives a power cut; before that, the old content
//! does. A file's name is as durable as its folder: every function here syncs that too.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a durable file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing} {path}")]
pub struct DurableError {
    /// What was being done.
    pub doing: &'static str,
    /// To which file.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

/// Replaces a file's content: temporary file beside it, fsync, rename, fsync of the folder. `mode` is exact.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let mut replacement = Replacement::begin(path, mode)?;
    replacement.write_all(bytes).map_err(failed("write", path))?;
    replacement.finish()
}

/// Makes a file that must not exist yet, durably: whole or not at all. `mode` is exact.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let mut new = Replacement::begin(path, mode)?;
    new.write_all(bytes).map_err(failed("write", path))?;
    new.sync()?;
    // A link takes nobody's place.
    fs::hard_link(&new.written.temporary, path).map_err(failed("create", path))?;
    drop(new);
    sync_dir(parent(path))
}

/// Makes a folder and those above it that are missing, each of them durably; also when it is there already, because an earlier
/// process may have died before its sync.
pub fn create_dirs(path: &Path, mode: u32) -> Result<(), DurableError> {
    let above = parent(path);
    if path.is_dir() {
        return match sync_dir(above) {
            // Where we may not even look, we have made nothing.
            Err(e) if e.source.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    create_dirs(above, mode)?;
    match DirBuilder::new().mode(mode).create(path) {
        // The process's umask was taken off it.
        Ok(()) => {
            set_mode(path, mode)?;
            sync_dir(above)
        }
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => Err(failed("make the folder", path)(e)),
        _ => sync_dir(above),
    }
}

/// Makes the names in a folder durable.
pub fn sync_dir(path: &Path) -> Result<(), DurableError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(failed("sync the folder", path))
}

/// Syncs every file and folder below `path`, `path` itself, and its parent.
pub fn sync_tree(path: &Path) -> Result<(), DurableError> {
    sync_below(path)?;
    sync_dir(parent(path))
}

fn sync_below(path: &Path) -> Result<(), DurableError> {
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
        if kind.is_dir() {
            sync_below(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path()).and_then(|f| f.sync_all()).map_err(failed("sync", &entry.path()))?;
        }
    }
    sync_dir(path)
}

/// A file being written that takes another's place when it is finished; dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct Replacement {
    file: BufWriter<File>,
    written: Written,
}

impl Replacement {
    /// Begins one beside `path`. `mode` is exact.
    pub fn begin(path: &Path, mode: u32) -> Result<Self, DurableError> {
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let temporary = parent(path).join(format!(".{name}.{}.{number}.new", std::process::id()));
        match fs::remove_file(&temporary) {
            // Left behind by an earlier process of the same number.
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove an old", &temporary)(e)),
            _ => {}
        }
        let file = BufWriter::new(new_file(&temporary, mode)?);
        Ok(Self { file, written: Written { temporary, path: path.to_owned(), renamed: false } })
    }

    /// What it will replace.
    pub fn path(&self) -> &Path {
        &self.written.path
    }

    /// fsync, rename, fsync of the folder.
    pub fn finish(self) -> Result<(), DurableError> {
        let folder = parent(self.path()).to_owned();
        self.finish_without_name()?;
        sync_dir(&folder)
    }

    /// fsync and rename, for a file that can be made again: after a power cut it has its new content, or the old one, or is not
    /// there.
    pub fn finish_without_name(mut self) -> Result<(), DurableError> {
        self.sync()?;
        self.written.rename()
    }

    /// Closes it, to be synced later.
    pub(crate) fn written(mut self) -> Result<Written, DurableError> {
        self.file.flush().map_err(failed("write", &self.written.temporary))?;
        Ok(self.written)
    }

    fn sync(&mut self) -> Result<(), DurableError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(failed("sync", &self.written.temporary))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that was written beside the one that it is to replace.
#[derive(Debug)]
pub(crate) struct Written {
    pub temporary: PathBuf,
    pub path: PathBuf,
    renamed: bool,
}

impl Written {
    /// Takes the other's place.
    pub fn rename(mut self) -> Result<(), DurableError> {
        fs::rename(&self.temporary, &self.path).map_err(failed("rename over", &self.path))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.renamed {
            // Whoever drops it unfinished has an error to tell already.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A file that only grows; each append is on disk when it returns. What a power cut left of the last one is for the reader
/// to recognize.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
    named: bool,
    failed: bool,
}

impl AppendFile {
    /// Opens or makes it. What is in it is durable afterwards, because an earlier process may have died before its sync; so is its
    /// name, or with the first append.
    pub fn open(path: &Path, mode: u32) -> Result<Self, DurableError> {
        let file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path).map_err(failed("open", path))?;
        let mut opened = Self { file, path: path.to_owned(), named: false, failed: false };
        if opened.file.metadata().map_err(failed("look at", path))?.len() > 0 {
            opened.sync()?;
        }
        Ok(opened)
    }

    fn sync(&mut self) -> Result<(), DurableError> {
        if self.named {
            return self.file.sync_data().map_err(failed("sync", &self.path));
        }
        self.file.sync_all().map_err(failed("sync", &self.path))?;
        sync_dir(parent(&self.path))?;
        self.named = true;
        Ok(())
    }

    /// Appends and syncs. After an error the end of the file is in doubt, and nothing more is appended.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        if self.failed {
            return Err(failed("append to", &self.path)(io::Error::other("an earlier append failed")));
        }
        let appended = self.file.write_all(bytes).map_err(failed("append to", &self.path));
        let synced = appended.and_then(|()| self.sync());
        self.failed = synced.is_err();
        synced
    }
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableError {
    let path = path.to_owned();
    move |source| DurableError { doing, path, source }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), DurableError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The mode is set again because the process's umask was taken off it.
fn new_file(path: &Path, mode: u32) -> Result<File, DurableError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed("create", path))?;
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed("set the mode of", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        create_new(&path, b"one", 0o600).unwrap();
        assert!(create_new(&path, b"two", 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        replace(&path, b"three", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(dir.path()), ["token"]);
        sync_tree(dir.path()).unwrap();
    }

    #[test]
    fn a_replacement_that_is_not_finished_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("package");
        replace(&path, b"old", 0o644).unwrap();
        let mut replacement = Replacement::begin(&path, 0o644).unwrap();
        replacement.write_all(b"half").unwrap();
        drop(replacement);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["package"]);
    }

    #[test]
    fn missing_folders_are_made_and_existing_ones_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        create_dirs(&path, 0o700).unwrap();
        create_dirs(&path, 0o755).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(create_dirs(&dir.path().join("file"), 0o700).is_err());
    }

    #[test]
    fn appends_follow_each_other_over_reopens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        for part in ["one ", "two ", "three"] {
            AppendFile::open(&path, 0o600).unwrap().append(part.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"one two three");
    }

    #[test]
    fn nothing_is_appended_after_a_failure() {
        let mut full = AppendFile { file: File::options().append(true).open("/dev/full").unwrap(), path: "x".into(), named: true, failed: false };
        assert_eq!(full.append(b"a").unwrap_err().source.kind(), io::ErrorKind::StorageFull);
        assert!(full.append(b"b").unwrap_err().source.to_string().contains("earlier"));
    }

    #[test]
    fn errors_name_the_file() {
        let error = replace(Path::new("/nonexistent/x"), b"", 0o600).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
