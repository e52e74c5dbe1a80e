//! `pilotage explain`: the exact set of things that something waits for (R32), blockers first, each with who can lift it.

use std::collections::BTreeMap;

use pilotage_shared::api::v1::{DeploymentState, Explanation, MissingWhy, WaitingHost, WaitingView};

use super::deployment::state;
use super::words::{Clock, names};
use crate::output::{WIDTH, safe};

/// The whole explanation.
pub fn explanation(view: &Explanation, clock: &Clock) -> Vec<String> {
    let name = view.deployment.as_ref().map_or_else(|| view.fleet.to_string(), ToString::to_string);
    let (blockers, progress): (Vec<_>, Vec<_>) = view.waiting.iter().partition(|waiting| waiting.blocks);
    let mut lines = vec![verdict(&name, view.state, blockers.len(), progress.len())];
    for (i, waiting) in blockers.iter().enumerate() {
        lines.extend(one(&format!("{:>2} ", i + 1), waiting, clock));
    }
    if !blockers.is_empty() && !progress.is_empty() {
        lines.push("Not blocking, but look:".to_owned());
    }
    for waiting in &progress {
        lines.extend(one(" - ", waiting, clock));
    }
    lines.extend(next(view, blockers.first().copied()));
    lines
}

fn verdict(name: &str, deployment: DeploymentState, blockers: usize, progress: usize) -> String {
    match (deployment, blockers, progress) {
        (DeploymentState::Ended, 0, 0) => format!("{name} waits for nothing: it is over"),
        (_, 0, 0) => format!("{name} waits for nothing"),
        (_, 0, _) => format!("{name} is {}: nothing blocks, it waits for its own work:", state(deployment)),
        (_, 1, _) => format!("{name} is {}. One thing must lift:", state(deployment)),
        (_, 2, _) => format!("{name} is {}. Both must lift:", state(deployment)),
        (_, n, _) => format!("{name} is {}. All {n} must lift:", state(deployment)),
    }
}

fn one(lead: &str, waiting: &WaitingView, clock: &Clock) -> Vec<String> {
    let indent = " ".repeat(lead.chars().count());
    let text = format!("{lead}{}", safe(&waiting.text));
    let mut lines = vec![match waiting.since {
        Some(since) => right(&text, &format!("since {} ({})", clock.moment(since), clock.ago(since))),
        None => text,
    }];
    lines.extend(hosts(&waiting.hosts, waiting.count).into_iter().map(|line| format!("{indent}{line}")));
    for missing in &waiting.missing {
        let lead = format!("{indent}missing, {}: ", absence(missing.why));
        lines.extend(hosts(&missing.hosts, missing.count).into_iter().map(|line| format!("{lead}{line}")));
    }
    if let Some(at) = waiting.lifts_at {
        lines.push(format!("{indent}lifts at {}, or when {}", clock.moment(at), safe(&waiting.lifts_when)));
    } else if !waiting.lifts_when.is_empty() {
        lines.push(format!("{indent}lifts when {}", safe(&waiting.lifts_when)));
    }
    if let Some(lift) = &waiting.lift {
        let who = if waiting.who.is_empty() { String::new() } else { format!("{}   ", safe(&waiting.who.join(", "))) };
        lines.push(format!("{indent}{who}{}", safe(lift)));
    }
    lines
}

fn absence(why: MissingWhy) -> &'static str {
    match why {
        MissingWhy::InChange => "in change",
        MissingWhy::Settling => "settling",
        MissingWhy::Unheard => "not heard since the coordinator's start",
        MissingWhy::Down => "down",
        MissingWhy::UnknownHealth => "health not known",
        MissingWhy::Unreachable => "not heard from",
        MissingWhy::Maintenance => "in maintenance",
        MissingWhy::Quarantined => "in quarantine",
        MissingWhy::Unknown => "for a reason that this program does not know",
    }
}

/// Hosts with the same reason share a line; `count`: how many there are in all.
fn hosts(all: &[WaitingHost], count: u32) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for WaitingHost { host, why, .. } in all {
        by_reason.entry(why).or_default().push(host.as_str());
    }
    let mut lines: Vec<String> = by_reason
        .iter()
        .map(|(why, hosts)| match why.is_empty() {
            true => names(hosts, hosts.len(), 20),
            false => format!("{}: {}", names(hosts, hosts.len(), 20), safe(why)),
        })
        .collect();
    let missing = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(all.len());
    if missing > 0 && !all.is_empty() {
        lines.push(format!("and {missing} more"));
    }
    lines
}

/// `text` and, at the right edge, `note`.
fn right(text: &str, note: &str) -> String {
    let room = WIDTH.saturating_sub(note.chars().count() + 12);
    format!("{text:<room$}  {note}")
}

fn next(view: &Explanation, first: Option<&WaitingView>) -> Option<String> {
    let lift = first.and_then(|waiting| waiting.lift.as_deref()).map(safe);
    let rollback =
        (!matches!(view.state, DeploymentState::RollingBack | DeploymentState::Ended)).then(|| format!("pilotage rollback {}", view.fleet));
    let actions: Vec<String> = ["wait".to_owned()].into_iter().chain(lift).chain(rollback).collect();
    (!view.waiting.is_empty()).then(|| format!("next  {}", actions.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn blockers_come_first_with_who_can_lift_them() {
        assert_eq!(
            explanation(&samples::explanation(), &samples::clock()),
            [
                "web-prod.87 is WAITING. Both must lift:",
                " 1 zone=b has 69 available, floor 69: nobody can be taken                                    since 02:12 (51m)",
                "   h13: down: \\x1b[2Jrefused",
                "   h11 h12: not heard from",
                "   and 8 more",
                "   missing, settling: h20",
                "   missing, down: h21 h22: refused",
                "   lifts when one more host of zone=b counts",
                " 2 paused by maria: db failover INC-4711                                                     since 02:20 (43m)",
                "   lifts when a person resumes it",
                "   maria   pilotage resume web-prod",
                "Not blocking, but look:",
                " - 1 host is in change                                                                       since 02:12 (51m)",
                "   h17: in ApplicationStop",
                "   lifts when its run ends",
                "next  wait · pilotage rollback web-prod",
            ]
        );
    }

    #[test]
    fn the_end_waits_for_nothing() {
        let over = Explanation { state: DeploymentState::Ended, waiting: Vec::new(), ..samples::explanation() };
        assert_eq!(explanation(&over, &samples::clock()), ["web-prod.87 waits for nothing: it is over"]);
    }
}
