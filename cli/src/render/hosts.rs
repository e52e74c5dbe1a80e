//! `pilotage hosts` and `pilotage host show`.

use std::collections::BTreeMap;

use pilotage_shared::api::v1::{HostStateWord, HostView, SlotView};
use pilotage_shared::fleet::Labels;
use pilotage_shared::time::Millis;

use super::columns::{Align, columns};
use super::runs::{outcome, standing};
use super::words::{Clock, coarse, plural, release, size};
use crate::output::safe;

/// One line for each app on each host.
pub fn all(hosts: &[HostView]) -> Vec<String> {
    if hosts.is_empty() {
        return vec!["no host".to_owned()];
    }
    let mut rows = vec![["HOST", "APP", "STANDING", "RUNS", "WANTED", "NOW", "LABELS"].map(str::to_owned).to_vec()];
    rows.extend(hosts.iter().flat_map(|host| {
        let empty = host.slots.is_empty().then(|| {
            let cells =
                [host.host.to_string(), String::new(), standing(host.standing).to_owned(), "nothing".to_owned(), String::new(), remark(host, None)];
            cells.into_iter().chain([labels(&host.labels)]).collect()
        });
        empty.into_iter().chain(host.slots.iter().map(|slot| row(host, slot)))
    }));
    let mut lines = vec![verdict(hosts)];
    lines.extend(columns(&[Align::Left; 7], &rows));
    lines.extend(next(hosts));
    lines
}

fn row(host: &HostView, slot: &SlotView) -> Vec<String> {
    vec![
        host.host.to_string(),
        slot.app.to_string(),
        standing(slot.standing).to_owned(),
        slot.running.as_ref().map_or_else(|| "nothing".to_owned(), release),
        if slot.behind { slot.wanted.as_ref().map_or_else(String::new, release) } else { String::new() },
        remark(host, Some(slot)),
        labels(&host.labels),
    ]
}

fn verdict(hosts: &[HostView]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for host in hosts {
        *counts.entry(standing(host.standing)).or_default() += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{}: {}", plural(hosts.len(), "host", "hosts"), counts.join(", "))
}

/// What is most worth knowing, in a few words.
fn remark(host: &HostView, slot: Option<&SlotView>) -> String {
    let slot_says = slot.and_then(|slot| {
        let named = [("NEEDS HANDS", &slot.needs_hands), ("pinned", &slot.pinned), ("declines", &slot.declines)];
        named.into_iter().find_map(|(word, why)| why.as_ref().map(|why| format!("{word}: {}", safe(why))))
    });
    let host_says = match (host.state, &host.quarantined, &host.cordoned) {
        (HostStateWord::Retired, _, _) => Some("retired".to_owned()),
        (HostStateWord::Maintenance, _, _) => Some("maintenance".to_owned()),
        (_, Some(why), _) => Some(format!("QUARANTINED: {}", safe(why))),
        (_, None, Some(note)) => Some(format!("cordoned by {}", safe(&note.by))),
        (HostStateWord::Active | HostStateWord::Unknown, None, None) => None,
    };
    slot_says.or(host_says).or_else(|| slot.map(|slot| safe(&slot.phase))).unwrap_or_default()
}

/// `env=prod zone=a`
pub fn labels(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={}", safe(value.as_str()))).collect::<Vec<_>>().join(" ")
}

fn next(hosts: &[HostView]) -> Option<String> {
    let slots = || hosts.iter().flat_map(|host| host.slots.iter().map(move |slot| (host, slot)));
    let (host, slot) = slots().find(|(_, slot)| slot.needs_hands.is_some()).or_else(|| slots().find(|(_, slot)| slot.behind))?;
    match (&slot.needs_hands, &slot.fleet) {
        (None, Some(fleet)) => Some(format!("next  pilotage explain {fleet}")),
        (Some(_), _) | (None, None) => Some(format!("next  pilotage host show {}", host.host)),
    }
}

/// One host in full.
pub fn one(host: &HostView, clock: &Clock) -> Vec<String> {
    let heard = host.heard_at.map_or_else(|| "never heard in this life of the coordinator".to_owned(), |at| format!("heard {} ago", clock.ago(at)));
    let agent = host.agent.as_deref().map_or_else(String::new, |version| format!(" · agent {}", safe(version)));
    let mut lines = vec![format!("{}  {} · {heard}{agent} · {}", safe(&host.id), standing(host.standing), labels(&host.labels))];
    let remark = remark(host, None);
    if !remark.is_empty() {
        lines.push(format!("  {remark}"));
    }
    for slot in &host.slots {
        lines.extend(slot_lines(slot, clock));
    }
    if let Some(metrics) = &host.metrics {
        lines.push(format!(
            "host  cpu {:.0}% · load {:.2} · memory {} of {} · disk {} free of {} · up {}",
            metrics.cpu_percent,
            metrics.load_one,
            size(metrics.memory_used),
            size(metrics.memory_total),
            size(metrics.disk_free),
            size(metrics.disk_total),
            coarse(Millis::seconds(metrics.uptime_seconds))
        ));
        for (app, reading) in &metrics.apps {
            lines.push(format!(
                "{app}  {} · cpu {:.0}% · memory {} · {}",
                plural(reading.processes as usize, "process", "processes"),
                reading.cpu_percent,
                size(reading.rss),
                plural(reading.restarts as usize, "restart", "restarts")
            ));
        }
    }
    lines.extend(next(std::slice::from_ref(host)));
    lines
}

fn slot_lines(slot: &SlotView, clock: &Clock) -> Vec<String> {
    let of = slot.fleet.as_ref().map_or_else(String::new, |fleet| format!(" in {fleet}"));
    let since = slot.since.map_or_else(String::new, |since| format!(" since {}", clock.moment(since)));
    let mut lines = vec![format!("{}{of}  {}{since} · {}", slot.app, standing(slot.standing), safe(&slot.phase))];
    if !slot.health.is_empty() {
        lines.push(format!("  health    {} for {}", safe(&slot.health), coarse(Millis(slot.health_for_ms))));
    }
    let releases =
        [("wanted", &slot.wanted), ("running", &slot.running), ("previous", &slot.previous), ("settled", &slot.settled), ("staged", &slot.staged)];
    for (word, view) in releases {
        if let Some(view) = view {
            lines.push(format!("  {word:<8}  {}  {}", release(view), view.digest.short()));
        }
    }
    if let Some(loan) = &slot.loan {
        let withdrawn = if loan.withdrawn { ", taken back" } else { "" };
        lines.push(format!("  lent      {} for {} at generation {}{withdrawn}", release(&loan.release), loan.deployment, loan.generation));
    }
    for refusal in &slot.refused {
        lines.push(format!("  refused   {} in {}: {}", release(&refusal.release), refusal.deployment, safe(&refusal.why)));
    }
    let named = [("pinned", &slot.pinned), ("declines", &slot.declines), ("HANDS", &slot.needs_hands)];
    lines.extend(named.into_iter().filter_map(|(word, why)| why.as_ref().map(|why| format!("  {word:<8}  {}", safe(why)))));
    if let Some(word) = slot.last_run {
        let why = slot.last_run_why.as_ref().map_or_else(String::new, |why| format!(": {}", safe(why)));
        lines.push(format!("  last run  {}{why}", outcome(word)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn hosts_are_counted_and_listed() {
        let mut pinned = samples::host("h41");
        pinned.slots[0].pinned = Some("by root: \x1b[5m".to_owned());
        assert_eq!(
            all(&[samples::host("h23"), pinned]),
            [
                "2 hosts: 2 available",
                "HOST  APP  STANDING   RUNS       WANTED     NOW                       LABELS",
                "h23   web  available  web@1.4.2  web@1.5.0  staged                    env=prod rack=a4",
                "h41   web  available  web@1.4.2  web@1.5.0  pinned: by root: \\x1b[5m  env=prod rack=a5",
                "next  pilotage explain web-prod",
            ]
        );
    }

    #[test]
    fn one_host_shows_its_slots() {
        assert_eq!(
            one(&samples::host("h23"), &samples::clock())[..4],
            [
                "h23/1  available · heard 2s ago · agent 0.1.0 · env=prod rack=a4",
                "web in web-prod  available since 02:12 · staged",
                "  health    200 OK for 51m",
                &format!("  wanted    web@1.5.0  {}", samples::release("web@1.5.0").digest.short()),
            ]
        );
    }
}
