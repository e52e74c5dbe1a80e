//! One app in the agent's memory, around the core's slot: its newest intent, its bits, its health, what was told of it.

use std::collections::BTreeSet;

use pilotage_agent_core::slot::permission::Now;
use pilotage_agent_core::slot::{Bits, Held, RunSight, Slot};
use pilotage_agent_core::standing::Watched;
use pilotage_shared::health::{HealthCheck, HealthNote, Standing};
use pilotage_shared::ids::SessionId;
use pilotage_shared::intent::{Answers, Intent};
use pilotage_shared::name::Why;
use pilotage_shared::release::Release;
use pilotage_shared::run::Phase;
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Uptime};

use super::session::Session;
use crate::machine::Underway;
use crate::truth::Stage;

/// How long a failed fetch rests before it is tried again.
const TRY_AGAIN: Millis = Millis::seconds(10);

/// What is gone with the process.
#[derive(Clone, Debug)]
pub struct App {
    /// The newest intent of this session.
    pub held: Held,
    /// How far the bits are.
    pub bits: Bits,
    before: Option<Intent>,
    /// What is being fetched, until when, and whether it will go well.
    pub working: Option<(Release, Uptime, bool)>,
    watched: Option<(HealthCheck, Watched)>,
    unwatched: bool,
    first_install: bool,
    next_check: Uptime,
    looked: Uptime,
    told: Option<Facts>,
    told_in: u64,
}

/// What R6 asks after: standing, run, running release.
type Facts = (Standing, bool, Option<Release>);

impl App {
    /// Nothing is known.
    pub fn new(now: Uptime) -> Self {
        let held = Held::default();
        Self { held, bits: Bits::Absent, before: None, working: None, watched: None, unwatched: false, first_install: false, next_check: now, looked: now, told: None, told_in: 0 }
    }

    /// A new session begins: what was permitted and told before means nothing in it.
    pub fn forget_session(&mut self) {
        self.before = std::mem::take(&mut self.held).intent.or(self.before.take());
        (self.told, self.told_in) = (None, 0);
    }

    /// The permission of before is taken for one of the new session (sabotage).
    pub fn revive(&mut self, session: SessionId) {
        self.held = Held { intent: self.before.take() };
        if let Some(intent) = &mut self.held.intent {
            (intent.session, intent.answers) = (session, Answers { seq: 1, beat: 1 });
        }
    }

    /// The newest intent says by which check the app is watched.
    pub fn watch(&mut self, check: Option<&HealthCheck>, first_install: bool, now: Uptime) {
        self.first_install = first_install;
        match check {
            None => (self.watched, self.unwatched) = (None, true),
            Some(check) if self.watched.as_ref().is_some_and(|(known, _)| known == check) => {}
            Some(check) => {
                self.watched = Some((check.clone(), Watched::new(check, now)));
                self.next_check = now;
            }
        }
    }

    /// A run has started the application anew.
    pub fn restarted(&mut self, now: Uptime) {
        if let Some((_, watched)) = &mut self.watched {
            watched.restarted(now);
        }
    }

    /// A run has ended: what answered before it does not speak for what runs now, or does not run any more.
    pub fn run_over(&mut self, now: Uptime) {
        if let Some((check, watched)) = &mut self.watched {
            *watched = Watched::new(check, now);
            watched.restarted(now);
        }
    }

    /// Asks the check when its time has come.
    pub fn check(&mut self, now: Uptime, serves: impl FnOnce() -> bool) {
        self.looked = now;
        let Some((check, watched)) = &mut self.watched else { return };
        if now >= self.next_check {
            self.next_check = now + check.every;
            watched.answered(serves(), now);
        }
        watched.pass(now);
    }

    /// Lets a fetch end.
    pub fn fetch(&mut self, disk: &mut BTreeSet<Release>, now: Uptime) {
        let Some((release, until, good)) = self.working.filter(|(_, until, _)| *until <= now) else { return };
        match (&self.bits, good) {
            (Bits::Failed(_), _) => {
                (self.bits, self.working) = (Bits::Absent, None);
            }
            (_, true) => {
                disk.insert(release);
                (self.bits, self.working) = (Bits::Staged(release), None);
            }
            (_, false) => {
                self.bits = Bits::Failed(Why::lossy("fetching failed: connection reset"));
                self.working = Some((release, until + TRY_AGAIN, false));
            }
        }
    }

    /// By the check; without one a host is healthy when its last run succeeded. Unknown until it is known which of both.
    pub fn standing(&self, slot: &Slot, now: Uptime) -> Standing {
        match &self.watched {
            Some((_, watched)) => watched.standing(now),
            None if self.unwatched && slot.running.is_some() && slot.needs_hands.is_none() => Standing::Available,
            // Nothing of ours runs, and the fleet vouches that nothing else does (DESIGN §10).
            None if self.unwatched && slot.running.is_none() && self.first_install => Standing::Down,
            None => Standing::Unknown,
        }
    }

    fn facts(&self, slot: &Slot, now: Uptime) -> Facts {
        (self.standing(slot, now), slot.run.is_some(), slot.running)
    }

    /// What R6 asks of this moment.
    pub fn now<'a>(&self, slot: &Slot, session: Option<&'a Session>, now: Uptime) -> Now<'a> {
        let facts = self.facts(slot, now);
        let lease_ends = self.held.intent.as_ref().and_then(|i| session?.fresh_until(i));
        Now {
            uptime: now,
            session: session.map(|s| &s.id),
            lease_ends,
            facts_told_in: (self.told.as_ref() == Some(&facts)).then_some(self.told_in),
            standing: facts.0,
        }
    }

    /// What it says, in the status of this sequence if it is sent.
    pub fn says(&self, slot: &Slot, phase: Option<Phase>, now: Uptime) -> SlotStatus {
        let staged = match &self.bits {
            Bits::Staged(release) => Some(*release),
            Bits::Absent | Bits::Working | Bits::Failed(_) => None,
        };
        pilotage_agent_core::slot::status(slot, staged, phase, self.standing(slot, now), HealthNote::default())
    }

    /// A status of this sequence was sent.
    pub fn told(&mut self, slot: &Slot, seq: u64, now: Uptime) {
        let facts = self.facts(slot, now);
        if self.told.as_ref() != Some(&facts) {
            (self.told, self.told_in) = (Some(facts), seq);
        }
    }

    /// Why the permission of a run that has disturbed nothing yet is void by now (R6).
    pub fn voids(&self, slot: &Slot, underway: &Underway, session: Option<&SessionId>, blocked: bool, now: Uptime) -> Option<Why> {
        let permit = underway.permit.as_ref()?;
        let standing = self.standing(slot, now);
        let why = if session != Some(&permit.session) {
            "a new session began"
        } else if slot.seen > permit.generation {
            "a newer intent was seen"
        } else if slot.pinned.is_some() {
            "pinned"
        } else if blocked {
            "its package was blocked"
        } else if standing != underway.standing {
            "its standing has changed"
        } else {
            return None;
        };
        Some(Why::lossy(why))
    }

    /// When it wants to be looked at again.
    pub fn wake_at(&self) -> Option<Uptime> {
        let check = self.watched.as_ref().map(|_| self.next_check);
        let watched = self.watched.as_ref().and_then(|(_, w)| w.wake_at()).filter(|at| *at > self.looked);
        let fetch = self.working.map(|(_, until, _)| until);
        [check, watched.filter(|at| check.is_none_or(|c| *at < c)), fetch].into_iter().flatten().min()
    }
}

/// How a run in the ledger is seen.
pub fn run_sight(underway: Option<&Underway>) -> RunSight {
    match underway {
        None => RunSight::None,
        Some(u) => match (&u.run.directory.ending, u.run.living) {
            (Some(ending), _) => RunSight::Ended(ending.outcome.clone()),
            (None, Some(_)) => RunSight::Alive(u.run.directory.stage.phase()),
            (None, None) => RunSight::Lost,
        },
    }
}

/// Has the run started something since the agent looked last? The agent learns it from the journal.
pub fn started_anew(stage: Stage) -> bool {
    matches!(stage, Stage::Validating | Stage::BackValidating)
}
