//! `files:` of the AppSpec: from the release directory to destinations that others use too, and back again byte for byte.
//!
//! *Keep* (before anything is disturbed) copies aside what the running release has installed, what the new one will
//! replace, and, up to a budget, what hooks have put beside it. *Prepare* (also before) decides what will be installed and
//! makes all of it aside, dressed, in the mount of its destination. *Switch* decides again (hooks of BeforeInstall change both
//! sides), keeps and makes what is new, writes down durably what it will do, and then only renames and removes, so that it
//! can be done again from its start after any crash. *Unswitch* puts back all that was kept; it too can be repeated.

pub mod acl;
pub mod context;
pub mod decide;
pub mod foreign;
pub mod handed;
pub mod installed;
pub mod keep;
pub mod kept;
pub mod links;
pub mod meta;
pub mod permissions;
pub mod plan;
pub mod put;
pub mod ready;
pub mod rules;
pub mod spec;
pub mod stage;
pub mod switch;
pub mod unswitch;

use std::fs;
use std::path::PathBuf;

use pilotage_shared::run::Outcome;

use crate::layout::Layout;

/// Why files could not be installed, kept, or put back.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A place of the file system.
    #[error(transparent)]
    Place(#[from] crate::place::PlaceError),
    /// C3, in CodeDeploy's words.
    #[error("The deployment failed because a specified file already exists at this location: {}", .0.display())]
    Exists(PathBuf),
    /// B6.
    #[error("the package has no {0}, which its AppSpec names as a source")]
    Source(String),
    /// B13.
    #[error("two entries of files want {}", .0.display())]
    Twice(PathBuf),
    /// C7: a file would replace a folder, or a device.
    #[error("{} is there already and is no file", .0.display())]
    NotAFile(PathBuf),
    /// Two apps.
    #[error("{} is installed by the app {app} too: one of the two must install elsewhere", path.display())]
    Taken {
        /// What.
        path: PathBuf,
        /// By whom.
        app: String,
    },
    /// Not UTF-8.
    #[error("the name of {} is no text", .0.display())]
    Name(PathBuf),
    /// Into our own state.
    #[error("{} lies in the agent's own directory", .0.display())]
    OwnState(PathBuf),
    /// E3, E8, E10, E11.
    #[error("permissions: {0}")]
    Permissions(String),
    /// E18.
    #[error(transparent)]
    Rules(#[from] rules::RulesError),
    /// A file of our own.
    #[error("failed to keep a record")]
    Durable(#[from] pilotage_disk::durable::DurableError),
    /// A record of our own.
    #[error("failed to read the record {path}")]
    Record {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Reading or writing.
    #[error("failed to {doing} {path}")]
    Io {
        /// What.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
}

impl InstallError {
    /// For `map_err`.
    pub(crate) fn io<E: Into<std::io::Error>>(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| InstallError::Io { doing, path, source: source.into() }
    }
}

/// When a run has ended: its copies go, unless a person must look; names of releases that are gone go too. What cannot be
/// removed now is removed with the run directory.
pub fn sweep(layout: &Layout, outcome: &Outcome) {
    match outcome {
        Outcome::Committed | Outcome::RolledBack { .. } | Outcome::NotBegun { .. } => {
            let _ = fs::remove_dir_all(keep::folder(&layout.run));
            let _ = stage::remove(&layout.run);
            foreign::sweep(layout);
            if !matches!(outcome, Outcome::NotBegun { .. }) {
                let _ = handed::remove(&layout.prepared());
            }
        }
        Outcome::NeedsHands { .. } => {}
    }
    let dangling = |path: &PathBuf| path.is_symlink() && !path.exists();
    let names = fs::read_dir(layout.bundles()).into_iter().flatten().flatten().map(|e| e.path());
    for name in names.filter(dangling) {
        let _ = fs::remove_file(name);
    }
}
