//! Configuration objects as the coordinator knows them: a number of the app for each content, and which of them are held with
//! which package (R23). Their content is in the store of packages; a value of a secret is nowhere.

use pilotage_shared::digest::Digest;
use pilotage_shared::name::{AppName, FleetName};
use pilotage_shared::release::Release;
use serde::{Deserialize, Serialize};

use super::{Fleet, Hold, Note, World};

/// What is in one, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Files with content.
    pub files: u32,
    /// Bytes in them.
    pub bytes: u64,
    /// Variables, secret ones too.
    pub variables: u32,
    /// Distinct secrets.
    pub secrets: u32,
}

/// One immutable configuration of an app: `c17`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Of which app.
    pub app: AppName,
    /// Counted from 1; never given twice.
    pub number: u32,
    /// Its manifest's SHA-256.
    pub digest: Digest,
    /// For which fleet it was pushed.
    pub fleet: FleetName,
    /// What is in it.
    pub numbers: Numbers,
    /// Who brought it.
    pub added: Note,
}

/// A package with a configuration; none: without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// The package.
    pub package: Digest,
    /// The configuration.
    pub config: Option<Digest>,
}

impl Pair {
    /// A release without its restart count.
    pub fn of(release: &Release) -> Self {
        Self { package: release.package, config: release.config }
    }
}

/// What a deployment that failed leaves held (R23).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// Its package: another than the settled one.
    Package(Hold),
    /// The settled package, with the configuration that was new.
    Pair(Hold),
}

impl Held {
    /// By whom, since when, why.
    pub fn hold(&self) -> &Hold {
        match self {
            Held::Package(hold) | Held::Pair(hold) => hold,
        }
    }

    /// What was new in a release beside the settled one; none: only the restart count.
    pub fn beside(release: &Release, settled: Option<&Release>, hold: Hold) -> Option<Held> {
        match settled {
            Some(settled) if settled.package != release.package => Some(Held::Package(hold)),
            Some(settled) => (settled.config != release.config).then_some(Held::Pair(hold)),
            None => Some(Held::Package(hold)),
        }
    }
}

impl World {
    /// What a fleet's deployments are configured with unless somebody says otherwise: as the settled release is, and while
    /// nothing is settled the newest that was pushed for the fleet. O(configurations of the app) only then.
    pub fn current_config(&self, fleet: &Fleet) -> Option<Digest> {
        if let Some(settled) = fleet.settled {
            return settled.config;
        }
        self.configurations_of(&fleet.spec.app).filter(|c| c.fleet == fleet.spec.name).last().map(|c| c.digest)
    }

    /// All of an app, oldest first.
    pub fn configurations_of<'a>(&'a self, app: &AppName) -> impl Iterator<Item = &'a Configuration> + use<'a> {
        self.configurations.range((app.clone(), 0)..=(app.clone(), u32::MAX)).map(|(_, c)| c)
    }

    /// The number of a release's configuration; none: it has none, or it is not known here any more.
    pub fn config_number(&self, release: &Release) -> Option<u32> {
        let app = &self.packages.get(&release.package)?.app;
        self.config_numbers.get(&(app.clone(), release.config?)).copied()
    }

    /// `web@1.4.2+c17`, `web@1.4.2` without a configuration.
    pub fn release_name(&self, release: &Release) -> String {
        let package = self.package_name(&release.package);
        match (release.config, self.config_number(release)) {
            (None, _) => package,
            (Some(_), Some(number)) => format!("{package}+c{number}"),
            (Some(config), None) => format!("{package}+{}", config.short()),
        }
    }

    /// The packages that a configuration is held with.
    pub fn held_with(&self, digest: &Digest) -> impl Iterator<Item = (&Digest, &Hold)> {
        let config = Some(*digest);
        self.held_pairs.iter().filter(move |(pair, _)| pair.config == config).map(|(pair, hold)| (&pair.package, hold))
    }
}
