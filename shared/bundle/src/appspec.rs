//! The AppSpec (`appspec.yml`): what a package installs and which hooks it has.
//!
//! What AWS CodeDeploy accepts is accepted, with a warning where the author cannot have meant it; what it rejects is rejected
//! with line, key, and what was meant. Our own settings stand under `x-pilotage`; there an unknown key is an error.

mod acl;
mod context;
mod fields;
mod health;
mod parse;
mod permission;

use std::collections::BTreeMap;
use std::time::Duration;

use pilotage_shared::run::Event;

pub use acl::canonical_acl;
pub use context::canonical_range;
pub use health::HealthSpec;
pub use parse::parse;

/// A checked AppSpec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSpec {
    /// What to do when a file is there that is not ours; none: the deployment's option, else DISALLOW.
    pub file_exists_behavior: Option<FileExists>,
    /// What to install.
    pub files: Vec<FileRule>,
    /// Scripts by event name, in order; unknown events are kept (and never run).
    pub hooks: BTreeMap<String, Vec<Script>>,
    /// Owners and modes of what was installed.
    pub permissions: Vec<Permission>,
    /// Ours.
    pub health: Option<HealthSpec>,
    /// What the author may want to know.
    pub warnings: Vec<Note>,
}

impl AppSpec {
    /// The scripts of an event.
    pub fn scripts(&self, event: Event) -> &[Script] {
        self.hooks.get(event.as_str()).map_or(&[], Vec::as_slice)
    }
}

/// When a file is there that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileExists {
    /// The deployment fails.
    Disallow,
    /// Ours takes its place.
    Overwrite,
    /// It stays.
    Retain,
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Relative to the bundle's root; empty: all of it.
    pub source: String,
    /// Always a directory; absolute (relative ones are taken from `/`, as under the peer's unit), without `.` and `..`.
    pub destination: String,
    /// Where it stands.
    pub line: usize,
}

/// One script of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Relative to the bundle's root.
    pub location: String,
    /// How long it may run; 3600 s unless said.
    pub timeout: Duration,
    /// As whom; none: the agent's user.
    pub runas: Option<String>,
    /// Through sudo (undocumented in the peer): as root.
    pub sudo: bool,
    /// Where it stands.
    pub line: usize,
}

/// One entry of `permissions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// A file or folder; `/` with `**` means everything this deployment installed.
    pub object: String,
    /// `**`: all depths; else only direct children whose names match (`*` is the one wildcard).
    pub pattern: String,
    /// Names of direct children that are left alone.
    pub except: Vec<String>,
    /// Applies to files.
    pub files: bool,
    /// Applies to folders.
    pub directories: bool,
    /// Name or number.
    pub owner: Option<String>,
    /// Name or number.
    pub group: Option<String>,
    /// Up to 07777.
    pub mode: Option<u32>,
    /// In canonical form, as `default:user:bob:rwx`; none when there is no `acls` key.
    pub acls: Option<Vec<String>>,
    /// SELinux.
    pub context: Option<Context>,
    /// Where it stands.
    pub line: usize,
}

/// An SELinux context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// From `name` (as the peer reads it) or `user` (as it documents it).
    pub user: Option<String>,
    /// Required.
    pub kind: String,
    /// Checked.
    pub range: Option<String>,
}

/// A warning or an error: where, about what, and what was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct Note {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong or odd, with the key's name.
    pub text: String,
}
