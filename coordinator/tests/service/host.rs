//! A host in a few lines: it does at once what it is told, and is available afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pilotage_client::agent::Coordinator;
use pilotage_client::{Address, ClientError, Secret};
use pilotage_shared::digest::Digest;
use pilotage_shared::health::Standing;
use pilotage_shared::ids::{BootId, HostId, LedgerId, SessionId};
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::name::{AppName, HostName, Why};
use pilotage_shared::run::Outcome;
use pilotage_shared::status::{Heartbeat, Refusal, SlotStatus, Status};
use pilotage_shared::wire::{Decoder, Frame, Hello, Welcome, encode};
use tokio::task::JoinHandle;

/// Runs until it is dropped.
pub struct Host(JoinHandle<String>);

/// A host of which is seen whether somebody watches its output.
pub struct Watched {
    _host: Host,
    follow: Arc<AtomicBool>,
}

impl Watched {
    /// By its newest intent.
    pub fn follow(&self) -> bool {
        self.follow.load(Ordering::Relaxed)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Host {
    pub fn start(address: Address, name: &str, token: Secret<String>) -> Host {
        Self::every(Duration::from_millis(100), address, name, token)
    }

    /// With a heartbeat so often.
    pub fn every(heartbeat: Duration, address: Address, name: &str, token: Secret<String>) -> Host {
        Self::of(heartbeat, address, name, token, Kind::plain(name), Arc::default())
    }

    /// One that says whether somebody watches its output.
    pub fn watched(address: Address, name: &str, token: Secret<String>) -> Watched {
        let follow = Arc::new(AtomicBool::default());
        Watched { _host: Self::of(Duration::from_millis(100), address, name, token, Kind::plain(name), follow.clone()), follow }
    }

    /// With a ledger of its own, and a package that it goes back from.
    pub fn refusing(address: Address, name: &str, token: Secret<String>, ledger: u8, refuses: Option<Digest>) -> Host {
        Self::of(Duration::from_millis(100), address, name, token, Kind { ledger, refuses }, Arc::default())
    }

    fn of(heartbeat: Duration, address: Address, name: &str, token: Secret<String>, kind: Kind, follow: Arc<AtomicBool>) -> Host {
        let id = HostId { name: HostName::new(name).unwrap(), join: 1 };
        Host(tokio::spawn(async move { live(heartbeat, address, id, token, kind, &follow).await.unwrap_or_else(|e| e.to_string()) }))
    }

    /// Why its session ended.
    pub async fn ended(mut self) -> String {
        (&mut self.0).await.unwrap()
    }
}

pub fn hello(id: &HostId) -> Hello {
    Hello {
        host: id.clone(),
        ledger: LedgerId([id.name.as_str().len() as u8; 16]),
        boot: BootId([1; 16]),
        last: None,
        versions: (1, 1),
        agent: Why::lossy("test"),
    }
}

struct Kind {
    ledger: u8,
    refuses: Option<Digest>,
}

impl Kind {
    fn plain(name: &str) -> Kind {
        Kind { ledger: name.len() as u8, refuses: None }
    }
}

struct Slot {
    status: SlotStatus,
    session: SessionId,
    seq: u64,
    beat: u64,
}

impl Slot {
    fn frame(&mut self) -> Vec<u8> {
        self.seq += 1;
        self.beat += 1;
        let slots = [(AppName::new("web").unwrap(), self.status.clone())].into();
        let status = Status { session: self.session, seq: self.seq, beat: self.beat, blocked_version: 0, slots, metrics: None };
        encode(&Frame::Status(status)).unwrap()
    }

    fn beat(&mut self) -> Vec<u8> {
        self.beat += 1;
        encode(&Frame::Heartbeat(Heartbeat { session_n: self.session.n, seq: self.seq, beat: self.beat })).unwrap()
    }

    /// True when something of it changed.
    fn obey(&mut self, intent: &Intent, refuses: Option<Digest>) -> bool {
        let before = self.status.clone();
        let slot = &mut self.status;
        slot.seen = slot.seen.max(intent.generation);
        match (intent.go, intent.release) {
            (Go::Stage, Some(release)) => slot.staged = Some(release),
            (Go::Activate, Some(release)) if intent.generation > slot.spent && refuses == Some(release.package) => {
                slot.spent = intent.generation;
                let why = Why::lossy("ValidateService exit 1");
                slot.last_ended = Some((intent.generation, Outcome::RolledBack { why: why.clone() }));
                slot.refused.extend(intent.deployment.clone().map(|deployment| Refusal { release, deployment, why, needs_hands: false }));
            }
            (Go::Activate, Some(release)) if intent.generation > slot.spent => {
                slot.spent = intent.generation;
                slot.previous = slot.running;
                slot.running = Some(release);
                slot.standing = Standing::Available;
            }
            (Go::Keep | Go::Stage | Go::Activate, _) => {}
        }
        before != *slot
    }
}

async fn live(
    heartbeat: Duration,
    address: Address,
    id: HostId,
    token: Secret<String>,
    kind: Kind,
    follow: &AtomicBool,
) -> Result<String, ClientError> {
    let coordinator = Coordinator::new(address, token);
    let mut session = coordinator.session().await?;
    let mut decoder = Decoder::default();
    let hello = Hello { ledger: LedgerId([kind.ledger; 16]), ..hello(&id) };
    session.send.send(encode(&Frame::Hello(hello)).unwrap()).await;
    let mut slot: Option<Slot> = None;
    let mut ticks = tokio::time::interval(heartbeat);
    loop {
        while let Some(frame) = decoder.next_frame().unwrap() {
            match frame {
                Frame::Welcome(Welcome { session: id, .. }) => {
                    let mut new = Slot { status: SlotStatus::empty(Standing::Down), session: id, seq: 0, beat: 0 };
                    session.send.send(new.frame()).await;
                    slot = Some(new);
                }
                Frame::Intent(intent, _, _) => {
                    follow.store(intent.follow, Ordering::Relaxed);
                    if let Some(slot) = &mut slot
                        && slot.obey(&intent, kind.refuses)
                    {
                        session.send.send(slot.frame()).await;
                    }
                }
                Frame::Goodbye(why) => return Ok(why.to_string()),
                Frame::Heard(..) => {}
                other => panic!("not for a host: {other:?}"),
            }
        }
        tokio::select! {
            bytes = session.receive.next() => match bytes? {
                Some(bytes) => decoder.push(&bytes),
                None => return Ok("closed".into()),
            },
            _ = ticks.tick() => {
                if let Some(slot) = &mut slot {
                    session.send.send(slot.beat()).await;
                }
            }
        }
    }
}
