//! How the world goes from one state to the next, and what must never be.

use pilotage_coordinator_core::{Answer, Request};
use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::planted::Bug;
use pilotage_shared::principal::Principal;
use pilotage_shared::wire::{Hello, VERSION};
use stateright::{Model, Property};

use crate::action::{Action, actions, request};
use crate::center::{Center, Store, release};
use crate::host::Host;
use crate::limits::{Budget, Fault, Limits, Wish};
use crate::net::{Frame, Net};
use crate::part::Part;
use crate::promises::{decided, in_change, taken};
use crate::state::State;

/// The model.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Its size.
    pub limits: Limits,
    /// Rules that are not kept (`--cfg pilotage_planted`).
    pub planted: &'static [Bug],
}

impl Protocol {
    /// A world in which all rules are kept.
    pub fn of(limits: Limits) -> Protocol {
        Protocol { limits, planted: &[] }
    }

    /// Threads have their own bugs, and the search has threads of its own.
    fn plant(&self) {
        #[cfg(pilotage_planted)]
        pilotage_shared::planted::plant(self.planted);
    }

    /// All hosts on version 1, settled and heard; version 2 was asked for, unless a person is to do that.
    fn beginning(&self) -> State {
        self.plant();
        let mut center = Center::new(&self.limits);
        let mut hosts: Vec<Host> = (0..self.limits.hosts).map(|i| Host::new(i, 1, self.limits.settling)).collect();
        for (i, host) in hosts.iter_mut().enumerate() {
            (host.up, host.proved) = (true, true); // it serves before Pilotage knows it: the first deployment keeps the floor too
            connect(&mut center, host, i, true);
        }
        center.deploy(1).expect("the first deployment");
        let (center, hosts) = (Part::new(center), hosts.into_iter().map(Part::new).collect());
        let (net, budget) = (Part::new(Net::default()), Budget::default());
        let mut state = State { center, hosts, net, budget, failed: false, back: false, broken: None };
        self.calm(&mut state);
        if !self.limits.asks(Wish::Deploy) {
            state.center.change(|c| c.deploy(2)).expect("the second deployment");
        }
        if self.limits.first_copy {
            state.center.change(|c| {
                c.copy();
                c.restart(c.store(), false);
            });
            for i in 0..self.limits.hosts {
                let State { center, hosts, .. } = &mut state;
                hosts[i].change(|host| center.change(|center| connect(center, host, i, true)));
            }
        }
        state.budget = self.limits.budget();
        self.tidy(&mut state);
        state
    }

    /// Everything goes its way, frame by frame, until nothing is left to be done.
    fn calm(&self, state: &mut State) {
        loop {
            let mut possible = Vec::new();
            actions(&self.limits, state, &mut possible);
            let Some(action) = possible.into_iter().find(|a| a.is_ordinary()) else { return };
            let Some(after) = self.next_state(state, action) else { return };
            *state = after;
        }
    }

    /// Does it. None: nothing has changed, or it was refused.
    fn happens(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Deliver(n) | Action::Repeat(n) => {
                let frame = state.net.frames[n].clone();
                let again = matches!(action, Action::Repeat(_));
                if !again {
                    state.net.change(|net| drop(net.frames.remove(n)));
                }
                let taken = deliver(state, &frame);
                (taken || !again).then_some(())?;
            }
            Action::Lose(n) => state.net.change(|net| drop(net.frames.remove(n))),
            Action::Send(i) | Action::SendLate(i) => {
                let intent = state.center.wants(i)?;
                let basis = state.basis(&intent);
                arrives(state, Frame::Intent(i, Box::new(intent), basis), matches!(action, Action::SendLate(_)))?;
            }
            Action::Tell(i) | Action::TellLate(i) => {
                let status = state.hosts[i].change(Host::tell)?;
                let late = matches!(action, Action::TellLate(_));
                // Refused or not, it was said.
                let _ = arrives(state, Frame::Status(i, Box::new(status)), late);
            }
            Action::Measure(i) => state.hosts[i].change(Host::measure),
            Action::Act(i) => {
                let act = state.hosts[i].next()?;
                let fault = state.hosts[i].change(|h| h.act(act)).err();
                state.broke(fault);
            }
            Action::Disturb(i) => {
                let (served, basis) = (state.hosts[i].up, state.hosts[i].used_basis.clone());
                if state.hosts[i].change(Host::disturb) {
                    state.broke(in_change(&self.limits, state));
                    let taken = if served { taken(&self.limits, state, i, basis.as_ref()) } else { None };
                    state.broke(taken);
                }
            }
            Action::Commit(i) => state.hosts[i].change(|h| h.end(true)),
            Action::Fail(i) => {
                (state.failed, state.back) = (true, true);
                state.hosts[i].change(|h| h.end(false));
            }
            Action::Connect(i) | Action::ConnectInVain(i) => {
                let heard = matches!(action, Action::Connect(_));
                let center = &mut state.center;
                state.hosts[i].change(|host| center.change(|center| connect(center, host, i, heard)));
            }
            Action::CrashAgent(i) => state.hosts[i].change(Host::crash),
            Action::Reimage(i) => {
                let (ledgers, died) = (state.hosts[i].ledgers + 1, state.hosts[i].up || state.hosts[i].died);
                state.failed |= state.hosts[i].slot.running == Some(release(2));
                state.hosts[i] = Part::new(Host { died, ..Host::new(i, ledgers, self.limits.settling) });
            }
            Action::Flip(i) => {
                // A dead application on the new release has failed (R21).
                (state.failed, state.back) = (true, true);
                state.hosts[i].change(Host::flip);
            }
            Action::Silence(i) => state.center.change(|c| c.silence(i)),
            Action::CrashCenter => state.center.change(|c| c.restart(c.store(), false)),
            Action::Unheard => state.center.change(Center::startup_over),
            Action::Backup => state.center.change(Center::copy),
            Action::Rewind | Action::Restore => {
                let store = Store::clone(state.center.backup.as_ref()?);
                state.center.change(|c| {
                    c.turns = 0;
                    c.restart(store, matches!(action, Action::Restore));
                });
            }
            Action::Deploy => state.center.change(|c| c.deploy(2)).ok().map(drop)?,
            Action::Redeploy => {
                state.back = true;
                state.center.change(|c| c.deploy(1)).ok().map(drop)?;
            }
            Action::Relabel(i) => {
                let zone = state.center.zone(i)?;
                state.center.change(|c| c.label(i, Some(1 - zone))).ok().map(drop)?;
            }
            Action::Leave(i) => {
                let to = if state.center.zone(i).is_some() { None } else { Some((i % 2) as u8) };
                state.center.change(|c| c.label(i, to)).ok().map(drop)?;
            }
            Action::Retire(i) => state.center.change(|c| c.reinvite(i)).ok().map(drop)?,
            Action::Cancel | Action::Rollback | Action::Resume | Action::Adopt | Action::KeepBackup => {
                state.back |= matches!(action, Action::Rollback | Action::KeepBackup | Action::Resume);
                let request = request(action, state)?;
                state.center.change(|c| c.ask(request)).ok().map(drop)?;
            }
        }
        Some(())
    }

    /// Takes out what no later state can tell from its absence.
    fn tidy(&self, state: &mut State) {
        let mortal = state.mortal();
        for i in 0..state.hosts.len() {
            if state.hosts[i].asks_more_than(&mortal) {
                state.hosts[i].change(|host| host.ask_only(&mortal));
            }
        }
        // An old copy that nobody may use any more.
        if state.center.backup.is_some() && !state.budget.has(Fault::Restore) {
            state.center.change(|c| c.backup = None);
        }
        // Late frames that will be refused whenever they arrive: no session returns (R2, R3), and what is newest only rises
        // while its session lasts (R4, R5). Bugs that take them in are why a world with such a bug keeps them.
        const TAKEN: [Bug; 6] = [
            Bug::SessionReused,
            Bug::IntentAnySession,
            Bug::StatusAnySession,
            Bug::StatusAnyOrder,
            Bug::IntentOlder,
            Bug::PermissionSurvivesReconnect,
        ];
        if self.planted.iter().any(|bug| TAKEN.contains(bug)) {
            return;
        }
        let dead = |frame: &Frame| match frame {
            Frame::Status(i, status) => !state.center.holds(*i, status.session) || state.center.has_heard(*i, status.seq),
            Frame::Intent(i, intent, basis) => state.hosts[*i].ignores(intent, basis.as_ref()),
        };
        if state.net.frames.iter().any(dead) {
            let frames: Vec<Frame> = state.net.frames.iter().filter(|frame| !dead(frame)).cloned().collect();
            state.net.change(|net| net.frames = frames);
        }
        // Intents that have done what they do. They are compared with late ones still (R4); those that are sent later are newer.
        for i in 0..state.hosts.len() {
            let late = state.net.frames.iter().any(|frame| matches!(frame, Frame::Intent(to, _, _) if *to == i));
            if !late && state.hosts[i].holds_in_vain() {
                state.hosts[i].change(Host::forget_intent);
            }
        }
    }
}

/// A frame is sent: it arrives now, or it is late. None: it changes nothing.
fn arrives(state: &mut State, frame: Frame, late: bool) -> Option<()> {
    let changes = if late { state.net.change(|net| net.send(frame)) } else { deliver(state, &frame) };
    changes.then_some(())
}

/// False: it was dropped, or changes nothing.
fn deliver(state: &mut State, frame: &Frame) -> bool {
    match frame {
        Frame::Status(i, status) => {
            let by = Principal::Host(state.center.identity(*i));
            let request = Request::Status { status: status.clone() };
            state.center.change(|c| c.input(by, request)).is_ok()
        }
        Frame::Intent(i, intent, basis) => {
            let contradicts = state.hosts[*i].contradicts(intent);
            let taken = state.hosts[*i].change(|h| h.receive(intent, basis.as_ref()));
            if taken && contradicts {
                state.broke(Some("promise 8: two permissions share a generation"));
            }
            taken
        }
    }
}

/// Hello and welcome; `heard`: the welcome arrives. A host that was invited anew comes with its new token.
fn connect(center: &mut Center, host: &mut Host, i: usize, heard: bool) {
    host.leave();
    let id = center.identity(i);
    let hello = Hello {
        host: id.clone(),
        ledger: host.record.ledger,
        boot: BootId::default(),
        last: host.record.last,
        versions: (VERSION, VERSION),
        agent: Why::default(),
    };
    if let Ok(Answer::Welcome(welcome)) = center.input(Principal::Host(id.clone()), Request::Hello { hello: Box::new(hello) })
        && heard
        && !host.welcomed(&welcome)
    {
        // R33: it closes the connection; the coordinator sees that.
        let _ = center.input(Principal::Host(id), Request::Gone { session: welcome.session });
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        // What goes wrong goes wrong later.
        vec![Protocol::of(self.limits).beginning()]
    }

    fn actions(&self, state: &State, possible: &mut Vec<Action>) {
        self.plant();
        // What is broken needs not to go on.
        if state.broken.is_none() {
            actions(&self.limits, state, possible);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        self.plant();
        let mut state = before.clone();
        if let Some(fault) = action.fault(before) {
            state.budget.spend(fault)?;
        }
        if let Some(wish) = action.wish() {
            state.budget.spend_wish(wish)?;
        }
        self.happens(&mut state, action)?;
        state.broke(decided(&state));
        self.tidy(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISES, |_, state: &State| state.broken.is_none()),
            Property::sometimes(GOOD_END, |_, state: &State| state.hosts.iter().all(|h| h.slot.running == Some(release(2)) && h.up)),
        ]
    }
}

/// Promises 1, 2, 4, 6 and 8, and the counting.
pub const PROMISES: &str = "the promises hold";
/// Something can be done at all.
pub const GOOD_END: &str = "the deployment is made";
