//! What leaves again: deployments of a group over `max_revisions` (J8), then releases, manifests and objects that nothing needs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use pilotage_bundle::Objects;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::Manifest;

use super::group::{Deployed, Group};
use super::root::Root;
use crate::layout::Layout;

/// Keeps `most` deployments in all, the new one included; the last successful one whatever its age.
pub fn old_deployments(root: &Root, group: &Group, new: &Deployed, most: usize) -> anyhow::Result<()> {
    let folder = root.dir().join(&group.name);
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for path in entries(&folder)? {
        let meta = path.symlink_metadata().with_context(|| format!("failed to look at {}", path.display()))?;
        if meta.is_dir() {
            found.push((meta.modified()?, path));
        }
    }
    let kept = |path: &Path| [Some(new), group.committed.as_ref()].into_iter().flatten().any(|d| path.ends_with(&d.deployment));
    found.sort();
    let mut surplus = found.len().saturating_sub(most);
    for (_, path) in found {
        if surplus > 0 && !kept(&path) {
            surplus -= 1;
            fs::remove_dir_all(&path).with_context(|| format!("failed to remove the old deployment {}", path.display()))?;
        }
    }
    Ok(())
}

/// Releases that no deployment of the group is of, and what only they needed.
pub fn releases(root: &Root, state: &Layout, group: &Group) -> anyhow::Result<()> {
    let mut needed: BTreeSet<PathBuf> = group.committed.iter().chain(&group.unfinished).map(|d| state.release(&group.app, &d.package)).collect();
    for deployment in entries(&root.dir().join(&group.name))? {
        needed.extend(deployment.join("deployment-archive").canonicalize().ok());
    }
    for release in entries(&state.releases(&group.app))? {
        if !needed.contains(&release) {
            fs::remove_dir_all(&release).with_context(|| format!("failed to remove the release {}", release.display()))?;
        }
    }
    contents(state)
}

/// Manifests of packages that are nowhere unpacked, and objects that no manifest names.
fn contents(state: &Layout) -> anyhow::Result<()> {
    let mut unpacked: BTreeSet<String> = BTreeSet::new();
    for app in entries(&state.state.join("apps"))? {
        unpacked.extend(entries(&app.join("releases"))?.iter().filter_map(|r| Some(r.file_name()?.to_str()?.to_owned())));
    }
    let mut named: BTreeSet<Digest> = BTreeSet::new();
    for path in entries(&state.private().join("manifests"))? {
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|name| unpacked.contains(name)) {
            let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            named.extend(Manifest::decode(&text).with_context(|| format!("the manifest {} is damaged", path.display()))?.objects().into_keys());
        } else {
            fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    let objects = Objects::open(&state.private().join("objects"))?;
    for digest in objects.list()?.iter().filter(|d| !named.contains(d)) {
        objects.remove(digest)?;
    }
    Ok(())
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("failed to list {}", folder.display());
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(failed)?.map(|entry| Ok(entry.with_context(failed)?.path())).collect(),
    }
}
