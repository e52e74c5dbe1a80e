//! How long things take on one simulated host: a spread that people write, or what was measured.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use crate::rng::Rng;

/// The events of a run in their order, without the download: that is done before anything is stopped (promise 3).
pub const RUN: [Event; 11] = [
    Event::BeforeBlockTraffic,
    Event::AfterBlockTraffic,
    Event::ApplicationStop,
    Event::BeforeInstall,
    Event::Install,
    Event::AfterInstall,
    Event::ApplicationStart,
    Event::ValidateService,
    Event::HealthCheck,
    Event::BeforeAllowTraffic,
    Event::AfterAllowTraffic,
];

/// The events that bring a host back to what it ran.
pub const BACK: [Event; 4] = [Event::ApplicationStop, Event::Install, Event::ApplicationStart, Event::ValidateService];

/// How long something takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Anything between both, as likely as the next.
    Between(Millis, Millis),
    /// One of these measured times; never empty.
    Seen(Arc<[Millis]>),
}

impl Spread {
    /// Of measured times; none when there are none.
    pub fn seen(mut times: Vec<Millis>) -> Option<Self> {
        times.sort_unstable();
        (!times.is_empty()).then(|| Spread::Seen(times.into()))
    }

    /// One of them.
    pub fn draw(&self, rng: &mut Rng) -> Millis {
        match self {
            Spread::Between(low, high) => Millis(rng.between(low.0, high.0)),
            Spread::Seen(times) => rng.pick(times).copied().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Spread {
    /// `20s..40s`, `5s`, and of measured times their ends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = match self {
            Spread::Between(low, high) => (*low, *high),
            Spread::Seen(times) => (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default()),
        };
        if low == high { write!(f, "{low}") } else { write!(f, "{low}..{high}") }
    }
}

/// Why a duration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to understand the duration {text:?}: {why}; write HOOK=SPAN or HOOK=SPAN..SPAN, as start=20s..40s; HOOK is stage, stop, install, start, validate or an event as BeforeInstall"
)]
pub struct PaceError {
    text: String,
    why: String,
}

/// What a duration is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Fetching, verifying, unpacking: nothing is stopped for it.
    Stage,
    /// An event of a run.
    Hook(Event),
}

/// One duration as people write it: `start=20s..40s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Of what.
    pub task: Task,
    /// How long.
    pub spread: Spread,
}

/// The event that people mean: `start`, `validation`, or its own name.
pub fn event(word: &str) -> Option<Event> {
    match word {
        "stop" => Some(Event::ApplicationStop),
        "install" => Some(Event::Install),
        "start" => Some(Event::ApplicationStart),
        "validate" | "validation" => Some(Event::ValidateService),
        name => Event::named(name).filter(|event| RUN.contains(event)),
    }
}

impl FromStr for Timed {
    type Err = PaceError;
    fn from_str(text: &str) -> Result<Self, PaceError> {
        let bad = |why: &str| PaceError { text: text.chars().take(80).collect(), why: why.to_owned() };
        let (name, span) = text.split_once('=').ok_or_else(|| bad("there is no ="))?;
        let task = match name {
            "stage" => Task::Stage,
            name => Task::Hook(event(name).ok_or_else(|| bad(&format!("{name:?} is no hook")))?),
        };
        let one = |text: &str| text.parse::<Millis>().map_err(|error| bad(&error.to_string()));
        let (low, high) = match span.split_once("..") {
            Some((low, high)) => (one(low)?, one(high)?),
            None => (one(span)?, one(span)?),
        };
        if low > high {
            return Err(bad(&format!("{low} is more than {high}")));
        }
        Ok(Timed { task, spread: Spread::Between(low, high) })
    }
}

/// How long everything takes on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Fetching, verifying, unpacking.
    pub stage: Spread,
    /// Each event of a run; those that are not here take no time.
    pub hooks: BTreeMap<Event, Spread>,
}

impl Default for Pace {
    /// What is assumed when nobody says anything: a small service.
    fn default() -> Self {
        let between = |low, high| Spread::Between(Millis::seconds(low), Millis::seconds(high));
        Self {
            stage: between(2, 10),
            hooks: BTreeMap::from([
                (Event::ApplicationStop, between(1, 3)),
                (Event::Install, between(1, 2)),
                (Event::ApplicationStart, between(2, 5)),
                (Event::ValidateService, between(1, 5)),
            ]),
        }
    }
}

impl Pace {
    /// Puts one duration in.
    pub fn set(&mut self, timed: Timed) {
        match timed.task {
            Task::Stage => self.stage = timed.spread,
            Task::Hook(event) => {
                self.hooks.insert(event, timed.spread);
            }
        }
    }

    /// How long an event takes this time.
    pub fn draw(&self, event: Event, rng: &mut Rng) -> Millis {
        self.hooks.get(&event).map_or(Millis(0), |spread| spread.draw(rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_strictly() {
        let check = |text: &str, task, low, high| {
            let timed: Timed = text.parse().unwrap();
            assert_eq!(timed, Timed { task, spread: Spread::Between(Millis::seconds(low), Millis::seconds(high)) }, "{text}");
        };
        check("start=20s..40s", Task::Hook(Event::ApplicationStart), 20, 40);
        check("ValidateService=1m", Task::Hook(Event::ValidateService), 60, 60);
        check("stage=0s..2m", Task::Stage, 0, 120);
        for (bad, why) in [
            ("start", "there is no ="),
            ("begin=3s", "\"begin\" is no hook"),
            ("DownloadBundle=3s", "\"DownloadBundle\" is no hook"),
            ("start=40s..20s", "40s is more than 20s"),
            ("start=20..40s", "\"20\" is not a span of time"),
            ("start=20s..", "\"\" is not a span of time"),
        ] {
            let error = bad.parse::<Timed>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("start=20s..40s"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_draw_is_one_of_what_was_seen() {
        let mut rng = Rng::new(1);
        let seen = Spread::seen(vec![Millis(9), Millis(3)]).unwrap();
        assert!((0..50).all(|_| [3, 9].contains(&seen.draw(&mut rng).0)));
        assert_eq!((seen.to_string(), Spread::seen(Vec::new())), ("3ms..9ms".to_owned(), None));
        assert_eq!(Spread::Between(Millis::seconds(5), Millis::seconds(5)).to_string(), "5s");
    }
}
