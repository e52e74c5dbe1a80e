//! What a host need not keep, need not hear, and what tells it apart: so that states are one that nobody can tell apart.

use pilotage_agent_core::slot::Held;
use pilotage_agent_core::slot::receive::{Received, receive};
use pilotage_shared::intent::{Go, Intent};
use serde::Serialize;

use super::{Host, Memory};
use crate::mark::{Mark, Told};
use crate::promises::Basis;

impl Host {
    /// What nothing reads in these worlds: the number of a run names its folder, a person at the host goes back to the previous
    /// release, and how a run ended is compared with a refusal only.
    pub(super) fn forget(&mut self) {
        (self.slot.attempts, self.slot.previous) = (0, None);
        if self.slot.refused.is_empty() {
            self.slot.last_ended = None;
        }
    }

    /// It holds an intent that permits nothing, or nothing any more.
    pub fn holds_in_vain(&self) -> bool {
        let intent = self.memory.as_ref().and_then(|m| m.held.intent.as_ref());
        intent.is_some_and(|intent| !self.permits(intent))
    }

    /// Such an intent has done all that it does when it arrived: what was seen, and the bits.
    pub fn forget_intent(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.held = Held::default();
        }
    }

    /// Who was available is asked of those only who have died.
    pub fn ask_only(&mut self, mortal: &[bool]) {
        for basis in self.basis.iter_mut().chain(&mut self.used_basis) {
            basis.ask_only(mortal);
        }
    }

    /// There is somebody else of whom it will not be asked.
    pub fn asks_more_than(&self, mortal: &[bool]) -> bool {
        let bases = self.basis.iter().chain(&self.used_basis);
        bases.flat_map(|basis| basis.available.iter().zip(mortal)).any(|(available, mortal)| *available && !mortal)
    }

    /// It permits something that was not used yet.
    fn permits(&self, intent: &Intent) -> bool {
        intent.go == Go::Activate && intent.generation > self.slot.spent
    }

    /// It would be dropped, or is what is known already.
    pub fn ignores(&self, intent: &Intent, basis: Option<&Basis>) -> bool {
        let Some(memory) = &self.memory else { return true };
        let dropped = matches!(receive(&self.slot, &memory.held, memory.session.as_ref(), intent), Received::Drop(_));
        let usable = intent.generation > self.slot.spent;
        dropped || memory.held.intent.as_ref() == Some(intent) && (self.basis.as_ref() == basis || !usable)
    }

    /// Hearing this intent now would change nothing, but that late frames might be refused.
    pub fn knows(&self, wanted: &Intent, basis: Option<&Basis>) -> bool {
        let Some(memory) = &self.memory else { return true };
        if self.contradicts(wanted) {
            return false; // it changes nothing, and must not be sent
        }
        let held = memory.held.intent.as_ref().filter(|held| self.permits(held));
        match (self.permits(wanted), held) {
            (false, None) => wanted.generation <= self.slot.seen && (wanted.release.is_none() || wanted.release == memory.bits),
            (false, Some(_)) | (true, None) => false,
            (true, Some(held)) => {
                let facts = (self.standing(), self.slot.run.is_some(), self.slot.running);
                let stale = memory.facts.is_none_or(|(known, seq)| known != facts || held.answers.seq < seq);
                let same = Intent { answers: held.answers, ..wanted.clone() } == *held;
                same && (held.answers == wanted.answers || !stale) && self.basis.as_ref() == basis
            }
        }
    }
}

/// Told by its place among those of this host.
#[derive(Serialize)]
struct Sequence {
    seq: u64,
}

impl Told for Host {
    fn tell(&self, to: &mut Mark) {
        to.host(self.number);
        to.add(&(&self.record, &self.slot, &self.run, &self.basis, &self.used_basis, &self.meant, &self.begun, self.ledgers));
        to.add(&(self.up, self.died, self.proved, self.blind, self.drains, &self.split));
        if let Some(Memory { session, held, seq, told, facts, used, bits }) = &self.memory {
            let used = used.as_ref().map(|u| (u.session, u.generation, u.standing));
            to.add(&(session, &held.intent, Sequence { seq: *seq }, told, facts.map(|(facts, seq)| (facts, Sequence { seq })), used, bits));
        }
    }
}
