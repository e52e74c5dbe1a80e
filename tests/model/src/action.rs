//! What may happen next.

use pilotage_coordinator_core::Request;

use crate::center::{fleet, name};
use crate::host::Run;
use crate::limits::{Fault, Limits, Wish};
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
    /// The coordinator sends what it wants of a host, and it arrives.
    Send(usize),
    /// It is late.
    SendLate(usize),
    /// A host says how it is, and that arrives.
    Tell(usize),
    /// It is late.
    TellLate(usize),
    /// The agent does what its core says.
    Act(usize),
    /// The deployer stops the application, or finds its permission void.
    Disturb(usize),
    /// A run ends well.
    Commit(usize),
    /// A run fails and goes back.
    Fail(usize),
    /// An application has proved itself, or an agent that began anew has looked at it.
    Measure(usize),
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
    /// Who was not heard since the start is not waited for any more.
    Unheard,
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
    /// What goes wrong with it.
    pub fn fault(self, state: &State) -> Option<Fault> {
        match self {
            Action::Repeat(_) => Some(Fault::Repeat),
            Action::Lose(_) => Some(Fault::Lose),
            Action::Fail(_) => Some(Fault::Fail),
            Action::ConnectInVain(_) => Some(Fault::Vain),
            Action::CrashAgent(_) => Some(Fault::AgentCrash),
            Action::Reimage(_) => Some(Fault::Reimage),
            Action::Flip(_) => Some(Fault::Death),
            Action::Silence(_) => Some(Fault::Silence),
            Action::Unheard => Some(Fault::Unheard),
            Action::CrashCenter => Some(Fault::CenterCrash),
            Action::Rewind | Action::Restore => Some(Fault::Restore),
            // To find out that a session has ended costs nothing.
            Action::Connect(i) => (!apart(state, i)).then_some(Fault::Reconnect),
            // A copy that nobody uses changes nothing.
            Action::Backup => None,
            Action::Deliver(_) | Action::Send(_) | Action::SendLate(_) | Action::Tell(_) | Action::TellLate(_) | Action::Measure(_) => None,
            Action::Act(_) | Action::Disturb(_) | Action::Commit(_) => None,
            Action::Deploy | Action::Cancel | Action::Rollback | Action::Redeploy | Action::Resume | Action::Adopt | Action::KeepBackup => None,
            Action::Relabel(_) | Action::Leave(_) | Action::Retire(_) => None,
        }
    }

    /// What a person asks for with it.
    pub fn wish(self) -> Option<Wish> {
        match self {
            Action::Deploy => Some(Wish::Deploy),
            Action::Cancel => Some(Wish::Cancel),
            Action::Rollback => Some(Wish::Rollback),
            Action::Redeploy => Some(Wish::Redeploy),
            Action::Resume => Some(Wish::Resume),
            Action::Adopt | Action::KeepBackup => Some(Wish::Recover),
            Action::Relabel(_) => Some(Wish::Relabel),
            Action::Leave(_) => Some(Wish::Leave),
            Action::Retire(_) => Some(Wish::Retire),
            Action::Deliver(_) | Action::Send(_) | Action::SendLate(_) | Action::Tell(_) | Action::TellLate(_) | Action::Measure(_) => None,
            Action::Act(_) | Action::Disturb(_) | Action::Commit(_) | Action::Fail(_) => None,
            Action::Repeat(_) | Action::Lose(_) | Action::ConnectInVain(_) | Action::CrashAgent(_) | Action::Connect(_) => None,
            Action::Reimage(_) | Action::Flip(_) | Action::Silence(_) | Action::Unheard => None,
            Action::CrashCenter | Action::Backup | Action::Rewind | Action::Restore => None,
        }
    }

    /// Belongs to a world in which nothing goes wrong and nothing is late.
    pub fn is_ordinary(self) -> bool {
        matches!(self, Action::Send(_) | Action::Tell(_) | Action::Act(_) | Action::Disturb(_) | Action::Commit(_) | Action::Measure(_))
    }
}

/// The host has no session that the coordinator has too.
fn apart(state: &State, i: usize) -> bool {
    let session = state.hosts[i].memory.as_ref().and_then(|m| m.session);
    session.is_none_or(|session| !state.center.holds(i, session))
}

/// All that may happen in this state.
pub fn actions(limits: &Limits, state: &State, actions: &mut Vec<Action>) {
    let budget = &state.budget;
    for n in 0..state.net.frames.len() {
        actions.push(Action::Deliver(n));
        actions.extend(budget.has(Fault::Repeat).then_some(Action::Repeat(n)));
        actions.extend(budget.has(Fault::Lose).then_some(Action::Lose(n)));
    }
    for i in 0..state.hosts.len() {
        of_host(limits, state, i, actions);
    }
    if budget.has(Fault::CenterCrash) {
        actions.push(Action::CrashCenter);
    }
    if budget.has(Fault::Unheard) && !state.center.world.startup_over {
        actions.push(Action::Unheard);
    }
    if budget.has(Fault::Restore) {
        match state.center.backup {
            None => actions.push(Action::Backup),
            Some(_) => actions.extend([Action::Rewind, Action::Restore]),
        }
    }
    let wishes = [Action::Deploy, Action::Cancel, Action::Rollback, Action::Redeploy, Action::Resume, Action::Adopt, Action::KeepBackup];
    actions.extend(wishes.into_iter().filter(|action| action.wish().is_some_and(|wish| budget.asks(wish))));
}

fn of_host(limits: &Limits, state: &State, i: usize, actions: &mut Vec<Action>) {
    let (host, budget) = (&state.hosts[i], &state.budget);
    let room = state.net.frames.len() < limits.late;
    if state.center.wants(i).is_some_and(|intent| !host.knows(&intent, state.basis(&intent).as_ref())) {
        actions.push(Action::Send(i));
        actions.extend(room.then_some(Action::SendLate(i)));
    }
    if host.has_news() {
        actions.push(Action::Tell(i));
        actions.extend(room.then_some(Action::TellLate(i)));
    }
    if host.next().is_some() {
        actions.push(Action::Act(i));
    }
    match &host.run {
        Some(Run::Begun { .. }) => actions.push(Action::Disturb(i)),
        Some(Run::Disturbed) => {
            actions.push(Action::Commit(i));
            actions.extend(budget.has(Fault::Fail).then_some(Action::Fail(i)));
        }
        Some(Run::Ended(_)) | None => {}
    }
    // What is stopped by a run is up to the run.
    let flips = host.slot.running.is_some() && !matches!(host.run, Some(Run::Disturbed));
    let heard = state.center.world.live.get(&name(i)).is_some_and(|l| l.reachable);
    for (possible, action) in [
        (host.measures(), Action::Measure(i)),
        (budget.has(Fault::Reconnect) || apart(state, i), Action::Connect(i)),
        (budget.has(Fault::Vain), Action::ConnectInVain(i)),
        (budget.has(Fault::AgentCrash), Action::CrashAgent(i)),
        (budget.has(Fault::Reimage), Action::Reimage(i)),
        (budget.has(Fault::Death) && flips, Action::Flip(i)),
        (budget.has(Fault::Silence) && heard, Action::Silence(i)),
        (budget.asks(Wish::Relabel), Action::Relabel(i)),
        (budget.asks(Wish::Leave), Action::Leave(i)),
        (budget.asks(Wish::Retire), Action::Retire(i)),
    ] {
        actions.extend(possible.then_some(action));
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
