//! The simulated agent process: sessions, heartbeats, health checks and slots, as the real agent's shell does them.
//!
//! Its memory is gone with the process; what must outlive it stands in the machine's ledger. It is stepped whenever a frame
//! arrives, a time of its own has come, or its deployer has gone on; a step does all that is to be done at that moment.

pub mod app;
pub mod session;

use std::collections::BTreeMap;

use pilotage_agent_core::acceptable::{HostPolicy, Seen};
use pilotage_agent_core::slot::permission::{Used, void};
use pilotage_agent_core::slot::receive::{Dropped, Received, receive};
use pilotage_agent_core::slot::{Act, Bits, RunKind, Sight, Slot, hands, host, next};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::SessionId;
use pilotage_shared::intent::{Blocked, Intent};
use pilotage_shared::name::{AppName, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Time, Uptime};
use pilotage_shared::wire::{Frame, Hello, VERSION};

use crate::coverage::Rule;
use crate::machine::Machine;
use crate::network::LinkId;
use crate::truth::{Behaviours, RunDirectory};
use app::{App, run_sight};
use session::{Say, Session};

/// Things that one step may do to one app before something is wrong with the simulator.
const ACTS: usize = 20;
/// The longest an agent waits for the answer to its hello.
const WELCOME_WITHIN: Millis = Millis::seconds(15);

/// The process.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The connection that it believes open.
    pub link: Option<LinkId>,
    /// What the coordinator's welcome began.
    pub session: Option<Session>,
    /// Its apps.
    pub apps: BTreeMap<AppName, Box<App>>,
    dialled: Uptime,
    retry_at: Uptime,
}

/// What a step wants of the outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a connection; its first frame is this.
    Dial(Hello),
    /// On the open connection.
    Send(Frame),
    /// The connection was given up.
    HangUp(LinkId),
    /// A run begins.
    Begins {
        /// By this permission.
        intent: Intent,
        /// So old by the host's own clock; none when it answers nothing of this session.
        age: Option<Millis>,
        /// Another run was under way.
        busy: bool,
    },
    /// A run begins because the application's process is gone (R27).
    BeginsAgain(AppName),
    /// A deployer was started beside a living one.
    SecondDeployer(AppName),
    /// The process dies after the ledger has named a run, before anything else of it is there.
    DiesInBegin,
    /// A package could not be fetched.
    FetchFails,
    /// A rule has bitten here.
    Kept(Rule),
    /// A run has ended and its end is in the ledger.
    Closed(AppName, Box<RunDirectory>),
}

/// What an agent cannot know by itself.
pub struct Outside<'a> {
    /// How packages behave.
    pub behaviours: &'a Behaviours,
    /// Now.
    pub now: Time,
    /// How long to wait before the next try to connect; jittered by the caller.
    pub retry: Millis,
    /// A fetch that begins now will fail.
    pub fetch_fails: bool,
    /// The agent dies if it begins a run now.
    pub dies_in_begin: bool,
}

/// What a person at the host wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Stay.
    Pin,
    /// Follow again.
    Unpin,
    /// Back to the previous release, without the coordinator.
    Rollback,
}

impl Agent {
    /// A process starts; it dials at once.
    pub fn start(uptime: Uptime) -> Self {
        Self { link: None, session: None, apps: BTreeMap::new(), dialled: uptime, retry_at: uptime }
    }

    /// A frame arrives on a connection. Late ones of old connections are judged by their session (R3).
    pub fn receive(&mut self, machine: &mut Machine, link: LinkId, frame: Frame, outside: &Outside<'_>) -> Vec<Output> {
        let uptime = machine.uptime(outside.now);
        match frame {
            Frame::Welcome(welcome) if self.link == Some(link) && self.session.is_none() => {
                match host::welcome(&machine.disk.host, &welcome) {
                    Ok(record) => machine.disk.host = record,
                    Err(_) => {
                        let mut out = self.hang_up(machine, outside);
                        out.push(Output::Kept(Rule::R33));
                        return out;
                    }
                }
                self.session = Some(Session::new(&welcome, uptime));
                self.keep_permissions(welcome.session);
            }
            Frame::Goodbye(_) if self.link == Some(link) => return self.hang_up(machine, outside),
            Frame::Intent(intent, _, blocked) if self.session.is_some() => {
                if self.session.as_ref().is_none_or(|s| s.id != intent.session) && !planted(Bug::IntentAnySession) {
                    let mut out = self.step(machine, outside);
                    out.push(Output::Kept(Rule::R3));
                    return out;
                }
                note_blocked(machine, blocked);
                if let Some(session) = &mut self.session {
                    session.heard(intent.answers, uptime);
                }
                if let Some(rule) = self.take(machine, intent, uptime) {
                    let mut out = vec![Output::Kept(rule)];
                    out.extend(self.step(machine, outside));
                    return out;
                }
            }
            Frame::Heard(answers, _, blocked) if self.link == Some(link) => {
                note_blocked(machine, blocked);
                if let Some(session) = &mut self.session {
                    session.heard(answers, uptime);
                }
            }
            Frame::Welcome(_) | Frame::Goodbye(_) | Frame::Intent(..) | Frame::Heard(..) => {}
            Frame::Hello(_) | Frame::Status(_) | Frame::Heartbeat(_) => {}
        }
        self.step(machine, outside)
    }

    fn keep_permissions(&mut self, session: SessionId) {
        for memory in self.apps.values_mut().filter(|_| planted(Bug::PermissionSurvivesReconnect)) {
            memory.revive(session);
        }
    }

    /// Takes an intent, or says by which rule it is dropped.
    fn take(&mut self, machine: &mut Machine, intent: Intent, uptime: Uptime) -> Option<Rule> {
        let slot = machine.disk.slots.entry(intent.app.clone()).or_default();
        let memory = self
            .apps
            .entry(intent.app.clone())
            .or_insert_with(|| Box::new(App::new(uptime, machine.lives.get(&intent.app).cloned().unwrap_or_default())));
        match receive(slot, &memory.held, self.session.as_ref().map(|s| &s.id), &intent) {
            Received::Drop(Dropped::Session) => Some(Rule::R3),
            Received::Drop(Dropped::Older(_) | Dropped::Jump(_)) => Some(Rule::R5),
            Received::Drop(Dropped::OlderAnswer) => Some(Rule::R4),
            Received::Take { record } => {
                if let Some(record) = record {
                    *slot = *record;
                }
                memory.watch(intent.health.as_ref(), intent.first_install, uptime);
                let known = machine.checks.get(&intent.app).is_some_and(|(check, first)| *check == intent.health && *first == intent.first_install);
                if !known {
                    machine.measured.insert(intent.app.clone(), machine.at(uptime));
                    machine.checks.insert(intent.app.clone(), (intent.health.clone(), intent.first_install));
                }
                memory.held.intent = Some(intent);
                None
            }
        }
    }

    /// The other side has closed the connection.
    pub fn broken(&mut self, machine: &mut Machine, link: LinkId, outside: &Outside<'_>) -> Vec<Output> {
        if self.link != Some(link) {
            return Vec::new();
        }
        let mut out = self.hang_up(machine, outside);
        out.retain(|o| !matches!(o, Output::HangUp(_)));
        out
    }

    /// Does all that is to be done now.
    pub fn step(&mut self, machine: &mut Machine, outside: &Outside<'_>) -> Vec<Output> {
        let uptime = machine.uptime(outside.now);
        let mut out = Vec::new();
        let silent = self.session.as_ref().is_some_and(|s| s.silent(uptime));
        let unanswered = self.link.is_some() && self.session.is_none() && uptime - self.dialled > WELCOME_WITHIN;
        if silent || unanswered {
            out.extend(self.hang_up(machine, outside));
        }
        if self.link.is_none() && uptime >= self.retry_at {
            out.push(self.dial(machine, uptime));
        }
        let mut nth = 0;
        // No step forgets an app.
        while let Some(app) = machine.disk.slots.keys().nth(nth).cloned() {
            let app = &app;
            nth += 1;
            let checks = &machine.checks;
            let memory = self.apps.entry(app.clone()).or_insert_with(|| {
                let mut memory = Box::new(App::new(uptime, machine.lives.get(app).cloned().unwrap_or_default()));
                if planted(Bug::StandingGuessed) {
                    memory.watch(None, false, uptime);
                } else if let Some((check, first_install)) = checks.get(app) {
                    memory.watch(check.as_ref(), *first_install, uptime);
                }
                memory
            });
            let application = machine.apps.get(app);
            memory.check(uptime, || application.is_some_and(|a| a.serves(&machine.id.name, outside.behaviours, outside.now)));
            for _ in 0..ACTS {
                if !self.act(machine, app, outside, &mut out) {
                    break;
                }
            }
        }
        self.report(machine, uptime, &mut out);
        out
    }

    /// When it wants to be stepped again, if nothing else happens.
    pub fn wake_at(&self) -> Uptime {
        let mut at = match (&self.session, self.link) {
            (Some(session), _) => session.due(),
            (None, Some(_)) => Uptime(self.dialled.0 + WELCOME_WITHIN.0 + 1),
            (None, None) => self.retry_at,
        };
        for memory in self.apps.values() {
            at = memory.wake_at().map_or(at, |wake| at.min(wake));
        }
        at
    }

    /// A permission that was not used; a new session makes it void.
    fn holds_unused(&self, machine: &Machine) -> bool {
        let unused = |(app, slot): (&AppName, &Slot)| self.apps.get(app).is_some_and(|memory| memory.holds_unused(slot));
        machine.disk.slots.iter().any(unused)
    }

    fn dial(&mut self, machine: &mut Machine, uptime: Uptime) -> Output {
        (self.dialled, self.session) = (uptime, None);
        for memory in self.apps.values_mut() {
            memory.forget_session(); // R6: void from the moment a new hello is written
        }
        Output::Dial(Hello {
            host: machine.id.clone(),
            ledger: machine.disk.host.ledger,
            boot: machine.boot,
            last: machine.disk.host.last,
            versions: (VERSION, VERSION),
            agent: Why::lossy("simulated"),
        })
    }

    fn hang_up(&mut self, machine: &Machine, outside: &Outside<'_>) -> Vec<Output> {
        let kept = self.holds_unused(machine).then_some(Output::Kept(Rule::R6));
        self.session = None;
        for memory in self.apps.values_mut() {
            memory.forget_session();
        }
        self.retry_at = machine.uptime(outside.now) + outside.retry;
        kept.into_iter().chain(self.link.take().map(Output::HangUp)).collect()
    }

    /// Does the next thing for one app; false when there is none.
    fn act(&mut self, machine: &mut Machine, app: &AppName, outside: &Outside<'_>, out: &mut Vec<Output>) -> bool {
        let uptime = machine.uptime(outside.now);
        let (Some(memory), Some(slot)) = (self.apps.get_mut(app), machine.disk.slots.get(app)) else { return false };
        let session = self.session.as_ref();
        if let Some(record) = memory.split.take() {
            let standing = memory.standing(slot, uptime);
            machine.begin(app, record, memory.held.intent.clone(), Uptime(u64::MAX / 2), standing);
            return true;
        }
        memory.fetch(&mut machine.bits, uptime);
        let standing = memory.standing(slot, uptime);
        if let Some(underway) = machine.runs.get_mut(app).filter(|u| !u.disturbed()) {
            let directory = &mut underway.run.directory;
            if directory.request.generation().is_some() && directory.revoked.is_none() {
                let void = void(slot, memory.used.as_ref(), session.map(|s| &s.id), standing);
                directory.revoked = void.map(|why| Why::lossy(&why.to_string()));
            }
        }
        let alive = machine.apps.get(app).is_some_and(|a| a.process.is_some());
        let gone = memory.gone(slot, usize::from(alive), uptime);
        if machine.lives.get(app) != Some(memory.life()) {
            machine.lives.insert(app.clone(), memory.life().clone());
        }
        let seen = Seen { blocked: machine.disk.host.blocked.clone() };
        let sight = Sight {
            now: memory.now(slot, session, uptime),
            bits: memory.bits.clone(),
            run: run_sight(machine.runs.get(app).map(AsRef::as_ref)),
            gone,
            obstacle: machine.obstacle.clone(),
            policy: &HostPolicy::default(),
            seen: &seen,
        };
        match next(slot, &memory.held, &sight) {
            Act::Idle(_) => return false,
            Act::Stage(release) => {
                let known = machine.bits.contains(&release);
                let span = if known { Millis(machine.pace.staging.0 / 4) } else { machine.pace.staging };
                let good = known || !outside.fetch_fails;
                if !good {
                    out.push(Output::FetchFails);
                }
                memory.bits = Bits::Working;
                memory.working = Some((release, uptime + span, good));
            }
            Act::Record { record } => {
                let blocked = |intent: &&Intent| intent.release.is_some_and(|r| seen.blocked.packages.contains(&r.package));
                if record.spent > slot.spent && memory.held.intent.as_ref().filter(blocked).is_some() {
                    out.push(Output::Kept(Rule::R29));
                }
                machine.disk.slots.insert(app.clone(), record);
            }
            Act::Begin { record } if record.run.as_ref().is_some_and(|run| run.kind == RunKind::Again) => {
                memory.began_again(uptime);
                machine.lives.insert(app.clone(), memory.life().clone());
                machine.begin(app, record, None, Uptime(0), standing);
                out.push(Output::BeginsAgain(app.clone()));
            }
            Act::Begin { record } => {
                let busy = machine.runs.contains_key(app);
                let begin_by = if planted(Bug::LeaseUnchecked) { Uptime(u64::MAX / 2) } else { sight.now.lease_ends.unwrap_or(Uptime(0)) };
                let Some(intent) = memory.held.intent.clone() else { return false };
                let age = session.and_then(|s| s.age(&intent, uptime));
                memory.used = session.map(|s| Used { session: s.id, generation: intent.generation, standing });
                if planted(Bug::SplitBegin) {
                    machine.disk.slots.insert(app.clone(), Slot { spent: record.spent, ..slot.clone() });
                    memory.split = Some(record);
                    return false;
                }
                if outside.dies_in_begin {
                    machine.disk.slots.insert(app.clone(), record);
                    out.push(Output::DiesInBegin);
                    return false;
                }
                machine.begin(app, record, Some(intent.clone()), begin_by, standing);
                out.push(Output::Begins { intent, age, busy });
            }
            Act::Resume => {
                if machine.runs.get(app).is_none_or(|u| !u.run.directory.journal.records().is_empty()) {
                    out.push(Output::Kept(Rule::R7));
                }
                if !machine.resume(app, outside.now) {
                    out.push(Output::SecondDeployer(app.clone()));
                    return false;
                }
            }
            Act::TurnBack(why) => match machine.runs.get_mut(app) {
                Some(underway) if underway.run.directory.turn_back.is_none() => {
                    if seen.blocked.packages.contains(&underway.run.directory.to().package) {
                        out.push(Output::Kept(Rule::R29));
                    }
                    underway.run.directory.turn_back = Some(why);
                }
                Some(_) | None => return false,
            },
            Act::Close { record } => {
                machine.disk.slots.insert(app.clone(), record);
                if let Some(underway) = machine.runs.remove(app) {
                    if underway.disturbed() {
                        memory.run_over(uptime);
                    }
                    out.push(Output::Closed(app.clone(), Box::new(underway.run.directory)));
                }
            }
        }
        true
    }

    /// A person at the host pins, unpins, or rolls back (promise 5).
    pub fn hands(&mut self, machine: &mut Machine, app: &AppName, wish: Wish, outside: &Outside<'_>) -> Vec<Output> {
        let uptime = machine.uptime(outside.now);
        let why = Why::lossy("a person at the host");
        if let Some(slot) = machine.disk.slots.get(app).cloned() {
            match wish {
                Wish::Pin => {
                    machine.disk.slots.insert(app.clone(), hands::pin(&slot, why));
                }
                Wish::Unpin => {
                    if let Ok(slot) = hands::unpin(&slot) {
                        machine.disk.slots.insert(app.clone(), slot);
                    }
                }
                Wish::Rollback => {
                    if let Ok(record) = hands::rollback(&slot, why) {
                        let standing = self.apps.get(app).map_or(Standing::Unknown, |m| m.standing(&slot, uptime));
                        machine.begin(app, record, None, Uptime(0), standing);
                    }
                }
            }
        }
        self.step(machine, outside)
    }

    /// The journal says that the application was started anew.
    pub fn restarted(&mut self, app: &AppName, uptime: Uptime) {
        if let Some(memory) = self.apps.get_mut(app) {
            memory.restarted(uptime);
        }
    }

    /// Says what there is to say: a status when something changed or the last was not answered, else a heartbeat.
    fn report(&mut self, machine: &Machine, uptime: Uptime, out: &mut Vec<Output>) {
        let Some(session) = &mut self.session else { return };
        let known = || self.apps.iter().filter_map(|(app, memory)| Some((app, memory, machine.disk.slots.get(app)?)));
        let phase = |app: &AppName| machine.runs.get(app).map(|u| u.run.directory.phase());
        let version = machine.disk.host.blocked.version;
        let has_said = |said: &BTreeMap<AppName, SlotStatus>| {
            let all = known().all(|(app, memory, slot)| said.get(app).is_some_and(|said| memory.has_said(slot, phase(app), uptime, said)));
            all && known().count() == said.len()
        };
        let changed = !session.said(version).is_some_and(has_said);
        let frame = match session.has_to_say(changed, uptime) {
            None => return,
            Some(Say::Heartbeat) => session.heartbeat(uptime),
            Some(Say::Status) => {
                let says = known().map(|(app, memory, slot)| (app.clone(), memory.says(slot, phase(app), uptime)));
                session.status(says.collect(), version, uptime)
            }
        };
        if let Frame::Status(status) = &frame {
            for (app, memory) in &mut self.apps {
                if let Some(slot) = machine.disk.slots.get(app) {
                    memory.told(slot, status.seq, uptime);
                }
            }
        }
        out.push(Output::Send(frame));
    }
}

fn note_blocked(machine: &mut Machine, blocked: Option<Blocked>) {
    if let Some(record) = blocked.and_then(|b| host::blocked(&machine.disk.host, &b)) {
        machine.disk.host = record;
    }
}
