//! What a host runs of an app.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::{AppName, Version};

/// Package, configuration and restart count: three numbers that say exactly what is to run (DESIGN §1). A restart or a
/// change of configuration makes another release, so it is a deployment like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Release {
    /// The package's manifest digest.
    pub package: Digest,
    /// The configuration object's digest; none: it has none.
    pub config: Option<Digest>,
    /// Rises with each restart of the same package.
    pub restart: u32,
}

impl Release {
    /// The release of a package as it comes: no configuration, never restarted.
    pub fn of(package: Digest) -> Self {
        Self { package, config: None, restart: 0 }
    }

    /// The folder of a host that holds its rendered configuration: one for each release, so that secrets are read anew with
    /// a restart, and what runs is never rendered over. None: it has no configuration.
    pub fn config_folder(&self) -> Option<String> {
        let config = self.config?;
        Some(Digest::of(format!("{} {config} {}", self.package, self.restart).as_bytes()).hex())
    }
}

/// How people write a package: `web@1.4.2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackageName {
    /// Of which app.
    pub app: AppName,
    /// Its version.
    pub version: Version,
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.app, self.version)
    }
}
