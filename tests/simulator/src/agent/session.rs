//! One session as the host holds it: what was sent when, what was answered, when the next frame is due (R3, R4, R6).

use std::collections::{BTreeMap, VecDeque};

use pilotage_shared::ids::SessionId;
use pilotage_shared::intent::{Answers, Intent};
use pilotage_shared::metrics::HostMetrics;
use pilotage_shared::name::AppName;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::status::{Heartbeat, SlotStatus, Status};
use pilotage_shared::time::{Millis, Uptime};
use pilotage_shared::wire::{Frame, Welcome};

/// Frames whose sending time is remembered.
const REMEMBERED: usize = 64;

/// One status of so many carries readings of the host.
const READ_EVERY: u64 = 16;

/// What is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// It differs, or the last was not answered in time.
    Status,
    /// The last one still holds.
    Heartbeat,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// How old a permission may be.
    pub lease: Millis,
    heartbeat: Millis,
    seq: u64,
    beat: u64,
    sent: VecDeque<(u64, Uptime)>,
    said: Option<(BTreeMap<AppName, SlotStatus>, u64)>,
    answered: Answers,
    heard_at: Uptime,
    next_beat: Uptime,
}

impl Session {
    /// A welcome arrived.
    pub fn new(welcome: &Welcome, now: Uptime) -> Self {
        Self {
            id: welcome.session,
            lease: welcome.lease,
            heartbeat: welcome.heartbeat,
            seq: 0,
            beat: 0,
            sent: VecDeque::new(),
            said: None,
            answered: Answers::default(),
            heard_at: now,
            next_beat: now,
        }
    }

    /// The coordinator said something in this session.
    pub fn heard(&mut self, answers: Answers, now: Uptime) {
        self.answered = self.answered.max(answers);
        self.heard_at = self.heard_at.max(now);
    }

    /// The newest status was answered.
    pub fn is_answered(&self) -> bool {
        self.answered.seq == self.seq
    }

    /// Nothing was heard for three heartbeats.
    pub fn silent(&self, now: Uptime) -> bool {
        now - self.heard_at > Millis(self.heartbeat.0 * 3)
    }

    /// When the next frame is due, or silence.
    pub fn due(&self) -> Uptime {
        self.next_beat.min(Uptime(self.heard_at.0 + self.heartbeat.0 * 3 + 1))
    }

    /// The sequence that a changed status would take.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// Until when an intent is no older than a lease (R6); none when it answers what was never sent.
    pub fn fresh_until(&self, intent: &Intent) -> Option<Uptime> {
        self.sent_at(intent).map(|at| at + self.lease)
    }

    /// The newest frame, as an intent would answer it.
    pub fn last_sent(&self) -> Answers {
        Answers { seq: self.seq, beat: self.beat }
    }

    /// How old an intent is.
    pub fn age(&self, intent: &Intent, now: Uptime) -> Option<Millis> {
        self.sent_at(intent).filter(|_| intent.session == self.id).map(|at| now - at)
    }

    fn sent_at(&self, intent: &Intent) -> Option<Uptime> {
        if intent.session != self.id && !planted(Bug::IntentAnySession) {
            return None;
        }
        self.sent.iter().find(|(beat, _)| *beat == intent.answers.beat).map(|(_, at)| *at)
    }

    /// What was said last, where it was said under this version of the blocked list.
    pub fn said(&self, blocked_version: u64) -> Option<&BTreeMap<AppName, SlotStatus>> {
        self.said.as_ref().filter(|(_, version)| *version == blocked_version).map(|(said, _)| said)
    }

    /// The frame to send now, if any: a status when it differs or the last was not answered in time, else a heartbeat.
    pub fn has_to_say(&self, changed: bool, now: Uptime) -> Option<Say> {
        if !changed && now < self.next_beat {
            return None;
        }
        Some(if changed || !self.is_answered() { Say::Status } else { Say::Heartbeat })
    }

    /// That nothing has changed.
    pub fn heartbeat(&mut self, now: Uptime) -> Frame {
        self.beats(now);
        Frame::Heartbeat(Heartbeat { session_n: self.id.n, seq: self.seq, beat: self.beat })
    }

    /// All that there is to say.
    pub fn status(&mut self, slots: BTreeMap<AppName, SlotStatus>, blocked_version: u64, now: Uptime) -> Frame {
        self.beats(now);
        self.seq += 1;
        self.said = Some((slots.clone(), blocked_version));
        let metrics = self.seq.is_multiple_of(READ_EVERY).then(|| HostMetrics { uptime_seconds: now.0 / 1000, ..HostMetrics::default() });
        Frame::Status(Status { session: self.id, seq: self.seq, beat: self.beat, blocked_version, slots, metrics })
    }

    fn beats(&mut self, now: Uptime) {
        self.beat += 1;
        self.next_beat = now + self.heartbeat;
        self.sent.push_back((self.beat, now));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
    }
}
