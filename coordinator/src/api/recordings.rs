//! Recordings: what the core was given and what it decided, for `pilotage replay`. One stream, compressed with zstd; made of
//! whole segments, so that it begins before what was asked for and ends behind it.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use pilotage_coordinator_core::Rejected;
use pilotage_coordinator_core::world::Course;
use pilotage_shared::api::v1::Problem;
use pilotage_shared::time::Time;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::App;
use super::agent::{AHEAD, CHUNK, Chunks};
use super::deployments::find;
use super::extract::{At, Params};
use crate::engine::View;
use crate::problem::Refused;
use crate::recording::{self, Segment, Standing};

/// Since when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Milliseconds since 1970; all that is kept when not given
    #[serde(default)]
    #[param(value_type = Option<u64>)]
    since: u64,
}

/// All that was recorded since a moment.
#[utoipa::path(get, path = "/v1/recording", tag = "service", params(Which),
    responses((status = 200, body = Vec<u8>, content_type = "application/zstd"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn since(State(app): State<App>, Params(Which { since }): Params<Which>) -> Result<Response, Refused> {
    let found = app.engine.query(move |v| segments(v, Time(since), Time(u64::MAX), "that time"));
    Ok(stream(found.await??))
}

/// What was recorded while a deployment was in course.
#[utoipa::path(get, path = "/v1/deployments/{deployment}/recording", tag = "deployments", params(("deployment" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/zstd"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn of_deployment(State(app): State<App>, At(deployment): At<String>) -> Result<Response, Refused> {
    let found = app.engine.query(move |v| {
        let id = find(v.world, &deployment)?;
        let deployment = v.world.deployments.get(&id).ok_or_else(|| Rejected::UnknownDeployment(id.clone()))?;
        let until = match deployment.course {
            Course::Ended { at, .. } => at,
            Course::Forward | Course::Back { .. } => Time(u64::MAX),
        };
        segments(v, deployment.started.at, until, &id.to_string())
    });
    Ok(stream(found.await??))
}

fn segments(v: &View<'_>, from: Time, until: Time, what: &str) -> Result<Vec<Segment>, Refused> {
    let found = v.recorder.segments(from, until).map_err(|e| Refused::new("internal", format!("the recording cannot be read: {e}")))?;
    match (found.is_empty(), v.recorder.standing()) {
        (false, _) => Ok(found),
        (true, Standing::Off) => Err(Refused::missing("recording: it is off (recording = false in the coordinator's configuration)".to_owned())),
        (true, Standing::On | Standing::Lost { .. }) => {
            Err(Refused::missing(format!("recording of {what}: it is older than what is kept (recording_keep, recording_max_mb)")))
        }
    }
}

fn stream(segments: Vec<Segment>) -> Response {
    let (sender, receiver) = mpsc::channel::<io::Result<bytes::Bytes>>(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks { sender, buffer: Vec::with_capacity(CHUNK) };
        if let Err(error) = recording::send(&segments, &mut chunks) {
            // Breaks the answer off, so that nobody takes half for the whole; a reader that has gone away hears nothing.
            let _ = chunks.sender.blocking_send(Err(error));
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut r| async move { r.recv().await.map(|chunk| (chunk, r)) });
    ([(header::CONTENT_TYPE, "application/zstd")], Body::from_stream(stream)).into_response()
}
