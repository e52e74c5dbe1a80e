//! A systemd unit as the application: stopped, started, and asked for, by `systemctl`.

use std::io;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::declared::Service;

/// For what is not the unit's own work.
const SHORT: Duration = Duration::from_secs(30);

/// Starts the unit as its file says now, and sees that it is active.
pub fn start(service: &Service) -> Result<(), String> {
    // Files of the unit, or drop-ins to it, may have been put in place a moment ago.
    systemctl(&["daemon-reload"], SHORT)?;
    // A release that has died again and again leaves a unit that may not be started for a while: who comes behind it may. One
    // that systemd does not know has nothing to forget.
    let _ = systemctl(&["reset-failed", "--", &service.unit], SHORT);
    systemctl(&["start", "--", &service.unit], Duration::from_millis(service.timeout.0))?;
    let active = systemctl(&["is-active", "--quiet", "--", &service.unit], SHORT);
    active.map_err(|_| format!("{} is not active: see journalctl -u {}", service.unit, service.unit))
}

/// Stops it; what does not stop in its time is killed. A unit that systemd does not know is stopped.
pub fn stop(service: &Service) -> Result<(), String> {
    match systemctl(&["stop", "--", &service.unit], Duration::from_millis(service.timeout.0)) {
        Err(why) if why.contains("not loaded") => Ok(()),
        Err(why) => {
            let killed = systemctl(&["kill", "--signal=KILL", "--", &service.unit], SHORT);
            Err(killed.map_or(why.clone(), |()| format!("{why}; it was killed")))
        }
        Ok(()) => Ok(()),
    }
}

/// One call; the last thing that it said when it failed.
pub fn systemctl(arguments: &[&str], timeout: Duration) -> Result<(), String> {
    let mut command = Command::new("systemctl");
    command.arg("--no-ask-password").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|e| format!("systemctl: {e}"))?;
    let pid = Pid::from_raw(child.id() as i32);
    let (send, ends) = sync_channel(1);
    thread::spawn(move || send.send(child.wait_with_output()));
    match ends.recv_timeout(timeout) {
        Ok(end) => judged(arguments, end),
        Err(_) => {
            // The job goes on in systemd; only who waits for it is ended.
            let _ = kill(pid, Signal::SIGKILL);
            Err(format!("systemctl {} has not ended within {} s", arguments[0], timeout.as_secs()))
        }
    }
}

fn judged(arguments: &[&str], end: io::Result<Output>) -> Result<(), String> {
    let output = end.map_err(|e| format!("systemctl: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(last.map_or_else(|| format!("systemctl {}: {}", arguments[0], output.status), |line| format!("systemctl {}: {line}", arguments[0])))
}
