//! A systemd unit as the application: stopped, started, and asked for, by `systemctl`.

use std::process::Command;
use std::time::Duration;

use crate::declared::Service;
use crate::hook::end;
use crate::tool;

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
    command.arg("--no-ask-password").args(arguments);
    // When it is late the job goes on in systemd; only who waits for it is ended.
    tool::call(command, arguments[0], timeout).map(drop).map_err(|error| end::said(&error))
}
