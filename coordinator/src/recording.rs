//! The recording: what the core was given and what it decided, appended to files beside the store, so that `pilotage replay`
//! can take it through the same core again.
//!
//! It costs a commit one write into the page cache, before its flush; heartbeats alone are collected and written later. It is
//! never waited for: after a power cut its end may be missing, after a crash what the store does not hold is cut off it, and
//! when it cannot be written the service goes on without, says so, and begins anew a little later.

mod folder;
mod segment;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use pilotage_coordinator_core::admit::Admitted;
use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::Input;
use pilotage_coordinator_core::replay::codec::Writer;
use pilotage_coordinator_core::world::World;
use pilotage_shared::name::FleetName;
use pilotage_shared::time::{Millis, Time};
use tracing::{info, warn};

pub use folder::{Segment, send};
use segment::Open;

/// A segment ends when it has so many bytes, or four times what its checkpoint had.
const SEGMENT: u64 = 4 << 20;
/// A segment ends after so long.
const SEGMENT_LASTS: Millis = Millis::seconds(24 * 3600);
/// Bytes of heartbeats that wait in memory.
const WAITING: usize = 64 << 10;
/// After it was lost it begins anew so much later.
const AGAIN: Millis = Millis::seconds(60);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So long.
    pub keep: Millis,
    /// At most so many bytes.
    pub bytes: u64,
}

/// How it stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody wants it.
    Off,
    /// It is written.
    On,
    /// It could not be written.
    Lost {
        /// Since when.
        since: Time,
        /// Why.
        why: String,
    },
}

/// Writes it. Used by the engine's thread alone.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    limits: Limits,
    standing: Standing,
    writer: Writer,
    open: Option<Open>,
    next: u64,
    now: Time,
    tidy: Option<JoinHandle<()>>,
}

impl Recorder {
    /// None is made.
    pub fn off() -> Recorder {
        let limits = Limits { keep: Millis(0), bytes: 0 };
        Recorder { folder: PathBuf::new(), limits, standing: Standing::Off, writer: Writer::default(), open: None, next: 0, now: Time(0), tidy: None }
    }

    /// Continues the one in this folder. `position`: of the newest entry of the history; what lies beyond it is cut off.
    pub fn new(folder: &Path, limits: Limits, position: u64) -> Recorder {
        let mut recorder = Recorder { folder: folder.to_owned(), limits, standing: Standing::On, ..Recorder::off() };
        match folder::prepare(folder, position) {
            Ok(next) => recorder.next = next,
            Err(error) => recorder.lose(&error),
        }
        recorder
    }

    /// How it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Segments that hold what happened between two moments, oldest first; what waits in memory is not in them.
    pub fn segments(&self, from: Time, until: Time) -> io::Result<Vec<Segment>> {
        match self.standing {
            Standing::Off => Ok(Vec::new()),
            Standing::On | Standing::Lost { .. } => folder::between(&self.folder, from, until),
        }
    }

    /// A turn begins, or a life: when it is time a segment begins, with a checkpoint of the world as it is on disk.
    pub fn begin(&mut self, world: &World, dirty: &BTreeSet<FleetName>, now: Time, position: u64) {
        self.now = now;
        let due = match (&self.standing, &self.open) {
            (Standing::Off, _) => false,
            (Standing::Lost { since, .. }, _) => now - *since >= AGAIN,
            (Standing::On, None) => true,
            (Standing::On, Some(open)) => open.bytes() >= SEGMENT.max(4 * open.checkpoint) || now - open.since >= SEGMENT_LASTS,
        };
        if due {
            self.flush(position);
            let frame = self.writer.checkpoint(world, dirty, now, position);
            match Open::create(&self.folder, self.next, now, &frame) {
                Ok(open) => {
                    if let Standing::Lost { .. } = self.standing {
                        info!("the recording goes on");
                    }
                    (self.open, self.standing) = (Some(open), Standing::On);
                    self.next += 1;
                    self.tidy(now);
                }
                Err(error) => self.lose(&error),
            }
        }
    }

    /// An input was admitted; `world` is as it was before it.
    pub fn input(&mut self, world: &World, input: &Input, admitted: &Admitted) {
        if self.open.is_some() {
            self.writer.input(world, input, input.at, admitted);
        }
    }

    /// It is planned now.
    pub fn plan(&mut self, now: Time) {
        if self.open.is_some() {
            self.writer.plan(now);
        }
    }

    /// A change was planned.
    pub fn planned(&mut self, change: &Change) {
        if self.open.is_some() {
            self.writer.planned(change);
        }
    }

    /// The turn is over, its commit comes next. One that is not durable may wait in memory.
    pub fn end_turn(&mut self, position: u64, durable: bool) {
        self.writer.end_turn();
        if durable || self.writer.waiting() > WAITING {
            self.flush(position);
        }
    }

    /// Writes what waits in memory.
    pub fn flush(&mut self, position: u64) {
        let Some(open) = &mut self.open else { return };
        let Some(frame) = self.writer.frame(position) else { return };
        if let Err(error) = open.append(&frame) {
            self.lose(&error);
        }
    }

    fn lose(&mut self, error: &io::Error) {
        if self.standing == Standing::On {
            warn!(%error, folder = %self.folder.display(), "nothing is recorded until it can be written again");
        }
        (self.open, self.writer) = (None, Writer::default());
        self.standing = Standing::Lost { since: self.now, why: error.to_string() };
    }

    /// Compresses what is whole and removes what is too old or too much, on a thread of its own.
    fn tidy(&mut self, now: Time) {
        if self.tidy.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let (folder, limits, whole) = (self.folder.clone(), self.limits, self.next.saturating_sub(1));
        let work = move || {
            if let Err(error) = folder::tidy(&folder, limits, whole, now) {
                warn!(%error, folder = %folder.display(), "the recording could not be tidied");
            }
        };
        self.tidy = std::thread::Builder::new().name("recording".into()).spawn(work).ok();
    }
}
