//! Which processes are an app's: those in the sessions that its hooks began (what a hook leaves behind is the application).
//! The journals in the run directories name them; a hook's process leads its session (`agent/core/src/journal.rs`). What a
//! service manager starts for a hook, or what begins a session of its own, is not found so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pilotage_agent_core::journal::{Entry, Journal, Process, line};
use pilotage_agent_core::run::{JOURNAL, REQUEST, Request};
use pilotage_shared::ids::BootId;
use pilotage_shared::name::AppName;

/// What was read of the run directories; a journal is read again only when it has grown.
#[derive(Debug)]
pub struct Sessions {
    boot: BootId,
    runs: BTreeMap<PathBuf, Run>,
}

#[derive(Debug)]
struct Run {
    app: AppName,
    length: u64,
    leaders: Vec<Process>,
}

impl Sessions {
    /// Of this boot: numbers of earlier ones mean nothing.
    pub fn new(boot: BootId) -> Sessions {
        Sessions { boot, runs: BTreeMap::new() }
    }

    /// Living processes of each app, by the run directories below `runs` and by `proc` (`/proc`).
    pub fn processes(&mut self, runs: &Path, proc: &Path) -> BTreeMap<AppName, BTreeSet<i32>> {
        self.refresh(runs);
        let mut apps: BTreeMap<AppName, BTreeSet<i32>> = self.runs.values().map(|r| (r.app.clone(), BTreeSet::new())).collect();
        let mut owners: BTreeMap<i32, &AppName> = BTreeMap::new();
        for run in self.runs.values() {
            owners.extend(run.leaders.iter().filter(|l| !is_another(proc, l)).map(|leader| (leader.pid, &run.app)));
        }
        if owners.is_empty() {
            return apps;
        }
        for pid in numbers(proc) {
            let Some(stat) = stat(proc, pid).filter(|s| !s.zombie) else { continue };
            if let Some(app) = owners.get(&stat.session) {
                apps.entry((*app).clone()).or_default().insert(pid);
            }
        }
        apps
    }

    fn refresh(&mut self, runs: &Path) {
        let folders: BTreeSet<PathBuf> = fs::read_dir(runs).into_iter().flatten().flatten().map(|e| e.path()).collect();
        self.runs.retain(|folder, _| folders.contains(folder));
        for folder in folders {
            let length = fs::metadata(folder.join(JOURNAL)).map_or(0, |m| m.len());
            let known = self.runs.get(&folder);
            if known.is_some_and(|run| run.length == length) {
                continue;
            }
            // A run whose order cannot be read (yet) has begun nothing.
            let Some(app) = known.map(|run| run.app.clone()).or_else(|| app(&folder)) else { continue };
            let leaders = leaders(&journal(&folder), self.boot);
            self.runs.insert(folder, Run { app, length, leaders });
        }
    }
}

fn app(folder: &Path) -> Option<AppName> {
    let request: Request = serde_json::from_slice(&fs::read(folder.join(REQUEST)).ok()?).ok()?;
    Some(request.app)
}

fn journal(folder: &Path) -> Journal {
    fs::read(folder.join(JOURNAL)).ok().and_then(|bytes| line::parse(&bytes).ok()).map(|(journal, _)| journal).unwrap_or_default()
}

/// Hooks that began in this boot.
fn leaders(journal: &Journal, this: BootId) -> Vec<Process> {
    let (mut found, mut now) = (Vec::new(), None);
    for record in journal.records() {
        match &record.entry {
            Entry::Opened { boot } | Entry::Resumed { boot } => now = Some(*boot),
            Entry::Began { process: Some(process), .. } if now == Some(this) => found.push(*process),
            Entry::Began { .. } | Entry::Disturbed | Entry::Ended { .. } | Entry::Turned(_) | Entry::Closed(_) => {}
        }
    }
    found
}

/// The leader's number belongs to a later process: its session is over (a number is not given again while a member lives).
fn is_another(proc: &Path, leader: &Process) -> bool {
    stat(proc, leader.pid).is_some_and(|s| s.started != leader.started)
}

/// The fields of `/proc/<pid>/stat` that we use.
struct Stat {
    session: i32,
    zombie: bool,
    started: u64,
}

fn stat(proc: &Path, pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    // The name may hold anything, also brackets: fields are counted behind the last one.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat { session: fields.get(3)?.parse().ok()?, zombie: matches!(*fields.first()?, "Z" | "X"), started: fields.get(19)?.parse().ok()? })
}

fn numbers(proc: &Path) -> Vec<i32> {
    fs::read_dir(proc).into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
