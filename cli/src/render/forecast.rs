//! A forecast as people read it: the verdict, what was noticed and when, what stops or limits it, capacity over time, what it
//! rests on, and what to try next.

pub mod json;
pub mod plot;
pub mod svg;

use pilotage_coordinator_core::world::Outcome;
use pilotage_shared::time::Millis;
use pilotage_simulator::forecast::summary::{Bad as Noticed, Spread};
use pilotage_simulator::forecast::{Bad, Pace, Summary};

use super::words::{plural, size, thousands};
use crate::output::{WIDTH, safe};

/// All that is shown of a forecast.
#[derive(Clone, Debug)]
pub struct View {
    /// Of a live fleet: its coordinator.
    pub context: Option<String>,
    /// Whose.
    pub fleet: String,
    /// What would be deployed.
    pub package: String,
    /// Its bytes; 0: not known.
    pub bytes: u64,
    /// What was made to go wrong.
    pub tried: Vec<String>,
    /// How long things take.
    pub pace: Pace,
    /// What it rests on.
    pub assumed: Vec<String>,
    /// The forecast.
    pub summary: Summary,
    /// The same with a bad version, where none was asked for.
    pub what_if: Option<Summary>,
    /// The command that would make it, for a deployment that is about to be made.
    pub next: Option<String>,
}

/// Values of labels that are shown with their own floor.
const SCOPES: usize = 6;

/// The bad version that is tried beside a good one.
pub fn what_if() -> Option<Bad> {
    "fails validation".parse().ok()
}

/// The whole forecast.
pub fn lines(view: &View) -> Vec<String> {
    let s = &view.summary;
    let mut lines = wrapped("", &verdict(view));
    let mut say = |label: &str, parts: &[String]| lines.extend(wrapped(label, parts));
    if !view.tried.is_empty() {
        say("tried", &view.tried);
    }
    if let Some(bad) = &s.bad {
        say("noticed", &noticed(bad, s.seeds.1));
        say("because", &[because(bad)]);
    } else if !view.tried.is_empty() && s.left.1 > 0 {
        say("unseen", &["nobody turns it".to_owned(), format!("at the end {} down, {} on it", hosts(s.left.1), hosts(s.left.0))]);
    }
    if !s.scopes.is_empty() {
        say("each", &scopes(s));
    }
    if s.below_floor > Millis(0) {
        let from_the_begin = s.curve.first().is_some_and(|point| point.available < s.floor);
        let why =
            if from_the_begin { "from the begin: only hosts that are down are taken" } else { "by hosts that died: no other is taken meanwhile" };
        say("floor", &[format!("fewer than {} for {}, {why}", thousands(s.floor.into()), round(s.below_floor))]);
    }
    for (n, waits) in s.waits.iter().enumerate() {
        let lift = waits.lift.as_ref().map_or_else(String::new, |lift| format!("   {}", safe(lift)));
        let label = if s.cut { "waits" } else { "stops on" };
        say(if n == 0 { label } else { " " }, &[format!("{}{lift}", safe(&waits.text))]);
    }
    if let Some(text) = limit(s) {
        say("limit", &[text]);
    }
    if let Some(bad) = view.what_if.as_ref().and_then(|what_if| what_if.bad.as_ref()) {
        say("if bad", &if_bad(bad));
    }
    if view.bytes > 0 {
        say("bits", &[format!("{} for each host, unpacked", size(view.bytes))]);
    }
    lines.extend(plot::plot(s, WIDTH));
    lines.extend(wrapped("assumes", &assumed(view)));
    lines.push(next(view));
    lines
}

/// A label and its parts, `·` between them, on as many lines as they need; without a label they begin at the edge.
fn wrapped(label: &str, parts: &[String]) -> Vec<String> {
    const INDENT: usize = 9;
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(last) if last.chars().count() + part.chars().count() + 3 <= WIDTH => last.push_str(&format!(" · {part}")),
            Some(_) => lines.push(format!("{:INDENT$}{part}", "")),
            None if label.is_empty() => lines.push(part.clone()),
            None => lines.push(format!("{label:<INDENT$}{part}")),
        }
    }
    lines
}

/// The values of labels with a floor, tightest first.
fn scopes(s: &Summary) -> Vec<String> {
    let mut tightest: Vec<(&String, &(u32, u32))> = s.scopes.iter().collect();
    tightest.sort_by_key(|(_, (lowest, floor))| i64::from(*lowest) - i64::from(*floor));
    let mut parts: Vec<String> = tightest
        .iter()
        .take(SCOPES)
        .map(|(scope, (lowest, floor))| format!("{} lowest {}, floor {}", safe(scope), thousands((*lowest).into()), thousands((*floor).into())))
        .collect();
    if tightest.len() > SCOPES {
        parts.push(format!("and {} more", tightest.len() - SCOPES));
    }
    parts
}

fn hosts(count: u32) -> String {
    match count {
        1 => "1 host".to_owned(),
        n => format!("{} hosts", thousands(n.into())),
    }
}

/// To the second, and to the tenth below a minute: more would be pretended.
fn round(span: Millis) -> Millis {
    let to = if span.0 < 60_000 { 100 } else { 1000 };
    Millis((span.0 + to / 2) / to * to)
}

fn spread(spread: Spread<Millis>) -> String {
    match (round(spread.p50), round(spread.p95)) {
        (p50, p95) if p50 == p95 => p50.to_string(),
        (p50, p95) => format!("{p50} (p95 {p95})"),
    }
}

fn count(spread: Spread<u32>) -> String {
    match (spread.p50, spread.p95) {
        (p50, p95) if p50 == p95 => thousands(p50.into()),
        (p50, p95) => format!("{} (p95 {})", thousands(p50.into()), thousands(p95.into())),
    }
}

fn verdict(view: &View) -> Vec<String> {
    let s = &view.summary;
    let context = view.context.as_ref().map_or_else(String::new, |context| format!("{context}: "));
    let took = match s.duration {
        Some(duration) => spread(duration),
        None => round(s.still).to_string(),
    };
    let at_once = s.duration.is_some_and(|duration| duration.p95 == Millis(0)) && s.outcomes.keys().all(|o| *o == Some(Outcome::Succeeded));
    let how = if at_once { "succeed at once: every host runs it".to_owned() } else { format!("{} {took}", end(s)) };
    vec![
        format!("{context}{}  {} would {how}", view.fleet, safe(&view.package)),
        hosts(s.hosts),
        format!("lowest {} available, floor {}", thousands(s.lowest.0.into()), thousands(s.floor.into())),
    ]
}

/// `succeed in`; of several ends each with its share.
fn end(s: &Summary) -> String {
    let (outcomes, seeds) = (&s.outcomes, s.seeds.1);
    let word = |outcome: &Option<Outcome>| match outcome {
        Some(Outcome::Succeeded) => "succeed in",
        Some(Outcome::RolledBack) => "be rolled back after",
        Some(Outcome::Stopped) => "be stopped after",
        Some(Outcome::Superseded) => "be superseded after",
        Some(Outcome::NeedsHands) => "need hands after",
        None if s.cut => "not be done after",
        None => "stand still after",
    };
    if let Some((only, _)) = outcomes.iter().next().filter(|_| outcomes.len() == 1) {
        return word(only).to_owned();
    }
    let bare = |outcome| word(outcome).trim_end_matches(" after").trim_end_matches(" in");
    let shares: Vec<String> = outcomes.iter().rev().map(|(outcome, n)| format!("{} in {n}", bare(outcome))).collect();
    format!("{} of {seeds} courses:", shares.join(", "))
}

fn noticed(bad: &Noticed, seeds: u32) -> Vec<String> {
    let some = if bad.courses < seeds { format!("in {} of {seeds} courses, ", bad.courses) } else { String::new() };
    vec![format!("{some}after {}", spread(bad.at)), format!("{} hosts ran it then, {} had begun", count(bad.had), count(bad.tried)), back(bad)]
}

/// When nobody ran it any more.
fn back(bad: &Noticed) -> String {
    match bad.back {
        None => "not all go back".to_owned(),
        Some(Spread { p95: Millis(0), .. }) => "each goes back by itself".to_owned(),
        Some(back) => format!("all back {} later", spread(back)),
    }
}

fn because(bad: &Noticed) -> String {
    match bad.failed {
        (0, 0) => safe(&bad.why),
        (failed, tolerated) => format!("{} failed, {} tolerated: {}", hosts(failed), thousands(tolerated.into()), safe(&bad.why)),
    }
}

fn if_bad(bad: &Noticed) -> Vec<String> {
    vec![format!("a version that fails validation is tried by {} hosts", count(bad.tried)), format!("noticed after {}", spread(bad.at)), back(bad)]
}

/// What it waits for longest beside its own work.
fn limit(s: &Summary) -> Option<String> {
    let whole = s.duration.map_or(s.still, |duration| duration.p50).0.max(1);
    let (waits, time) = s.limits.iter().find(|(waits, _)| matches!(waits.kind, "floor" | "batch" | "staging" | "unreachable" | "stragglers"))?;
    let percent = (time.0 * 100 / whole).min(100);
    // The hosts of one moment say nothing about the whole course.
    let text = waits.text.split_once(" hosts ").map_or(waits.text.as_str(), |(_, text)| text);
    (percent > 0).then(|| format!("{} ({percent}% of the time)", safe(text)))
}

fn assumed(view: &View) -> Vec<String> {
    let (first, seeds) = view.summary.seeds;
    let courses = format!("{} from seed {first}", plural(seeds as usize, "course", "courses"));
    let hooks = view.pace.hooks.iter().map(|(event, spread)| format!("{event} {spread}"));
    let stage = format!("stage {}", view.pace.stage);
    view.assumed.iter().map(|text| safe(text)).chain([courses, stage]).chain(hooks).collect()
}

fn next(view: &View) -> String {
    if let Some(next) = &view.next {
        return format!("next  {} · pilotage simulate {} --bad 'crashes after 20m on 3% of hosts'", safe(next), view.fleet);
    }
    let mut tries = Vec::new();
    if view.tried.is_empty() {
        tries.push("--bad 'crashes after 20m on 3% of hosts'");
        tries.push("--lose-zone a@10m");
    }
    if view.assumed.iter().any(|text| text.contains("no run is recorded") || text.contains("invented")) {
        tries.push("--hook start=20s..40s");
    }
    tries.push("--svg FILE");
    format!("next  {}", tries.join(" · "))
}

#[cfg(test)]
mod tests;
