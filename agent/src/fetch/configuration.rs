//! A release's configuration: its manifest and contents come to this host, its secrets are read, and it is rendered beside the
//! unpacked packages, before anything is stopped. Rendered anew with each staging: a secret may have changed.

use std::fs;
use std::sync::Arc;

use pilotage_bundle::configuration::render;
use pilotage_client::agent::Coordinator;
use pilotage_disk::durable;
use pilotage_shared::configuration::Configuration;
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::CONFIGURATION_MAX;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;

use super::store::Store;
use super::{StageError, blocking, fail, fetch_objects, make_folders};
use crate::layout::Layout;
use crate::link::said;
use crate::secrets::Secrets;

/// Nothing to do for a release without one. What runs is never staged, so its folder is not touched.
pub async fn bring(
    coordinator: &Coordinator,
    layout: Layout,
    store: Arc<Store>,
    app: AppName,
    release: Release,
    secrets: Arc<Secrets>,
) -> Result<(), StageError> {
    let (Some(config), Some(folder)) = (release.config, layout.config(&app, &release)) else { return Ok(()) };
    let configuration = manifest(coordinator, &layout, &config).await?;
    // Before anything is fetched: what this host cannot give is said at once.
    let (names, of) = (configuration.clone(), app.clone());
    let given = blocking(move || secrets.read(&of, names.secrets()).map_err(|e| fail(said(&e)))).await?;
    fetch_objects(coordinator, &layout, &store, configuration.objects(), configuration.bytes()).await?;
    blocking(move || {
        let configs = layout.configs(&app);
        make_folders(&layout.state, &configs).map_err(|e| fail(format!("failed to make {}: {e}", configs.display())))?;
        let aside = store.aside(&configs, &config);
        render::render(&configuration, &store.objects, &given, &folder, &aside).map_err(|e| fail(format!("preflight: {}", said(&e))))
    })
    .await
}

/// From disk or from the coordinator.
async fn manifest(coordinator: &Coordinator, layout: &Layout, config: &Digest) -> Result<Configuration, StageError> {
    let path = layout.configuration(config);
    if let Ok(text) = fs::read(&path)
        && let Some(configuration) = Configuration::decode(&text).ok().filter(|c| c.digest() == *config)
    {
        return Ok(configuration);
    }
    let answer = coordinator.configuration(config).await.map_err(|e| fail(format!("configuration {}: {}", config.short(), said(&e))))?;
    let text = answer.all(CONFIGURATION_MAX).await.map_err(|e| fail(said(&e)))?;
    let configuration = Configuration::decode(&text).map_err(|e| fail(format!("configuration {}: {e}", config.short())))?;
    if configuration.digest() != *config {
        return Err(fail(format!("the coordinator sent another configuration for {}", config.short())));
    }
    durable::replace(&path, &text, 0o600).map_err(|e| fail(said(&e)))?;
    Ok(configuration)
}
