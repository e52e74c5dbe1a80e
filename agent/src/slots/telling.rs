//! What was told in this session, and what a permission is as old as (R4, R6).

use std::collections::BTreeMap;
use std::time::Duration;

use pilotage_client::agent::SessionSender;
use pilotage_shared::health::Standing;
use pilotage_shared::ids::SessionId;
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::AppName;
use pilotage_shared::release::Release;
use pilotage_shared::status::{Heartbeat, SlotStatus, Status};
use pilotage_shared::time::{Millis, Uptime};
use pilotage_shared::wire::{Frame, Welcome, encode};
use tracing::warn;

/// Frames whose moment of sending is remembered.
const BEATS: usize = 64;

/// A coordinator that takes no frame for so long is treated as silent; the loop has other work.
const TAKES: Duration = Duration::from_secs(2);

/// What R6 calls "neither standing, nor run, nor running release".
type Facts = (Standing, bool, Option<Release>);

/// One session's words.
#[derive(Default)]
pub struct Telling {
    session: Option<Session>,
    metrics: Option<HostMetrics>,
}

struct Session {
    id: SessionId,
    sender: SessionSender,
    heartbeat: Millis,
    lease: Millis,
    seq: u64,
    beat: u64,
    sent: BTreeMap<u64, Uptime>,
    beat_due: Uptime,
    told: Option<(BTreeMap<AppName, SlotStatus>, u64)>,
    facts: BTreeMap<AppName, (Facts, u64)>,
    measured: bool,
}

impl Telling {
    /// A session begins; everything is to be told.
    pub fn joined(&mut self, welcome: &Welcome, sender: SessionSender, metrics: HostMetrics) {
        self.metrics = Some(metrics);
        self.session = Some(Session {
            id: welcome.session,
            sender,
            heartbeat: welcome.heartbeat,
            lease: welcome.lease,
            seq: 0,
            beat: 0,
            sent: BTreeMap::new(),
            beat_due: Uptime(0),
            told: None,
            facts: BTreeMap::new(),
            measured: false,
        });
    }

    /// The session is over.
    pub fn left(&mut self) {
        self.session = None;
    }

    /// The current one.
    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref().map(|s| &s.id)
    }

    /// A reading to send with the next status or instead of a heartbeat.
    pub fn measured(&mut self, metrics: HostMetrics) {
        self.metrics = Some(metrics);
    }

    /// The end of the lease of what answers this frame (R6).
    pub fn lease_ends(&self, beat: u64) -> Option<Uptime> {
        let session = self.session.as_ref()?;
        Some(*session.sent.get(&beat)? + session.lease)
    }

    /// The status that first told the app's present facts; none while they are not told.
    pub fn facts_told_in(&self, app: &AppName, facts: &Facts) -> Option<u64> {
        self.session.as_ref()?.facts.get(app).filter(|(told, _)| told == facts).map(|(_, seq)| *seq)
    }

    /// How long until a heartbeat is due.
    pub fn next_beat(&self, now: Uptime) -> Option<Duration> {
        Some(Duration::from_millis((self.session.as_ref()?.beat_due - now).0))
    }

    /// Sends a status when something changed, a heartbeat when one is due.
    pub async fn tell(&mut self, slots: BTreeMap<AppName, SlotStatus>, blocked_version: u64, now: Uptime) {
        let due = self.next_beat(now).is_some_and(|d| d.is_zero());
        let Some(session) = &mut self.session else { return };
        let changed = session.told.as_ref().is_none_or(|(told, version)| *version != blocked_version || !same(told, &slots));
        if !changed && !due {
            return;
        }
        session.beat += 1;
        let frame = if changed || !session.measured || session.beat.is_multiple_of(8) {
            session.seq += 1;
            session.measured = true;
            for (app, slot) in &slots {
                let facts = (slot.standing, slot.run.is_some(), slot.running);
                let told = session.facts.entry(app.clone()).or_insert((facts, session.seq));
                if told.0 != facts {
                    *told = (facts, session.seq);
                }
            }
            session.told = Some((slots.clone(), blocked_version));
            Frame::Status(Status { session: session.id, seq: session.seq, beat: session.beat, blocked_version, slots, metrics: self.metrics.clone() })
        } else {
            Frame::Heartbeat(Heartbeat { session_n: session.id.n, seq: session.seq, beat: session.beat })
        };
        session.sent.insert(session.beat, now);
        session.beat_due = now + early(session.heartbeat);
        while session.sent.len() > BEATS {
            session.sent.pop_first();
        }
        match encode(&frame) {
            // A session that is over is noticed by its receiving half.
            Ok(bytes) => match tokio::time::timeout(TAKES, session.sender.send(bytes)).await {
                Ok(_) => {}
                Err(_) => {
                    warn!("the coordinator takes no frames; the session is given up");
                    self.session = None;
                }
            },
            Err(error) => warn!(%error, "a status could not be written"),
        }
    }
}

/// Between eight and nine and a half tenths of the heartbeat, at random: hosts do not all speak at once, and none is late.
fn early(heartbeat: Millis) -> Millis {
    let mut byte = [128];
    // Without randomness the middle does as well.
    let _ = getrandom::fill(&mut byte);
    Millis(heartbeat.0 * (800 + 150 * u64::from(byte[0]) / 255) / 1000)
}

/// Notes of the health check are for people: they alone are no reason for a frame.
fn same(a: &BTreeMap<AppName, SlotStatus>, b: &BTreeMap<AppName, SlotStatus>) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((x, a), (y, b))| x == y && SlotStatus { health: a.health.clone(), ..b.clone() } == *a)
}
