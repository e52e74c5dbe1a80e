//! Promises that one host keeps: all or before (4), only generations rise (8), one run at a time (R26), a pin and a block
//! keep a release out (5, 9).

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{Generation, LedgerId};
use pilotage_shared::intent::Intent;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::Outcome;
use pilotage_shared::time::Millis;

use super::{Ahead, Promises};
use crate::truth::{Application, Run, RunDirectory};

/// A host begins a run by a permission.
#[derive(Clone, Debug)]
pub struct Begin<'a> {
    /// Where.
    pub host: &'a HostName,
    /// Its ledger.
    pub ledger: LedgerId,
    /// The permission.
    pub intent: &'a Intent,
    /// Another run is under way.
    pub busy: bool,
    /// A person said: stay.
    pub pinned: bool,
    /// Packages that the host has heard are blocked.
    pub blocked: &'a [Digest],
    /// How old the newest frame is that the permission answers, by the host's own clock; none when it is of another session.
    pub age: Option<Millis>,
    /// How old it may be.
    pub lease: Millis,
    /// The permission is of the coordinator's present life.
    pub of_this_life: bool,
}

impl Promises {
    /// A run begins.
    pub fn begins(&mut self, begin: &Begin<'_>) {
        let Begin { host, intent, .. } = begin;
        let generation = intent.generation;
        self.must(!begin.busy, "4 one run at a time", || format!("{host} begins generation {generation} while a run is under way"));
        self.must(!begin.pinned, "5 pinned", || format!("{host} begins generation {generation} though it is pinned"));
        let blocked = intent.release.is_some_and(|r| begin.blocked.contains(&r.package));
        self.must(!blocked, "9 blocked stays out", || format!("{host} begins a package that it knows is blocked"));
        let epoch = intent.session.epoch;
        let met = self.met.get(*host).filter(|(ledger, _)| *ledger == begin.ledger).map(|(_, met)| met);
        let left = met.is_some_and(|met| met.iter().rev().skip(1).any(|known| *known == epoch));
        self.must(!left || self.doubtful.contains(*host), "8 who has met a successor is not commanded by the one before it", || {
            format!("{host} begins generation {generation} of a coordinator that it has left for another")
        });
        let fresh = begin.age.is_some_and(|age| age <= begin.lease);
        self.must(fresh, "2 fresh", || format!("{host} begins generation {generation} by a permission as old as {:?}", begin.age));
        let recovers = self.recovering && begin.of_this_life;
        self.must(!recovers, "8 a restored store commands nobody", || format!("{host} begins generation {generation} before a person has gone on"));
        let key = (host.to_owned().clone(), begin.ledger, intent.app.clone());
        let (begun, _) = self.begun.get(&key).copied().unwrap_or_default();
        self.must(generation > begun, "8 generations rise", || format!("{host} begins generation {generation} after {begun}"));
        self.begun.entry(key).or_default().0 = generation;
        let fleet = intent.deployment.as_ref().map(|d| d.fleet.clone());
        let ahead = fleet.and_then(|f| self.ahead.get(&(f, (*host).clone()))).copied();
        if let Some(Ahead { seen, counter, .. }) = ahead.filter(|ahead| begin.of_this_life && ahead.ledger == begin.ledger) {
            self.breaks("8 old worlds command nobody", || {
                format!("{host} had seen {seen}, the restored counter was {counter}, nobody has gone on, and it begins {generation}")
            });
        }
        self.fruitless.remove(*host);
    }

    /// What a ledger says it has seen never falls.
    pub fn seen(&mut self, host: &HostName, ledger: LedgerId, app: &AppName, seen: Generation) {
        let entry = self.begun.entry((host.clone(), ledger, app.clone())).or_default();
        let before = entry.1;
        entry.1 = before.max(seen);
        self.must(seen >= before, "8 generations rise", || format!("{host} says it has seen {seen} after {before}"));
    }

    /// Promise 4: a run has ended.
    pub fn ended(&mut self, host: &HostName, run: &RunDirectory, app: &Application) {
        let Some((outcome, _)) = run.ending() else { return };
        let good = match outcome {
            Outcome::Committed => app.installed == Some(run.to()) && !app.mixed,
            Outcome::RolledBack { .. } | Outcome::NotBegun { .. } => app.installed == run.from() && !app.mixed,
            Outcome::NeedsHands { .. } => true,
        };
        self.must(good, "4 all or before", || {
            format!("{host} ended {outcome:?} from {:?} to {:?} and has {:?} installed, mixed: {}", run.from(), run.to(), app.installed, app.mixed)
        });
    }

    /// Promise 4: committed means that nothing has failed and the check was good; gone back means that what was there runs again.
    pub fn truly_ended(&mut self, host: &HostName, run: &Run, app: &Application) {
        let Some((outcome, _)) = run.directory.ending() else { return };
        match outcome {
            Outcome::Committed => {
                self.must(!run.failed, "4 what fails goes back", || format!("{host} commits {:?}, and a task of it failed", run.directory.to()));
                let good = run.answered || !run.directory.plan.to_health;
                self.must(good, "4 healthy once", || format!("{host} commits {:?}, and it has never answered well", run.directory.to()));
            }
            Outcome::RolledBack { .. } => {
                let stopped = app.disturbed.is_some_and(|at| !app.own_deaths.iter().chain(&app.exited).any(|death| *death > at));
                // A hook that lies is beyond what anybody can promise.
                let silent = stopped && !run.lied && run.directory.from().is_some() && app.process.is_none();
                self.must(!silent, "4 all or before", || format!("{host} went back to {:?}, and nothing was started", run.directory.from()));
            }
            Outcome::NotBegun { .. } | Outcome::NeedsHands { .. } => {}
        }
    }

    /// Promise 4, for people: what an idle host says it runs is what is installed.
    pub fn says(&mut self, host: &HostName, running: Option<pilotage_shared::release::Release>, app: &Application) {
        self.must(running == app.installed && !app.mixed, "4 all or before", || {
            format!("{host} is idle and says it runs {running:?}, installed is {:?}, mixed: {}", app.installed, app.mixed)
        });
    }
}
