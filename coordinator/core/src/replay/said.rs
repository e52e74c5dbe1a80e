//! Inputs in short: a heartbeat is its host, a status what is new in it. Both are read again beside the world that they came
//! into, which a replay has.

use pilotage_shared::health::HealthNote;
use pilotage_shared::name::{AppName, HostName, Reason};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{Heartbeat, SlotStatus, Status};
use pilotage_shared::time::Time;
use serde::{Deserialize, Serialize};

use super::redact;
use crate::input::{Input, Request, Via};
use crate::world::World;

/// What came in; `H` names a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said<H> {
    /// The heartbeat that the host's session expects next.
    Beat(H),
    /// A status of the host's session.
    Status(Word<H>),
    /// Anything else, whole.
    Whole(Box<Input>),
}

/// A status, as far as it is new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Word<H> {
    /// Whose.
    pub host: H,
    /// Its sequence.
    pub seq: u64,
    /// Its frame's number.
    pub beat: u64,
    /// Of the blocked list.
    pub blocked_version: u64,
    /// For each app that it names.
    pub slots: Vec<(AppName, Facet)>,
}

/// What a status says of one app, beside what the world knew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Facet {
    /// Nothing new.
    Same,
    /// Only what the last health check said.
    Noted(HealthNote),
    /// This.
    Is(Box<SlotStatus>),
}

impl<H> Said<H> {
    /// The same with hosts named in another way.
    pub fn try_map<G, E>(self, name: impl FnOnce(H) -> Result<G, E>) -> Result<Said<G>, E> {
        Ok(match self {
            Said::Beat(host) => Said::Beat(name(host)?),
            Said::Status(Word { host, seq, beat, blocked_version, slots }) => {
                Said::Status(Word { host: name(host)?, seq, beat, blocked_version, slots })
            }
            Said::Whole(input) => Said::Whole(input),
        })
    }
}

impl Said<HostName> {
    /// In short, beside the world into which it comes.
    pub fn of(world: &World, input: &Input, now: Time) -> Self {
        Self::shortly(world, input, now).unwrap_or_else(|| Said::Whole(Box::new(redact::input(input))))
    }

    fn shortly(world: &World, input: &Input, now: Time) -> Option<Self> {
        let Principal::Host(id) = &input.by else { return None };
        let plain = input.at == now && input.via == Via::Agent && input.reason.is_empty() && input.idempotency.is_none();
        let known = world.hosts.get(&id.name).is_some_and(|host| host.id == *id);
        let live = world.live.get(&id.name).filter(|_| plain && known)?;
        match &input.request {
            Request::Heartbeat { heartbeat } => {
                let expected = Heartbeat { session_n: live.session.n, seq: live.seq, beat: live.beat + 1 };
                (*heartbeat == expected).then(|| Said::Beat(id.name.clone()))
            }
            Request::Status { status } if status.session == live.session => {
                let slots = status.slots.iter().map(|(app, slot)| (app.clone(), facet(world, &id.name, app, slot))).collect();
                let (seq, beat, blocked_version) = (status.seq, status.beat, status.blocked_version);
                Some(Said::Status(Word { host: id.name.clone(), seq, beat, blocked_version, slots }))
            }
            _ => None,
        }
    }

    /// The input again. None: the world does not know the host or its session.
    pub fn input(&self, world: &World, at: Time) -> Option<Input> {
        let (host, request) = match self {
            Said::Whole(input) => return Some((**input).clone()),
            Said::Beat(host) => {
                let live = world.live.get(host)?;
                (host, Request::Heartbeat { heartbeat: Heartbeat { session_n: live.session.n, seq: live.seq, beat: live.beat + 1 } })
            }
            Said::Status(word) => {
                let live = world.live.get(&word.host)?;
                let slot = |(app, facet): &(AppName, Facet)| Some((app.clone(), whole(world, &word.host, app, facet)?));
                let slots = word.slots.iter().map(slot).collect::<Option<_>>()?;
                let (seq, beat, blocked_version) = (word.seq, word.beat, word.blocked_version);
                let status = Status { session: live.session, seq, beat, blocked_version, slots, metrics: None };
                (&word.host, Request::Status { status: Box::new(status) })
            }
        };
        let by = Principal::Host(world.hosts.get(host)?.id.clone());
        Some(Input { by, via: Via::Agent, reason: Reason::default(), at, idempotency: None, request })
    }
}

fn facet(world: &World, host: &HostName, app: &AppName, new: &SlotStatus) -> Facet {
    match world.slot(app, host).and_then(|slot| slot.status.as_ref()) {
        Some(old) if old == new => Facet::Same,
        Some(old) if SlotStatus { health: old.health.clone(), ..new.clone() } == *old => Facet::Noted(new.health.clone()),
        Some(_) | None => Facet::Is(Box::new(new.clone())),
    }
}

fn whole(world: &World, host: &HostName, app: &AppName, facet: &Facet) -> Option<SlotStatus> {
    let old = || world.slot(app, host).and_then(|slot| slot.status.clone());
    match facet {
        Facet::Same => old(),
        Facet::Noted(health) => Some(SlotStatus { health: health.clone(), ..old()? }),
        Facet::Is(new) => Some((**new).clone()),
    }
}
