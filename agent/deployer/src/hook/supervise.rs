//! The supervisor of one hook: output, time limit, result. Runs as `--supervise`, with the run directory as its own.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::wait::{WaitStatus, waitpid};

use super::diagnostics;
use super::end::{self, Seen};
use super::log::{HookLog, Stream, drain};
use super::mask::Masks;
use super::order::{Order, SUPERVISOR_LOCK, result_name};
use super::{order, process};

/// After the script has failed, or was ended: so long its output is still listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a hook could not be supervised.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// Talking to the deployer, or preparing.
    #[error("failed to {0}")]
    Io(&'static str, #[source] io::Error),
    /// A session of its own.
    #[error("failed to start a session")]
    Session(#[source] nix::Error),
    /// Another supervisor lives.
    #[error("failed to take the supervisor's lock")]
    Lock(#[source] nix::Error),
    /// The order, or the result.
    #[error("failed to understand the order")]
    Form(#[source] serde_json::Error),
}

enum Event {
    Exited(Seen),
    Closed(Stream),
}

/// Makes the hook's process, reads its order from stdin, says the process on stdout, waits for the word, and sees the hook to its end.
pub fn supervise() -> Result<(), SuperviseError> {
    nix::unistd::setsid().map_err(SuperviseError::Session)?;
    // Without it only the hook's own session is found at the end of its time.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let child = make().map_err(|e| SuperviseError::Io("make the process", e))?;
    let mut orders = io::stdin().lock();
    let mut line = String::new();
    orders.read_line(&mut line).map_err(|e| SuperviseError::Io("read the order", e))?;
    if line.is_empty() {
        // It was made in vain.
        return never(child);
    }
    let order: Order = serde_json::from_str(&line).map_err(SuperviseError::Form)?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(SUPERVISOR_LOCK);
    let lock = lock.map_err(|e| SuperviseError::Io("open the lock", e))?;
    let mut alive = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| SuperviseError::Lock(e))?;

    let found = process::of(child.id());
    let word = serde_json::to_string(&found).map_err(SuperviseError::Form)?;
    writeln!(io::stdout(), "{word}").and_then(|()| io::stdout().flush()).map_err(|e| SuperviseError::Io("say the process", e))?;

    let mut word = String::new();
    orders.read_line(&mut word).map_err(|e| SuperviseError::Io("wait for the word", e))?;
    if word != "go\n" {
        // The deployer went away before its record was durable: the hook is never let go.
        return never(child);
    }
    // A kill in between leaves the number of none: this hook was not let go yet.
    alive.set_len(0).and_then(|()| alive.write_all(order.number.to_string().as_bytes())).map_err(|e| SuperviseError::Io("mark the start", e))?;
    let log = open_log(&order)?;
    let (seen, last_line, last_lines) = see(&order, child, log)?;
    let end = end::end(&order, seen, &last_line);
    // For people; what decides is the result.
    let _ = fs::write(diagnostics::name(order.number, &order.event), diagnostics::diagnostics(&order.location, &end, &last_lines));
    keep(&order, &order::Result { end })
}

/// The process without its program ends.
fn never(mut child: Child) -> Result<(), SuperviseError> {
    drop(child.stdin.take());
    let _ = child.wait();
    Ok(())
}

/// The process that waits to become the hook.
fn make() -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("pilotage-deployer").arg("--exec").env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn open_log(order: &Order) -> Result<HookLog, SuperviseError> {
    let own = format!("{:03}-{}.log", order.number, order.event);
    let mut log = HookLog::open(Path::new("."), &own).map_err(|e| SuperviseError::Io("open the log", e))?;
    if let Some(beside) = &order.deployments_log {
        log.beside(beside);
    }
    log.header(&order.event, &order.location, order.first);
    Ok(log)
}

fn see(order: &Order, mut child: Child, log: HookLog) -> Result<(Seen, String, String), SuperviseError> {
    let (send, events) = sync_channel(8);
    let log = Arc::new(Mutex::new(log));
    if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
        let (log_out, log_err, sent_out, sent_err) = (log.clone(), log.clone(), send.clone(), send.clone());
        let masks = Arc::new(Masks::new(&order.masks));
        let other = masks.clone();
        thread::spawn(move || (drain(masks.reader(out), Stream::Out, &log_out), sent_out.send(Event::Closed(Stream::Out))));
        thread::spawn(move || (drain(other.reader(err), Stream::Err, &log_err), sent_err.send(Event::Closed(Stream::Err))));
    }
    let session = child.id() as i32;
    let program = serde_json::to_string(&order.program).map_err(SuperviseError::Form)?;
    let mut input = child.stdin.take().ok_or_else(|| SuperviseError::Io("let it go", io::ErrorKind::BrokenPipe.into()))?;
    let let_go = input.write_all(program.as_bytes()).and_then(|()| input.write_all(b"\n"));
    drop(input);
    thread::spawn(move || reap(child.id(), &send));
    // When it could not even read its order it says why on its stderr and exits.
    let _ = let_go;
    let seen = wait(Duration::from_millis(order.timeout_ms), session, &events);
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.finish();
    Ok((seen, log.last_line().to_owned(), log.last_lines().text()))
}

/// Waits for the hook, and for whatever it leaves behind while we live: we are who orphans fall to, so that what a timed-out
/// script has started can be found, whatever session it made for itself.
fn reap(hook: u32, send: &SyncSender<Event>) {
    loop {
        let found = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) => Some((pid, Seen::Exited(status))),
            Ok(WaitStatus::Signaled(pid, signal, _)) => Some((pid, Seen::Killed(signal as i32))),
            Ok(_) | Err(Errno::EINTR) => None,
            Err(_) => return,
        };
        if let Some((_, seen)) = found.filter(|(pid, _)| pid.as_raw() == hook as i32)
            && send.send(Event::Exited(seen)).is_err()
        {
            return;
        }
    }
}

/// One budget for the exit and both outputs (H8).
fn wait(budget: Duration, session: i32, events: &Receiver<Event>) -> Seen {
    let mut until = Instant::now() + budget;
    let (mut status, mut open) = (None, vec![Stream::Out, Stream::Err]);
    let mut timed_out = false;
    loop {
        match status {
            Some(seen) if open.is_empty() => return if timed_out { Seen::TimedOut } else { seen },
            Some(_) | None => {}
        }
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Closed(stream)) => open.retain(|s| *s != stream),
            Ok(Event::Exited(seen)) => {
                if seen != Seen::Exited(0) || timed_out {
                    // Who failed is not waited for longer because a child of his still talks.
                    until = until.min(Instant::now() + LAST_WORDS);
                }
                status = Some(seen);
            }
            Err(_) => match status {
                Some(_) if timed_out => return Seen::TimedOut,
                Some(Seen::Exited(0)) => return Seen::LeftOpen { stream: if open.contains(&Stream::Out) { "STDOUT" } else { "STDERR" } },
                Some(seen) => return seen,
                None if timed_out => return Seen::TimedOut,
                None => {
                    timed_out = true;
                    process::end_all(session);
                    until = Instant::now() + LAST_WORDS;
                }
            },
        }
    }
}

/// Whole or not at all for whoever looks, also when we or the deployer are killed. Only the journal makes it durable: a power
/// cut before that takes the hook down as lost, as one a moment earlier would have.
fn keep(order: &Order, result: &order::Result) -> Result<(), SuperviseError> {
    fs::create_dir_all("results").map_err(|e| SuperviseError::Io("make results", e))?;
    let text = serde_json::to_vec(result).map_err(SuperviseError::Form)?;
    let (name, aside) = (result_name(order.number), format!("{}.new", result_name(order.number)));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside).map_err(|e| SuperviseError::Io("keep the result", e))?;
    file.write_all(&text).and_then(|()| fs::rename(&aside, &name)).map_err(|e| SuperviseError::Io("keep the result", e))
}
