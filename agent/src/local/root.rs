//! The folder that CodeDeploy's users know: `root_dir` with its groups, deployments and logs (J1).

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use pilotage_agent_core::run::{LOGS, SCRIPTS_LOG};

use super::group::Deployed;
use super::words;
use crate::layout::check_chain;

/// Folders of `root_dir` that are no group's.
const OTHERS: &[&str] = &["deployment-instructions", "deployment-logs", "ongoing-deployment"];
/// Ours.
const STATE: &str = ".pilotage";

/// `root_dir`, absolute and without links; nobody else can exchange what lies below it.
pub struct Root {
    dir: PathBuf,
}

/// A group is a folder's name.
pub fn check_group(name: &str) -> anyhow::Result<()> {
    let why = match name {
        "" => "it is empty",
        name if name.contains('/') || name.contains('\0') => "it is the name of a folder and cannot hold a /",
        name if name.starts_with('.') => "it must not begin with a dot",
        name if name.len() > 200 => "it is longer than 200 bytes",
        name if OTHERS.contains(&name) => "root_dir has a folder of that name for something else",
        _ => return Ok(()),
    };
    bail!("--deployment-group {name:?}: {why}")
}

impl Root {
    /// Makes what is missing; a folder that others can write is refused by name (before anything is made below it).
    pub fn open(dir: &Path) -> anyhow::Result<Root> {
        let refused = || format!("root_dir {} is not used: whoever can write above it could put something else in its place", dir.display());
        let nearest = dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        let there = nearest.canonicalize().with_context(|| format!("failed to resolve {}", nearest.display()))?;
        check_chain(&there).with_context(refused)?;
        make(dir)?;
        let dir = dir.canonicalize().with_context(|| format!("failed to resolve {}", dir.display()))?;
        let root = Root { dir };
        not_shared(&root.dir).with_context(refused)?;
        for folder in [root.instructions(), root.logs()] {
            make(&folder)?;
            not_shared(&folder).with_context(refused)?;
        }
        check_chain(&root.dir).with_context(refused)?;
        Ok(root)
    }

    /// Our own state.
    pub fn state(&self) -> PathBuf {
        self.dir.join(STATE)
    }

    /// One command at a time: a second one says whom it waits for (L7).
    pub fn lock(&self, group: &str) -> anyhow::Result<Flock<File>> {
        let path = self.state().join("private/local.lock");
        let open = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open.with_context(|| format!("failed to open {}", path.display()))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder); // for the message only
                if holder.split([' ', ',']).filter_map(|word| word.parse().ok()).any(is_above_us) {
                    bail!("a hook of a deployment below {} cannot deploy there: it would wait for itself ({})", self.dir.display(), holder.trim());
                }
                words::say(&format!("Waiting for another local deployment below {} ({})", self.dir.display(), holder.trim()));
                Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e).with_context(|| format!("failed to lock {}", path.display()))?
            }
            Err((_, error)) => return Err(error).with_context(|| format!("failed to lock {}", path.display())),
        };
        let _ = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "process {}, group {group}", std::process::id()));
        Ok(lock)
    }

    /// `root_dir`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A deployment's folder.
    pub fn deployment(&self, group: &str, deployment: &str) -> PathBuf {
        self.dir.join(group).join(deployment)
    }

    /// Records by group.
    pub fn instructions(&self) -> PathBuf {
        self.dir.join("deployment-instructions")
    }

    /// The folder of the log of all deployments.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("deployment-logs")
    }

    /// The hooks' output of a deployment (H12).
    pub fn scripts_log(&self, group: &str, deployment: &str) -> PathBuf {
        self.deployment(group, deployment).join(LOGS).join(SCRIPTS_LOG)
    }

    /// A new deployment's folder: the unpacked bundle by its known name, and a local archive as `bundle.tar`.
    pub fn make_deployment(&self, deployed: &Deployed, group: &str, release: &Path, archive: Option<&Path>) -> anyhow::Result<()> {
        let folder = self.deployment(group, &deployed.deployment);
        make(&folder.join(LOGS))?;
        for part in [folder.parent().unwrap_or(&folder), &folder] {
            not_shared(part)?;
        }
        let below = release.strip_prefix(&self.dir).context("a release lies outside of root_dir")?;
        let link = |target: &Path, name: &str| {
            symlink(target, folder.join(name)).with_context(|| format!("failed to make the link {name} in {}", folder.display()))
        };
        link(&Path::new("../..").join(below), "deployment-archive")?;
        match archive {
            Some(archive) => link(archive, "bundle.tar"),
            None => Ok(()),
        }
    }

    /// The run writes its logs where CodeDeploy's users look for them; said again before it goes on after a crash.
    pub fn link_logs(&self, run: &Path, group: &str, deployment: &str) -> anyhow::Result<()> {
        let logs = run.join(LOGS);
        let failed = || format!("failed to make the link {}", logs.display());
        match fs::remove_dir(&logs) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(failed),
            _ => {}
        }
        symlink(self.deployment(group, deployment).join(LOGS), &logs).with_context(failed)
    }
}

/// We run in something that this process has started.
fn is_above_us(pid: u32) -> bool {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    std::iter::successors(parent(std::process::id()), |pid| parent(*pid)).any(|above| above == pid)
}

fn make(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder).with_context(|| format!("failed to make {}", folder.display()))
}

/// Ours (or root's), and writable by nobody else, sticky or not.
pub fn not_shared(folder: &Path) -> anyhow::Result<()> {
    let found = fs::symlink_metadata(folder).with_context(|| format!("failed to look at {}", folder.display()))?;
    let us = nix::unistd::geteuid().as_raw();
    if !found.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    if found.uid() != 0 && found.uid() != us {
        bail!("{} belongs to user {}", folder.display(), found.uid());
    }
    if found.mode() & 0o022 != 0 {
        bail!("{} can be written by others (mode {:04o})", folder.display(), found.mode() & 0o7777);
    }
    Ok(())
}
