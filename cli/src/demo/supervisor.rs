//! Starts the demo's processes, starts them again when they were killed (as systemd would), and ends everything below this
//! process at the end: it is a child subreaper, so that even applications that detached themselves come back to it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// As systemd's `RestartSec=`.
const RESTART_AFTER: Duration = Duration::from_millis(100);

/// A process that ends by itself so often within a second of its start is not started again.
const QUICK_DEATHS: u32 = 5;

/// How long services may take to end by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// One process that is to run.
#[derive(Clone, Debug)]
pub struct Service {
    /// As `coordinator` or `h3`.
    pub name: String,
    /// What to run.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where its output goes.
    pub log: PathBuf,
}

#[derive(Debug)]
struct Running {
    service: Service,
    since: Instant,
    quick_deaths: u32,
}

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<BTreeMap<i32, Running>>,
    stopping: AtomicBool,
    reaped: AtomicBool,
    restarts: AtomicU32,
    broken: Mutex<Option<Service>>,
}

/// The demo's processes.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    reaper: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Makes this process the parent of whatever its descendants leave behind.
    pub fn new() -> io::Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        Ok(Self { shared: Arc::default(), reaper: None })
    }

    /// Starts a service and keeps it running.
    pub fn start(&mut self, service: Service) -> io::Result<()> {
        self.shared.start(service, 0)?;
        if self.reaper.is_none() {
            let shared = self.shared.clone();
            self.reaper = Some(std::thread::Builder::new().name("reaper".to_owned()).spawn(move || shared.reap())?);
        }
        Ok(())
    }

    /// A service that does not stay up, if there is one.
    pub fn broken(&self) -> Option<Service> {
        lock(&self.shared.broken).clone()
    }

    /// How often something was started again.
    pub fn restarts(&self) -> u32 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    /// Ends the services, then everything that is still below this process. Nothing is left when it returns true.
    pub fn stop(&mut self) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let Some(reaper) = self.reaper.take() else { return true };
        for pid in lock(&self.shared.running).keys() {
            signal(*pid, Signal::SIGTERM);
        }
        wait_until(GRACE, || lock(&self.shared.running).is_empty());
        let gone = wait_until(Duration::from_secs(10), || {
            for pid in descendants(std::process::id()) {
                signal(pid, Signal::SIGKILL);
            }
            self.shared.reaped.load(Ordering::SeqCst)
        });
        if gone {
            // The reaper has nothing left to wait for; if it panicked it has already said so.
            let _ = reaper.join();
        }
        gone
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn start(&self, service: Service, quick_deaths: u32) -> io::Result<()> {
        let log = log_file(&service)?;
        // Held over the spawn: the reaper must find the child even if it ends at once.
        let mut running = lock(&self.running);
        if self.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        let child = Command::new(&service.program)
            .args(&service.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own: Ctrl-C at the terminal reaches this process alone, which then ends the others in order.
            .process_group(0)
            .spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        running.insert(pid, Running { service, since: Instant::now(), quick_deaths });
        Ok(())
    }

    /// Waits for every child, ours by birth or by adoption, until none is left.
    fn reap(self: &Arc<Self>) {
        loop {
            match waitpid(None, None) {
                Ok(WaitStatus::Exited(pid, _)) => self.ended(pid.as_raw(), false),
                Ok(WaitStatus::Signaled(pid, _, _)) => self.ended(pid.as_raw(), true),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) if self.stopping.load(Ordering::SeqCst) => break,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        self.reaped.store(true, Ordering::SeqCst);
    }

    fn ended(self: &Arc<Self>, pid: i32, killed: bool) {
        let Some(Running { service, since, quick_deaths }) = lock(&self.running).remove(&pid) else { return };
        if self.stopping.load(Ordering::SeqCst) {
            return;
        }
        // Whoever kills it again and again only tests us.
        let quick_deaths = if !killed && since.elapsed() < Duration::from_secs(1) { quick_deaths + 1 } else { 0 };
        if quick_deaths >= QUICK_DEATHS {
            lock(&self.broken).get_or_insert(service);
            return;
        }
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let shared = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(RESTART_AFTER);
            if shared.start(service.clone(), quick_deaths).is_err() {
                lock(&shared.broken).get_or_insert(service);
            }
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log_file(service: &Service) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(&service.log)
}

fn signal(pid: i32, signal: Signal) {
    // It may just have ended.
    let _ = kill(Pid::from_raw(pid), signal);
}

fn wait_until(bound: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !done() {
        if begin.elapsed() > bound {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Every process below `root`, by the parents that the kernel knows.
fn descendants(root: u32) -> Vec<i32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.extend(i32::try_from(child));
            open.push(child);
        }
    }
    found
}

/// `PID (NAME) STATE PARENT …`; the name may hold spaces and parentheses.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_parent() {
        assert_eq!(parent_of(std::process::id()), Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn a_grandchild_is_a_descendant() {
        let mut child = Command::new("/bin/sh").args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        assert!(descendants(std::process::id()).contains(&grandchild));
        for pid in [grandchild, i32::try_from(child.id()).unwrap()] {
            signal(pid, Signal::SIGKILL);
        }
        child.wait().unwrap();
    }
}
