//! Reports of runs: a head and one record for each event, numbered densely; found by deployment, host and attempt through an
//! index in memory.

use std::collections::{BTreeMap, VecDeque};

use pilotage_disk::{Record, Unit, Write};
use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::run::{EventReport, Outcome, RunId, RunReport};
use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::{RUN_EVENTS, RUNS};

/// Events of one run that are kept.
pub(super) const EVENTS_MAX: usize = 40;

/// Everything of a report but its events. Version 1.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    id: RunId,
    app: AppName,
    generation: Option<Generation>,
    to: Release,
    from: Option<Release>,
    began_at_ms: u64,
    took_ms: u64,
    out_of_service_ms: Option<u64>,
    outcome: Outcome,
    events: u8,
}

type Place = (HostName, AppName, u32);

/// What is kept, by what people ask for.
#[derive(Debug, Default)]
pub(super) struct Runs {
    next: u64,
    by_place: BTreeMap<Option<DeploymentId>, BTreeMap<Place, u64>>,
    in_order: VecDeque<(u64, RunId, AppName, u8)>,
}

fn place(id: &RunId, app: &AppName) -> Place {
    (id.host.clone(), app.clone(), id.attempt)
}

impl Runs {
    pub fn take(&mut self, record: &Record) -> Result<(), CodecError> {
        let head: Head = codec::decode(record)?;
        let n = record.key.as_slice().try_into().map(u64::from_be_bytes);
        let n = n.map_err(|_| CodecError::Payload { table: RUNS, why: "its key is no number".into() })?;
        self.insert(n, head.id, head.app, head.events);
        Ok(())
    }

    fn insert(&mut self, n: u64, id: RunId, app: AppName, events: u8) {
        self.next = self.next.max(n + 1);
        self.by_place.entry(id.deployment.clone()).or_default().insert(place(&id, &app), n);
        self.in_order.push_back((n, id, app, events));
    }

    /// The writes of a report; none when it is known already.
    pub fn add(&mut self, report: &RunReport) -> Result<Vec<Write>, CodecError> {
        let known = self.by_place.get(&report.id.deployment);
        if known.is_some_and(|runs| runs.contains_key(&place(&report.id, &report.app))) {
            return Ok(Vec::new());
        }
        let n = self.next;
        let events = &report.events[..report.events.len().min(EVENTS_MAX)];
        let head = Head {
            id: report.id.clone(),
            app: report.app.clone(),
            generation: report.generation,
            to: report.to,
            from: report.from,
            began_at_ms: report.began_at_ms,
            took_ms: report.took_ms,
            out_of_service_ms: report.out_of_service_ms,
            outcome: report.outcome.clone(),
            events: events.len() as u8,
        };
        let (version, value) = codec::encode(RUNS, &head)?;
        let mut writes = vec![Write::Put { table: RUNS, key: n.to_be_bytes().to_vec(), version, value }];
        for (i, event) in (0u8..).zip(events) {
            let (version, value) = codec::encode(RUN_EVENTS, event)?;
            writes.push(Write::Put { table: RUN_EVENTS, key: event_key(n, i), version, value });
        }
        self.insert(n, head.id, head.app, head.events);
        Ok(writes)
    }

    /// Numbers of a deployment's runs (or of people's own at their hosts), by host and attempt. Walks that deployment's alone.
    pub fn of(&self, deployment: Option<&DeploymentId>, host: Option<&HostName>) -> Vec<u64> {
        let Some(runs) = self.by_place.get(&deployment.cloned()) else { return Vec::new() };
        runs.iter().filter(|((h, _, _), _)| host.is_none_or(|host| h == host)).map(|(_, n)| *n).collect()
    }

    pub fn has(&self, deployment: Option<&DeploymentId>, host: &HostName, app: &AppName, attempt: u32) -> bool {
        let runs = self.by_place.get(&deployment.cloned());
        runs.is_some_and(|runs| runs.contains_key(&(host.clone(), app.clone(), attempt)))
    }

    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// Removes the oldest runs beyond `keep` when there are `at_least` of them; one unit for each.
    pub fn prune(&mut self, keep: usize, at_least: usize) -> Vec<Unit> {
        if self.in_order.len() < keep.saturating_add(at_least) {
            return Vec::new();
        }
        let mut units = Vec::new();
        while self.in_order.len() > keep {
            let Some((n, id, app, events)) = self.in_order.pop_front() else { break };
            if let Some(runs) = self.by_place.get_mut(&id.deployment) {
                runs.remove(&place(&id, &app));
                if runs.is_empty() {
                    self.by_place.remove(&id.deployment);
                }
            }
            let mut unit = vec![Write::Delete { table: RUNS, key: n.to_be_bytes().to_vec() }];
            unit.extend((0..events).map(|i| Write::Delete { table: RUN_EVENTS, key: event_key(n, i) }));
            units.push(unit);
        }
        units
    }
}

fn event_key(n: u64, i: u8) -> Vec<u8> {
    [n.to_be_bytes().as_slice(), &[i]].concat()
}

/// A report from its records.
pub(super) fn read<'a>(head: &Record, events: impl Iterator<Item = &'a Record>) -> Result<RunReport, CodecError> {
    let head: Head = codec::decode(head)?;
    let events = events.map(codec::decode::<EventReport>).collect::<Result<Vec<_>, _>>()?;
    Ok(RunReport {
        id: head.id,
        app: head.app,
        generation: head.generation,
        to: head.to,
        from: head.from,
        began_at_ms: head.began_at_ms,
        took_ms: head.took_ms,
        out_of_service_ms: head.out_of_service_ms,
        events,
        outcome: head.outcome,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::digest::Digest;
    use pilotage_shared::name::Why;
    use pilotage_shared::run::Event;

    fn report(host: &str, attempt: u32) -> RunReport {
        let event = |event| EventReport {
            event,
            back: false,
            script: None,
            began_ms: 1,
            took_ms: 2,
            code: 0,
            exit: Some(0),
            message: Why::default(),
            last_line: Why::lossy("ok"),
        };
        RunReport {
            id: RunId { deployment: Some("web-prod.1".parse().unwrap()), host: HostName::new(host).unwrap(), attempt },
            app: AppName::new("web").unwrap(),
            generation: Some(Generation(3)),
            to: Release::of(Digest([1; 32])),
            from: None,
            began_at_ms: 4,
            took_ms: 5,
            out_of_service_ms: Some(6),
            events: vec![event(Event::ApplicationStop), event(Event::ApplicationStart)],
            outcome: Outcome::Committed,
        }
    }

    #[test]
    fn a_report_is_kept_once_and_read_back() {
        let mut runs = Runs::default();
        let writes = runs.add(&report("h1", 1)).unwrap();
        assert!(runs.add(&report("h1", 1)).unwrap().is_empty());
        runs.add(&report("h2", 1)).unwrap();
        let records: Vec<Record> = writes
            .into_iter()
            .filter_map(|w| match w {
                Write::Put { table, key, version, value } => Some(Record { table, key, version, value }),
                Write::Delete { .. } => None,
            })
            .collect();
        assert_eq!(read(&records[0], records[1..].iter()).unwrap(), report("h1", 1));
        let deployment = "web-prod.1".parse().unwrap();
        assert_eq!(runs.of(Some(&deployment), None), [0, 1]);
        assert_eq!(runs.of(Some(&deployment), Some(&HostName::new("h2").unwrap())), [1]);
        assert_eq!(runs.of(None, None), Vec::<u64>::new());
        let mut again = Runs::default();
        again.take(&records[0]).unwrap();
        assert!(again.add(&report("h1", 1)).unwrap().is_empty(), "known after a load");
        assert_eq!(runs.prune(1, 1).len(), 1);
        assert_eq!(runs.of(Some(&deployment), None), [1]);
    }
}
