//! What may happen, and what must never be.

use std::hash::{Hash, Hasher};

use pilotage_coordinator_core::{Answer, Request};
use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::policy::Amount;
use pilotage_shared::principal::Principal;
use pilotage_shared::wire::{Hello, VERSION};
use stateright::{Model, Property};

use crate::center::{Center, app, fleet, id, name};
use crate::host::{Host, Memory, Run};
use crate::net::{Frame, Net};

/// How big the world is: every number multiplies the states.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hosts; they alternate between two zones.
    pub hosts: usize,
    /// Of the fleet.
    pub floor: u32,
    /// Of each zone.
    pub zone_floor: Option<u32>,
    /// Frames under way at once.
    pub frames: usize,
    /// Frames lost or repeated, sessions that end in the middle, crashes, restores, new machines, failures of the new release:
    /// together. That frames are late and overtake each other costs nothing.
    pub faults: u8,
    /// Requests of a person, after the deployment that the world begins with.
    pub requests: u8,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Its size.
    pub limits: Limits,
}

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// The coordinator.
    pub center: Center,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// Between them.
    pub net: Net,
    /// So many more may happen.
    pub faults: u8,
    /// So many more may be asked.
    pub requests: u8,
    /// The first thing that must not be.
    pub broken: Option<&'static str>,
}

impl State {
    /// Two states are one when nothing that can be told apart differs: what is written of them says it.
    fn text(&self) -> String {
        format!("{self:?}")
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A frame arrives.
    Deliver(usize),
    /// A frame arrives, and will arrive again.
    Repeat(usize),
    /// A frame will never arrive.
    Lose(usize),
    /// The coordinator sends what it wants of a host.
    Send(usize),
    /// A host says how it is.
    Tell(usize),
    /// The agent does what its core says.
    Act(usize),
    /// The deployer stops the application, or finds its permission void.
    Disturb(usize),
    /// A run ends well.
    Commit(usize),
    /// A run fails and goes back.
    Fail(usize),
    /// A new session.
    Connect(usize),
    /// A new session whose welcome is lost: the coordinator believes in it, the host does not know it.
    ConnectInVain(usize),
    /// The agent's process dies and begins anew.
    CrashAgent(usize),
    /// The machine is made anew, under its old name.
    Reimage(usize),
    /// The coordinator dies and begins anew.
    CrashCenter,
    /// Somebody copies the store.
    Backup,
    /// The coordinator begins anew on that copy.
    Restore,
    /// A person cancels.
    Cancel,
    /// A person goes back.
    Rollback,
    /// A person deploys the first version.
    Redeploy,
    /// A person goes on after a freeze.
    Resume,
}

impl Protocol {
    /// All hosts on version 1, settled and heard; version 2 was asked for.
    fn beginning(&self) -> State {
        let zone_floor = self.limits.zone_floor.map(Amount::Count);
        let center = Center::new(self.limits.hosts, self.limits.floor, zone_floor);
        let hosts = (0..self.limits.hosts).map(|_| Host::new(1)).collect();
        let mut state = State { center, hosts, net: Net::default(), faults: 0, requests: 0, broken: None };
        for (i, host) in state.hosts.iter_mut().enumerate() {
            host.up = true; // it serves before Pilotage knows it: the first deployment keeps the floor too
            connect(&mut state.center, host, i, true);
        }
        state.center.deploy(1).expect("the first deployment");
        for version in [1, 2] {
            if version == 2 {
                state.center.deploy(2).expect("the second deployment");
                break;
            }
            self.calm(&mut state);
        }
        (state.faults, state.requests) = (self.limits.faults, self.limits.requests);
        state
    }

    /// Everything goes its way, frame by frame, until nothing is left to be done.
    fn calm(&self, state: &mut State) {
        let ordinary = |a: &Action| matches!(a, Action::Deliver(_) | Action::Send(_) | Action::Tell(_) | Action::Act(_) | Action::Disturb(_) | Action::Commit(_));
        loop {
            let mut actions = Vec::new();
            self.actions(state, &mut actions);
            let Some(action) = actions.into_iter().find(ordinary) else { return };
            let Some(after) = self.next_state(state, action) else { return };
            *state = after;
        }
    }
}

/// Hello and welcome; `heard`: the welcome arrives.
fn connect(center: &mut Center, host: &mut Host, i: usize, heard: bool) {
    host.leave();
    let hello = Hello { host: id(i), ledger: host.record.ledger, boot: BootId::default(), last: host.record.last, versions: (VERSION, VERSION), agent: Why::default() };
    if let Ok(Answer::Welcome(welcome)) = center.input(Principal::Host(id(i)), Request::Hello { hello: Box::new(hello) })
        && heard
        && !host.welcomed(&welcome)
    {
        // R33: it closes the connection; the coordinator sees that.
        let _ = center.input(Principal::Host(id(i)), Request::Gone { session: welcome.session });
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.beginning()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let room = state.net.frames.len() < self.limits.frames;
        for n in 0..state.net.frames.len() {
            actions.push(Action::Deliver(n));
            if state.faults > 0 {
                actions.extend([Action::Repeat(n), Action::Lose(n)]);
            }
        }
        for (i, host) in state.hosts.iter().enumerate() {
            if room {
                let wanted = state.center.world.intent(&app(), &name(i));
                let held = host.memory.as_ref().and_then(|m| m.held.intent.as_ref());
                let under_way = |intent| state.net.frames.iter().any(|f| matches!(f, Frame::Intent(to, known) if *to == i && **known == intent));
                if wanted.is_some_and(|intent| held != Some(&intent) && !under_way(intent)) {
                    actions.push(Action::Send(i));
                }
                if host.clone().tell().is_some() {
                    actions.push(Action::Tell(i));
                }
            }
            if host.next().is_some() {
                actions.push(Action::Act(i));
            }
            match &host.run {
                Some(Run::Begun { .. }) => actions.push(Action::Disturb(i)),
                Some(Run::Disturbed) => {
                    actions.push(Action::Commit(i));
                    if state.faults > 0 {
                        actions.push(Action::Fail(i));
                    }
                }
                Some(Run::Ended(_)) | None => {}
            }
            let apart = host.memory.as_ref().is_none_or(|m| m.session.is_none());
            if state.faults > 0 || apart {
                actions.push(Action::Connect(i));
            }
            if state.faults > 0 {
                actions.extend([Action::ConnectInVain(i), Action::CrashAgent(i), Action::Reimage(i)]);
            }
        }
        if state.faults > 0 {
            actions.push(Action::CrashCenter);
            actions.push(if state.center.backup.is_none() { Action::Backup } else { Action::Restore });
        }
        if state.requests > 0 {
            actions.extend([Action::Cancel, Action::Rollback, Action::Redeploy, Action::Resume]);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let center = &mut state.center;
        let newest = center.world.fleets[&fleet()].newest;
        let newest = pilotage_shared::ids::DeploymentId { fleet: fleet(), number: newest };
        let mut fault = false;
        let done = match action {
            Action::Deliver(n) | Action::Repeat(n) => {
                fault = matches!(action, Action::Repeat(_));
                let taken = match before.net.frames[n].clone() {
                    Frame::Status(i, status) => center.input(Principal::Host(id(i)), Request::Status { status }).is_ok(),
                    Frame::Intent(i, intent) => state.hosts[i].receive(&intent),
                };
                if !fault {
                    state.net.frames.remove(n);
                }
                taken || !fault
            }
            Action::Lose(n) => {
                fault = true;
                state.net.frames.remove(n);
                true
            }
            Action::Send(i) => {
                state.net.send(Frame::Intent(i, Box::new(center.world.intent(&app(), &name(i))?)));
                true
            }
            Action::Tell(i) => {
                let status = state.hosts[i].tell()?;
                state.net.send(Frame::Status(i, Box::new(status)));
                true
            }
            Action::Act(i) => {
                let act = state.hosts[i].next()?;
                if let Err(broken) = state.hosts[i].act(act) {
                    state.broken = Some(broken);
                }
                true
            }
            Action::Disturb(i) => {
                let served = state.hosts[i].up;
                if state.hosts[i].disturb() && served {
                    state.broken = state.broken.or(self.taken(&state, i));
                }
                true
            }
            Action::Commit(i) => {
                state.hosts[i].end(true);
                true
            }
            Action::Fail(i) => {
                fault = true;
                state.hosts[i].end(false);
                true
            }
            Action::Connect(i) => {
                fault = before.hosts[i].memory.as_ref().is_some_and(|m| m.session.is_some());
                connect(center, &mut state.hosts[i], i, true);
                true
            }
            Action::ConnectInVain(i) => {
                fault = true;
                connect(center, &mut state.hosts[i], i, false);
                true
            }
            Action::CrashAgent(i) => {
                fault = true;
                // A run goes on without it; nobody is left to say that its permission is void.
                state.hosts[i].memory = Some(Memory::default());
                true
            }
            Action::Reimage(i) => {
                fault = true;
                state.hosts[i] = Host::new(before.hosts[i].ledgers + 1);
                true
            }
            Action::CrashCenter => {
                fault = true;
                let store = center.store();
                center.restart(store);
                true
            }
            Action::Backup => {
                fault = true;
                center.backup = Some(center.store());
                true
            }
            Action::Restore => {
                fault = true;
                let store = center.backup.clone()?;
                center.restart(store);
                true
            }
            Action::Cancel => center.ask(Request::Cancel { id: newest }).is_ok(),
            Action::Rollback => center.ask(Request::Rollback { id: newest }).is_ok(),
            Action::Redeploy => center.deploy(1).is_ok(),
            Action::Resume => center.ask(Request::Resume { fleet: fleet() }).is_ok(),
        };
        if fault {
            state.faults = state.faults.checked_sub(1)?;
        }
        if matches!(action, Action::Cancel | Action::Rollback | Action::Redeploy | Action::Resume) {
            state.requests = state.requests.checked_sub(1)?;
        }
        done.then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("promises 1, 2, 8 and the counting", |_, state: &State| state.broken.is_none()),
            Property::always("promise 6: one turn by itself", |_, state: &State| state.center.turns <= 1),
            Property::sometimes("the deployment is made", |_, state: &State| {
                state.hosts.iter().all(|h| h.slot.running == Some(crate::center::release(2)) && h.up)
            }),
        ]
    }
}

impl Protocol {
    /// Host `i` has just been stopped by us while it answered.
    fn taken(&self, state: &State, i: usize) -> Option<&'static str> {
        // That a machine was made anew is not our doing; nothing answers on it until something was deployed there.
        let lost = |h: &Host| h.ledgers > 1 && !h.up && h.slot.running.is_none();
        let left = |zone: Option<usize>| {
            let of_zone = state.hosts.iter().enumerate().filter(|(n, _)| zone.is_none_or(|z| n % 2 == z));
            of_zone.filter(|(_, h)| h.up || lost(h)).count() as u32
        };
        if left(None) < self.limits.floor {
            return Some("promise 1: below the floor of the fleet");
        }
        if self.limits.zone_floor.is_some_and(|floor| left(Some(i % 2)) < floor) {
            return Some("promise 1: below the floor of a zone");
        }
        let world = &state.center.world;
        let facts = world.facts(&world.fleets[&fleet()], &name(i));
        facts.counts().then_some("promise 2: taken while it is counted")
    }
}
