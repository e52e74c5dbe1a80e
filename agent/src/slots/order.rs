//! Orders for deployers, made from the slot, the newest intent and this host's own configuration.

use pilotage_agent_core::run::{Changes, Contract, Kind, Request, Target};
use pilotage_agent_core::slot::RunEntry;
use pilotage_shared::health::HealthCheck;
use pilotage_shared::intent::Intent;
use pilotage_shared::name::{AppName, Version};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::RunId;
use pilotage_shared::time::Millis;
use tracing::warn;

use crate::config::Config;
use crate::layout::Layout;
use crate::watch;

/// Of hooks, where no intent says it.
const HOOK_TIMEOUT: Millis = Millis::seconds(3600);

/// What one run is made of.
pub struct Order<'a> {
    /// Of which app.
    pub app: &'a AppName,
    /// The run in the ledger.
    pub run: &'a RunEntry,
    /// On whose word.
    pub kind: Kind,
    /// The newest intent.
    pub intent: Option<&'a Intent>,
    /// This host's.
    pub config: &'a Config,
    /// The agent's folders.
    pub layout: &'a Layout,
}

impl Order<'_> {
    /// In writing; `health` says by which check a release is healthy.
    pub fn request(self, health: impl Fn(&Release) -> Option<HealthCheck>) -> Request {
        let Order { app, run, kind, intent, config, layout } = self;
        let target = |release: Release| Target {
            release,
            package: package_name(app, &release),
            health: health(&release).map(|check| resolved(app, check, config)),
        };
        let (group, id) = match &run.deployment {
            Some(deployment) => (deployment.fleet.to_string(), deployment.to_string()),
            None => ("local".to_owned(), format!("local.{}", run.attempt)),
        };
        Request {
            format: Request::FORMAT,
            run: RunId { deployment: run.deployment.clone(), host: config.host.clone(), attempt: run.attempt },
            app: app.clone(),
            kind,
            to: target(run.release),
            from: run.from.map(target),
            hook_timeout: intent.map_or(HOOK_TIMEOUT, |i| i.hook_timeout),
            contract: Contract { application: app.to_string(), deployment_group: group, deployment_group_id: None, deployment_id: id },
            variables: config.variables.clone(),
            changes: Changes { file_exists: intent.filter(|i| i.release == Some(run.release)).and_then(|i| i.file_exists), ..Changes::default() },
            proofs: intent.map(|i| i.proofs.clone()).unwrap_or_default(),
            state: layout.state.display().to_string(),
            host: config.offers.clone(),
        }
    }
}

/// With the host's variables in it; one that cannot be is asked as it stands, and its answer says so.
fn resolved(app: &AppName, check: HealthCheck, config: &Config) -> HealthCheck {
    match watch::resolve(&check.probe, &config.variables) {
        Ok(probe) => HealthCheck { probe, ..check },
        Err(why) => {
            warn!(%app, why, "the health check cannot be asked as it stands");
            check
        }
    }
}

/// An intent names digests only; people's names for them are the coordinator's.
fn package_name(app: &AppName, release: &Release) -> PackageName {
    PackageName { app: app.clone(), version: Version::lossy(&release.package.short()) }
}
