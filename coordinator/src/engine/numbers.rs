//! What the engine counts of itself, for `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

#[derive(Debug, Default)]
struct Counters {
    admitted: AtomicU64,
    refused: AtomicU64,
    commits: AtomicU64,
    units: AtomicU64,
    sessions: AtomicUsize,
}

/// Counters, shared with whoever shows them.
#[derive(Clone, Debug, Default)]
pub struct Numbers(Arc<Counters>);

impl Numbers {
    pub(super) fn input(&self, admitted: bool) {
        if admitted { &self.0.admitted } else { &self.0.refused }.fetch_add(1, Relaxed);
    }

    pub(super) fn commit(&self, units: usize) {
        if units > 0 {
            self.0.commits.fetch_add(1, Relaxed);
            self.0.units.fetch_add(units as u64, Relaxed);
        }
    }

    pub(super) fn sessions(&self, n: usize) {
        self.0.sessions.store(n, Relaxed);
    }

    /// Inputs admitted since the start.
    pub fn admitted(&self) -> u64 {
        self.0.admitted.load(Relaxed)
    }

    /// Inputs refused since the start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Flushes since the start.
    pub fn commits(&self) -> u64 {
        self.0.commits.load(Relaxed)
    }

    /// Units written since the start.
    pub fn units(&self) -> u64 {
        self.0.units.load(Relaxed)
    }

    /// Agents connected now.
    pub fn connected(&self) -> usize {
        self.0.sessions.load(Relaxed)
    }
}
