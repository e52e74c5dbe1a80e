//! The hosts' side of the simulation: agents are stepped, deployers go on, applications die.

use std::collections::BTreeMap;

use pilotage_shared::health::Standing;
use pilotage_shared::intent::Intent;
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::run::{Outcome, Phase};
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Frame;

use super::{Event, Simulation};
use crate::agent::{Agent, Output, Outside};
use crate::coverage::{Coverage, Fault, HostPhase, Inborn, Rule, kinds};
use crate::machine::Machine;
use crate::network::{LinkId, Side};
use crate::promises::capacity::Truth;
use crate::promises::grant::{fleet_of, looked_at};
use crate::promises::host::Begin;
use crate::trace::Trace;
use crate::truth::Behaviours;
use crate::truth::run::{Scene, Step};

impl Simulation {
    /// A frame arrives at a host.
    pub(super) fn arrives_down(&mut self, link: LinkId, frame: Frame) {
        let Some(host) = self.network.link(link).map(|l| l.host.clone()) else { return };
        if let Some(until) = self.stalled_until(&host) {
            self.plan_event(until, Event::Down { link, frame: Box::new(frame) });
            return;
        }
        if let Frame::Intent(intent, _, _) = &frame
            && self.machines.get(&host).and_then(|m| m.agent.as_ref()?.session.as_ref()).is_some_and(|s| s.id == intent.session)
            && let Some(disk) = self.machines.get(&host).map(|m| &m.disk)
        {
            let seen = disk.slots.get(&intent.app).map(|slot| slot.seen).unwrap_or_default();
            self.promises.arrives(&host, disk.host.ledger, seen, intent);
        }
        self.with_agent(&host, |agent, machine, outside| agent.receive(machine, link, frame, outside));
    }

    pub(super) fn host_sees_closed(&mut self, link: LinkId) {
        let Some(host) = self.network.link(link).map(|l| l.host.clone()) else { return };
        self.network.close(link, Side::Host);
        self.with_agent(&host, |agent, machine, outside| agent.broken(machine, link, outside));
    }

    /// Steps a living agent, does what it wants, and plans its next moment.
    pub(super) fn with_agent(&mut self, host: &HostName, act: impl FnOnce(&mut Agent, &mut Machine, &Outside<'_>) -> Vec<Output>) {
        self.look(host);
        if self.stalled_until(host).is_some() {
            return;
        }
        let retry = Millis(self.rng.between(200, 3000));
        let Some(machine) = self.machines.get_mut(host).filter(|m| m.on) else { return };
        let Some(mut agent) = machine.agent.take() else { return };
        let fetch_fails = self.luck.fetch_fails > 0 && self.rng.chance(self.luck.fetch_fails) || self.next_fetch_fails.contains(host);
        // The moment between two writes is short: an agent that may die at all may die in it.
        let dies_in_begin = self.luck.crash_agent > 0 && self.rng.chance(self.luck.crash_agent * 10) || self.next_begin_dies.contains(host);
        let outside = Outside { behaviours: &self.behaviours, now: self.now, retry, fetch_fails, dies_in_begin };
        let outputs = act(&mut agent, machine, &outside);
        if let Some(session) = &agent.session {
            self.promises.meets(host, machine.disk.host.ledger, session.id.epoch);
        }
        machine.agent = Some(agent);
        for output in outputs {
            self.output(host, output);
        }
        self.plan_host(host);
        if self.luck.crash_agent > 0 && self.rng.chance(self.luck.crash_agent) {
            self.crash_agent(host);
        }
    }

    /// Plans the next moments of a host's processes.
    pub(super) fn plan_host(&mut self, host: &HostName) {
        let Some(machine) = self.machines.get(host) else { return };
        let wake = machine.agent.as_ref().map(|a| machine.at(a.wake_at()).max(self.now));
        let runs: Vec<(AppName, Time)> = machine.runs.iter().filter_map(|(app, u)| Some((app.clone(), u.run.living?))).collect();
        match (wake, self.wakes.get(host).copied()) {
            (Some(at), Some((planned, _))) if planned == at => {}
            (Some(at), _) => {
                let serial = self.plan_event(at, Event::Wake(host.clone()));
                self.wakes.insert(host.clone(), (at, serial));
            }
            (None, _) => {
                self.wakes.remove(host);
            }
        }
        for (app, at) in runs {
            let key = (host.clone(), app.clone());
            if self.stages.get(&key) != Some(&at) {
                self.stages.insert(key, at);
                self.plan_event(at, Event::Deployer(host.clone(), app));
            }
        }
    }

    fn output(&mut self, host: &HostName, output: Output) {
        match output {
            Output::Dial(hello) => {
                let link = self.network.open(host);
                if let Some(agent) = self.machines.get_mut(host).and_then(|m| m.agent.as_mut()) {
                    agent.link = Some(link);
                }
                self.send(link, Side::Host, Frame::Hello(hello));
            }
            Output::Send(mut frame) => {
                let link = self.machines.get(host).and_then(|m| m.agent.as_ref()?.link);
                if let Frame::Status(status) = &mut frame
                    && self.liar.as_ref() == Some(host)
                {
                    self.twist(status);
                } else if let Frame::Status(status) = &frame {
                    let ledger = self.machines.get(host).map(|m| m.disk.host.ledger);
                    for (app, slot) in &status.slots {
                        if let Some(ledger) = ledger {
                            self.promises.seen(host, ledger, app, slot.seen);
                        }
                    }
                    let down = |app: &AppName| status.slots.get(app).is_some_and(|s| s.standing == Standing::Down && s.run.is_none());
                    if self.machines.get(host).is_some_and(|m| m.apps.iter().any(|(app, a)| down(app) && a.served)) {
                        self.coverage.rule(Rule::R9);
                    }
                    self.trace.line(self.now, || format!("{host} says {}", crate::trace::status(status)));
                }
                if let Some(link) = link {
                    self.send(link, Side::Host, frame);
                }
            }
            Output::HangUp(link) => self.close(link, Side::Host),
            Output::Begins { intent, age, busy } => {
                self.trace.line(self.now, || format!("{host} begins generation {}", intent.generation));
                self.coverage.count("host", "begins");
                let Some(machine) = self.machines.get(host) else { return };
                let begin = Begin {
                    host,
                    ledger: machine.disk.host.ledger,
                    intent: &intent,
                    busy,
                    pinned: machine.disk.slots.get(&intent.app).is_some_and(|s| s.pinned.is_some()),
                    blocked: &machine.disk.host.blocked.packages,
                    age,
                    lease: self.coordinator.settings().lease(),
                    of_this_life: self.coordinator.world().and_then(|w| w.epoch) == Some(intent.session.epoch),
                };
                self.promises.begins(&begin);
                self.is_taken(host, &intent);
                let limited = looked_at(self.machines.len(), host) && self.promises.is_limited(host, &intent);
                if let Some(deployment) = intent.deployment.as_ref().filter(|_| limited) {
                    let app = &intent.app;
                    // Who left, or was retired by a person, is in no batch any more (R13).
                    let stored = self.coordinator.life.is_none().then(|| self.coordinator.stored());
                    let world = self.coordinator.world().or(stored.as_ref());
                    let member =
                        |name: &HostName| world.and_then(|w| fleet_of(w, &intent.app, name)).is_some_and(|f| f.spec.name == deployment.fleet);
                    let runs = self.machines.iter().filter_map(|(name, m)| Some((name, m.runs.get(app)?.permit.as_ref()?)));
                    let runs: Vec<_> = runs.filter(|(name, _)| member(name)).collect();
                    // Another coordinator that lives on knows a deployment of the same name (R33).
                    let runs: Vec<_> =
                        runs.into_iter().filter(|(_, permit)| self.other.is_none() || permit.session.epoch == intent.session.epoch).collect();
                    let runs: Vec<_> = runs.into_iter().filter(|(name, _)| !self.promises.doubtful.contains(*name)).collect();
                    self.promises.batch(deployment, (host, &intent), &runs);
                }
                self.telling.begins(self.now, host, &intent);
            }
            Output::Kept(rule) => self.coverage.rule(rule),
            Output::FetchFails => {
                self.next_fetch_fails.remove(host);
                self.strikes(Fault::FetchFailed, host);
            }
            Output::DiesInBegin => {
                self.next_begin_dies.remove(host);
                // Its loan is out: that is the phase that it dies in.
                self.coverage.fault(Fault::DiedInBegin);
                self.coverage.pair(HostPhase::Permitted, Fault::DiedInBegin);
                self.crash_agent(host);
            }
            Output::BeginsAgain(app) => {
                self.coverage.rule(Rule::R27);
                self.trace.line(self.now, || format!("{host} starts {app} again"));
                let alive = self.machines.get(host).and_then(|m| m.apps.get(&app)).is_some_and(|a| a.process.is_some());
                self.promises.must(!alive, "2 only what is gone is started again", || format!("{host} starts {app} again, and it lives"));
            }
            Output::SecondDeployer(app) => {
                self.promises.breaks("4 one run at a time", || format!("{host} starts a second deployer of {app} beside a living one"));
            }
            Output::Closed(app, run) => {
                let Some(machine) = self.machines.get(host) else { return };
                if let Some(application) = machine.apps.get(&app) {
                    let running = machine.disk.slots.get(&app).and_then(|s| s.running);
                    let hands = matches!(run.ending(), Some((Outcome::NeedsHands { .. }, _)));
                    self.promises.ended(host, &run, application);
                    if !hands {
                        self.promises.says(host, running, application);
                    }
                }
                if let Some((ended, turned)) = run.ending() {
                    self.coverage.count("run", kinds::run(ended));
                    if turned {
                        self.coverage.count("host", "turned back as asked");
                    }
                    if matches!(ended, Outcome::NotBegun { .. }) {
                        self.coverage.rule(Rule::R6);
                    }
                    self.trace.line(self.now, || format!("{host} ended generation {:?}: {ended:?}", run.request.generation()));
                    self.telling.ended(self.now, host, &run);
                }
            }
        }
    }

    /// A deployer's process comes to the end of its task.
    pub(super) fn deployer_goes_on(&mut self, host: &HostName, app: &AppName) {
        let key = (host.clone(), app.clone());
        if self.stages.get(&key) == Some(&self.now) {
            self.stages.remove(&key);
        }
        self.look(host);
        let now = self.now;
        let Some(machine) = self.machines.get_mut(host).filter(|m| m.on) else { return };
        let (uptime, wall, boot, pace) = (machine.uptime(now), machine.wall(now), machine.boot, machine.pace);
        let Some(underway) = machine.runs.get_mut(app).filter(|u| u.run.living == Some(now)) else { return };
        let standing = machine.agent.as_ref().and_then(|a| Some(a.apps.get(app)?.standing(machine.disk.slots.get(app)?, uptime)));
        let application = machine.apps.entry(app.clone()).or_default();
        let scene = Scene { host, behaviours: &self.behaviours, pace, now, wall, uptime, boot, blocked: &machine.disk.host.blocked };
        let before = underway.run.directory.starts();
        let served = application.serves(host, &self.behaviours, now);
        let step = underway.run.advance(application, &scene);
        let anew = underway.run.directory.starts() > before;
        let phase = underway.run.directory.phase();
        match &step {
            Step::Disturbs => {
                let permit = underway.permit.clone();
                application.disturbed = Some(now);
                application.restored = None;
                // While its agent is dead nobody measures, and nobody revokes: what it was at the begin stands, for a lease.
                let down = standing.unwrap_or(underway.standing) == Standing::Down;
                match permit {
                    // What is `down` by its own measure is free, also in a moment when it answers (R10, §7 g).
                    Some(_) if served && down => self.coverage.count("host", "takes what answers again"),
                    Some(permit) if served => self.takes_out(host, app, &permit),
                    Some(_) => self.coverage.count("host", "takes what is down"),
                    // A person at the host needs nobody's leave; for the others it is as if it had died by itself.
                    None => application.own_deaths.push(now),
                }
            }
            Step::Ended => {
                self.promises.truly_ended(host, &underway.run, application);
                underway.run.went_wrong.iter().for_each(|fault| self.coverage.fault(*fault));
                if matches!(underway.run.directory.ending(), Some((Outcome::Committed, _))) {
                    machine.kept.insert(underway.run.directory.to());
                }
                if underway.disturbed() {
                    application.restored = application.process.map(|p| p.started);
                }
                application.served = application.serves(host, &self.behaviours, now);
            }
            Step::Went => {}
            Step::Wrong(what) => self.promises.breaks("4 the journal", || format!("{host}: {what}")),
        }
        self.trace.line(now, || format!("{host} {}", if step == Step::Ended { "run over".into() } else { format!("{phase:?}") }));
        if matches!(phase, Phase::Back(_)) && step == Step::Went {
            self.coverage.count("host", "turns back in a run");
        }
        if self.luck.crash_agent > 0 && self.rng.chance(self.luck.crash_agent * 5) {
            self.crash_deployer(host);
        }
        self.with_agent(host, |agent, machine, outside| {
            if anew {
                agent.restarted(app, machine.uptime(outside.now));
            }
            agent.step(machine, outside)
        });
        self.plan_host(host);
    }

    /// P1 and P2 at the moment that matters.
    fn takes_out(&mut self, host: &HostName, app: &AppName, permit: &Intent) {
        self.coverage.count("host", "takes what serves");
        if !looked_at(self.machines.len(), host) {
            return self.is_taken(host, permit);
        }
        let (behaviours, now) = (&self.behaviours, self.now);
        for (name, machine) in &mut self.machines {
            look(name, machine, behaviours, now, &mut self.coverage, &mut self.trace);
        }
        let truth: BTreeMap<HostName, Truth> = self.machines.iter().map(|(name, m)| (name.clone(), truth(m, app, self))).collect();
        self.promises.disturbed(&self.coordinator, (host, permit), &truth, self.now, &mut self.coverage);
        self.is_taken(host, permit);
        self.telling.takes(&truth);
    }

    /// P2, of the coordinator whose permission it is: another that lives on beside it learns of it by silence only (R33).
    fn is_taken(&mut self, host: &HostName, permit: &Intent) {
        if self.epoch_elsewhere() != Some(permit.session.epoch) {
            self.promises.taken(self.coordinator.world(), &permit.app, host);
        }
    }

    /// Notices what has died by itself.
    pub(super) fn look(&mut self, host: &HostName) {
        if let Some(machine) = self.machines.get_mut(host) {
            look(host, machine, &self.behaviours, self.now, &mut self.coverage, &mut self.trace);
        }
    }
}

fn look(host: &HostName, machine: &mut Machine, behaviours: &Behaviours, now: Time, coverage: &mut Coverage, trace: &mut Trace) {
    let Machine { apps, runs, .. } = machine;
    for (name, app) in apps {
        app.settle(host, behaviours, now);
        let serves = app.serves(host, behaviours, now);
        if app.served && !serves && !runs.get(name).is_some_and(|u| u.disturbed()) {
            app.own_deaths.push(now);
            coverage.fault(Fault::Inborn(Inborn::DiedLater));
            trace.line(now, || format!("{host} {name} dies by itself"));
        }
        app.served = serves;
    }
}

/// The truth about one machine's application.
pub fn truth(machine: &Machine, app: &AppName, simulation: &Simulation) -> Truth {
    let application = machine.apps.get(app);
    Truth {
        join: machine.id.join,
        serves: machine.on && application.is_some_and(|a| a.serves(machine.name(), &simulation.behaviours, simulation.now)),
        installed: machine.on && application.is_some_and(|a| a.installed.is_some()),
        in_change: machine.runs.contains_key(app),
        restored: application.and_then(|a| a.restored),
        own_deaths: application.map(|a| a.own_deaths.clone()).unwrap_or_default(),
        measured: machine.checks.get(app).zip(machine.measured.get(app)).map(|((check, _), since)| (check.clone(), *since)),
    }
}
