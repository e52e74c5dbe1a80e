//! Runs that the ledger does not know: it is new, or set back to an earlier copy, while the run directories are of later.
//!
//! Their numbers are never given again (an old report would be taken for the end of a new run), and the run that has not ended
//! is taken over as it is: it is reported as `run` until its end (R26; PROTOCOL §5, re-image), and no second one starts beside it.
//! What ran when it began stands in its order. Without such a run, what runs is not guessed from old reports.

use super::{RunEntry, RunKind, Slot};

/// A run directory, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What its order says.
    pub run: RunEntry,
    /// It has a report.
    pub ended: bool,
}

/// The record to write before anything else is done for this app; none when the ledger knows all of them.
pub fn recovered(slot: &Slot, found: &[Found]) -> Option<Slot> {
    let newest = found.iter().filter(|f| f.run.attempt > slot.attempts).max_by_key(|f| f.run.attempt)?;
    let mut record = Slot { attempts: newest.run.attempt, ..slot.clone() };
    if newest.ended {
        return Some(record);
    }
    if let RunKind::Activate(generation) = newest.run.kind {
        record.seen = record.seen.max(generation);
        record.spent = record.spent.max(generation); // R7: a run that has begun has spent it
    }
    record.running = newest.run.from;
    record.run = Some(newest.run.clone());
    Some(record)
}
