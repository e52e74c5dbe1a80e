//! The agent's loop: one task that owns the ledger and every slot. It gathers what it sees, asks the pure core what to do, and
//! does it. Everything that takes long (fetching, asking, sending) is done elsewhere and comes back as an event.

mod app;
mod health;
mod order;
pub mod own_check;
mod person;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use pilotage_agent_core::acceptable::{HostPolicy, Seen};
use pilotage_agent_core::slot::host::{self, Host};
use pilotage_agent_core::slot::life::Life;
use pilotage_agent_core::slot::receive::{Received, receive};
use pilotage_agent_core::slot::{Act, RunKind, Slot, next};
use pilotage_client::agent::Coordinator;
use pilotage_shared::ids::BootId;
use pilotage_shared::intent::{Blocked, Intent};
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;
use pilotage_shared::wire::{Frame, Welcome};
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::clock;
use crate::config::Config;
use crate::fetch::{self, StageError};
use crate::hands;
use crate::launch::Launcher;
use crate::layout::Layout;
use crate::ledger::{Check, Contents, Ledger};
use crate::link::{self, News};
use crate::metrics::Meter;
use crate::recovery;
use crate::serve::{self, View};
use crate::watch::Answer;
use app::App;
use own_check::Means;
use person::Done;
use telling::Telling;

/// How often a living run directory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How often the host is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// The loop's state.
struct Agent {
    config: Config,
    layout: Layout,
    ledger: Ledger,
    host: Host,
    boot: BootId,
    policy: HostPolicy,
    apps: BTreeMap<AppName, App>,
    telling: Telling,
    launcher: Launcher,
    coordinator: Arc<Coordinator>,
    hosts: watch::Sender<Host>,
    answers: mpsc::Sender<Answer>,
    staged: mpsc::Sender<(AppName, Release, Result<(), StageError>)>,
    reports: watch::Sender<u64>,
    done: mpsc::Sender<Done>,
    view: watch::Sender<View>,
    meter: Meter,
}

/// Runs until SIGTERM or SIGINT; deployers and applications are left alone.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let layout = Layout::open(&config.state)?;
    let (mut ledger, Contents { host, mut slots, checks, mut lives, new }) =
        Ledger::open(&layout.private().join("ledger")).context("failed to open the ledger")?;
    layout.write_blocked(&host.blocked)?;
    recovery::recover(&layout, &mut ledger, &mut slots).context("failed to read the run directories")?;
    let launcher = Launcher::new(&config.deployer, config.launch, &layout)?;
    let coordinator = Arc::new(Coordinator::new(config.coordinator.clone(), config.token.clone()));
    info!(host = %config.host, state = %layout.state.display(), new_ledger = new, apps = slots.len(), "agent starts");

    let (news_to, mut news) = mpsc::channel(64);
    let (answers_to, mut answers) = mpsc::channel(64);
    let (staged_to, mut staged) = mpsc::channel(16);
    let (asked_to, mut asked) = mpsc::channel(4);
    let (done_to, mut done) = mpsc::channel(4);
    let (hosts, hosts_seen) = watch::channel(host.clone());
    let (reports, reports_seen) = watch::channel(0);
    let (view, view_seen) = watch::channel(View::default());
    hands::serve(&layout, asked_to).await?;
    if let Some(address) = config.listen {
        let listener = serve::listen(address, &layout.private().join("listen")).await?;
        tokio::spawn(serve::run(listener, view_seen));
    }
    tokio::spawn(crate::report::keep(coordinator.clone(), layout.runs(), reports_seen));
    tokio::spawn(link::keep(coordinator.clone(), config.host.clone(), clock::boot(), hosts_seen, news_to));

    let mut agent = Agent {
        meter: Meter::new()?,
        config,
        layout,
        ledger,
        host,
        boot: clock::boot(),
        policy: HostPolicy::default(),
        apps: slots
            .into_iter()
            .map(|(name, slot)| {
                let life = lives.remove(&name).unwrap_or_default();
                (name, App::new(slot, life))
            })
            .collect(),
        telling: Telling::default(),
        launcher,
        coordinator,
        hosts,
        answers: answers_to,
        staged: staged_to,
        reports,
        done: done_to,
        view,
    };
    for (name, check) in checks {
        let means = Means { layout: &agent.layout, config: &agent.config, deployer: agent.launcher.program(), answers: &agent.answers };
        if let Some(app) = agent.apps.get_mut(&name) {
            app.health.learn(check, &name, &app.slot, &means);
        }
    }
    let mut signals = signal_hook_tokio::Signals::new([signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT])?;
    let mut measure = tokio::time::interval(MEASURE);
    // Not being told by systemd is no error: there may be no systemd.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        agent.look_at_all().await?;
        let wake = agent.wakes_in();
        tokio::select! {
            Some(news) = news.recv() => agent.heard(news).await?,
            Some(answer) = answers.recv() => agent.answered(answer),
            Some((app, release, result)) = staged.recv() => agent.staged(&app, release, result),
            Some((wish, to)) = asked.recv() => agent.asked(wish, to),
            Some(done) = done.recv() => agent.done(done),
            _ = measure.tick() => agent.measure(),
            () = tokio::time::sleep(wake) => {}
            Some(_) = signals.next() => break,
        }
    }
    info!("agent stops; runs and applications go on");
    Ok(())
}

impl Agent {
    /// How long nothing can change by itself.
    fn wakes_in(&self) -> Duration {
        let now = clock::uptime();
        let standing = self.apps.values().filter_map(App::wake_at).min().map(|at| Duration::from_millis((at - now).0.max(1)));
        let run = self.apps.values().any(|a| a.slot.run.is_some()).then_some(LOOK);
        let beat = self.telling.next_beat(now);
        [standing, run, beat].into_iter().flatten().min().unwrap_or(MEASURE)
    }

    async fn heard(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Leaving => self.revoke("a new session began"),
            News::Up(welcome, sender) => return self.welcomed(&welcome, sender).await,
            News::Down => {
                self.telling.left();
                self.revoke("the session ended");
            }
            News::Frame(frame) => match *frame {
                Frame::Intent(intent, version, blocked) => {
                    self.blocked(version, blocked)?;
                    self.intended(intent)?;
                }
                Frame::Heard(answers, version, blocked) => {
                    debug!(beat = answers.beat, "heard");
                    self.blocked(version, blocked)?;
                }
                Frame::Hello(_) | Frame::Welcome(_) | Frame::Status(_) | Frame::Heartbeat(_) | Frame::Goodbye(_) => {}
            },
        }
        Ok(())
    }

    /// R28: the session is stored before its first status; R33: an epoch that was left is not joined again.
    async fn welcomed(&mut self, welcome: &Welcome, sender: pilotage_client::agent::SessionSender) -> anyhow::Result<()> {
        match host::welcome(&self.host, welcome) {
            Ok(record) => self.write_host(record)?,
            Err(old) => {
                error!(%old, "connection closed");
                drop(sender);
                return Ok(());
            }
        }
        for app in self.apps.values_mut() {
            app.held.intent = None; // what was held is of another session (R3)
        }
        let metrics = self.read_meter();
        self.telling.joined(welcome, sender, metrics);
        self.tell().await;
        Ok(())
    }

    fn intended(&mut self, intent: Intent) -> anyhow::Result<()> {
        let app = self.apps.entry(intent.app.clone()).or_insert_with(|| App::new(Slot::default(), Life::default()));
        match receive(&app.slot, &app.held, self.telling.session(), &intent) {
            Received::Drop(why) => {
                debug!(app = %intent.app, generation = %intent.generation, %why, "intent dropped");
                return Ok(());
            }
            Received::Take { record: Some(record) } => {
                self.ledger.write_slot(&intent.app, &record)?;
                app.slot = *record;
            }
            Received::Take { record: None } => {}
        }
        let check = Check { health: intent.health.clone(), first_install: intent.first_install };
        if app.health.known() != Some(&check) {
            self.ledger.write_check(&intent.app, &check)?;
        }
        let means = Means { layout: &self.layout, config: &self.config, deployer: self.launcher.program(), answers: &self.answers };
        app.health.learn(check, &intent.app, &app.slot, &means);
        app.held.intent = Some(intent);
        Ok(())
    }

    /// R29: durable on the host before it counts.
    fn blocked(&mut self, _version: u64, blocked: Option<Blocked>) -> anyhow::Result<()> {
        if let Some(record) = blocked.and_then(|b| host::blocked(&self.host, &b)) {
            self.layout.write_blocked(&record.blocked)?;
            self.write_host(record)?;
        }
        Ok(())
    }

    fn write_host(&mut self, record: Host) -> anyhow::Result<()> {
        self.ledger.write_host(&record)?;
        self.host = record.clone();
        self.hosts.send_replace(record);
        Ok(())
    }

    fn answered(&mut self, answer: Answer) {
        let count = self.apps.get_mut(&answer.app).is_some_and(|app| app.answered(&answer, clock::uptime()));
        if count {
            self.measure();
        }
    }

    fn staged(&mut self, name: &AppName, release: Release, result: Result<(), StageError>) {
        let Some(app) = self.apps.get_mut(name) else { return };
        match result {
            Ok(()) => {
                info!(app = %name, package = %release.package.short(), "staged");
                app.staged(release);
            }
            Err(error) => {
                warn!(app = %name, package = %release.package.short(), %error, "not staged");
                app.not_staged(release, error.why(), clock::uptime());
            }
        }
    }

    fn measure(&mut self) {
        self.launcher.reap();
        let metrics = self.read_meter();
        self.telling.measured(metrics.clone());
        self.view.send_modify(|view| view.metrics = metrics);
    }

    fn read_meter(&mut self) -> HostMetrics {
        let mut metrics = self.meter.read(&self.layout.state);
        for (name, app) in &mut self.apps {
            let entry = metrics.apps.entry(name.clone()).or_default();
            entry.restarts = app.vigil.life.restarts;
            let gone = entry.processes == 0 && app.vigil.life.proved.is_some();
            let halted = gone && app.slot.pinned.is_some() && self.meter.halted(name);
            app.counted(entry.processes as usize, halted);
        }
        metrics
    }

    /// R6: a run that has disturbed nothing yet and whose permission is void does not begin.
    fn revoke(&mut self, why: &str) {
        for (name, app) in &self.apps {
            app.revoke(&self.layout, name, why);
        }
    }

    /// Asks the core for every app until it has nothing more to do, then says what changed.
    async fn look_at_all(&mut self) -> anyhow::Result<()> {
        let names: Vec<AppName> = self.apps.keys().cloned().collect();
        let now = clock::uptime();
        if self.apps.values().any(|app| app.to_be_counted(now)) {
            self.measure();
        }
        for name in &names {
            while self.look_at(name)? {}
        }
        self.tell().await;
        Ok(())
    }

    /// One act of one app; true when there may be more.
    fn look_at(&mut self, name: &AppName) -> anyhow::Result<bool> {
        let now = clock::uptime();
        let seen = Seen { blocked: self.host.blocked.clone() };
        let other = self.apps.iter().find(|(other, app)| *other != name && app.slot.run.is_some()).map(|(other, _)| other.clone());
        let Some(app) = self.apps.get_mut(name) else { return Ok(false) };
        app.pass(&self.layout, name, now);
        app.follow(&self.layout, name, &self.config.host, &self.coordinator);
        app.revoke_when_void(&self.layout, name, self.telling.session(), now);
        if app.feel_pulse(now) {
            self.ledger.write_life(name, &app.vigil.life)?;
        }
        let sight = app.sight(&self.layout, other.as_ref(), &self.telling, &self.policy, &seen, now);
        match next(&app.slot, &app.held, &sight) {
            Act::Idle(why) => {
                if app.idle_because.replace(why.clone()) != Some(why.clone()) {
                    debug!(app = %name, %why, "idle");
                }
                return Ok(false);
            }
            Act::Stage(release) => {
                app.staging(release);
                let (coordinator, layout, name, done) = (self.coordinator.clone(), self.layout.clone(), name.clone(), self.staged.clone());
                let secrets = self.config.secrets.clone();
                tokio::spawn(async move {
                    let result = fetch::stage(coordinator, layout, name.clone(), release, secrets).await;
                    // The loop is gone only when the agent stops.
                    let _ = done.send((name, release, result)).await;
                });
            }
            Act::Begin { record } => {
                self.ledger.write_slot(name, &record)?; // R7: before the deployer starts
                app.slot = record;
                app.begun(now);
                if app.slot.run.as_ref().is_some_and(|run| run.kind == RunKind::Again) {
                    warn!(app = %name, "its process is gone: it is started again");
                    app.vigil.began(now);
                    self.ledger.write_life(name, &app.vigil.life)?;
                }
                self.start(name)?;
            }
            Act::Resume => self.start(name)?,
            Act::TurnBack(why) => {
                app.turn_back(&self.layout, name, &why)?;
                return Ok(false);
            }
            Act::Close { record } => {
                info!(app = %name, run = ?sight.run, "run over");
                self.ledger.write_slot(name, &record)?;
                app.slot = record;
                let means = Means { layout: &self.layout, config: &self.config, deployer: self.launcher.program(), answers: &self.answers };
                app.forget_damaged(&self.layout, name);
                app.run_over(name, &means, now);
                self.reports.send_modify(|n| *n += 1);
                app.wait_after_preflight(&self.layout, name, now);
                let in_use = app.in_use();
                if let Err(error) = fetch::sweep(&self.layout, name, &in_use) {
                    warn!(app = %name, %error, "old releases could not be removed");
                }
            }
            Act::Record { record } => {
                self.ledger.write_slot(name, &record)?;
                app.slot = record;
            }
        }
        Ok(true)
    }

    /// A deployer for the run in the ledger; its directory is made when it is not there yet.
    fn start(&mut self, name: &AppName) -> anyhow::Result<()> {
        let Some(app) = self.apps.get_mut(name) else { return Ok(()) };
        let folder = app.prepare_run(&self.layout, name, &self.config, self.boot, &self.telling)?;
        app.launched(clock::uptime());
        // A deployer that cannot be started now is tried again: the run stands in the ledger.
        if let Err(error) = self.launcher.start(&folder) {
            error!(app = %name, error = format!("{error:#}"), "the deployer could not be started");
        }
        Ok(())
    }

    async fn tell(&mut self) {
        let now = clock::uptime();
        let slots = self.apps.iter_mut().map(|(name, app)| (name.clone(), app.status(now))).collect();
        self.view.send_if_modified(|view| {
            let ready: BTreeMap<AppName, bool> = self.apps.iter().map(|(name, app)| (name.clone(), app.ready(now))).collect();
            let changed = view.ready != ready;
            view.ready = ready;
            changed
        });
        self.telling.tell(slots, self.host.blocked.version, now).await;
    }
}
