//! What agents ask: the session's connection, manifests and objects, and where they bring reports of runs and output.

use std::io::Write;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use pilotage_bundle::pack;
use pilotage_shared::api::v1::Problem;
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{DeploymentId, HostId};
use pilotage_shared::limits::{JSON_MAX, OBJECTS_PER_REQUEST};
use pilotage_shared::principal::Principal;
use pilotage_shared::run::{Event, RunId, RunReport};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::App;
use super::extract::{At, Caller, Params, limited, parsed};
use super::logs::LOG_MAX;
use crate::problem::Refused;
use crate::sessions;

/// Bytes of one chunk of a pack.
pub(super) const CHUNK: usize = 64 << 10;
/// Chunks on their way.
pub(super) const AHEAD: usize = 4;
/// Events of one run.
const EVENTS_MAX: usize = 40;

/// The host that asks.
pub fn host(by: Principal) -> Result<HostId, Refused> {
    match by {
        Principal::Host(id) => Ok(id),
        other => Err(Refused::new("not-allowed", format!("{other} is not a host"))),
    }
}

/// The session: frames of the wire in both bodies, for as long as it lives. The first frame is the hello.
#[utoipa::path(post, path = "/agent/v1/session", tag = "agents", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn session(State(app): State<App>, Caller(by): Caller, request: Request) -> Result<Response, Refused> {
    let frames = sessions::serve(host(by)?, request.into_body(), app.engine, app.handshakes);
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(frames)).into_response())
}

/// A package's manifest: canonical text.
#[utoipa::path(get, path = "/agent/v1/manifests/{digest}", tag = "agents", params(("digest" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn manifest(State(app): State<App>, At(digest): At<String>) -> Result<Response, Refused> {
    let digest: Digest = parsed(&digest)?;
    let packages = app.packages.clone();
    let text = tokio::task::spawn_blocking(move || packages.manifest_text(&digest)).await.map_err(|e| Refused::new("internal", e.to_string()))??;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Objects in one stream of packs, in the order of the list: one digest per line, at most 1,000.
#[utoipa::path(post, path = "/agent/v1/objects", tag = "agents", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn objects(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let list = limited(request.into_body(), JSON_MAX).await?;
    let list = String::from_utf8_lossy(&list);
    let wanted: Vec<Digest> = list.lines().map(parsed).collect::<Result<_, _>>()?;
    if wanted.len() > OBJECTS_PER_REQUEST {
        return Err(Refused::bad(format!("{} objects are asked for, {OBJECTS_PER_REQUEST} are allowed at once", wanted.len())));
    }
    if let Some(missing) = wanted.iter().find(|d| !app.packages.objects().has(d)) {
        return Err(Refused::missing(format!("object {missing}")));
    }
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(AHEAD);
    let packages = app.packages.clone();
    tokio::task::spawn_blocking(move || {
        let mut chunks = Chunks { sender, buffer: Vec::with_capacity(CHUNK) };
        let written = pack::write(packages.objects(), wanted, &mut chunks).map_err(std::io::Error::other).and_then(|()| chunks.flush());
        if let Err(error) = written {
            // Breaks the answer off, so that nobody takes half for the whole; a reader that has gone away hears nothing.
            let _ = chunks.sender.blocking_send(Err(error));
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut r| async move { r.recv().await.map(|chunk| (chunk, r)) });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(stream)).into_response())
}

/// Collects what is written into chunks of a streamed answer.
pub(super) struct Chunks {
    pub sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    pub buffer: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let take = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..take]);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(take)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

/// A run that has ended, whole; good to repeat.
#[utoipa::path(put, path = "/agent/v1/runs", tag = "agents", request_body(content = Object, content_type = "application/json"),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn put_run(State(app): State<App>, Caller(by): Caller, request: Request) -> Result<StatusCode, Refused> {
    let id = host(by)?;
    let bytes = limited(request.into_body(), JSON_MAX).await?;
    let report: RunReport = serde_json::from_slice(&bytes).map_err(|e| Refused::bad(format!("the report is not valid: {e}")))?;
    if report.id.host != id.name {
        return Err(Refused::new("not-allowed", format!("{id} may not report for {}", report.id.host)));
    }
    if report.events.len() > EVENTS_MAX {
        return Err(Refused::bad(format!("the report has {} events, {EVENTS_MAX} are allowed", report.events.len())));
    }
    app.engine.put_run(report).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose output.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Output {
    /// Of which app
    app: String,
    /// Of which deployment; empty for a person's own run at the host
    #[serde(default)]
    deployment: String,
    /// Counted by the host
    attempt: u32,
    /// Lifecycle event
    event: String,
    /// On the way back
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    back: bool,
}

/// One event's output, or its tail; replaces what was there.
#[utoipa::path(put, path = "/agent/v1/logs", tag = "agents", params(Output), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn put_log(State(app): State<App>, Caller(by): Caller, Params(of): Params<Output>, request: Request) -> Result<StatusCode, Refused> {
    let id = host(by)?;
    let event = Event::named(&of.event).ok_or_else(|| Refused::bad(format!("{:?} is no lifecycle event", of.event)))?;
    let deployment: Option<DeploymentId> = if of.deployment.is_empty() { None } else { Some(parsed(&of.deployment)?) };
    let (name, run) = (parsed(&of.app)?, RunId { deployment, host: id.name, attempt: of.attempt });
    let output = limited(request.into_body(), LOG_MAX).await?;
    app.packages.room()?;
    let logs = app.logs.clone();
    let kept = tokio::task::spawn_blocking(move || logs.put(&name, &run, event, of.back, &output));
    kept.await.map_err(|e| Refused::new("internal", e.to_string()))?.map_err(|e| Refused::new("internal", e.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}
