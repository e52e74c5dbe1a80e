//! Where deeds are done: the simulated world, and what its people know of it. Seeds and stories play on the same stage, so
//! that what happened in a seed can be told as a story.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::world::configuration::Numbers;
use pilotage_coordinator_core::{Answer, Rejected, Request};
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::Labels;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Version};
use pilotage_shared::time::{Millis, Time};

use super::deed::{Already, Deed, Named};
use crate::network::Rates;
use crate::rng::Rng;
use crate::simulation::Simulation;

/// What somebody hears who has done something; who asks nobody hears nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The coordinator's answer; none when it is down, or dies before it answers.
    Answer(Option<Result<Answer, Rejected>>),
    /// It cannot be done.
    Wrong(String),
}

impl Reply {
    /// It was done.
    pub fn is_good(&self) -> bool {
        matches!(self, Reply::Answer(Some(Ok(_))))
    }
}

/// The world, and what is known of it.
pub struct Stage {
    /// The world.
    pub sim: Simulation,
    /// Apps that were ever named.
    pub apps: Vec<AppName>,
    /// Fleets that were declared.
    pub fleets: Vec<FleetName>,
    /// Versions that were pushed, by app.
    pub versions: Vec<(AppName, Version)>,
    /// Names that were joined.
    pub hosts: Vec<HostName>,
    /// The same names.
    known: BTreeSet<HostName>,
    /// This host says anything.
    pub liar: Option<HostName>,
    /// What was answered under a key.
    once: BTreeMap<u64, Answer>,
    /// Which app is meant where none is named.
    app: AppName,
}

impl Stage {
    /// A world with a coordinator that has started, and nothing else.
    pub fn new() -> Self {
        let sim = started(1, Millis::seconds(5));
        let app = AppName::new("web").expect("a valid name");
        Self {
            sim,
            apps: Vec::new(),
            fleets: Vec::new(),
            versions: Vec::new(),
            hosts: Vec::new(),
            known: BTreeSet::new(),
            liar: None,
            once: BTreeMap::new(),
            app,
        }
    }

    /// Does one deed.
    pub fn perform(&mut self, deed: &Deed) -> Vec<Reply> {
        if !matches!(deed, Deed::Tick(_)) {
            self.sim.promises.fruitless.clear();
        }
        let sim = &mut self.sim;
        match deed {
            Deed::Draws { seed, heartbeat } => return self.begin_anew(*seed, *heartbeat),
            Deed::Network { seed, rates } => sim.network.weather(Rng::new(*seed), *rates),
            Deed::Luck(luck) => sim.luck = *luck,
            Deed::Hosts(count, zones, already) => return self.join_all(*count, zones, *already),
            Deed::Join(host, labels, serves) => return vec![self.join(host, labels.clone(), serves)],
            Deed::Machine(host, drift, init) => sim.character(host, *drift, *init),
            Deed::Fleet(spec) => {
                self.app = spec.app.clone();
                self.know_app(&spec.app);
                let reply = self.request(Request::PutFleet { spec: spec.clone() });
                if reply.is_good() && !self.fleets.contains(&spec.name) {
                    self.fleets.push(spec.name.clone());
                }
                return vec![reply];
            }
            Deed::Package(named, behaviour) => {
                let app = self.app(&named.app);
                self.know_app(&app);
                let reply = Reply::Answer(self.sim.push(&app, &named.version, *behaviour).1);
                if reply.is_good() {
                    self.versions.push((app, named.version.clone()));
                }
                return vec![reply];
            }
            Deed::Fail(host, behaviour, named) => {
                let digest = self.digest(named);
                self.sim.behaviours.set(digest, host.as_ref(), *behaviour);
            }
            Deed::Unfleet(fleet) => return self.asks(Request::DeleteFleet { fleet: fleet.clone() }),
            Deed::Label(host, labels) => return self.asks(Request::LabelHost { host: host.clone(), labels: labels.clone() }),
            Deed::Deploy(fleet, version) => {
                return self.asks(Request::Deploy { fleet: fleet.clone(), what: What::Version(version.clone()), file_exists: None });
            }
            Deed::DeployConfigured(fleet, version, number) => {
                let what = What::Configured { what: Box::new(What::Version(version.clone())), config: Some(*number) };
                return self.asks(Request::Deploy { fleet: fleet.clone(), what, file_exists: None });
            }
            Deed::Config(fleet, content, behaviour) => {
                sim.behaviours.set(config(content), None, *behaviour);
                return vec![self.configure(fleet, content, true)];
            }
            Deed::Register(fleet, content) => return vec![self.configure(fleet, content, false)],
            Deed::ReleaseConfig(number) => return self.asks(Request::ReleaseConfiguration { app: self.app.clone(), number: *number }),
            Deed::Restart(fleet) => return self.asks(Request::Deploy { fleet: fleet.clone(), what: What::Restart, file_exists: None }),
            Deed::Once(key, fleet) => return vec![self.once(*key, fleet)],
            Deed::Pause(fleet) => return self.about(fleet, |id| Request::Pause { id }),
            Deed::Resume(fleet) => return self.asks(Request::Resume { fleet: fleet.clone() }),
            Deed::Cancel(fleet) => return self.about(fleet, |id| Request::Cancel { id }),
            Deed::Rollback(fleet) => return self.about(fleet, |id| Request::Rollback { id }),
            Deed::Release(named) => return self.asks(Request::ReleasePackage { digest: self.digest(named) }),
            Deed::Delete(named) => return vec![self.delete(named)],
            Deed::Block(named) => return self.asks(Request::BlockPackage { digest: self.digest(named) }),
            Deed::Unblock(named) => return self.asks(Request::UnblockPackage { digest: self.digest(named) }),
            Deed::Cordon(host) => return self.asks(Request::CordonHost { host: host.clone() }),
            Deed::Uncordon(host) => return self.asks(Request::UncordonHost { host: host.clone() }),
            Deed::Retire(host) => return self.asks(Request::RetireHost { host: host.clone() }),
            Deed::Retry(host) => return self.asks(Request::RetryHost { host: host.clone() }),
            Deed::Maintain(host, on) => return self.asks(Request::MaintainHost { host: host.clone(), on: *on }),
            Deed::Recover { keep_backup, go_on } => return self.asks(Request::Recover { keep_backup: *keep_backup, go_on: *go_on }),
            Deed::Hands(host, app, wish) => {
                let app = self.app(app);
                self.sim.hands(host, &app, *wish);
            }
            Deed::Disk(host, full) => sim.fill_disk(host, *full),
            Deed::Tick(span) => sim.run_until(sim.now + *span),
            Deed::CrashCoordinator { again } => sim.kill_coordinator(*again),
            Deed::StartCoordinator => sim.boot_coordinator(),
            Deed::Backup => sim.back_up(),
            Deed::SwapBackups => sim.swap_backups(),
            Deed::Restore { by_hand } => sim.restore(!by_hand),
            Deed::SecondCoordinator => sim.second_coordinator(),
            Deed::SwapCoordinators => sim.swap_coordinators(),
            Deed::RestartAgents(Some(host)) => sim.crash_agent(host),
            Deed::RestartAgents(None) => self.hosts.iter().for_each(|host| sim.crash_agent(host)),
            Deed::Stall(host, span) => sim.stall(host, *span),
            Deed::Kill(host) => sim.power_off(host),
            Deed::Boot(host) => sim.power_on(host),
            Deed::Reboot(host, span) => sim.reboot(host, span.0),
            Deed::Reimage(host, span) => sim.reimage(host, span.0),
            Deed::JumpClock(host, by) => sim.jump_clock(host, *by),
            Deed::Next(next) => sim.comes_next(next),
            Deed::CrashApp(host, app) => {
                let app = self.app(app);
                self.sim.crash_app(host, &app);
            }
            Deed::CrashDeployer(host) => sim.crash_deployer(host),
            Deed::LoseLedger(host) => sim.lose_ledger(host),
            Deed::Clone(host) => sim.clone_host(host),
            Deed::Snapshot(host) => sim.snapshot(host),
            Deed::SetBack(host) => sim.set_back(host),
            Deed::Starve(host, app, starved) => {
                let app = self.app(app);
                self.sim.starve(host, &app, *starved);
            }
            Deed::Partition(host, cut) => sim.partition(host, *cut),
            Deed::Heal(Some(host)) => sim.heal(host),
            Deed::Heal(None) => self.hosts.iter().for_each(|host| sim.heal(host)),
            Deed::Liar(host) => {
                sim.begin_lying(host);
                self.liar = Some(host.clone());
            }
            Deed::LieTo(host) => sim.lie_to(host),
            Deed::Rest => self.heal(),
        }
        Vec::new()
    }

    /// Asks; true when it was done.
    pub fn ask(&mut self, request: Request) -> bool {
        self.request(request).is_good()
    }

    /// When it is.
    pub fn now(&self) -> Time {
        self.sim.now
    }

    /// The app that is meant.
    pub fn app(&self, named: &Option<AppName>) -> AppName {
        named.as_ref().unwrap_or(&self.app).clone()
    }

    fn begin_anew(&mut self, seed: u64, heartbeat: Millis) -> Vec<Reply> {
        if self.sim.steps() > 0 || !self.hosts.is_empty() || !self.fleets.is_empty() {
            return vec![Reply::Wrong("draws can only be the first line".into())];
        }
        let (trace, telling) = (std::mem::take(&mut self.sim.trace), std::mem::take(&mut self.sim.telling));
        self.sim = Simulation::new(seed, Rates::CALM, heartbeat);
        (self.sim.trace, self.sim.telling) = (trace, telling);
        self.sim.boot_coordinator();
        Vec::new()
    }

    fn join(&mut self, host: &HostName, labels: Labels, serves: &[AppName]) -> Reply {
        let reply = Reply::Answer(self.sim.join(host, labels, serves));
        if self.known.insert(host.clone()) {
            self.hosts.push(host.clone());
        }
        reply
    }

    fn join_all(&mut self, count: u32, zones: &[LabelValue], already: Already) -> Vec<Reply> {
        let foreign = match already {
            Already::Nothing => Vec::new(),
            Already::Foreign => vec![self.app.clone()],
        };
        let label = |key: &str, value: LabelValue| (LabelKey::new(key).expect("a valid name"), value);
        let join = |n: u32| {
            let host = HostName::new(&format!("h{}", n + 1)).expect("a valid name");
            let zone = zones.get(n as usize % zones.len().max(1)).map(|zone| label("zone", zone.clone()));
            let labels = [label("env", LabelValue::lossy("prod"))].into_iter().chain(zone).collect();
            self.join(&host, labels, &foreign)
        };
        (0..count).map(join).collect()
    }

    fn request(&mut self, request: Request) -> Reply {
        Reply::Answer(self.sim.request(request))
    }

    fn asks(&mut self, request: Request) -> Vec<Reply> {
        vec![self.request(request)]
    }

    /// Who asks twice under one key is answered twice the same.
    fn once(&mut self, key: u64, fleet: &FleetName) -> Reply {
        let answer = self.sim.request_once(&key.to_string(), Request::Deploy { fleet: fleet.clone(), what: What::Restart, file_exists: None });
        if let Some(Ok(answer)) = &answer {
            let first = self.once.entry(key).or_insert_with(|| answer.clone());
            let forgotten = self.sim.promises.restored.is_some();
            self.sim.promises.must(first == answer || forgotten, "acknowledged survives", || {
                format!("asked twice under one key, the answers were {first:?} and {answer:?}")
            });
        }
        Reply::Answer(answer)
    }

    fn configure(&mut self, fleet: &FleetName, content: &str, deploy: bool) -> Reply {
        let digest = config(content);
        let numbers = Numbers { files: 1, bytes: 9, variables: 1, secrets: 0 };
        let reply = self.request(Request::PutConfiguration { fleet: fleet.clone(), digest, numbers, deploy });
        if let Reply::Answer(Some(Ok(Answer::Configuration { number, .. }))) = &reply {
            self.sim.telling.number(digest, *number);
        }
        reply
    }

    fn delete(&mut self, named: &Named) -> Reply {
        let (app, digest) = (self.app(&named.app), self.digest(named));
        let reply = self.request(Request::DeletePackage { digest });
        if reply.is_good() {
            self.versions.retain(|(of, version)| (of, version) != (&app, &named.version));
        }
        reply
    }

    fn about(&mut self, fleet: &FleetName, request: impl FnOnce(DeploymentId) -> Request) -> Vec<Reply> {
        let newest = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| f.newest);
        match newest {
            Some(number) => self.asks(request(DeploymentId { fleet: fleet.clone(), number })),
            None => vec![Reply::Wrong(format!("refused: there is no fleet {fleet}"))],
        }
    }

    fn digest(&self, named: &Named) -> Digest {
        Digest::of(format!("{}@{}", self.app(&named.app), named.version).as_bytes())
    }

    fn know_app(&mut self, app: &AppName) {
        if !self.apps.contains(app) {
            self.apps.push(app.clone());
        }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

/// The digest of a configuration of this content.
fn config(content: &str) -> Digest {
    Digest::of(format!("configuration {content}").as_bytes())
}

fn started(seed: u64, heartbeat: Millis) -> Simulation {
    let mut sim = Simulation::new(seed, Rates::CALM, heartbeat);
    sim.boot_coordinator();
    sim
}
