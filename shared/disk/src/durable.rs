//! Files that are replaced for good: after the call returns, either the old or the new content survives a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DurableError {
    let path = path.to_owned();
    move |source| DurableError { doing, path, source }
}

/// Replaces a file's content: temporary file beside it, fsync, rename, fsync of the folder. `mode` is exact.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let folder = parent(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.new", std::process::id()));
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove an old", &temporary)(e)),
        _ => {}
    }
    write_new(&temporary, bytes, mode)?;
    fs::rename(&temporary, path).map_err(failed("rename over", path))?;
    sync_dir(folder)
}

/// Makes a file that must not exist yet, durably.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    write_new(path, bytes, mode)?;
    sync_dir(parent(path))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed("create", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    file.set_permissions(permissions).map_err(failed("set the mode of", path))?;
    file.sync_all().map_err(failed("sync", path))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
pub fn sync_dir(path: &Path) -> Result<(), DurableError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(failed("sync the folder", path))
}

/// Syncs every file and folder below `path`, `path` itself, and its parent.
pub fn sync_tree(path: &Path) -> Result<(), DurableError> {
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        let kind = entry.file_type().map_err(failed("look at", &entry.path()))?;
        if kind.is_dir() {
            sync_tree_below(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path()).and_then(|f| f.sync_all()).map_err(failed("sync", &entry.path()))?;
        }
    }
    sync_dir(path)?;
    sync_dir(parent(path))
}

fn sync_tree_below(path: &Path) -> Result<(), DurableError> {
    sync_tree(path)
}

/// A file that only grows; each append is on disk when it returns.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
}

impl AppendFile {
    /// Opens or makes it; a new one's name is durable too.
    pub fn open(path: &Path, mode: u32) -> Result<Self, DurableError> {
        let file = fs::OpenOptions::new().append(true).create(true).mode(mode).open(path).map_err(failed("open", path))?;
        sync_dir(parent(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends and syncs.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DurableError> {
        self.file.write_all(bytes).map_err(failed("append to", &self.path))?;
        self.file.sync_data().map_err(failed("sync", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        create_new(&path, b"one", 0o600).unwrap();
        assert!(create_new(&path, b"two", 0o600).is_err());
        replace(&path, b"three", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        sync_tree(dir.path()).unwrap();
    }

    #[test]
    fn errors_name_the_file() {
        let error = replace(Path::new("/nonexistent/x"), b"", 0o600).unwrap_err();
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
