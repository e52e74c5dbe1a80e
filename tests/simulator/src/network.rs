//! The network between hosts and coordinator: what becomes of a frame, and which connections each side believes open.
//!
//! A connection is a pair of beliefs: either side may think it open while the other has long given it up. Frames of old
//! connections may still arrive; that their session is another is the receiver's business (R3).

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::name::HostName;
use pilotage_shared::time::{Millis, Time};

use crate::coverage::Fault;
use crate::rng::Rng;

/// How bad it is, in thousandths of all frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Never arrive.
    pub lost: u64,
    /// Arrive twice.
    pub repeated: u64,
    /// Arrive much later than the others, hence out of order too.
    pub late: u64,
    /// How much later at most.
    pub late_by: Millis,
    /// The shortest way.
    pub fastest: Millis,
    /// The longest ordinary way; frames that take different ways overtake each other.
    pub slowest: Millis,
}

impl Rates {
    /// Everything arrives, at once and in order.
    pub const CALM: Rates = Rates { lost: 0, repeated: 0, late: 0, late_by: Millis(0), fastest: Millis(10), slowest: Millis(10) };
}

/// Which way is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes.
    Both,
    /// The host is not heard.
    Up,
    /// The host hears nothing.
    Down,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Upward.
    Host,
    /// Downward.
    Coordinator,
}

/// After how many new connections old ones are forgotten.
const FORGET_EVERY: u64 = 512;

/// Names one connection for ever.
pub type LinkId = u64;

/// One connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whose.
    pub host: HostName,
    /// The host believes it open.
    pub host_open: bool,
    /// The coordinator believes it open.
    pub coordinator_open: bool,
}

/// All connections, and the weather.
#[derive(Clone, Debug)]
pub struct Network {
    rng: Rng,
    /// The weather.
    pub rates: Rates,
    links: BTreeMap<LinkId, Link>,
    next: LinkId,
    cuts: BTreeMap<HostName, Cut>,
    /// What happened to frames so far.
    pub tally: BTreeMap<&'static str, u64>,
    fates: Vec<Fault>,
    next_fate: Option<Fault>,
}

impl Network {
    /// No connections yet.
    pub fn new(rng: Rng, rates: Rates) -> Self {
        Self { rng, rates, links: BTreeMap::new(), next: 1, cuts: BTreeMap::new(), tally: BTreeMap::new(), fates: Vec::new(), next_fate: None }
    }

    /// Another weather, with draws of its own.
    pub fn weather(&mut self, rng: Rng, rates: Rates) {
        (self.rng, self.rates) = (rng, rates);
    }

    /// Cuts a host off.
    pub fn cut(&mut self, host: &HostName, cut: Cut) {
        self.cuts.insert(host.clone(), cut);
    }

    /// Joins it again; true when it was cut.
    pub fn join(&mut self, host: &HostName) -> bool {
        self.cuts.remove(host).is_some()
    }

    /// All that are cut off.
    pub fn cut_off(&self) -> BTreeSet<HostName> {
        self.cuts.keys().cloned().collect()
    }

    /// A host dials; open on its side, on the other only once something arrives there.
    pub fn open(&mut self, host: &HostName) -> LinkId {
        let id = self.next;
        self.next += 1;
        // What is closed on both sides and old enough that nothing of it can still arrive is forgotten, now and then.
        if id.is_multiple_of(FORGET_EVERY) {
            self.links.retain(|known, link| link.host_open || link.coordinator_open || known + 4096 > id);
        }
        self.links.insert(id, Link { host: host.clone(), host_open: true, coordinator_open: true });
        id
    }

    /// The connection.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    /// One side gives it up; true when the other side still believes in it and can be told.
    pub fn close(&mut self, id: LinkId, side: Side) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        match side {
            Side::Host => link.host_open = false,
            Side::Coordinator => link.coordinator_open = false,
        }
        let other = match side {
            Side::Host => link.coordinator_open,
            Side::Coordinator => link.host_open,
        };
        other && !self.cuts.contains_key(&link.host)
    }

    /// Both sides lose all of theirs: a side's process has died.
    pub fn close_all(&mut self, side: Side, of: Option<&HostName>) -> Vec<LinkId> {
        let ids: Vec<LinkId> = self.links.iter().filter(|(_, l)| of.is_none_or(|h| l.host == *h)).map(|(id, _)| *id).collect();
        ids.into_iter().filter(|id| self.close(*id, side)).collect()
    }

    /// When a frame that is sent now arrives: never, once, or twice.
    pub fn send(&mut self, id: LinkId, from: Side, now: Time) -> Vec<Time> {
        let Some(link) = self.links.get(&id) else { return Vec::new() };
        let passes = match (self.cuts.get(&link.host), from) {
            (None, _) | (Some(Cut::Up), Side::Coordinator) | (Some(Cut::Down), Side::Host) => true,
            (Some(Cut::Both | Cut::Up), Side::Host) | (Some(Cut::Both | Cut::Down), Side::Coordinator) => false,
        };
        if !passes {
            self.count("frame cut off");
            return Vec::new();
        }
        let fate = self.next_fate.take();
        if self.rng.chance(self.rates.lost) || fate == Some(Fault::FrameLost) {
            self.count("frame lost");
            self.fates.push(Fault::FrameLost);
            return Vec::new();
        }
        let mut arrivals = vec![now + self.way(fate)];
        if self.rng.chance(self.rates.repeated) || fate == Some(Fault::FrameRepeated) {
            self.count("frame repeated");
            self.fates.push(Fault::FrameRepeated);
            let again = Millis(self.way(None).0 + self.lateness().0);
            arrivals.push(now + again);
        }
        arrivals
    }

    /// What became of the frame that was sent last.
    pub fn take_fates(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.fates)
    }

    /// The next frame that could arrive suffers this.
    pub fn next_fate(&mut self, fault: Fault) {
        self.next_fate = Some(fault);
    }

    fn way(&mut self, fate: Option<Fault>) -> Millis {
        let ordinary = Millis(self.rng.between(self.rates.fastest.0, self.rates.slowest.0));
        if self.rng.chance(self.rates.late) || fate == Some(Fault::FrameLate) {
            self.count("frame late");
            self.fates.push(Fault::FrameLate);
            return Millis(ordinary.0 + self.lateness().0);
        }
        ordinary
    }

    fn lateness(&mut self) -> Millis {
        Millis(self.rng.below(self.rates.late_by.0.max(1)))
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}
