//! Output of hooks as it comes: people watch a host, and its agent brings what its run writes.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pilotage_coordinator_core::World;
use pilotage_coordinator_core::world::Course;
use pilotage_shared::api::v1::Problem;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::limits::LOG_TAIL;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::RunId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::agent::host;
use super::deployments::find;
use super::extract::{At, Caller, Params, limited, parsed};
use crate::follow::{Piece, Watching};
use crate::problem::Refused;

/// How often it is looked whether a run can still come.
const LOOK: Duration = Duration::from_secs(1);

/// The output of the host's hooks in this deployment as it comes, as bytes, from the beginning of its run to its end: whoever
/// shows it must escape it. Waits for the run when it has not begun.
#[utoipa::path(get, path = "/v1/deployments/{deployment}/runs/{host}/output", tag = "runs",
    params(("deployment" = String, Path), ("host" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn output(State(app): State<App>, At((deployment, host)): At<(String, String)>) -> Result<Response, Refused> {
    let host: HostName = parsed(&host)?;
    let of = host.clone();
    let found = app.engine.query(move |v| -> Result<(DeploymentId, AppName), Refused> {
        let id = find(v.world, &deployment)?;
        if !v.world.hosts.contains_key(&of) {
            return Err(Refused::missing(format!("host {of}")));
        }
        if !in_course(v.world, &id) {
            return Err(Refused::missing(format!("run of {of} in {id} to follow: the deployment is over")));
        }
        let app = v.world.fleets.get(&id.fleet).map(|f| f.spec.app.clone());
        Ok((id.clone(), app.ok_or_else(|| Refused::missing(format!("fleet {}", id.fleet)))?))
    });
    let (id, name) = found.await??;
    let watching = app.engine.follow(host, name, id.clone()).await?;
    let stream = futures_util::stream::unfold((app, id, watching), |(app, id, mut watching)| async move {
        let bytes = next(&app, &id, &mut watching).await?;
        Some((Ok::<_, std::io::Error>(bytes), (app, id, watching)))
    });
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The next bytes; none when the run is over, or none can come any more.
async fn next(app: &App, id: &DeploymentId, watching: &mut Watching) -> Option<Bytes> {
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return None,
            bytes = watching.next() => return bytes,
            () = tokio::time::sleep(LOOK) => {}
        }
        let of = id.clone();
        let can_come = app.engine.query(move |v| in_course(v.world, &of)).await.ok()?;
        if !can_come && !watching.begun() {
            return None;
        }
    }
}

fn in_course(world: &World, id: &DeploymentId) -> bool {
    world.deployments.get(id).is_some_and(|d| match d.course {
        Course::Forward | Course::Back { .. } => true,
        Course::Ended { .. } => false,
    })
}

/// Which piece.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Place {
    /// Of which app
    app: String,
    /// Of which deployment
    deployment: String,
    /// Counted by the host
    attempt: u32,
    /// Where it begins in the run's output
    offset: u64,
    /// What was before it is not there any more, if it was not sent
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    gap: bool,
    /// Nothing comes after it
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    last: bool,
}

/// A piece of the output of a run that somebody watches. The answer is the offset that is wanted next; empty when nobody
/// watches any more.
#[utoipa::path(put, path = "/agent/v1/output", tag = "agents", params(Place), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn put(State(app): State<App>, Caller(by): Caller, Params(of): Params<Place>, request: Request) -> Result<String, Refused> {
    let run = RunId { deployment: Some(parsed(&of.deployment)?), host: host(by)?.name, attempt: of.attempt };
    let piece =
        Piece { run, app: parsed(&of.app)?, offset: of.offset, gap: of.gap, last: of.last, bytes: limited(request.into_body(), LOG_TAIL).await? };
    Ok(app.engine.follows().take(&piece).map_or_else(String::new, |next| next.to_string()))
}
