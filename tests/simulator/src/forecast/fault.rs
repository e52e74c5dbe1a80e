//! What may go wrong in a forecast, as people write it: a bad version, a part of the fleet that is lost.

use std::fmt;
use std::str::FromStr;

use pilotage_shared::fleet::Labels;
use pilotage_shared::name::{LabelKey, LabelValue};
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use super::pace::event;

/// How the new version is bad where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badness {
    /// Its hook of this event fails.
    Fails(Event),
    /// Its hook of this event never ends; the fleet's own limit ends it.
    Hangs(Event),
    /// It starts, and never answers its health check well.
    NeverHealthy,
    /// It dies so long after it was started.
    Crashes(Millis),
}

/// On which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On all.
    Everywhere,
    /// On each with this chance, in millionths.
    Share(u32),
    /// On so many, drawn anew for each seed.
    Some(u32),
    /// On those with this label.
    Label(LabelKey, LabelValue),
}

/// A bad version: `crashes after 20m on 3% of hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// How.
    pub badness: Badness,
    /// Where.
    pub place: Place,
}

/// A part of the fleet that is gone at once: `a@10m`, `rack=r1@10m`, and for a time `a@10m..30m`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The label of the lost hosts.
    pub key: LabelKey,
    /// Its value.
    pub value: LabelValue,
    /// So long after the deployment began.
    pub at: Millis,
    /// When they are back; none: they stay away.
    pub until: Option<Millis>,
}

/// Why a fault was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No form that we know.
    #[error(
        "failed to understand the bad version {text:?}: {why}; write one of\n  crashes after 20m\n  fails validation       (or start, install, BeforeInstall, AfterInstall, …)\n  hangs in start\n  never healthy\nand, if not everywhere: on 3% of hosts, on 5 hosts, on zone=a"
    )]
    Bad {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// No form that we know.
    #[error("failed to understand the loss {text:?}: {why}; write VALUE@SPAN, KEY=VALUE@SPAN or VALUE@SPAN..SPAN, as a@10m, rack=r1@10m, a@10m..30m")]
    Loss {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl FromStr for Bad {
    type Err = FaultError;
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = |why: String| FaultError::Bad { text: text.chars().take(100).collect(), why };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (what, place) = match words.iter().position(|word| *word == "on") {
            Some(at) => (&words[..at], place(&words[at + 1..]).map_err(bad)?),
            None => (&words[..], Place::Everywhere),
        };
        let hook = |word: &str| match event(word) {
            Some(Event::BeforeBlockTraffic | Event::AfterBlockTraffic | Event::ApplicationStop) => {
                Err(bad(format!("{word} runs the old version's scripts, and a failing stop blocks nothing")))
            }
            Some(event) => Ok(event),
            None => Err(bad(format!("{word:?} is no hook"))),
        };
        let badness = match what {
            ["fails", word] => Badness::Fails(hook(word)?),
            ["hangs", "in", word] => Badness::Hangs(hook(word)?),
            ["never", "healthy"] => Badness::NeverHealthy,
            ["crashes", "after", span] => Badness::Crashes(span.parse().map_err(|error: pilotage_shared::time::SpanError| bad(error.to_string()))?),
            [] => return Err(bad("it says nothing".to_owned())),
            [first, ..] => return Err(bad(format!("{first:?} does not go on as expected"))),
        };
        Ok(Bad { badness, place })
    }
}

fn place(words: &[&str]) -> Result<Place, String> {
    match words {
        ["all", "hosts"] => Ok(Place::Everywhere),
        [share, "of", "hosts"] => match share.strip_suffix('%').and_then(millionths) {
            Some(share) => Ok(Place::Share(share)),
            None => Err(format!("{share:?} is no share: write 3% or 0.5%")),
        },
        [count, "hosts" | "host"] => match count.parse::<u32>() {
            Ok(count) if count > 0 => Ok(Place::Some(count)),
            _ => Err(format!("{count:?} is no number of hosts")),
        },
        [label] => match label.split_once('=') {
            Some((key, value)) => {
                let key = key.parse().map_err(|error: pilotage_shared::name::NameError| error.to_string())?;
                Ok(Place::Label(key, LabelValue::new(value).map_err(|error| error.to_string())?))
            }
            None => Err(format!("{label:?} is no label: write zone=a")),
        },
        _ => Err("it does not say where behind \"on\"".to_owned()),
    }
}

/// `3` → 30,000; `0.5` → 5,000; at most 100 and four decimals.
fn millionths(percent: &str) -> Option<u32> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 4 {
        return None;
    }
    let share = whole.parse::<u32>().ok()?.checked_mul(10_000)? + format!("{part:0<4}").parse::<u32>().ok()?;
    (share <= 1_000_000).then_some(share)
}

impl FromStr for Loss {
    type Err = FaultError;
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = |why: String| FaultError::Loss { text: text.chars().take(100).collect(), why };
        let (label, when) = text.split_once('@').ok_or_else(|| bad("there is no @".to_owned()))?;
        let (key, value) = label.split_once('=').unwrap_or(("zone", label));
        let key = key.parse().map_err(|error: pilotage_shared::name::NameError| bad(error.to_string()))?;
        if value.is_empty() {
            return Err(bad("it names no zone".to_owned()));
        }
        let value = LabelValue::new(value).map_err(|error| bad(error.to_string()))?;
        let span = |text: &str| text.parse::<Millis>().map_err(|error| bad(error.to_string()));
        let (at, until) = match when.split_once("..") {
            Some((at, until)) => (span(at)?, Some(span(until)?)),
            None => (span(when)?, None),
        };
        if until.is_some_and(|until| until <= at) {
            return Err(bad("it is back before it is lost".to_owned()));
        }
        Ok(Loss { key, value, at, until })
    }
}

impl Loss {
    /// Is a host with these labels lost by it?
    pub fn takes(&self, labels: &Labels) -> bool {
        labels.get(&self.key) == Some(&self.value)
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.badness {
            Badness::Fails(event) => write!(f, "fails {event}")?,
            Badness::Hangs(event) => write!(f, "hangs in {event}")?,
            Badness::NeverHealthy => write!(f, "never healthy")?,
            Badness::Crashes(after) => write!(f, "crashes after {after}")?,
        }
        match &self.place {
            Place::Everywhere => Ok(()),
            Place::Share(share) => write!(f, " on {}% of hosts", f64::from(*share) / 10_000.0),
            Place::Some(1) => write!(f, " on 1 host"),
            Place::Some(count) => write!(f, " on {count} hosts"),
            Place::Label(key, value) => write!(f, " on {key}={value}"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} lost at {}", self.key, self.value, self.at)?;
        self.until.map_or(Ok(()), |until| write!(f, ", back at {until}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_versions_are_read_strictly() {
        let check = |text: &str, badness, place, said: &str| {
            let bad: Bad = text.parse().unwrap();
            assert_eq!((&bad, bad.to_string().as_str()), (&Bad { badness, place }, said), "{text}");
            assert_eq!(said.parse::<Bad>().unwrap(), bad, "what is said can be written");
        };
        let zone = || Place::Label("zone".parse().unwrap(), LabelValue::new("a").unwrap());
        let minutes = |n: u64| Badness::Crashes(Millis::seconds(60 * n));
        check("crashes after 20m on 3% of hosts", minutes(20), Place::Share(30_000), "crashes after 20m on 3% of hosts");
        check("crashes after 20m on 0.25% of hosts", minutes(20), Place::Share(2_500), "crashes after 20m on 0.25% of hosts");
        check("fails validation", Badness::Fails(Event::ValidateService), Place::Everywhere, "fails ValidateService");
        check("fails start on 1 host", Badness::Fails(Event::ApplicationStart), Place::Some(1), "fails ApplicationStart on 1 host");
        check("hangs in BeforeInstall on zone=a", Badness::Hangs(Event::BeforeInstall), zone(), "hangs in BeforeInstall on zone=a");
        check("never healthy on all hosts", Badness::NeverHealthy, Place::Everywhere, "never healthy");
        for (bad, why) in [
            ("", "it says nothing"),
            ("on zone=a", "it says nothing"),
            ("explodes", "\"explodes\" does not go on"),
            ("crashes after", "\"crashes\" does not go on"),
            ("crashes after 20 m", "\"crashes\" does not go on"),
            ("crashes after 20", "\"20\" is not a span"),
            ("fails stop", "a failing stop blocks nothing"),
            ("fails everything", "\"everything\" is no hook"),
            ("fails start on 3 % of hosts", "does not say where"),
            ("fails start on 101% of hosts", "\"101%\" is no share"),
            ("fails start on 0 hosts", "\"0\" is no number"),
            ("fails start on zone", "\"zone\" is no label"),
        ] {
            let error = bad.parse::<Bad>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("never healthy"), "{bad}: {error}");
        }
    }

    #[test]
    fn losses_are_read_strictly() {
        let check = |text: &str, said: &str| assert_eq!(text.parse::<Loss>().unwrap().to_string(), said);
        check("a@10m", "zone=a lost at 10m");
        check("rack=r1@90s..1h", "rack=r1 lost at 1m30s, back at 1h");
        for (bad, why) in [
            ("a", "there is no @"),
            ("@10m", "it names no zone"),
            ("a@10", "\"10\" is not a span"),
            ("a@10m..5m", "back before"),
            ("Z=a@1m", "label name"),
        ] {
            let error = bad.parse::<Loss>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("a@10m..30m"), "{bad}: {error}");
        }
    }
}
