//! The commands of a story, in order: the fleet as it stood, then what people did and what befell it, each at the point of the
//! course at which it came.

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::{Request, What};
use pilotage_coordinator_core::replay::case::Case;
use pilotage_coordinator_core::replay::{Played, TookIn};
use pilotage_coordinator_core::world::facts::{Bar, Counted};
use pilotage_coordinator_core::world::{Deployment, World};
use pilotage_shared::fleet::{FleetSpec, Labels, OnFailure};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::time::{Millis, Time};

use super::faults::{self, Faults};
use super::names::Names;

/// A wait of at least so long is one of people, and no pause between two messages.
const WAIT: Millis = Millis::seconds(10);

/// A story in the making.
pub struct Script {
    /// What everything is called.
    pub names: Names,
    deployment: Deployment,
    before: Vec<String>,
    target: String,
    settled: Option<String>,
    after: Vec<String>,
    /// What has happened last, as a point that the story can wait for; and when.
    last: (Option<String>, Time),
    silent: Vec<HostName>,
}

impl Script {
    /// The fleet as it stands before the deployment. None: there is no such fleet.
    pub fn begin(world: &World, deployment: &Deployment, anonymous: bool) -> Option<Script> {
        let fleet = world.fleets.get(&deployment.id.fleet)?;
        let mut names = Names::new(&fleet.spec, anonymous);
        let (mut before, mut silent) = (Vec::new(), Vec::new());
        let mut members: Vec<(&HostName, &pilotage_coordinator_core::world::facts::Facts)> = Vec::new();
        for (facts, hosts) in world.groups.get(&deployment.id.fleet)? {
            members.extend(hosts.iter().map(|host| (host, &**facts)));
        }
        members.sort_by_key(|(host, _)| (*host).clone());
        for (host, _) in &members {
            let labels = world.hosts.get(*host).map(|host| host.labels.clone()).unwrap_or_default();
            before.push(format!("join {}{}", names.host(host), scopes(&mut names, &fleet.spec, &labels)));
        }
        before.push(declaration(&names, &fleet.spec));
        let settled =
            fleet.settled.filter(|settled| settled.package != deployment.release.package).map(|release| names.version(world, &release.package));
        let target = names.version(world, &deployment.release.package);
        if let Some(settled) = &settled {
            before.extend([format!("package {settled}"), format!("deploy {} {settled}", names.fleet()), "until done".to_owned()]);
        }
        for (host, facts) in &members {
            // Who is not heard yet comes by itself.
            if facts.standing == Counted::Unreachable {
                silent.push((*host).clone());
            }
            let host = names.host(host);
            match facts.bar {
                Some(Bar::Cordoned) => before.push(format!("cordon {host}")),
                Some(Bar::Maintenance) => before.push(format!("maintain {host}")),
                Some(Bar::Pinned) => before.push(format!("pin {host}")),
                Some(Bar::Quarantined | Bar::NeedsHands | Bar::Declines) | None => {}
            }
            if facts.standing == Counted::Unreachable {
                before.extend([format!("partition {host}"), format!("until {host} unreachable")]);
            }
        }
        let last = (None, deployment.started.at);
        Some(Script { names, deployment: deployment.clone(), before, target, settled, after: Vec::new(), last, silent })
    }

    /// A turn was played.
    pub fn turn(&mut self, world: &World, played: &Played) {
        for TookIn { at, input, decided } in &played.inputs {
            if let Some(command) = self.asked(world, &input.request) {
                self.wait(*at);
                self.after.push(command);
            }
            self.see(world, *at, &decided.changes);
        }
        if let Some((at, changes)) = &played.plan {
            self.see(world, *at, changes);
        }
    }

    fn see(&mut self, world: &World, at: Time, changes: &[Change]) {
        let fleet = self.deployment.id.fleet.clone();
        let own = |host: &HostName| world.member_of.get(host).is_some_and(|fleets| fleets.values().any(|of| *of == fleet));
        let mut happened = Vec::new();
        for change in changes {
            match change {
                Change::Lent { host, loan, .. } if loan.deployment == self.deployment.id => happened.push((host.clone(), "in change")),
                Change::Observed { host, status, .. } if own(host) && status.run.is_some() => happened.push((host.clone(), "in change")),
                Change::Observed { host, status, .. }
                    if own(host) && status.standing == Standing::Available && status.running == Some(self.deployment.release) =>
                {
                    happened.push((host.clone(), "available"));
                }
                Change::Silent { host } if own(host) && at > self.deployment.started.at => {
                    let name = self.names.host(host);
                    self.wait(at);
                    self.after.extend([format!("partition {name}"), format!("until {name} unreachable")]);
                    self.silent.push(host.clone());
                }
                Change::Confirmed { host, .. } if self.silent.contains(host) => {
                    self.silent.retain(|silent| silent != host);
                    let name = self.names.host(host);
                    self.wait(at);
                    self.after.push(format!("heal {name}"));
                }
                Change::Started { .. } => {
                    self.wait(at);
                    self.after.extend(["crash coordinator".to_owned(), "tick 2s".to_owned(), "start coordinator".to_owned()]);
                }
                _ => {}
            }
        }
        if let Some((host, what)) = happened.pop() {
            let name = self.names.host(&host);
            self.last = (Some(format!("until {name} {what}")), at);
        }
    }

    /// Waits for what had happened when something was done: times are the simulator's own.
    fn wait(&mut self, at: Time) {
        self.after.extend(self.last.0.take());
        let span = at - self.last.1;
        if span >= WAIT {
            self.after.push(format!("tick {}s", span.0 / 1000));
        }
        self.last.1 = at;
    }

    /// What a person asked for, as a command.
    fn asked(&mut self, world: &World, request: &Request) -> Option<String> {
        let own = |id: &DeploymentId| id.fleet == self.deployment.id.fleet;
        let fleet = self.names.fleet().to_owned();
        Some(match request {
            Request::Pause { id } if own(id) => format!("pause {fleet}"),
            Request::Cancel { id } if own(id) => format!("cancel {fleet}"),
            Request::Rollback { id } if own(id) => format!("rollback {fleet}"),
            Request::Resume { fleet: of } if *of == self.deployment.id.fleet => format!("resume {fleet}"),
            Request::Deploy { fleet: of, what, .. } if *of == self.deployment.id.fleet => {
                let newest = world.fleets.get(of).and_then(|fleet| world.newest(fleet))?;
                if newest.id == self.deployment.id {
                    return None;
                }
                match what {
                    What::Restart => format!("restart {fleet}"),
                    // Which configuration it was stands in the story where it was pushed.
                    What::Version(_) | What::Package(_) | What::Settled | What::Configured { .. } => {
                        let version = self.names.version(world, &newest.release.package);
                        self.after.push(format!("package {version}"));
                        format!("deploy {fleet} {version}")
                    }
                }
            }
            Request::PutConfiguration { fleet: of, digest, deploy: true, .. } if *of == self.deployment.id.fleet => {
                format!("config {fleet} {}", digest.short())
            }
            Request::PutFleet { spec } if spec.name == self.deployment.id.fleet => declaration(&self.names, spec),
            Request::CordonHost { host } => format!("cordon {}", self.names.host(host)),
            Request::UncordonHost { host } => format!("uncordon {}", self.names.host(host)),
            Request::MaintainHost { host, on } => format!("{} {}", if *on { "maintain" } else { "unmaintain" }, self.names.host(host)),
            Request::RetireHost { host } => format!("retire {}", self.names.host(host)),
            Request::RetryHost { host } => format!("retry {}", self.names.host(host)),
            Request::LabelHost { host, labels } => {
                let spec = world.fleets.get(&self.deployment.id.fleet)?.spec.clone();
                format!("label {}{}", self.names.host(host), scopes(&mut self.names, &spec, labels))
            }
            Request::AddHost { host, labels, .. } => {
                let spec = world.fleets.get(&self.deployment.id.fleet).filter(|fleet| fleet.spec.select.matches(labels))?.spec.clone();
                format!("join {}{}", self.names.host(host), scopes(&mut self.names, &spec, labels))
            }
            _ => return None,
        })
    }

    /// The whole, without its golden output.
    pub fn text(&self, case: &Case) -> String {
        let fleet = self.names.fleet();
        let over = self.settled.as_ref().map_or_else(String::new, |settled| format!(" over {settled}"));
        let ended = case.ended.as_ref().map_or("was still in course", |ended| ended.outcome.words());
        let whose =
            if self.names.anonymous() { "a deployment".to_owned() } else { format!("{} of {}", self.deployment.id, day(self.deployment.started.at)) };
        let mut lines = vec![
            format!("# {whose}, as it was recorded: {}{over} {ended}.", self.target),
            "# Made by `pilotage replay --as-story`: the fleet, the faults and the hands are those of the recording, the times the simulator's."
                .to_owned(),
            String::new(),
        ];
        let mut command = |text: &str| lines.push(format!("> {text}"));
        self.before.iter().for_each(|text| command(text));
        let (package, fails) = self.faults(case, &self.deployment.release);
        command(&format!("package {}{package}", self.target));
        fails.iter().for_each(|text| command(text));
        command(&format!("deploy {fleet} {}", self.target));
        self.after.iter().for_each(|text| command(text));
        if case.ended.is_some() {
            command("until done");
        }
        command("status");
        lines.join("\n") + "\n"
    }

    fn faults(&self, case: &Case, release: &Release) -> (String, Vec<String>) {
        match faults::of(case, release) {
            Faults::Good => (String::new(), Vec::new()),
            Faults::Everywhere(fault) => (format!(" {}", faults::of_package(&fault)), Vec::new()),
            Faults::Some(hosts) => {
                let named = |host: &HostName| self.names.known(host);
                (String::new(), hosts.iter().map(|(host, fault)| format!("fail {} {fault} on {}", named(host), self.target)).collect())
            }
        }
    }
}

/// The labels that have a floor.
fn scopes(names: &mut Names, spec: &FleetSpec, labels: &Labels) -> String {
    let of = |key| Some(format!(" {key}={}", names.value(key, labels.get(key)?)));
    spec.floor_per.keys().filter_map(of).collect()
}

fn declaration(names: &Names, spec: &FleetSpec) -> String {
    let mut text = format!("fleet {} floor {}", names.fleet(), spec.floor);
    if names.app() != "web" {
        text.push_str(&format!(" app {}", names.app()));
    }
    for (key, floor) in &spec.floor_per {
        text.push_str(&format!(" per {key} {floor}"));
    }
    text.extend(spec.parallel.map(|parallel| format!(" parallel {parallel}")));
    if spec.tolerate.round_down(1_000_000) > 0 {
        text.push_str(&format!(" tolerate {}", spec.tolerate));
    }
    text.push_str(match spec.on_failure {
        OnFailure::Rollback => "",
        OnFailure::Stop => " on-failure stop",
        OnFailure::Pause => " on-failure pause",
    });
    text.extend(spec.stragglers.map(|stragglers| format!(" stragglers {}s {}", stragglers.after.0.div_ceil(1000), stragglers.at_most)));
    text.push_str(if spec.health.is_none() { " no-health" } else { "" });
    text.push_str(if spec.first_install { " first-install" } else { "" });
    text
}

fn day(at: Time) -> String {
    pilotage_shared::api::v1::When(at).to_string().chars().take(10).collect()
}
