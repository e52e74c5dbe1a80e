//! What each host made of a deployment: how long it fetched, ran and settled, and whether it came through.

use std::collections::BTreeMap;

use pilotage_shared::health::Standing;
use pilotage_shared::ids::Generation;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::status::Refusal;
use pilotage_shared::time::{Millis, Time};

use crate::change::Change;
use crate::world::{Deployment, Loan};

/// Of all hosts.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Of which app.
    pub app: Option<AppName>,
    /// By name.
    pub hosts: BTreeMap<HostName, HostCourse>,
}

/// Of one host.
#[derive(Clone, Debug, Default)]
pub struct HostCourse {
    /// When its bits were ready.
    pub staged: Option<Time>,
    /// How it came, and what it said before it was lent anything.
    pub came: Vec<(Time, Change)>,
    /// In order.
    pub runs: Vec<Run>,
}

/// One permission, and what came of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where to.
    pub to: Release,
    /// Of the permission; the newest, where it was replaced.
    pub generation: Generation,
    /// When it was given.
    pub lent: Time,
    /// When the host said that it runs.
    pub began: Option<Time>,
    /// When it said that it is over.
    pub ended: Option<Time>,
    /// It runs what it was lent.
    pub committed: bool,
    /// Why not.
    pub refusal: Option<Refusal>,
    /// How it stood from its end on.
    pub standings: Vec<(Time, Standing)>,
}

impl Run {
    fn new(loan: &Loan, lent: Time) -> Run {
        Run { to: loan.release, generation: loan.generation, lent, began: None, ended: None, committed: false, refusal: None, standings: Vec::new() }
    }

    /// From the permission to its end.
    pub fn took(&self) -> Option<Millis> {
        self.ended.map(|ended| ended - self.lent)
    }
}

impl Profile {
    /// A change that was decided.
    pub fn see(&mut self, at: Time, deployment: &Deployment, change: &Change) {
        match change {
            Change::Lent { host, loan, .. } if loan.deployment == deployment.id => {
                let runs = &mut self.hosts.entry(host.clone()).or_default().runs;
                runs.push(Run::new(loan, at));
            }
            Change::Renumbered { host, generation, .. } => {
                if let Some(run) = self.hosts.get_mut(host).and_then(|course| course.runs.last_mut()) {
                    run.generation = *generation;
                }
            }
            Change::SessionBegan { host, .. } | Change::Confirmed { host, .. } => {
                self.hosts.entry(host.clone()).or_default().came.push((at, change.clone()))
            }
            Change::Observed { host, app, status, .. } => {
                if self.app.as_ref() != Some(app) {
                    return;
                }
                let course = self.hosts.entry(host.clone()).or_default();
                if course.runs.is_empty() {
                    course.came.push((at, change.clone()));
                }
                if status.staged == Some(deployment.release) || status.running == Some(deployment.release) {
                    course.staged.get_or_insert(at);
                }
                let Some(run) = course.runs.last_mut() else { return };
                if run.ended.is_some() {
                    run.standings.push((at, status.standing));
                } else if status.run.is_some() {
                    run.began.get_or_insert(at);
                } else if status.spent >= run.generation {
                    run.ended = Some(at);
                    run.committed = status.running == Some(run.to);
                    run.refusal = status.refused.last().filter(|refusal| refusal.release == run.to).cloned();
                    run.standings.push((at, status.standing));
                }
            }
            _ => {}
        }
    }

    /// What a host's run to this release was.
    pub fn run(&self, host: &HostName, to: &Release) -> Option<&Run> {
        self.hosts.get(host)?.runs.iter().rfind(|run| run.to == *to && run.ended.is_some())
    }

    /// All runs to this release that have ended.
    pub fn runs<'a>(&'a self, to: &'a Release) -> impl Iterator<Item = &'a Run> {
        self.hosts.values().flat_map(|course| &course.runs).filter(move |run| run.to == *to && run.ended.is_some())
    }

    /// All runs that have ended, wherever they went.
    pub fn all(&self) -> impl Iterator<Item = &Run> {
        self.hosts.values().flat_map(|course| &course.runs).filter(|run| run.ended.is_some())
    }

    /// Hosts that went back from this release by themselves, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&HostName, &Refusal)> {
        self.hosts.iter().filter_map(|(host, course)| Some((host, course.runs.iter().find_map(|run| run.refusal.as_ref())?)))
    }
}
