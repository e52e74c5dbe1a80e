//! Runs a story's commands in the simulated world and says what an operator would read.

use std::collections::BTreeMap;

use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::world::configuration::Numbers;
use pilotage_coordinator_core::world::{Course, HostState, Outcome};
use pilotage_coordinator_core::{Answer, Cause, Rejected, Request, Waiting, World, explain};
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::Labels;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Version};
use pilotage_shared::time::{Millis, Time};

use super::command::{Already, Command, Until};
use crate::network::Rates;
use crate::simulation::Simulation;
use crate::trace::BEGINNING;

/// A story in course.
pub struct Runner {
    simulation: Simulation,
    app: AppName,
}

impl Runner {
    /// A world with a coordinator that has started, and nothing else.
    pub fn new() -> Self {
        let mut simulation = Simulation::new(1, Rates::CALM, Millis::seconds(5));
        simulation.telling.on = true;
        simulation.boot_coordinator();
        Self { simulation, app: AppName::new("web").expect("a valid name") }
    }

    /// Does one command; gives what it prints.
    pub fn run(&mut self, command: Command) -> Vec<String> {
        let mut out = self.perform(command);
        let told = self.simulation.telling.take();
        let mut lines = merged(told);
        lines.append(&mut out);
        if let Some(broken) = &self.simulation.promises.broken {
            lines.push(format!("BROKEN PROMISE {broken}"));
        }
        lines
    }

    fn perform(&mut self, command: Command) -> Vec<String> {
        let sim = &mut self.simulation;
        match command {
            Command::Hosts(count, zones, already) => self.hosts(count, &zones, &already),
            Command::Join(host, labels) => {
                let labels = with_env(labels);
                answered(sim.join(&host, labels, &[]))
            }
            Command::Label(host, labels) => self.ask(Request::LabelHost { host, labels: with_env(labels) }),
            Command::Fleet(spec) => {
                self.app = spec.app.clone();
                self.ask(Request::PutFleet { spec })
            }
            Command::Unfleet(fleet) => self.ask(Request::DeleteFleet { fleet }),
            Command::Package(version, behaviour) => {
                let app = self.app.clone();
                answered(self.simulation.push(&app, &version, behaviour).1)
            }
            Command::Fail(host, behaviour, version) => {
                let digest = self.digest(&version);
                self.simulation.behaviours.set(digest, host.as_ref(), behaviour);
                Vec::new()
            }
            Command::Deploy(fleet, version) => self.ask(Request::Deploy { fleet, what: What::Version(version) }),
            Command::DeployConfigured(fleet, version, number) => {
                let what = What::Configured { what: Box::new(What::Version(version)), config: Some(number) };
                self.ask(Request::Deploy { fleet, what })
            }
            Command::Config(fleet, content, behaviour) => {
                self.simulation.behaviours.set(config(&content), None, behaviour);
                self.configure(fleet, &content, true)
            }
            Command::Register(fleet, content) => self.configure(fleet, &content, false),
            Command::ReleaseConfig(number) => {
                let app = self.app.clone();
                self.ask(Request::ReleaseConfiguration { app, number })
            }
            Command::Restart(fleet) => self.ask(Request::Deploy { fleet, what: What::Restart }),
            Command::Pause(fleet) => self.about(&fleet, |id| Request::Pause { id }),
            Command::Resume(fleet) => self.ask(Request::Resume { fleet }),
            Command::Cancel(fleet) => self.about(&fleet, |id| Request::Cancel { id }),
            Command::Rollback(fleet) => self.about(&fleet, |id| Request::Rollback { id }),
            Command::Release(version) => {
                let digest = self.digest(&version);
                self.ask(Request::ReleasePackage { digest })
            }
            Command::Block(version) => {
                let digest = self.digest(&version);
                self.ask(Request::BlockPackage { digest })
            }
            Command::Unblock(version) => {
                let digest = self.digest(&version);
                self.ask(Request::UnblockPackage { digest })
            }
            Command::Cordon(host) => self.ask(Request::CordonHost { host }),
            Command::Uncordon(host) => self.ask(Request::UncordonHost { host }),
            Command::Retire(host) => self.ask(Request::RetireHost { host }),
            Command::Retry(host) => self.ask(Request::RetryHost { host }),
            Command::Maintain(host, on) => self.ask(Request::MaintainHost { host, on }),
            Command::Hands(host, wish) => {
                sim.hands(&host, &self.app, wish);
                Vec::new()
            }
            Command::Disk(host, full) => {
                sim.fill_disk(&host, full);
                Vec::new()
            }
            Command::Tick(span) => {
                sim.run_until(sim.now + span);
                Vec::new()
            }
            Command::Until(what, limit) => self.until(&what, limit),
            Command::Status => self.status(),
            Command::Explain(fleet) => self.explain(&fleet),
            Command::Lowest(_) => {
                let lowest = sim.telling.lowest.take();
                vec![lowest.map_or_else(|| "nobody was taken".into(), |n| format!("lowest {n} serving"))]
            }
            Command::CrashCoordinator => {
                sim.kill_coordinator(false);
                Vec::new()
            }
            Command::StartCoordinator => {
                sim.boot_coordinator();
                Vec::new()
            }
            Command::Backup => {
                sim.back_up();
                Vec::new()
            }
            Command::Restore { by_hand } => {
                sim.restore(!by_hand);
                Vec::new()
            }
            Command::Recover { keep_backup, go_on } => self.ask(Request::Recover { keep_backup, go_on }),
            Command::RestartAgents(host) => {
                let all: Vec<HostName> = host.map_or_else(|| sim.machines.keys().cloned().collect(), |h| vec![h]);
                for host in all {
                    sim.crash_agent(&host);
                }
                Vec::new()
            }
            Command::Kill(host) => {
                sim.power_off(&host);
                Vec::new()
            }
            Command::Boot(host) => {
                sim.power_on(&host);
                Vec::new()
            }
            Command::CrashApp(host) => {
                sim.crash_app(&host, &self.app);
                Vec::new()
            }
            Command::CrashDeployer(host) => {
                sim.crash_deployer(&host);
                Vec::new()
            }
            Command::LoseLedger(host) => {
                sim.lose_ledger(&host);
                Vec::new()
            }
            Command::Starve(host, starved) => {
                sim.starve(&host, &self.app, starved);
                Vec::new()
            }
            Command::Partition(host, cut) => {
                sim.partition(&host, cut);
                Vec::new()
            }
            Command::Heal(host) => {
                let all: Vec<HostName> = host.map_or_else(|| sim.machines.keys().cloned().collect(), |h| vec![h]);
                for host in all {
                    sim.heal(&host);
                }
                Vec::new()
            }
        }
    }

    fn hosts(&mut self, count: u32, zones: &[LabelValue], already: &Already) -> Vec<String> {
        let foreign: &[AppName] = match already {
            Already::Nothing => &[],
            Already::Foreign => std::slice::from_ref(&self.app),
        };
        let mut out = Vec::new();
        for n in 0..count {
            let host = HostName::new(&format!("h{}", n + 1)).expect("a valid name");
            let mut labels = with_env(Labels::new());
            if let Some(zone) = zones.get(n as usize % zones.len().max(1)) {
                labels.insert(LabelKey::new("zone").expect("a valid name"), zone.clone());
            }
            out.extend(refused(self.simulation.join(&host, labels, foreign)));
        }
        out
    }

    fn ask(&mut self, request: Request) -> Vec<String> {
        answered(self.simulation.request(request))
    }

    fn configure(&mut self, fleet: FleetName, content: &str, deploy: bool) -> Vec<String> {
        let digest = config(content);
        let numbers = Numbers { files: 1, bytes: 9, variables: 1, secrets: 0 };
        let answer = self.simulation.request(Request::PutConfiguration { fleet, digest, numbers, deploy });
        if let Some(Ok(Answer::Configuration { number, .. })) = &answer {
            self.simulation.telling.number(digest, *number);
        }
        answered(answer)
    }

    fn about(&mut self, fleet: &FleetName, request: impl FnOnce(DeploymentId) -> Request) -> Vec<String> {
        let newest = self.simulation.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.newest);
        match newest {
            Some(number) => self.ask(request(DeploymentId { fleet: fleet.clone(), number })),
            None => vec![format!("refused: there is no fleet {fleet}")],
        }
    }

    fn digest(&self, version: &Version) -> pilotage_shared::digest::Digest {
        pilotage_shared::digest::Digest::of(format!("{}@{version}", self.app).as_bytes())
    }

    fn until(&mut self, what: &Until, limit: Millis) -> Vec<String> {
        let end = self.simulation.now + limit;
        while self.simulation.now < end && self.simulation.promises.broken.is_none() {
            if self.reached(what) {
                return Vec::new();
            }
            if !self.simulation.step() {
                break;
            }
        }
        if self.reached(what) { Vec::new() } else { vec![format!("not reached within {limit}")] }
    }

    fn reached(&self, what: &Until) -> bool {
        let sim = &self.simulation;
        let Some(world) = sim.coordinator.world() else { return false };
        match what {
            Until::Done => is_done(sim, world),
            Until::InChange(host) => sim.machines.get(host).is_some_and(|m| m.runs.values().any(|u| u.disturbed())),
            Until::Available(host) => world.placed.iter().any(|((h, _), facts)| h == host && facts.counts()),
            Until::Unreachable(host) => world.live.get(host).is_some_and(|l| !l.reachable),
            Until::Waits(kind) => {
                world.fleets.keys().any(|f| explain_fleet(world, f, sim.now).iter().any(|w| w.cause.kind() == kind))
            }
        }
    }

    fn status(&self) -> Vec<String> {
        let sim = &self.simulation;
        let Some(world) = sim.coordinator.world() else { return vec!["the coordinator is down".into()] };
        let mut out = Vec::new();
        for (name, fleet) in &world.fleets {
            let counts = world.counts(name);
            let settled = fleet.settled.map_or_else(|| "nothing".into(), |r| sim.telling.release(&r));
            let course = match world.newest(fleet) {
                None => "no deployment".to_owned(),
                Some(d) => format!("{} {} {}", d.id, sim.telling.release(&d.release), course(&d.course, d.paused.is_some())),
            };
            let frozen = if fleet.frozen.is_some() { ", frozen" } else { "" };
            out.push(format!(
                "{name}: {course}{frozen}; settled {settled}; available {} of {}, floor {}, in change {}",
                counts.available, counts.total, counts.floor, counts.in_change
            ));
        }
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, host) in &world.hosts {
            let facts = world.placed.iter().find(|((h, _), _)| h == name).map(|(_, f)| f);
            let line = facts.map_or_else(
                || "in no fleet".into(),
                |f| {
                    let running = f.running.map_or_else(|| "nothing".into(), |r| sim.telling.release(&r));
                    let bar = f.bar.map(|b| format!(", {}", format!("{b:?}").to_lowercase())).unwrap_or_default();
                    let busy = if f.run { ", in a run" } else if f.loan.is_some() { ", lent" } else { "" };
                    format!("runs {running}, {}{busy}{bar}", format!("{:?}", f.standing).to_lowercase())
                },
            );
            let line = if host.state == HostState::Retired { "retired".into() } else { line };
            groups.entry(line).or_default().push(name.as_str());
        }
        out.extend(groups.into_iter().map(|(line, hosts)| format!("  {}: {line}", hosts.join(" "))));
        out
    }

    fn explain(&self, fleet: &FleetName) -> Vec<String> {
        let sim = &self.simulation;
        let Some(world) = sim.coordinator.world() else { return vec!["the coordinator is down".into()] };
        let Some(record) = world.fleets.get(fleet) else { return vec![format!("there is no fleet {fleet}")] };
        let waiting = match world.active(record) {
            Some(deployment) => explain(world, &deployment.id, sim.now),
            None => explain_fleet(world, fleet, sim.now),
        };
        if waiting.is_empty() {
            return vec![format!("{fleet} waits for nothing")];
        }
        waiting.iter().map(|w| format!("  {}", wait(w))).collect()
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

/// Nothing in course, nothing lent, nobody in change, everybody on the way who can come by itself has come.
fn is_done(sim: &Simulation, world: &World) -> bool {
    let told = sim.machines.iter().filter(|(name, m)| m.on && !sim.network.cut_off().contains(*name)).all(|(name, m)| {
        let gone = world.hosts.get(name).is_none_or(|h| h.state == HostState::Retired || h.quarantined.is_some());
        let heard = world.live.get(name).is_some_and(|l| l.told && l.reachable);
        gone || heard && m.agent.as_ref().and_then(|a| a.session.as_ref()).is_some_and(|s| s.is_answered())
    });
    let idle = sim.machines.values().all(|m| m.runs.is_empty() || !m.on);
    let loans = world.slots.iter().any(|((_, host), s)| s.loan.is_some() && world.live.get(host).is_some_and(|l| l.reachable));
    let still = world.fleets.iter().all(|(name, fleet)| {
        !fleet.active && explain_fleet(world, name, sim.now).iter().all(|w| !w.lifts_by_itself())
    });
    told && idle && !loans && still
}

fn with_env(mut labels: Labels) -> Labels {
    let key = LabelKey::new("env").expect("a valid name");
    labels.entry(key).or_insert_with(|| LabelValue::lossy("prod"));
    labels
}

/// The digest of a configuration of this content.
fn config(content: &str) -> Digest {
    Digest::of(format!("configuration {content}").as_bytes())
}

fn answered(answer: Option<Result<Answer, Rejected>>) -> Vec<String> {
    match answer {
        Some(Ok(Answer::Deployment(id))) => vec![id.to_string()],
        Some(Ok(Answer::Configuration { number, deployment, .. })) => vec![deployment.map_or_else(|| format!("c{number}"), |id| format!("c{number} {id}"))],
        Some(Ok(_)) => Vec::new(),
        other => refused(other),
    }
}

fn refused(answer: Option<Result<Answer, Rejected>>) -> Vec<String> {
    match answer {
        Some(Ok(_)) => Vec::new(),
        Some(Err(rejected)) => vec![format!("refused: {rejected}")],
        None => vec!["no answer: the coordinator is down".into()],
    }
}

fn course(course: &Course, paused: bool) -> &'static str {
    match course {
        Course::Forward if paused => "paused",
        Course::Forward => "forward",
        Course::Back { .. } => "going back",
        Course::Ended { outcome: Outcome::Succeeded, .. } => "succeeded",
        Course::Ended { outcome: Outcome::RolledBack, .. } => "rolled back",
        Course::Ended { outcome: Outcome::Stopped, .. } => "stopped",
        Course::Ended { outcome: Outcome::Superseded, .. } => "superseded",
        Course::Ended { outcome: Outcome::NeedsHands, .. } => "needs hands",
    }
}

fn wait(waiting: &Waiting) -> String {
    let hosts: Vec<&str> = waiting.hosts.iter().map(|h| h.as_str()).collect();
    let about = if hosts.is_empty() { String::new() } else { format!(": {}", hosts.join(" ")) };
    let lifts = waiting.lifts_at.map(|at| format!(", lifts at {}", clock(at))).unwrap_or_default();
    let cause = match &waiting.cause {
        Cause::Floor { scope, counted, floor, members } => format!("floor of {scope}: {counted} of {members} count, {floor} must"),
        Cause::Batch { limit } => format!("batch: at most {limit} in change"),
        other => other.kind().to_owned(),
    };
    let missing = waiting.missing.iter().map(|m| {
        let hosts: Vec<&str> = m.hosts.iter().map(|h| h.as_str()).collect();
        format!("; missing, {:?}: {}", m.why, hosts.join(" "))
    });
    format!("{cause}{about}{lifts}{}", missing.collect::<String>())
}

/// As `+1m05.2s`.
fn clock(at: Time) -> String {
    let Millis(ms) = at - BEGINNING;
    let (minutes, seconds, tenths) = (ms / 60_000, ms / 1000 % 60, ms / 100 % 10);
    if minutes == 0 { format!("+{seconds}.{tenths}s") } else { format!("+{minutes}m{seconds:02}.{tenths}s") }
}

/// Lines with their times; what happens to several hosts at one moment is said once.
fn merged(told: Vec<(Time, String)>) -> Vec<String> {
    let mut out: Vec<(String, Vec<String>, String)> = Vec::new();
    for (at, line) in told {
        let (who, what) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let at = clock(at);
        match out.iter_mut().rev().take_while(|(a, _, _)| *a == at).find(|(_, _, w)| w == what) {
            Some((_, hosts, _)) => hosts.push(who.to_owned()),
            None => out.push((at, vec![who.to_owned()], what.to_owned())),
        }
    }
    out.into_iter().map(|(at, hosts, what)| format!("{at:>9} {} {what}", hosts.join(" "))).collect()
}
