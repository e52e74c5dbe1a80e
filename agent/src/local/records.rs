//! `deployment-instructions/`: what CodeDeploy's agent writes there (D1, D7, D8), written for whoever reads it, and read once
//! when a group comes from CodeDeploy. What we ourselves go by is our own durable record; D5 and D6 have nothing to break here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pilotage_bundle::appspec::{self, AppSpec};
use pilotage_disk::durable;
use pilotage_shared::manifest::{Kind, Manifest};
use pilotage_shared::name::AppName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bundle;
use super::group::{Deployed, Group};
use super::root::Root;
use super::words;
use crate::layout::Layout;

/// What a group has put at its destinations, as the deployer keeps it (`private/installed/<app>`).
#[derive(Default, Serialize, Deserialize)]
pub struct Installed {
    /// Files and links.
    pub files: BTreeSet<PathBuf>,
    /// Folders that were made for them.
    pub folders: BTreeSet<PathBuf>,
}

/// D8: the bundle is unpacked.
pub fn most_recent(root: &Root, group: &str, deployed: &Deployed) -> anyhow::Result<()> {
    let folder = root.deployment(group, &deployed.deployment);
    write(root, &format!("{group}_most_recent_install"), folder.as_os_str().as_bytes())
}

/// D1, D7, D8 with G4 mended: after the whole deployment.
pub fn committed(root: &Root, state: &Layout, group: &Group, deployed: &Deployed) -> anyhow::Result<()> {
    let installed = load_installed(state, &group.app)?;
    write(root, &format!("{}-cleanup", group.name), &cleanup(&installed))?;
    let archive = root.deployment(&group.name, &deployed.deployment).join("deployment-archive");
    let instructions = serde_json::to_vec(&json!({ "instructions": instructions(&installed, state, group, deployed, &archive)? }))?;
    write(root, &format!("{}-install.json", group.name), &instructions)?;
    let folder = root.deployment(&group.name, &deployed.deployment);
    write(root, &format!("{}_last_successful_install", group.name), folder.as_os_str().as_bytes())
}

/// One path a line, folders before what lies in them. A name that would be two lines is left out: CodeDeploy could not read
/// the list any more (D6).
pub fn cleanup(installed: &Installed) -> Vec<u8> {
    let all: BTreeSet<&PathBuf> = installed.folders.iter().chain(&installed.files).collect();
    let lines = all.iter().map(|path| path.as_os_str().as_bytes()).filter(|line| !line.contains(&b'\n'));
    lines.flat_map(|line| [line, b"\n"].concat()).collect()
}

fn instructions(installed: &Installed, state: &Layout, group: &Group, deployed: &Deployed, archive: &Path) -> anyhow::Result<Vec<Value>> {
    let path = state.manifest(&deployed.package);
    let manifest = Manifest::decode(&fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?)?;
    let text = fs::read(state.release(&group.app, &deployed.package).join(&manifest.appspec)).context("failed to read the AppSpec")?;
    let spec = appspec::parse(&text)?;
    let source = |to: &Path| Some(archive.join(source(&spec, &manifest, to)?)).filter(|from| from.symlink_metadata().is_ok());
    let mut all: Vec<Value> = installed.folders.iter().map(|folder| json!({"type": "mkdir", "directory": folder})).collect();
    all.extend(installed.files.iter().filter_map(|to| Some(json!({"type": "copy", "source": source(to)?, "destination": to}))));
    Ok(all)
}

fn write(root: &Root, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = root.instructions().join(name);
    durable::replace(&path, bytes, 0o644).with_context(|| format!("failed to write {}", path.display()))
}

/// What CodeDeploy's agent says that a group has on this host.
pub struct Found {
    /// What it has installed, as far as it is still there.
    pub installed: Installed,
    /// Its last successful deployment (by CodeDeploy's word: set when its Install ended, D8), when its archive is still there.
    pub deployment: Option<(String, PathBuf)>,
    /// One that came after it, and did not come so far.
    pub tried_since: Option<String>,
}

/// Reads its records; none when it never deployed the group.
pub fn of_codedeploy(instructions: &Path, group: &str) -> anyhow::Result<Option<Found>> {
    let record = |name: String| trusted(&instructions.join(name));
    let Some(list) = record(format!("{group}-cleanup"))? else { return Ok(None) };
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
    let folder =
        |name: &str| Ok::<_, anyhow::Error>(record(format!("{group}_{name}_install"))?.map(|text| String::from_utf8_lossy(&text).trim().to_owned()));
    let (last, recent) = (folder("last_successful")?, folder("most_recent")?);
    let named = |folder: &str| Path::new(folder).file_name().map(|name| name.to_string_lossy().into_owned());
    let archive = |folder: &str| Some(Path::new(folder).join("deployment-archive")).filter(|archive| archive.is_dir());
    let deployment = last.as_deref().and_then(|folder| Some((named(folder)?, archive(folder)?)));
    Ok(Some(Found { installed, deployment, tried_since: recent.filter(|recent| Some(recent) != last.as_ref()).as_deref().and_then(named) }))
}

/// What a path was installed from, inside the bundle.
pub fn source(spec: &AppSpec, manifest: &Manifest, to: &Path) -> Option<PathBuf> {
    spec.files.iter().find_map(|rule| {
        let below = to.strip_prefix(&rule.destination).ok()?;
        match manifest.get(&rule.source).map(|e| &e.kind) {
            Some(Kind::File { .. } | Kind::Link { .. }) => {
                (Path::new(&rule.source).file_name() == Some(below.as_os_str())).then(|| PathBuf::from(&rule.source))
            }
            Some(Kind::Directory) | None => Some(Path::new(&rule.source).join(below)),
        }
    })
}

/// A group that CodeDeploy's agent has deployed: what it has installed is ours from now on, and the revision of its last
/// successful deployment is what runs. Nothing is touched.
pub fn take_over(root: &Root, state: &Layout, group: &mut Group) -> anyhow::Result<()> {
    let Some(Found { installed, deployment, .. }) = of_codedeploy(&root.instructions(), &group.name)? else { return Ok(()) };
    save_installed(state, &group.app, &installed)?;
    let taken = deployment.as_ref().map(|(_, archive)| bundle::take(archive, None, state, &group.app)).transpose();
    let (files, name) = (installed.files.len(), &group.name);
    match (taken, deployment) {
        (Ok(Some(taken)), Some((deployment, _))) => {
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

/// As if the deployer had put it there.
pub fn save_installed(state: &Layout, app: &AppName, installed: &Installed) -> anyhow::Result<()> {
    let path = state.private().join("installed").join(app.as_str());
    durable::replace(&path, &serde_json::to_vec(installed)?, 0o600).with_context(|| format!("failed to write {}", path.display()))
}

/// What an app has put at its destinations.
pub fn load_installed(state: &Layout, app: &AppName) -> anyhow::Result<Installed> {
    let path = state.private().join("installed").join(app.as_str());
    let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("the record {} is damaged", path.display()))
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
