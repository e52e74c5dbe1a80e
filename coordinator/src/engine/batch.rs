//! What one turn has collected: units to write, and what to tell whom once they are on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use pilotage_coordinator_core::change::Touched;
use pilotage_coordinator_core::input::{Input, Via};
use pilotage_disk::{Unit, Write};
use pilotage_shared::name::{HostName, Reason, Why};
use pilotage_shared::principal::Principal;
use pilotage_shared::wire::Welcome;

use crate::sessions::Outbox;

/// Who caused a change, by which way, and why.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who.
    pub by: Principal,
    /// By which way.
    pub via: Via,
    /// Why.
    pub reason: Reason,
}

impl Cause {
    /// Of an input.
    pub fn of(input: &Input) -> Self {
        Self { by: input.by.clone(), via: input.via, reason: input.reason.clone() }
    }

    /// A rule of ours.
    pub fn rule(name: &str) -> Self {
        Self { by: Principal::Rule { name: Why::lossy(name) }, via: Via::Own, reason: Reason::default() }
    }
}

/// Something to be done once all is on disk.
pub type After = Box<dyn FnOnce() + Send>;

/// One turn's results.
#[derive(Default)]
pub struct Batch {
    /// To be written in one flush.
    pub units: Vec<Unit>,
    /// Whom it concerns.
    pub touched: Touched,
    /// Answers.
    pub after: Vec<After>,
    /// Sessions that begin.
    pub sessions: Vec<(HostName, Welcome, Arc<Outbox>)>,
    /// Hosts whose status or heartbeat was taken in.
    pub heard: BTreeSet<HostName>,
}

impl Batch {
    /// One unit; empty ones are not written.
    pub fn unit(&mut self, unit: Unit) {
        if !unit.is_empty() {
            self.units.push(unit);
        }
    }

    /// A run's report with its entry in the history.
    pub fn run(&mut self, mut writes: Vec<Write>, entry: Write) {
        writes.push(entry);
        self.units.push(writes);
    }
}
