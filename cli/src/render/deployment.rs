//! One deployment's verdict, and its exit code.

use pilotage_shared::api::v1::{DeploymentState, DeploymentView, OutcomeWord};

use super::columns::{Align, columns};
use super::words::{Clock, names, plural, release};
use crate::exit::Exit;
use crate::output::safe;

/// What an outcome is called.
pub fn outcome(word: OutcomeWord) -> &'static str {
    match word {
        OutcomeWord::Succeeded => "succeeded",
        OutcomeWord::RolledBack => "rolled back",
        OutcomeWord::Stopped => "stopped",
        OutcomeWord::Superseded => "superseded",
        OutcomeWord::NeedsHands => "NEEDS HANDS",
        OutcomeWord::Unknown => "ended in a way that this program does not know",
    }
}

/// What a state is called.
pub fn state(word: DeploymentState) -> &'static str {
    match word {
        DeploymentState::Moving => "moving",
        DeploymentState::Waiting => "WAITING",
        DeploymentState::Paused => "PAUSED",
        DeploymentState::Frozen => "FROZEN",
        DeploymentState::RollingBack => "ROLLING BACK",
        DeploymentState::Ended => "ended",
        DeploymentState::Unknown => "in a state that this program does not know",
    }
}

/// The exit code of who waited for its end. `wanted_back`: a person asked for the rollback, so that is what was asked for.
pub fn exit(view: &DeploymentView, wanted_back: bool) -> Exit {
    match view.outcome {
        Some(OutcomeWord::Succeeded) => Exit::Reached,
        Some(OutcomeWord::RolledBack) if wanted_back => Exit::Reached,
        Some(OutcomeWord::RolledBack) => Exit::RolledBack,
        Some(OutcomeWord::Stopped | OutcomeWord::Superseded) => Exit::Stopped,
        Some(OutcomeWord::NeedsHands) => Exit::NeedsHands,
        Some(OutcomeWord::Unknown) => Exit::Unexpected,
        None => Exit::StillMoving,
    }
}

/// The verdict: `web-prod.1  web@1.4.2  succeeded in 10m48s · 3/3 hosts · lowest 2 of 3, floor 2 · 0 failures`, what went
/// wrong, and what to do next.
pub fn verdict(view: &DeploymentView) -> Vec<String> {
    let mut lines = vec![headline(view)];
    if let Some(because) = view.because.as_deref().filter(|text| !text.is_empty()) {
        lines.push(format!("because  {}", safe(because)));
    }
    if !view.left_behind.is_empty() {
        lines.push(format!("without  {}: they follow when they can", host_names(&view.left_behind)));
    }
    if let Some(next) = next(view) {
        lines.push(format!("next     {next}"));
    }
    lines
}

/// One line each, as they come (newest first).
pub fn all(views: &[DeploymentView], clock: &Clock) -> Vec<String> {
    if views.is_empty() {
        return vec!["nothing was ever deployed".to_owned(), "next  pilotage deploy FLEET VERSION".to_owned()];
    }
    let open = views.iter().filter(|view| view.outcome.is_none()).count();
    let mut lines = vec![format!("{}, {open} in course", plural(views.len(), "deployment", "deployments"))];
    let mut rows = vec![["DEPLOYMENT", "RELEASE", "STATE", "BEGAN", "TOOK", "BY", "REASON"].map(str::to_owned).to_vec()];
    rows.extend(views.iter().map(|view| {
        vec![
            view.id.to_string(),
            release(&view.wanted),
            view.outcome.map_or_else(|| state(view.state), outcome).to_owned(),
            clock.moment(view.started_at),
            (view.ended_at.unwrap_or(clock.now).0 - view.started_at.0).to_string(),
            safe(&view.by),
            safe(&view.reason),
        ]
    }));
    use Align::{Left, Right};
    lines.extend(columns(&[Left, Left, Left, Left, Right, Left, Left], &rows));
    lines.extend(views.iter().find(|view| view.outcome.is_none()).map(|view| format!("next  pilotage watch {}", view.id)));
    lines
}

fn headline(view: &DeploymentView) -> String {
    let word = view.outcome.map_or_else(|| state(view.state), outcome);
    let mut parts = vec![match view.ended_at {
        Some(end) => format!("{}  {}  {word} in {}", view.id, release(&view.wanted), end.0 - view.started_at.0),
        None => format!("{}  {}  {word}", view.id, release(&view.wanted)),
    }];
    let members: u32 = view.waves.iter().map(|wave| wave.hosts).sum();
    if members > 0 {
        let there = match view.outcome {
            Some(OutcomeWord::RolledBack) => members - view.waves.iter().map(|wave| wave.new).sum::<u32>().min(members),
            _ => view.waves.iter().map(|wave| wave.new).sum(),
        };
        parts.push(format!("{there}/{members} hosts"));
    }
    if let Some(lowest) = view.lowest_available {
        parts.push(match members {
            0 => format!("lowest {lowest}, floor {}", view.floor),
            _ => format!("lowest {lowest} of {members}, floor {}", view.floor),
        });
    }
    parts.push(plural(view.failed.len(), "failure", "failures"));
    parts.join(" · ")
}

fn host_names(hosts: &[pilotage_shared::name::HostName]) -> String {
    let shown: Vec<&str> = hosts.iter().map(pilotage_shared::name::HostName::as_str).collect();
    names(&shown, shown.len(), 12)
}

fn next(view: &DeploymentView) -> Option<String> {
    let failed = (!view.failed.is_empty()).then(|| format!("pilotage runs {} --failed", view.id));
    match view.outcome {
        Some(OutcomeWord::Succeeded | OutcomeWord::Superseded) => failed,
        Some(OutcomeWord::RolledBack) => Some(failed.unwrap_or_else(|| format!("pilotage runs {}", view.id))),
        Some(OutcomeWord::Stopped) => Some(format!("pilotage deploy {} VERSION · pilotage rollback {}", view.fleet, view.fleet)),
        Some(OutcomeWord::NeedsHands) => Some(format!("pilotage hosts --selector … · pilotage explain {}", view.id)),
        Some(OutcomeWord::Unknown) => None,
        None => Some(format!("pilotage watch {0} · pilotage explain {0}", view.id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_success_is_one_line() {
        assert_eq!(verdict(&samples::succeeded()), ["web-prod.1  web@1.4.2  succeeded in 10m48s · 3/3 hosts · lowest 2 of 3, floor 2 · 0 failures"]);
    }

    #[test]
    fn a_rollback_says_why_and_what_next() {
        assert_eq!(
            verdict(&samples::rolled_back()),
            [
                "web-prod.87  web@1.5.0  rolled back in 38s · 60/60 hosts · lowest 41 of 60, floor 40 · 2 failures",
                "because  2 hosts failed, 1 tolerated: ValidateService exit 7 \\x1b[31m",
                "next     pilotage runs web-prod.87 --failed",
            ]
        );
    }

    #[test]
    fn deployments_are_one_line_each() {
        assert_eq!(
            all(&[samples::waiting_deployment(), samples::succeeded()], &samples::clock()),
            [
                "2 deployments, 1 in course",
                "DEPLOYMENT   RELEASE    STATE      BEGAN    TOOK  BY                REASON",
                "web-prod.87  web@1.5.0  WAITING    01:30   1h33m  ci:acme/web#1182  merge 4e1f9c2",
                "web-prod.1   web@1.4.2  succeeded  02:00  10m48s  maria             first",
                "next  pilotage watch web-prod.87",
            ]
        );
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        let check = |outcome, wanted_back, expected| {
            assert_eq!(exit(&DeploymentView { outcome, ..samples::succeeded() }, wanted_back), expected, "{outcome:?}");
        };
        check(Some(OutcomeWord::Succeeded), false, Exit::Reached);
        check(Some(OutcomeWord::RolledBack), false, Exit::RolledBack);
        check(Some(OutcomeWord::RolledBack), true, Exit::Reached);
        check(Some(OutcomeWord::Stopped), false, Exit::Stopped);
        check(Some(OutcomeWord::Superseded), true, Exit::Stopped);
        check(Some(OutcomeWord::NeedsHands), false, Exit::NeedsHands);
        check(Some(OutcomeWord::Unknown), false, Exit::Unexpected);
        check(None, false, Exit::StillMoving);
    }
}
