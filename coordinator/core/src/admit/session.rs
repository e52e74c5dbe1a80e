//! Connections of agents (R2, R3, R28).

use pilotage_shared::ids::SessionId;
use pilotage_shared::name::{HostName, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::Heartbeat;
use pilotage_shared::time::Time;
use pilotage_shared::wire::{Hello, VERSION, Welcome};

use super::Admitted;
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::{Host, HostState, Live, World};

/// The host behind a principal; every input of an agent is about itself.
pub fn host_of(by: &Principal) -> Result<&HostName, Rejected> {
    match by {
        Principal::Host(id) => Ok(&id.name),
        Principal::Local { .. } | Principal::Token { .. } | Principal::Rule { .. } => {
            Err(Rejected::NotAllowed { who: by.to_string(), action: "speak for a host" })
        }
    }
}

/// The session of an input, when it is the host's current one (R3).
pub fn current<'a>(world: &'a World, host: &HostName, is: impl Fn(&SessionId) -> bool) -> Result<&'a Live, Rejected> {
    world.live.get(host).filter(|l| l.reachable && (is(&l.session) || planted(Bug::StatusAnySession))).ok_or_else(|| Rejected::Stale(host.clone()))
}

/// A connection begins: a session that was never used before (R2), or a goodbye.
pub fn hello(world: &World, by: &Principal, hello: &Hello, now: Time) -> Result<Admitted, Rejected> {
    let name = host_of(by)?;
    let host = world.hosts.get(name).ok_or_else(|| Rejected::UnknownHost(name.clone()))?;
    if *by != Principal::Host(host.id.clone()) || hello.host.name != host.id.name || host.state == HostState::Retired {
        return Err(Rejected::Retired(name.clone()));
    }
    if let Some(why) = &host.quarantined {
        return Err(Rejected::Quarantined { host: name.clone(), why: why.clone() });
    }
    if hello.versions.0 > VERSION || hello.versions.1 < VERSION {
        let (low, high) = hello.versions;
        let why = format!("this coordinator speaks frame version {VERSION}, the agent {low} to {high}: upgrade the older one");
        return Admitted::new(Vec::new(), Answer::Goodbye(Why::lossy(&why)));
    }
    if let Some(why) = conflict(world, host, hello) {
        let quarantined = Change::Quarantined { host: name.clone(), why: why.clone() };
        return Admitted::new(vec![quarantined], Answer::Goodbye(why));
    }
    let Some(epoch) = world.epoch else { return Err(Rejected::NotStarted) };
    let session = SessionId { epoch, n: world.sessions + 1 };
    let welcome = Welcome { session, lease: world.settings.lease(), heartbeat: world.settings.heartbeat, blocked: world.blocked.clone() };
    let began = Change::SessionBegan {
        host: name.clone(),
        session,
        ledger: hello.ledger,
        boot: hello.boot,
        came_from: hello.last.map(|s| s.epoch),
        agent: hello.agent.clone(),
        at: now,
    };
    Admitted::new(vec![began], Answer::Welcome(welcome))
}

/// R28: a hello whose last session is earlier than the confirmed one, in our own order: two machines, or one set back. A last
/// session of an unknown epoch says that *we* are old (R18); an empty ledger is a re-image.
fn conflict(world: &World, host: &Host, hello: &Hello) -> Option<Why> {
    let confirmed = host.confirmed?;
    let order = |s: SessionId| Some((world.epochs.iter().position(|e| *e == s.epoch)?, s.n));
    let earlier = match hello.last {
        None => host.ledger == Some(hello.ledger),
        Some(last) => order(last).zip(order(confirmed)).is_some_and(|(l, c)| l < c),
    };
    (earlier && !planted(Bug::CloneUnchecked)).then(|| {
        Why::lossy("its last session is earlier than one it has confirmed: two machines under one identity, or one set back to an old state")
    })
}

/// "Sequence n still holds": costs no durable write.
pub fn heartbeat(world: &World, by: &Principal, heartbeat: &Heartbeat, now: Time) -> Result<Admitted, Rejected> {
    let host = host_of(by)?;
    let live = current(world, host, |s| s.n == heartbeat.session_n)?;
    if !live.told || heartbeat.seq != live.seq || heartbeat.beat <= live.beat {
        return Err(Rejected::Stale(host.clone()));
    }
    let heard = Change::Heard { host: host.clone(), seq: live.seq, beat: heartbeat.beat, at: now };
    Admitted::new(vec![heard], Answer::Done)
}

/// The connection ended; the host has until its silence to come back before it is unreachable.
pub fn gone(by: &Principal, session: SessionId) -> Result<Admitted, Rejected> {
    Admitted::new(vec![Change::SessionEnded { host: host_of(by)?.clone(), session }], Answer::Done)
}
