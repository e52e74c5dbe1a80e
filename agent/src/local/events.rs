//! `--events` (N4): which hooks run. Everything else of a deployment happens as always, in its own order.

use std::collections::BTreeSet;

use anyhow::bail;
use pilotage_shared::run::Event;

/// What may stand before DownloadBundle: hooks of the revision that runs.
const OLD: &[Event] = &[Event::BeforeBlockTraffic, Event::AfterBlockTraffic, Event::ApplicationStop];

/// None: of all events.
pub fn chosen(names: &[String]) -> anyhow::Result<Option<BTreeSet<Event>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut events = Vec::new();
    for name in names.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
        match Event::named(name) {
            // Ours, and no hook of anybody's.
            None | Some(Event::HealthCheck) => bail!("--events: {name:?} is no lifecycle event; events are {}", all().join(", ")),
            Some(event) => events.push(event),
        }
    }
    before(&events, Event::DownloadBundle, &[])?;
    before(&events, Event::Install, &[Event::DownloadBundle, Event::BeforeInstall])?;
    Ok(Some(events.into_iter().collect()))
}

/// Only hooks of the old revision, and these, may stand before an event that is named.
fn before(events: &[Event], event: Event, also: &[Event]) -> anyhow::Result<()> {
    let Some(at) = events.iter().position(|e| *e == event) else { return Ok(()) };
    let allowed: Vec<Event> = OLD.iter().chain(also).copied().collect();
    match events[..at].iter().find(|e| !allowed.contains(e)) {
        None => Ok(()),
        Some(wrong) => {
            let names: Vec<&str> = allowed.iter().map(|e| e.as_str()).collect();
            bail!("--events: {wrong} stands before {event}; the only events that can be specified before {event} are {}", names.join(","))
        }
    }
}

fn all() -> Vec<&'static str> {
    Event::ALL.into_iter().filter(|e| *e != Event::HealthCheck).map(Event::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stand_before_download_and_install_is_limited() {
        let check = |names: &str, expected: Result<usize, &str>| {
            let names: Vec<String> = names.split(',').map(str::to_owned).collect();
            match (chosen(&names), expected) {
                (Ok(found), Ok(count)) => assert_eq!(found.unwrap().len(), count, "{names:?}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{names:?}: {error}"),
                (found, expected) => panic!("{names:?}: {found:?}, not {expected:?}"),
            }
        };
        assert_eq!(chosen(&[]).unwrap(), None);
        check("ApplicationStop,DownloadBundle,BeforeInstall,Install,AfterInstall", Ok(5));
        check("ApplicationStart, ValidateService", Ok(2));
        check("BeforeInstall,DownloadBundle", Err("before DownloadBundle are BeforeBlockTraffic"));
        check("AfterInstall,Install", Err("before Install are"));
        check("HealthCheck", Err("is no lifecycle event"));
        check("applicationstop", Err("is no lifecycle event"));
    }
}
