//! Staging: the bits of a release come to this host, are verified, unpacked, and looked at, before anything is stopped
//! (promise 3). Nothing of the package is executed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use pilotage_bundle::appspec::{self, AppSpec};
use pilotage_bundle::unpack::unpack;
use pilotage_bundle::{Objects, pack};
use pilotage_client::agent::Coordinator;
use pilotage_disk::{durable, space};
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::{APPSPEC_MAX, MANIFEST_MAX, OBJECTS_PER_REQUEST};
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::{AppName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;

use crate::layout::Layout;
use crate::link::said;

/// Bytes that stay free whatever is unpacked.
const RESERVE: u64 = 64 << 20;
/// Releases of an app that are kept beside those in use.
const KEPT: usize = 3;

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

/// Fetches what is missing, verifies, unpacks, looks. Doing it again is cheap and harmless.
pub async fn stage(coordinator: Arc<Coordinator>, layout: Layout, app: AppName, release: Release) -> Result<(), StageError> {
    let manifest = manifest(&coordinator, &layout, &release.package).await?;
    let folder = layout.release(&app, &release.package);
    if !folder.exists() {
        fetch_objects(&coordinator, &layout, &manifest).await?;
        let (layout, manifest, app) = (layout.clone(), manifest.clone(), app.clone());
        blocking(move || install(&layout, &manifest, &app, &release.package)).await?;
    }
    let appspec = folder.join(&manifest.appspec);
    blocking(move || preflight(&appspec)).await
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

async fn fetch_objects(coordinator: &Coordinator, layout: &Layout, manifest: &Manifest) -> Result<(), StageError> {
    let objects = Arc::new(Objects::open(&layout.private().join("objects")).map_err(|e| fail(said(&e)))?);
    let missing: BTreeMap<Digest, u64> = manifest.objects().into_iter().filter(|(digest, _)| !objects.has(digest)).collect();
    let need = manifest.bytes() + missing.values().sum::<u64>() + RESERVE;
    let free = space::free_bytes(&layout.state).map_err(fail)?;
    if free < need {
        return Err(fail(format!("disk: {} MB are free at {}, staging needs {} MB", free >> 20, layout.state.display(), need >> 20)));
    }
    let names: Vec<Digest> = missing.keys().copied().collect();
    for part in names.chunks(OBJECTS_PER_REQUEST) {
        let reader = coordinator.objects(part).await.map_err(|e| fail(format!("objects: {}", said(&e))))?.into_blocking_reader();
        let (objects, missing) = (objects.clone(), missing.clone());
        blocking(move || pack::read(&objects, &missing, reader).map_err(|e| fail(said(&e)))).await?;
    }
    Ok(())
}

/// Unpacked under a name of its own, then renamed: a release directory is whole or not there.
fn install(layout: &Layout, manifest: &Manifest, app: &AppName, package: &Digest) -> Result<(), StageError> {
    let objects = Objects::open(&layout.private().join("objects")).map_err(|e| fail(said(&e)))?;
    let releases = layout.releases(app);
    fs::create_dir_all(&releases).map_err(fail)?;
    let staging = releases.join(format!(".{}.new", package.hex()));
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(fail)?;
    }
    unpack(manifest, &objects, &staging).map_err(|e| fail(said(&e)))?;
    fs::rename(&staging, layout.release(app, package)).map_err(fail)?;
    durable::sync_dir(&releases).map_err(|e| fail(said(&e)))
}

/// Ours, before anything is stopped: the AppSpec is read, its users exist (unless BeforeInstall may make them), its
/// destinations are not something else.
fn preflight(path: &Path) -> Result<(), StageError> {
    let text = fs::read(path).map_err(fail)?;
    if text.len() as u64 > APPSPEC_MAX {
        return Err(fail("the AppSpec is too long"));
    }
    let spec = appspec::parse(&text).map_err(fail)?;
    let makes_users = !spec.scripts(Event::BeforeInstall).is_empty();
    for script in spec.hooks.values().flatten() {
        let Some(user) = &script.runas else { continue };
        let known = nix::unistd::User::from_name(user).map_err(fail)?.is_some();
        if !known && !makes_users {
            return Err(fail(format!("preflight: line {}: there is no user {user:?} on this host", script.line)));
        }
    }
    destinations(&spec)
}

fn destinations(spec: &AppSpec) -> Result<(), StageError> {
    for rule in &spec.files {
        let nearest = Path::new(&rule.destination).ancestors().find(|p| p.exists());
        if nearest.is_some_and(|p| !p.is_dir()) {
            return Err(fail(format!("preflight: line {}: the destination {} lies below a file", rule.line, rule.destination)));
        }
    }
    Ok(())
}

/// Removes releases that are neither in use nor among the newest, and objects that no kept manifest names.
pub fn sweep(layout: &Layout, app: &AppName, in_use: &[Digest]) -> std::io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(layout.releases(app))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Ok(digest) = format!("sha256:{name}").parse::<Digest>() {
            found.push((entry.metadata()?.modified()?, digest));
        }
    }
    found.sort();
    let old = found.iter().rev().skip(KEPT).filter(|(_, digest)| !in_use.contains(digest));
    for (_, digest) in old {
        fs::remove_dir_all(layout.release(app, digest))?;
    }
    Ok(())
}
