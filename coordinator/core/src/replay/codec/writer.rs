//! Turns, collected and made frames of.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::time::Time;

use super::{CHECKPOINT, HostRef, Short, TURNS, bytes, echo, frame};
use crate::admit::Admitted;
use crate::answer::Answer;
use crate::change::Change;
use crate::input::Input;
use crate::replay::{Checkpoint, Decided, Planned, Said, Taken, Turn, redact};
use crate::world::World;

/// Collects turns and makes frames of them.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    hosts: BTreeMap<HostName, u32>,
    last: Time,
    turn: Turn,
    body: Vec<u8>,
    position: u64,
}

impl Writer {
    /// The frame of a checkpoint; what follows is written beside it.
    pub fn checkpoint(&mut self, world: &World, dirty: &BTreeSet<FleetName>, now: Time, position: u64) -> Vec<u8> {
        *self = Writer { last: now, position, ..Writer::default() };
        frame(CHECKPOINT, position, &bytes(&Checkpoint::of(world, dirty, now)))
    }

    /// An input was admitted now; `world` is as it was before it.
    pub fn input(&mut self, world: &World, input: &Input, now: Time, admitted: &Admitted) {
        let said = Said::of(world, input, now);
        let decided = if matches!(said, Said::Beat(_)) {
            None
        } else if admitted.answer == Answer::Done && admitted.changes.iter().all(redact::is_echo) {
            self.turn.echo = echo(self.turn.echo, &redact::changes(&admitted.changes));
            None
        } else {
            Some(Decided { changes: redact::changes(&admitted.changes), answer: admitted.answer.clone() })
        };
        self.turn.inputs.push(Taken { at: now, said, decided });
    }

    /// It is planned now.
    pub fn plan(&mut self, now: Time) {
        self.turn.plan = Some(Planned { at: now, changes: Vec::new() });
    }

    /// A change was planned.
    pub fn planned(&mut self, change: &Change) {
        if let Some(plan) = &mut self.turn.plan {
            plan.changes.push(change.clone());
        }
    }

    /// The turn is over. One in which nothing happened leaves nothing.
    pub fn end_turn(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        self.turn(turn);
    }

    /// A whole turn.
    pub fn turn(&mut self, turn: Turn) {
        if turn.inputs.is_empty() && turn.plan.as_ref().is_none_or(|plan| plan.changes.is_empty()) {
            return;
        }
        let short = self.short(turn);
        self.body.extend_from_slice(&bytes(&short));
    }

    /// Bytes of turns that no frame holds yet.
    pub fn waiting(&self) -> usize {
        self.body.len()
    }

    /// The frame of all turns since the last one; none when there are none, and the history stands where it stood.
    pub fn frame(&mut self, position: u64) -> Option<Vec<u8>> {
        let body = std::mem::take(&mut self.body);
        let before = std::mem::replace(&mut self.position, position);
        (!body.is_empty() || before != position).then(|| frame(TURNS, position, &body))
    }

    fn short(&mut self, turn: Turn) -> Short {
        if let Some(at) = only_beats(&turn) {
            let after = self.after(at);
            let beats = turn.inputs.into_iter().filter_map(|taken| match taken.said {
                Said::Beat(host) => Some(host),
                Said::Status(_) | Said::Whole(_) => None,
            });
            let mut hosts: Vec<HostRef> = beats.map(|host| self.refer(host)).collect();
            return match hosts.pop() {
                Some(host) if hosts.is_empty() => Short::One(after, host),
                last => Short::Beats(after, hosts.into_iter().chain(last).collect()),
            };
        }
        let mut inputs = Vec::with_capacity(turn.inputs.len());
        for Taken { at, said, decided } in turn.inputs {
            let after = self.after(at);
            let Ok(said) = said.try_map(|host| Ok::<_, Infallible>(self.refer(host)));
            inputs.push((after, said, decided));
        }
        let plan = turn.plan.map(|plan| (self.after(plan.at), plan.changes));
        Short::Turn { inputs, plan, echo: turn.echo }
    }

    fn after(&mut self, at: Time) -> u64 {
        let after = at.0.saturating_sub(self.last.0);
        self.last = self.last.max(at);
        after
    }

    fn refer(&mut self, host: HostName) -> HostRef {
        if let Some(known) = self.hosts.get(&host) {
            return HostRef::Known(*known);
        }
        let number = self.hosts.len() as u32;
        self.hosts.insert(host.clone(), number);
        HostRef::New(host)
    }
}

/// The moment of a turn that held only heartbeats, all of one moment, and planned nothing.
fn only_beats(turn: &Turn) -> Option<Time> {
    let at = turn.inputs.first()?.at;
    let beats = turn.inputs.iter().all(|taken| taken.at == at && matches!(taken.said, Said::Beat(_)));
    let quiet = turn.plan.as_ref().is_some_and(|plan| plan.at == at && plan.changes.is_empty());
    (beats && quiet && turn.echo.is_none()).then_some(at)
}
