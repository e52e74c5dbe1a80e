//! The real core of the coordinator in a loop, without a store: what the forecast's hosts talk to.
//!
//! Heartbeats are not simulated one by one: a host that lives is heard from, and one that is lost becomes silent at the
//! moment at which the index of due moments would have said so.

use std::collections::BTreeSet;

use pilotage_coordinator_core::change::Touched;
use pilotage_coordinator_core::input::{Via, What};
use pilotage_coordinator_core::plan::explain;
use pilotage_coordinator_core::waiting::Waiting;
use pilotage_coordinator_core::world::configuration::{Configuration, Numbers, Pair};
use pilotage_coordinator_core::world::{Hold, Note, Settings};
use pilotage_coordinator_core::{Answer, Change, Input, Rejected, Request, World, admit};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::time::{Millis, Time};

use super::open::EPOCH;
use super::{Config, Package, Refusal, Scenario};

/// Nobody falls silent by the planner's own clock within a forecast (a heartbeat of ten years).
const NEVER: Millis = Millis(10 * 366 * 86_400_000);

/// The coordinator of a forecast.
#[derive(Clone, Debug)]
pub struct Center {
    /// All it knows.
    pub world: World,
    fleet: FleetName,
    app: AppName,
    /// Fleets to plan again.
    fleets: BTreeSet<FleetName>,
    /// Whose intents may differ since they were last asked for.
    hosts: Vec<HostName>,
    /// Everybody's may.
    everybody: bool,
}

/// Whose intents may differ.
#[derive(Debug)]
pub enum Concerned {
    /// Of all members.
    Everybody,
    /// Of these; some may stand there twice.
    Hosts(Vec<HostName>),
}

/// An input of the person who asks for the forecast, or of a rule.
fn input(by: Principal, request: Request, at: Time) -> Input {
    Input { by, via: Via::Own, reason: Reason::default(), at, idempotency: None, request }
}

fn person() -> Principal {
    Principal::Local { uid: 0, user: Why::lossy("forecast") }
}

impl Center {
    /// Started, with nothing in it.
    pub fn new(scenario: &Scenario, now: Time) -> Result<Self, Rejected> {
        let world = World::new(Settings { heartbeat: NEVER });
        let mut center = Self {
            world,
            fleet: scenario.spec.name.clone(),
            app: scenario.spec.app.clone(),
            fleets: BTreeSet::new(),
            hosts: Vec::new(),
            everybody: false,
        };
        let start = Request::Start { epoch: EPOCH };
        center.take(&input(Principal::Rule { name: Why::lossy("start") }, start, now), now)?;
        center.apply(&Change::StartupOver);
        Ok(center)
    }

    /// Admits one input and applies it; it is planned at the next [`Center::settle`].
    pub fn take(&mut self, input: &Input, now: Time) -> Result<Answer, Rejected> {
        let admitted = admit(&self.world, input, now)?;
        for change in &admitted.changes {
            self.apply(change);
        }
        Ok(admitted.answer)
    }

    /// Admits a host's status and applies it. Its own wish is derived again only when more than its facts changed, as when a
    /// loan has ended: what others have to do about the facts is planned, and planning tells whom it concerns.
    pub fn status(&mut self, input: &Input, now: Time) -> Result<(), Rejected> {
        for change in &admit(&self.world, input, now)?.changes {
            let touched = self.world.apply(change);
            self.fleets.extend(touched.fleets);
            self.everybody |= !touched.everybody.is_empty();
            if !matches!(change, Change::Heard { .. } | Change::Noted { .. } | Change::Observed { .. }) {
                self.hosts.extend(touched.hosts);
            }
        }
        Ok(())
    }

    /// Admits what a person asks.
    pub fn ask(&mut self, request: Request, now: Time) -> Result<Answer, Rejected> {
        self.take(&input(person(), request, now), now)
    }

    /// The same for what a host asks.
    pub fn hear(&mut self, by: &Principal, request: Request, now: Time) -> Result<Answer, Rejected> {
        self.take(&input(by.clone(), request, now), now)
    }

    /// Applies a change that the passing of time makes.
    pub fn apply(&mut self, change: &Change) {
        let touched = self.world.apply(change);
        self.fleets.extend(touched.fleets);
        self.hosts.extend(touched.hosts);
        self.everybody |= !touched.everybody.is_empty();
    }

    /// Makes a package known as the live coordinator knows it.
    pub fn package(&mut self, package: &Package, app: &AppName, now: Time) -> Result<(), Rejected> {
        let Package { digest, version, bytes, .. } = package;
        self.ask(Request::PutPackage { digest: *digest, app: app.clone(), version: version.clone(), files: 1, bytes: *bytes }, now)?;
        match &package.refusal {
            None => {}
            Some(Refusal::Blocked) => {
                self.ask(Request::BlockPackage { digest: *digest }, now)?;
            }
            Some(Refusal::Held { by, why }) => {
                let record = self.world.packages.get(digest).cloned();
                if let Some(mut package) = record {
                    package.held = Some(Hold { by: by.clone(), at: now, why: why.clone() });
                    self.apply(&Change::PackagePut { package });
                }
            }
        }
        Ok(())
    }

    /// Declares the fleet as it stands: with its settled release.
    pub fn declare(&mut self, scenario: &Scenario, now: Time) -> Result<(), Rejected> {
        let spec = Box::new(scenario.spec.clone());
        let admitted = admit(&self.world, &input(person(), Request::PutFleet { spec }, now), now)?;
        for change in admitted.changes {
            match change {
                Change::FleetPut { mut fleet } => {
                    (fleet.settled, fleet.newest) = (scenario.settled, scenario.newest);
                    self.apply(&Change::FleetPut { fleet });
                }
                other => self.apply(&other),
            }
        }
        Ok(())
    }

    /// Makes a configuration known as the live coordinator knows it.
    pub fn configuration(&mut self, scenario: &Scenario, now: Time) {
        let Config::This { number, digest, held } = &scenario.config else { return };
        let (app, fleet, note) = (self.app.clone(), self.fleet.clone(), Note { by: person(), reason: Reason::default(), at: now });
        let configuration = Configuration { app, number: *number, digest: *digest, fleet, numbers: Numbers::default(), added: note };
        self.apply(&Change::ConfigurationPut { configuration });
        if let Some((by, why)) = held {
            let pair = Pair { package: scenario.package.digest, config: Some(*digest) };
            self.world.held_pairs.insert(pair, Hold { by: by.clone(), at: now, why: why.clone() });
        }
    }

    /// Asks for the deployment that is forecast.
    pub fn deploy(&mut self, scenario: &Scenario, now: Time) -> Result<DeploymentId, Rejected> {
        let package = What::Package(scenario.package.digest);
        let what = match scenario.config {
            Config::Current => package,
            Config::Without => What::Configured { what: Box::new(package), config: None },
            Config::This { number, .. } => What::Configured { what: Box::new(package), config: Some(number) },
        };
        let answer = self.ask(Request::Deploy { fleet: self.fleet.clone(), what, file_exists: None }, now)?;
        let Answer::Deployment(id) = answer else { return Err(Rejected::UnknownFleet(self.fleet.clone())) };
        Ok(id)
    }

    /// Plans until nothing is left to do; `each` sees every change after it was applied. Gives when to ask again.
    pub fn settle(&mut self, now: Time, mut each: impl FnMut(&Change)) -> Option<Time> {
        let fleets = std::mem::take(&mut self.fleets);
        let (hosts, everybody) = (&mut self.hosts, &mut self.everybody);
        self.world.settle(fleets, now, |change: &Change, touched: &Touched| {
            hosts.extend(touched.hosts.iter().cloned());
            *everybody |= !touched.everybody.is_empty();
            each(change);
        })
    }

    /// Whose intents may differ since this was last asked.
    pub fn concerned(&mut self) -> Concerned {
        let hosts = std::mem::take(&mut self.hosts);
        if std::mem::take(&mut self.everybody) { Concerned::Everybody } else { Concerned::Hosts(hosts) }
    }

    /// How many members the floor counts now. O(groups).
    pub fn available(&self) -> u32 {
        self.world.groups.get(&self.fleet).into_iter().flatten().filter(|(facts, _)| facts.counts()).map(|(_, hosts)| hosts.len() as u32).sum()
    }

    /// Groups of members with the same facts: what a decision costs.
    pub fn groups(&self) -> usize {
        self.world.groups.get(&self.fleet).map_or(0, |groups| groups.len())
    }

    /// What the deployment waits for.
    pub fn explain(&self, id: &DeploymentId, now: Time) -> Vec<Waiting> {
        explain(&self.world, id, now)
    }

    /// The host's wish as the coordinator has it now.
    pub fn intent(&self, host: &HostName) -> Option<pilotage_shared::intent::Intent> {
        self.world.intent(&self.app, host)
    }

    /// The release that is being deployed.
    pub fn target(&self, id: &DeploymentId) -> Option<Release> {
        self.world.deployments.get(id).map(|d| d.release)
    }
}
