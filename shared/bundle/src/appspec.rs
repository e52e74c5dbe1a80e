//! The AppSpec (`appspec.yml`): what a package installs and which hooks it has.
//!
//! What AWS CodeDeploy accepts is accepted, with a warning where the author cannot have meant it; what it rejects is rejected
//! with line, key, and what was meant. Our own settings stand under `x-pilotage` (`ours`); there an unknown key is an error.
//! All known keys stand in one table (`keys`), from which the JSON Schema is made too.

mod acl;
mod context;
mod fields;
mod glob;
mod health;
mod hint;
mod keys;
mod ours;
mod parse;
mod permission;
mod schema;
mod script;

use std::collections::BTreeMap;
use std::time::Duration;

use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

pub use acl::canonical_acl;
pub use context::canonical_range;
pub use glob::Glob;
pub use health::HealthSpec;
pub use parse::parse;
pub use pilotage_shared::file_exists::FileExists;
pub use schema::schema;

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
    /// Ours, the rest of it; none: the package has no `x-pilotage`, and its scripts' exit codes mean what CodeDeploy means.
    pub ours: Option<Ours>,
    /// What the author may want to know.
    pub warnings: Vec<Note>,
}

impl AppSpec {
    /// The scripts of an event.
    pub fn scripts(&self, event: Event) -> &[Script] {
        if Event::SCRIPTED.contains(&event) {
            return self.hooks.get(event.as_str()).map_or(&[], Vec::as_slice);
        }
        self.ours.as_ref().and_then(|ours| ours.hooks.get(&event)).map_or(&[], Vec::as_slice)
    }

    /// All scripts with the names of their events; also those that never run.
    pub fn all_scripts(&self) -> impl Iterator<Item = (&str, &Script)> {
        let ours = self.ours.iter().flat_map(|ours| &ours.hooks).map(|(event, scripts)| (event.as_str(), scripts));
        let all = self.hooks.iter().map(|(event, scripts)| (event.as_str(), scripts)).chain(ours);
        all.flat_map(|(event, scripts)| scripts.iter().map(move |script| (event, script)))
    }
}

/// What a package says under `x-pilotage`, beside its health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// Scripts of the events that CodeDeploy does not have: Preflight, OnFailure, OnRollback.
    pub hooks: BTreeMap<Event, Vec<Script>>,
    /// The unit that is the application.
    pub service: Option<Service>,
    /// How it is drained before it is stopped.
    pub drain: Option<Drain>,
    /// How a script that asks for it (exit 21) is tried again.
    pub retry: Retry,
    /// How many releases a host keeps.
    pub retain: Option<usize>,
    /// Folders that all releases share.
    pub shared: Vec<Shared>,
}

/// `service`: starting and stopping by systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// With its suffix, as `web.service`.
    pub unit: String,
    /// How long it may take to start, and to stop.
    pub timeout: Millis,
}

/// `drain`: what happens between "not ready" and the stop scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// At least so long.
    pub wait: Millis,
    /// Then until this script of the package exits with 0.
    pub until: Option<String>,
    /// Never longer.
    pub at_most: Millis,
}

/// `retry`: the bounds of exit 21.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// More tries.
    pub times: u32,
    /// Between two.
    pub wait: Millis,
    /// From the first on.
    pub at_most: Millis,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 10, wait: Millis::seconds(10), at_most: Millis::seconds(300) }
    }
}

/// One folder of `shared`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// In the release, where a link to it is made.
    pub path: String,
    /// Name or number.
    pub owner: Option<String>,
    /// Name or number.
    pub group: Option<String>,
    /// Of the folder itself.
    pub mode: Option<u32>,
    /// Where it stands.
    pub line: usize,
}

/// One entry of `files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Relative to the bundle's root; empty: all of it.
    pub source: String,
    /// Always a directory; absolute (relative ones are taken from `/`, as under the peer's unit), without `.` and `..`.
    pub destination: String,
    /// Of what is below `source` only this; none: all of it. Only `x-pilotage: files` says it.
    pub glob: Option<Glob>,
    /// Where it stands.
    pub line: usize,
}

/// One script of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Relative to the bundle's root.
    pub location: String,
    /// How long it may run; 3600 s unless said.
    pub timeout: Duration,
    /// As whom; none: the agent's user.
    pub runas: Option<String>,
    /// Through sudo (undocumented in the peer): as root.
    pub sudo: bool,
    /// What it is called with; ours.
    pub args: Vec<String>,
    /// What it finds in its environment; ours.
    pub env: BTreeMap<String, String>,
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
