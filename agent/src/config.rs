//! The service's flags and the configuration file, checked once. Of the environment systemd's CREDENTIALS_DIRECTORY is read, and
//! what `local` gives to hooks; only here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use pilotage_agent_core::run::HostOffers;
use pilotage_client::{Address, Secret};
use pilotage_shared::limits::SOCKET_PATH_MAX;
use pilotage_shared::name::{HostName, SecretName};
use serde::Deserialize;

use crate::secrets::{Declared, Secrets};

/// Read when no other file is named.
const USUAL: &str = "/etc/pilotage/agent.toml";

/// How to start.
#[derive(Args, Clone)]
pub struct Service {
    /// TOML; the flags win over it. Else /etc/pilotage/agent.toml, when it is there.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The name that this machine was added under.
    #[arg(long, global = true)]
    host: Option<String>,
    /// `unix:/path` or `http://host:port`.
    #[arg(long, global = true)]
    coordinator: Option<String>,
    /// The token that `pilotage host add` printed, in a file that only its owner can read.
    #[arg(long, global = true)]
    token_file: Option<PathBuf>,
    /// Everything of ours lies below it.
    #[arg(long, global = true)]
    state: Option<PathBuf>,
    /// The deployer's program; else the one beside this program.
    #[arg(long, global = true)]
    deployer: Option<PathBuf>,
    /// Loopback address of /metrics and /ready.
    #[arg(long, global = true)]
    listen: Option<SocketAddr>,
    /// How deployers are started.
    #[arg(long, global = true, value_enum)]
    launch: Option<Launch>,
    /// Talk to a coordinator over TCP without encryption.
    #[arg(long, global = true)]
    insecure: bool,
    /// LEVEL[,target=LEVEL]; levels are error, warn, info, debug.
    #[arg(long, global = true)]
    log: Option<String>,
}

/// How deployers are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Launch {
    /// systemd when it runs this machine and we are root, whom alone it obeys; else plain.
    Auto,
    /// Each in a transient unit of its own.
    Systemd,
    /// A process of its own session.
    Plain,
}

/// Whether a package's script may have this host rebooted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reboot {
    /// Its run fails and says so.
    #[default]
    Never,
    /// Exit code 194 asks for it.
    Allowed,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    host: Option<String>,
    coordinator: Option<String>,
    token_file: Option<PathBuf>,
    state: Option<PathBuf>,
    deployer: Option<PathBuf>,
    listen: Option<SocketAddr>,
    launch: Option<Launch>,
    #[serde(default)]
    insecure: bool,
    log: Option<String>,
    #[serde(default)]
    reboot: Reboot,
    codedeploy_root: Option<PathBuf>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    secrets: BTreeMap<SecretName, Declared>,
}

/// The checked configuration.
pub struct Config {
    /// This host.
    pub host: HostName,
    /// Where the coordinator is.
    pub coordinator: Address,
    /// This host's own token.
    pub token: Secret<String>,
    /// Ours.
    pub state: PathBuf,
    /// The deployer's program.
    pub deployer: PathBuf,
    /// Loopback; none: not served.
    pub listen: Option<SocketAddr>,
    /// Never `Auto`.
    pub launch: Launch,
    /// For `${NAME}` in health checks.
    pub variables: BTreeMap<String, String>,
    /// What packages may ask of this host, and what it offers to their hooks.
    pub offers: HostOffers,
    /// Where secrets come from, and for whom they are.
    pub secrets: Arc<Secrets>,
    /// The log's level.
    pub log: String,
}

impl Service {
    /// Where everything of ours lies.
    pub fn state(&self) -> anyhow::Result<PathBuf> {
        Ok(self.state.clone().or(self.file()?.state).unwrap_or_else(|| PathBuf::from("/var/lib/pilotage")))
    }

    fn file(&self) -> anyhow::Result<File> {
        let usual = Path::new(USUAL);
        let path = match &self.config {
            Some(path) => path,
            None if usual.exists() => usual,
            None => return Ok(File::default()),
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("failed to read the configuration {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("failed to understand the configuration {}", path.display()))
    }

    /// The deployer's program.
    pub fn deployer(&self) -> anyhow::Result<PathBuf> {
        let beside = std::env::current_exe()?.with_file_name("pilotage-deployer");
        let deployer = self.deployer.clone().or(self.file()?.deployer).unwrap_or(beside);
        if !deployer.is_file() {
            bail!("there is no deployer at {}: give --deployer", deployer.display());
        }
        Ok(deployer)
    }

    /// How deployers are started; never `Auto`.
    pub fn launch(&self) -> anyhow::Result<Launch> {
        Ok(match self.launch.or(self.file()?.launch).unwrap_or(Launch::Auto) {
            Launch::Auto => automatic(Path::new("/run/systemd/system").exists(), nix::unistd::geteuid().is_root()),
            chosen => chosen,
        })
    }

    /// Joins flags and file, and checks them.
    pub fn load(self) -> anyhow::Result<Config> {
        let (state, deployer, launch) = (self.state()?, self.deployer()?, self.launch()?);
        let file = self.file()?;
        let host = self.host.or(file.host).context("no host name: give --host or `host = …`")?;
        let coordinator = self.coordinator.or(file.coordinator).context("no coordinator: give --coordinator or `coordinator = …`")?;
        let coordinator = address(&coordinator, self.insecure || file.insecure)?;
        let token_file = self.token_file.or(file.token_file).context("no token: give --token-file or `token_file = …`")?;
        check_private(&token_file)?;
        let listen = self.listen.or(file.listen);
        if listen.is_some_and(|a| !a.ip().is_loopback()) {
            bail!("--listen must be a loopback address: /metrics and /ready are for this host");
        }
        let codedeploy_root = file.codedeploy_root.map(|path| absolute("codedeploy_root", &path)).transpose()?;
        Ok(Config {
            host: host.parse()?,
            coordinator,
            token: Secret::from_file(&token_file)?,
            state,
            deployer,
            listen,
            launch,
            variables: file.variables,
            offers: HostOffers { reboot: file.reboot == Reboot::Allowed && launch == Launch::Systemd, codedeploy_root },
            secrets: Arc::new(Secrets::new(file.secrets, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref())?),
            log: self.log.or(file.log).unwrap_or_else(|| "info".into()),
        })
    }
}

fn automatic(systemd: bool, root: bool) -> Launch {
    if systemd && root { Launch::Systemd } else { Launch::Plain }
}

/// Where an ordinary user keeps what programs remember.
pub fn state_home() -> anyhow::Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("XDG_STATE_HOME")
        .or_else(|| Some(named("HOME")?.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME says where your own state is")
}

/// The caller's own, for hooks of `local` (H1). What is not text is left out.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

fn absolute(key: &str, path: &Path) -> anyhow::Result<String> {
    match path.to_str() {
        Some(text) if path.is_absolute() => Ok(text.to_owned()),
        Some(_) | None => bail!("{key} {} must be an absolute path", path.display()),
    }
}

fn address(text: &str, insecure: bool) -> anyhow::Result<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.len() > SOCKET_PATH_MAX {
            bail!("the socket's path {path} is longer than {SOCKET_PATH_MAX} bytes, which the kernel allows");
        }
        return Ok(Address::Unix(path.into()));
    }
    match text.strip_prefix("http://") {
        Some(authority) if insecure => Ok(Address::Tcp(authority.trim_end_matches('/').to_owned())),
        Some(_) => bail!("{text} is not encrypted: give --insecure on both ends, or use the Unix socket"),
        None => bail!("the coordinator {text:?} must be unix:/path or http://host:port"),
    }
}

/// A token that others can read is no secret.
fn check_private(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = path.metadata().with_context(|| format!("failed to look at the token file {}", path.display()))?.mode();
    if mode & 0o077 != 0 {
        bail!("the token file {} can be read by others (mode {:03o}): chmod 600 it", path.display(), mode & 0o777);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        service: Service,
    }

    /// The error of a configuration made of this file and these flags; empty when it is good.
    fn check(file: &str, flags: &[&str], token_mode: u32, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("token"), "secret").unwrap();
        std::fs::set_permissions(path("token"), std::fs::Permissions::from_mode(token_mode)).unwrap();
        std::fs::write(path("deployer"), "").unwrap();
        std::fs::write(path("agent.toml"), file).unwrap();
        let given = ["pilotage-agent", "--config", &path("agent.toml"), "--token-file", &path("token")];
        let (own, deployer) = (["--deployer", &path("deployer")], flags.contains(&"--deployer"));
        let own = own.iter().filter(|_| !deployer);
        let flags_of = Flags::try_parse_from(given.iter().chain(own).chain(flags)).unwrap();
        let why = flags_of.service.load().err().map(|e| format!("{e:#}")).unwrap_or_default();
        assert!(why.contains(expected) && why.is_empty() == expected.is_empty(), "{file:?} {flags:?}: {why:?}");
    }

    #[test]
    fn deployers_are_units_only_where_systemd_would_start_them_for_us() {
        assert_eq!((automatic(true, true), automatic(true, false), automatic(false, true)), (Launch::Systemd, Launch::Plain, Launch::Plain));
    }

    #[test]
    fn a_configuration_is_checked_as_a_whole_before_anything_starts() {
        let good = "host = 'h1'\ncoordinator = 'unix:/run/pilotage/coordinator.sock'\n[variables]\nPORT = '8080'";
        check(good, &[], 0o600, "");
        check(good, &["--host", "h2", "--launch", "plain", "--listen", "127.0.0.1:0"], 0o600, "");
        let secrets = format!(
            "{good}\n[secrets.db]\nfile = '/etc/pilotage/secrets/db'\napps = ['web']\n[secrets.api]\ncommand = ['/bin/true']\napps = ['web']"
        );
        check(&secrets, &[], 0o600, "");
        check(&format!("{good}\n[secrets.db]\nfile = '/x'"), &[], 0o600, "missing field `apps`");
        check(&format!("{good}\n[secrets.db]\napps = ['web']"), &[], 0o600, "secret db: write exactly one of file, credential, command");
        check(&format!("{good}\n[secrets.db]\nfile = 'x'\napps = ['web']"), &[], 0o600, "secret db: \"x\" is no absolute path");
        check(&format!("{good}\n[secrets.db]\ncredential = 'db'\napps = ['web']"), &[], 0o600, "secret db: there are no credentials");
        check(&format!("{good}\n[secrets.db]\ncommand = []\napps = ['web']"), &[], 0o600, "secret db: its command is empty");
        check("host = 'h1'\nhots = 'h1'", &[], 0o600, "unknown field `hots`");
        check("coordinator = 'unix:/x'", &[], 0o600, "no host name");
        check("host = 'h1'", &[], 0o600, "no coordinator");
        check(good, &[], 0o640, "can be read by others");
        check(good, &["--listen", "0.0.0.0:9000"], 0o600, "must be a loopback address");
        check(good, &["--coordinator", "http://c1:7400"], 0o600, "is not encrypted");
        check(good, &["--coordinator", "http://c1:7400", "--insecure"], 0o600, "");
        check(good, &["--coordinator", "c1:7400"], 0o600, "must be unix:/path or http://host:port");
        check(good, &["--coordinator", &format!("unix:/{}", "x".repeat(120))], 0o600, "is longer than");
        check(good, &["--deployer", "/nonexistent"], 0o600, "there is no deployer");
        let first = |line: &str| format!("{line}\n{good}");
        check(&first("reboot = 'allowed'\ncodedeploy_root = '/opt/codedeploy-agent/deployment-root'"), &[], 0o600, "");
        check(&first("reboot = 'always'"), &[], 0o600, "unknown variant `always`");
        check(&first("codedeploy_root = 'opt'"), &[], 0o600, "codedeploy_root opt must be an absolute path");
    }

    #[test]
    fn the_documented_configuration_is_one() {
        let text = include_str!("../../packaging/agent.toml");
        let all: String =
            text.lines().map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ')).unwrap_or(line)).flat_map(|l| [l, "\n"]).collect();
        for text in [text, &all] {
            toml::from_str::<File>(text).unwrap();
        }
    }
}
