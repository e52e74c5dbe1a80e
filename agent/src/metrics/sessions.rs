//! Which processes are an app's: what its hooks have left behind. They are in the sessions that the hooks began (the journals in
//! the run directories name them; a hook's process leads its session, `agent/core/src/journal.rs`), or, if they made a session
//! of their own as pm2 does, in the control groups of the units of our deployers. Also those of the systemd unit that a release
//! declares as its service, once a run has started it. What a service manager starts for a hook is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pilotage_agent_core::journal::{Entry, Journal, Process, Record, line};
use pilotage_agent_core::lifecycle::{Side, Task};
use pilotage_agent_core::run::{JOURNAL, REQUEST, Request};
use pilotage_bundle::appspec;
use pilotage_shared::ids::BootId;
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::AppName;

use crate::launch;
use crate::layout::Layout;

/// A deployer, its supervisors, and hooks that do not run yet: as the kernel says their names.
const OURS: &str = "pilotage-deploy";

/// What was read of the run directories; a journal is read again only when it has grown.
#[derive(Debug)]
pub struct Sessions {
    boot: BootId,
    runs: BTreeMap<PathBuf, Run>,
}

#[derive(Debug)]
struct Run {
    order: Request,
    length: u64,
    leaders: Vec<Process>,
    /// It has disturbed something: what older runs have started is not what runs.
    acted: bool,
    /// The unit that it has started last.
    unit: Option<String>,
    /// That was in this boot.
    started_now: bool,
}

impl Sessions {
    /// Of this boot: numbers of earlier ones mean nothing.
    pub fn new(boot: BootId) -> Sessions {
        Sessions { boot, runs: BTreeMap::new() }
    }

    /// Living processes of each app, by the run directories below `runs` and by `proc` (`/proc`).
    pub fn processes(&mut self, runs: &Path, proc: &Path) -> BTreeMap<AppName, BTreeSet<i32>> {
        self.refresh(runs);
        let mut apps: BTreeMap<AppName, BTreeSet<i32>> = self.runs.values().map(|r| (r.order.app.clone(), BTreeSet::new())).collect();
        let mut owners: BTreeMap<i32, &AppName> = BTreeMap::new();
        for run in self.runs.values() {
            owners.extend(run.leaders.iter().filter(|l| !is_another(proc, l)).map(|leader| (leader.pid, &run.order.app)));
        }
        if self.runs.is_empty() {
            return apps;
        }
        let units = self.units();
        let tags = self.runs.iter().filter_map(|(path, run)| Some((tag(path.file_name()?.to_str()?)?, &run.order.app))).collect();
        for pid in numbers(proc) {
            // The kernel's own threads have no session.
            let Some(stat) = stat(proc, pid).filter(|s| s.session > 0 && !s.zombie && !s.ours) else { continue };
            if let Some(app) = owners.get(&stat.session).copied().or_else(|| by_group(proc, pid, &units, &tags)) {
                apps.entry(app.clone()).or_default().insert(pid);
            }
        }
        apps
    }

    /// The unit of each app, as its newest run that did something says it.
    fn units(&self) -> BTreeMap<&str, &AppName> {
        let mut newest: BTreeMap<&AppName, &Run> = BTreeMap::new();
        for run in self.runs.values().filter(|run| run.acted) {
            let known = newest.entry(&run.order.app).or_insert(run);
            if run.order.run.attempt > known.order.run.attempt {
                *known = run;
            }
        }
        newest.into_iter().filter_map(|(app, run)| Some((run.unit.as_deref()?, app))).collect()
    }

    /// The unit that is an app's service, if a run of this boot has started it.
    pub fn started(&self, app: &AppName) -> Option<&str> {
        let newest = self.runs.values().filter(|run| run.acted && run.order.app == *app).max_by_key(|run| run.order.run.attempt)?;
        newest.unit.as_deref().filter(|_| newest.started_now)
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
            let Some(order) = known.map(|run| run.order.clone()).or_else(|| order(&folder)) else { continue };
            let journal = journal(&folder);
            let (leaders, started_now) = of_boot(&journal, self.boot);
            let (acted, unit) = (journal.disturbed(), unit(&order, &journal));
            self.runs.insert(folder, Run { order, length, leaders, acted, unit, started_now });
        }
    }
}

fn order(folder: &Path) -> Option<Request> {
    serde_json::from_slice(&fs::read(folder.join(REQUEST)).ok()?).ok()
}

/// The unit that the run has started last, by the AppSpec of the release that it belongs to.
fn unit(order: &Request, journal: &Journal) -> Option<String> {
    let started = |record: &Record| if let Entry::Began { task: Task::Start(side), .. } = record.entry { Some(side) } else { None };
    let target = match journal.records().iter().rev().find_map(started)? {
        Side::To => &order.to,
        Side::From => order.from.as_ref()?,
    };
    let (layout, package) = (Layout { state: PathBuf::from(&order.state) }, &target.release.package);
    let manifest = Manifest::decode(&fs::read(layout.manifest(package)).ok()?).ok()?;
    let text = fs::read(layout.release(&order.app, package).join(&manifest.appspec)).ok()?;
    appspec::parse(&text).ok()?.ours?.service.map(|service| service.unit)
}

/// What stands for the app in the name of a run directory (`Layout::run`).
fn tag(folder: &str) -> Option<&str> {
    Some(folder.rsplit_once('-')?.0)
}

/// The app of the unit whose control group a process is in, in whatever hierarchy: its service, or that of a deployer, also one
/// whose run directory was removed since (one pm2 serves many deployments).
fn by_group<'a>(proc: &Path, pid: i32, units: &BTreeMap<&str, &'a AppName>, tags: &BTreeMap<&str, &'a AppName>) -> Option<&'a AppName> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("cgroup")).ok()?;
    let mut groups = text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(|path| path.split('/'));
    groups.find_map(|group| units.get(group).or_else(|| tags.get(tag(launch::folder_of(group)?)?)).copied())
}

fn journal(folder: &Path) -> Journal {
    fs::read(folder.join(JOURNAL)).ok().and_then(|bytes| line::parse(&bytes).ok()).map(|(journal, _)| journal).unwrap_or_default()
}

/// Hooks that began in this boot; and whether a unit was started in it.
fn of_boot(journal: &Journal, this: BootId) -> (Vec<Process>, bool) {
    let (mut found, mut started, mut now) = (Vec::new(), false, None);
    for record in journal.records() {
        match &record.entry {
            Entry::Opened { boot } | Entry::Resumed { boot } => now = Some(*boot),
            Entry::Began { process: Some(process), .. } if now == Some(this) => found.push(*process),
            Entry::Began { task: Task::Start(_), .. } if now == Some(this) => started = true,
            Entry::Began { .. } | Entry::Disturbed | Entry::Ended { .. } | Entry::Turned(_) | Entry::Closed(_) => {}
        }
    }
    (found, started)
}

/// The leader's number belongs to a later process: its session is over (a number is not given again while a member lives).
fn is_another(proc: &Path, leader: &Process) -> bool {
    stat(proc, leader.pid).is_some_and(|s| s.started != leader.started)
}

/// The fields of `/proc/<pid>/stat` that we use.
struct Stat {
    session: i32,
    zombie: bool,
    ours: bool,
    started: u64,
}

fn stat(proc: &Path, pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    // The name may hold anything, also brackets: fields are counted behind the last one.
    let (name, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ours = name.split_once('(').is_some_and(|(_, name)| name == OURS);
    Some(Stat { session: fields.get(3)?.parse().ok()?, zombie: matches!(*fields.first()?, "Z" | "X"), ours, started: fields.get(19)?.parse().ok()? })
}

fn numbers(proc: &Path) -> Vec<i32> {
    fs::read_dir(proc).into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests;
