//! Frames under way: any of them may arrive next, again, or never.

use pilotage_shared::intent::Intent;
use pilotage_shared::status::Status;

use crate::promises::Basis;

/// One frame, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// To the coordinator.
    Status(usize, Box<Status>),
    /// To a host; with what the coordinator counted when it was derived, which nobody is told.
    Intent(usize, Box<Intent>, Option<Basis>),
}

/// All of them, in no order that means anything.
#[derive(Clone, Debug, Default)]
pub struct Net {
    /// Sorted by their text, so that worlds that differ in the order of sending only are one.
    pub frames: Vec<Frame>,
}

impl Net {
    /// Puts a frame under way; one that is under way already need not be there twice: it can be delivered twice.
    pub fn send(&mut self, frame: Frame) {
        if !self.frames.contains(&frame) {
            self.frames.push(frame);
            self.frames.sort_by_cached_key(|f| format!("{f:?}"));
        }
    }
}
