//! The same core once more over a recording, each decision compared byte by byte with the one that was recorded.

use std::collections::BTreeSet;

use pilotage_shared::name::FleetName;
use pilotage_shared::time::Time;

use super::codec::{bytes, echo};
use super::{Checkpoint, Decided, Planned, Said, Taken, Turn, redact};
use crate::admit::admit;
use crate::answer::Answer;
use crate::change::Change;
use crate::input::Input;
use crate::plan::{self, plan};
use crate::rejected::Rejected;
use crate::world::World;
use crate::world::load::Record;

/// A world that goes the way of a recording.
#[derive(Clone, Debug)]
pub struct Player {
    /// As it is now.
    pub world: World,
    /// Fleets that are still to be planned.
    pub dirty: BTreeSet<FleetName>,
    /// Of the last turn.
    pub now: Time,
}

/// What a turn was, once more.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// What came in, whole, and what it changed.
    pub inputs: Vec<TookIn>,
    /// What was planned, and when.
    pub plan: Option<(Time, Vec<Change>)>,
}

/// One input that was taken in.
#[derive(Clone, Debug)]
pub struct TookIn {
    /// When.
    pub at: Time,
    /// What.
    pub input: Input,
    /// What it decided.
    pub decided: Decided,
}

/// The first decision that is another one than was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// When.
    pub at: Time,
    /// Where.
    pub place: Place,
    /// What was recorded there.
    pub recorded: Vec<Change>,
    /// What the core decides now.
    pub replayed: Vec<Change>,
}

/// Where decisions differ.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// It was admitted, and is refused now.
    Refused(Box<Input>, Box<Rejected>),
    /// What an input decides; with both answers.
    Input(Box<Input>, Box<(Answer, Answer)>),
    /// One of the decisions that only repeat their inputs, of which only a digest was recorded.
    Echo,
    /// What was planned.
    Plan,
    /// The recording speaks of a host or session that is not there.
    Unknown,
    /// The world at a checkpoint.
    Checkpoint,
}

/// Where a recording begins anew, and how the world that it begins with differs from the one that was left.
#[derive(Clone, Debug, PartialEq)]
pub struct Rift {
    /// When.
    pub at: Time,
    /// Records that differ.
    pub records: usize,
    /// The coordinator was started.
    pub start: bool,
}

impl Player {
    /// Begins at a checkpoint.
    pub fn load(checkpoint: &Checkpoint) -> Player {
        Player { world: checkpoint.world(), dirty: checkpoint.dirty.clone(), now: checkpoint.at }
    }

    /// Meets the next checkpoint of the same recording. Within a life it must be the world that was replayed; at a start the
    /// stored records should be what they were, and what differs (something was lost, or restored) is said.
    pub fn meet(&mut self, checkpoint: &Checkpoint) -> Result<Option<Rift>, Difference> {
        // A turn that found nothing to plan may be left out: what is still to be planned then differs, and what comes of it not.
        let here = Checkpoint::of(&self.world, &checkpoint.dirty, checkpoint.at);
        let same_life = match (&checkpoint.life, &here.life) {
            (Some(theirs), Some(ours)) => theirs.epoch == ours.epoch,
            (Some(_), None) | (None, _) => false,
        };
        if same_life && bytes(&here) == bytes(checkpoint) {
            self.dirty.clone_from(&checkpoint.dirty);
            return Ok(None);
        }
        let differing = differing(&here.records, &checkpoint.records);
        if same_life {
            let (recorded, replayed) = (Vec::new(), Vec::new());
            return Err(Difference { at: checkpoint.at, place: Place::Checkpoint, recorded, replayed });
        }
        *self = Player::load(checkpoint);
        Ok(Some(Rift { at: checkpoint.at, records: differing, start: checkpoint.life.is_none() }))
    }

    /// One turn: takes its inputs in, plans as it was planned, and compares.
    pub fn turn(&mut self, turn: &Turn) -> Result<Played, Difference> {
        let mut played = Played::default();
        let mut repeated = None;
        for taken in &turn.inputs {
            let took = self.input(taken)?;
            if taken.decided.is_none() && !matches!(taken.said, Said::Beat(_)) {
                repeated = echo(repeated, &took.decided.changes);
            }
            played.inputs.push(took);
        }
        if repeated != turn.echo {
            let replayed = played.inputs.iter().flat_map(|took| took.decided.changes.clone()).filter(redact::is_echo).collect();
            return Err(Difference { at: self.now, place: Place::Echo, recorded: Vec::new(), replayed });
        }
        if let Some(Planned { at, changes }) = &turn.plan {
            played.plan = Some((*at, self.plan(*at, changes)?));
        }
        Ok(played)
    }

    fn input(&mut self, taken: &Taken) -> Result<TookIn, Difference> {
        let at = taken.at;
        self.now = at;
        let recorded = || taken.decided.as_ref().map(|d| d.changes.clone()).unwrap_or_default();
        let differs = |place, replayed| Difference { at, place, recorded: recorded(), replayed };
        let Some(input) = taken.said.input(&self.world, at) else { return Err(differs(Place::Unknown, Vec::new())) };
        let admitted = match admit(&self.world, &input, at) {
            Ok(admitted) => admitted,
            Err(rejected) => return Err(differs(Place::Refused(Box::new(input), Box::new(rejected)), Vec::new())),
        };
        let decided = Decided { changes: redact::changes(&admitted.changes), answer: admitted.answer };
        if let Some(recorded) = &taken.decided
            && bytes(recorded) != bytes(&decided)
        {
            let answers = (recorded.answer.clone(), decided.answer);
            return Err(differs(Place::Input(Box::new(input), Box::new(answers)), decided.changes));
        }
        self.apply(&decided.changes);
        Ok(TookIn { at, input, decided })
    }

    fn plan(&mut self, at: Time, recorded: &[Change]) -> Result<Vec<Change>, Difference> {
        self.now = at;
        let mut all = Vec::new();
        self.settle(at, |changes| all.extend_from_slice(changes));
        let first = recorded.iter().zip(&all).position(|(a, b)| bytes(a) != bytes(b)).unwrap_or(recorded.len().min(all.len()));
        if recorded.len() != all.len() || first < recorded.len() {
            let (recorded, replayed) = (recorded[first..].to_vec(), all[first..].to_vec());
            return Err(Difference { at, place: Place::Plan, recorded, replayed });
        }
        Ok(all)
    }

    /// Plans as the engine does: at most so many changes, the rest in the next turn.
    pub fn settle(&mut self, now: Time, mut each: impl FnMut(&[Change])) {
        let mut planned = 0;
        while planned < plan::TURN {
            let next = plan(&self.world, &self.dirty, now);
            if next.changes.is_empty() {
                self.dirty.clear();
                return;
            }
            planned += next.changes.len();
            self.apply(&next.changes);
            each(&next.changes);
        }
    }

    /// Applies changes of one unit.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let touched = self.world.apply(change);
            self.dirty.extend(touched.fleets);
        }
    }
}

/// How many records are in one and not, or otherwise, in the other. What the last health check said is not stored each time.
fn differing(ours: &[Record], theirs: &[Record]) -> usize {
    let set = |records: &[Record]| -> BTreeSet<Vec<u8>> { records.iter().map(|record| bytes(&without_notes(record))).collect() };
    let (ours, theirs) = (set(ours), set(theirs));
    theirs.difference(&ours).count().max(ours.difference(&theirs).count())
}

fn without_notes(record: &Record) -> Record {
    let mut record = record.clone();
    if let Record::Slot(_, _, slot) = &mut record
        && let Some(status) = &mut slot.status
    {
        status.health = Default::default();
    }
    record
}
