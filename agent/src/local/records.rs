//! `deployment-instructions/`: what CodeDeploy's agent writes there (D1, D7, D8), written for whoever reads it, and read once
//! when a group comes from CodeDeploy. What we ourselves go by is our own durable record; D5 and D6 have nothing to break here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pilotage_bundle::appspec;
use pilotage_disk::durable;
use pilotage_shared::manifest::{Kind, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bundle;
use super::group::{Deployed, Group};
use super::root::Root;
use super::words;
use crate::layout::Layout;

/// What a group has put at its destinations, as the deployer keeps it (`private/installed/<app>`).
#[derive(Default, Serialize, Deserialize)]
struct Installed {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

/// D8: the bundle is unpacked.
pub fn most_recent(root: &Root, group: &str, deployed: &Deployed) -> anyhow::Result<()> {
    let folder = root.deployment(group, &deployed.deployment);
    write(root, &format!("{group}_most_recent_install"), folder.as_os_str().as_bytes())
}

/// D1, D7, D8 with G4 mended: after the whole deployment.
pub fn committed(root: &Root, state: &Layout, group: &Group, deployed: &Deployed) -> anyhow::Result<()> {
    let path = state.private().join("installed").join(group.app.as_str());
    let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let installed: Installed = serde_json::from_slice(&text).with_context(|| format!("the record {} is damaged", path.display()))?;
    write(root, &format!("{}-cleanup", group.name), &cleanup(&installed))?;
    let archive = root.deployment(&group.name, &deployed.deployment).join("deployment-archive");
    let instructions = serde_json::to_vec(&json!({ "instructions": instructions(&installed, state, group, deployed, &archive)? }))?;
    write(root, &format!("{}-install.json", group.name), &instructions)?;
    let folder = root.deployment(&group.name, &deployed.deployment);
    write(root, &format!("{}_last_successful_install", group.name), folder.as_os_str().as_bytes())
}

/// One path a line, folders before what lies in them. A name that would be two lines is left out: CodeDeploy could not read
/// the list any more (D6).
fn cleanup(installed: &Installed) -> Vec<u8> {
    let all: BTreeSet<&PathBuf> = installed.folders.iter().chain(&installed.files).collect();
    let lines = all.iter().map(|path| path.as_os_str().as_bytes()).filter(|line| !line.contains(&b'\n'));
    lines.flat_map(|line| [line, b"\n"].concat()).collect()
}

fn instructions(installed: &Installed, state: &Layout, group: &Group, deployed: &Deployed, archive: &Path) -> anyhow::Result<Vec<Value>> {
    let path = state.manifest(&deployed.package);
    let manifest = Manifest::decode(&fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?)?;
    let text = fs::read(state.release(&group.app, &deployed.package).join(&manifest.appspec)).context("failed to read the AppSpec")?;
    let spec = appspec::parse(&text)?;
    let source = |to: &Path| {
        spec.files.iter().find_map(|rule| {
            let below = to.strip_prefix(&rule.destination).ok()?;
            let whole = matches!(manifest.get(&rule.source).map(|e| &e.kind), Some(Kind::File { .. } | Kind::Link { .. }));
            match whole {
                true => (Path::new(&rule.source).file_name() == Some(below.as_os_str())).then(|| archive.join(&rule.source)),
                false => Some(archive.join(&rule.source).join(below)).filter(|from| from.symlink_metadata().is_ok()),
            }
        })
    };
    let mut all: Vec<Value> = installed.folders.iter().map(|folder| json!({"type": "mkdir", "directory": folder})).collect();
    all.extend(installed.files.iter().filter_map(|to| Some(json!({"type": "copy", "source": source(to)?, "destination": to}))));
    Ok(all)
}

fn write(root: &Root, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = root.instructions().join(name);
    durable::replace(&path, bytes, 0o644).with_context(|| format!("failed to write {}", path.display()))
}

/// A group that CodeDeploy's agent has deployed: what it has installed is ours from now on, and the revision of its last
/// successful deployment is what runs. Nothing is touched.
pub fn take_over(root: &Root, state: &Layout, group: &mut Group) -> anyhow::Result<()> {
    let record = |name: String| trusted(&root.instructions().join(name));
    let Some(list) = record(format!("{}-cleanup", group.name))? else { return Ok(()) };
    let mut installed = Installed::default();
    // The last line counts only when it was written whole (D3); entries of SELinux hold a zero.
    for line in list.split_inclusive(|b| *b == b'\n').filter_map(|l| l.strip_suffix(b"\n")).filter(|l| l.starts_with(b"/") && !l.contains(&0)) {
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(line));
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => installed.folders.insert(path),
            Ok(_) => installed.files.insert(path),
            Err(_) => false,
        };
    }
    let path = state.private().join("installed").join(group.app.as_str());
    durable::replace(&path, &serde_json::to_vec(&installed)?, 0o600)?;
    let last = record(format!("{}_last_successful_install", group.name))?.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let archive = last.as_ref().map(|folder| Path::new(folder).join("deployment-archive")).filter(|archive| archive.is_dir());
    let taken = archive.as_ref().map(|archive| bundle::take(archive, None, state, &group.app)).transpose();
    let (files, name) = (installed.files.len(), &group.name);
    match (taken, last.as_deref().and_then(|l| Path::new(l).file_name())) {
        (Ok(Some(taken)), Some(deployment)) => {
            let deployment = deployment.to_string_lossy().into_owned();
            words::say(&format!("{name} was deployed by CodeDeploy: {deployment} and its {files} files are taken over"));
            group.take_over(state, Deployed { deployment, attempt: 0, package: taken.digest })
        }
        (Ok(_), _) => {
            words::say(&format!("{name} was deployed by CodeDeploy: its {files} files are taken over; there is no revision to go back to"));
            Ok(())
        }
        (Err(error), _) => {
            words::say(&format!("{name} was deployed by CodeDeploy: its {files} files are taken over; its revision cannot be used ({error:#})"));
            Ok(())
        }
    }
}

/// A record that only root (or we) could have written.
fn trusted(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(None) };
    let us = nix::unistd::geteuid().as_raw();
    if !meta.is_file() || (meta.uid() != 0 && meta.uid() != us) || meta.mode() & 0o022 != 0 {
        anyhow::bail!("{} is not used: others than root can write it", path.display());
    }
    Ok(Some(fs::read(path).with_context(|| format!("failed to read {}", path.display()))?))
}
