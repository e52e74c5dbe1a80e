//! `pilotage replay`: decisions, each with its number and moment, and where they differ.

mod backtest;
mod said;
mod what_if;

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::replay::Difference;
use pilotage_coordinator_core::replay::Place;
use pilotage_coordinator_core::waiting::{Cause, Waiting};
use pilotage_shared::name::FleetName;
use pilotage_shared::time::{Millis, Time};

use super::words::{names, plural, thousands};
use crate::output::safe;
use crate::recording::{Missing, Went};

pub use backtest::{Row, row, table};
pub use said::{decision, fact};
pub use what_if::{after, departure, what_if_json};

/// Hosts named on one line.
const NAMED: usize = 8;

/// `+0.049s`, `+1m05.2s`, `+2h05m10s`
pub fn offset(span: Millis) -> String {
    let Millis(ms) = span;
    let (hours, minutes, seconds, tenths) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms / 100 % 10);
    match (hours, minutes) {
        (0, 0) => format!("+{seconds}.{:03}s", ms % 1000),
        (0, _) => format!("+{minutes}m{seconds:02}.{tenths}s"),
        _ => format!("+{hours}h{minutes:02}m{seconds:02}s"),
    }
}

/// One decision, or several of one moment that say the same of several hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first of their numbers; none: a fact.
    pub number: Option<usize>,
    /// When, since the deployment began.
    pub at: Millis,
    /// Whom it is about.
    pub hosts: Vec<String>,
    /// What.
    pub text: String,
}

/// Puts lines of one moment that say the same together.
pub fn join(lines: &mut Vec<Line>, new: Line) {
    match lines.last_mut() {
        Some(last) if last.at == new.at && last.text == new.text && last.number.is_some() == new.number.is_some() && !new.hosts.is_empty() => {
            last.hosts.extend(new.hosts)
        }
        Some(_) | None => lines.push(new),
    }
}

impl Line {
    fn show(&self) -> String {
        let number = match (self.number, self.hosts.len()) {
            (None, _) => String::new(),
            (Some(n), 0 | 1) => format!("#{n}"),
            (Some(n), many) => format!("#{n}-{}", n + many - 1),
        };
        let hosts = if self.hosts.is_empty() { String::new() } else { format!("{} ", names(&self.hosts, self.hosts.len(), NAMED)) };
        let lead = if self.number.is_some() { "" } else { "· " };
        format!("{number:<8} {:>10}  {lead}{hosts}{}", offset(self.at), self.text)
    }
}

/// All of them.
pub fn lines(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::show).collect()
}

/// The first line of a replay.
pub fn verdict(name: &str, went: &Went, decisions: usize) -> String {
    let inputs = format!("{} ({} of hosts that only repeat)", plural_of(went.inputs, "input", "inputs"), thousands(went.said));
    match &went.difference {
        None => format!("{name}  replayed {inputs}: {} of its fleet, all byte for byte as recorded", plural(decisions, "decision", "decisions")),
        Some(_) => format!("{name}  DIFFERS after {inputs} and {} as recorded", plural(decisions, "decision", "decisions")),
    }
}

fn plural_of(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

/// Where a life of the coordinator began, or something is missing.
pub fn rifts(went: &Went, since: Time) -> Vec<String> {
    let said = |(rift, missing): &(pilotage_coordinator_core::replay::Rift, Missing)| {
        let start = if rift.start { "the coordinator was started" } else { "the recording begins anew" };
        // That it was started is a decision like any other.
        let lost = match (*missing, rift.records) {
            (0, 0) => return None,
            (0, records) => format!(
                "{} differ from what was recorded (it was killed in the middle of a commit, or restored)",
                plural(records, "record", "records")
            ),
            (entries, _) => format!("{} of the history before it were not recorded", plural(entries as usize, "entry", "entries")),
        };
        Some(format!("         {:>10}  · {start}; {lost}", offset(rift.at - since)))
    };
    went.rifts.iter().filter(|(rift, _)| rift.at >= since).filter_map(said).collect()
}

/// Both sides of the first decision that differs.
pub fn difference(difference: &Difference, world: &World, since: Time) -> Vec<String> {
    let what = match &difference.place {
        Place::Refused(input, rejected) => format!("{} was admitted, and is refused now: {rejected}", said::request(&input.request)),
        Place::Input(input, answers) if answers.0 != answers.1 => {
            format!("{} was answered {:?}, and is answered {:?} now", said::request(&input.request), answers.0, answers.1)
        }
        Place::Input(input, _) => format!("{} decides something else", said::request(&input.request)),
        Place::Echo => "what was taken in of a status has another digest".to_owned(),
        Place::Plan => "the planner decides something else".to_owned(),
        Place::Unknown => "the recording speaks of a host or session that is not there: it was changed, or a part of it is missing".to_owned(),
        Place::Checkpoint => "the world is not the one of the recording's next checkpoint".to_owned(),
    };
    let mut lines = vec![format!("         {:>10}  {}", offset(difference.at - since), safe(&what))];
    let side = |mark, changes: &[Change]| -> Vec<String> {
        match changes.is_empty() {
            true => vec![format!("  {mark} nothing")],
            false => changes.iter().take(NAMED).map(|change| format!("  {mark} {}", safe(&raw(world, change)))).collect(),
        }
    };
    if difference.recorded.is_empty() && matches!(difference.place, Place::Echo | Place::Checkpoint) {
        lines.push("  - only a digest was recorded".to_owned());
    } else {
        lines.extend(side('-', &difference.recorded));
    }
    lines.extend(side('+', &difference.replayed));
    lines.push(
        "next  - is what was recorded, + what this program decides: another version of it, a changed recording, or a defect; report it with --export"
            .to_owned(),
    );
    lines
}

/// In words where there are some, with all its numbers behind them.
fn raw(world: &World, change: &Change) -> String {
    let text = format!("{change:?}");
    match decision(world, change) {
        Some((hosts, words)) => format!("{} {words}   {text}", hosts.join(" ")).trim_start().to_owned(),
        None => text,
    }
}

/// How a fleet stands.
pub fn standing(world: &World, fleet: &FleetName) -> String {
    let counts = world.counts(fleet);
    format!("available {} of {}, floor {}, in change {}", counts.available, counts.total, counts.floor, counts.in_change)
}

/// What is waited for.
pub fn waits(waiting: &[Waiting]) -> Vec<String> {
    let one = |w: &Waiting| {
        let what = match &w.cause {
            Cause::Floor { scope, counted, floor, members } => format!("the floor of {}: {counted} of {members} count, {floor} must", safe(scope)),
            Cause::Batch { limit } => format!("its batch: at most {limit} in change"),
            other => other.kind().replace('-', " "),
        };
        let hosts = if w.hosts.is_empty() {
            String::new()
        } else {
            format!(": {}", names(&w.hosts.iter().map(|h| h.as_str()).collect::<Vec<_>>(), w.count as usize, NAMED))
        };
        format!("{what}{hosts}")
    };
    waiting.iter().map(one).collect()
}
