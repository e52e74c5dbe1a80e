//! What the operator sets: flags before the file before the defaults. The environment is not read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use pilotage_shared::limits::SOCKET_PATH_MAX;
use pilotage_shared::time::Millis;
use serde::Deserialize;
use tracing_subscriber::filter::Targets;

use crate::recording::Limits;

/// Where the state lies when nobody says otherwise.
const STATE: &str = "/var/lib/pilotage-coordinator";
/// Where people and agents of this machine find the coordinator.
const SOCKET: &str = "/run/pilotage/coordinator.sock";
/// Entries of the history that are kept.
const HISTORY_KEEP: u64 = 1_000_000;
/// Reports of runs that are kept, with their logs.
const RUNS_KEEP: usize = 200_000;
/// The newest packages of each app that a sweep always keeps.
const PACKAGES_KEEP: usize = 10;
/// Backups that stay: a day of hourly ones.
const BACKUP_KEEP: usize = 24;

/// How long recordings are kept.
const RECORDING_KEEP: Millis = Millis::seconds(35 * 24 * 3600);
/// Megabytes of recordings that are kept.
const RECORDING_MAX_MB: u64 = 2048;

/// The flags.
#[derive(Debug, Default, Parser)]
#[command(name = "pilotage-coordinator", version, about = "Keeps the state of the world and tells each host what it should run")]
pub struct Flags {
    /// Configuration file (TOML); a flag outranks it
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the store, the packages and the logs [default: /var/lib/pilotage-coordinator]
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Unix socket to listen on; who may open it may deploy [default: /run/pilotage/coordinator.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Also listen on this TCP address; every request needs a bearer token
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// A further name by which clients call us (the Host header); may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// How often hosts report [default: 5s]
    #[arg(long, value_name = "SPAN")]
    pub heartbeat: Option<Millis>,
    /// Allow agents, and people from other machines, over TCP without encryption (never without a token)
    #[arg(long)]
    pub insecure: bool,
    /// Make a backup of the store so often, as 1h [default: never]
    #[arg(long, value_name = "SPAN")]
    pub backup_every: Option<Millis>,
    /// Folder of backups [default: backups, in the state folder]
    #[arg(long, value_name = "DIR")]
    pub backup_folder: Option<PathBuf>,
    /// Log level, also by target: info,pilotage_coordinator=debug [default: info]
    #[arg(long, global = true, value_name = "LEVELS")]
    pub log: Option<String>,
    /// Something else than to serve
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is done instead of serving.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Make a new store of a backup, in a state folder that has none; then start the coordinator on it
    Restore {
        /// What `pilotage backup` has made
        backup: PathBuf,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    state: Option<PathBuf>,
    socket: Option<PathBuf>,
    listen: Option<SocketAddr>,
    names: Option<Vec<String>>,
    heartbeat: Option<String>,
    insecure: Option<bool>,
    log: Option<String>,
    history_keep: Option<u64>,
    runs_keep: Option<usize>,
    packages_keep: Option<usize>,
    backup_every: Option<String>,
    backup_folder: Option<PathBuf>,
    backup_keep: Option<usize>,
    recording: Option<bool>,
    recording_keep: Option<String>,
    recording_max_mb: Option<u64>,
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the store, the packages and the logs.
    pub state: PathBuf,
    /// Unix socket.
    pub socket: PathBuf,
    /// TCP address.
    pub listen: Option<SocketAddr>,
    /// Further names that we serve.
    pub names: Vec<String>,
    /// How often hosts report.
    pub heartbeat: Millis,
    /// TCP without encryption is allowed.
    pub insecure: bool,
    /// What is logged.
    pub log: Targets,
    /// Entries of the history that are kept.
    pub history_keep: u64,
    /// Reports of runs that are kept.
    pub runs_keep: usize,
    /// The newest packages of each app that a sweep always keeps.
    pub packages_keep: usize,
    /// How often a backup is made by itself.
    pub backup_every: Option<Millis>,
    /// Where backups go.
    pub backup_folder: PathBuf,
    /// How many stay.
    pub backup_keep: usize,
    /// How much of what the core was given is recorded; none: nothing.
    pub recording: Option<Limits>,
}

/// Why the settings are not good. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read the configuration {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not right.
    #[error("failed to understand the configuration {path}: {why}")]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// A value is not right.
    #[error("{key}: {why}")]
    Value {
        /// Which.
        key: &'static str,
        /// What is wrong, and what to write.
        why: String,
    },
}

impl Config {
    /// Puts flags, file and defaults together.
    pub fn from_flags(flags: Flags) -> Result<Config, ConfigError> {
        let file = flags.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let wrong = |key, why: String| ConfigError::Value { key, why };
        let heartbeat = match (flags.heartbeat, file.heartbeat) {
            (Some(span), _) => span,
            (None, Some(text)) => text.parse::<Millis>().map_err(|e| wrong("heartbeat", e.to_string()))?,
            (None, None) => Millis::seconds(5),
        };
        if !(100..=60_000).contains(&heartbeat.0) {
            return Err(wrong("heartbeat", format!("{heartbeat} is not between 100ms and 60s")));
        }
        let backup_every = match (flags.backup_every, file.backup_every) {
            (Some(span), _) => Some(span),
            (None, Some(text)) => Some(text.parse::<Millis>().map_err(|e| wrong("backup_every", e.to_string()))?),
            (None, None) => None,
        };
        if let Some(span) = backup_every.filter(|span| span.0 < 10_000) {
            return Err(wrong("backup_every", format!("{span} is less than 10s")));
        }
        let keep = match file.recording_keep {
            Some(text) => text.parse::<Millis>().map_err(|e| wrong("recording_keep", e.to_string()))?,
            None => RECORDING_KEEP,
        };
        let bytes = file.recording_max_mb.unwrap_or(RECORDING_MAX_MB).saturating_mul(1_000_000);
        let recording = file.recording.unwrap_or(true).then_some(Limits { keep, bytes });
        let state = flags.state.or(file.state).unwrap_or_else(|| STATE.into());
        let socket = flags.socket.or(file.socket).unwrap_or_else(|| SOCKET.into());
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            let why = format!("the path {} has {length} bytes, the kernel takes {SOCKET_PATH_MAX}: choose a shorter one", socket.display());
            return Err(wrong("socket", why));
        }
        let listen = flags.listen.or(file.listen);
        let insecure = flags.insecure || file.insecure.unwrap_or(false);
        if let Some(address) = listen.filter(|a| !a.ip().is_loopback() && !insecure) {
            let why = format!(
                "{address} can be reached from other machines and there is no encryption yet, so tokens would travel in the clear: listen on 127.0.0.1 (behind something that encrypts), or say --insecure"
            );
            return Err(wrong("listen", why));
        }
        let log = flags.log.or(file.log).unwrap_or_else(|| "info".into());
        Ok(Config {
            backup_every,
            backup_folder: flags.backup_folder.or(file.backup_folder).unwrap_or_else(|| state.join("backups")),
            backup_keep: file.backup_keep.unwrap_or(BACKUP_KEEP),
            recording,
            state,
            socket,
            listen,
            names: if flags.names.is_empty() { file.names.unwrap_or_default() } else { flags.names },
            heartbeat,
            insecure,
            log: log.parse().map_err(|e| wrong("log", format!("{log:?}: {e}")))?,
            history_keep: file.history_keep.unwrap_or(HISTORY_KEEP).max(1000),
            runs_keep: file.runs_keep.unwrap_or(RUNS_KEEP).max(100),
            packages_keep: file.packages_keep.unwrap_or(PACKAGES_KEEP),
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    toml::from_str(&text).map_err(|e| ConfigError::Form { path: path.into(), why: e.to_string().trim().replace('\n', " ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> Result<Config, ConfigError> {
        Config::from_flags(Flags::try_parse_from(["x"].iter().chain(args)).unwrap())
    }

    #[test]
    fn mistakes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let check = |text: &str, part: &str| {
            std::fs::write(&path, text).unwrap();
            let error = flags(&["--config", path.to_str().unwrap()]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("heart_beat = '5s'", "heart_beat");
        check("heartbeat = '5'", "30s or 10m");
        check("heartbeat = '1ms'", "between");
        check("listen = '0.0.0.0:7400'", "--insecure");
        check("backup_every = '1s'", "less than 10s");
        check("recording_keep = 'for ever'", "recording_keep");
        check("log = 'loud=loud'", "log");
        assert!(flags(&["--config", "/nowhere/x.toml"]).unwrap_err().to_string().contains("/nowhere/x.toml"));
        assert!(flags(&["--socket", &format!("/{}", "s".repeat(107))]).unwrap_err().to_string().contains("108"));
    }

    #[test]
    fn flags_outrank_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "state = '/a'\nheartbeat = '1s'\n").unwrap();
        let config = flags(&["--config", path.to_str().unwrap(), "--state", "/b"]).unwrap();
        assert_eq!((config.state, config.heartbeat), (PathBuf::from("/b"), Millis(1000)));
    }
}
