//! What may happen next.

use pilotage_coordinator_core::Request;

use crate::center::{app, fleet, name};
use crate::host::Run;
use crate::limits::{Fault, Limits, Wish};
use crate::net::Frame;
use crate::state::State;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// An application dies, or comes up again, by itself.
    Flip(usize),
    /// A host was not heard for three heartbeats.
    Silence(usize),
    /// The coordinator dies and begins anew.
    CrashCenter,
    /// Somebody copies the store.
    Backup,
    /// The coordinator begins anew on that copy, put there by hand.
    Rewind,
    /// The coordinator begins anew on that copy, by `restore`.
    Restore,
    /// A person deploys the second version.
    Deploy,
    /// A person cancels.
    Cancel,
    /// A person goes back.
    Rollback,
    /// A person deploys the first version.
    Redeploy,
    /// A person goes on after a freeze.
    Resume,
    /// A person goes on after a restore with what runs.
    Adopt,
    /// A person goes on after a restore with what the backup wants.
    KeepBackup,
    /// A host stands in the other zone.
    Relabel(usize),
    /// A host is no member any more, or one again.
    Leave(usize),
    /// A host is retired, and invited anew.
    Retire(usize),
}

impl Action {
    /// What of the faults' budget it takes.
    pub fn is_fault(self, state: &State) -> bool {
        match self {
            Action::Repeat(_) | Action::Lose(_) | Action::Fail(_) | Action::ConnectInVain(_) | Action::CrashAgent(_) => true,
            Action::Reimage(_) | Action::Flip(_) | Action::Silence(_) => true,
            Action::CrashCenter | Action::Rewind | Action::Restore => true,
            // To find out that a session has ended costs nothing.
            Action::Connect(i) => !apart(state, i),
            // A copy that nobody uses changes nothing.
            Action::Backup => false,
            Action::Deliver(_) | Action::Send(_) | Action::Tell(_) | Action::Act(_) | Action::Disturb(_) | Action::Commit(_) => false,
            Action::Deploy | Action::Cancel | Action::Rollback | Action::Redeploy | Action::Resume | Action::Adopt | Action::KeepBackup => false,
            Action::Relabel(_) | Action::Leave(_) | Action::Retire(_) => false,
        }
    }

    /// A person asks for it.
    pub fn is_wish(self) -> bool {
        match self {
            Action::Deploy | Action::Cancel | Action::Rollback | Action::Redeploy | Action::Resume | Action::Adopt | Action::KeepBackup => true,
            Action::Relabel(_) | Action::Leave(_) | Action::Retire(_) => true,
            Action::Deliver(_) | Action::Send(_) | Action::Tell(_) | Action::Act(_) | Action::Disturb(_) | Action::Commit(_) => false,
            Action::Repeat(_) | Action::Lose(_) | Action::Fail(_) | Action::ConnectInVain(_) | Action::CrashAgent(_) | Action::Connect(_) => false,
            Action::Reimage(_) | Action::Flip(_) | Action::Silence(_) => false,
            Action::CrashCenter | Action::Backup | Action::Rewind | Action::Restore => false,
        }
    }

    /// Belongs to a world in which nothing goes wrong.
    pub fn is_ordinary(self) -> bool {
        match self {
            Action::Deliver(_) | Action::Send(_) | Action::Tell(_) | Action::Act(_) | Action::Disturb(_) | Action::Commit(_) => true,
            Action::Repeat(_) | Action::Lose(_) | Action::Fail(_) | Action::ConnectInVain(_) | Action::CrashAgent(_) | Action::Connect(_) => false,
            Action::Reimage(_) | Action::Flip(_) | Action::Silence(_) => false,
            Action::CrashCenter | Action::Backup | Action::Rewind | Action::Restore => false,
            Action::Deploy | Action::Cancel | Action::Rollback | Action::Redeploy | Action::Resume | Action::Adopt | Action::KeepBackup => false,
            Action::Relabel(_) | Action::Leave(_) | Action::Retire(_) => false,
        }
    }
}

/// The host has no session that the coordinator has too.
fn apart(state: &State, i: usize) -> bool {
    let session = state.hosts[i].memory.as_ref().and_then(|m| m.session);
    session.is_none_or(|session| !state.center.holds(i, session))
}

/// All that may happen in this state.
pub fn actions(limits: &Limits, state: &State, actions: &mut Vec<Action>) {
    let fault = |kind| state.faults > 0 && limits.has(kind);
    for n in 0..state.net.frames.len() {
        actions.push(Action::Deliver(n));
        actions.extend(fault(Fault::Repeat).then_some(Action::Repeat(n)));
        actions.extend(fault(Fault::Lose).then_some(Action::Lose(n)));
    }
    for i in 0..state.hosts.len() {
        of_host(limits, state, i, actions);
    }
    if fault(Fault::CenterCrash) {
        actions.push(Action::CrashCenter);
    }
    if fault(Fault::Restore) {
        match state.center.backup {
            None => actions.push(Action::Backup),
            Some(_) => actions.extend([Action::Rewind, Action::Restore]),
        }
    }
    if state.requests > 0 {
        let simple = [(Wish::Deploy, Action::Deploy), (Wish::Cancel, Action::Cancel), (Wish::Rollback, Action::Rollback), (Wish::Redeploy, Action::Redeploy)];
        let after = [(Wish::Resume, Action::Resume), (Wish::Recover, Action::Adopt), (Wish::Recover, Action::KeepBackup)];
        actions.extend(simple.into_iter().chain(after).filter(|(wish, _)| limits.asks(*wish)).map(|(_, action)| action));
    }
}

fn of_host(limits: &Limits, state: &State, i: usize, actions: &mut Vec<Action>) {
    let host = &state.hosts[i];
    let fault = |kind| state.faults > 0 && limits.has(kind);
    if state.net.frames.len() < limits.frames {
        let wanted = state.center.world.intent(&app(), &name(i));
        let held = host.memory.as_ref().and_then(|m| m.held.intent.as_ref());
        let under_way = |intent| state.net.frames.iter().any(|f| matches!(f, Frame::Intent(to, known, _) if *to == i && **known == intent));
        if wanted.is_some_and(|intent| held != Some(&intent) && !under_way(intent)) {
            actions.push(Action::Send(i));
        }
        if host.has_news() {
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
            actions.extend(fault(Fault::Fail).then_some(Action::Fail(i)));
        }
        Some(Run::Ended(_)) | None => {}
    }
    if fault(Fault::Reconnect) || apart(state, i) {
        actions.push(Action::Connect(i));
    }
    // What is stopped by a run is up to the run.
    let flips = fault(Fault::Death) && host.slot.running.is_some() && !matches!(host.run, Some(Run::Disturbed));
    let heard = state.center.world.live.get(&name(i)).is_some_and(|l| l.reachable);
    for (possible, action) in [
        (fault(Fault::Vain), Action::ConnectInVain(i)),
        (fault(Fault::AgentCrash), Action::CrashAgent(i)),
        (fault(Fault::Reimage), Action::Reimage(i)),
        (flips, Action::Flip(i)),
        (fault(Fault::Silence) && heard, Action::Silence(i)),
    ] {
        actions.extend(possible.then_some(action));
    }
    if state.requests > 0 {
        let wishes = [(Wish::Relabel, Action::Relabel(i)), (Wish::Leave, Action::Leave(i)), (Wish::Retire, Action::Retire(i))];
        actions.extend(wishes.into_iter().filter(|(wish, _)| limits.asks(*wish)).map(|(_, action)| action));
    }
}

/// What a person says to the coordinator, when it concerns the fleet alone.
pub fn request(action: Action, state: &State) -> Option<Request> {
    let number = state.center.world.fleets[&fleet()].newest;
    let id = pilotage_shared::ids::DeploymentId { fleet: fleet(), number };
    match action {
        Action::Cancel => Some(Request::Cancel { id }),
        Action::Rollback => Some(Request::Rollback { id }),
        Action::Resume => Some(Request::Resume { fleet: fleet() }),
        Action::Adopt => Some(Request::Recover { keep_backup: false, go_on: true }),
        Action::KeepBackup => Some(Request::Recover { keep_backup: true, go_on: true }),
        _ => None,
    }
}
