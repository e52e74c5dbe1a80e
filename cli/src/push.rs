//! From a folder or an archive to a package at the coordinator: the manifest is made here, only what the store lacks is sent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pilotage_bundle::check::Report;
use pilotage_bundle::{AppSpec, Built, Objects, check as bundle, pack};
use pilotage_client::encode;
use pilotage_shared::api::v1::{CreatePackage, ManifestKnown, PackageView};
use pilotage_shared::digest::Digest;
use pilotage_shared::name::{AppName, Reason, Version};

use crate::failure::Failure;
use crate::scratch::Scratch;
use crate::session::Session;

/// What is to become a package.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Folder or archive.
    pub path: PathBuf,
    /// Its AppSpec's name; none: the usual ones.
    pub appspec: Option<String>,
    /// Of which app.
    pub app: AppName,
    /// People's name for it.
    pub version: Version,
    /// Why.
    pub reason: Reason,
}

/// Looks at a folder or an archive as the coordinator would.
pub fn check(path: &Path, appspec: Option<&str>) -> Result<Report, Failure> {
    let (_scratch, objects) = store()?;
    bundle::check(path, &objects, appspec).map_err(|error| refused(path, &error))
}

/// Looks at an AppSpec alone.
pub fn check_text(path: &Path) -> Result<AppSpec, Failure> {
    bundle::check_text(path).map_err(|error| refused(path, &error))
}

/// Makes the package and brings it.
pub async fn push(session: &Session, wish: Wish) -> Result<PackageView, Failure> {
    let (scratch, objects) = store()?;
    let (path, appspec) = (wish.path.clone(), wish.appspec.clone());
    let (built, objects) = blocking(move || (bundle::build(&path, &objects, appspec.as_deref()), objects)).await?;
    let Built { manifest, .. } = built.map_err(|error| refused(&wish.path, &error))?;
    let text = manifest.encode();
    let named = format!("/v1/packages/manifest?app={}&version={}", wish.app, encode(wish.version.as_str()));
    let known: ManifestKnown = session.upload(&named, "text/plain", move |out| out.write_all(text.as_bytes())).await?;
    let have = manifest.objects();
    let missing: BTreeSet<Digest> = known.missing.into_iter().filter(|digest| have.contains_key(digest)).collect();
    if !missing.is_empty() {
        let write = move |out: &mut dyn std::io::Write| pack::write(&objects, missing, out).map_err(std::io::Error::other);
        let path = format!("/v1/objects?manifest={}", manifest.digest());
        session.upload::<serde::de::IgnoredAny, _>(&path, "application/octet-stream", write).await?;
    }
    let body = CreatePackage { app: wish.app, version: wish.version, digest: manifest.digest(), reason: wish.reason };
    let view = session.post("/v1/packages/create", &body).await?;
    drop(scratch);
    Ok(view)
}

fn store() -> Result<(Scratch, Objects), Failure> {
    let scratch = Scratch::new("pilotage-push").map_err(|source| Failure::System { what: "make a temporary folder", source })?;
    let objects = Objects::open(scratch.path()).map_err(|error| Failure::Bundle(error.to_string()))?;
    Ok((scratch, objects))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::System { what: "read the package", source: std::io::Error::other(error) })
}

fn refused(path: &Path, error: &dyn std::error::Error) -> Failure {
    let chain: Vec<String> = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    Failure::Bundle(format!("{}: {}", path.display(), chain.join(": ")))
}
