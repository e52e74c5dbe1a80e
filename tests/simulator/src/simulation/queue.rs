//! What is to come, by its time; equal times in the order in which they were planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pilotage_shared::time::Time;

use super::Event;

/// When, and the number of the plan.
type Moment = (Time, u64);

/// All that is planned. The heap holds small entries, so that little is moved; the events themselves lie still.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BinaryHeap<Reverse<(Moment, usize)>>,
    events: Vec<Option<Event>>,
    free: Vec<usize>,
}

impl Queue {
    /// Plans an event.
    pub(super) fn insert(&mut self, moment: Moment, event: Event) {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.events.push(None);
                self.events.len() - 1
            }
        };
        self.events[place] = Some(event);
        self.order.push(Reverse((moment, place)));
    }

    /// When the next one comes.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.order.peek().map(|Reverse(((at, _), _))| *at)
    }

    /// Takes the next one.
    pub(super) fn pop(&mut self) -> Option<(Moment, Event)> {
        let Reverse((moment, place)) = self.order.pop()?;
        self.free.push(place);
        Some((moment, self.events[place].take()?))
    }
}
