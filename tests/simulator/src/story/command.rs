//! The words of the story language: one command a line, parsed into what is to be done.

use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::time::Millis;

use super::deed::Deed;
use super::deeds;

/// Why a command was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to understand {word:?}: {why}")]
pub struct CommandError {
    /// The word.
    pub word: String,
    /// What was expected.
    pub why: String,
}

/// What `until` waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// No deployment in course, no loan, no run, nobody to catch up.
    Done,
    /// The host is in a run.
    InChange(HostName),
    /// Its application serves and it counts.
    Available(HostName),
    /// The coordinator takes it for unreachable.
    Unreachable(HostName),
    /// A deployment in course waits for something of this kind.
    Waits(String),
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Something happens.
    Do(Deed),
    /// `until done [within 10m]`
    Until(Until, Millis),
    /// `status [web]`
    Status,
    /// `explain web`
    Explain(FleetName),
    /// `lowest web`: the fewest that truly served since the last `lowest`.
    Lowest(FleetName),
}

pub(super) fn bad(word: &str, why: impl Into<String>) -> CommandError {
    CommandError { word: word.into(), why: why.into() }
}

pub(super) fn read<T: std::str::FromStr>(word: Option<&str>, what: &str) -> Result<T, CommandError>
where
    T::Err: std::fmt::Display,
{
    let word = word.ok_or_else(|| bad("", format!("{what} is missing")))?;
    word.parse().map_err(|e: T::Err| bad(word, e.to_string()))
}

/// Parses a line.
pub fn parse(line: &str) -> Result<Command, CommandError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let fleet = || read::<FleetName>(words.get(1).copied(), "a fleet");
    Ok(match words.first().copied().unwrap_or_default() {
        "until" => until(&words)?,
        "status" => Command::Status,
        "explain" => Command::Explain(fleet()?),
        "lowest" => Command::Lowest(fleet()?),
        _ => Command::Do(deeds::understand(line, &words)?),
    })
}

fn until(words: &[&str]) -> Result<Command, CommandError> {
    let split = words.iter().position(|w| *w == "within").unwrap_or(words.len());
    let limit = if split < words.len() { read(words.get(split + 1).copied(), "a span")? } else { Millis::seconds(1800) };
    let what = match &words[1..split] {
        ["done"] => Until::Done,
        ["waits", kind] => Until::Waits((*kind).into()),
        [host, "in", "change"] => Until::InChange(read(Some(host), "a host")?),
        [host, "available"] => Until::Available(read(Some(host), "a host")?),
        [host, "unreachable"] => Until::Unreachable(read(Some(host), "a host")?),
        _ => return Err(bad(&words[1..].join(" "), "done, waits KIND, HOST in change, HOST available, HOST unreachable")),
    };
    Ok(Command::Until(what, limit))
}
