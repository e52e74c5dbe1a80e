//! The HTTP API: one file per resource. A route is registered together with what it needs ([`guard::Needs`]); none compiles
//! without. The OpenAPI document comes from the same registrations.

mod agent;
mod backups;
mod configurations;
mod deployments;
mod events;
mod extract;
mod fleets;
mod follow;
mod guard;
mod hosts;
mod logs;
mod meta;
mod packages;
mod paging;
mod recordings;
mod recovery;
mod runs;
mod status;
mod view;

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware::from_fn_with_state;
use bytes::Bytes;
use pilotage_coordinator_core::allowed::Action;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa_axum::routes;

use crate::backup::Backups;
use crate::engine::Handle;
use crate::packages::Packages;
use crate::principal::{Names, Secrets, identify};
use guard::{Needs, Routes};
pub use logs::Logs;

/// Handshakes of agents at one moment: the rest waits its turn.
const HANDSHAKES: usize = 64;

/// What every request can reach.
#[derive(Clone)]
pub struct App {
    /// The engine.
    pub engine: Handle,
    /// Manifests and objects.
    pub packages: Arc<Packages>,
    /// Output of hooks.
    pub logs: Arc<Logs>,
    /// Copies of the store.
    pub backups: Arc<Backups>,
    /// Hash of the people's token.
    pub secrets: Secrets,
    /// Names that we serve.
    pub names: Names,
    /// Agents over TCP need no encryption.
    pub insecure: bool,
    /// Streams end when it is cancelled.
    pub stopping: CancellationToken,
    /// Bounds what a storm of reconnects costs.
    pub handshakes: Arc<Semaphore>,
    document: Arc<OnceLock<Bytes>>,
}

impl App {
    /// Puts the parts together.
    pub fn new(
        engine: Handle,
        packages: Arc<Packages>,
        logs: Arc<Logs>,
        backups: Arc<Backups>,
        secrets: Secrets,
        names: Names,
        insecure: bool,
    ) -> Self {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        let (stopping, document) = (CancellationToken::new(), Arc::default());
        Self { engine, packages, logs, backups, secrets, names, insecure, stopping, handshakes, document }
    }
}

/// The whole service as one router; every request passes `identify` first.
pub fn router(app: App) -> Router {
    let (router, document) = all().finish();
    // Set once, here; a second router of the same app would say the same.
    let _ = app.document.set(meta::document(document));
    router
        .fallback(guard::no_route)
        .method_not_allowed_fallback(guard::no_method)
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), identify))
        .with_state(app)
}

fn all() -> Routes {
    let is = Needs::Action;
    Routes::default()
        .add(Needs::Nothing, routes!(meta::healthz))
        .add(Needs::Nothing, routes!(meta::readyz))
        .add(is(Action::Read), routes!(meta::metrics))
        .add(is(Action::Read), routes!(meta::openapi))
        .add(is(Action::Read), routes!(status::status))
        .add(is(Action::Backup), routes!(backups::create))
        .add(is(Action::Read), routes!(recovery::show))
        .add(is(Action::Recover), routes!(recovery::confirm))
        .add(is(Action::ChangePackage), routes!(packages::upload))
        .add(is(Action::ChangePackage), routes!(packages::manifest))
        .add(is(Action::ChangePackage), routes!(packages::objects))
        .add(is(Action::ChangePackage), routes!(packages::create))
        .add(is(Action::Read), routes!(packages::list))
        .add(is(Action::Read), routes!(packages::show))
        .add(is(Action::ChangePackage), routes!(packages::delete))
        .add(is(Action::ChangePackage), routes!(packages::release))
        .add(is(Action::ChangePackage), routes!(packages::block))
        .add(is(Action::ChangePackage), routes!(packages::unblock))
        .add(is(Action::ChangeConfiguration), routes!(configurations::manifest))
        .add(is(Action::ChangeConfiguration), routes!(configurations::create))
        .add(is(Action::Read), routes!(configurations::list))
        .add(is(Action::Read), routes!(configurations::show))
        .add(is(Action::ChangeConfiguration), routes!(configurations::release))
        .add(is(Action::Read), routes!(fleets::list))
        .add(is(Action::Read), routes!(fleets::show))
        .add(is(Action::ChangeFleet), routes!(fleets::put))
        .add(is(Action::ChangeFleet), routes!(fleets::delete))
        .add(is(Action::Read), routes!(fleets::explain))
        .add(is(Action::Deploy), routes!(fleets::resume))
        .add(is(Action::Read), routes!(hosts::list))
        .add(is(Action::ChangeHost), routes!(hosts::add))
        .add(is(Action::Read), routes!(hosts::show))
        .add(is(Action::ChangeHost), routes!(hosts::patch))
        .add(is(Action::ChangeHost), routes!(hosts::retire))
        .add(is(Action::ChangeHost), routes!(hosts::act))
        .add(is(Action::Deploy), routes!(deployments::create))
        .add(is(Action::Read), routes!(deployments::list))
        .add(is(Action::Read), routes!(deployments::show))
        .add(is(Action::Deploy), routes!(deployments::act))
        .add(is(Action::Read), routes!(deployments::explain))
        .add(is(Action::ReadRecording), routes!(recordings::of_deployment))
        .add(is(Action::ReadRecording), routes!(recordings::since))
        .add(is(Action::Read), routes!(runs::list))
        .add(is(Action::ReadLogs), routes!(runs::log))
        .add(is(Action::ReadLogs), routes!(follow::output))
        .add(is(Action::Read), routes!(events::events))
        .add(Needs::OwnHost, routes!(agent::session))
        .add(is(Action::ReadPackage), routes!(agent::manifest))
        .add(is(Action::ReadPackage), routes!(configurations::text))
        .add(is(Action::ReadPackage), routes!(agent::objects))
        .add(Needs::OwnHost, routes!(agent::put_run))
        .add(Needs::OwnHost, routes!(agent::put_log))
        .add(Needs::OwnHost, routes!(follow::put))
}
