//! One app in the agent's memory, around the core's slot: its newest intent, its bits, its health, what was told of it.

use std::collections::BTreeSet;

use pilotage_agent_core::slot::life::{Life, Pulse, Vigil};
use pilotage_agent_core::slot::permission::{Now, Used};
use pilotage_agent_core::slot::{self, Bits, Held, RunSight, Slot};
use pilotage_agent_core::standing::Watched;
use pilotage_shared::health::{HealthCheck, HealthNote, Standing};
use pilotage_shared::ids::SessionId;
use pilotage_shared::intent::{Answers, Go, Intent};
use pilotage_shared::name::Why;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Outcome, Phase};
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Uptime};

use super::session::Session;
use crate::machine::Underway;

/// How long a failed fetch rests before it is tried again.
const TRY_AGAIN: Millis = Millis::seconds(10);

/// What is gone with the process.
#[derive(Clone, Debug)]
pub struct App {
    /// The newest intent of this session.
    pub held: Held,
    /// How far the bits are.
    pub bits: Bits,
    /// What the run in course was permitted by (R6).
    pub used: Option<Used>,
    /// The run that is named in a second write, after its generation was spent in a first (a planted bug).
    pub split: Option<Slot>,
    before: Option<Intent>,
    vigil: Vigil,
    answer: Option<bool>,
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
    pub fn new(now: Uptime, life: Life) -> Self {
        Self {
            held: Held::default(),
            bits: Bits::Absent,
            used: None,
            split: None,
            before: None,
            vigil: Vigil::new(life),
            answer: None,
            working: None,
            watched: None,
            unwatched: false,
            first_install: false,
            next_check: now,
            looked: now,
            told: None,
            told_in: 0,
        }
    }

    /// What is kept of its processes.
    pub fn life(&self) -> &Life {
        &self.vigil.life
    }

    /// What runs was committed, and its process is gone (R27).
    pub fn gone(&mut self, slot: &Slot, processes: usize, now: Uptime) -> bool {
        let standing = self.standing(slot, now);
        let pulse =
            Pulse { running: slot.running, processes: Some(processes), standing, answer: self.answer, asked: self.watched.is_some(), halted: false };
        slot.run.is_none() && self.vigil.look(pulse, now)
    }

    /// It is started again now.
    pub fn began_again(&mut self, now: Uptime) {
        self.vigil.began(now);
    }

    /// A new session begins: what was permitted and told before means nothing in it.
    pub fn forget_session(&mut self) {
        self.before = std::mem::take(&mut self.held).intent.or(self.before.take());
        (self.told, self.told_in) = (None, 0);
    }

    /// It was permitted to begin, and has not.
    pub fn holds_unused(&self, slot: &Slot) -> bool {
        self.held.intent.as_ref().is_some_and(|i| i.go == Go::Activate && i.generation > slot.spent && slot.run.is_none())
    }

    /// The permission of before is taken for one of the new session (a planted bug).
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
        self.answer = None;
        if let Some((_, watched)) = &mut self.watched {
            watched.restarted(now);
        }
    }

    /// A run has ended: what answered before it does not speak for what runs now, or does not run any more.
    pub fn run_over(&mut self, now: Uptime) {
        self.answer = None;
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
            let good = serves();
            self.answer = Some(good);
            watched.answered(good, now);
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
                self.bits = Bits::Failed(Why::fixed("fetching failed: connection reset"));
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
        let standing = if planted(Bug::NoWhileDown) { Standing::Unknown } else { self.standing(slot, now) };
        (standing, slot.run.is_some(), slot.running)
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
            standing: self.standing(slot, now),
        }
    }

    /// What it says, in the status of this sequence if it is sent.
    pub fn says(&self, slot: &Slot, phase: Option<Phase>, now: Uptime) -> SlotStatus {
        slot::status(slot, self.staged(), phase, self.standing(slot, now), self.note())
    }

    /// It has said all that already.
    pub fn has_said(&self, slot: &Slot, phase: Option<Phase>, now: Uptime, said: &SlotStatus) -> bool {
        slot::is_said(slot, self.staged(), phase, self.standing(slot, now), &self.note(), said)
    }

    fn staged(&self) -> Option<Release> {
        match &self.bits {
            Bits::Staged(release) => Some(*release),
            Bits::Absent | Bits::Working | Bits::Failed(_) => None,
        }
    }

    fn note(&self) -> HealthNote {
        let last = match self.answer {
            None => Why::default(),
            Some(true) => Why::fixed("200 OK"),
            Some(false) => Why::fixed("503 Service Unavailable"),
        };
        HealthNote { last, for_ms: 0 }
    }

    /// A status of this sequence was sent.
    pub fn told(&mut self, slot: &Slot, seq: u64, now: Uptime) {
        let facts = self.facts(slot, now);
        if self.told.as_ref() != Some(&facts) {
            (self.told, self.told_in) = (Some(facts), seq);
        }
    }

    /// When it wants to be looked at again.
    pub fn wake_at(&self) -> Option<Uptime> {
        let check = self.watched.as_ref().map(|_| self.next_check);
        let watched = self.watched.as_ref().and_then(|(_, w)| w.wake_at()).filter(|at| *at > self.looked);
        let fetch = self.working.map(|(_, until, _)| until);
        let gone = self.vigil.wake_at().filter(|at| *at > self.looked);
        let split = self.split.as_ref().map(|_| self.looked + Millis(50));
        [check, watched.filter(|at| check.is_none_or(|c| *at < c)), fetch, gone, split].into_iter().flatten().min()
    }
}

/// How a run in the ledger is seen.
pub fn run_sight(underway: Option<&Underway>) -> RunSight {
    match underway {
        None => RunSight::None,
        Some(u) => match (u.run.directory.ending(), u.run.living) {
            (Some((Outcome::RolledBack { why }, true)), _) => RunSight::TurnedBack(why.clone()),
            (Some((outcome, _)), _) => RunSight::Ended(outcome.clone()),
            (None, Some(_)) => RunSight::Alive(u.run.directory.phase()),
            (None, None) => RunSight::Lost,
        },
    }
}
