//! One app on this host, with what the loop knows of it in memory.

use std::path::PathBuf;
use std::sync::Arc;

use pilotage_agent_core::acceptable::{HostPolicy, Seen};
use pilotage_agent_core::run::{Kind, Permit};
use pilotage_agent_core::slot::life::{Life, Pulse, Vigil};
use pilotage_agent_core::slot::permission::{Now, Used, Void, void};
use pilotage_agent_core::slot::{Bits, Held, RunKind, RunSight, Sight, Slot, status};
use pilotage_client::agent::Coordinator;
use pilotage_disk::space;
use pilotage_shared::health::Standing;
use pilotage_shared::ids::{BootId, SessionId};
use pilotage_shared::intent::Go;
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome, Phase, RunId};
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Uptime};
use tracing::warn;

use super::Telling;
use super::health::Health;
use super::order::Order;
use super::own_check::Means;
use crate::config::Config;
use crate::follow::{Following, Watched};
use crate::layout::Layout;
use crate::watch::Answer;
use crate::{output, rundir};

/// A deployer that was started has its lock within this, or is started again.
const STARTING: Millis = Millis::seconds(2);
/// After a failed staging it is tried again.
const STAGE_AGAIN: Millis = Millis::seconds(5);
/// Between two preflights of a release that failed its own.
const PREFLIGHT_AGAIN: Millis = Millis::seconds(60);
/// Bytes that must be free before anything is stopped: what the switch keeps aside was looked at while staging, this is for
/// the journal, the logs and the ledger.
const FREE_TO_BEGIN: u64 = 64 << 20;

/// The app.
pub struct App {
    /// The ledger's record.
    pub slot: Slot,
    /// The newest intent.
    pub held: Held,
    /// Why nothing is done; logged when it changes.
    pub idle_because: Option<Why>,
    bits: Bits,
    bits_of: Option<Release>,
    stage_again_at: Option<Uptime>,
    run: RunSight,
    launched_at: Option<Uptime>,
    /// How it is asked, and what it has answered.
    pub health: Health,
    /// Over its processes (R27).
    pub vigil: Vigil,
    /// Living processes that its hooks have left; none: not counted since its last run.
    processes: Option<usize>,
    halted: bool,
    gone: bool,
    /// What the present run's permission was given for; in memory only, so it goes with the process (R6).
    used: Option<Used>,
    /// Since this agent began no run was seen and no answer was bad: what got traffic before may have it again at once.
    undisturbed: bool,
    /// What its run writes, for who watches it.
    following: Following,
}

impl App {
    /// From the ledger's records.
    pub fn new(slot: Slot, life: Life) -> App {
        App {
            undisturbed: slot.run.is_none(),
            slot,
            held: Held::default(),
            idle_because: None,
            bits: Bits::Absent,
            bits_of: None,
            stage_again_at: None,
            run: RunSight::None,
            launched_at: None,
            health: Health::default(),
            vigil: Vigil::new(life),
            processes: None,
            halted: false,
            gone: false,
            used: None,
            following: Following::default(),
        }
    }

    /// One answer of the health check; true when it is one of an app whose processes should be counted again now.
    pub fn answered(&mut self, answer: &Answer, now: Uptime) -> bool {
        self.health.answered(answer, now);
        self.undisturbed &= answer.good;
        !answer.good && self.processes.is_some_and(|n| n > 0) && self.vigil.life.proved.is_some()
    }

    /// Its living processes were counted; `halted`: it has none because a person stopped its unit, and has pinned it.
    pub fn counted(&mut self, processes: usize, halted: bool) {
        self.processes = self.slot.run.is_none().then_some(processes);
        self.halted = halted;
    }

    /// It has just become available: what it is made of is to be known before the next regular count.
    pub fn to_be_counted(&self, now: Uptime) -> bool {
        self.processes.is_none() && self.slot.run.is_none() && self.slot.running.is_some() && self.standing(now) == Standing::Available
    }

    /// R27: is it gone, and is it time to start it again? True when there is something to be written.
    pub fn feel_pulse(&mut self, now: Uptime) -> bool {
        if self.slot.run.is_some() {
            (self.processes, self.gone) = (None, false);
            return false;
        }
        let (running, processes, standing) = (self.slot.running, self.processes, self.standing(now));
        let pulse = Pulse {
            running,
            processes,
            standing,
            answer: self.health.good,
            asked: self.health.asked(),
            halted: self.halted && self.slot.pinned.is_some(),
        };
        let before = self.vigil.life.clone();
        self.gone = self.vigil.look(pulse, now);
        before != self.vigil.life
    }

    /// Time goes by: the run directory is looked at, a failed staging may be tried again.
    pub fn pass(&mut self, layout: &Layout, name: &AppName, now: Uptime) {
        self.health.pass(now);
        if self.stage_again_at.is_some_and(|at| now >= at) {
            (self.bits, self.stage_again_at) = (Bits::Absent, None);
        }
        self.run = match &self.slot.run {
            None => RunSight::None,
            Some(run) => match rundir::look(&layout.run(name, run.attempt)) {
                RunSight::Lost if self.launched_at.is_some_and(|at| now - at < STARTING) => RunSight::Alive(Phase::Beginning),
                seen => seen,
            },
        };
        self.undisturbed &= self.slot.run.is_none();
    }

    /// What the core asks for.
    /// `other`: an app of this host that is in a run.
    pub fn sight<'a>(
        &self,
        layout: &Layout,
        other: Option<&AppName>,
        telling: &'a Telling,
        policy: &'a HostPolicy,
        seen: &'a Seen,
        now: Uptime,
    ) -> Sight<'a> {
        let standing = self.standing(now);
        let facts = (standing, self.slot.run.is_some(), self.slot.running);
        let intent = self.held.intent.as_ref();
        let now = Now {
            uptime: now,
            session: telling.session(),
            lease_ends: intent.and_then(|i| telling.lease_ends(i.answers.beat)),
            facts_told_in: intent.and_then(|i| telling.facts_told_in(&i.app, &facts)),
            standing,
        };
        let wanted = intent.and_then(|i| i.release);
        let bits = if wanted.is_some() && wanted != self.bits_of { Bits::Absent } else { self.bits.clone() };
        Sight { now, bits, run: self.run.clone(), gone: self.gone, obstacle: self.obstacle(layout, other), policy, seen }
    }

    /// R30: a run of another app (one at a time on a host: hooks reload and restart what they share), or a full disk; looked at
    /// only while something depends on it.
    fn obstacle(&self, layout: &Layout, other: Option<&AppName>) -> Option<Why> {
        let permitted = self.held.intent.as_ref().is_some_and(|i| i.go == Go::Activate && i.generation > self.slot.spent);
        if !permitted && self.slot.declines.is_none() {
            return None;
        }
        if let Some(other) = other {
            return Some(Why::lossy(&format!("{other} is in a run on this host: one at a time")));
        }
        // What cannot be measured is found by the deployer before it disturbs anything.
        let free = space::free_bytes(&layout.state).ok().filter(|free| *free < FREE_TO_BEGIN)?;
        Some(Why::lossy(&format!("disk: {} MB are free, {} MB are needed to begin", free >> 20, FREE_TO_BEGIN >> 20)))
    }

    /// A run begins under the permission that is held (R7 was written).
    pub fn begun(&mut self, now: Uptime) {
        let standing = self.standing(now);
        self.used = self.held.intent.as_ref().map(|i| Used { session: i.session, generation: i.generation, standing });
    }

    /// R6, R15: while the run has disturbed nothing, what its permission was given for may still change.
    pub fn revoke_when_void(&self, layout: &Layout, name: &AppName, session: Option<&SessionId>, now: Uptime) {
        if !matches!(self.run, RunSight::Alive(Phase::Beginning)) {
            return;
        }
        if let Some(why) = void(&self.slot, self.used.as_ref(), session, self.standing(now)) {
            self.revoke(layout, name, &why.to_string());
        }
    }

    /// Fetching has begun.
    pub fn staging(&mut self, release: Release) {
        (self.bits, self.bits_of) = (Bits::Working, Some(release));
    }

    /// Fetching has ended well.
    pub fn staged(&mut self, release: Release) {
        if self.bits_of == Some(release) {
            self.bits = Bits::Staged(release);
        }
    }

    /// Fetching has failed.
    pub fn not_staged(&mut self, release: Release, why: Why, now: Uptime) {
        if self.bits_of == Some(release) {
            (self.bits, self.stage_again_at) = (Bits::Failed(why), Some(now + STAGE_AGAIN));
        }
    }

    /// A deployer was started.
    pub fn launched(&mut self, now: Uptime) {
        self.launched_at = Some(now);
        self.run = RunSight::Alive(Phase::Beginning);
    }

    /// The run has ended: what answered before does not speak for what runs now.
    pub fn run_over(&mut self, name: &AppName, means: &Means<'_>, now: Uptime) {
        (self.launched_at, self.run, self.used, self.processes) = (None, RunSight::None, None, None);
        if self.bits_of.is_some_and(|release| release.config.is_some()) {
            // What is asked for again is rendered again: a person may have mended a secret.
            (self.bits, self.bits_of) = (Bits::Absent, None);
        }
        self.health.run_over(name, &self.slot, means, now);
    }

    /// A release that was found to differ from its manifest is removed, so that it is unpacked anew under the next intent; one
    /// that runs, or is the way back, stays for a person to look at.
    pub fn forget_damaged(&mut self, layout: &Layout, name: &AppName) {
        let Some((_, Outcome::NotBegun { why })) = &self.slot.last_ended else { return };
        let damaged = self
            .bits_of
            .filter(|r| why.as_str().contains("differs from its manifest") && ![self.slot.running, self.slot.previous].contains(&Some(*r)));
        if let Some(release) = damaged {
            warn!(app = %name, package = %release.package.short(), %why, "a damaged release is removed");
            // What cannot be removed is found damaged again, and said again.
            let _ = std::fs::remove_dir_all(layout.release(name, &release.package));
            (self.bits, self.bits_of) = (Bits::Absent, None);
        }
    }

    /// A release whose own preflight has failed is not tried again at once: what it misses is told as the reason why nothing is
    /// taken up here (R30), and looked at again after a while.
    pub fn wait_after_preflight(&mut self, layout: &Layout, name: &AppName, now: Uptime) {
        let Some((_, Outcome::NotBegun { why })) = &self.slot.last_ended else { return };
        let last = rundir::report(&layout.run(name, self.slot.attempts)).and_then(|report| report.events.last().cloned());
        let Some(look) = last.filter(|e| e.event == Event::Preflight) else { return };
        let why = match look.code {
            0 if why.as_str().starts_with("the permission ran out") => {
                Why::lossy(&format!("its preflight takes longer than a permission lasts: {why}"))
            }
            0 => return,
            _ => why.clone(),
        };
        if matches!(self.bits, Bits::Staged(_)) {
            (self.bits, self.stage_again_at) = (Bits::Failed(why), Some(now + PREFLIGHT_AGAIN));
        }
    }

    /// How this host counts for the app (R9).
    pub fn standing(&self, now: Uptime) -> Standing {
        self.health.standing(&self.slot, now)
    }

    /// What is said of it.
    pub fn status(&mut self, now: Uptime) -> SlotStatus {
        let staged = match &self.bits {
            Bits::Staged(release) => Some(*release),
            Bits::Absent | Bits::Working | Bits::Failed(_) => None,
        };
        status(&self.slot, staged, self.phase(), self.standing(now), self.health.note(now))
    }

    fn phase(&self) -> Option<Phase> {
        match &self.run {
            RunSight::Alive(phase) => Some(*phase),
            RunSight::None | RunSight::Ended(_) | RunSight::TurnedBack(_) | RunSight::Lost => None,
        }
    }

    /// May it get traffic? Not from before the first stop hook until it is available again. An agent that was started again
    /// needs one good answer of what ran before: else the upgrade of all agents would take all hosts from their balancers.
    pub fn ready(&self, now: Uptime) -> bool {
        let disturbed = self.slot.run.is_some() && !matches!(self.run, RunSight::Alive(Phase::Beginning));
        !disturbed
            && match self.standing(now) {
                Standing::Available => true,
                Standing::Settling => self.undisturbed,
                Standing::Down | Standing::Unknown => false,
            }
    }

    /// What the run writes goes to who watches it, for as long as the intent says that somebody does.
    pub fn follow(&mut self, layout: &Layout, name: &AppName, host: &HostName, coordinator: &Arc<Coordinator>) {
        let wanted = self.held.intent.as_ref().map(|i| i.follow);
        let watched = self.slot.run.as_ref().filter(|r| r.deployment.is_some()).map(|r| Watched {
            app: name.clone(),
            run: RunId { deployment: r.deployment.clone(), host: host.clone(), attempt: r.attempt },
            folder: layout.run(name, r.attempt),
        });
        self.following.see(wanted, watched, coordinator);
    }

    /// For a person at this host.
    pub fn said(&mut self, layout: &Layout, name: &AppName, now: Uptime) -> String {
        let short = |r: Option<Release>| r.map_or_else(|| "nothing".to_owned(), |r| named(&r));
        let mut text = format!("runs {} · {:?} · previous {}", short(self.slot.running), self.standing(now), short(self.slot.previous));
        if let Some(wanted) = self.held.intent.as_ref().and_then(|i| i.release) {
            text.push_str(&format!(" · wanted {}", named(&wanted)));
        }
        for (what, why) in [("pinned", &self.slot.pinned), ("declines", &self.slot.declines), ("needs hands", &self.slot.needs_hands)] {
            if let Some(why) = why {
                text.push_str(&format!("\n     {what}: {why}"));
            }
        }
        if let Some(phase) = self.phase() {
            text.push_str(&format!("\n     in a run: {phase:?}"));
            let line = self.slot.run.as_ref().and_then(|run| output::last_line(&layout.run(name, run.attempt)));
            text.push_str(&line.map_or_else(String::new, |line| format!("\n     {line}")));
        }
        if self.halted && self.slot.pinned.is_some() {
            text.push_str("\n     its unit was stopped here, and stays so while it is pinned");
        }
        if self.vigil.life.restarts > 0 {
            text.push_str(&format!("\n     started again {} times, because its process was gone", self.vigil.life.restarts));
        }
        text
    }

    /// When the standing may change without an answer.
    pub fn wake_at(&self) -> Option<Uptime> {
        let pulse = self.vigil.wake_at().filter(|_| self.processes == Some(0));
        self.health.wake_at().into_iter().chain(pulse).filter(|at| *at > crate::clock::uptime()).chain(self.stage_again_at).min()
    }

    /// Releases that must stay on this host.
    pub fn in_use(&self) -> Vec<Release> {
        let run = self.slot.run.as_ref().map(|r| r.release);
        let wanted = self.held.intent.as_ref().and_then(|i| i.release);
        [self.slot.running, self.slot.previous, run, wanted].into_iter().flatten().collect()
    }

    /// R6: only what needs a permission. Said once, and heard only before the first disturbing task.
    pub fn revoke(&self, layout: &Layout, name: &AppName, why: &str) {
        let Some(run) = &self.slot.run else { return };
        if !matches!(run.kind, RunKind::Activate(_)) {
            return;
        }
        if let Err(error) = rundir::revoke(&layout.run(name, run.attempt), why) {
            warn!(app = %name, error = format!("{error:#}"), "a permission could not be revoked");
        }
    }

    /// R29, R31.
    pub fn turn_back(&self, layout: &Layout, name: &AppName, why: &Why) -> anyhow::Result<()> {
        match &self.slot.run {
            Some(run) => rundir::turn_back(&layout.run(name, run.attempt), why),
            None => Ok(()),
        }
    }

    /// The run's directory with its order. One whose order was never written begins nothing: its permission is of the past.
    pub fn prepare_run(&self, layout: &Layout, name: &AppName, config: &Config, boot: BootId, telling: &Telling) -> anyhow::Result<PathBuf> {
        let Some(run) = &self.slot.run else { anyhow::bail!("there is no run of {name}") };
        let folder = layout.run(name, run.attempt);
        let intent = self.held.intent.as_ref();
        let kind = match run.kind {
            RunKind::LocalRollback => Kind::LocalRollback,
            RunKind::Again => Kind::GoBack,
            RunKind::Activate(generation) => {
                let ours = intent.filter(|i| i.generation == generation && i.go == Go::Activate);
                let begin_by = ours.and_then(|i| telling.lease_ends(i.answers.beat)).unwrap_or(Uptime(0));
                Kind::Activate(Permit { generation, begin_by, boot, while_down: ours.is_some_and(|i| i.while_down) })
            }
        };
        let order = Order { app: name, run, kind, intent, config, layout };
        rundir::create(&folder, &order.request(|release| self.health.of_run(layout, name, release)))?;
        if self.used.is_none() {
            self.revoke(layout, name, &Void::Forgotten.to_string()); // a run that has disturbed something goes on all the same
        }
        Ok(folder)
    }
}

/// A release by its digests: `5b1e…` or `5b1e…+77c0…` with its configuration; people's names for them are the coordinator's.
fn named(release: &Release) -> String {
    release.config.map_or_else(|| release.package.short(), |config| format!("{}+{}", release.package.short(), config.short()))
}
