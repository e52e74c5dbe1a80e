//! Many files and folders that become durable together, side by side: a file system makes what is asked for at the same time
//! durable at once, so that ten cost little more than one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use crate::durable::{DurableError, Replacement, Written, failed, parent, set_mode, sync_dir};

/// Threads that sync.
const SIDE_BY_SIDE: usize = 8;
/// Up to so many files are made durable one by one; more of them by one sync of their whole file system, which also waits for
/// what everybody else has written there.
pub const ONE_BY_ONE: usize = 128;

/// What becomes durable when it is finished. Contents come first, then names: whoever looks after a power cut finds each
/// replaced file as it was, or as it is to be. Dropped before that, it replaces nothing.
#[derive(Debug, Default)]
pub struct Together {
    files: Vec<Written>,
    open: Vec<(File, PathBuf)>,
    file_systems: Vec<(File, PathBuf)>,
    folders: BTreeSet<PathBuf>,
}

impl Together {
    /// Replaces a file's content. `mode` is exact.
    pub fn replace(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), DurableError> {
        let mut file = Replacement::begin(path, mode)?;
        file.write_all(bytes).map_err(failed("write", path))?;
        self.file(file)
    }

    /// The same, by what was written into a replacement.
    pub fn file(&mut self, file: Replacement) -> Result<(), DurableError> {
        self.files.push(file.written()?);
        Ok(())
    }

    /// What was written into an open file; `path` is for messages.
    pub fn content(&mut self, file: File, path: &Path) {
        self.open.push((file, path.to_owned()));
    }

    /// All that was written to the file system of an open folder, by whomever.
    pub fn file_system(&mut self, folder: File, path: &Path) {
        self.file_systems.push((folder, path.to_owned()));
    }

    /// The names in a folder.
    pub fn names(&mut self, folder: &Path) {
        if !self.folders.contains(folder) {
            self.folders.insert(folder.to_owned());
        }
    }

    /// A folder and those above it that are missing; also the name of one that is there, because an earlier process may have died
    /// before its sync.
    pub fn create_dirs(&mut self, path: &Path, mode: u32) -> Result<(), DurableError> {
        self.names(parent(path));
        if path.is_dir() {
            return Ok(());
        }
        if !parent(path).is_dir() {
            self.create_dirs(parent(path), mode)?;
        }
        match fs::DirBuilder::new().mode(mode).create(path) {
            // The process's umask was taken off it.
            Ok(()) => set_mode(path, mode),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(e) => Err(failed("make the folder", path)(e)),
        }
    }

    /// Makes all of it durable.
    pub fn finish(mut self) -> Result<(), DurableError> {
        let mut contents: Vec<Content> = self.open.iter().map(|(file, path)| Content::Open(file, path)).collect();
        let of_files: BTreeSet<&Path> = self.files.iter().map(|file| parent(&file.path)).collect();
        if self.files.len() > ONE_BY_ONE {
            contents.extend(of_files.iter().map(|folder| Content::FileSystemOf(folder)));
        } else {
            contents.extend(self.files.iter().map(Content::Written));
        }
        for (folder, path) in &self.file_systems {
            sync_file_system(folder, path)?;
        }
        side_by_side(&contents, Content::sync)?;
        for file in std::mem::take(&mut self.files) {
            self.names(parent(&file.path));
            file.rename()?;
        }
        let folders: Vec<PathBuf> = std::mem::take(&mut self.folders).into_iter().collect();
        side_by_side(&folders, |folder| sync_dir(folder))
    }
}

enum Content<'a> {
    Written(&'a Written),
    Open(&'a File, &'a Path),
    FileSystemOf(&'a Path),
}

impl Content<'_> {
    fn sync(&self) -> Result<(), DurableError> {
        match self {
            Content::Written(file) => File::open(&file.temporary).and_then(|f| f.sync_all()).map_err(failed("sync", &file.path)),
            Content::Open(file, path) => file.sync_all().map_err(failed("sync", path)),
            Content::FileSystemOf(folder) => sync_file_system(&File::open(folder).map_err(failed("open", folder))?, folder),
        }
    }
}

fn sync_file_system(folder: &File, path: &Path) -> Result<(), DurableError> {
    nix::unistd::syncfs(folder).map_err(|e| failed("sync the file system of", path)(e.into()))
}

/// Does one thing after the other, several at the same time; the first error that one of them gives.
pub fn side_by_side<T: Sync, E: Send>(all: &[T], one: impl Fn(&T) -> Result<(), E> + Sync) -> Result<(), E> {
    let one = &one;
    if all.len() < 2 {
        return all.iter().try_for_each(one);
    }
    thread::scope(|scope| {
        let threads: Vec<_> = all.chunks(all.len().div_ceil(SIDE_BY_SIDE)).map(|part| scope.spawn(move || part.iter().try_for_each(one))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_before_it_is_finished_and_then_all_is() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c/d/e"].map(|name| dir.path().join(name));
        fs::write(&names[0], "old").unwrap();
        let write = |finish: bool| {
            let mut together = Together::default();
            together.create_dirs(names[2].parent().unwrap(), 0o700).unwrap();
            names.iter().for_each(|name| together.replace(name, b"new", 0o600).unwrap());
            if finish {
                together.finish().unwrap()
            }
        };
        write(false);
        assert_eq!(fs::read_to_string(&names[0]).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "what was not finished leaves nothing but folders");
        write(true);
        assert!(names.iter().all(|name| fs::read_to_string(name).unwrap() == "new"));
    }

    #[test]
    fn one_error_of_many_is_told() {
        let numbers: Vec<u32> = (0..100).collect();
        assert_eq!(side_by_side(&numbers, |n| if *n == 77 { Err(*n) } else { Ok(()) }), Err(77));
        assert_eq!(side_by_side(&numbers, |_| Ok::<(), ()>(())), Ok(()));
    }
}
