//! How a release behaved on its hosts, as the story language says it.

use std::collections::BTreeMap;

use pilotage_coordinator_core::replay::case::Case;
use pilotage_coordinator_core::replay::course::Run;
use pilotage_shared::health::Standing;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;

/// What a run says of its release on its host; none: it is good there.
fn fault(run: &Run) -> Option<String> {
    if let Some(refusal) = &run.refusal {
        let word = refusal.why.as_str().split_whitespace().next().unwrap_or_default();
        let event = Event::named(word).filter(|event| !matches!(event, Event::DownloadBundle | Event::Install)).unwrap_or(Event::ValidateService);
        return Some(match event {
            Event::HealthCheck => "unhealthy".to_owned(),
            event => event.as_str().to_owned(),
        });
    }
    let down = run.standings.iter().position(|(_, standing)| *standing == Standing::Down).filter(|_| run.committed)?;
    let proved = run.standings[..down].iter().any(|(_, standing)| *standing == Standing::Available);
    // The simulator's hosts are available after five seconds.
    Some(if proved { "dies 20s" } else { "dies 4s" }.to_owned())
}

/// The fault of every host that tried a release; `None` when all that tried it are good.
pub enum Faults {
    /// It is good.
    Good,
    /// It has this fault wherever it was tried.
    Everywhere(String),
    /// It has it on these hosts.
    Some(Vec<(HostName, String)>),
}

/// Of a release in a case.
pub fn of(case: &Case, release: &Release) -> Faults {
    let tried = case.profile.hosts.keys().filter_map(|host| Some((host, case.profile.run(host, release)?)));
    let all: BTreeMap<&HostName, Option<String>> = tried.map(|(host, run)| (host, fault(run))).collect();
    let first = all.values().flatten().next().cloned();
    match first {
        None => Faults::Good,
        Some(first) if all.values().all(|fault| fault.as_ref() == Some(&first)) => Faults::Everywhere(first),
        Some(_) => Faults::Some(all.into_iter().filter_map(|(host, fault)| Some((host.clone(), fault?))).collect()),
    }
}

/// As the setting of a package.
pub fn of_package(fault: &str) -> String {
    if Event::named(fault).is_some() { format!("fails {fault}") } else { fault.to_owned() }
}
