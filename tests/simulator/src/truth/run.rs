//! One run as it truly goes: the real lifecycle and journal of the agent's core over simulated files and processes.
//!
//! The run directory (order, plan, journal, what the agent left in it) survives the death of its deployer and of the machine; a
//! new deployer goes on from the journal alone. Each task takes its time; whoever dies in it leaves its effect done or not.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_agent_core::acceptable::{HostPolicy, Seen, acceptable};
use pilotage_agent_core::journal::{Cause, End, Entry, Failure, Journal, Process as Pid, Record, Turn};
use pilotage_agent_core::lifecycle::{Hooks, Plan, Script, Side, Task};
use pilotage_agent_core::run::{Request, Sight, Step as Next, next};
use pilotage_shared::ids::BootId;
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{HostName, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome, Phase};
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Time, Uptime};

use super::{Application, Behaviour, Behaviours, Process, Wrong};
use crate::coverage::{Fault, Inborn};

/// Records of one instant at most; more is a deployer that turns in circles.
const AT_ONCE: usize = 50;

/// How long things take on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Each task of a run, but for those that take no time.
    pub stage: Millis,
    /// Fetching, verifying, unpacking, preflight.
    pub staging: Millis,
    /// How long a run waits for the first good answer.
    pub patience: Millis,
}

impl Default for Pace {
    fn default() -> Self {
        Self { stage: Millis(1000), staging: Millis(2000), patience: Millis::seconds(30) }
    }
}

/// The durable part of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    /// What the agent asked for.
    pub request: Request,
    /// Made from both AppSpecs.
    pub plan: Plan,
    /// What was done.
    pub journal: Journal,
    /// The agent wrote that the permission is void.
    pub revoked: Option<Why>,
    /// The agent asked to turn back at the next task boundary.
    pub turn_back: Option<Why>,
    /// The report was written after the journal's end.
    pub reported: bool,
}

/// A run with its deployer process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What is on disk.
    pub directory: RunDirectory,
    /// When the living process is done with its task; none when no process lives.
    pub living: Option<Time>,
    /// The task that the living process performs, and since when.
    doing: Option<(Task, Time)>,
    /// Hooks that have truly run on the way forward; the simulator's own knowledge.
    ran: BTreeSet<Task>,
    /// Something of the new release has failed on the way forward.
    pub failed: bool,
    /// The new release has answered its check well.
    pub answered: bool,
    /// A hook has said that it was done, and has done nothing.
    pub lied: bool,
    /// What its hooks have done wrong.
    pub went_wrong: BTreeSet<Fault>,
}

/// What a step did that others must be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on; look again at the process's own time.
    Went,
    /// It takes the application out of service from now on, with the permission tested good.
    Disturbs,
    /// Over.
    Ended,
    /// What must not be, found in the deployer itself.
    Wrong(String),
}

impl RunDirectory {
    /// An order that nothing has been done about.
    pub fn new(request: Request, plan: Plan) -> Self {
        Self { request, plan, journal: Journal::default(), revoked: None, turn_back: None, reported: false }
    }

    /// Where to.
    pub fn to(&self) -> Release {
        self.request.to.release
    }

    /// Where from.
    pub fn from(&self) -> Option<Release> {
        self.request.from.as_ref().map(|from| from.release)
    }

    /// How it ended, and whether it turned back because it was asked to.
    pub fn ending(&self) -> Option<(&Outcome, bool)> {
        let outcome = self.journal.closed().filter(|_| self.reported)?;
        Some((outcome, matches!(self.journal.turned(), Some(Turn::Asked(_))) && matches!(outcome, Outcome::RolledBack { .. })))
    }

    /// How often it has started an application.
    pub fn starts(&self) -> usize {
        let start = |r: &&Record| matches!(&r.entry, Entry::Ended { task: Task::Hook { event: Event::ApplicationStart, .. }, end: End::Good { .. } });
        self.journal.records().iter().filter(start).count()
    }

    /// What it does, for the status.
    pub fn phase(&self) -> Phase {
        self.journal.phase()
    }
}

/// The plan of a run between two ordinary bundles: each stops, starts and validates itself by a hook.
pub fn plan(to_health: bool, from: Option<bool>, again: bool) -> Plan {
    let script = |event: Event| Script { location: event.to_string(), timeout: Millis::seconds(60), ..Script::default() };
    let hooks = || -> Hooks {
        let events = [Event::ApplicationStop, Event::ApplicationStart, Event::ValidateService];
        events.map(|event| (event, vec![script(event)])).into_iter().collect::<BTreeMap<_, _>>()
    };
    Plan { to: hooks(), from: from.map(|_| hooks()), to_health, from_health: from.unwrap_or(false), again, ..Plan::default() }
}

/// Where a run happens.
pub struct Scene<'a> {
    /// On which host.
    pub host: &'a HostName,
    /// How packages behave.
    pub behaviours: &'a Behaviours,
    /// How fast.
    pub pace: Pace,
    /// Now.
    pub now: Time,
    /// As the host's wall clock has it.
    pub wall: u64,
    /// By the host's own clock.
    pub uptime: Uptime,
    /// Of the kernel.
    pub boot: BootId,
    /// What the host has heard of.
    pub blocked: &'a Blocked,
}

impl Run {
    /// Nothing has been done yet, and nobody does it.
    pub fn new(directory: RunDirectory) -> Self {
        Self { directory, living: None, doing: None, ran: BTreeSet::new(), failed: false, answered: false, lied: false, went_wrong: BTreeSet::new() }
    }

    /// A deployer begins, or goes on where the last one died.
    pub fn launch(&mut self, now: Time) {
        (self.living, self.doing) = (Some(now), None);
    }

    /// The deployer dies with all that it was doing.
    pub fn die(&mut self) {
        (self.living, self.doing) = (None, None);
    }

    /// The living deployer goes on, until it has to wait.
    pub fn advance(&mut self, app: &mut Application, scene: &Scene<'_>) -> Step {
        let mut disturbs = false;
        match self.go_on(app, scene, &mut disturbs) {
            Err(wrong) => Step::Wrong(wrong),
            Ok(true) => Step::Ended,
            Ok(false) if disturbs => Step::Disturbs,
            Ok(false) => Step::Went,
        }
    }

    fn go_on(&mut self, app: &mut Application, scene: &Scene<'_>, disturbs: &mut bool) -> Result<bool, String> {
        if self.directory.journal.records().is_empty() {
            self.record(scene, Entry::Opened { boot: scene.boot })?;
        } else if self.doing.is_none() && self.directory.journal.closed().is_none() {
            self.record(scene, Entry::Resumed { boot: scene.boot })?;
        }
        if let Some((task, since)) = self.doing {
            match self.finish(task, since, app, scene) {
                Some(end) => self.ended(scene, task, end)?,
                None => {
                    self.living = Some(scene.now + scene.pace.stage);
                    return Ok(false);
                }
            }
        }
        for _ in 0..AT_ONCE {
            let directory = &self.directory;
            match next(&directory.request, &directory.plan, &directory.journal, &self.sight(scene)) {
                Next::Disturb => {
                    self.record(scene, Entry::Disturbed)?;
                    *disturbs = true;
                }
                Next::Do(task) => {
                    self.begin(task, app, scene)?;
                    if !takes_no_time(task) {
                        return Ok(false);
                    }
                    self.ended(scene, task, End::good())?;
                }
                Next::Adopt(task, _) => {
                    let end = self.adopt(task, app, scene);
                    self.ended(scene, task, end)?;
                }
                Next::Wait(_) | Next::Reboot(_) => return Err("no script of a simulated package asks for anything".to_owned()),
                Next::TurnBack(turn) => self.record(scene, Entry::Turned(turn))?,
                Next::Close(outcome) => self.record(scene, Entry::Closed(outcome))?,
                Next::Finished(_) => {
                    (self.directory.reported, self.living) = (true, None);
                    return Ok(true);
                }
            }
        }
        Err(format!("a deployer turns in circles: {:?}", self.directory.journal.records().last()))
    }

    fn sight(&self, scene: &Scene<'_>) -> Sight {
        let seen = Seen { blocked: scene.blocked.clone() };
        let refused = |release: Release| acceptable(&release, &[], &HostPolicy::default(), &seen).err().map(|why| Why::lossy(&why.to_string()));
        Sight {
            uptime: scene.uptime,
            boot: scene.boot,
            revoked: self.directory.revoked.clone(),
            turn_back: self.directory.turn_back.clone(),
            to_refused: refused(self.directory.to()),
            from_refused: self.directory.from().and_then(refused),
            reboot_refused: None,
        }
    }

    fn record(&mut self, scene: &Scene<'_>, entry: Entry) -> Result<(), String> {
        let text = format!("{entry:?}");
        let record = Record { at: scene.uptime, wall: scene.wall, entry };
        self.directory.journal.record(record).map_err(|illegal| format!("{text} does not follow: {illegal}"))
    }

    /// The journal says so first, then it begins.
    fn begin(&mut self, task: Task, app: &mut Application, scene: &Scene<'_>) -> Result<(), String> {
        if planted(Bug::JournalAfterStep) && matches!(task, Task::Hook { .. }) {
            self.effect(task, app, scene);
        } else {
            let process = matches!(task, Task::Hook { .. }).then_some(Pid { pid: 1, started: scene.now.0 });
            self.record(scene, Entry::Began { task, process })?;
        }
        if matches!(task, Task::Switch | Task::Unswitch) {
            app.mixed = true;
        }
        if matches!(task, Task::Hook { .. }) && self.directory.journal.turned().is_none() && !self.ran.insert(task) {
            return Err(format!("{task:?} runs a second time on the way forward"));
        }
        (self.doing, self.living) = (Some((task, scene.now)), Some(scene.now + scene.pace.stage));
        Ok(())
    }

    fn ended(&mut self, scene: &Scene<'_>, task: Task, end: End) -> Result<(), String> {
        self.doing = None;
        if planted(Bug::JournalAfterStep) && matches!(task, Task::Hook { .. }) && self.directory.journal.pending().is_none() {
            self.record(scene, Entry::Began { task, process: Some(Pid { pid: 1, started: scene.now.0 }) })?;
        }
        self.record(scene, Entry::Ended { task, end })
    }

    /// The task has had its time: what it has done, and how it ended; none while it goes on.
    fn finish(&mut self, task: Task, since: Time, app: &mut Application, scene: &Scene<'_>) -> Option<End> {
        if let Task::Health(_) = task {
            let good = app.serves(scene.host, scene.behaviours, scene.now);
            self.answered |= good && task == Task::Health(Side::To);
            return match good {
                true => Some(End::good()),
                false if scene.now - since > scene.pace.patience => Some(failed(Cause::Own, "never good")),
                false => None,
            };
        }
        let wrong = self.fails(task, scene);
        if let Some(wrong) = wrong {
            self.went_wrong.insert(wrong_fault(wrong));
        }
        if wrong == Some(Wrong::Hangs) && scene.now - since < self.directory.request.hook_timeout {
            return None;
        }
        if wrong == Some(Wrong::Lies) {
            self.lied = true;
            return Some(End::good());
        }
        if let Some(wrong) = wrong.filter(|wrong| *wrong != Wrong::Flaps || !(scene.now.0 / 1000).is_multiple_of(2)) {
            let stop = matches!(task, Task::Hook { event: Event::ApplicationStop, .. });
            self.failed |= !stop && self.directory.journal.turned().is_none();
            let cause = match task {
                Task::Hook { .. } if wrong == Wrong::Hangs => Cause::TimedOut,
                Task::Hook { .. } => Cause::Exited(1),
                Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => Cause::Own,
                Task::Drain | Task::Stop(_) | Task::Start(_) => Cause::Own,
            };
            return Some(failed(cause, ""));
        }
        self.effect(task, app, scene);
        Some(End::good())
    }

    /// A deployer finds a hook of the one before it: its result, or nothing but what it may have done.
    fn adopt(&mut self, task: Task, app: &mut Application, scene: &Scene<'_>) -> End {
        let same_boot = self.directory.journal.began_in() == Some(scene.boot);
        if same_boot && scene.now.0.is_multiple_of(2) {
            return self.finish(task, scene.now, app, scene).unwrap_or_else(|| failed(Cause::TimedOut, ""));
        }
        if same_boot && scene.now.0.is_multiple_of(3) {
            self.effect(task, app, scene);
        }
        failed(Cause::Lost, "")
    }

    /// In which way a task goes wrong here; none: it does not.
    fn fails(&self, task: Task, scene: &Scene<'_>) -> Option<Wrong> {
        let back = self.directory.journal.turned().is_some();
        let behaviour = |release: Option<Release>| release.map(|r| scene.behaviours.of(&r, scene.host)).unwrap_or_default();
        let wrong = |of: Behaviour, event: Event| (of.fails_at == Some(event)).then_some(of.wrong);
        match task {
            Task::Hook { side: Side::From, event: Event::ValidateService, .. } => behaviour(self.directory.from()).fails_back.then_some(Wrong::Fails),
            Task::Hook { side: Side::To, event: Event::ValidateService, .. } if self.directory.plan.again => {
                behaviour(Some(self.directory.to())).fails_back.then_some(Wrong::Fails)
            }
            Task::Hook { side: Side::To, .. } if !back => wrong(behaviour(Some(self.directory.to())), task.event()),
            // Ours: it fails, or it is done.
            Task::Switch if !back => wrong(behaviour(Some(self.directory.to())), task.event()).map(|_| Wrong::Fails),
            Task::Hook { side: Side::From, event: Event::ApplicationStop, .. } => wrong(behaviour(self.directory.from()), Event::ApplicationStop),
            Task::Hook { .. } | Task::Switch | Task::Unswitch | Task::Verify | Task::Keep | Task::Prepare | Task::Health(_) | Task::Commit => None,
            Task::Drain | Task::Stop(_) | Task::Start(_) => None,
        }
    }

    /// What a task does to the machine.
    fn effect(&self, task: Task, app: &mut Application, scene: &Scene<'_>) {
        let (to, from) = (self.directory.to(), self.directory.from());
        match task {
            Task::Hook { event: Event::ApplicationStop, .. } => app.process = None,
            Task::Hook { side, event: Event::ApplicationStart, .. } => {
                let release = if side == Side::To { Some(to) } else { from };
                app.process = Some(Process { release, started: scene.now });
            }
            Task::Switch => (app.installed, app.mixed) = (Some(to), false),
            Task::Unswitch => (app.installed, app.mixed) = (from, false),
            Task::Hook { .. }
            | Task::Verify
            | Task::Keep
            | Task::Prepare
            | Task::Health(_)
            | Task::Commit
            | Task::Drain
            | Task::Stop(_)
            | Task::Start(_) => {}
        }
    }
}

fn wrong_fault(wrong: Wrong) -> Fault {
    match wrong {
        Wrong::Fails => Fault::Inborn(Inborn::HookFailed),
        Wrong::Hangs => Fault::Inborn(Inborn::HookHung),
        Wrong::Flaps => Fault::Inborn(Inborn::HookFlapped),
        Wrong::Lies => Fault::Inborn(Inborn::HookLied),
    }
}

fn takes_no_time(task: Task) -> bool {
    matches!(task, Task::Verify | Task::Prepare | Task::Commit)
}

fn failed(cause: Cause, message: &str) -> End {
    End::Failed(Failure { cause, message: Text::lossy(message), last_line: Why::default() })
}
