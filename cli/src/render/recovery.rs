//! `pilotage recover`: each fleet as the backup wants it, as its hosts are, and what confirming makes of it.

use pilotage_shared::api::v1::{FleetRecovery, RecoveringView, RecoveryView, RunsView};
use pilotage_shared::name::HostName;

use super::words::{Clock, names, plural, release};
use crate::output::safe;

/// Hosts that are named.
const NAMED: usize = 20;

/// That the coordinator recovers, in one line.
pub fn line(view: &RecoveringView, clock: &Clock) -> String {
    let (heard, go_on) = match view.unheard {
        0 => (format!("all {} heard", plural(view.hosts as usize, "host", "hosts")), "--confirm"),
        n => (format!("{n} of {} hosts not heard: {}", view.hosts, names(&strings(&view.missing), n as usize, NAMED)), "--go-on"),
    };
    format!("recovering: restored from a backup of {}; {heard}; go on: pilotage recover {go_on}", clock.moment(view.backup_at))
}

/// Before a person has gone on.
pub fn before(view: &RecoveryView, clock: &Clock) -> Vec<String> {
    let Some(recovering) = &view.recovering else {
        return vec!["the coordinator does not recover from a backup".to_owned()];
    };
    let mut lines = vec![line(recovering, clock)];
    for fleet in &view.fleets {
        lines.push(safe(&format!("{}", fleet.fleet)));
        lines.push(format!("  backup   {}", wants(fleet)));
        lines.push(format!("  hosts    {}", runs(fleet)));
        lines.push(format!("  confirm  {}", safe(&fleet.why)));
        if fleet.frozen {
            lines.push(format!("  frozen   a host is ahead of the backup: pilotage resume {} afterwards", fleet.fleet));
        }
    }
    let confirm = if recovering.unheard == 0 { "pilotage recover --confirm" } else { "wait · pilotage recover --go-on" };
    lines.push(format!("next  {confirm} · pilotage recover --keep-backup   (--reason …)"));
    lines
}

/// Once a person has gone on.
pub fn after(context: &str, view: &RecoveryView) -> Vec<String> {
    let mut lines = vec![format!("{context}: the recovery is over")];
    lines.extend(view.fleets.iter().map(|fleet| match &fleet.left {
        Some(_) => format!("{}  left as it is: {}", fleet.fleet, safe(&fleet.why)),
        None => format!("{}  {}{}", fleet.fleet, wants(fleet), if fleet.frozen { " · FROZEN" } else { "" }),
    }));
    let left = view.fleets.iter().find(|f| f.left.is_some()).map(|f| format!("pilotage deploy {} VERSION", f.fleet));
    let frozen = view.fleets.iter().find(|f| f.frozen).map(|f| format!("pilotage resume {}", f.fleet));
    let next: Vec<String> = left.into_iter().chain(frozen).chain(["pilotage status".to_owned()]).collect();
    lines.push(format!("next  {}", next.join(" · ")));
    lines
}

fn wants(fleet: &FleetRecovery) -> String {
    let settled = fleet.settled.as_ref().map_or_else(|| "nothing settled".to_owned(), |r| format!("{} settled", release(r)));
    match &fleet.in_course {
        Some(course) => format!("{settled}, {} to {} in course", course.deployment, release(&course.to)),
        None => settled,
    }
}

fn runs(fleet: &FleetRecovery) -> String {
    let one = |runs: &RunsView| {
        let what = runs.release.as_ref().map_or_else(|| "nothing".to_owned(), release);
        let known = if runs.known { "" } else { " (not known to this store)" };
        format!("{what}{known} on {}: {}", runs.count, names(&strings(&runs.hosts), runs.count as usize, NAMED))
    };
    let mut parts: Vec<String> = fleet.runs.iter().map(one).collect();
    if fleet.unheard > 0 {
        parts.push(format!("not heard {}: {}", fleet.unheard, names(&strings(&fleet.missing), fleet.unheard as usize, NAMED)));
    }
    if parts.is_empty() { "no members".to_owned() } else { parts.join(" · ") }
}

fn strings(hosts: &[HostName]) -> Vec<&str> {
    hosts.iter().map(HostName::as_str).collect()
}
