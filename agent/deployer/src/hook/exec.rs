//! The process that becomes the hook: session, account, directory, descriptors, then `exec`. Runs as `--exec`.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, close, dup2_stdin, getegid, geteuid, initgroups, setgid, setsid, setuid};

use super::limits;
use super::order::{Become, Program};

/// Why the hook could not be started. The text ends in its log; the process exits with 126.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// Nobody told what to do.
    #[error("failed to read what to execute")]
    Order(#[source] io::Error),
    /// It was told, but badly.
    #[error("failed to understand what to execute")]
    Form(#[source] serde_json::Error),
    /// A step of the preparation.
    #[error("failed to {0}")]
    Prepare(&'static str, #[source] nix::Error),
    /// `/dev/null` could not be opened.
    #[error("failed to open /dev/null")]
    Null(#[source] io::Error),
    /// What is open could not be listed.
    #[error("failed to list open descriptors")]
    Descriptors(#[source] io::Error),
    /// The script itself.
    #[error("failed to execute {path}{hint}")]
    Exec {
        /// What was to be executed.
        path: String,
        /// The usual cause.
        hint: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Waits for the order on stdin, then becomes the hook. Returns only when it cannot; `Ok` when it was never let go.
pub fn exec() -> Result<(), ExecError> {
    setsid().map_err(|e| ExecError::Prepare("start a session", e))?;
    let mut line = String::new();
    io::BufReader::new(io::stdin().lock()).read_line(&mut line).map_err(ExecError::Order)?;
    if !line.ends_with('\n') {
        return Ok(());
    }
    let program: Program = serde_json::from_str(&line).map_err(ExecError::Form)?;
    let null = File::open("/dev/null").map_err(ExecError::Null)?;
    dup2_stdin(null.as_fd()).map_err(|e| ExecError::Prepare("close its input", e))?;
    drop(null);
    umask(Mode::from_bits_truncate(0o022));
    chdir("/").map_err(|e| ExecError::Prepare("go to /", e))?;
    // Before the account changes: afterwards the list of our own descriptors is root's.
    close_others()?;
    forget_our_rank();
    program.limits.iter().for_each(limits::set);
    if let Some(account) = &program.become_ {
        become_account(account)?;
    }
    Err(start(&program))
}

/// The agent may be kept from the kernel's killer in need of memory; what a hook starts is an application as any other.
fn forget_our_rank() {
    let path = "/proc/self/oom_score_adj";
    if fs::read_to_string(path).is_ok_and(|text| text.starts_with('-')) {
        // Raising it is always allowed.
        let _ = fs::write(path, "0");
    }
}

/// All ids at once, groups first; root is given up for good.
fn become_account(account: &Become) -> Result<(), ExecError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let name = std::ffi::CString::new(account.name.as_str()).map_err(|_| ExecError::Prepare("take its name", nix::Error::EINVAL))?;
    let gid = Gid::from_raw(account.gid);
    initgroups(&name, gid).map_err(|e| ExecError::Prepare("take its groups", e))?;
    setgid(gid).map_err(|e| ExecError::Prepare("take its group", e))?;
    setuid(Uid::from_raw(account.uid)).map_err(|e| ExecError::Prepare("take its user", e))?;
    debug_assert!(geteuid().as_raw() == account.uid && getegid() == gid);
    Ok(())
}

/// Only 0, 1 and 2 go on, whatever whoever started us left open.
fn close_others() -> Result<(), ExecError> {
    let entries = fs::read_dir("/proc/self/fd").map_err(ExecError::Descriptors)?;
    let open: Vec<RawFd> = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The listing's own descriptor is closed already.
        let _ = close(fd);
    }
    Ok(())
}

fn start(program: &Program) -> ExecError {
    let mut command = match &program.shell {
        Some(shell) => {
            let mut command = Command::new(shell);
            command.arg(&program.path);
            command
        }
        None => Command::new(&program.path),
    };
    let source = command.args(&program.args).env_clear().envs(&program.environment).exec();
    let hint =
        if carriage_return(program) { ": its first line ends in a carriage return (written on Windows); save it with Unix line ends" } else { "" };
    ExecError::Exec { path: program.path.display().to_string(), hint, source }
}

fn carriage_return(program: &Program) -> bool {
    let mut start = [0; 256];
    let read = File::open(&program.path).and_then(|mut f| f.read(&mut start)).unwrap_or(0);
    let line = start[..read].split(|b| *b == b'\n').next().unwrap_or(&[]);
    line.starts_with(b"#!") && line.ends_with(b"\r")
}
