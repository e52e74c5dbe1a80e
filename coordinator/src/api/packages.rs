//! `/v1/packages`: uploads (an archive in one stream, or manifest and missing objects), and what is in the store.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use http_body_util::BodyExt;
use pilotage_coordinator_core::input::{Idempotency, Request as CoreRequest};
use pilotage_coordinator_core::{Rejected, World};
use pilotage_shared::api::v1::{Because, CreatePackage, ManifestKnown, PackageView, Page, Problem};
use pilotage_shared::digest::Digest;
use pilotage_shared::limits::{MANIFEST_MAX, UPLOAD_MAX};
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::{AppName, Reason, Version, compare_versions};
use pilotage_shared::principal::Principal;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::extract::{Asked, At, Caller, Nothing, Params, WithReason, ask, idempotency, limited, parsed};
use super::paging::{page, place};
use super::{App, view};
use crate::packages::{PackageError, Packages};
use crate::problem::Refused;

/// Chunks of an upload on their way to the disk.
const AHEAD: usize = 8;

impl From<PackageError> for Refused {
    fn from(error: PackageError) -> Self {
        use pilotage_bundle::pack::PackError;
        use std::error::Error;
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            detail = format!("{detail}: {inner}");
            source = inner.source();
        }
        match error {
            PackageError::Build(pilotage_bundle::BuildError::Object(_) | pilotage_bundle::BuildError::Read { .. }) | PackageError::Object(_) => {
                storage(detail)
            }
            PackageError::Build(_) | PackageError::Manifest(_) | PackageError::Pack(PackError::Unasked(_) | PackError::Read(_)) => {
                Refused::new("package-invalid", detail)
            }
            PackageError::Pack(PackError::Object(pilotage_bundle::objects::ObjectError::Io { .. })) => storage(detail),
            PackageError::Pack(PackError::Object(_)) => Refused::new("package-invalid", detail),
            PackageError::Unknown(_) => Refused::new("not-found", detail),
            PackageError::Incomplete { .. } => Refused::new("incomplete", detail),
            PackageError::NoSpace { .. } => Refused::new("no-space", detail),
            PackageError::Durable(_) | PackageError::Io { .. } => storage(detail),
        }
    }
}

/// A failure of our own disk; a full one has its own code.
fn storage(detail: String) -> Refused {
    let full = detail.contains("No space left") || detail.contains("os error 28");
    Refused::new(if full { "no-space" } else { "internal" }, detail)
}

/// What a package is called.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Named {
    /// Of which app
    app: String,
    /// People's name for it
    version: String,
    /// Why; may be empty
    #[serde(default)]
    #[param(value_type = Option<String>)]
    reason: Reason,
}

impl Named {
    fn check(&self) -> Result<(AppName, Version), Refused> {
        let version: Version = parsed(&self.version)?;
        if version.is_empty() {
            return Err(Refused::bad("the version is empty"));
        }
        Ok((parsed(&self.app)?, version))
    }
}

/// Runs blocking work on the package store.
pub(super) async fn blocking<T: Send + 'static>(
    packages: &Arc<Packages>,
    work: impl FnOnce(&Packages) -> Result<T, PackageError> + Send + 'static,
) -> Result<T, Refused> {
    let packages = packages.clone();
    let done = tokio::task::spawn_blocking(move || work(&packages)).await;
    Ok(done.map_err(|e| Refused::new("internal", e.to_string()))??)
}

/// A whole package in one stream: `.tar`, `.tar.gz`, `.tar.zst` or `.zip` with an `appspec.yml` at its root. Constant memory.
#[utoipa::path(post, path = "/v1/packages", tag = "packages", params(Named), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 507, body = Problem, content_type = "application/problem+json")))]
pub async fn upload(
    State(app): State<App>,
    Caller(by): Caller,
    Params(named): Params<Named>,
    request: Request,
) -> Result<(StatusCode, Json<PackageView>), Refused> {
    let (app_name, version) = named.check()?;
    let (parts, body) = request.into_parts();
    let _uploading = app.packages.gate.read().await;
    app.packages.room()?;
    let file = Upload(app.packages.upload_path());
    receive(&app.packages, body, file.0.clone()).await?;
    let path = file.0.clone();
    let manifest = blocking(&app.packages, move |p| p.add_archive(&path)).await?;
    drop(file);
    // The same bytes again are the same request; others under the key are refused by it.
    let key = idempotency(&parts, &manifest.digest().0)?;
    put(&app, (by, key), app_name, version, named.reason, &manifest, None).await
}

/// Removes its file when the upload is over, however it ended.
struct Upload(PathBuf);

impl Drop for Upload {
    fn drop(&mut self) {
        // It may never have been made; what stays is removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Writes a body to a file, chunk by chunk.
async fn receive(packages: &Arc<Packages>, mut body: Body, path: PathBuf) -> Result<(), Refused> {
    let (sender, mut chunks) = mpsc::channel::<bytes::Bytes>(AHEAD);
    let writer = blocking(packages, move |packages| {
        let io = |doing: &'static str, path: PathBuf| move |source| PackageError::Io { doing, path, source };
        let mut file = std::fs::File::create_new(&path).map_err(io("create", path.clone()))?;
        let mut since_asked = 0;
        while let Some(chunk) = chunks.blocking_recv() {
            file.write_all(&chunk).map_err(io("write", path.clone()))?;
            since_asked += chunk.len();
            if since_asked > 16 << 20 {
                packages.room()?;
                since_asked = 0;
            }
        }
        Ok(())
    });
    let reader = async move {
        let mut size = 0u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| Refused::bad(format!("the upload was broken off: {e}")))?;
            let Ok(chunk) = frame.into_data() else { continue };
            size += chunk.len() as u64;
            if size > UPLOAD_MAX {
                return Err(Refused::new("too-large", format!("an upload may have {UPLOAD_MAX} bytes")));
            }
            if sender.send(chunk).await.is_err() {
                break; // The writer has failed and says why.
            }
        }
        Ok(())
    };
    let (read, written) = tokio::join!(reader, writer);
    written?;
    read
}

async fn put(
    app: &App,
    caller: (Principal, Option<Idempotency>),
    name: AppName,
    version: Version,
    reason: Reason,
    manifest: &Manifest,
    new_bytes: Option<u64>,
) -> Result<(StatusCode, Json<PackageView>), Refused> {
    let (digest, files, bytes) = (manifest.digest(), manifest.files(), manifest.bytes());
    let request = CoreRequest::PutPackage { digest, app: name, version, files, bytes };
    ask(app, caller, reason, move |_| Ok(request)).await?;
    let mut view = find_view(app, digest.to_string()).await?;
    view.new_bytes = new_bytes;
    Ok((StatusCode::CREATED, Json(view)))
}

/// The first part of an upload in parts: the manifest, as canonical text. Says which objects are missing.
#[utoipa::path(post, path = "/v1/packages/manifest", tag = "packages", params(Named), request_body(content = String, content_type = "text/plain"),
    responses((status = 200, body = ManifestKnown), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn manifest(State(app): State<App>, Params(named): Params<Named>, request: Request) -> Result<Json<ManifestKnown>, Refused> {
    let (name, version) = named.check()?;
    let text = limited(request.into_body(), MANIFEST_MAX as usize).await?;
    let digest = Digest::of(&text);
    let known = app.engine.query(move |v| v.world.versions.get(&(name.clone(), version.clone())).map(|found| (*found, name, version)));
    let exists = match known.await? {
        Some((found, app, version)) if found != digest => {
            return Err(Rejected::VersionTaken { app, version, existing: found }.into());
        }
        other => other.is_some(),
    };
    let _uploading = app.packages.gate.read().await;
    app.packages.room()?;
    let (digest, missing) = blocking(&app.packages, move |p| p.add_manifest(&text)).await?;
    Ok(Json(ManifestKnown { digest, missing, exists }))
}

/// Whose objects.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// The manifest that names them
    manifest: String,
}

/// The second part: objects of a manifest, as one stream of packs. May be sent in several requests.
#[utoipa::path(post, path = "/v1/objects", tag = "packages", params(Of), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 507, body = Problem, content_type = "application/problem+json")))]
pub async fn objects(State(app): State<App>, Params(of): Params<Of>, request: Request) -> Result<StatusCode, Refused> {
    let digest: Digest = parsed(&of.manifest)?;
    let _uploading = app.packages.gate.read().await;
    let mut body = request.into_body();
    let (sender, receiver) = mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(AHEAD);
    let reading = blocking(&app.packages, move |p| p.add_objects(&digest, ChunkReader { receiver, rest: bytes::Bytes::new() }));
    let feeding = async move {
        while let Some(frame) = body.frame().await {
            let chunk = match frame.map(hyper::body::Frame::into_data) {
                Ok(Err(_trailers)) => continue,
                Ok(Ok(chunk)) => Ok(chunk),
                Err(error) => Err(std::io::Error::other(error)),
            };
            if sender.send(chunk).await.is_err() {
                break; // The reader has failed and says why.
            }
        }
    };
    let (taken, ()) = tokio::join!(reading, feeding);
    taken?;
    Ok(StatusCode::NO_CONTENT)
}

/// Blocking code reads what arrives.
struct ChunkReader {
    receiver: mpsc::Receiver<Result<bytes::Bytes, std::io::Error>>,
    rest: bytes::Bytes,
}

impl std::io::Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.rest = chunk?,
            }
        }
        let take = buffer.len().min(self.rest.len());
        buffer[..take].copy_from_slice(&self.rest.split_to(take));
        Ok(take)
    }
}

/// The last part: manifest and objects are here, this makes the package.
#[utoipa::path(post, path = "/v1/packages/create", tag = "packages", request_body = CreatePackage,
    responses((status = 201, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn create(State(app): State<App>, asked: Asked<CreatePackage>) -> Result<(StatusCode, Json<PackageView>), Refused> {
    let CreatePackage { app: name, version, digest, reason } = asked.body;
    if version.is_empty() {
        return Err(Refused::bad("the version is empty"));
    }
    let _uploading = app.packages.gate.read().await;
    let manifest = blocking(&app.packages, move |p| p.complete(&digest)).await?;
    put(&app, (asked.by, asked.idempotency), name, version, reason, &manifest, None).await
}

/// Which packages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Of this app
    app: Option<String>,
    /// At most so many items; 100 when not given, never more than 500
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// Packages by app, newest version first.
#[utoipa::path(get, path = "/v1/packages", tag = "packages", params(Which),
    responses((status = 200, body = Page<PackageView>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<App>, Params(which): Params<Which>) -> Result<Json<Page<PackageView>>, Refused> {
    let place = place(which.limit, which.cursor.as_deref())?;
    let only: Option<AppName> = which.app.as_deref().map(parsed).transpose()?;
    let found = app.engine.query(move |v| {
        let mut all: Vec<_> = v.world.packages.values().filter(|p| only.as_ref().is_none_or(|a| *a == p.app)).collect();
        all.sort_by(|a, b| a.app.cmp(&b.app).then_with(|| compare_versions(b.version.as_str(), a.version.as_str())).then(a.digest.cmp(&b.digest)));
        let from = place.after.as_ref().and_then(|after| all.iter().position(|p| p.digest.to_string() == *after)).map_or(0, |at| at + 1);
        page(all[from..].iter().map(|p| (p.digest.to_string(), view::package(v.world, p))), &place)
    });
    Ok(Json(found.await?))
}

fn find(world: &World, text: &str) -> Result<Digest, Refused> {
    if text.starts_with("sha256:") {
        let digest: Digest = parsed(text)?;
        return if world.packages.contains_key(&digest) { Ok(digest) } else { Err(Rejected::UnknownPackage(digest).into()) };
    }
    let (app, version) = text.split_once('@').ok_or_else(|| Refused::bad(format!("{text:?} is no package: write web@1.4.2 or sha256:…")))?;
    let key = (parsed::<AppName>(app)?, parsed::<Version>(version)?);
    world.versions.get(&key).copied().ok_or_else(|| Rejected::UnknownVersion { app: key.0, version: key.1 }.into())
}

async fn digest_of(app: &App, text: String) -> Result<Digest, Refused> {
    app.engine.query(move |v| find(v.world, &text)).await?
}

async fn find_view(app: &App, text: String) -> Result<PackageView, Refused> {
    let found = app.engine.query(move |v| {
        let digest = find(v.world, &text)?;
        v.world.packages.get(&digest).map(|p| view::package(v.world, p)).ok_or_else(|| Refused::from(Rejected::UnknownPackage(digest)))
    });
    found.await?
}

/// One package, as `web@1.4.2` or by digest.
#[utoipa::path(get, path = "/v1/packages/{package}", tag = "packages", params(("package" = String, Path)),
    responses((status = 200, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn show(State(app): State<App>, At(package): At<String>) -> Result<Json<PackageView>, Refused> {
    find_view(&app, package).await.map(Json)
}

/// Deletes a package that nobody needs; its files go with the next sweep.
#[utoipa::path(delete, path = "/v1/packages/{package}", tag = "packages", params(("package" = String, Path), WithReason),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(
    State(app): State<App>,
    At(package): At<String>,
    Params(why): Params<WithReason>,
    asked: Asked<Nothing>,
) -> Result<StatusCode, Refused> {
    let digest = digest_of(&app, package).await?;
    ask(&app, (asked.by, asked.idempotency), why.reason, move |_| Ok(CoreRequest::DeletePackage { digest })).await?;
    app.packages.deleted.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    app: &App,
    package: String,
    asked: Asked<Because>,
    request: impl FnOnce(Digest) -> CoreRequest + Send + 'static,
) -> Result<Json<PackageView>, Refused> {
    let digest = digest_of(app, package).await?;
    ask(app, (asked.by, asked.idempotency), asked.body.reason, move |_| Ok(request(digest))).await?;
    find_view(app, digest.to_string()).await.map(Json)
}

/// Releases a package from hold: it failed, a person has looked.
#[utoipa::path(post, path = "/v1/packages/{package}/release", tag = "packages", params(("package" = String, Path)), request_body = Because,
    responses((status = 200, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn release(State(app): State<App>, At(package): At<String>, asked: Asked<Because>) -> Result<Json<PackageView>, Refused> {
    change(&app, package, asked, |digest| CoreRequest::ReleasePackage { digest }).await
}

/// No host that has heard of it may activate it.
#[utoipa::path(post, path = "/v1/packages/{package}/block", tag = "packages", params(("package" = String, Path)), request_body = Because,
    responses((status = 200, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn block(State(app): State<App>, At(package): At<String>, asked: Asked<Because>) -> Result<Json<PackageView>, Refused> {
    change(&app, package, asked, |digest| CoreRequest::BlockPackage { digest }).await
}

/// Opens a blocked package again.
#[utoipa::path(post, path = "/v1/packages/{package}/unblock", tag = "packages", params(("package" = String, Path)), request_body = Because,
    responses((status = 200, body = PackageView), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn unblock(State(app): State<App>, At(package): At<String>, asked: Asked<Because>) -> Result<Json<PackageView>, Refused> {
    change(&app, package, asked, |digest| CoreRequest::UnblockPackage { digest }).await
}
