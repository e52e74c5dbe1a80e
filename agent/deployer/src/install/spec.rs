//! The parts of an AppSpec that say what is installed, as a run keeps them in its plan.

use pilotage_bundle::appspec::Glob;
use serde::{Deserialize, Serialize};

/// What to install.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// In the order of the AppSpec.
    pub files: Vec<Files>,
    /// What happens to files that are there and not ours (C1).
    pub exists: Exists,
    /// In the order of the AppSpec.
    pub permissions: Vec<Permission>,
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Path inside the release; `/` is all of it (B2).
    pub source: String,
    /// Always a folder (B5).
    pub destination: String,
    /// Of what is below the source only this.
    #[serde(default)]
    pub glob: Option<Glob>,
}

/// `file_exists_behavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exists {
    /// Fail.
    #[default]
    Disallow,
    /// Replace it; it is ours from then on (C6).
    Overwrite,
    /// Leave it, silently.
    Retain,
}

/// One entry of `permissions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// A file, or the folder above what is meant (E3, E4).
    pub object: String,
    /// `**`, or a simple glob for direct children (E5).
    pub pattern: String,
    /// Simple globs of direct children that are not meant (E6).
    pub except: Vec<String>,
    /// Files are meant.
    pub of_files: bool,
    /// Folders are meant.
    pub of_folders: bool,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Name or number.
    pub owner: Option<String>,
    /// Name or number.
    pub group: Option<String>,
    /// Access control entries in canonical form; none: no `acls` key.
    #[serde(default)]
    pub acls: Option<Vec<String>>,
    /// SELinux.
    #[serde(default)]
    pub context: Option<Context>,
}

/// An SELinux context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// SELinux's user.
    pub user: Option<String>,
    /// SELinux's type.
    pub kind: String,
    /// Sensitivity and categories.
    pub range: Option<String>,
}
