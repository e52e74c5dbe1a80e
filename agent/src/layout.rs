//! The folders of the state directory, with their owners and modes (DESIGN §6); made and checked at start.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pilotage_disk::durable;
use pilotage_shared::digest::Digest;
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;

/// Where things lie.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The state directory, absolute.
    pub state: PathBuf,
}

impl Layout {
    /// Makes what is missing, and refuses a chain of folders that others can write.
    pub fn open(state: &Path) -> anyhow::Result<Layout> {
        make(state, 0o755)?;
        let state = state.canonicalize().with_context(|| format!("failed to resolve {}", state.display()))?;
        let layout = Layout { state };
        make(&layout.state.join("apps"), 0o755)?;
        make(&layout.private(), 0o700)?;
        for folder in ["runs", "manifests", "configurations", "bin", "installed", "ledger"] {
            make(&layout.private().join(folder), 0o700)?;
        }
        check_chain(&layout.private())?;
        check_mode(&layout.private(), 0o700)?;
        check_chain(&layout.state.join("apps"))?;
        Ok(layout)
    }

    /// 0700: ledger, runs, objects, undo.
    pub fn private(&self) -> PathBuf {
        self.state.join("private")
    }

    /// Where a package's release is unpacked.
    pub fn release(&self, app: &AppName, package: &Digest) -> PathBuf {
        self.releases(app).join(package.hex())
    }

    /// All releases of an app.
    pub fn releases(&self, app: &AppName) -> PathBuf {
        self.state.join("apps").join(app.as_str()).join("releases")
    }

    /// A package's manifest.
    pub fn manifest(&self, package: &Digest) -> PathBuf {
        self.private().join("manifests").join(package.hex())
    }

    /// A configuration's manifest.
    pub fn configuration(&self, config: &Digest) -> PathBuf {
        self.private().join("configurations").join(config.hex())
    }

    /// All rendered configurations of an app.
    pub fn configs(&self, app: &AppName) -> PathBuf {
        self.state.join("apps").join(app.as_str()).join("configs")
    }

    /// Where a release's configuration is rendered; none: it has none.
    pub fn config(&self, app: &AppName, release: &Release) -> Option<PathBuf> {
        Some(self.configs(app).join(release.config_folder()?))
    }

    /// One run; its name holds no name of an app, because hooks end processes by their command lines.
    pub fn run(&self, app: &AppName, attempt: u32) -> PathBuf {
        let opaque = &Digest::of(app.as_str().as_bytes()).hex()[..8];
        self.runs().join(format!("{opaque}-{attempt}"))
    }

    /// All of them.
    pub fn runs(&self) -> PathBuf {
        self.private().join("runs")
    }

    /// The socket of a person's hands.
    pub fn socket(&self) -> PathBuf {
        self.private().join("agent.sock")
    }

    /// What the deployer reads of R29.
    pub fn write_blocked(&self, blocked: &Blocked) -> anyhow::Result<()> {
        let text = serde_json::to_vec(blocked)?;
        Ok(durable::replace(&self.private().join("blocked"), &text, 0o600)?)
    }
}

fn make(path: &Path, mode: u32) -> anyhow::Result<()> {
    if !path.exists() {
        durable::create_dirs(path, mode)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| format!("failed to set the mode of {}", path.display()))?;
    }
    Ok(())
}

/// Nobody but root and us may be able to put something else in the place of what is ours.
pub fn check_chain(path: &Path) -> anyhow::Result<()> {
    let us = nix::unistd::geteuid().as_raw();
    for folder in path.ancestors() {
        let found = folder.metadata().with_context(|| format!("failed to look at {}", folder.display()))?;
        let sticky = found.mode() & 0o1000 != 0;
        if found.uid() != 0 && found.uid() != us {
            bail!("{} belongs to user {}: it must belong to root", folder.display(), found.uid());
        }
        if found.mode() & 0o022 != 0 && !sticky {
            bail!("{} can be written by others (mode {:04o})", folder.display(), found.mode() & 0o7777);
        }
    }
    Ok(())
}

fn check_mode(path: &Path, wanted: u32) -> anyhow::Result<()> {
    let found = path.metadata().with_context(|| format!("failed to look at {}", path.display()))?.mode() & 0o7777;
    if found != wanted {
        bail!("{} has mode {found:04o}, it must be {wanted:04o}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_others_can_write_or_read_are_refused_by_name() {
        let check = |folder: &str, mode: u32, expected: &str| {
            let dir = tempfile::tempdir().unwrap();
            let state = dir.path().join("state");
            Layout::open(&state).unwrap();
            fs::set_permissions(state.join(folder), fs::Permissions::from_mode(mode)).unwrap();
            let why = Layout::open(&state).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(why.contains(expected) && why.contains(folder) != expected.is_empty(), "{folder} {mode:o}: {why:?}");
        };
        check("private", 0o700, "");
        check("private", 0o750, "must be 0700");
        check("apps", 0o775, "can be written by others");
        check("apps", 0o755, "");
    }
}
