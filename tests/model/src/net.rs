//! Frames that are late: any of them may arrive next, again, or never.

use pilotage_shared::intent::Intent;
use pilotage_shared::status::Status;

use crate::mark::{Mark, Told};
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
    /// Each but once: one that is there already can be delivered twice.
    pub frames: Vec<Frame>,
}

impl Told for Net {
    fn tell(&self, to: &mut Mark) {
        // Worlds that differ in the order of sending only are one.
        let mut marks: Vec<Mark> = self.frames.iter().map(told).collect();
        marks.sort();
        marks.into_iter().for_each(|mark| to.append(mark));
    }
}

fn told(frame: &Frame) -> Mark {
    let mut mark = Mark::default();
    match frame {
        Frame::Status(i, status) => {
            mark.host(*i);
            mark.add(&(0, status));
        }
        Frame::Intent(i, intent, basis) => {
            mark.host(*i);
            mark.add(&(1, intent, basis));
        }
    }
    mark
}

impl Net {
    /// This one is late. False: there is such a one already.
    pub fn send(&mut self, frame: Frame) -> bool {
        let new = !self.frames.contains(&frame);
        if new {
            self.frames.push(frame);
        }
        new
    }
}
