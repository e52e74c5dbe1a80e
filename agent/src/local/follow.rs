//! Watches a run to its end: names the events as they run, copies hook output into the log of all deployments (H13), starts a
//! deployer that has died again, and hears the person: the first Ctrl-C turns the run back, the second leaves it alone.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use pilotage_agent_core::journal::{End as TaskEnd, Entry, line};
use pilotage_agent_core::lifecycle::{Side, Task};
use pilotage_agent_core::run::JOURNAL;
use pilotage_agent_core::slot::RunSight;
use pilotage_shared::name::Why;
use pilotage_shared::run::Outcome;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::group::{Deployed, Group};
use super::root::Root;
use super::words;
use crate::launch::Launcher;
use crate::rundir;

/// How often the run directory is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A deployer that was just started has not taken its lock yet.
const STARTING: Duration = Duration::from_secs(5);
/// Deployers of one command; each goes on where the last one stopped.
const STARTS: u32 = 5;
/// H13.
const LOG_MAX: u64 = 64 << 20;
/// Older logs beside the newest.
const LOGS_KEPT: u32 = 7;
/// How far the scripts' log was copied already.
const COPIED: &str = "copied";

/// How following ended.
pub enum End {
    /// With the run.
    Ended(Outcome),
    /// The person left it alone; it goes on.
    Left,
}

/// Follows one run.
pub struct Follower {
    folder: PathBuf,
    old: String,
    journal: (u64, usize),
    output: Option<Output>,
    signals: Signals,
    asked: bool,
}

impl Follower {
    /// From where an earlier follower of it stopped.
    pub fn new(root: &Root, group: &Group, deployed: &Deployed, folder: &Path, log: bool) -> anyhow::Result<Follower> {
        let output = log.then(|| Output {
            from: root.scripts_log(&group.name, &deployed.deployment),
            to: root.logs().join("codedeploy-agent-deployments.log"),
            mark: folder.join(COPIED),
            at: fs::read_to_string(folder.join(COPIED)).ok().and_then(|t| t.parse().ok()).unwrap_or(0),
            deployment: deployed.deployment.clone(),
        });
        let old = group.committed.as_ref().map_or_else(String::new, |now| now.deployment.clone());
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to listen for signals")?;
        Ok(Follower { folder: folder.to_owned(), old, journal: (0, 0), output, signals, asked: false })
    }

    /// Until it has ended, or is left alone. Starts the deployer, also one that has died.
    pub fn follow(&mut self, launcher: &mut Launcher) -> anyhow::Result<End> {
        let (mut starts, mut starting) = (0, None::<Instant>);
        loop {
            let sight = rundir::look(&self.folder);
            self.look()?;
            match sight {
                RunSight::Ended(outcome) => return Ok(End::Ended(outcome)),
                RunSight::TurnedBack(why) => return Ok(End::Ended(Outcome::RolledBack { why })),
                RunSight::Alive(_) => starting = None,
                RunSight::Lost | RunSight::None if starting.is_some_and(|at| at.elapsed() < STARTING) => {}
                RunSight::Lost | RunSight::None if starts == STARTS => return self.cannot_be_started(),
                RunSight::Lost | RunSight::None => {
                    launcher.start(&self.folder)?;
                    (starts, starting) = (starts + 1, Some(Instant::now()));
                }
            }
            if self.left_alone()? {
                return Ok(End::Left);
            }
            launcher.reap();
            std::thread::sleep(LOOK);
        }
    }

    fn cannot_be_started(&self) -> anyhow::Result<End> {
        let log = self.folder.join("deployer.log");
        let said = fs::read_to_string(&log).unwrap_or_default();
        bail!(
            "the deployer was started {STARTS} times and does not come to an end (see {}): {}",
            log.display(),
            said.lines().last().unwrap_or("it says nothing")
        )
    }

    /// True when the person has asked a second time, or is gone.
    fn left_alone(&mut self) -> anyhow::Result<bool> {
        for signal in self.signals.pending().collect::<Vec<_>>() {
            if self.asked || signal == SIGHUP {
                return Ok(true);
            }
            self.asked = true;
            rundir::turn_back(&self.folder, &Why::lossy("a person at this host has interrupted it"))?;
            words::complain("Interrupted: turning back at the next step; once more, and it is left alone");
        }
        Ok(false)
    }

    fn look(&mut self) -> anyhow::Result<()> {
        if let Some(output) = &mut self.output {
            output.copy()?;
        }
        let path = self.folder.join(JOURNAL);
        let length = path.metadata().map_or(0, |m| m.len());
        if length == self.journal.0 {
            return Ok(());
        }
        let Ok(bytes) = fs::read(&path) else { return Ok(()) };
        let Ok((journal, _)) = line::parse(&bytes) else { return Ok(()) };
        for record in journal.records().iter().skip(self.journal.1) {
            self.tell(&record.entry);
        }
        self.journal = (length, journal.records().len());
        Ok(())
    }

    fn tell(&self, entry: &Entry) {
        match entry {
            Entry::Began { task, .. } => match task {
                Task::Hook { side: Side::From, event, .. } => words::say(&format!("{event}  of {}", self.old)),
                Task::Hook { side: Side::To, event, .. } => words::say(&event.to_string()),
                Task::Switch => words::say("Install"),
                Task::Unswitch => words::say("Install  taken back"),
                Task::Health(_) => words::say("HealthCheck"),
                Task::Drain => words::say(&format!("Drain  of {}", self.old)),
                Task::Stop(_) => words::say("Stop of the unit"),
                Task::Start(_) => words::say("Start of the unit"),
                Task::Verify | Task::Keep | Task::Prepare | Task::Commit => {}
            },
            Entry::Ended { task, end: TaskEnd::Failed(failure) } => {
                let passed = if task.overruled() { " (passed over: it cannot hold up what comes)" } else { "" };
                words::say(&format!("  {}{passed}", failure.message));
            }
            Entry::Ended { task: Task::Switch | Task::Unswitch, end: TaskEnd::Good { last_line } } if !last_line.is_empty() => {
                words::say(&format!("  {last_line}"))
            }
            Entry::Turned(_) => words::say("Going back"),
            Entry::Resumed { .. } => words::say("The deployer goes on where it was stopped"),
            Entry::Opened { .. } | Entry::Disturbed | Entry::Ended { .. } | Entry::Closed(_) => {}
        }
    }
}

/// Copies whole lines from the scripts' log of a deployment to the log of all.
struct Output {
    from: PathBuf,
    to: PathBuf,
    mark: PathBuf,
    at: u64,
    deployment: String,
}

/// Characters of a line's own time in the scripts' log: `YYYY-MM-DD HH:MM:SS `.
const STAMP: usize = 20;

impl Output {
    fn copy(&mut self) -> anyhow::Result<()> {
        if self.from.metadata().map_or(0, |m| m.len()) <= self.at {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut file = File::open(&self.from).with_context(|| format!("failed to read {}", self.from.display()))?;
        file.seek(SeekFrom::Start(self.at))?;
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
        let stamp = now.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
        let mut text = Vec::new();
        for line in bytes[..whole].split_inclusive(|b| *b == b'\n') {
            text.extend_from_slice(format!("[{stamp}] [{}]", self.deployment).as_bytes());
            text.extend_from_slice(line.get(STAMP..).unwrap_or(line).trim_ascii_end());
            text.push(b'\n');
        }
        rotate(&self.to)?;
        let log = File::options().append(true).create(true).mode(0o644).open(&self.to);
        log.and_then(|mut log| log.write_all(&text)).with_context(|| format!("failed to write {}", self.to.display()))?;
        self.at += whole as u64;
        fs::write(&self.mark, self.at.to_string()).with_context(|| format!("failed to write {}", self.mark.display()))
    }
}

/// `.log` → `.log.1` → … → `.log.7`.
fn rotate(log: &Path) -> anyhow::Result<()> {
    if log.metadata().map_or(0, |m| m.len()) < LOG_MAX {
        return Ok(());
    }
    let numbered = |n: u32| if n == 0 { log.to_owned() } else { PathBuf::from(format!("{}.{n}", log.display())) };
    for n in (0..LOGS_KEPT).rev().filter(|n| numbered(*n).exists()) {
        fs::rename(numbered(n), numbered(n + 1)).with_context(|| format!("failed to rotate {}", log.display()))?;
    }
    Ok(())
}
