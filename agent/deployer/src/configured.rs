//! The configuration of a release as a run uses it: rendered by the agent before the run, read here by its seal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pilotage_agent_core::run::Request;
use pilotage_bundle::configuration::render::{self, Mask, RenderError};
use pilotage_shared::release::Release;

use crate::layout::Layout;

/// What hooks of one release get, and what is not shown of them. Not `Debug`: it has values of secrets.
#[derive(Default)]
pub struct Configured {
    /// The configuration's variables, and above them the host's own.
    pub variables: BTreeMap<String, String>,
    /// Values of secrets.
    pub masks: Vec<Mask>,
}

/// Below the app's folder; none: it has no configuration.
pub fn folder(release: &Release) -> Option<PathBuf> {
    Some(PathBuf::from("configs").join(release.config_folder()?))
}

/// Is what was rendered for this release there, and as it was?
pub fn verify(layout: &Layout, release: &Release) -> Result<(), RenderError> {
    match (release.config, folder(release)) {
        (Some(config), Some(folder)) => render::verify(&config, &layout.app().join(folder)).map(drop),
        (None, _) | (_, None) => Ok(()),
    }
}

/// For the hooks of one end of a run. What both ends know is masked in the output of each: a stop script may print what the
/// start script of the other release has left.
pub fn of(layout: &Layout, request: &Request, release: &Release) -> Result<Configured, RenderError> {
    let mut configured = Configured::default();
    if let Some(folder) = folder(release) {
        let folder = layout.app().join(folder);
        configured.variables = render::seal(&folder)?.variables(&folder);
    }
    configured.variables.extend(request.variables.iter().map(|(k, v)| (k.clone(), v.clone())));
    for folder in [Some(&request.to), request.from.as_ref()].into_iter().flatten().filter_map(|target| folder(&target.release)) {
        // Of an end that is damaged there is nothing to mask; the hooks of that end do not run either.
        if let Ok(seal) = render::seal(&layout.app().join(folder)) {
            configured.masks.extend(seal.masks);
        }
    }
    Ok(configured)
}
