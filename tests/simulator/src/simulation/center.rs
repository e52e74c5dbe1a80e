//! The coordinator's side of the simulation: frames become inputs, drains are committed and published, processes die.

use pilotage_coordinator_core::input::Via;
use pilotage_coordinator_core::{Answer, Input, Rejected, Request};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::Epoch;
use pilotage_shared::intent::{Answers, Go, Intent};
use pilotage_shared::name::{AppName, HostName, Reason, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::Time;
use pilotage_shared::wire::Frame;

use super::watcher::Watcher;
use super::{Event, Origin, Simulation};
use crate::coordinator::Drained;
use crate::coverage::{Fault, Rule, kinds};
use crate::network::{LinkId, Side};
use crate::promises::Word;
use crate::promises::grant::{SMALL, fleet_of};

impl Simulation {
    /// A frame arrives at the coordinator's machine.
    pub(super) fn arrives_up(&mut self, link: LinkId, frame: Frame, sent: Time) {
        let Some((host, host_open, open)) = self.network.link(link).map(|l| (l.host.clone(), l.host_open, l.coordinator_open)) else { return };
        if self.coordinator.life.is_none() {
            return self.close(link, Side::Coordinator);
        }
        let Some(id) = self.machines.get(&host).map(|m| m.id.clone()) else { return };
        let request = match frame {
            // A hello is read from its own connection only, and only first.
            Frame::Hello(hello) if open && host_open && self.greeted.insert(link) => Request::Hello { hello: Box::new(hello) },
            // A late status of an old connection is judged by its session (R3).
            Frame::Status(status) => Request::Status { status: Box::new(status) },
            Frame::Heartbeat(heartbeat) if open && self.links_of.get(&id.name) == Some(&link) => Request::Heartbeat { heartbeat },
            Frame::Hello(_) | Frame::Heartbeat(_) | Frame::Welcome(_) | Frame::Intent(..) | Frame::Heard(..) | Frame::Goodbye(_) => return,
        };
        let by = Principal::Host(id);
        self.put_in(Origin::Link(link, sent), by, Via::Agent, request);
        let wait = self.rng.below(self.luck.drain_within + 1);
        self.plan_drain(Time(self.now.0 + wait));
    }

    pub(super) fn coordinator_sees_closed(&mut self, link: LinkId) {
        let Some(host) = self.network.link(link).map(|l| l.host.clone()) else { return };
        self.network.close(link, Side::Coordinator);
        let Some(id) = self.machines.get(&host).map(|m| m.id.clone()) else { return };
        if self.links_of.get(&id.name) != Some(&link) {
            return;
        }
        self.links_of.remove(&id.name);
        let session = self.coordinator.world().and_then(|w| w.live.get(&id.name)).map(|l| l.session);
        if let Some(session) = session {
            let by = Principal::Host(id);
            self.put_in(Origin::Own, by, Via::Agent, Request::Gone { session });
            self.plan_drain(self.now);
        }
    }

    pub(super) fn put_in(&mut self, origin: Origin, by: Principal, via: Via, request: Request) {
        let reason = Reason::fixed("simulated");
        self.inbox.push((origin, Input { by, via, reason, at: self.now, idempotency: self.key.take(), request }));
    }

    pub(super) fn plan_drain(&mut self, at: Time) {
        let at = at.max(self.now);
        if !self.drains.contains_key(&at) {
            let serial = self.plan_event(at, Event::Drain);
            self.drains.insert(at, serial);
        }
    }

    /// One turn of the engine's loop.
    pub(super) fn drain(&mut self) {
        let batch = std::mem::take(&mut self.inbox);
        if self.coordinator.life.is_none() {
            return;
        }
        let (origins, inputs): (Vec<Origin>, Vec<Input>) = batch.into_iter().unzip();
        for input in &inputs {
            self.coverage.count("input", kinds::request(&input.request));
        }
        let before = (self.promises.recovering, self.promises.ahead.clone());
        let mut watcher = Watcher {
            alone: self.other.is_none(),
            promises: &mut self.promises,
            machines: &self.machines,
            coverage: &mut self.coverage,
            trace: &mut self.trace,
            telling: &mut self.telling,
            now: self.now,
        };
        let mut drained = match self.coordinator.drain(&inputs, self.now, &mut watcher) {
            Ok(drained) => drained,
            Err(fault) => return self.promises.breaks("fixed point", || fault.0),
        };
        let drawn = self.next_commit.take();
        let lost = drawn.filter(|fault| *fault != Fault::DiedBeforeAnswer);
        if self.rng.chance(self.luck.crash_before_commit) || lost.is_some() {
            let any = *self.rng.pick(&[Fault::DiedBeforeCommit, Fault::CommitFailed, Fault::CommitTorn]).unwrap_or(&Fault::CommitFailed);
            let fault = lost.unwrap_or(any);
            self.strikes_all(fault);
            if fault == Fault::CommitTorn {
                self.coordinator.tear();
            }
            if origins.iter().any(|origin| matches!(origin, Origin::Person(_))) {
                self.coverage.rule(Rule::R1);
            }
            (self.promises.recovering, self.promises.ahead) = before;
            if planted(Bug::AnswerBeforeCommit) {
                self.publish(&origins, &inputs, drained);
            }
            return self.crash_coordinator(true);
        }
        self.coordinator.commit(&mut drained);
        if self.rng.chance(self.luck.crash_before_publish) || drawn == Some(Fault::DiedBeforeAnswer) {
            self.strikes_all(Fault::DiedBeforeAnswer);
            return self.crash_coordinator(true);
        }
        if self.machines.len() > SMALL {
            self.stirred.extend(drained.hosts.iter().cloned());
        }
        let moved = drained.moved;
        self.publish(&origins, &inputs, drained);
        let wake_at = self.coordinator.life.as_ref().and_then(|l| l.wake_at);
        if let Some(at) = wake_at {
            self.plan_drain(at);
        }
        if moved {
            self.check_world();
        }
    }

    fn publish(&mut self, origins: &[Origin], inputs: &[Input], drained: Drained) {
        for ((origin, input), answer) in origins.iter().zip(inputs).zip(&drained.answers) {
            match origin {
                Origin::Person(number) => {
                    self.acknowledge(input, answer);
                    self.answers.insert(*number, answer.clone());
                }
                Origin::Own => {}
                Origin::Link(link, made) => {
                    let touched = matches!(&input.by, Principal::Host(id) if drained.hosts.contains(&id.name));
                    if let (Request::Status { .. }, Ok(_), Principal::Host(id)) = (&input.request, answer, &input.by) {
                        // Who was retired in this very drain was heard before.
                        let retired = self.is_retired(&id.name) && !drained.hang_up.contains(&id.name);
                        self.promises
                            .must(!retired, "2 who is retired is not heard", || format!("{} is retired, and its status is taken in", id.name));
                    }
                    self.answer(*link, *made, input, answer, touched);
                }
            }
        }
        for host in &drained.hang_up {
            if let Some(link) = self.links_of.remove(host) {
                self.send(link, Side::Coordinator, Frame::Goodbye(Why::fixed("session over")));
                self.close(link, Side::Coordinator);
            }
        }
        for host in &drained.hosts {
            self.send_intents(host);
        }
    }

    /// What a person was told must survive.
    fn acknowledge(&mut self, input: &Input, answer: &Result<Answer, Rejected>) {
        let Ok(answer) = answer else { return };
        match (&input.request, answer) {
            (Request::Deploy { fleet, .. }, Answer::Deployment(id)) => {
                let newest = self.promises.acknowledged.entry(fleet.clone()).or_default();
                *newest = (*newest).max(id.number);
                self.promises.ahead.retain(|(f, _), _| f != fleet);
            }
            // A new machine under this name: what is known of the one before says nothing about it.
            (Request::AddHost { host, .. }, _) => self.promises.forget_doubles(host),
            (Request::RetryHost { host }, _) => {
                self.promises.forget_doubles(host);
                // A person has looked at this host: what it knew of another world is known to him.
                self.promises.ahead.retain(|(_, h), _| h != host);
            }
            (Request::Resume { fleet }, _) => self.promises.ahead.retain(|(f, _), _| f != fleet),
            (Request::Rollback { id }, _) => self.promises.ahead.retain(|(f, _), _| *f != id.fleet),
            (Request::DeleteFleet { fleet }, _) => {
                self.promises.acknowledged.remove(fleet);
            }
            _ => {}
        }
        self.promises.fruitless.clear();
    }

    fn answer(&mut self, link: LinkId, made: Time, input: &Input, answer: &Result<Answer, Rejected>, touched: bool) {
        let Principal::Host(id) = &input.by else { return };
        let host = &id.name;
        match (&input.request, answer) {
            (Request::Hello { .. }, Ok(Answer::Welcome(welcome))) => {
                if let Some(old) = self.links_of.insert(host.clone(), link).filter(|old| *old != link) {
                    self.close(old, Side::Coordinator);
                }
                if let Some(machine) = self.network.link(link).map(|l| l.host.clone()) {
                    self.promises.welcomed(&machine);
                }
                self.send(link, Side::Coordinator, Frame::Welcome(welcome.clone()));
            }
            (Request::Hello { .. }, Ok(Answer::Goodbye(why))) => self.goodbye(link, why.clone()),
            (Request::Hello { .. }, Ok(_)) => {}
            (Request::Hello { .. }, Err(rejected)) => {
                self.coverage.count("rejected", rejected.code());
                self.goodbye(link, Why::lossy(&rejected.to_string()));
            }
            (Request::Status { .. }, Ok(Answer::Goodbye(_))) => self.coverage.count("host", "set back, and noticed"),
            (Request::Status { status }, Ok(_)) => {
                let machine = self.network.link(link).map(|l| l.host.clone());
                if let Some(machine) = machine {
                    self.promises.speaks(host, &machine, made);
                }
                self.promises.roster.touch(host);
                for app in &self.spoken_of {
                    self.promises.words.remove(&(app.clone(), host.clone()));
                }
                for (app, slot) in &status.slots {
                    let counts = slot.standing == Standing::Available && slot.run.is_none();
                    if counts {
                        self.promises.counted.insert((app.clone(), host.clone()), made);
                    }
                    self.promises.words.insert((app.clone(), host.clone()), Word { made, counts });
                    if !self.spoken_of.contains(app) {
                        self.spoken_of.insert(app.clone());
                    }
                }
                if let Some(machine) = self.machines.get_mut(host).filter(|m| m.excused.is_some_and(|at| at < made)) {
                    machine.excused = None;
                }
                let kept = |(app, slot): (&AppName, &SlotStatus)| {
                    let loan = self.coordinator.world().and_then(|w| w.slot(app, host)).and_then(|s| s.loan.as_ref());
                    slot.run.is_none() && loan.is_some_and(|l| !l.withdrawn && l.generation > slot.spent)
                };
                if status.slots.iter().any(kept) {
                    self.coverage.rule(Rule::R12);
                }
                self.hears(host, link, touched);
            }
            (Request::Status { status }, Err(Rejected::Stale(_))) => {
                let session = self.coordinator.world().and_then(|w| w.live.get(host)).map(|l| l.session);
                self.coverage.rule(if session == Some(status.session) { Rule::R4 } else { Rule::R3 });
            }
            (Request::Heartbeat { .. }, Ok(_)) => self.hears(host, link, touched),
            (_, Err(rejected)) => self.coverage.count("rejected", rejected.code()),
            (_, Ok(_)) => {}
        }
    }

    /// A status or heartbeat was taken in: an unused loan is answered with its intent, else that it was heard.
    fn hears(&mut self, host: &HostName, link: LinkId, touched: bool) {
        let Some(world) = self.coordinator.world() else { return };
        let Some(live) = world.live.get(host) else { return };
        let answers = Answers { seq: live.seq, beat: live.beat };
        let blocked = (world.blocked.version, Some(world.blocked.clone()));
        if world.host_slots(host).any(|(_, slot)| slot.loan.is_some()) {
            if !touched {
                self.send_intents(host); // else they go out with the others
            }
            return;
        }
        self.send(link, Side::Coordinator, Frame::Heard(answers, blocked.0, blocked.1));
    }

    fn goodbye(&mut self, link: LinkId, why: Why) {
        self.send(link, Side::Coordinator, Frame::Goodbye(why));
        self.close(link, Side::Coordinator);
    }

    fn send_intents(&mut self, host: &HostName) {
        let Some(link) = self.links_of.get(host).copied() else { return };
        let Some(world) = self.coordinator.world() else { return };
        let blocked = (world.blocked.version, world.blocked.clone());
        let intents = world.intents(host);
        for intent in &intents {
            self.promises.derived(world, host, intent, self.now);
        }
        let base = |intent: &Intent| {
            let fleet = fleet_of(world, &intent.app, host);
            fleet.and_then(|f| world.newest(f)).map(|d| d.base)
        };
        let above = intents.iter().any(|intent| intent.go != Go::Activate && base(intent).is_some_and(|base| intent.generation > base));
        if above {
            self.coverage.rule(Rule::R8);
        }
        for intent in intents {
            self.trace.line(self.now, || format!("→ {host} {}", crate::trace::intent(&intent)));
            self.send(link, Side::Coordinator, Frame::Intent(intent, blocked.0, Some(blocked.1.clone())));
        }
    }

    /// What must hold of the world whenever its planner rests.
    fn check_world(&mut self) {
        let Some(world) = self.coordinator.world() else { return };
        let coverage = &mut self.coverage;
        // What looks at all hosts is done so seldom that it costs no step more than a few of them.
        let hosts = self.machines.len() as u64;
        // While many join, no event is taken.
        let due = |every: u64| self.taken.is_multiple_of(hosts.max(every)) && (self.taken > 0 || hosts <= SMALL as u64);
        let all = due(8);
        self.promises.waits(world, self.now, all, |cause| super::rules::of_wait(cause, coverage));
        if due(32)
            && let Some(key) = self.coordinator.forgotten()
        {
            self.promises.breaks("acknowledged survives", || format!("{key:?} differs between world and store after a commit"));
        }
        if due(16) {
            for ((host, fleet), facts) in &world.placed {
                let Some(record) = world.fleets.get(fleet) else { continue };
                let found = world.facts(record, host);
                self.promises.must(found == **facts, "derived state", || format!("{host} is grouped as {facts:?} and is {found:?}"));
            }
        }
    }

    /// The process dies: connections break, what was only remembered is gone.
    pub(super) fn crash_coordinator(&mut self, again: bool) {
        self.trace.line(self.now, || "coordinator crashes".into());
        self.coordinator.crash();
        self.links_of.clear();
        self.inbox.clear();
        for link in self.network.close_all(Side::Coordinator, None) {
            let at = self.now + self.network.rates.slowest;
            self.plan_event(at, Event::Closed { link, side: Side::Host });
        }
        if again {
            let after = self.rng.between(100, 20_000);
            self.plan_event(Time(self.now.0 + after), Event::StartCoordinator);
        }
    }

    /// A process starts from the store: the first input of its life is its start (R2, R16).
    pub(super) fn start_coordinator(&mut self) {
        if self.coordinator.life.is_some() {
            return;
        }
        self.trace.line(self.now, || "coordinator starts".into());
        self.coordinator.boot(self.now);
        self.promises.words.clear();
        self.promises.roster.forget();
        if let Some(world) = self.coordinator.world() {
            self.promises.remembered(world);
            if !world.epochs.is_empty() {
                self.coverage.rule(Rule::R2);
            }
        }
        let epoch = if planted(Bug::SessionReused) { Epoch([7; 32]) } else { Epoch(self.rng.bytes()) };
        let by = Principal::Rule { name: Why::lossy("start") };
        self.put_in(Origin::Own, by, Via::Own, Request::Start { epoch });
        self.drain();
    }
}
