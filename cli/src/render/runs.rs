//! `pilotage runs`: what each lifecycle event did on each host; failures grouped by cause.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::api::v1::{HostView, RunEventView, RunOutcomeWord, RunView, SlotView, StandingWord};
use pilotage_shared::name::AppName;
use pilotage_shared::time::Millis;

use super::columns::{Align, columns};
use super::words::{Clock, coarse, plural, release};
use crate::output::safe;

/// What an outcome is called.
pub fn outcome(word: RunOutcomeWord) -> &'static str {
    match word {
        RunOutcomeWord::Committed => "committed",
        RunOutcomeWord::RolledBack => "went back",
        RunOutcomeWord::NotBegun => "not begun",
        RunOutcomeWord::NeedsHands => "NEEDS HANDS",
        RunOutcomeWord::Unknown => "unknown",
    }
}

/// True when it did not bring its release.
pub fn failed(run: &RunView) -> bool {
    matches!(run.outcome, RunOutcomeWord::RolledBack | RunOutcomeWord::NeedsHands)
}

/// Every run, one line each.
pub fn all(runs: &[RunView], clock: &Clock) -> Vec<String> {
    if runs.is_empty() {
        return vec!["no run yet".to_owned()];
    }
    let bad = runs.iter().filter(|run| failed(run)).count();
    let mut lines = vec![format!("{}, {}", plural(runs.len(), "run", "runs"), plural(bad, "failure", "failures"))];
    let mut rows = vec![["HOST", "RUN", "BEGAN", "RELEASE", "OUTCOME", "TOOK", "OUT OF SERVICE", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(|run| {
        vec![
            run.host.to_string(),
            run.attempt.to_string(),
            clock.moment(run.began_at),
            release(&run.to),
            outcome(run.outcome).to_owned(),
            Millis(run.took_ms).to_string(),
            run.out_of_service_ms.map_or_else(|| "-".to_owned(), |ms| Millis(ms).to_string()),
            safe(&run.why),
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Right, Left, Left, Left, Right, Right, Left], &rows));
    lines.extend(runs.iter().find(|run| failed(run)).map(next));
    lines
}

/// The failures, grouped by cause; `hosts` are the fleet's members, for what they run now and what the bad ones share.
pub fn failures(runs: &[RunView], hosts: &[HostView]) -> Vec<String> {
    let bad: Vec<&RunView> = runs.iter().filter(|run| failed(run)).collect();
    let Some(first) = bad.first() else { return vec!["0 failures".to_owned()] };
    let causes: BTreeSet<(String, String)> = bad.iter().map(|run| cause(run)).collect();
    let words: BTreeSet<&str> = causes.iter().map(|(what, _)| what.as_str()).collect();
    let same = if causes.len() == 1 && bad.len() > 1 && !last_line(first).is_empty() { ", same last line" } else { "" };
    let shared = shared_label(&bad, hosts).map_or_else(String::new, |label| format!(". All have {label}; no other host has"));
    let mut lines = vec![format!(
        "{}, {}: {}{same}{shared}",
        plural(bad.len(), "failure", "failures"),
        plural(causes.len(), "cause", "causes"),
        words.into_iter().collect::<Vec<_>>().join("; ")
    )];
    let slots: BTreeMap<&str, &SlotView> = hosts.iter().filter_map(|host| Some((host.host.as_str(), slot(host, &first.app)?))).collect();
    let mut rows = vec![["HOST", "RUN", "HOOK", "EXIT", "TOOK", "RUNS NOW", "LAST LINE"].map(str::to_owned).to_vec()];
    rows.extend(bad.iter().map(|run| {
        let event = failed_event(run);
        vec![
            run.host.to_string(),
            run.attempt.to_string(),
            event.map_or_else(String::new, |event| safe(&event.event)),
            event.and_then(|event| event.exit).map_or_else(|| "-".to_owned(), |exit| exit.to_string()),
            coarse(Millis(event.map_or(run.took_ms, |event| event.took_ms))),
            slots.get(run.host.as_str()).map_or_else(String::new, |slot| runs_now(slot)),
            last_line(run),
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Right, Left, Right, Right, Left, Left], &rows));
    lines.push(next(first));
    lines
}

/// One run with each of its events.
pub fn events(run: &RunView, clock: &Clock) -> Vec<String> {
    let from = run.from.as_ref().map_or_else(|| "nothing".to_owned(), release);
    let why = if run.why.is_empty() { String::new() } else { format!(": {}", safe(&run.why)) };
    let mut lines = vec![format!(
        "{}  {} over {from}  {} in {}{why}      {}",
        safe(&run.run),
        release(&run.to),
        outcome(run.outcome),
        Millis(run.took_ms),
        clock.moment(run.began_at)
    )];
    let mut rows = vec![["EVENT", "SCRIPT", "AT", "TOOK", "CODE", "EXIT", "LAST LINE"].map(str::to_owned).to_vec()];
    rows.extend(run.events.iter().map(|event| {
        vec![
            format!("{}{}", if event.back { "back: " } else { "" }, safe(&event.event)),
            event.script.as_deref().map_or_else(|| "-".to_owned(), safe),
            format!("+{}", Millis(event.began_ms)),
            Millis(event.took_ms).to_string(),
            event.code.to_string(),
            event.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string()),
            if event.last_line.is_empty() { safe(&event.message) } else { safe(&event.last_line) },
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Left, Right, Right, Right, Right, Left], &rows));
    lines.extend(run.events.iter().any(|event| event.log).then(|| next(run)));
    lines
}

fn next(run: &RunView) -> String {
    format!("next  pilotage logs {}", safe(&run.run))
}

/// The event that made it fail: the first on the way forward that was not good.
pub fn failed_event(run: &RunView) -> Option<&RunEventView> {
    run.events.iter().find(|event| !event.back && event.code != 0).or_else(|| run.events.iter().find(|event| event.code != 0))
}

fn last_line(run: &RunView) -> String {
    let event = failed_event(run);
    let line = event.map_or("", |event| if event.last_line.is_empty() { &event.message } else { &event.last_line });
    if line.is_empty() { safe(&run.why) } else { safe(line) }
}

/// What happened, and the line that tells one cause from another.
fn cause(run: &RunView) -> (String, String) {
    let what = match failed_event(run) {
        Some(RunEventView { event, exit: Some(exit), .. }) => format!("{} exit {exit}", safe(event)),
        Some(RunEventView { event, code, .. }) => format!("{} code {code}", safe(event)),
        None => safe(&run.why),
    };
    (what, last_line(run))
}

fn slot<'a>(host: &'a HostView, app: &AppName) -> Option<&'a SlotView> {
    host.slots.iter().find(|slot| &slot.app == app)
}

fn runs_now(slot: &SlotView) -> String {
    let running = slot.running.as_ref().map_or_else(|| "nothing".to_owned(), release);
    format!("{running}, {}", standing(slot.standing))
}

/// What a standing is called.
pub fn standing(word: StandingWord) -> &'static str {
    match word {
        StandingWord::Available => "available",
        StandingWord::Settling => "settling",
        StandingWord::Down => "DOWN",
        StandingWord::Unknown => "unknown",
        StandingWord::Unreachable => "unreachable",
        StandingWord::Unheard => "unheard",
    }
}

/// A label that every bad host has, with one value, and no other host.
fn shared_label(bad: &[&RunView], hosts: &[HostView]) -> Option<String> {
    let names: BTreeSet<&str> = bad.iter().map(|run| run.host.as_str()).collect();
    let (bad, good): (Vec<&HostView>, Vec<&HostView>) = hosts.iter().partition(|host| names.contains(host.host.as_str()));
    if bad.len() < 2 || bad.len() < names.len() || good.is_empty() {
        return None;
    }
    let (first, rest) = bad.split_first()?;
    let label = first.labels.iter().find(|(key, value)| {
        rest.iter().all(|host| host.labels.get(*key) == Some(*value)) && good.iter().all(|host| host.labels.get(*key) != Some(*value))
    })?;
    Some(format!("{}={}", label.0, safe(label.1.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    const LINE: &str = "db 10.0.8.4: too many connections";

    #[test]
    fn failures_are_grouped_by_cause() {
        let runs = [samples::failed_run("h23", LINE), samples::failed_run("h40", LINE)];
        let hosts = ["h23", "h40", "h41"].map(samples::host);
        assert_eq!(
            failures(&runs, &hosts),
            [
                "2 failures, 1 cause: ValidateService exit 7, same last line. All have rack=a4; no other host has",
                "HOST  RUN  HOOK             EXIT  TOOK  RUNS NOW              LAST LINE",
                "h23     4  ValidateService     7   31s  web@1.4.2, available  db 10.0.8.4: too many connections",
                "h40     4  ValidateService     7   31s  web@1.4.2, available  db 10.0.8.4: too many connections",
                "next  pilotage logs web-prod.87/h23/4",
            ]
        );
    }

    #[test]
    fn different_last_lines_are_different_causes() {
        let runs = [samples::failed_run("h23", LINE), samples::failed_run("h40", "\x1b]0;x\x07")];
        let lines = failures(&runs, &[]);
        assert_eq!(lines[0], "2 failures, 2 causes: ValidateService exit 7");
        assert!(lines[3].ends_with("\\x1b]0;x\\x07"), "{}", lines[3]);
        assert_eq!(failures(&[], &[]), ["0 failures"]);
    }

    #[test]
    fn a_run_shows_each_event() {
        assert_eq!(
            events(&samples::failed_run("h23", LINE), &samples::clock()),
            [
                "web-prod.87/h23/4  web@1.5.0 over web@1.4.2  went back in 33.6s: ValidateService exit 7      02:06",
                "EVENT            SCRIPT                  AT   TOOK  CODE  EXIT  LAST LINE",
                "ApplicationStop  scripts/stop.sh      +10ms   1.2s     0     0",
                "ValidateService  scripts/validate.sh    +2s  31.1s     4     7  db 10.0.8.4: too many connections",
                "next  pilotage logs web-prod.87/h23/4",
            ]
        );
    }

    #[test]
    fn runs_are_one_line_each() {
        assert_eq!(
            all(&[samples::failed_run("h23", LINE)], &samples::clock()),
            [
                "1 run, 1 failure",
                "HOST  RUN  BEGAN  RELEASE    OUTCOME     TOOK  OUT OF SERVICE  WHY",
                "h23     4  02:06  web@1.5.0  went back  33.6s             33s  ValidateService exit 7",
                "next  pilotage logs web-prod.87/h23/4",
            ]
        );
    }
}
