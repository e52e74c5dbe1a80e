//! One run as it truly goes: test, stop, switch, start, validate, healthy; or back to what was.
//!
//! ```text
//! Testing ─▶ Stopping ─▶ Installing ─▶ Starting ─▶ Validating ─▶ Watching ─▶ committed
//!    │           └───────────┴────────────┴────────────┴─────────────┴─▶ BackStopping ─▶ BackInstalling ─▶ BackStarting ─▶ BackValidating ─▶ rolled back │ needs hands
//!    └▶ not begun
//! ```
//!
//! The run directory (request and journal) survives the death of its process and of the machine; a new process goes on
//! with the stage that was not noted as done.

use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::{HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Outcome, Phase};
use pilotage_shared::time::{Millis, Time};

use super::{Application, Behaviours, Process};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing disturbed yet; at its end the permission is tested once more (R6).
    Testing,
    /// Out of service from its beginning.
    Stopping,
    /// At its end the new files are in place.
    Installing,
    /// At its end the new process runs.
    Starting,
    /// The package's own test.
    Validating,
    /// The health check, until healthy once.
    Watching,
    /// What was started is stopped.
    BackStopping,
    /// At its end the old files are in place.
    BackInstalling,
    /// At its end the old process runs.
    BackStarting,
    /// The old package's own test.
    BackValidating,
}

impl Stage {
    /// The same for others.
    pub fn phase(self) -> Phase {
        match self {
            Stage::Testing => Phase::Beginning,
            Stage::Stopping => Phase::Forward(Event::ApplicationStop),
            Stage::Installing => Phase::Forward(Event::Install),
            Stage::Starting => Phase::Forward(Event::ApplicationStart),
            Stage::Validating => Phase::Forward(Event::ValidateService),
            Stage::Watching => Phase::Forward(Event::HealthCheck),
            Stage::BackStopping => Phase::Back(Event::ApplicationStop),
            Stage::BackInstalling => Phase::Back(Event::Install),
            Stage::BackStarting => Phase::Back(Event::ApplicationStart),
            Stage::BackValidating => Phase::Back(Event::ValidateService),
        }
    }

    fn event(self) -> Option<Event> {
        match self.phase() {
            Phase::Beginning => None,
            Phase::Forward(event) | Phase::Back(event) => Some(event),
        }
    }

    /// Still on the way forward?
    pub fn is_forward(self) -> bool {
        self <= Stage::Watching
    }
}

/// How long things take on one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Each stage of a run.
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
    /// Counted by the ledger.
    pub attempt: u32,
    /// What it spent; none for a person's own run.
    pub generation: Option<Generation>,
    /// On whose behalf.
    pub deployment: Option<DeploymentId>,
    /// Where to.
    pub to: Release,
    /// Where from.
    pub from: Option<Release>,
    /// The stage begun last.
    pub stage: Stage,
    /// When that stage was begun.
    pub since: Time,
    /// Why it goes back.
    pub why: Why,
    /// The agent asked to turn back at the next task boundary.
    pub turn_back: bool,
    /// It turned back because it was asked to, not because anything failed.
    pub turned: bool,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// For the status.
    pub outcome: Outcome,
    /// Turned back by a wish, hence no refusal (PROTOCOL §2).
    pub turned: bool,
}

/// A run with its deployer process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What is on disk.
    pub directory: RunDirectory,
    /// When the living process is done with its stage; none when no process lives.
    pub living: Option<Time>,
}

/// What a step did that others must be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Goes on; look again at the process's own time.
    Went,
    /// It is about to take the application out of service, with the permission tested good.
    Disturbs,
    /// Over.
    Ended,
}

impl RunDirectory {
    /// A request that nothing has been done about.
    pub fn new(attempt: u32, to: Release, from: Option<Release>, now: Time) -> Self {
        Self {
            attempt,
            generation: None,
            deployment: None,
            to,
            from,
            stage: Stage::Testing,
            since: now,
            why: Why::default(),
            turn_back: false,
            turned: false,
            ending: None,
        }
    }
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
}

impl Run {
    /// A process begins, or goes on where the last one died.
    pub fn launch(&mut self, pace: Pace, now: Time) {
        self.living = Some(now + pace.stage);
    }

    /// The living process has come to the end of its stage. `test` is the permission's last test (R6).
    pub fn advance(&mut self, app: &mut Application, scene: &Scene<'_>, test: Result<(), Why>) -> Step {
        let run = &mut self.directory;
        let (host, now) = (scene.host, scene.now);
        let behaviour = scene.behaviours.of(&run.to.package, host);
        let stage = run.stage;
        if stage.is_forward() && stage != Stage::Testing {
            if run.turn_back {
                (run.turned, run.why) = (true, Why::lossy("asked to go back"));
                return self.enter(Stage::BackStopping, scene);
            }
            if behaviour.fails_at.is_some() && behaviour.fails_at == stage.event() {
                run.why = Why::lossy(&format!("{} exit 1", behaviour.fails_at.map_or("", Event::as_str)));
                return self.enter(Stage::BackStopping, scene);
            }
        }
        match stage {
            Stage::Testing => match test {
                Err(why) => self.end(Outcome::NotBegun { why }),
                Ok(()) if run.turn_back => {
                    run.turned = true;
                    self.end(Outcome::NotBegun { why: Why::lossy("asked to go back") })
                }
                Ok(()) => {
                    self.enter(Stage::Stopping, scene);
                    Step::Disturbs
                }
            },
            Stage::Stopping => {
                app.process = None;
                app.mixed = true;
                self.enter(Stage::Installing, scene)
            }
            Stage::Installing => {
                (app.installed, app.mixed) = (Some(run.to), false);
                self.enter(Stage::Starting, scene)
            }
            Stage::Starting => {
                app.process = Some(Process { release: Some(run.to), started: now });
                self.enter(Stage::Validating, scene)
            }
            Stage::Validating => self.enter(Stage::Watching, scene),
            Stage::Watching if app.serves(host, scene.behaviours, now) => self.end(Outcome::Committed),
            Stage::Watching if (now - run.since) > scene.pace.patience => {
                run.why = Why::lossy("HealthCheck never good");
                self.enter(Stage::BackStopping, scene)
            }
            Stage::Watching => {
                self.living = Some(now + scene.pace.stage);
                Step::Went
            }
            Stage::BackStopping => {
                app.process = None;
                app.mixed = true;
                self.enter(Stage::BackInstalling, scene)
            }
            Stage::BackInstalling => {
                (app.installed, app.mixed) = (run.from, false);
                match run.from {
                    Some(_) => self.enter(Stage::BackStarting, scene),
                    None => self.end_back(),
                }
            }
            Stage::BackStarting => {
                app.process = Some(Process { release: run.from, started: now });
                self.enter(Stage::BackValidating, scene)
            }
            Stage::BackValidating => {
                let broken = run.from.is_some_and(|r| scene.behaviours.of(&r.package, host).fails_back);
                if broken {
                    let why = Why::lossy(&format!("{}; then the previous release failed ValidateService too", run.why));
                    return self.end(Outcome::NeedsHands { why });
                }
                self.end_back()
            }
        }
    }

    fn enter(&mut self, stage: Stage, scene: &Scene<'_>) -> Step {
        (self.directory.stage, self.directory.since) = (stage, scene.now);
        self.living = Some(scene.now + scene.pace.stage);
        Step::Went
    }

    fn end_back(&mut self) -> Step {
        let why = self.directory.why.clone();
        self.end(Outcome::RolledBack { why })
    }

    fn end(&mut self, outcome: Outcome) -> Step {
        let turned = self.directory.turned;
        self.directory.ending = Some(Ending { outcome, turned });
        self.living = None;
        Step::Ended
    }
}
