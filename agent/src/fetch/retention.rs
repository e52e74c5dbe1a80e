//! What leaves the host again: releases that are neither in use nor among the newest of their app, rendered configurations that
//! are not in use (they hold secrets), then manifests that nothing needs, then objects that no manifest names.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pilotage_bundle::appspec;
use pilotage_bundle::configuration::render;
use pilotage_bundle::objects::ObjectError;
use pilotage_shared::configuration::Configuration;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;
use tracing::warn;

use super::store::Store;
use crate::layout::Layout;

/// Releases of an app that are kept, those in use included, when it does not say (`x-pilotage: retain`); also manifests of packages that were not unpacked yet, so that an
/// interrupted fetch goes on where it was.
const KEPT: usize = 3;

/// Why something could not be removed; nothing that is needed is gone.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A folder or file.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is kept is not known, so nothing more is removed.
    #[error("failed to understand the manifest {0}")]
    Manifest(PathBuf),
    /// The objects.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SweepError {
    let path = path.to_owned();
    move |source| SweepError::Io { doing, path, source }
}

/// Removes an app's old releases and what only they needed. A release loses its name at once, in one step: what is left of it
/// after a crash is never taken for staged. The rest is done on a blocking thread; to be called within the runtime.
pub fn sweep(layout: &Layout, app: &AppName, in_use: &[Release]) -> Result<(), SweepError> {
    let store = Store::of(layout)?;
    let releases = layout.releases(app);
    let packages: Vec<Digest> = in_use.iter().map(|r| r.package).collect();
    let mut aside = unused_configs(layout, &store, app, in_use)?;
    for package in surplus(dated(&releases)?, &packages, kept(layout, app, &packages)) {
        let (release, gone) = (layout.release(app, &package), store.aside(&releases, &package));
        fs::rename(&release, &gone).map_err(failed("set aside", &release))?;
        aside.push(gone);
    }
    let layout = layout.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = aside.iter().try_for_each(|gone| remove(gone)).and_then(|()| clear(&layout, &store, &packages)) {
            warn!(error = crate::link::said(&error), "what is not needed any more could not be removed");
        }
    });
    Ok(())
}

/// Rendered for releases that are not in use: set aside, so that none is taken for whole while it goes.
fn unused_configs(layout: &Layout, store: &Store, app: &AppName, in_use: &[Release]) -> Result<Vec<PathBuf>, SweepError> {
    let configs = layout.configs(app);
    let kept: BTreeSet<String> = in_use.iter().filter_map(Release::config_folder).collect();
    let mut aside = Vec::new();
    for path in entries(&configs)?.into_iter().filter(|path| !name(path).starts_with('.') && !kept.contains(&name(path))) {
        let gone = store.aside(&configs, &Digest::of(name(&path).as_bytes()));
        fs::rename(&path, &gone).map_err(failed("set aside", &path))?;
        aside.push(gone);
    }
    Ok(aside)
}

/// Leftovers, manifests, objects; left for the next sweep while anything is being staged.
pub(super) fn clear(layout: &Layout, store: &Store, in_use: &[Digest]) -> Result<(), SweepError> {
    let Some(_alone) = store.alone() else { return Ok(()) };
    let mut needed: BTreeSet<Digest> = in_use.iter().copied().collect();
    for app in entries(&layout.state.join("apps"))? {
        let releases = app.join("releases");
        for entry in entries(&releases)?.into_iter().filter(|e| name(e).starts_with('.')) {
            remove(&entry)?;
        }
        needed.extend(dated(&releases)?.into_iter().map(|(_, package)| package));
        for entry in entries(&app.join("configs"))? {
            match render::seal(&entry) {
                _ if name(&entry).starts_with('.') => remove(&entry)?,
                Ok(seal) => drop(needed.insert(seal.config)),
                // One that is damaged is found by the run that would use it.
                Err(_) => {}
            }
        }
    }
    let (manifests, configurations) = (layout.private().join("manifests"), layout.private().join("configurations"));
    for folder in [&manifests, &configurations] {
        let mut idle = dated(folder)?;
        idle.retain(|(_, digest)| !needed.contains(digest));
        for digest in surplus(idle, &[], KEPT) {
            let path = folder.join(digest.hex());
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    let mut named = named(layout, &manifests)?;
    for (_, digest) in dated(&configurations)? {
        let path = layout.configuration(&digest);
        let text = fs::read(&path).map_err(failed("read", &path))?;
        let configuration = Configuration::decode(&text).map_err(|_| SweepError::Manifest(path))?;
        named.extend(configuration.objects().into_keys());
    }
    for digest in store.objects.list()?.iter().filter(|d| !named.contains(d)) {
        store.objects.remove(digest)?;
    }
    Ok(())
}

/// `x-pilotage: retain` of what runs; of a release that cannot be read nothing is known.
fn kept(layout: &Layout, app: &AppName, in_use: &[Digest]) -> usize {
    let retain = |package: &Digest| {
        let manifest = Manifest::decode(&fs::read(layout.manifest(package)).ok()?).ok()?;
        let spec = fs::read(layout.release(app, package).join(&manifest.appspec)).ok()?;
        appspec::parse(&spec).ok()?.ours?.retain
    };
    in_use.first().and_then(retain).unwrap_or(KEPT)
}

/// All but the newest and those in use, oldest first.
fn surplus(mut found: Vec<(SystemTime, Digest)>, in_use: &[Digest], kept: usize) -> Vec<Digest> {
    found.sort();
    let old = found.len().saturating_sub(kept);
    found.into_iter().take(old).map(|(_, package)| package).filter(|package| !in_use.contains(package)).collect()
}

/// Every object that a manifest on this host names.
fn named(layout: &Layout, manifests: &Path) -> Result<BTreeSet<Digest>, SweepError> {
    let mut named = BTreeSet::new();
    for (_, package) in dated(manifests)? {
        let path = layout.manifest(&package);
        let text = fs::read(&path).map_err(failed("read", &path))?;
        let manifest = Manifest::decode(&text).map_err(|_| SweepError::Manifest(path))?;
        named.extend(manifest.objects().into_keys());
    }
    Ok(named)
}

/// Entries that are named by a digest, with the time of their last change. A folder that is not there has none.
fn dated(folder: &Path) -> Result<Vec<(SystemTime, Digest)>, SweepError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if let Ok(digest) = format!("sha256:{}", name(&path)).parse::<Digest>() {
            let changed = path.metadata().and_then(|m| m.modified()).map_err(failed("look at", &path))?;
            found.push((changed, digest));
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, SweepError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.and_then(|all| all.map(|e| Ok(e?.path())).collect()).map_err(failed("list", folder)),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A whole tree; one that is gone already is fine (two sweeps may meet).
fn remove(path: &Path) -> Result<(), SweepError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(failed("remove", path)),
    }
}
