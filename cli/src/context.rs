//! Which coordinator a command speaks to: `--context`, the environment, `~/.config/pilotage/config.toml`, or the socket of
//! this machine's own coordinator. The only module of this program that reads the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pilotage_client::Address;
use serde::Deserialize;

/// Where this machine's own coordinator listens.
pub const DEFAULT_SOCKET: &str = "/run/pilotage/coordinator.sock";

/// A coordinator as a command knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// What mutating commands print first.
    pub name: String,
    /// Where.
    pub address: Address,
    /// File with the bearer token.
    pub token_file: Option<PathBuf>,
}

/// Why no coordinator could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The address has no form that we know.
    #[error("failed to read the coordinator's address {0:?}: write unix:/path/to/coordinator.sock or http://host:port")]
    Address(String),
    /// The configuration file cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The configuration file is not right.
    #[error("failed to understand {path}: {why}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
    /// No context of that name.
    #[error("failed to find the context {name:?}: {path} has {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// Which file.
        path: PathBuf,
        /// The names that it has.
        known: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// The context that is used when none is named.
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, ContextEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextEntry {
    coordinator: String,
    token_file: Option<PathBuf>,
}

/// What the environment says about contexts.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `PILOTAGE_CONTEXT`
    pub context: Option<String>,
    /// `PILOTAGE_COORDINATOR`
    pub coordinator: Option<String>,
    /// `PILOTAGE_TOKEN_FILE`
    pub token_file: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/pilotage/config.toml`, or the same below `~/.config`.
    pub config: Option<PathBuf>,
}

/// What an outer `cargo run` told us.
#[derive(Clone, Debug)]
pub struct Cargo {
    /// The cargo that runs us.
    pub program: PathBuf,
    /// The folder of this program's own sources.
    pub manifest_dir: PathBuf,
    /// The variables that the outer run set for us and an inner build must not see.
    pub to_remove: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Environment {
    /// Reads it.
    pub fn read() -> Self {
        let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
        Self {
            context: variable("PILOTAGE_CONTEXT"),
            coordinator: variable("PILOTAGE_COORDINATOR"),
            token_file: variable("PILOTAGE_TOKEN_FILE").map(PathBuf::from),
            config: config.map(|dir| dir.join("pilotage/config.toml")),
        }
    }
}

/// The outer `cargo run`, if we run under one.
pub fn cargo() -> Option<Cargo> {
    let program = variable("CARGO")?.into();
    let manifest_dir = variable("CARGO_MANIFEST_DIR")?.into();
    let outer = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_MAKEFLAGS"];
    let to_remove = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name == "CARGO" || outer.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    Some(Cargo { program, manifest_dir, to_remove })
}

/// Chooses: the flag, then an address in the environment, then a name in the environment, then the file's current one,
/// then this machine's own coordinator.
pub fn choose(flag: Option<&str>, environment: &Environment) -> Result<Context, ContextError> {
    if flag.is_none()
        && let Some(address) = &environment.coordinator
    {
        return Ok(Context { name: "env".to_owned(), address: address_of(address)?, token_file: environment.token_file.clone() });
    }
    let file = read_config(environment.config.as_deref())?;
    let Some(name) = flag.map(str::to_owned).or_else(|| environment.context.clone()).or_else(|| file.current.clone()) else {
        return Ok(Context { name: "local".to_owned(), address: Address::Unix(DEFAULT_SOCKET.into()), token_file: environment.token_file.clone() });
    };
    let Some(entry) = file.contexts.get(&name) else {
        let known = match file.contexts.len() {
            0 => "none".to_owned(),
            _ => file.contexts.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        return Err(ContextError::Unknown {
            name,
            path: environment.config.clone().unwrap_or_else(|| "~/.config/pilotage/config.toml".into()),
            known,
        });
    };
    Ok(Context { name, address: address_of(&entry.coordinator)?, token_file: entry.token_file.clone().or_else(|| environment.token_file.clone()) })
}

fn read_config(path: Option<&Path>) -> Result<ConfigFile, ContextError> {
    let Some(path) = path else { return Ok(ConfigFile::default()) };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ConfigFile::default()),
        Err(source) => return Err(ContextError::Read { path: path.into(), source }),
    };
    toml::from_str(&text).map_err(|error| ContextError::Parse { path: path.into(), why: error.to_string().trim().replace('\n', " ") })
}

fn address_of(text: &str) -> Result<Address, ContextError> {
    let bad = || ContextError::Address(text.to_owned());
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.starts_with('/') { Ok(Address::Unix(path.into())) } else { Err(bad()) };
    }
    let authority = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')).ok_or_else(bad)?;
    match authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
        true => Err(bad()),
        false => Ok(Address::Tcp(authority.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(config: &str) -> (tempfile::TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, config).unwrap();
        (dir, Environment { config: Some(path), ..Environment::default() })
    }

    const FILE: &str =
        "current = 'prod'\n[contexts.prod]\ncoordinator = 'http://c1:7400'\ntoken_file = '/t'\n[contexts.lab]\ncoordinator = 'unix:/lab.sock'\n";

    #[test]
    fn the_nearest_word_wins() {
        let (_dir, mut env) = environment(FILE);
        let check = |flag: Option<&str>, env: &Environment, name: &str, address: Address| {
            let context = choose(flag, env).unwrap();
            assert_eq!((context.name.as_str(), context.address), (name, address));
        };
        check(None, &env, "prod", Address::Tcp("c1:7400".into()));
        check(Some("lab"), &env, "lab", Address::Unix("/lab.sock".into()));
        env.context = Some("lab".into());
        check(None, &env, "lab", Address::Unix("/lab.sock".into()));
        check(Some("prod"), &env, "prod", Address::Tcp("c1:7400".into()));
        env.coordinator = Some("unix:/e.sock".into());
        check(None, &env, "env", Address::Unix("/e.sock".into()));
        check(Some("prod"), &env, "prod", Address::Tcp("c1:7400".into()));
        check(None, &Environment::default(), "local", Address::Unix(DEFAULT_SOCKET.into()));
    }

    #[test]
    fn mistakes_are_named() {
        let (_dir, env) = environment(FILE);
        assert!(choose(Some("pord"), &env).unwrap_err().to_string().contains("lab, prod"));
        let (_dir, env) = environment("curent = 'x'");
        assert!(choose(None, &env).unwrap_err().to_string().contains("curent"));
        for bad in ["c1:7400", "unix:rel.sock", "https://c1", "http://", "http://a@b", "http://h/p"] {
            assert!(address_of(bad).is_err(), "{bad}");
        }
    }
}
