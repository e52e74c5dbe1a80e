//! What the demo tells: a line for each act that a newcomer understands, why the bad ones were stopped, and the witness's sum.

use std::collections::BTreeSet;

use pilotage_shared::api::v1::{OutcomeWord, RunOutcomeWord, RunView};
use pilotage_shared::name::{HostName, compare_versions};
use pilotage_shared::time::Millis;
use serde::Serialize;

use super::package::Version;
use super::prober::Seen;
use crate::output::safe;
use crate::render::deployment::outcome;
use crate::render::runs::failed_event;
use crate::render::words::{names, thousands};

/// Cells of a bar at most.
const CELLS: usize = 10;

/// One deployment of the demo.
#[derive(Clone, Debug)]
pub struct Act {
    /// What was deployed.
    pub version: Version,
    /// How it ended.
    pub outcome: OutcomeWord,
    /// From the wish to the end.
    pub seconds: f64,
    /// How many must answer.
    pub floor: u32,
    /// By the prober, until the next act.
    pub seen: Seen,
    /// Its runs.
    pub runs: Vec<RunView>,
    /// The package is held afterwards.
    pub held: bool,
    /// Why the coordinator turned it.
    pub because: Option<String>,
    /// Nothing ran before.
    pub first: bool,
    /// What did not go as it should.
    pub problems: Vec<String>,
}

/// The whole demo, as far as it was played.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// In order.
    pub acts: Vec<Act>,
    /// How often a process had to be started again.
    pub restarts: u32,
    /// Why it was not played to its end.
    pub error: Option<String>,
}

/// The demo as one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    deployments: Vec<Line>,
    requests: u64,
    failed_requests: usize,
    ok: bool,
    /// Why it was not played to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Line {
    package: String,
    outcome: OutcomeWord,
    seconds: f64,
    min_available: usize,
    floor: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

impl Told {
    /// Everything went as it should.
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.acts.iter().all(|act| act.problems.is_empty())
    }

    /// Requests since there was something to answer them: after the first install.
    fn serving(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter().filter(|act| !act.first)
    }

    /// For machines.
    pub fn summary(&self) -> Summary {
        let line = |act: &Act| Line {
            package: format!("web@{}", act.version.number),
            outcome: act.outcome,
            seconds: (act.seconds * 10.0).round() / 10.0,
            min_available: act.seen.min_answering,
            floor: act.floor,
            problems: act.problems.clone(),
        };
        Summary {
            deployments: self.acts.iter().map(line).collect(),
            requests: self.serving().map(|act| act.seen.requests).sum(),
            failed_requests: self.serving().map(|act| act.seen.failures.len()).sum(),
            ok: self.ok(),
            error: self.error.clone(),
        }
    }
}

/// One act.
pub fn lines(act: &Act, hosts: &[HostName]) -> Vec<String> {
    let reached: BTreeSet<&HostName> = act.runs.iter().filter(|run| goes_to(run, act)).map(|run| &run.host).collect();
    let lowest = match act.first {
        true => String::new(),
        false => format!("  lowest {} answering, floor {}", act.seen.min_answering, act.floor),
    };
    let wide = hosts.len().to_string().len();
    let head = format!(
        "web@{}  {:<15}  {} {:>wide$}/{}  {:<11}  {:>5.1}s{lowest}",
        act.version.number,
        act.version.title,
        bar(reached.len(), hosts.len()),
        reached.len(),
        hosts.len(),
        outcome(act.outcome),
        act.seconds
    );
    let details = detail(act, hosts).into_iter().chain(act.problems.iter().map(|problem| format!("! {problem}")));
    [head].into_iter().chain(details.map(|text| format!("           {text}"))).collect()
}

fn goes_to(run: &RunView, act: &Act) -> bool {
    run.to.package.ends_with(&format!("@{}", act.version.number))
}

fn bar(part: usize, whole: usize) -> String {
    let cells = whole.clamp(1, CELLS);
    let full = (part * cells).div_ceil(whole.max(1)).min(cells);
    "█".repeat(full) + &"░".repeat(cells - full)
}

/// Why it was stopped, and what happened to the hosts that had taken it.
fn detail(act: &Act, hosts: &[HostName]) -> Option<String> {
    let held = if act.held { format!("; {} is held", act.version.number) } else { String::new() };
    let of = |word: RunOutcomeWord| act.runs.iter().filter(move |run| goes_to(run, act) && run.outcome == word).collect::<Vec<_>>();
    let (refused, committed) = (of(RunOutcomeWord::RolledBack), of(RunOutcomeWord::Committed));
    match (act.outcome, refused.first(), committed.first()) {
        (OutcomeWord::Succeeded, _, _) => None,
        (_, Some(first), _) => Some(format!("{}{held}", went_back(first, &refused))),
        (_, None, Some(_)) => Some(format!("{}{held}", died(act, &committed, hosts))),
        (_, None, None) => act.because.as_ref().map(|why| format!("{}{held}", safe(why))),
    }
}

fn host_names(runs: &[&RunView]) -> String {
    let mut list: Vec<&str> = runs.iter().map(|run| run.host.as_str()).collect();
    list.sort_by(|a, b| compare_versions(a, b));
    list.dedup();
    names(&list, list.len(), if list.len() <= 4 { 4 } else { 2 })
}

fn package_version(package: &str) -> &str {
    package.split_once('@').map_or(package, |(_, version)| version)
}

/// `h1 ValidateService exit 1 "/healthz says 500"; h1 went back to 1.1.0 by itself in 0.3s`
fn went_back(first: &RunView, runs: &[&RunView]) -> String {
    let hosts = host_names(runs);
    let what = match failed_event(first) {
        Some(event) => {
            let exit = event.exit.map_or_else(|| format!("code {}", event.code), |exit| format!("exit {exit}"));
            format!("{} {exit} \"{}\"", safe(&event.event), safe(if event.last_line.is_empty() { &event.message } else { &event.last_line }))
        }
        None => safe(&first.why),
    };
    let to = first.from.as_ref().map_or_else(|| "nothing".to_owned(), |from| safe(package_version(&from.package)));
    let slowest = runs.iter().filter_map(|run| back_took(run)).max();
    let took = slowest.map_or_else(String::new, |ms| format!(" in {}", tenths(ms)));
    let itself = if runs.len() == 1 { "itself" } else { "themselves" };
    format!("{hosts} {what}; went back to {to} by {itself}{took}")
}

/// From the failure to the end of the run.
fn back_took(run: &RunView) -> Option<u64> {
    let failed = failed_event(run)?;
    run.took_ms.checked_sub(failed.began_ms + failed.took_ms)
}

/// `h1 h2 down 3.2s after start; both back on 1.1.0 in 0.6s`: when the prober heard them no more, and when again.
fn died(act: &Act, committed: &[&RunView], hosts: &[HostName]) -> String {
    let names = host_names(committed);
    let silent: Vec<Silence> = committed.iter().filter_map(|run| silence(act, run, hosts)).collect();
    let Some(lived) = silent.iter().map(|silence| silence.lived).min() else { return format!("{names} failed after their runs") };
    let down = format!("{names} down {} after start", tenths(lived));
    let back: BTreeSet<&HostName> = act.runs.iter().filter(|run| !goes_to(run, act)).map(|run| &run.host).collect();
    let to = act.runs.iter().find(|run| !goes_to(run, act)).map(|run| safe(package_version(&run.to.package)));
    let (Some(to), Some(lasted)) = (to, silent.iter().map(|silence| silence.lasted).max()) else { return down };
    let all = match back.len() {
        1 => String::new(),
        2 => "both ".to_owned(),
        _ => "all ".to_owned(),
    };
    format!("{down}; {all}back on {to} in {}", tenths(lasted))
}

/// A version that died on a host, by the prober's own record; milliseconds.
struct Silence {
    /// From the end of its start hook to the first request that failed behind its run.
    lived: u64,
    /// From there to the last that failed.
    lasted: u64,
}

fn silence(act: &Act, run: &RunView, hosts: &[HostName]) -> Option<Silence> {
    let index = hosts.iter().position(|host| host == &run.host)?;
    let started = run.events.iter().filter(|event| event.event == "ApplicationStart").map(|event| event.began_ms + event.took_ms).max()?;
    let began = run.began_at.0.0;
    let failures =
        act.seen.failures.iter().filter(|failure| failure.host == index && failure.at_ms > began + run.took_ms).map(|failure| failure.at_ms);
    let (first, last) = (failures.clone().min()?, failures.max()?);
    Some(Silence { lived: first.saturating_sub(began + started), lasted: last - first })
}

fn tenths(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{:.1}s", ms as f64 / 1000.0),
        _ => Millis(ms).to_string(),
    }
}

/// The witness's sum, and what to do next.
pub fn ending(told: &Told) -> Vec<String> {
    let summary = told.summary();
    let requests = format!("{} requests, {} not answered", thousands(summary.requests), thousands(summary.failed_requests as u64));
    let whose = match (summary.failed_requests, outside(told)) {
        (0, _) => String::new(),
        (_, 0) => ", each by a host in change or a dead 1.3.0 (this demo has no load balancer)".to_owned(),
        (_, n) => format!(", {n} of them by hosts neither in change nor on a version that died"),
    };
    let mut lines = vec![format!("prober     {requests}{whose}")];
    if told.restarts > 0 {
        lines.push(format!("restarts   {} (somebody killed processes; they were started again)", told.restarts));
    }
    lines.push(match told.ok() {
        true => "next       pilotage demo --keep  look inside, break things · docs/first-fleet.md  your app on your hosts".to_owned(),
        false => "NOT OK     see the lines that begin with ! above · pilotage demo --keep  look inside".to_owned(),
    });
    lines
}

/// Requests that failed although their host was neither in a run, nor between a bad commit and the run that repaired it.
fn outside(told: &Told) -> usize {
    told.serving().map(|act| act.seen.failures.iter().filter(|failure| !excused(act, failure.host, failure.at_ms)).count()).sum()
}

/// The host's name is `h<index + 1>`. A request counts as sent in a run within the prober's own interval.
fn excused(act: &Act, host: usize, at_ms: u64) -> bool {
    const SLACK_MS: u64 = 100;
    let name = format!("h{}", host + 1);
    let mut spans: Vec<(u64, u64, bool)> = act
        .runs
        .iter()
        .filter(|run| run.host.as_str() == name)
        .map(|run| (run.began_at.0.0, run.began_at.0.0 + run.took_ms, goes_to(run, act) && run.outcome == RunOutcomeWord::Committed))
        .collect();
    spans.sort_unstable();
    let died = |i: usize| spans[i].2 && act.outcome != OutcomeWord::Succeeded;
    (0..spans.len()).any(|i| {
        let end = if died(i) { spans.get(i + 1).map_or(u64::MAX, |next| next.1) } else { spans[i].1 };
        at_ms + SLACK_MS >= spans[i].0 && at_ms <= end.saturating_add(SLACK_MS)
    })
}

#[cfg(test)]
mod tests;
