//! The beginning of every course: a coordinator that knows the fleet as it stands, and hosts that have told it so.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pilotage_coordinator_core::input::Via;
use pilotage_coordinator_core::{Answer, Change, Input, Rejected, Request};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::{BootId, Epoch, HostId, LedgerId, SessionId};
use pilotage_shared::name::{AppName, HostName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{SlotStatus, Status};
use pilotage_shared::time::Time;
use pilotage_shared::wire::{Hello, VERSION};

use super::center::Center;
use super::host::Host;
use super::{Barred, Member, Scenario};

/// When every course begins; any moment is as good as another.
pub const BEGIN: Time = Time(1_000_000);
/// The coordinator's only life.
pub const EPOCH: Epoch = Epoch([7; 32]);

/// A coordinator and its hosts, at rest.
#[derive(Clone, Debug)]
pub struct Base {
    /// The coordinator.
    pub center: Center,
    /// The hosts, in the order of the scenario's members.
    pub hosts: Vec<Host>,
    /// Each host's place in `hosts`; only looked up, never gone through.
    pub index: Arc<HashMap<HostName, u32>>,
    /// Carries one status after the other.
    pub voice: Voice,
}

/// Brings everybody together. The fleet is declared last, so that its members are put into their groups once.
pub fn open(scenario: &Scenario) -> Result<Base, Box<Rejected>> {
    let mut voice = Voice::new(&scenario.spec.app);
    let mut center = Center::new(scenario, BEGIN)?;
    let mut hosts = Vec::with_capacity(scenario.members.len());
    for (n, member) in scenario.members.iter().enumerate() {
        hosts.push(join(&mut center, &mut voice, n as u64, member)?);
    }
    center.package(&scenario.package, &scenario.spec.app, BEGIN)?;
    center.configuration(scenario, BEGIN);
    center.declare(scenario, BEGIN)?;
    center.settle(BEGIN, |_| ());
    let index = hosts.iter().zip(0..).map(|(host, n)| (host.id.name.clone(), n)).collect();
    Ok(Base { center, hosts, index: Arc::new(index), voice })
}

fn join(center: &mut Center, voice: &mut Voice, n: u64, member: &Member) -> Result<Host, Rejected> {
    let host = member.name.clone();
    center.ask(Request::AddHost { host: host.clone(), labels: member.labels.clone(), token: [0; 32] }, BEGIN)?;
    let id = HostId { name: host.clone(), join: 1 };
    let mut joined = Host {
        by: Principal::Host(id.clone()),
        id,
        session: SessionId { epoch: EPOCH, n: 0 },
        seq: 0,
        slot: slot(member),
        wish: None,
        sent: None,
        fetching: None,
        run: None,
        runs: 0,
        starts: 0,
        process: member.running,
        serving: match member.standing {
            Some(Standing::Available | Standing::Settling) => true,
            Some(Standing::Unknown) => member.running.is_some(),
            Some(Standing::Down) | None => false,
        },
        good_since: None,
        lost: member.standing.is_none(),
        tried: false,
    };
    connect(center, voice, &mut joined, n, BEGIN)?;
    if joined.lost {
        center.apply(&Change::Silent { host: host.clone() });
    }
    match member.barred {
        Some(Barred::Cordoned) => {
            center.ask(Request::CordonHost { host }, BEGIN)?;
        }
        Some(Barred::Maintenance) => {
            center.ask(Request::MaintainHost { host, on: true }, BEGIN)?;
        }
        Some(Barred::Pinned(_) | Barred::NeedsHands(_)) | None => {}
    }
    Ok(joined)
}

fn slot(member: &Member) -> SlotStatus {
    let mut slot = SlotStatus::empty(member.standing.unwrap_or(Standing::Unknown));
    (slot.running, slot.previous, slot.staged) = (member.running, member.previous, member.staged);
    match &member.barred {
        Some(Barred::Pinned(why)) => slot.pinned = Some(why.clone()),
        Some(Barred::NeedsHands(why)) => slot.needs_hands = Some(why.clone()),
        Some(Barred::Cordoned | Barred::Maintenance) | None => {}
    }
    slot
}

/// A connection begins, and the host's first status in it (R3).
pub fn connect(center: &mut Center, voice: &mut Voice, host: &mut Host, n: u64, now: Time) -> Result<(), Rejected> {
    let mut ledger = [1; 16];
    ledger[..8].copy_from_slice(&n.to_le_bytes());
    let hello = Hello {
        host: host.id.clone(),
        ledger: LedgerId(ledger),
        boot: BootId(ledger),
        last: (host.session.n > 0).then_some(host.session),
        versions: (VERSION, VERSION),
        agent: Why::default(),
    };
    if let Answer::Welcome(welcome) = center.hear(&host.by, Request::Hello { hello: Box::new(hello) }, now)? {
        (host.session, host.seq) = (welcome.session, 0);
    }
    voice.say(center, host, now)
}

/// One input for all statuses: a new one for each would cost more than taking it in.
#[derive(Clone, Debug)]
pub struct Voice {
    app: AppName,
    input: Input,
}

impl Voice {
    fn new(app: &AppName) -> Self {
        let session = SessionId { epoch: EPOCH, n: 0 };
        let status = Status { session, seq: 0, beat: 0, blocked_version: 0, slots: BTreeMap::new(), metrics: None };
        let by = Principal::Rule { name: Why::default() };
        let request = Request::Status { status: Box::new(status) };
        Self { app: app.clone(), input: Input { by, via: Via::Agent, reason: Reason::default(), at: BEGIN, idempotency: None, request } }
    }

    /// The host's whole word.
    pub fn say(&mut self, center: &mut Center, host: &mut Host, now: Time) -> Result<(), Rejected> {
        host.seq += 1;
        if let Request::Status { status } = &mut self.input.request {
            (status.session, status.seq, status.beat) = (host.session, host.seq, host.seq);
            status.blocked_version = center.world.blocked.version;
            match status.slots.get_mut(&self.app) {
                Some(slot) => slot.clone_from(&host.slot),
                None => {
                    status.slots.insert(self.app.clone(), host.slot.clone());
                }
            }
        }
        self.input.by.clone_from(&host.by);
        self.input.at = now;
        center.status(&self.input, now)
    }
}
