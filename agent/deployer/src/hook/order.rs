//! What travels between deployer, supervisor and the process that becomes the hook: one line of JSON each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pilotage_agent_core::journal::End;
use pilotage_bundle::configuration::render::Mask;
use serde::{Deserialize, Serialize};

use super::limits::Limit;

/// Deployer → supervisor. The supervisor's working directory is the run directory. Not `Debug`: it has values of secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    /// The n-th hook of the run, from 1.
    pub number: usize,
    /// As in the AppSpec.
    pub event: String,
    /// The first script of its event: the combined log names the event.
    pub first: bool,
    /// As in the AppSpec; for messages.
    pub location: String,
    /// Whose account, as in the AppSpec; for messages.
    pub runas: Option<String>,
    /// Its budget (H8).
    pub timeout_ms: u64,
    /// Its exit codes 21 and 194 mean something.
    pub asks: Asks,
    /// Where its output goes besides.
    pub deployments_log: Option<DeploymentsLog>,
    /// What is not to be shown of its output.
    #[serde(default)]
    pub masks: Vec<Mask>,
    /// What is executed.
    pub program: Program,
}

/// What a script may ask for by its exit code.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Asks {
    /// 21: another try.
    pub later: bool,
    /// 194: a reboot.
    pub reboot: bool,
}

/// CodeDeploy's log of all deployments (H13).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeploymentsLog {
    /// Its file.
    pub path: PathBuf,
    /// As its lines name it.
    pub deployment: String,
}

/// Supervisor → the process that becomes the hook. Not `Debug`: its environment may have values of secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Program {
    /// Absolute path of the script; its `$0`.
    pub path: PathBuf,
    /// What it is called with.
    pub args: Vec<String>,
    /// The shell that reads it, when the kernel cannot start it by itself.
    pub shell: Option<PathBuf>,
    /// Everything of its environment.
    pub environment: BTreeMap<String, String>,
    /// The account to become; none: the deployer's own.
    pub become_: Option<Become>,
    /// What the account's sessions are limited to.
    pub limits: Vec<Limit>,
}

/// An account to become before the script starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Become {
    /// Its name; for the supplementary groups.
    pub name: String,
    /// Number of the user.
    pub uid: u32,
    /// Number of its primary group.
    pub gid: u32,
}

/// What a supervisor leaves behind in `results/<number>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Result {
    /// How the hook ended.
    pub end: End,
}

/// The name of a hook's result in the run directory.
pub fn result_name(number: usize) -> String {
    format!("results/{number}")
}

/// Held by `flock` while a supervisor lives. It says which hook was let go last; that means something within one boot.
pub const SUPERVISOR_LOCK: &str = "supervisor";
