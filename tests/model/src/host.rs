//! One host: machine, ledger, agent and deployer, as far as permissions go. What is decided is decided by the real core.

mod economy;

use pilotage_agent_core::acceptable::{HostPolicy, Seen};
use pilotage_agent_core::slot::host::{self as record, Host as HostRecord};
use pilotage_agent_core::slot::permission::{Now, Used, void};
use pilotage_agent_core::slot::receive::{Received, receive};
use pilotage_agent_core::slot::{Act, Bits, Held, RunKind, RunSight, Sight, Slot, next, status};
use pilotage_shared::health::{HealthNote, Standing};
use pilotage_shared::ids::{Generation, LedgerId, SessionId};
use pilotage_shared::intent::{Blocked, Go, Intent};
use pilotage_shared::name::Why;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome, Phase};
use pilotage_shared::status::{SlotStatus, Status};
use pilotage_shared::time::Uptime;
use pilotage_shared::wire::Welcome;

use serde::Serialize;

use crate::center::app;
use crate::promises::Basis;

/// What R6 calls "neither standing, nor run, nor running release".
pub type Facts = (Standing, bool, Option<Release>);

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Run {
    /// Its deployer has disturbed nothing yet; the agent may have said that its permission is void.
    Begun {
        /// The agent's mark.
        revoked: bool,
    },
    /// The application is stopped.
    Disturbed,
    /// It has ended; the agent closes it at once (see the module's notes on what is one step).
    Ended(Outcome),
}

/// What the agent knows in memory only.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// What the coordinator's welcome began.
    pub session: Option<SessionId>,
    /// The newest intent.
    pub held: Held,
    /// Statuses and beats sent in this session (one status is one beat here).
    pub seq: u64,
    /// The last one.
    pub told: Option<SlotStatus>,
    /// With which `seq` the present facts were told first.
    pub facts: Option<(Facts, u64)>,
    /// For the present run.
    pub used: Option<Used>,
    /// The release whose bits are here: of the newest intent that named one, of whichever session.
    pub bits: Option<Release>,
}

/// The host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Which it is.
    pub number: usize,
    /// Durable.
    pub record: HostRecord,
    /// Durable.
    pub slot: Slot,
    /// Of the run in the ledger.
    pub run: Option<Run>,
    /// None: the process is dead.
    pub memory: Option<Memory>,
    /// What the coordinator counted when the held intent was derived.
    pub basis: Option<Basis>,
    /// And the one that the present run has used.
    pub used_basis: Option<Basis>,
    /// The truth: does the application answer?
    pub up: bool,
    /// It does not because it died, or its machine was made anew: not because of us.
    pub died: bool,
    /// The truth: it has answered for long enough since it was started.
    pub proved: bool,
    /// The agent has measured nothing yet since it began.
    pub blind: bool,
    /// It is stopped for people, and its health check does not fail yet: it drains.
    pub drains: bool,
    /// What R7 forbids: the generation is spent, and the run is not named yet.
    pub split: Option<Box<Slot>>,
    /// Applications must prove themselves in this world, and agents that begin anew are blind.
    pub settling: bool,
    /// What the permissions of the newest generation have meant (promise 8); older ones are refused (R5).
    pub meant: Vec<(Generation, Option<Release>)>,
    /// The newest generation that this ledger has begun: each must be newer (promise 8).
    pub begun: Option<Generation>,
    /// Ledgers so far.
    pub ledgers: u8,
}

impl Host {
    /// A machine with an empty ledger; whatever answered on it is gone.
    pub fn new(number: usize, ledgers: u8, settling: bool) -> Host {
        let record = HostRecord { ledger: LedgerId([ledgers; 16]), last: None, left: Vec::new(), blocked: Blocked::default() };
        let (slot, memory) = (Slot::default(), Some(Memory::default()));
        let (basis, used_basis) = (None, None);
        let (up, died, proved, blind, drains) = (false, false, false, false, false);
        Host {
            number,
            record,
            slot,
            run: None,
            memory,
            basis,
            used_basis,
            up,
            died,
            proved,
            blind,
            drains,
            split: None,
            settling,
            meant: Vec::new(),
            begun: None,
            ledgers,
        }
    }

    /// Measured, with no delay but that of proving itself: time stands still.
    pub fn standing(&self) -> Standing {
        match (self.blind, self.up) {
            (true, _) if planted(Bug::StandingGuessed) => Standing::Available,
            (true, _) => Standing::Unknown,
            (false, true) if self.serves() => Standing::Available,
            (false, true) => Standing::Settling,
            (false, false) if self.drains => Standing::Available,
            (false, false) => Standing::Down,
        }
    }

    /// The truth: it answers, and has for long enough.
    pub fn serves(&self) -> bool {
        self.up && (self.proved || !self.settling)
    }

    /// Is there something to measure?
    pub fn measures(&self) -> bool {
        self.blind || self.drains || self.settling && self.up && !self.proved
    }

    /// Time passes for its health check alone: the first look of an agent, the last good one, or enough good ones.
    pub fn measure(&mut self) {
        if self.blind {
            self.blind = false;
        } else if self.drains {
            self.drains = false;
        } else {
            self.proved = true;
            self.died &= !self.serves();
        }
        self.check_permission();
    }

    /// The agent's process dies and begins anew. A run goes on without it; nobody is left to say that its permission is void.
    pub fn crash(&mut self) {
        self.memory = Some(Memory::default());
        (self.blind, self.split) = (self.settling, None);
    }

    /// The welcome arrives: R33, R28. False: the connection is closed.
    pub fn welcomed(&mut self, welcome: &Welcome) -> bool {
        match record::welcome(&self.record, welcome) {
            Ok(record) => {
                self.record = record;
                let (held, bits) = self.surviving();
                self.memory = Some(Memory { session: Some(welcome.session), held, bits, ..Memory::default() });
                true
            }
            Err(_) => {
                self.leave();
                false
            }
        }
    }

    /// The connection is over, as this side sees it: R6, what was held is void.
    pub fn leave(&mut self) {
        let (held, bits) = self.surviving();
        if let Some(memory) = &mut self.memory {
            *memory = Memory { held, bits, ..Memory::default() };
        }
        self.revoke();
    }

    /// What was held is void with its session, unless R6 is broken; the bits are here still.
    fn surviving(&self) -> (Held, Option<Release>) {
        match &self.memory {
            Some(memory) if planted(Bug::PermissionSurvivesReconnect) => (memory.held.clone(), memory.bits),
            Some(memory) => (Held::default(), memory.bits),
            None => (Held::default(), None),
        }
    }

    fn revoke(&mut self) {
        let permitted = self.slot.run.as_ref().is_some_and(|r| matches!(r.kind, RunKind::Activate(_)));
        if let Some(Run::Begun { revoked }) = &mut self.run
            && permitted
        {
            *revoked = true;
        }
    }

    /// What it says now.
    pub fn says(&self) -> SlotStatus {
        let staged = self.memory.as_ref().and_then(|m| m.bits);
        let phase = self.run.as_ref().map(|run| match run {
            Run::Begun { .. } => Phase::Beginning,
            Run::Disturbed | Run::Ended(_) => Phase::Forward(Event::Install),
        });
        status(&self.slot, staged, phase, self.standing(), HealthNote::default())
    }

    /// Is there anything to say?
    pub fn has_news(&self) -> bool {
        self.memory.as_ref().is_some_and(|m| m.session.is_some() && m.told.as_ref() != Some(&self.says()))
    }

    /// A status, when there is anything to say.
    pub fn tell(&mut self) -> Option<Status> {
        let says = self.says();
        let facts = (self.standing(), self.slot.run.is_some(), self.slot.running);
        let memory = self.memory.as_mut()?;
        let session = memory.session?;
        if memory.told.as_ref() == Some(&says) {
            return None;
        }
        memory.seq += 1;
        if memory.facts.is_none_or(|(known, _)| known != facts) {
            memory.facts = Some((facts, memory.seq));
        }
        memory.told = Some(says.clone());
        Some(Status { session, seq: memory.seq, beat: memory.seq, blocked_version: 0, slots: [(app(), says)].into(), metrics: None })
    }

    /// One generation permits one thing, as far as this ledger knows.
    pub fn contradicts(&self, intent: &Intent) -> bool {
        intent.go == Go::Activate && self.meant.iter().any(|(g, release)| *g == intent.generation && *release != intent.release)
    }

    /// An intent arrives; false when it was dropped or changes nothing.
    pub fn receive(&mut self, intent: &Intent, basis: Option<&Basis>) -> bool {
        let Some(memory) = &mut self.memory else { return false };
        match receive(&self.slot, &memory.held, memory.session.as_ref(), intent) {
            Received::Drop(_) => return false,
            Received::Take { record } => {
                if let Some(record) = record {
                    self.slot = *record;
                }
                let same = memory.held.intent.as_ref() == Some(intent);
                memory.held.intent = Some(intent.clone());
                memory.bits = intent.release.or(memory.bits);
                let basis = basis.cloned().filter(|_| intent.generation > self.slot.spent);
                let same = same && self.basis == basis;
                self.basis = basis;
                let (meaning, seen) = ((intent.generation, intent.release), self.slot.seen);
                self.meant.retain(|(generation, _)| *generation >= seen);
                if intent.go == Go::Activate && !self.meant.contains(&meaning) {
                    self.meant.push(meaning);
                }
                if same {
                    return false;
                }
            }
        }
        self.check_permission();
        true
    }

    /// R6, R15: for as long as nothing was disturbed.
    fn check_permission(&mut self) {
        let Some(memory) = &self.memory else { return };
        if self.slot.run.is_some() && void(&self.slot, memory.used.as_ref(), memory.session.as_ref(), self.standing()).is_some() {
            self.revoke();
        }
    }

    /// What the core wants to do next.
    pub fn next(&self) -> Option<Act> {
        if let Some(record) = &self.split {
            return Some(Act::Begin { record: Slot::clone(record) });
        }
        let memory = self.memory.as_ref()?;
        let facts = (self.standing(), self.slot.run.is_some(), self.slot.running);
        let wanted = memory.held.intent.as_ref().and_then(|i| i.release);
        let now = Now {
            uptime: Uptime(0),
            session: memory.session.as_ref(),
            lease_ends: memory.session.map(|_| Uptime(1)),
            facts_told_in: memory.facts.filter(|(known, _)| *known == facts).map(|(_, seq)| seq),
            standing: self.standing(),
        };
        let run = match &self.run {
            None => RunSight::None,
            Some(Run::Begun { .. }) => RunSight::Alive(Phase::Beginning),
            Some(Run::Disturbed) => RunSight::Alive(Phase::Forward(Event::Install)),
            Some(Run::Ended(outcome)) => RunSight::Ended(outcome.clone()),
        };
        let bits = wanted.map_or(Bits::Absent, Bits::Staged);
        let (policy, seen) = (HostPolicy::default(), Seen::default());
        let sight = Sight { now, bits, run, gone: false, obstacle: None, policy: &policy, seen: &seen };
        match next(&self.slot, &memory.held, &sight) {
            Act::Idle(_) | Act::Stage(_) | Act::TurnBack(_) => None,
            act => Some(act),
        }
    }

    /// Does it. `Err`: a generation begins twice (promise 8).
    pub fn act(&mut self, act: Act) -> Result<(), &'static str> {
        let mut fault = Ok(());
        match act {
            Act::Begin { record } if planted(Bug::SplitBegin) && self.split.is_none() => {
                self.slot.spent = record.spent;
                self.split = Some(Box::new(record));
            }
            Act::Begin { record } => {
                self.split = None;
                let permission = match record.run.as_ref().map(|run| run.kind) {
                    Some(RunKind::Activate(generation)) => Some(generation),
                    Some(RunKind::LocalRollback | RunKind::Again) | None => None,
                };
                if let Some(generation) = permission {
                    if self.begun.is_some_and(|newest| generation <= newest) {
                        fault = Err("promise 8: a generation began twice, or after a newer one");
                    }
                    self.begun = Some(generation);
                    self.used_basis = self.basis.clone();
                } else {
                    self.used_basis = None;
                }
                if self.run.is_some() {
                    fault = Err("promise 4: two runs at once");
                }
                self.slot = Slot { seen: self.slot.seen, ..record };
                if let Some(run) = &mut self.slot.run {
                    run.attempt = 0;
                }
                self.forget();
                self.run = Some(Run::Begun { revoked: false });
                let standing = self.standing();
                if let Some(memory) = &mut self.memory {
                    let session = memory.held.intent.as_ref().map(|intent| intent.session).or(memory.session);
                    memory.used = session.zip(permission).map(|(session, generation)| Used { session, generation, standing });
                }
            }
            Act::Resume => self.run = Some(Run::Begun { revoked: true }), // its order died with the agent: nothing was disturbed
            Act::Close { record } | Act::Record { record } => {
                let over = record.run.is_none();
                self.slot = record;
                self.forget();
                if over {
                    self.run = None;
                    self.used_basis = None;
                }
            }
            Act::Idle(_) | Act::Stage(_) | Act::TurnBack(_) => {}
        }
        self.check_permission();
        fault
    }

    /// The deployer's last look before it stops the application. True: it is stopped now.
    pub fn disturb(&mut self) -> bool {
        match self.run {
            Some(Run::Begun { revoked: true }) => {
                self.run = Some(Run::Ended(Outcome::NotBegun { why: Why::lossy("void") }));
                self.close();
                false
            }
            Some(Run::Begun { revoked: false }) => {
                self.run = Some(Run::Disturbed);
                self.drains = self.settling && self.serves();
                (self.up, self.proved) = (false, false);
                true
            }
            Some(Run::Disturbed | Run::Ended(_)) | None => false,
        }
    }

    /// The run ends: on the new release, or back on what ran.
    pub fn end(&mut self, good: bool) {
        self.up = good || self.slot.running.is_some();
        self.died &= !self.serves();
        self.drains = false;
        let outcome = if good { Outcome::Committed } else { Outcome::RolledBack { why: Why::lossy("it failed") } };
        self.run = Some(Run::Ended(outcome));
        self.close();
    }

    /// What the core makes of a run that has ended.
    fn close(&mut self) {
        if let Some(act @ Act::Close { .. }) = self.next() {
            let closed = self.act(act);
            debug_assert!(closed.is_ok(), "{closed:?}");
        }
    }

    /// The application dies, or comes up again, by itself.
    pub fn flip(&mut self) {
        self.died |= self.up;
        (self.up, self.proved) = (!self.up, false);
        self.died &= !self.serves();
        self.check_permission();
    }
}
