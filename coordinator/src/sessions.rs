//! Connections of agents: where each one's frames go, and how its own come in (PROTOCOL §1, R2–R4).
//!
//! An outbox holds levels, not a queue: the newest intent of each app, the newest answer to a heartbeat. So it is bounded by
//! the host's apps, and a host that reads slowly misses nothing but what was overtaken.

mod outbox;
mod serve;

use std::collections::BTreeMap;
use std::sync::Arc;

use pilotage_coordinator_core::change::Touched;
use pilotage_coordinator_core::world::{Live, World};
use pilotage_shared::intent::{Answers, Blocked};
use pilotage_shared::name::HostName;
use pilotage_shared::wire::Welcome;

use crate::follow::Follows;
pub use outbox::Outbox;
pub use serve::serve;

/// The engine's side: who is connected.
#[derive(Debug, Default)]
pub struct Hub {
    sessions: BTreeMap<HostName, Arc<Outbox>>,
    follows: Follows,
}

impl Hub {
    /// With those whose output is watched.
    pub fn new(follows: Follows) -> Self {
        Self { sessions: BTreeMap::new(), follows }
    }

    /// A session begins; an older one of the same host ends.
    pub fn begin(&mut self, host: HostName, welcome: Welcome, outbox: Arc<Outbox>) {
        outbox.welcome(welcome);
        if let Some(old) = self.sessions.insert(host, outbox) {
            old.close("a newer session of this host has begun");
        }
    }

    /// A session ends.
    pub fn close(&mut self, host: &HostName, why: &str) {
        if let Some(outbox) = self.sessions.remove(host) {
            outbox.close(why);
        }
    }

    /// All sessions end.
    pub fn close_all(&mut self, why: &str) {
        for outbox in std::mem::take(&mut self.sessions).into_values() {
            outbox.close(why);
        }
    }

    /// A status or heartbeat was taken in; the answer carries the blocked list's version (R29).
    pub fn heard(&self, host: &HostName, live: &Live, blocked: &Blocked) {
        if let Some(outbox) = self.sessions.get(host) {
            outbox.heard(Answers { seq: live.seq, beat: live.beat }, blocked);
        }
    }

    /// Tells everybody whose intents may differ.
    pub fn publish(&mut self, world: &World, touched: &Touched) {
        self.sessions.retain(|_, outbox| !outbox.is_closed());
        for host in &touched.hosts {
            self.tell(world, host);
        }
        if touched.everybody.is_empty() {
            return;
        }
        let concerned = |host: &HostName| {
            let fleets = world.member_of.get(host);
            !touched.hosts.contains(host) && fleets.is_some_and(|f| f.values().any(|f| touched.everybody.contains(f)))
        };
        for host in self.sessions.keys().filter(|h| concerned(h)) {
            self.tell(world, host);
        }
    }

    /// Tells one host what is wished of it; that its output is watched is no fact of the world.
    pub fn tell(&self, world: &World, host: &HostName) {
        if let Some(outbox) = self.sessions.get(host) {
            let mut intents = world.intents(host);
            intents.iter_mut().for_each(|i| i.follow = self.follows.wants(host, &i.app));
            outbox.intents(intents, &world.blocked);
        }
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Is nobody connected?
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}
