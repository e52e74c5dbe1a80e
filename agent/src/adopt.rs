//! From CodeDeploy and back (`pilotage-agent adopt APP --from codedeploy --group G`, `release APP`).
//!
//! What CodeDeploy's agent has installed becomes the running release of an app, from its own records and archive, and so the
//! way back of the first deployment. Nothing is started, stopped or changed at the destinations; files that were changed since
//! stay as they are. `release` writes CodeDeploy's records again, so that its agent goes on from what runs now.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pilotage_bundle::{Objects, unpack};
use pilotage_disk::durable;
use pilotage_shared::digest::Digest;
use pilotage_shared::manifest::{Kind, Manifest};
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, check_chain};
use crate::local::bundle::{self, Taken};
use crate::local::configuration;
use crate::local::records::{self, Found, Installed};

/// Where CodeDeploy's agent says that it runs (M1).
const CODEDEPLOYS_PID: &str = "/opt/codedeploy-agent/state/.pid/codedeploy-agent.pid";
/// Changed files that are named.
const NAMED: usize = 10;
/// Bytes that are compared at once.
const CHUNK: usize = 64 << 10;

/// A group that is to be adopted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// As which app.
    pub app: AppName,
    /// CodeDeploy's deployment group: its folder's name.
    pub group: String,
    /// CodeDeploy's configuration; none: the usual one.
    pub configuration: Option<PathBuf>,
}

/// What was found and taken; the ledger does not know it yet.
#[derive(Debug)]
pub struct Adopted {
    /// As which app.
    pub app: AppName,
    /// What runs.
    pub release: Release,
    /// For the person.
    pub told: String,
}

/// Kept so that it can be handed back: `private/adopted/<app>`.
#[derive(Debug, Serialize, Deserialize)]
struct From {
    format: u32,
    root: PathBuf,
    group: String,
    deployment: String,
    package: Digest,
}

/// The format that this program writes.
const FORMAT: u32 = 1;

/// Makes a release of what the group runs. Blocking: the archive is copied. Doing it again is harmless.
pub fn adopt(layout: &Layout, order: &Order) -> anyhow::Result<Adopted> {
    let root = configuration::load(order.configuration.as_deref(), false)?.root_dir;
    let (app, group) = (&order.app, &order.group);
    let instructions = root.join("deployment-instructions");
    if !instructions.is_dir() {
        bail!("there is nothing of CodeDeploy at {}: name its configuration with --codedeploy-config, if it lies elsewhere", root.display());
    }
    check_chain(&instructions.canonicalize()?).with_context(|| format!("the records at {} are not used", instructions.display()))?;
    let Some(Found { installed, deployment, tried_since }) = records::of_codedeploy(&instructions, group)? else {
        bail!("CodeDeploy has no group {group:?} at {}; it has {}", root.display(), groups(&instructions));
    };
    let Some((deployment, archive)) = deployment else {
        bail!("the archive of the last successful deployment of {group} is gone from {}: without it there is no way back to it", root.display());
    };
    let taken = bundle::take(&archive, None, layout, app).with_context(|| format!("the revision {deployment} cannot be used"))?;
    let changed = changed(&archive, &taken, &installed)?;
    records::save_installed(layout, app, &installed)?;
    let folder = layout.private().join("adopted");
    durable::create_dirs(&folder, 0o700)?;
    let from = From { format: FORMAT, root: root.clone(), group: group.clone(), deployment: deployment.clone(), package: taken.digest };
    durable::replace(&folder.join(app.as_str()), &serde_json::to_vec(&from)?, 0o600)?;
    make_current(layout, app, &taken.digest)?;
    let mut told = format!("found    {deployment}, {} files · CodeDeploy calls it good since its Install: taken as good\n", installed.files.len());
    if let Some(tried) = tried_since {
        told.push_str(&format!("         ! {tried} came after it and failed: what that has left behind is not known here\n"));
    }
    match changed.as_slice() {
        [] => {}
        [one] => told.push_str(&format!("         1 file changed since: {one}, kept as it is\n")),
        many => told.push_str(&format!("         {} files changed since, kept as they are: {}\n", many.len(), named(many))),
    }
    told.push_str(&format!(
        "adopted  {app} ({deployment}, {}) is what runs and the way back · {} MB copied aside · nothing restarted",
        taken.digest.short(),
        taken.built.manifest.bytes().div_ceil(1 << 20)
    ));
    if codedeploy_runs() {
        told.push_str("\n         ! codedeploy-agent runs and may deploy too: systemctl disable --now codedeploy-agent when you are ready");
    }
    told.push_str(&format!("\nnext     pilotage-agent status · back: pilotage-agent release {app}"));
    Ok(Adopted { app: app.clone(), release: Release::of(taken.digest), told })
}

/// Writes CodeDeploy's records for what runs now; what is said to the person. Blocking.
pub fn hand_back(layout: &Layout, app: &AppName, running: &Release) -> anyhow::Result<String> {
    let path = layout.private().join("adopted").join(app.as_str());
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("{app} was never adopted from CodeDeploy: there is nobody to hand it back to"),
        read => read.with_context(|| format!("failed to read {}", path.display()))?,
    };
    let from: From = serde_json::from_slice(&text).with_context(|| format!("the record {} is damaged", path.display()))?;
    let instructions = from.root.join("deployment-instructions");
    let group = from.root.join(&from.group);
    check_chain(&instructions.canonicalize().with_context(|| format!("{} is gone", instructions.display()))?)?;
    let deployment = if running.package == from.package { from.deployment.clone() } else { format!("d-{}", running.package.short().to_uppercase()) };
    let folder = group.join(&deployment);
    if running.package != from.package && !folder.join("deployment-archive").exists() {
        let manifest = fs::read(layout.manifest(&running.package)).context("failed to read the manifest of what runs")?;
        let objects = Objects::open(&layout.private().join("objects"))?;
        durable::create_dirs(&folder.join("logs"), 0o755)?;
        let aside = folder.join(".deployment-archive");
        if aside.exists() {
            fs::remove_dir_all(&aside).with_context(|| format!("failed to clear {}", aside.display()))?;
        }
        unpack::unpack(&Manifest::decode(&manifest)?, &objects, &aside)?;
        fs::rename(&aside, folder.join("deployment-archive")).with_context(|| format!("failed to name the archive in {}", folder.display()))?;
        durable::sync_dir(&folder)?;
    }
    let installed = records::load_installed(layout, app)?;
    let write = |name: String, bytes: &[u8]| durable::replace(&instructions.join(name), bytes, 0o644);
    write(format!("{}-cleanup", from.group), &records::cleanup(&installed))?;
    for name in ["last_successful", "most_recent"] {
        write(format!("{}_{name}_install", from.group), folder.as_os_str().as_bytes())?;
    }
    Ok(format!(
        "released {app}: it and its files stay as they are; CodeDeploy's records of {} say that {deployment} runs\n         \
         pinned here, so that nothing is deployed to it by two: pilotage-agent unpin {app} takes it back\n\
         next     systemctl enable --now codedeploy-agent",
        from.group
    ))
}

/// Files whose content is not what the archive says, as `/var/www/local.php`.
fn changed(archive: &Path, taken: &Taken, installed: &Installed) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for path in &installed.files {
        let Some(source) = records::source(&taken.built.appspec, &taken.built.manifest, path) else { continue };
        let Some(Kind::File { .. }) = source.to_str().and_then(|s| taken.built.manifest.get(s)).map(|e| &e.kind) else { continue };
        if !same(&archive.join(source), path).with_context(|| format!("failed to compare {}", path.display()))? {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        a.clear();
        b.clear();
        one.by_ref().take(CHUNK as u64).read_to_end(&mut a)?;
        other.by_ref().take(CHUNK as u64).read_to_end(&mut b)?;
        if a != b || a.is_empty() {
            return Ok(a == b);
        }
    }
}

fn named(paths: &[String]) -> String {
    let shown = paths.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(" ");
    if paths.len() > NAMED { format!("{shown} …") } else { shown }
}

/// The groups that have records.
fn groups(instructions: &Path) -> String {
    let names = fs::read_dir(instructions).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_suffix("-cleanup").map(str::to_owned)
    });
    let mut all: Vec<String> = names.collect();
    all.sort();
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

/// For people; the agent itself goes by its ledger.
fn make_current(layout: &Layout, app: &AppName, package: &Digest) -> anyhow::Result<()> {
    let folder = layout.state.join("apps").join(app.as_str());
    let (link, aside) = (folder.join("current"), folder.join(".current.new"));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(|| format!("failed to remove {}", aside.display())),
        _ => {}
    }
    symlink(Path::new("releases").join(package.hex()), &aside).with_context(|| format!("failed to make the link {}", aside.display()))?;
    fs::rename(&aside, &link).with_context(|| format!("failed to replace the link {}", link.display()))?;
    Ok(durable::sync_dir(&folder)?)
}

fn codedeploy_runs() -> bool {
    let pid = fs::read_to_string(CODEDEPLOYS_PID).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests;
