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

    /// There once the package has been committed on this host.
    pub fn committed(&self, package: &Digest) -> PathBuf {
        self.state.join("private/committed").join(package.hex())
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
