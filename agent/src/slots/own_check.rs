//! The health check that a package brings along, and who asks it between runs.

use std::path::Path;

use pilotage_agent_core::run::Kind;
use pilotage_agent_core::slot::{RunEntry, RunKind};
use pilotage_bundle::appspec;
use pilotage_shared::health::HealthCheck;
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;
use tokio::sync::mpsc;

use super::order::Order;
use crate::config::Config;
use crate::layout::Layout;
use crate::watch::{Answer, Asker};

/// What is needed to begin to ask.
pub struct Means<'a> {
    /// Where releases lie.
    pub layout: &'a Layout,
    /// The host's variables.
    pub config: &'a Config,
    /// Asks a package's own command.
    pub deployer: &'a Path,
    /// Where answers go.
    pub answers: &'a mpsc::Sender<Answer>,
}

/// The check that a package declares for itself; none when it has none, or is not here.
pub fn own_check(layout: &Layout, app: &AppName, release: &Release) -> Option<HealthCheck> {
    let text = std::fs::read(layout.manifest(&release.package)).ok()?;
    let manifest = Manifest::decode(&text).ok()?;
    let spec = std::fs::read(layout.release(app, &release.package).join(&manifest.appspec)).ok()?;
    appspec::parse(&spec).ok()?.health
}

/// Who asks a package's own command between runs.
pub fn asking(app: &AppName, release: &Release, check: &HealthCheck, means: &Means<'_>) -> Option<Asker> {
    let run = RunEntry { attempt: 0, kind: RunKind::Again, deployment: None, release: *release, from: None };
    let order = Order { app, run: &run, kind: Kind::GoBack, intent: None, config: means.config, layout: means.layout };
    let request = order.request(|_| Some(check.clone()));
    Some(Asker { program: means.deployer.to_owned(), order: serde_json::to_vec(&request).ok()? })
}
