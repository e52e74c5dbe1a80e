//! `pilotage fleet apply`, `list` and `show`.

use pilotage_shared::api::v1::{FleetApplied, FleetBody, FleetView, Health};
use pilotage_shared::name::HostName;
use pilotage_shared::policy::Amount;

use super::columns::{Align, columns};
use super::words::{Clock, names, plural, release};
use crate::output::safe;

/// What an apply did, or would do: `prod: + fleet web-prod · app web · 3 hosts: h1 h2 h3 · floor 66% = 2 of 3, so 1 at a time`.
pub fn applied(context: &str, answer: &FleetApplied, body: &FleetBody) -> Vec<String> {
    let sign = match (answer.created, answer.changed) {
        (true, _) => "+",
        (false, true) => "~",
        (false, false) => "=",
    };
    let members = usize::try_from(answer.members).unwrap_or(usize::MAX);
    let mut lines = vec![format!(
        "{context}: {sign} fleet {} · app {} · {}: {} · floor {} = {} of {}, {}",
        answer.fleet,
        body.app,
        plural(members, "host", "hosts"),
        host_names(&answer.hosts, members),
        body.floor.fleet,
        answer.floor,
        answer.members,
        at_a_time(answer, body.parallel)
    )];
    for (word, hosts) in [("gains", &answer.gained), ("loses", &answer.lost)] {
        if !hosts.is_empty() {
            lines.push(format!("      {word} {}", host_names(hosts, hosts.len())));
        }
    }
    if body.health.is_none() && !body.first_install {
        lines.push(
            "      ! no health check: a host counts as healthy when its last run succeeded, and empty hosts need first_install: true".to_owned(),
        );
    }
    lines.push(match (answer.dry_run, answer.created || answer.changed) {
        (true, true) => "next  nothing was changed: without --dry-run it will be".to_owned(),
        (_, false) => "next  nothing to do".to_owned(),
        (false, true) => format!("next  pilotage deploy {} VERSION --watch", answer.fleet),
    });
    lines
}

fn at_a_time(answer: &FleetApplied, parallel: Option<Amount>) -> String {
    let by_floor = answer.members.saturating_sub(answer.floor);
    match parallel.map(|amount| amount.round_down(answer.members).max(1)) {
        Some(limit) if limit < by_floor => format!("{limit} at a time by parallel"),
        _ => format!("so {by_floor} at a time"),
    }
}

fn host_names(hosts: &[HostName], total: usize) -> String {
    let shown: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    names(&shown, total, 6)
}

/// One line each.
pub fn all(fleets: &[FleetView]) -> Vec<String> {
    if fleets.is_empty() {
        return vec!["no fleet yet".to_owned(), "next  pilotage fleet apply FILE".to_owned()];
    }
    let mut rows = vec![["FLEET", "APP", "HOSTS", "FLOOR", "SETTLED", "SELECT"].map(str::to_owned).to_vec()];
    rows.extend(fleets.iter().map(|fleet| {
        vec![
            fleet.fleet.to_string(),
            fleet.spec.app.to_string(),
            fleet.members.to_string(),
            floor(&fleet.spec),
            fleet.settled.as_ref().map_or_else(|| "-".to_owned(), release),
            fleet.spec.select.to_string(),
        ]
    }));
    use Align::{Left, Right};
    let mut lines = vec![plural(fleets.len(), "fleet", "fleets")];
    lines.extend(columns(&[Left, Left, Right, Left, Left, Left], &rows));
    lines
}

fn floor(spec: &FleetBody) -> String {
    let per = spec.floor.per.iter().map(|(label, amount)| format!("{label} {amount}"));
    [spec.floor.fleet.to_string()].into_iter().chain(per).collect::<Vec<_>>().join(", ")
}

/// One fleet in full.
pub fn one(fleet: &FleetView, clock: &Clock) -> Vec<String> {
    let spec = &fleet.spec;
    let settled = fleet.settled.as_ref().map_or_else(|| "nothing settled".to_owned(), |view| format!("settled on {}", release(view)));
    let mut lines = vec![
        format!("{}  app {} · {} · {settled}", fleet.fleet, spec.app, plural(fleet.members as usize, "host", "hosts")),
        format!("select      {}", spec.select),
        format!("floor       {}", floor(spec)),
        format!("health      {}", spec.health.as_ref().map_or_else(|| "none: healthy when its last run succeeded".to_owned(), health)),
        format!("failure     tolerates {}, then {:?}", spec.failure.tolerate, spec.failure.then).to_lowercase(),
        format!("hooks       at most {}", spec.hooks.timeout),
    ];
    lines.extend(spec.expect.map(|expect| format!("expect      {}..{} hosts", expect.low, expect.high)));
    lines.extend(spec.parallel.map(|parallel| format!("parallel    {parallel}")));
    lines.extend(spec.stragglers.map(|s| format!("stragglers  at most {}, after {}", s.at_most, s.after)));
    if spec.first_install {
        lines.push("first       empty hosts may be installed into".to_owned());
    }
    let reason = if fleet.applied.reason.is_empty() { String::new() } else { format!(", {}", safe(&fleet.applied.reason)) };
    lines.push(format!("applied     by {} {} ago{reason}", safe(&fleet.applied.by), clock.ago(fleet.applied.at)));
    lines.push(format!("next        pilotage status {}", fleet.fleet));
    lines
}

fn health(health: &Health) -> String {
    let probe = [
        ("", &health.http.as_ref().map(ToString::to_string)),
        ("tcp:", &health.tcp.as_ref().map(ToString::to_string)),
        ("unit:", &health.unit.as_ref().map(ToString::to_string)),
    ];
    let mut parts: Vec<String> = probe.into_iter().filter_map(|(lead, value)| value.as_ref().map(|value| format!("{lead}{}", safe(value)))).collect();
    let spans =
        [("every", health.every), ("healthy for", health.healthy_for), ("unhealthy for", health.unhealthy_for), ("deadline", health.deadline)];
    parts.extend(spans.into_iter().filter_map(|(word, span)| span.map(|span| format!("{word} {span}"))));
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet_file;

    fn body() -> FleetBody {
        FleetBody::from(
            &fleet_file::parse("fleet: web-prod\napp: web\nselect: env=prod\nfloor: 66%\nhealth: http://localhost:8080/healthz\n").unwrap(),
        )
    }

    fn answer() -> FleetApplied {
        let hosts: Vec<HostName> = ["h1", "h2", "h3"].map(|name| name.parse().unwrap()).into();
        FleetApplied {
            fleet: "web-prod".parse().unwrap(),
            created: true,
            changed: true,
            dry_run: false,
            members: 3,
            floor: 2,
            hosts,
            gained: Vec::new(),
            lost: Vec::new(),
        }
    }

    #[test]
    fn an_apply_names_the_context_the_hosts_and_the_floor() {
        assert_eq!(
            applied("prod", &answer(), &body()),
            [
                "prod: + fleet web-prod · app web · 3 hosts: h1 h2 h3 · floor 66% = 2 of 3, so 1 at a time",
                "next  pilotage deploy web-prod VERSION --watch",
            ]
        );
    }

    #[test]
    fn a_dry_run_shows_who_comes_and_goes() {
        let change =
            FleetApplied { created: false, dry_run: true, gained: vec!["h3".parse().unwrap()], lost: vec!["h9".parse().unwrap()], ..answer() };
        assert_eq!(
            applied("prod", &change, &body())[1..],
            ["      gains h3", "      loses h9", "next  nothing was changed: without --dry-run it will be"]
        );
        let same = FleetApplied { created: false, changed: false, ..answer() };
        assert_eq!(applied("prod", &same, &body())[1..], ["next  nothing to do"]);
    }
}
