//! Staging: the bits of a release come to this host, are verified, unpacked, and looked at, before anything is stopped
//! (promise 3). Nothing of the package is executed.
//!
//! Several stagings may be under way at once (a newer intent does not end an older one's fetching): each unpacks under a name
//! of its own, and all share one [`Store`]. What is not needed any more goes in `retention`.

mod configuration;
mod overlap;
mod preflight;
mod retention;
#[cfg(test)]
pub mod stand_in;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use pilotage_bundle::unpack::{UnpackError, unpack};
use pilotage_bundle::{Objects, pack};
use pilotage_client::agent::Coordinator;
use pilotage_disk::{durable, space};
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::{MANIFEST_MAX, OBJECTS_PER_REQUEST};
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::{AppName, Why};
use pilotage_shared::release::Release;

use crate::layout::Layout;
use crate::link::said;
use crate::secrets::Secrets;
pub use preflight::check as preflight;
pub use retention::sweep;
use store::Store;

/// Bytes that stay free whatever is unpacked.
const RESERVE: u64 = 64 << 20;

/// Why a release could not be staged; short enough to be reported.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StageError(Why);

fn fail(text: impl std::fmt::Display) -> StageError {
    StageError(Why::lossy(&text.to_string()))
}

impl StageError {
    /// For the coordinator.
    pub fn why(&self) -> Why {
        self.0.clone()
    }
}

/// Fetches what is missing, verifies, unpacks, looks. Doing it again is cheap and harmless: what has arrived stays.
pub async fn stage(coordinator: Arc<Coordinator>, layout: Layout, app: AppName, release: Release, secrets: Arc<Secrets>) -> Result<(), StageError> {
    let opening = layout.clone();
    let store = blocking(move || Store::of(&opening).map_err(|e| fail(said(&e)))).await?;
    let _not_swept = store.shared().await;
    let manifest = manifest(&coordinator, &layout, &release.package).await?;
    let folder = layout.release(&app, &release.package);
    if !folder.exists() {
        fetch_objects(&coordinator, &layout, &store, manifest.objects(), manifest.bytes()).await?;
        let (layout, store, manifest, app) = (layout.clone(), store.clone(), manifest.clone(), app.clone());
        blocking(move || install(&layout, &store, &manifest, &app, &release.package)).await?;
    }
    let (seen, named) = (layout.clone(), app.clone());
    blocking(move || {
        let spec = preflight::check(&folder.join(&manifest.appspec)).map_err(|e| fail(said(&e)))?;
        overlap::check(&seen, &named, &manifest, &spec).map_err(|e| fail(said(&e)))
    })
    .await?;
    configuration::bring(&coordinator, layout, store, app, release, secrets).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StageError> + Send + 'static) -> Result<T, StageError> {
    tokio::task::spawn_blocking(work).await.map_err(fail)?
}

/// The manifest, from disk or from the coordinator; judged before anything that it names is fetched.
async fn manifest(coordinator: &Coordinator, layout: &Layout, package: &Digest) -> Result<Manifest, StageError> {
    let path = layout.manifest(package);
    if let Ok(text) = fs::read(&path)
        && let Some(manifest) = Manifest::decode(&text).ok().filter(|m| m.digest() == *package)
    {
        return Ok(manifest);
    }
    let answer = coordinator.manifest(package).await.map_err(|e| fail(format!("manifest of {}: {}", package.short(), said(&e))))?;
    let text = answer.all(MANIFEST_MAX as usize).await.map_err(|e| fail(said(&e)))?;
    let manifest = Manifest::decode(&text).map_err(fail)?;
    if manifest.digest() != *package {
        return Err(fail(format!("the coordinator sent another manifest for {}", package.short())));
    }
    durable::replace(&path, &text, 0o600).map_err(|e| fail(said(&e)))?;
    Ok(manifest)
}

/// Brings the objects that are not here; `unpacked` bytes are made of all of them.
async fn fetch_objects(
    coordinator: &Coordinator,
    layout: &Layout,
    store: &Arc<Store>,
    wanted: BTreeMap<Digest, u64>,
    unpacked: u64,
) -> Result<(), StageError> {
    let missing = Arc::new(missing(&store.objects, &wanted));
    let free = space::free_bytes(&layout.state).map_err(fail)?;
    room(free, unpacked, missing.values().sum(), &layout.state)?;
    let names: Vec<Digest> = missing.keys().copied().collect();
    for part in names.chunks(OBJECTS_PER_REQUEST) {
        let reader = coordinator.objects(part).await.map_err(|e| fail(format!("objects: {}", said(&e))))?.into_blocking_reader();
        let (store, missing) = (store.clone(), missing.clone());
        blocking(move || pack::read(&store.objects, &missing, reader).map_err(|e| fail(format!("objects: {}", said(&e))))).await?;
    }
    match self::missing(&store.objects, &wanted).first_key_value() {
        Some((digest, _)) => Err(fail(format!("objects: the coordinator did not send {} of {} objects", digest.short(), names.len()))),
        None => Ok(()),
    }
}

fn missing(objects: &Objects, wanted: &BTreeMap<Digest, u64>) -> BTreeMap<Digest, u64> {
    wanted.iter().filter(|(digest, _)| !objects.has(digest)).map(|(digest, size)| (*digest, *size)).collect()
}

/// Room for the release twice and a tenth (its objects, itself, and what it installs take as much), for the objects that are
/// not here yet when they are more, and a reserve; all in bytes.
fn room(free: u64, unpacked: u64, objects: u64, state: &Path) -> Result<(), StageError> {
    let need = (unpacked.saturating_mul(21) / 10).max(unpacked.saturating_add(objects)).saturating_add(RESERVE);
    if free < need {
        return Err(fail(format!("disk: {} MB are free at {}, staging needs {} MB", free >> 20, state.display(), need.div_ceil(1 << 20))));
    }
    Ok(())
}

/// Unpacked under a name of its own, then renamed: a release directory is whole or not there.
fn install(layout: &Layout, store: &Store, manifest: &Manifest, app: &AppName, package: &Digest) -> Result<(), StageError> {
    let releases = layout.releases(app);
    make_folders(&layout.state, &releases).map_err(|e| fail(format!("failed to make {}: {e}", releases.display())))?;
    let staging = store.aside(&releases, package);
    if let Err(error) = unpack(manifest, &store.objects, &staging) {
        let damaged = if may_be_damage(&error) { store.discard_damaged(manifest).map_err(|e| fail(said(&e)))? } else { 0 };
        let again = if damaged > 0 { format!(" ({damaged} damaged objects will be fetched again)") } else { String::new() };
        return Err(fail(format!("{}{again}", said(&error))));
    }
    let release = layout.release(app, package);
    match fs::rename(&staging, &release) {
        // Another staging of the same package was faster; ours is the same.
        Err(_) if release.is_dir() => fs::remove_dir_all(&staging).map_err(fail)?,
        other => other.map_err(fail)?,
    }
    durable::sync_dir(&releases).map_err(|e| fail(said(&e)))
}

/// A damaged object shows as one that cannot be opened, or that fails at its end; a full disk does not.
fn may_be_damage(error: &UnpackError) -> bool {
    match error {
        UnpackError::Object(_) => true,
        UnpackError::Io { source, .. } => !matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
    }
}

/// Folders between the state directory and the releases: 0755 whatever the umask, durable; those that are there stay.
fn make_folders(state: &Path, releases: &Path) -> io::Result<()> {
    let below = releases.strip_prefix(state).map_err(io::Error::other)?;
    let mut folder = state.to_owned();
    for name in below.components() {
        let parent = folder.clone();
        folder.push(name);
        match fs::DirBuilder::new().mode(0o755).create(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
                durable::sync_dir(&parent).map_err(io::Error::other)?;
            }
            // Another staging of the app may make it at the same moment.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
