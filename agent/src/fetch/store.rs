//! The host's store of objects: one for the whole process, because opening it clears what is being written into it, and
//! because two stores would give the same temporary name to different contents.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pilotage_bundle::Objects;
use pilotage_bundle::objects::ObjectError;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::layout::Layout;

/// By folder; a process has one state directory, its tests have many.
static OPEN: Mutex<BTreeMap<PathBuf, Arc<Store>>> = Mutex::new(BTreeMap::new());

/// The objects, and who may use them now.
#[derive(Debug)]
pub struct Store {
    /// Contents of files by digest.
    pub objects: Objects,
    /// Shared by stagings, alone for a sweep.
    gate: Arc<RwLock<()>>,
    aside: AtomicU64,
}

impl Store {
    /// The one store of a state directory; opened at its first use. Blocks.
    pub fn of(layout: &Layout) -> Result<Arc<Store>, ObjectError> {
        let folder = layout.private().join("objects");
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = open.get(&folder) {
            return Ok(store.clone());
        }
        let store = Arc::new(Store { objects: Objects::open(&folder)?, gate: Arc::default(), aside: AtomicU64::new(0) });
        open.insert(folder, store.clone());
        Ok(store)
    }

    /// While it is held nothing is swept.
    pub async fn shared(&self) -> OwnedRwLockReadGuard<()> {
        self.gate.clone().read_owned().await
    }

    /// For a sweep: nobody is staging, and nobody begins to. None while somebody is.
    pub fn alone(&self) -> Option<OwnedRwLockWriteGuard<()>> {
        self.gate.clone().try_write_owned().ok()
    }

    /// A name beside a release that no other staging or removal uses. It begins with a dot: no release does.
    pub fn aside(&self, releases: &Path, package: &Digest) -> PathBuf {
        releases.join(format!(".{}.{}", package.hex(), self.aside.fetch_add(1, Ordering::Relaxed)))
    }

    /// Removes objects of the manifest that are not what their names say, so that they are fetched again. Reads all of them.
    pub fn discard_damaged(&self, manifest: &Manifest) -> Result<usize, ObjectError> {
        let mut damaged = 0;
        for digest in manifest.objects().keys().filter(|d| self.objects.has(d)) {
            let read = self.objects.read(digest).map(|mut content| io::copy(&mut content, &mut io::sink()));
            if matches!(read, Ok(Ok(_))) {
                continue;
            }
            self.objects.remove(digest)?;
            damaged += 1;
        }
        Ok(damaged)
    }
}
