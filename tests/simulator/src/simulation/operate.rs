//! What people and misfortune do to the world: requests, crashes, cuts, backups. Stories and seeds use the same words.

use pilotage_agent_core::run::Kind;
use pilotage_coordinator_core::input::{Idempotency, Via};
use pilotage_coordinator_core::{Answer, Rejected, Request};
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::Labels;
use pilotage_shared::name::{AppName, HostName, Version, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::time::Time;

use super::{Event, Origin, Simulation};
use crate::agent::{Agent, Wish};
use crate::coverage::{Fault, Inborn, kinds};
use crate::machine::{Disk, Machine};
use crate::network::{Cut, Side};
use crate::story::deed::Next;
use crate::truth::{Application, Behaviour, Process};

impl Simulation {
    /// A person asks, and waits for the answer; none when the coordinator is down or dies before it answers.
    pub fn request(&mut self, request: Request) -> Option<Result<Answer, Rejected>> {
        self.coordinator.life.as_ref()?;
        self.serial += 1;
        let number = self.serial;
        self.trace.line(self.now, || format!("person: {request:?}").chars().take(300).collect());
        let by = Principal::Local { uid: 1000, user: Why::lossy("maria") };
        self.put_in(Origin::Person(number), by, Via::Api, request);
        self.drain();
        let answer = self.answers.remove(&number);
        if let Some(Err(rejected)) = &answer {
            self.coverage.count("rejected", rejected.code());
        }
        answer
    }

    /// The same under a key: asked again, it is not done again.
    pub fn request_once(&mut self, key: &str, request: Request) -> Option<Result<Answer, Rejected>> {
        self.key = Some(Idempotency { key: Why::lossy(key), request: [7; 32] });
        let answer = self.request(request);
        self.key = None;
        answer
    }

    /// None of these is to come any more.
    pub fn nothing_comes(&mut self) {
        self.next_commit = None;
        self.next_fetch_fails.clear();
        self.next_begin_dies.clear();
    }

    /// The next of its kind goes wrong.
    pub fn comes_next(&mut self, next: &Next) {
        match next {
            Next::FrameLost => self.network.next_fate(Fault::FrameLost),
            Next::FrameLate => self.network.next_fate(Fault::FrameLate),
            Next::FrameRepeated => self.network.next_fate(Fault::FrameRepeated),
            Next::DiedBeforeCommit => self.next_commit = Some(Fault::DiedBeforeCommit),
            Next::CommitFailed => self.next_commit = Some(Fault::CommitFailed),
            Next::CommitTorn => self.next_commit = Some(Fault::CommitTorn),
            Next::DiedBeforeAnswer => self.next_commit = Some(Fault::DiedBeforeAnswer),
            Next::FetchFailed(host) => {
                self.next_fetch_fails.insert(host.clone());
            }
            Next::DiedInBegin(host) => {
                self.next_begin_dies.insert(host.clone());
            }
        }
    }

    /// A machine's clock goes wrongly, and its init may leave applications to the agent.
    pub fn character(&mut self, host: &HostName, drift: i64, init: bool) {
        let Some(machine) = self.machines.get_mut(host) else { return };
        (machine.drift, machine.init) = (drift, init);
        match drift {
            1.. => self.coverage.fault(Fault::Inborn(Inborn::ClockFast)),
            0 => {}
            ..0 => self.coverage.fault(Fault::Inborn(Inborn::ClockSlow)),
        }
    }

    /// A package is pushed; its digest follows from its name.
    pub fn push(&mut self, app: &AppName, version: &Version, behaviour: Behaviour) -> (Digest, Option<Result<Answer, Rejected>>) {
        let digest = Digest::of(format!("{app}@{version}").as_bytes());
        self.telling.name(digest, version.to_string());
        self.behaviours.set(digest, None, behaviour);
        let request = Request::PutPackage { digest, app: app.clone(), version: version.clone(), files: 3, bytes: 1000 };
        (digest, self.request(request))
    }

    /// A machine joins under this name and starts its agent.
    pub fn join(&mut self, host: &HostName, labels: Labels, foreign: &[AppName]) -> Option<Result<Answer, Rejected>> {
        let answer = self.request(Request::AddHost { host: host.clone(), labels, token: [0; 32] });
        if let Some(Ok(Answer::Host(id))) = &answer {
            let mut machine = Machine::new(id.clone(), self.now, &mut self.rng);
            for app in foreign {
                let process = Some(Process { release: None, started: self.now });
                machine.apps.insert(app.clone(), Application { process, served: true, ..Application::default() });
            }
            if !foreign.is_empty() {
                self.coverage.fault(Fault::Inborn(Inborn::ServedBefore));
            }
            self.crash_agent_for_good(host);
            self.promises.twins.remove(host);
            self.machines.insert(host.clone(), machine);
            self.start_agent(host);
        }
        answer
    }

    /// The agent's process dies and is started again soon, as its service manager does.
    pub fn crash_agent(&mut self, host: &HostName) {
        if self.crash_agent_for_good(host) {
            let after = self.rng.between(100, 3000);
            self.plan_event(Time(self.now.0 + after), Event::StartAgent(host.clone()));
        }
    }

    fn crash_agent_for_good(&mut self, host: &HostName) -> bool {
        if self.machines.get(host).is_none_or(|m| m.agent.is_none()) {
            return false;
        }
        self.strikes(Fault::AgentDied, host);
        let Some(agent) = self.machines.get_mut(host).and_then(|m| m.agent.take()) else { return false };
        self.trace.line(self.now, || format!("{host} agent dies"));
        self.wakes.remove(host);
        if let Some(link) = agent.link {
            self.close(link, Side::Host);
        }
        true
    }

    /// An agent's process starts.
    pub fn start_agent(&mut self, host: &HostName) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(host).filter(|m| m.on && m.agent.is_none()) else { return };
        machine.agent = Some(Box::new(Agent::start(machine.uptime(now))));
        self.trace.line(now, || format!("{host} agent starts"));
        self.with_agent(host, |agent, machine, outside| agent.step(machine, outside));
    }

    /// Power goes.
    pub fn power_off(&mut self, host: &HostName) {
        self.look(host);
        let now = self.now;
        if self.machines.get(host).is_some_and(|m| m.on) {
            self.strikes(Fault::PowerLost, host);
        }
        let Some(machine) = self.machines.get_mut(host).filter(|m| m.on) else { return };
        // Its connection is not closed: nobody is left to close it.
        machine.power_off(now);
        self.wakes.remove(host);
        self.trace.line(now, || format!("{host} loses power"));
    }

    /// Power comes.
    pub fn power_on(&mut self, host: &HostName) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(host).filter(|m| !m.on) else { return };
        machine.power_on(now, &mut self.rng);
        self.trace.line(now, || format!("{host} boots"));
        self.start_agent(host);
    }

    /// Off, and on again after so long.
    pub fn reboot(&mut self, host: &HostName, milliseconds: u64) {
        self.power_off(host);
        self.plan_event(Time(self.now.0 + milliseconds), Event::PowerOn(host.clone()));
    }

    /// The application's process dies by itself.
    pub fn crash_app(&mut self, host: &HostName, app: &AppName) {
        self.look(host);
        let now = self.now;
        if self.machines.get(host).is_some_and(|m| m.on && m.apps.contains_key(app)) {
            self.strikes(Fault::ApplicationDied, host);
        }
        let Some(machine) = self.machines.get_mut(host).filter(|m| m.on) else { return };
        if let Some(application) = machine.apps.get_mut(app) {
            application.die(now);
            self.trace.line(now, || format!("{host} {app} is killed"));
        }
    }

    /// A dependency that the application needs goes away, or comes back.
    pub fn starve(&mut self, host: &HostName, app: &AppName, starved: bool) {
        self.look(host);
        if starved {
            self.strikes(Fault::Starved, host);
        }
        if let Some(application) = self.machines.get_mut(host).and_then(|m| m.apps.get_mut(app)) {
            application.starved = starved;
            self.trace.line(self.now, || format!("{host} {app} starved: {starved}"));
        }
        self.look(host);
    }

    /// A deployer's process dies; its agent starts it again.
    pub fn crash_deployer(&mut self, host: &HostName) {
        if self.machines.get(host).is_some_and(|m| m.runs.values().any(|u| u.run.living.is_some())) {
            self.strikes(Fault::DeployerDied, host);
            self.trace.line(self.now, || format!("{host} deployer dies"));
        }
        let Some(machine) = self.machines.get_mut(host) else { return };
        for underway in machine.runs.values_mut().filter(|u| u.run.living.is_some()) {
            underway.run.die();
        }
        self.with_agent(host, |agent, machine, outside| agent.step(machine, outside));
    }

    /// The agent's state directory is gone: ledger and run directories. What runs goes on, but nobody knows what it is.
    pub fn lose_ledger(&mut self, host: &HostName) {
        self.look(host);
        self.strikes(Fault::LedgerLost, host);
        self.crash_agent(host);
        let disk = Disk::new(&mut self.rng);
        let Some(machine) = self.machines.get_mut(host) else { return };
        machine.disk = disk;
        machine.runs.clear();
        machine.bits.clear();
        machine.checks.clear();
        machine.lives.clear();
        machine.kept.clear();
        for app in machine.apps.values_mut() {
            (app.installed, app.mixed) = (None, false);
            app.own_deaths.push(self.now);
            if let Some(process) = &mut app.process {
                process.release = None;
            }
        }
        machine.excused = Some(self.now);
        self.promises.twins.remove(host);
        self.trace.line(self.now, || format!("{host} loses its ledger"));
        self.look(host);
    }

    /// The machine gets a new disk under its old name: power off, and on again with nothing of ours.
    pub fn reimage(&mut self, host: &HostName, milliseconds: u64) {
        self.look(host);
        self.strikes(Fault::Reimaged, host);
        self.power_off(host);
        if let Some(machine) = self.machines.get_mut(host) {
            machine.reimage(self.now, &mut self.rng);
        }
        self.promises.twins.remove(host);
        self.trace.line(self.now, || format!("{host} gets a new disk"));
        self.plan_event(Time(self.now.0 + milliseconds), Event::PowerOn(host.clone()));
    }

    /// Its wall clock jumps, by so many milliseconds.
    pub fn jump_clock(&mut self, host: &HostName, by: i64) {
        self.strikes(Fault::ClockJumped, host);
        if let Some(machine) = self.machines.get_mut(host) {
            machine.jumped = machine.jumped.wrapping_add_signed(by);
        }
        self.trace.line(self.now, || format!("{host} wall clock jumps"));
    }

    /// A person at the host pins, unpins, or rolls back.
    pub fn hands(&mut self, host: &HostName, app: &AppName, wish: Wish) {
        if self.machines.get(host).is_none_or(|m| m.agent.is_none()) {
            return; // the command speaks to the agent
        }
        self.trace.line(self.now, || format!("{host} a person wants: {wish:?}"));
        match wish {
            Wish::Pin => self.strikes(Fault::Pinned, host),
            Wish::Rollback => self.strikes(Fault::WentBack, host),
            Wish::Unpin => {}
        }
        if let Some(machine) = self.machines.get_mut(host).filter(|_| wish == Wish::Rollback) {
            machine.excused = Some(self.now);
            // For the others it is as if its application had died by itself.
            machine.apps.entry(app.clone()).or_default().own_deaths.push(self.now);
        }
        self.with_agent(host, |agent, machine, outside| agent.hands(machine, app, wish, outside));
        let Some(machine) = self.machines.get(host) else { return };
        let back = machine.runs.get(app).filter(|u| u.run.directory.request.kind == Kind::LocalRollback).map(|u| u.run.directory.to());
        let proved = back.is_none_or(|to| machine.kept.contains(&to));
        self.promises.must(proved, "5 back to what was kept", || format!("a person at {host} goes back to {back:?}, which was never committed here"));
    }

    /// The disk is full, or not any more.
    pub fn fill_disk(&mut self, host: &HostName, full: bool) {
        if full {
            self.strikes(Fault::DiskFull, host);
        }
        if let Some(machine) = self.machines.get_mut(host) {
            machine.obstacle = full.then(|| Why::lossy("disk full: 12 MB free, 40 MB needed"));
        }
        self.trace.line(self.now, || format!("{host} disk full: {full}"));
        self.with_agent(host, |agent, machine, outside| agent.step(machine, outside));
    }

    /// The network is cut.
    pub fn partition(&mut self, host: &HostName, cut: Cut) {
        self.strikes(
            match cut {
                Cut::Both => Fault::CutBoth,
                Cut::Up => Fault::CutUp,
                Cut::Down => Fault::CutDown,
            },
            host,
        );
        self.network.cut(host, cut);
        self.trace.line(self.now, || format!("{host} cut off: {cut:?}"));
    }

    /// The network is whole again.
    pub fn heal(&mut self, host: &HostName) {
        if self.network.join(host) {
            self.trace.line(self.now, || format!("{host} joined again"));
        }
    }

    /// The coordinator's process is killed; it stays down unless it is to come `again`.
    pub fn kill_coordinator(&mut self, again: bool) {
        if self.coordinator.life.is_some() {
            self.strikes_all(Fault::CoordinatorDied);
            self.crash_coordinator(again);
        }
    }

    /// The coordinator's process is started.
    pub fn boot_coordinator(&mut self) {
        self.start_coordinator();
    }

    /// The store is copied aside.
    pub fn back_up(&mut self) {
        self.backup_before = self.backup.replace(self.coordinator.store.clone());
    }

    /// The copy that was made before the last one is the one that is restored.
    pub fn swap_backups(&mut self) {
        if self.backup_before.is_some() {
            std::mem::swap(&mut self.backup, &mut self.backup_before);
        }
    }

    /// The process is killed and started from the copy: it has forgotten what came after. A person may have copied the folder
    /// back by hand, or said `restore`: then it is `recovering` (R34).
    pub fn restore(&mut self, recovering: bool) {
        let Some(backup) = self.backup.clone() else { return };
        self.strikes_all(if recovering { Fault::Restored } else { Fault::CopiedBack });
        self.kill_coordinator(false);
        self.coordinator.store = backup;
        self.trace.line(self.now, || "an old copy of the store is restored".into());
        self.promises.forget(&self.coordinator, &self.machines, self.now);
        if recovering {
            let change = self.coordinator.begin_recovery(self.now);
            self.coverage.count("change", kinds::change(&change));
        }
        self.promises.recovering = recovering;
        self.start_coordinator();
    }
}
