//! From a folder or an archive to a package, or from a folder to a configuration, at the coordinator: the manifest is made
//! here, only what the store lacks is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pilotage_bundle::check::Report;
use pilotage_bundle::{AppSpec, Built, Objects, check as bundle, configuration, pack};
use pilotage_client::encode;
use pilotage_shared::api::v1::{ConfigurationKnown, ConfigurationPushed, CreateConfiguration, CreatePackage, ManifestKnown, PackageView};
use pilotage_shared::digest::Digest;
use pilotage_shared::name::{AppName, FleetName, Reason, Version};

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
    send(session, objects, &manifest.objects(), known.missing, &manifest.digest()).await?;
    let body = CreatePackage { app: wish.app, version: wish.version, digest: manifest.digest(), reason: wish.reason };
    let view = session.post("/v1/packages/create", &body).await?;
    drop(scratch);
    Ok(view)
}

/// Makes a configuration of a folder, as it would be pushed.
pub fn check_configuration(path: &Path) -> Result<configuration::Built, Failure> {
    let (_scratch, objects) = store()?;
    configuration::build(path, &objects).map_err(|error| refused(path, &error))
}

/// Makes a configuration of a folder and brings it; gives its warnings too.
pub async fn push_configuration(session: &Session, path: &Path, wish: CreateConfigurationOf) -> Result<(ConfigurationPushed, Vec<String>), Failure> {
    let (scratch, objects) = store()?;
    let folder = path.to_owned();
    let (built, objects) = blocking(move || (configuration::build(&folder, &objects), objects)).await?;
    let configuration::Built { configuration, warnings } = built.map_err(|error| refused(path, &error))?;
    let text = configuration.encode();
    let known: ConfigurationKnown = session.upload("/v1/configurations/manifest", "text/plain", move |out| out.write_all(text.as_bytes())).await?;
    send(session, objects, &configuration.objects(), known.missing, &configuration.digest()).await?;
    let CreateConfigurationOf { fleet, deploy, reason } = wish;
    let body = CreateConfiguration { fleet, digest: configuration.digest(), deploy, reason };
    let pushed = session.post("/v1/configurations", &body).await?;
    drop(scratch);
    Ok((pushed, warnings))
}

/// What a push is to do.
#[derive(Clone, Debug)]
pub struct CreateConfigurationOf {
    /// For which fleet.
    pub fleet: FleetName,
    /// Also deploy it.
    pub deploy: bool,
    /// Why.
    pub reason: Reason,
}

/// Sends the objects that the store lacks, in one stream.
async fn send(session: &Session, objects: Objects, have: &BTreeMap<Digest, u64>, missing: Vec<Digest>, manifest: &Digest) -> Result<(), Failure> {
    let missing: BTreeSet<Digest> = missing.into_iter().filter(|digest| have.contains_key(digest)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let write = move |out: &mut dyn std::io::Write| pack::write(&objects, missing, out).map_err(std::io::Error::other);
    session.upload::<serde::de::IgnoredAny, _>(&format!("/v1/objects?manifest={manifest}"), "application/octet-stream", write).await?;
    Ok(())
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
