//! What a story prints while time passes: the few changes that an operator would want to see, in plain words.

use std::collections::BTreeMap;

use pilotage_coordinator_core::world::Because;
use pilotage_coordinator_core::{Change, World};
use pilotage_shared::intent::Intent;
use pilotage_shared::name::HostName;
use pilotage_shared::run::Outcome;
use pilotage_shared::time::Time;

use crate::promises::capacity::Truth;
use crate::truth::RunDirectory;

/// Lines since the last command of a story.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// Nothing is told unless a story listens.
    pub on: bool,
    lines: Vec<(Time, String)>,
    names: BTreeMap<pilotage_shared::digest::Digest, String>,
    configs: BTreeMap<pilotage_shared::digest::Digest, u32>,
    /// The fewest hosts that truly served since it was asked last.
    pub lowest: Option<u32>,
}

impl Telling {
    /// How people call a package.
    pub fn name(&mut self, digest: pilotage_shared::digest::Digest, name: String) {
        self.names.insert(digest, name);
    }

    /// How people call a configuration.
    pub fn number(&mut self, config: pilotage_shared::digest::Digest, number: u32) {
        self.configs.insert(config, number);
    }

    /// All packages that were ever pushed.
    pub fn releases(&self) -> impl Iterator<Item = pilotage_shared::release::Release> + '_ {
        self.names.keys().map(|digest| pilotage_shared::release::Release::of(*digest))
    }

    /// The release as people call it.
    pub fn release(&self, release: &pilotage_shared::release::Release) -> String {
        let name = self.names.get(&release.package).cloned().unwrap_or_else(|| release.package.short());
        let name = match release.config.map(|config| self.configs.get(&config)) {
            None => name,
            Some(Some(number)) => format!("{name}+c{number}"),
            Some(None) => format!("{name}+?"),
        };
        if release.restart > 0 { format!("{name} restart {}", release.restart) } else { name }
    }

    /// All lines since the last call.
    pub fn take(&mut self) -> Vec<(Time, String)> {
        std::mem::take(&mut self.lines)
    }

    fn tell(&mut self, now: Time, line: impl FnOnce(&Self) -> String) {
        if self.on {
            let line = line(self);
            self.lines.push((now, line));
        }
    }

    /// A run begins.
    pub fn begins(&mut self, now: Time, host: &HostName, intent: &Intent) {
        let release = intent.release;
        self.tell(now, |t| format!("{host} begins {}", release.map_or_else(String::new, |r| t.release(&r))));
    }

    /// A run has ended.
    pub fn ended(&mut self, now: Time, host: &HostName, run: &RunDirectory) {
        let Some(outcome) = run.ending().map(|(outcome, _)| outcome.clone()) else { return };
        let (to, from) = (run.to(), run.from());
        self.tell(now, |t| {
            let back = from.map_or_else(|| "nothing".into(), |r| t.release(&r));
            match &outcome {
                Outcome::Committed => format!("{host} runs {}", t.release(&to)),
                Outcome::RolledBack { why } => format!("{host} went back to {back}: {why}"),
                Outcome::NotBegun { why } => format!("{host} did not begin: {why}"),
                Outcome::NeedsHands { why } => format!("{host} needs hands: {why}"),
            }
        });
    }

    /// A host was taken: how many others truly serve.
    pub fn takes(&mut self, truth: &BTreeMap<HostName, Truth>) {
        let serving = truth.values().filter(|t| t.serves && !t.in_change).count() as u32;
        self.lowest = Some(self.lowest.map_or(serving, |l| l.min(serving)));
    }

    /// A change is about to be applied.
    pub fn change(&mut self, now: Time, world: &World, change: &Change) {
        match change {
            Change::Lent { host, loan, app } => {
                let replaced = world.slot(app, host).is_some_and(|s| s.loan.is_some());
                let (release, free) = (loan.release, loan.while_down);
                self.tell(now, |t| {
                    let how = if replaced {
                        "loan replaced:"
                    } else if free {
                        "lent, being down:"
                    } else {
                        "lent:"
                    };
                    format!("{host} {how} {}", t.release(&release))
                });
            }
            Change::Withdrawn { host, .. } => self.tell(now, |_| format!("{host} loan withdrawn")),
            Change::Silent { host } => self.tell(now, |_| format!("{host} is unreachable")),
            Change::Quarantined { host, why } => self.tell(now, |_| format!("{host} is in quarantine: {why}")),
            Change::Froze { fleet, frozen } => {
                self.tell(now, |_| format!("{fleet} freezes: {} has seen {}, the counter is {}", frozen.host, frozen.seen, frozen.counter));
            }
            Change::Thawed { fleet } => self.tell(now, |_| format!("{fleet} thaws")),
            Change::Paused { id, note } => self.tell(now, |_| format!("{id} is paused by {}", note.by)),
            Change::Turned { id, to, because, .. } => {
                let because = because.clone();
                self.tell(now, |t| format!("{id} turns back to {}: {}", t.release(to), reason(&because)));
            }
            Change::Ended { id, outcome, left_behind, because, .. } => {
                self.tell(now, |_| {
                    let left: Vec<&str> = left_behind.iter().map(|h| h.as_str()).collect();
                    let left = if left.is_empty() { String::new() } else { format!(", left behind: {}", left.join(" ")) };
                    let why = because.as_ref().map(|b| format!(": {}", reason(b))).unwrap_or_default();
                    format!("{id} {}{why}{left}", outcome.words())
                });
            }
            Change::Observed { host, app, status, .. } => {
                let before = world.slot(app, host).and_then(|s| s.status.as_ref()).map(|s| s.standing);
                if before.is_some_and(|b| b != status.standing) && status.run.is_none() {
                    self.tell(now, |_| format!("{host} is {}", format!("{:?}", status.standing).to_lowercase()));
                }
            }
            _ => {}
        }
    }
}

fn reason(because: &Because) -> String {
    match because {
        Because::TooManyFailed { failed, tolerated, hosts } => {
            let names: Vec<&str> = hosts.iter().map(|h| h.as_str()).collect();
            format!("{failed} failed, {tolerated} tolerated ({})", names.join(" "))
        }
        Because::Asked(note) => format!("asked by {}", note.by),
    }
}
