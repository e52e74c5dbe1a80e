//! A light host: an agent that obeys the protocol (R5–R7, R12, R19, R30, R31) with runs that are nothing but times.
//!
//! ```text
//! idle ──told: stage──▶ staging ──▶ staged ──told: activate──▶ run forward ─┬─▶ committed ─▶ settling ─▶ available
//!                                                                          └─▶ run back ──▶ as before, refused
//! ```

use pilotage_shared::health::Standing;
use pilotage_shared::ids::{DeploymentId, Generation, HostId, SessionId};
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::name::Why;
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome, Phase};
use pilotage_shared::status::{Refusal, RunStatus, SlotStatus};
use pilotage_shared::time::Time;

/// What a host was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Older ones lose (R5).
    pub generation: Generation,
    /// What it is about.
    pub release: Option<Release>,
    /// How far.
    pub go: Go,
    /// Only while the host is down (R6).
    pub while_down: bool,
    /// On whose behalf.
    pub deployment: Option<DeploymentId>,
}

impl From<Intent> for Wish {
    fn from(intent: Intent) -> Self {
        let Intent { generation, release, go, while_down, deployment, .. } = intent;
        Self { generation, release, go, while_down, deployment }
    }
}

/// A run in course.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it spent.
    pub generation: Generation,
    /// Where to.
    pub to: Release,
    /// Where from.
    pub from: Option<Release>,
    /// On whose behalf.
    pub deployment: Option<DeploymentId>,
    /// On its way back.
    pub back: bool,
    /// When each of its events ends.
    pub ends: Vec<(Event, Time)>,
    /// Why it will go back, or has: at the end of what is planned of it.
    pub why: Option<Why>,
    /// It goes back because it was asked to: no refusal (R31).
    pub asked: bool,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Name and join number.
    pub id: HostId,
    /// As whom it speaks.
    pub by: Principal,
    /// Of its connection.
    pub session: SessionId,
    /// Statuses said in it.
    pub seq: u64,
    /// What it says.
    pub slot: SlotStatus,
    /// What it was last told.
    pub wish: Option<Wish>,
    /// What was last sent to it, heard or not yet.
    pub sent: Option<Wish>,
    /// What it fetches now.
    pub fetching: Option<Release>,
    /// What it does.
    pub run: Option<Run>,
    /// Counts runs, so that the times of an older one are ignored.
    pub runs: u32,
    /// Counts starts of the application, for the same reason.
    pub starts: u32,
    /// In truth: what was started last and has not been stopped.
    pub process: Option<Release>,
    /// In truth: it answers.
    pub serving: bool,
    /// Since when it answers well, as its own check sees it.
    pub good_since: Option<Time>,
    /// Gone, with all that was on it.
    pub lost: bool,
    /// It has begun a run to the release that is deployed.
    pub tried: bool,
}

/// What a host does about what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Idle,
    /// Only its record changed: say so.
    Say,
    /// Fetch this.
    Fetch(Release),
    /// Begin a run to this.
    Begin(Release),
    /// Turn the run back at the end of its present event.
    TurnBack,
}

impl Host {
    /// Hears a wish (R5).
    pub fn hear(&mut self, wish: Wish) -> bool {
        if wish.generation < self.slot.seen {
            return false;
        }
        self.slot.seen = wish.generation;
        self.wish = Some(wish);
        true
    }

    /// What to do now about the newest wish.
    pub fn act(&mut self) -> Act {
        let Some(wish) = &self.wish else { return Act::Idle };
        let Some(release) = wish.release else { return Act::Idle };
        if let Some(run) = &self.run {
            let back = !run.back && run.why.is_none() && run.from == Some(release) && wish.go != Go::Keep && wish.generation > run.generation;
            return if back { Act::TurnBack } else { Act::Idle };
        }
        let unspent = wish.go == Go::Activate && wish.generation > self.slot.spent;
        if self.slot.running == Some(release) {
            if unspent {
                self.slot.spent = wish.generation;
            }
            return Act::Say;
        }
        if wish.go == Go::Keep {
            return Act::Say;
        }
        if self.slot.staged != Some(release) {
            return if self.fetching == Some(release) { Act::Idle } else { Act::Fetch(release) };
        }
        if !unspent || wish.while_down && self.slot.standing != Standing::Down {
            return Act::Idle;
        }
        let against = match (&self.slot.pinned, &self.slot.needs_hands) {
            (Some(why), _) => Some(format!("pinned: {why}")),
            (None, Some(why)) => Some(format!("needs hands: {why}")),
            (None, None) => None,
        };
        match against {
            Some(why) => {
                self.slot.spent = wish.generation;
                self.slot.declines = self.slot.pinned.is_none().then(|| Why::lossy(&why));
                Act::Say
            }
            None => Act::Begin(release),
        }
    }

    /// A run begins: spent and run in one step (R7).
    pub fn begin(&mut self, run: Run) {
        self.slot.spent = run.generation;
        self.slot.run = Some(RunStatus { generation: Some(run.generation), release: run.to, phase: Phase::Forward(Event::ApplicationStop) });
        self.runs += 1;
        self.run = Some(run);
    }

    /// The run goes back from here: these are its times.
    pub fn turn(&mut self, ends: Vec<(Event, Time)>) {
        let Some(run) = &mut self.run else { return };
        (run.back, run.ends) = (true, ends);
        self.runs += 1;
        if let Some(status) = &mut self.slot.run {
            status.phase = Phase::Back(Event::ApplicationStop);
        }
    }

    /// The run is over: run, running and refused in one step (R7).
    pub fn close(&mut self) -> Option<Run> {
        let run = self.run.take()?;
        self.slot.run = None;
        let outcome = match (&run.why, run.back) {
            (Some(why), true) => Outcome::RolledBack { why: why.clone() },
            (_, _) => Outcome::Committed,
        };
        if outcome == Outcome::Committed {
            if self.slot.running != Some(run.to) {
                self.slot.previous = self.slot.running;
            }
            self.slot.running = Some(run.to);
        } else if let (Some(why), Some(deployment), false) = (&run.why, &run.deployment, run.asked) {
            self.slot.refused.push(Refusal { release: run.to, deployment: deployment.clone(), why: why.clone(), needs_hands: false });
        }
        self.slot.last_ended = Some((run.generation, outcome));
        Some(run)
    }
}
