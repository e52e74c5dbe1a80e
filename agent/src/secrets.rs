//! Secrets of this host: where each comes from, and which apps may have it. Values are read when a release is staged and are
//! written nowhere but into that release's rendered configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use pilotage_bundle::configuration::render::Values;
use pilotage_client::Secret;
use pilotage_shared::limits::SECRET_MAX;
use pilotage_shared::name::{AppName, SecretName};
use serde::Deserialize;
use tracing::warn;

/// A command has so long.
const COMMAND: Duration = Duration::from_secs(30);
/// All secrets of one configuration: what is masked is held in memory beside each hook.
const TOGETHER_MAX: usize = 256 << 10;
/// Shorter values are not masked.
const MASKED_FROM: usize = 4;
/// What a command finds programs by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One entry of `[secrets]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    file: Option<PathBuf>,
    credential: Option<String>,
    command: Option<Vec<String>>,
    apps: BTreeSet<AppName>,
}

enum Source {
    File(PathBuf),
    Credential(PathBuf),
    Command(Vec<String>),
}

/// All of them.
#[derive(Default)]
pub struct Secrets(BTreeMap<SecretName, (Source, BTreeSet<AppName>)>);

/// Why an entry cannot be.
#[derive(Debug, thiserror::Error)]
#[error("secret {name}: {why}")]
pub struct DeclaredError {
    name: SecretName,
    why: String,
}

/// Why a release does not get a secret. Never says anything of a value.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Not declared.
    #[error("needs secret {0}: not in [secrets] of this host")]
    Unknown(SecretName),
    /// Declared for others.
    #[error("needs secret {name}: not for app {app} on this host")]
    NotForApp {
        /// Which.
        name: SecretName,
        /// Who asked.
        app: AppName,
    },
    /// It cannot be had now.
    #[error("needs secret {name}: {why}")]
    Unreadable {
        /// Which.
        name: SecretName,
        /// What is wrong.
        why: String,
    },
    /// Too much.
    #[error("its secrets have more than {TOGETHER_MAX} bytes together")]
    TooMany,
}

/// The values that one configuration needs.
#[derive(Default)]
pub struct Given(BTreeMap<SecretName, Secret<Vec<u8>>>);

impl Values for Given {
    fn value(&self, name: &SecretName) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.expose().as_slice())
    }
}

impl Secrets {
    /// Checks what was declared; `credentials` is systemd's folder of them.
    pub fn new(declared: BTreeMap<SecretName, Declared>, credentials: Option<&Path>) -> Result<Secrets, DeclaredError> {
        let source = |name: &SecretName, entry: Declared| {
            let source = match (entry.file, entry.credential, entry.command) {
                (Some(path), None, None) if path.is_absolute() => Source::File(path),
                (Some(path), None, None) => return Err(format!("{path:?} is no absolute path")),
                (None, Some(credential), None) if credential.contains('/') || credential.starts_with('.') => {
                    return Err(format!("{credential:?} is no name of a credential"));
                }
                (None, Some(credential), None) => {
                    let folder = credentials.ok_or("there are no credentials: LoadCredential= of the agent's unit makes them")?;
                    Source::Credential(folder.join(credential))
                }
                (None, None, Some(command)) => match command.first() {
                    Some(program) if Path::new(program).is_absolute() => Source::Command(command),
                    Some(program) => return Err(format!("{program:?} is no absolute path")),
                    None => return Err("its command is empty".to_owned()),
                },
                _ => return Err("write exactly one of file, credential, command".to_owned()),
            };
            if let Source::File(path) | Source::Credential(path) = &source
                && !path.exists()
            {
                warn!(secret = %name, path = %path.display(), "it is not there: releases that need it are refused");
            }
            Ok((source, entry.apps))
        };
        let all = declared.into_iter().map(|(name, entry)| match source(&name, entry) {
            Ok(found) => Ok((name, found)),
            Err(why) => Err(DeclaredError { name, why }),
        });
        all.collect::<Result<_, _>>().map(Secrets)
    }

    /// Reads these secrets for an app. Blocks.
    pub fn read<'a>(&self, app: &AppName, names: impl IntoIterator<Item = &'a SecretName>) -> Result<Given, Refused> {
        let (mut given, mut together) = (BTreeMap::new(), 0);
        for name in names {
            let (source, apps) = self.0.get(name).ok_or_else(|| Refused::Unknown(name.clone()))?;
            if !apps.contains(app) {
                return Err(Refused::NotForApp { name: name.clone(), app: app.clone() });
            }
            let value = source.read().map_err(|why| Refused::Unreadable { name: name.clone(), why })?;
            together += value.len();
            if together > TOGETHER_MAX {
                return Err(Refused::TooMany);
            }
            if value.trim_ascii_end().len() < MASKED_FROM {
                warn!(secret = %name, "shorter than 4 bytes: it is not masked in the output of hooks");
            }
            given.insert(name.clone(), Secret::new(value));
        }
        Ok(Given(given))
    }
}

impl Source {
    fn read(&self) -> Result<Vec<u8>, String> {
        let value = match self {
            Source::File(path) => file(path, true)?,
            Source::Credential(path) => file(path, false)?,
            Source::Command(command) => output(command)?,
        };
        if value.len() > SECRET_MAX {
            return Err(format!("it has more than {SECRET_MAX} bytes"));
        }
        if value.trim_ascii().is_empty() { Err("it is empty".to_owned()) } else { Ok(value) }
    }
}

/// One that others can read, or exchange, is no secret; systemd sees to its own.
fn file(path: &Path, private: bool) -> Result<Vec<u8>, String> {
    let say = |e: io::Error| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(say)?;
    let found = file.metadata().map_err(say)?;
    if !found.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    if private && found.mode() & 0o077 != 0 {
        return Err(format!("{} can be read by others (mode {:04o}): chmod 600 it", path.display(), found.mode() & 0o7777));
    }
    let us = nix::unistd::geteuid().as_raw();
    if private && found.uid() != 0 && found.uid() != us {
        return Err(format!("{} belongs to user {}: it must belong to root", path.display(), found.uid()));
    }
    bounded(file).map_err(say)
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SECRET_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a program says on its output. What it says elsewhere may hold the value: nobody hears it.
fn output(command: &[String]) -> Result<Vec<u8>, String> {
    let [program, arguments @ ..] = command else { return Err("its command is empty".to_owned()) };
    let say = |e: io::Error| format!("{program}: {e}");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(say)?;
    let group = Pid::from_raw(child.id() as i32);
    let (send, said) = sync_channel(1);
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || send.send(bounded(out)));
    }
    let heard = said.recv_timeout(COMMAND);
    // In time or not: nothing of it is left behind, and whoever says too much is not waited for.
    let ended = match &heard {
        Ok(Ok(value)) if value.len() <= SECRET_MAX => child.wait(),
        Ok(_) | Err(_) => {
            let _ = killpg(group, Signal::SIGKILL);
            child.wait()
        }
    };
    let value = heard.map_err(|_| format!("{program} has said nothing whole within {} s", COMMAND.as_secs()))?.map_err(say)?;
    match ended.map_err(say)? {
        status if status.success() || value.len() > SECRET_MAX => Ok(value),
        status => Err(format!("{program}: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    fn app(text: &str) -> AppName {
        AppName::new(text).unwrap()
    }

    fn declared(toml: &str) -> Secrets {
        Secrets::new(toml::from_str(toml).unwrap(), Some(Path::new("/nonexistent"))).unwrap()
    }

    fn read(secrets: &Secrets, of: &str, secret: &str) -> Result<Vec<u8>, String> {
        let (of, secret) = (app(of), name(secret));
        secrets.read(&of, [&secret]).map(|given| given.value(&secret).unwrap().to_vec()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_secret_comes_from_its_place_and_only_for_its_apps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        fs::write(&path, "hunter2\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let secrets = declared(&format!(
            "[db]\nfile = {path:?}\napps = ['web']\n[api]\ncommand = ['/bin/sh', '-c', 'printf %s \"$HOME$0\"', 'k3y!']\napps = ['web', 'job']"
        ));
        assert_eq!(read(&secrets, "web", "db"), Ok(b"hunter2\n".to_vec()));
        assert_eq!(read(&secrets, "job", "api"), Ok(b"k3y!".to_vec()), "no environment but a path");
        assert_eq!(read(&secrets, "job", "db"), Err("needs secret db: not for app job on this host".into()));
        assert_eq!(read(&secrets, "web", "other"), Err("needs secret other: not in [secrets] of this host".into()));
    }

    #[test]
    fn what_cannot_be_had_is_said_without_a_word_of_the_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let check = |content: &[u8], mode: u32, expected: &str| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let why = read(&declared(&format!("[s]\nfile = {path:?}\napps = ['web']")), "web", "s").unwrap_err();
            assert!(why.starts_with("needs secret s: ") && why.contains(expected) && !why.contains("hunter2"), "{why}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        check(b"hunter2", 0o640, "can be read by others (mode 0640): chmod 600 it");
        check(b" \n", 0o600, "it is empty");
        check(&vec![b'x'; SECRET_MAX + 1], 0o600, "more than 65536 bytes");
        let command =
            |script: &str| read(&declared(&format!("[s]\ncommand = ['/bin/sh', '-c', '{script}']\napps = ['web']")), "web", "s").unwrap_err();
        assert_eq!(command("echo hunter2; echo hunter2 >&2; exit 3"), "needs secret s: /bin/sh: exit status: 3");
        assert_eq!(command("yes hunter2"), "needs secret s: it has more than 65536 bytes");
        assert!(read(&declared("[s]\nfile = '/nonexistent/x'\napps = ['web']"), "web", "s").unwrap_err().contains("No such file"));
    }
}
