//! `/v1/status`: the verdict.

use axum::Json;
use axum::extract::State;
use pilotage_shared::api::v1::{CoordinatorView, Problem, StatusView, When};
use pilotage_shared::name::FleetName;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Params, parsed};
use super::{App, view};
use crate::problem::Refused;

/// Of whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only this fleet
    fleet: Option<String>,
}

/// Everything at one moment: each fleet with its numbers, its newest deployment, and what that waits for.
#[utoipa::path(get, path = "/v1/status", tag = "status", params(Which),
    responses((status = 200, body = StatusView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn status(State(app): State<App>, Params(which): Params<Which>) -> Result<Json<StatusView>, Refused> {
    let only: Option<FleetName> = which.fleet.as_deref().map(parsed).transpose()?;
    let backup_at = app.backups.newest().map(When);
    let found = app.engine.query(move |v| {
        if let Some(name) = only.as_ref().filter(|n| !v.world.fleets.contains_key(*n)) {
            return Err(pilotage_coordinator_core::Rejected::UnknownFleet(name.clone()));
        }
        let wanted = v.world.fleets.values().filter(|f| only.as_ref().is_none_or(|n| *n == f.spec.name));
        Ok(StatusView {
            api: "v1".into(),
            at: When(v.now),
            revision: v.store.newest(),
            coordinator: CoordinatorView { backup_at, ..view::coordinator(v) },
            fleets: wanted.map(|f| view::status(v, f)).collect(),
        })
    });
    Ok(Json(found.await??))
}
