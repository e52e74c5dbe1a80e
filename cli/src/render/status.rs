//! `pilotage status`: all fleets in a table, or one fleet in five lines.

use pilotage_shared::api::v1::{CoordinatorView, DeploymentView, FleetState, FleetStatus, OutcomeWord, StatusView};

use super::columns::{Align, columns};
use super::words::{Clock, plural, release, version};
use super::{deployment, recovery};
use crate::output::safe;

/// Every fleet, then the coordinator.
pub fn all(view: &StatusView, clock: &Clock) -> Vec<String> {
    if view.fleets.is_empty() {
        return vec![format!("no fleet yet · {}", coordinator(&view.coordinator, clock)), "next  pilotage fleet apply FILE".to_owned()];
    }
    let mut rows = vec![["FLEET", "VERSION", "STATE", "HOSTS", "AVAILABLE", "FLOOR", "FOR", "NEXT"].map(str::to_owned).to_vec()];
    rows.extend(view.fleets.iter().map(|fleet| {
        vec![
            fleet.fleet.to_string(),
            versions(fleet),
            state(fleet),
            fleet.hosts.total.to_string(),
            fleet.hosts.available.to_string(),
            fleet.hosts.floor.to_string(),
            fleet.since.map_or_else(String::new, |since| clock.ago(since)),
            next(fleet).unwrap_or_default(),
        ]
    }));
    use Align::{Left, Right};
    let mut lines = columns(&[Left, Left, Left, Right, Right, Right, Right, Left], &rows);
    lines.push(coordinator(&view.coordinator, clock));
    lines.extend(view.coordinator.recovering.as_ref().map(|r| recovery::line(r, clock)));
    lines
}

/// One fleet.
pub fn one(fleet: &FleetStatus, clock: &Clock) -> Vec<String> {
    let mut lines = vec![match &fleet.deployment {
        Some(deployment) => headline(fleet, deployment, clock),
        None => format!("{}  nothing was ever deployed", fleet.fleet),
    }];
    if let Some(deployment) = &fleet.deployment {
        let ended_badly = deployment.outcome.is_some_and(|word| word != OutcomeWord::Succeeded);
        let because = deployment.because.as_deref().filter(|text| ended_badly && !text.is_empty());
        lines.extend(because.map(|because| format!("because  {}", safe(because))));
        lines.extend(waves(deployment));
    }
    lines.push(numbers(fleet));
    if fleet.versions.len() > 1 {
        let versions: Vec<String> = fleet.versions.iter().map(|(version, count)| format!("{} on {count}", safe(version))).collect();
        lines.push(format!("runs  {}", versions.join(" · ")));
    }
    lines.extend(next(fleet).map(|next| format!("next  {next}")));
    lines
}

fn headline(fleet: &FleetStatus, deployment: &DeploymentView, clock: &Clock) -> String {
    let over = deployment.over.as_ref().map_or_else(String::new, |over| format!(" over {}", release(over)));
    let blockers = deployment.waiting.iter().filter(|waiting| waiting.blocks).count();
    let blocked =
        if blockers > 0 && fleet.state != FleetState::Settled { format!(", {}", plural(blockers, "blocker", "blockers")) } else { String::new() };
    let since = fleet.since.map_or_else(String::new, |since| format!(" {}", clock.ago(since)));
    let reason = if deployment.reason.is_empty() { String::new() } else { format!(", {}", safe(&deployment.reason)) };
    let ended = deployment
        .outcome
        .filter(|word| *word != OutcomeWord::Succeeded)
        .map_or_else(String::new, |word| format!("{} · ", deployment::outcome(word)));
    format!(
        "{}  {}{over}  {ended}{}{since}{blocked}      by {}{reason}, {}",
        deployment.id,
        release(&deployment.wanted),
        state(fleet),
        safe(&deployment.by),
        clock.moment(deployment.started_at)
    )
}

fn waves(deployment: &DeploymentView) -> Vec<String> {
    if deployment.ended_at.is_some() || deployment.waves.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![["WAVE", "HOSTS", "NEW", "STAGED", "IN CHANGE", "FAILED", "OLD", "GATE"].map(str::to_owned).to_vec()];
    let number = |n: u32| if n == 0 { "-".to_owned() } else { n.to_string() };
    rows.extend(deployment.waves.iter().map(|wave| {
        let numbers = [wave.hosts, wave.new, wave.staged, wave.in_change, wave.failed, wave.old].map(number);
        [safe(&wave.name)].into_iter().chain(numbers).chain([safe(&wave.gate)]).collect()
    }));
    use Align::{Left, Right};
    columns(&[Left, Right, Right, Right, Right, Right, Right, Left], &rows)
}

fn numbers(fleet: &FleetStatus) -> String {
    let hosts = &fleet.hosts;
    let mut parts = vec![format!("available {} of {}, floor {}, margin {}", hosts.available, hosts.total, hosts.floor, hosts.margin)];
    for (label, values) in &fleet.per {
        let scopes: Vec<String> = values.iter().map(|(value, n)| format!("{} {}/{}", safe(value), n.available, n.floor)).collect();
        parts.push(format!("{} {}", safe(label), scopes.join("  ")));
    }
    let others = [
        ("in change", hosts.in_change),
        ("settling", hosts.settling),
        ("down", hosts.down),
        ("unknown", hosts.unknown),
        ("unreachable", hosts.unreachable),
        ("to follow", hosts.to_follow),
        ("pinned", hosts.pinned),
        ("NEEDS HANDS", hosts.needs_hands),
    ];
    parts.extend(others.into_iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{word} {count}")));
    parts.join(" · ")
}

fn versions(fleet: &FleetStatus) -> String {
    match (&fleet.settled, &fleet.wanted) {
        (Some(settled), Some(wanted)) if settled == wanted => version(wanted),
        (Some(settled), Some(wanted)) => format!("{} → {}", version(settled), version(wanted)),
        (None, Some(wanted)) => format!("→ {}", version(wanted)),
        (Some(settled), None) => version(settled),
        (None, None) => "-".to_owned(),
    }
}

fn state(fleet: &FleetStatus) -> String {
    let word = match fleet.state {
        FleetState::Empty => "empty",
        FleetState::Settled => "settled",
        FleetState::CatchingUp => "settled",
        FleetState::Unsettled => "UNSETTLED",
        FleetState::Moving => "moving",
        FleetState::Waiting => "WAITING",
        FleetState::Paused => "PAUSED",
        FleetState::Frozen => "FROZEN",
        FleetState::RollingBack => "ROLLING BACK",
        FleetState::Recovering => "RECOVERING",
        FleetState::Unknown => "in a state that this program does not know",
    };
    match (fleet.state, fleet.hosts.needs_hands, fleet.hosts.to_follow) {
        (_, 1.., _) => format!("{word}, {} NEED HANDS", fleet.hosts.needs_hands),
        (FleetState::Settled | FleetState::CatchingUp, 0, 1..) => format!("{word}, {} to follow", fleet.hosts.to_follow),
        _ => word.to_owned(),
    }
}

fn next(fleet: &FleetStatus) -> Option<String> {
    match fleet.state {
        FleetState::Empty => Some(format!("pilotage deploy {} VERSION", fleet.fleet)),
        FleetState::Settled | FleetState::CatchingUp if fleet.hosts.to_follow > 0 || fleet.hosts.needs_hands > 0 => {
            Some("pilotage hosts --behind".to_owned())
        }
        FleetState::Settled | FleetState::CatchingUp => None,
        FleetState::Unsettled => Some(format!("pilotage rollback {}", fleet.fleet)),
        FleetState::Moving | FleetState::RollingBack => Some(format!("pilotage watch {}", fleet.fleet)),
        FleetState::Recovering => Some("pilotage recover".to_owned()),
        FleetState::Paused | FleetState::Frozen => Some(format!("pilotage resume {}", fleet.fleet)),
        FleetState::Waiting | FleetState::Unknown => Some(format!("pilotage explain {}", fleet.fleet)),
    }
}

fn coordinator(view: &CoordinatorView, clock: &Clock) -> String {
    let backup = view.backup_at.map_or_else(|| "backup OFF".to_owned(), |at| format!("backup {} old", clock.ago(at)));
    let mut parts = vec![format!("coordinator {} ok", safe(&view.version)), backup, plural(view.hosts as usize, "host", "hosts")];
    if view.unreachable > 0 {
        parts.push(format!("{} unreachable", view.unreachable));
    }
    if view.unheard > 0 {
        parts.push(format!("{} not heard since its start", view.unheard));
    }
    if let Some(lost) = &view.recording_lost {
        parts.push(format!("NOT RECORDED {}", safe(lost)));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn all_fleets_are_one_table() {
        assert_eq!(
            all(&samples::status(), &samples::clock()),
            [
                "FLEET      VERSION        STATE                 HOSTS  AVAILABLE  FLOOR  FOR  NEXT",
                "api-prod   3.2.0          settled                 180        180    119   2d",
                "jobs-edge  3.2.0          settled, 7 to follow     96         89     48   2d  pilotage hosts --behind",
                "web-prod   1.4.2 → 1.5.0  WAITING                 412        400    272  51m  pilotage explain web-prod",
                "coordinator 0.1.0 ok · backup 22m old · 688 hosts · 18 unreachable",
            ]
        );
    }

    #[test]
    fn one_fleet_is_its_deployment_and_its_numbers() {
        let status = samples::status();
        assert_eq!(
            one(&status.fleets[2], &samples::clock()),
            [
                "web-prod.87  web@1.5.0 over web@1.4.2  WAITING 51m, 2 blockers      by ci:acme/web#1182, merge 4e1f9c2, 01:30",
                "WAVE  HOSTS  NEW  STAGED  IN CHANGE  FAILED  OLD  GATE",
                "all     412   59     412          1       3  349  open",
                "available 400 of 412, floor 272, margin 128 · zone a 137/69  b 126/69 · in change 1 · unreachable 11",
                "next  pilotage explain web-prod",
            ]
        );
    }

    #[test]
    fn a_fleet_whose_last_deployment_went_back_says_so() {
        let status = samples::status();
        let back = DeploymentView { because: Some("3 of 3 tolerated failed".into()), ..samples::rolled_back() };
        let fleet = FleetStatus { deployment: Some(back), state: FleetState::Settled, ..status.fleets[2].clone() };
        let lines = one(&fleet, &samples::clock());
        assert!(lines[0].contains("rolled back · settled"), "{}", lines[0]);
        assert_eq!(lines[1], "because  3 of 3 tolerated failed");
    }

    #[test]
    fn an_empty_world_says_what_to_do() {
        let view = StatusView { fleets: Vec::new(), ..samples::status() };
        assert_eq!(all(&view, &samples::clock())[1], "next  pilotage fleet apply FILE");
    }
}
