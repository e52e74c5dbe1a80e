//! Processes told apart for good (number and start time), and the end of a whole session.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use pilotage_agent_core::journal::Process;

/// Between TERM and KILL.
pub const GRACE: Duration = Duration::from_secs(5);
/// How often a session that is ending is looked at: nobody tells about processes that are not our children.
const LOOK: Duration = Duration::from_millis(20);

/// The fields of `/proc/<pid>/stat` that we use.
struct Stat {
    parent: i32,
    session: i32,
    zombie: bool,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also brackets: fields are counted behind the last one.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse().ok();
    Some(Stat { parent: number(1)?, session: number(3)?, zombie: matches!(*fields.first()?, "Z" | "X"), started: fields.get(19)?.parse().ok()? })
}

/// The living process of that number.
pub fn of(pid: u32) -> Option<Process> {
    let pid = i32::try_from(pid).ok()?;
    stat(pid).map(|s| Process { pid, started: s.started })
}

/// True while exactly that process lives.
pub fn alive(process: Process) -> bool {
    stat(process.pid).is_some_and(|s| s.started == process.started && !s.zombie)
}

/// Living processes of a session; with `below`, also everything that descends from that process.
fn members(session: i32, below: Option<i32>) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    let all: Vec<(i32, Stat)> = numbers.filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let mut descend: BTreeSet<i32> = below.into_iter().collect();
    loop {
        let before = descend.len();
        descend.extend(all.iter().filter(|(_, s)| descend.contains(&s.parent)).map(|(pid, _)| *pid).collect::<Vec<_>>());
        if descend.len() == before {
            break;
        }
    }
    let meant = |pid: i32, s: &Stat| s.session == session || (descend.contains(&pid) && Some(pid) != below);
    all.iter().filter(|(pid, s)| !s.zombie && meant(*pid, s)).map(|(pid, _)| *pid).collect()
}

fn signal(session: i32, below: Option<i32>, signal: Signal) {
    // A process that ended by itself meanwhile is what we wanted.
    let _ = killpg(Pid::from_raw(session), signal);
    for pid in members(session, below) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Ends all of a hook's session: TERM, a grace, KILL (H8, H9). The session's number is its leader's, and cannot be given
/// to another while one member lives.
pub fn end_session(session: i32) {
    end(session, None);
}

/// The same, and everything else that descends from us: what made a session of its own to get away.
pub fn end_all(session: i32) {
    end(session, Some(nix::unistd::getpid().as_raw()));
}

fn end(session: i32, below: Option<i32>) {
    signal(session, below, Signal::SIGTERM);
    let until = Instant::now() + GRACE;
    while !members(session, below).is_empty() {
        if Instant::now() >= until {
            signal(session, below, Signal::SIGKILL);
            return;
        }
        std::thread::sleep(LOOK);
    }
}
