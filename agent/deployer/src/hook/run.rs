//! The deployer's side of a hook: find the script, make the supervisor, let the hook go, take its result; or adopt one
//! that an earlier deployer of this run has begun.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::fcntl::{Flock, FlockArg};
use pilotage_agent_core::journal::{End, Process};
use pilotage_agent_core::lifecycle::Script;
use pilotage_agent_core::run::Contract;
use pilotage_bundle::configuration::render::Mask;
use pilotage_shared::run::Event;

use super::account::{self, AccountError};
use super::end;
use super::environment::{environment, of_host};
use super::order::{self, Asks, Become, DeploymentsLog, Order, Program, SUPERVISOR_LOCK, result_name};
use super::{diagnostics, limits, log, process};
use crate::place;

/// Why the machinery (not the script) failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The supervisor.
    #[error("failed to {0} the hook's supervisor")]
    Supervisor(&'static str, #[source] io::Error),
    /// The lock.
    #[error("failed to wait for the hook's supervisor")]
    Lock(#[source] nix::Error),
    /// Words between us.
    #[error("failed to understand the hook's supervisor")]
    Form(#[source] serde_json::Error),
}

/// What a hook is run with.
pub struct Setting<'a> {
    /// The run directory.
    pub run: &'a Path,
    /// The release directory, for opening.
    pub release: &'a Path,
    /// The same directory as the script's `$0` names it: no app name in it.
    pub bundle: &'a Path,
    /// CodeDeploy's names.
    pub contract: &'a Contract,
    /// The configuration's, and above them the host's own.
    pub variables: &'a BTreeMap<String, String>,
    /// Where output goes besides.
    pub deployments_log: Option<DeploymentsLog>,
    /// What is not to be shown of the output.
    pub masks: &'a [Mask],
}

/// A hook that waits to be let go.
pub struct Held {
    supervisor: Child,
    word: ChildStdin,
    number: usize,
    /// The hook's process.
    pub process: Option<Process>,
}

/// A hook that was let go.
pub struct Running {
    supervisor: Child,
    number: usize,
    process: Option<Process>,
}

/// Which script of a run.
pub struct Wanted<'a> {
    /// It is the n-th hook of the run.
    pub number: usize,
    /// Of which event.
    pub event: &'a str,
    /// The first script of the event.
    pub first: bool,
    /// What it may ask for.
    pub asks: Asks,
    /// Itself.
    pub script: &'a Script,
}

/// Makes a hook of the run, held back, with the supervisor that is `spare` if there is one. `Err(End)` when the script itself is the
/// reason that it cannot be.
pub fn make(setting: &Setting, wanted: &Wanted, spare: &mut Option<Spare>) -> Result<Result<Held, End>, HookError> {
    let Wanted { number, event, first, asks, script } = *wanted;
    let program = match the_program(setting, event, script) {
        Ok(program) => program,
        Err(end) => {
            let path = setting.run.join(diagnostics::name(number, event));
            // For people; what decides is the journal.
            let _ = fs::write(path, diagnostics::diagnostics(&script.location, &end, ""));
            return Ok(Err(end));
        }
    };
    let order = Order {
        number,
        event: event.to_owned(),
        first,
        location: script.location.clone(),
        runas: script.runas.clone(),
        timeout_ms: script.timeout.0,
        asks,
        deployments_log: setting.deployments_log.clone(),
        masks: setting.masks.to_vec(),
        program,
    };
    let held = match spare.take().map(|spare| spare.order(&order)) {
        Some(Ok(held)) => held,
        // A script may have ended it: nothing of the order was begun.
        Some(Err(_)) | None => Spare::make(setting.run)?.order(&order)?,
    };
    Ok(Ok(held))
}

/// The program of a health check by command: a script of the package, run as a hook without `runas` is.
pub fn program(setting: &Setting, location: &str) -> Result<Program, String> {
    let script = Script { location: location.to_owned(), ..Script::default() };
    the_program(setting, Event::HealthCheck.as_str(), &script).map_err(|end| match end {
        End::Failed(failure) => failure.message.to_string(),
        End::Good { .. } => String::new(),
    })
}

fn the_program(setting: &Setting, event: &str, script: &Script) -> Result<Program, End> {
    let location = script.location.trim_start_matches('/');
    let path = setting.bundle.join(location);
    let start = readable(setting.release, Path::new(location)).map_err(|why| match why {
        Unusable::Missing => end::missing(&path.display().to_string()),
        Unusable::NotExecutable => end::not_executable(&path.display().to_string()),
    })?;
    let account = account::for_script(script.runas.as_deref(), script.sudo).map_err(|e| no_account(script, &e))?;
    let session = account.as_ref().filter(|_| script.runas.is_some());
    let mut host = if session.is_some() { of_host() } else { BTreeMap::new() };
    host.extend(session.map(|account| ("MAIL".to_owned(), format!("/var/mail/{}", account.name))));
    let limits = session.map(|account| limits::of_host(&account.name, account.uid, &account.groups())).unwrap_or_default();
    let own = account::own();
    let mut variables = setting.variables.clone();
    variables.extend(script.env.clone());
    let environment = environment(account.as_ref().unwrap_or(&own), setting.contract, event, &variables, &host);
    // Without a shebang CodeDeploy reads a script by sh, but by the login shell of the runas user (wild 11).
    let shell = match (start, &account) {
        (Start::ByKernel, _) => None,
        (Start::ByShell, Some(account)) if script.runas.is_some() => Some(account.script_shell()),
        (Start::ByShell, _) => Some(PathBuf::from("/bin/sh")),
    };
    let become_ = account.map(|a| Become { name: a.name, uid: a.uid, gid: a.gid });
    Ok(Program { path, args: script.args.clone(), shell, environment, become_, limits })
}

impl Held {
    /// Lets it go. Called only when the journal's `Began` is durable.
    pub fn let_go(mut self) -> Running {
        // A supervisor that has died meanwhile shows by its missing result.
        let _ = self.word.write_all(b"go\n");
        Running { supervisor: self.supervisor, number: self.number, process: self.process }
    }
}

impl Running {
    /// Waits for its end.
    pub fn end(mut self, run: &Path) -> Result<End, HookError> {
        self.supervisor.wait().map_err(|e| HookError::Supervisor("wait for", e))?;
        taken(run, self.number, self.process, true)
    }
}

/// Waits for a hook that an earlier deployer has begun, if it lives, and takes its result. `same_boot`: in this boot.
pub fn adopt(run: &Path, number: usize, process: Option<Process>, same_boot: bool) -> Result<End, HookError> {
    if same_boot {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(run.join(SUPERVISOR_LOCK));
        let lock = lock.map_err(|e| HookError::Supervisor("find", e))?;
        drop(Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| HookError::Lock(e))?);
    }
    taken(run, number, process, same_boot)
}

/// The result, or what its absence means. What is left of a hook without a supervisor is ended: nobody could say how it ends.
fn taken(run: &Path, number: usize, process: Option<Process>, same_boot: bool) -> Result<End, HookError> {
    match fs::read(run.join(result_name(number))) {
        Ok(text) => match serde_json::from_slice::<order::Result>(&text) {
            Ok(result) => return Ok(result.end),
            Err(error) if same_boot => return Err(HookError::Form(error)),
            // A power cut has left its name without its content.
            Err(_) => {}
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(HookError::Supervisor("read the result of", error)),
    }
    if same_boot && !fs::read_to_string(run.join(SUPERVISOR_LOCK)).is_ok_and(|last| last == number.to_string()) {
        return Ok(end::never_started());
    }
    if let Some(process) = process.filter(|p| same_boot && process::alive(*p)) {
        process::end_session(process.pid);
    }
    log::complete(run);
    Ok(end::lost())
}

/// A supervisor without an order yet, and the process that waits to become its hook: made while another hook runs, because to make
/// the two takes longer than most scripts. It does nothing before its order, and ends when it gets none.
pub struct Spare {
    supervisor: Child,
    word: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Spare {
    /// Makes one.
    pub fn make(run: &Path) -> Result<Self, HookError> {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("pilotage-deployer").arg("--supervise").current_dir(run).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut supervisor = command.spawn().map_err(|e| HookError::Supervisor("make", e))?;
        let broken = || HookError::Supervisor("talk to", io::ErrorKind::BrokenPipe.into());
        let (word, said) = supervisor.stdin.take().zip(supervisor.stdout.take()).ok_or_else(broken)?;
        Ok(Self { supervisor, word, said: BufReader::new(said) })
    }

    fn order(mut self, order: &Order) -> Result<Held, HookError> {
        let text = serde_json::to_string(order).map_err(HookError::Form)?;
        let mut line = String::new();
        let heard = match writeln!(self.word, "{text}") {
            Ok(()) => self.said.read_line(&mut line).map_err(|e| HookError::Supervisor("hear", e)).map(drop),
            Err(error) => Err(HookError::Supervisor("order", error)),
        };
        match heard.and_then(|()| serde_json::from_str(&line).map_err(HookError::Form)) {
            Ok(process) => Ok(Held { supervisor: self.supervisor, word: self.word, number: order.number, process }),
            Err(error) => {
                self.dismiss();
                Err(error)
            }
        }
    }

    /// Ends it.
    pub fn dismiss(mut self) {
        drop(self.word);
        let _ = self.supervisor.wait(); // whatever it says, nobody asked it for anything
    }
}

/// Who can start a script.
enum Start {
    ByKernel,
    ByShell,
}

enum Unusable {
    Missing,
    NotExecutable,
}

/// Makes scripts executable ahead of time; what is wrong with one is told when it is its turn.
pub fn make_executable<'a>(release: &Path, scripts: impl Iterator<Item = &'a Script>) {
    for script in scripts {
        let _ = readable(release, Path::new(script.location.trim_start_matches('/')));
    }
}

/// Finds the script beneath the release and makes it executable (H6).
fn readable(release: &Path, location: &Path) -> Result<Start, Unusable> {
    let mut file: File = place::open_beneath(release, location).map_err(|_| Unusable::Missing)?;
    let meta = file.metadata().map_err(|_| Unusable::Missing)?;
    if !meta.is_file() {
        return Err(Unusable::Missing);
    }
    let mode = meta.permissions().mode() & 0o7777;
    // Whoever may read it may execute it; who may not read it stays out (H6).
    let wanted = mode | 0o100 | ((mode & 0o444) >> 2);
    if mode != wanted {
        file.set_permissions(fs::Permissions::from_mode(wanted)).map_err(|_| Unusable::NotExecutable)?;
    }
    let mut magic = [0; 4];
    let read = file.read(&mut magic).map_err(|_| Unusable::NotExecutable)?;
    let by_kernel = magic[..read].starts_with(b"#!") || magic[..read] == *b"\x7fELF";
    Ok(if by_kernel { Start::ByKernel } else { Start::ByShell })
}

/// H13: an ordinary failure of the script.
fn no_account(script: &Script, error: &AccountError) -> End {
    let user = script.runas.clone().unwrap_or_else(|| "root".to_owned());
    let message = format!("Script at specified location: {} run as user {user} failed with exit code 1", script.location);
    end::failed(pilotage_agent_core::journal::Cause::Exited(1), &message, &error.to_string())
}
