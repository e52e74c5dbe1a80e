//! Configuration objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeploymentView, HeldView, NoteView};
use crate::digest::Digest;
use crate::name::{AppName, FleetName, Reason};

/// One immutable configuration of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationView {
    /// Of which app.
    pub app: AppName,
    /// 17 for `c17`.
    pub number: u32,
    /// Its manifest's SHA-256.
    pub digest: Digest,
    /// For which fleet it was pushed.
    pub fleet: FleetName,
    /// Files with content.
    pub files: u32,
    /// Bytes in them.
    pub bytes: u64,
    /// Variables, secret ones too.
    pub variables: u32,
    /// Distinct secrets.
    pub secrets: u32,
    /// Who brought it.
    pub added: NoteView,
    /// Fleets that are settled on it.
    #[serde(default)]
    pub settled: Vec<FleetName>,
    /// Packages that it failed with; they are not used with it until a person releases it.
    #[serde(default)]
    pub held: Vec<HeldWithView>,
    /// What is in it; only where one is asked for.
    #[serde(default)]
    pub content: Option<ConfigurationContent>,
}

/// A package that a configuration is held with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldWithView {
    /// As `web@1.4.2`.
    pub package: String,
    /// Since when, and why.
    pub held: HeldView,
}

/// What is in a configuration; of secrets the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationContent {
    /// Variables and their values.
    pub environment: BTreeMap<String, String>,
    /// Variables and the names of their secrets.
    pub secrets: BTreeMap<String, String>,
    /// By path; also the rendered environment.
    pub files: BTreeMap<String, ConfigurationFile>,
}

/// A file as it is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationFile {
    /// As `0400`.
    pub mode: String,
    /// Its owner.
    pub reader: String,
    /// Bytes, of content.
    #[serde(default)]
    pub size: Option<u64>,
    /// SHA-256, of content.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// The secret's name, of a secret.
    #[serde(default)]
    pub secret: Option<String>,
}

/// Completes an upload: manifest and objects are there, this gives the configuration its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateConfiguration {
    /// For which fleet; the number is one of its app.
    pub fleet: FleetName,
    /// The manifest that was uploaded.
    pub digest: Digest,
    /// Also deploy the fleet's settled package with it; where nothing is settled it waits for the first deployment.
    #[serde(default)]
    pub deploy: bool,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

/// The answer to a configuration's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationKnown {
    /// Its SHA-256.
    pub digest: Digest,
    /// Objects that the store does not have yet; send them, then create the configuration.
    pub missing: Vec<Digest>,
}

/// A configuration has its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConfigurationPushed {
    /// Which.
    pub configuration: ConfigurationView,
    /// The deployment that brings it; none: nothing was to be deployed.
    #[serde(default)]
    pub deployment: Option<DeploymentView>,
}
