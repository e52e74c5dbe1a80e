//! `/v1/deployments`. A fleet's name stands for its newest deployment.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pilotage_coordinator_core::input::{Request, What};
use pilotage_coordinator_core::{Answer, Rejected, World};
use pilotage_shared::api::v1::{Because, CreateDeployment, DeploymentView, Explanation, Page, Problem};
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, Version};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Params, ask, parsed};
use super::paging::{page, place};
use super::{App, configurations, view};
use crate::engine::Make;
use crate::problem::Refused;

/// A deployment's id, or a fleet's name for its newest.
pub fn find(world: &World, text: &str) -> Result<DeploymentId, Refused> {
    let id = text.parse::<DeploymentId>().ok();
    if let Some(id) = id.as_ref().filter(|id| world.deployments.contains_key(id)) {
        return Ok(id.clone());
    }
    let newest = FleetName::new(text).ok().and_then(|name| world.fleets.get(&name)).filter(|f| f.newest > 0);
    if let Some(fleet) = newest {
        return Ok(DeploymentId { fleet: fleet.spec.name.clone(), number: fleet.newest });
    }
    match (id, FleetName::new(text)) {
        (Some(id), _) => Err(Rejected::UnknownDeployment(id).into()),
        (None, Ok(name)) if world.fleets.contains_key(&name) => Err(Refused::missing(format!("deployment of fleet {name} yet"))),
        (None, Ok(name)) => Err(Rejected::UnknownFleet(name).into()),
        (None, Err(error)) => Err(Refused::bad(error.to_string())),
    }
}

/// A deployment as it is now.
pub async fn one(app: &App, id: DeploymentId) -> Result<DeploymentView, Refused> {
    let found = app.engine.query(move |v| v.world.deployments.get(&id).map(|d| view::deployment(v, d)).ok_or(Rejected::UnknownDeployment(id)));
    Ok(found.await??)
}

async fn id_of(app: &App, text: String) -> Result<DeploymentId, Refused> {
    app.engine.query(move |v| find(v.world, &text)).await?
}

/// Brings a fleet to a package, or starts again what it runs. A deployment in course is superseded.
#[utoipa::path(post, path = "/v1/deployments", tag = "deployments", request_body = CreateDeployment,
    responses((status = 201, body = DeploymentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): State<App>, asked: Asked<CreateDeployment>) -> Result<(StatusCode, Json<DeploymentView>), Refused> {
    let CreateDeployment { fleet, package, restart, config, file_exists, reason } = asked.body;
    let config = match config.as_deref() {
        None => None,
        Some("none") => Some(None),
        Some(text) => Some(Some(configurations::number(text)?)),
    };
    let wish = match (package, restart) {
        (Some(package), false) => Some(wish(&package)?),
        (None, true) if config.is_none() => None,
        (None, false) if config.is_some() => None,
        _ => return Err(Refused::bad("write package, with or without config, or config alone, or restart: true")),
    };
    let make = move |world: &World| {
        let what = match wish {
            None if config.is_some() => What::Settled,
            None => What::Restart,
            Some(Wish::Digest(digest)) => What::Package(digest),
            Some(Wish::Version(version)) => What::Version(version),
            Some(Wish::Package(app, version)) => match world.versions.get(&(app.clone(), version.clone())) {
                Some(digest) => What::Package(*digest),
                None => return Err(Rejected::UnknownVersion { app, version }),
            },
        };
        let what = match config {
            Some(config) => What::Configured { what: Box::new(what), config },
            None => what,
        };
        Ok(Request::Deploy { fleet, what, file_exists })
    };
    match ask(&app, (asked.by, asked.idempotency), reason, make).await? {
        Answer::Deployment(id) => Ok((StatusCode::CREATED, Json(one(&app, id).await?))),
        other => Err(Refused::new("internal", format!("unexpected answer {other:?}"))),
    }
}

enum Wish {
    Version(Version),
    Package(AppName, Version),
    Digest(Digest),
}

fn wish(text: &str) -> Result<Wish, Refused> {
    if text.starts_with("sha256:") {
        return parsed(text).map(Wish::Digest);
    }
    let version = |text: &str| parsed::<Version>(text).and_then(|v| if v.is_empty() { Err(Refused::bad("the version is empty")) } else { Ok(v) });
    match text.split_once('@') {
        Some((app, text)) => Ok(Wish::Package(parsed(app)?, version(text)?)),
        None => version(text).map(Wish::Version),
    }
}

/// Which deployments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Of this fleet
    fleet: Option<String>,
    /// In course (`true`), or over (`false`)
    active: Option<bool>,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// Deployments, newest first: the newest 50 of each fleet.
#[utoipa::path(get, path = "/v1/deployments", tag = "deployments", params(Which),
    responses((status = 200, body = Page<DeploymentView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, Params(which): Params<Which>) -> Result<Json<Page<DeploymentView>>, Refused> {
    let place = place(which.limit, which.cursor.as_deref())?;
    let fleet: Option<FleetName> = which.fleet.as_deref().map(parsed).transpose()?;
    let found = app.engine.query(move |v| {
        use pilotage_coordinator_core::world::Course;
        let mut wanted: Vec<_> = v
            .world
            .deployments
            .values()
            .filter(|d| fleet.as_ref().is_none_or(|f| *f == d.id.fleet))
            .filter(|d| which.active.is_none_or(|active| active != matches!(d.course, Course::Ended { .. })))
            // A key that falls as time goes on: newest first.
            .map(|d| (format!("{:020}/{:010}/{}", u64::MAX - d.started.at.0, u32::MAX - d.id.number, d.id.fleet), d))
            .filter(|(key, _)| place.after.as_ref().is_none_or(|a| key > a))
            .collect();
        wanted.sort_by(|(a, _), (b, _)| a.cmp(b));
        page(wanted.into_iter().map(|(key, d)| (key, view::deployment(v, d))), &place)
    });
    Ok(Json(found.await?))
}

/// One deployment.
#[utoipa::path(get, path = "/v1/deployments/{deployment}", tag = "deployments", params(("deployment" = String, Path)),
    responses((status = 200, body = DeploymentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>, At(deployment): At<String>) -> Result<Json<DeploymentView>, Refused> {
    let id = id_of(&app, deployment).await?;
    one(&app, id).await.map(Json)
}

/// `pause`, `resume`, `cancel` (nobody is moved any more), `rollback` (back to the settled release).
#[utoipa::path(post, path = "/v1/deployments/{deployment}/{action}", tag = "deployments",
    params(("deployment" = String, Path), ("action" = String, Path)), request_body = Because,
    responses((status = 200, body = DeploymentView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn act(
    State(app): State<App>,
    At((deployment, action)): At<(String, String)>,
    asked: Asked<Because>,
) -> Result<Json<DeploymentView>, Refused> {
    let id = id_of(&app, deployment).await?;
    let this = id.clone();
    let make: Make = match action.as_str() {
        "pause" => Box::new(move |_| Ok(Request::Pause { id: this })),
        "cancel" => Box::new(move |_| Ok(Request::Cancel { id: this })),
        "rollback" => Box::new(move |_| Ok(Request::Rollback { id: this })),
        "resume" => Box::new(move |world| match world.fleets.get(&this.fleet) {
            Some(fleet) if fleet.newest == this.number => Ok(Request::Resume { fleet: this.fleet }),
            Some(_) => Err(Rejected::Over(this)),
            None => Err(Rejected::UnknownFleet(this.fleet)),
        }),
        other => return Err(Refused::missing(format!("action {other:?}: pause, resume, cancel, rollback"))),
    };
    ask(&app, (asked.by, asked.idempotency), asked.body.reason, make).await?;
    one(&app, id).await.map(Json)
}

/// Why it does not move: the exact set of things that it waits for.
#[utoipa::path(get, path = "/v1/deployments/{deployment}/explain", tag = "deployments", params(("deployment" = String, Path)),
    responses((status = 200, body = Explanation), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn explain(State(app): State<App>, At(deployment): At<String>) -> Result<Json<Explanation>, Refused> {
    let id = id_of(&app, deployment).await?;
    let d = one(&app, id).await?;
    Ok(Json(Explanation { fleet: d.fleet, deployment: Some(d.id), state: d.state, waiting: d.waiting }))
}
