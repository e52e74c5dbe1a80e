//! Packages.

use serde::{Deserialize, Serialize};

use super::{NoteView, When};
use crate::digest::Digest;
use crate::ids::DeploymentId;
use crate::name::{AppName, Reason, Version};

/// One immutable version of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageView {
    /// As `web@1.4.2`.
    pub package: String,
    /// Of which app.
    pub app: AppName,
    /// People's name for it.
    pub version: Version,
    /// Its manifest's SHA-256.
    pub digest: Digest,
    /// Files in it.
    pub files: u32,
    /// Bytes unpacked.
    pub bytes: u64,
    /// Bytes that were new to the store; only in the answer to an upload.
    #[serde(default)]
    pub new_bytes: Option<u64>,
    /// Who brought it.
    pub added: NoteView,
    /// It failed somewhere and is not used until a person releases it.
    #[serde(default)]
    pub held: Option<HeldView>,
    /// No host may activate it.
    #[serde(default)]
    pub blocked: bool,
}

/// Why a package is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldView {
    /// The deployment that went back or stopped.
    pub by: DeploymentId,
    /// When.
    pub at: When,
    /// What failed.
    pub why: String,
}

/// Completes an upload in parts: manifest and objects are there, this makes the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatePackage {
    /// Of which app.
    pub app: AppName,
    /// People's name for it.
    pub version: Version,
    /// The manifest that was uploaded.
    pub digest: Digest,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: Reason,
}

/// The answer to a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ManifestKnown {
    /// The manifest's SHA-256: the package's digest.
    pub digest: Digest,
    /// Objects that the store does not have yet; send them, then create the package.
    pub missing: Vec<Digest>,
    /// The package exists already under this app and version with this content.
    pub exists: bool,
}
