//! Many objects stored at once. Each of them takes its name only when its content is on disk, but they come there by one sync of the
//! file system, not by two syncs each.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use pilotage_shared::digest::Digest;

use super::{ObjectError, Objects, check_raw, io};

/// So many objects, or contents of so many bytes, are made durable before more are taken.
const COUNT: usize = 4096;
const BYTES: u64 = 256 << 20;
/// Up to so many are synced one by one: a sync of the whole file system also waits for what everybody else has written.
const FEW: usize = 16;

/// Objects that have no names yet. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Batch<'a> {
    objects: &'a Objects,
    waiting: Vec<(PathBuf, Digest)>,
    bytes: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(objects: &'a Objects) -> Self {
        Self { objects, waiting: Vec::new(), bytes: 0 }
    }

    /// Takes compressed bytes as they were sent, after what they hold was found to be `wanted` of `size` bytes. Never takes more of
    /// them than [`compressed_max`](super::compressed_max) of that size.
    pub fn import_raw(&mut self, wanted: &Digest, size: u64, compressed: impl Read) -> Result<(), ObjectError> {
        let temporary = self.objects.temporary();
        let result =
            File::create_new(&temporary).map_err(io("create", &temporary)).and_then(|file| check_raw(wanted, size, compressed, &temporary, &file));
        if result.is_err() {
            let _ = fs::remove_file(&temporary); // swept at the next open as well
        }
        result?;
        self.waiting.push((temporary, *wanted));
        self.bytes = self.bytes.saturating_add(size);
        if self.waiting.len() >= COUNT || self.bytes >= BYTES { self.finish() } else { Ok(()) }
    }

    /// All that was taken is stored, durably.
    pub fn finish(&mut self) -> Result<(), ObjectError> {
        let many = self.waiting.len() > FEW;
        if many {
            sync_file_system(&self.objects.folder)?;
        } else {
            self.waiting.iter().try_for_each(|(temporary, _)| sync(temporary))?;
        }
        self.bytes = 0;
        let (mut folders, mut made) = (BTreeSet::new(), false);
        for (temporary, digest) in self.waiting.drain(..) {
            let path = self.objects.path(&digest);
            let folder = path.parent().unwrap_or(&self.objects.folder).to_owned();
            if !folder.exists() {
                fs::create_dir_all(&folder).map_err(io("make the folder", &folder))?;
                made = true;
            }
            fs::rename(&temporary, &path).map_err(io("rename to", &path))?;
            folders.insert(folder);
        }
        if many {
            return sync_file_system(&self.objects.folder);
        }
        folders.iter().try_for_each(|folder| sync(folder))?;
        if made { sync(&self.objects.folder) } else { Ok(()) }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (temporary, _) in &self.waiting {
            let _ = fs::remove_file(temporary); // swept at the next open as well
        }
    }
}

fn sync(path: &Path) -> Result<(), ObjectError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(io("sync", path))
}

fn sync_file_system(folder: &Path) -> Result<(), ObjectError> {
    let open = File::open(folder).map_err(io("open", folder))?;
    nix::unistd::syncfs(open).map_err(|errno| io("sync the file system of", folder)(errno.into()))
}
