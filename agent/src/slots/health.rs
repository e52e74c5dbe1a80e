//! How one app's health is asked, and what it has answered. The fleet's check outranks the package's own.

use pilotage_agent_core::slot::Slot;
use pilotage_agent_core::standing::Watched;
use pilotage_shared::health::{HealthCheck, HealthNote, Probe, Standing};
use pilotage_shared::name::{AppName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::time::Uptime;

use super::own_check::{self, Means, own_check};
use crate::layout::Layout;
use crate::ledger::Check;
use crate::watch::{Answer, Watch};

/// One app's health.
#[derive(Default)]
pub struct Health {
    /// How it is watched, as the newest intent ever said; none: nobody said yet.
    known: Option<Check>,
    /// What is asked, and about which release where the check is the package's own.
    watch: Option<(Watch, Option<Release>)>,
    watched: Option<Watched>,
    said: Why,
    said_at: Uptime,
    /// The last answer, of the present watch.
    pub good: Option<bool>,
}

impl Health {
    /// How it is watched; none: nobody said yet.
    pub fn known(&self) -> Option<&Check> {
        self.known.as_ref()
    }

    /// An intent says how it is to be asked, or the ledger what the last one said. It is asked from then on: even before the
    /// first package is there, and at once when the agent is started again.
    pub fn learn(&mut self, known: Check, name: &AppName, slot: &Slot, means: &Means<'_>) {
        self.known = Some(known);
        self.watch(name, slot, means);
    }

    /// The run has ended: what answered before does not speak for what runs now, which may have a check of its own.
    pub fn run_over(&mut self, name: &AppName, slot: &Slot, means: &Means<'_>, now: Uptime) {
        self.watch(name, slot, means);
        self.good = None;
        match (&mut self.watched, &self.watch, slot.running) {
            (Some(watched), _, Some(_)) => watched.restarted(now),
            (Some(watched), Some((watch, _)), None) => *watched = Watched::new(&watch.check, now),
            (_, None, _) | (None, Some(_), _) => {}
        }
    }

    /// Asks what is to be asked now; what is asked already goes on.
    fn watch(&mut self, name: &AppName, slot: &Slot, means: &Means<'_>) {
        let Some(known) = &self.known else { return };
        let own = || slot.running.and_then(|r| Some((own_check(means.layout, name, &r)?, Some(r))));
        let Some((check, of)) = known.health.clone().map(|check| (check, None)).or_else(own) else {
            (self.watch, self.watched, self.good) = (None, None, None);
            return;
        };
        if self.watch.as_ref().is_some_and(|(watch, release)| watch.check == check && *release == of) {
            return;
        }
        let by_command = matches!(check.probe, Probe::Command { .. });
        let asker = of.filter(|_| by_command).and_then(|release| own_check::asking(name, &release, &check, means));
        self.watched = Some(Watched::new(&check, crate::clock::uptime()));
        self.good = None;
        self.watch = Some((Watch::start(name.clone(), check, &means.config.variables, asker, means.answers.clone()), of));
    }

    /// One answer.
    pub fn answered(&mut self, answer: &Answer, now: Uptime) {
        let Some(watched) = &mut self.watched else { return };
        watched.answered(answer.good, now);
        self.good = Some(answer.good);
        if self.said != answer.said {
            (self.said, self.said_at) = (answer.said.clone(), now);
        }
    }

    /// Time goes by.
    pub fn pass(&mut self, now: Uptime) {
        if let Some(watched) = &mut self.watched {
            watched.pass(now);
        }
    }

    /// It is asked.
    pub fn asked(&self) -> bool {
        self.watch.is_some()
    }

    /// How this host counts for the app (R9).
    pub fn standing(&self, slot: &Slot, now: Uptime) -> Standing {
        match &self.watched {
            Some(watched) => watched.standing(now),
            // Nobody ever said how it is to be asked.
            None if self.known.is_none() => Standing::Unknown,
            // Without a health check the last run speaks (DESIGN §10).
            None if slot.running.is_some() && slot.needs_hands.is_none() => Standing::Available,
            None if slot.running.is_none() && self.known.as_ref().is_some_and(|k| k.first_install) => Standing::Down,
            None => Standing::Unknown,
        }
    }

    /// For people.
    pub fn note(&self, now: Uptime) -> HealthNote {
        HealthNote { last: self.said.clone(), for_ms: (now - self.said_at).0 }
    }

    /// When the standing may change without an answer.
    pub fn wake_at(&self) -> Option<Uptime> {
        self.watched.as_ref().and_then(Watched::wake_at)
    }

    /// The check that a run to this release waits for: the fleet's, else the package's own.
    pub fn of_run(&self, layout: &Layout, name: &AppName, release: &Release) -> Option<HealthCheck> {
        let fleet = self.known.as_ref().and_then(|known| known.health.clone());
        fleet.or_else(|| own_check(layout, name, release))
    }
}
