//! Where things lie below the agent's state directory (DESIGN §6).

use std::path::{Path, PathBuf};

use pilotage_agent_core::run::Request;
use pilotage_shared::digest::Digest;

/// The paths of one run.
#[derive(Clone, Debug)]
pub struct Layout {
    state: PathBuf,
    app: String,
    /// The run directory.
    pub run: PathBuf,
}

impl Layout {
    /// Of this request, performed in this directory.
    pub fn new(request: &Request, run: &Path) -> Self {
        Self { state: PathBuf::from(&request.state), app: request.app.to_string(), run: run.to_owned() }
    }

    /// The app's folder: releases and links.
    pub fn app(&self) -> PathBuf {
        self.state.join("apps").join(&self.app)
    }

    /// A package, unpacked.
    pub fn release(&self, package: &Digest) -> PathBuf {
        self.app().join("releases").join(package.hex())
    }

    /// What all releases of the app share.
    pub fn shared(&self) -> PathBuf {
        self.state.join("shared").join(&self.app)
    }

    /// Links to release directories by digest alone: what hooks are called by.
    pub fn bundles(&self) -> PathBuf {
        self.state.join("bundles")
    }

    /// A package's manifest, as text.
    pub fn manifest(&self, package: &Digest) -> PathBuf {
        self.state.join("private/manifests").join(package.hex())
    }

    /// What the last committed run of the app has put at its destinations.
    pub fn installed(&self) -> PathBuf {
        self.state.join("private/installed").join(&self.app)
    }

    /// What the committed runs of other apps have put at theirs: name and record of each.
    pub fn installed_by_others(&self) -> Vec<(String, PathBuf)> {
        let all = std::fs::read_dir(self.state.join("private/installed")).into_iter().flatten().flatten();
        let named = all.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
        named.filter(|(name, _)| *name != self.app && !name.starts_with('.')).collect()
    }

    /// Files of others that the app's installed files have taken the place of.
    pub fn foreign(&self) -> PathBuf {
        self.state.join("private/foreign").join(&self.app)
    }

    /// What a run that was not begun has prepared.
    pub fn prepared(&self) -> PathBuf {
        self.state.join("private/prepared").join(&self.app)
    }

    /// What a package was when it was committed on this host, and what of it is not in the package.
    pub fn seal(&self, package: &Digest) -> PathBuf {
        self.seals().join(package.hex())
    }

    /// All seals of the app.
    pub fn seals(&self) -> PathBuf {
        self.state.join("private/seals").join(&self.app)
    }

    /// The contents of packages.
    pub fn objects(&self) -> PathBuf {
        self.state.join("private/objects")
    }

    /// The agent's list of blocked packages.
    pub fn blocked(&self) -> PathBuf {
        self.state.join("private/blocked")
    }

    /// The state directory: no package may install into it.
    pub fn state(&self) -> &Path {
        &self.state
    }
}
