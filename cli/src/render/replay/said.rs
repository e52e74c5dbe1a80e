//! Decisions, facts and requests in words.

use pilotage_coordinator_core::World;
use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::{Request, What};
use pilotage_coordinator_core::world::{Because, HostState};
use pilotage_shared::health::Standing;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::run::Phase;

use super::super::words::names;
use crate::output::safe;

fn version(world: &World, release: &Release) -> String {
    let name = safe(&world.package_name(&release.package));
    if release.restart == 0 { name } else { format!("{name}+r{}", release.restart) }
}

/// Why it turned or stopped.
pub fn because(because: &Because) -> String {
    match because {
        Because::TooManyFailed { failed, tolerated, hosts } => {
            let hosts: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            format!("{failed} failed, {tolerated} tolerated ({})", names(&hosts, *failed as usize, super::NAMED))
        }
        Because::Asked(note) => format!("asked by {}", safe(&note.by.to_string())),
    }
}

/// A decision: the hosts that it is about, and what it is. None: it is a mere fact.
pub fn decision(world: &World, change: &Change) -> Option<(Vec<String>, String)> {
    let host = |host: &HostName, text: String| Some((vec![host.to_string()], text));
    let all = |text: String| Some((Vec::new(), text));
    match change {
        Change::Lent { host: name, loan, .. } => {
            let down = if loan.while_down { ", being down" } else { "" };
            host(name, format!("may go to {} now{down}", version(world, &loan.release)))
        }
        Change::Withdrawn { host: name, .. } => host(name, "may not go any more".into()),
        Change::Renumbered { host: name, .. } => host(name, "keeps its permission under a new number".into()),
        Change::Returned { host: name, .. } => host(name, "is back from change".into()),
        Change::HostPut { host: new } => host(
            &new.id.name,
            match (new.state, &new.cordoned) {
                (HostState::Maintenance, _) => "is in maintenance".into(),
                (_, Some(_)) => "is not to be touched".into(),
                (HostState::Active | HostState::Retired, None) => "is as people want it".into(),
            },
        ),
        Change::HostRetired { host: name } => host(name, "is retired".into()),
        Change::Quarantined { host: name, why } => host(name, format!("is in quarantine: {}", safe(why.as_str()))),
        Change::Silent { host: name } => host(name, "has not been heard from for three heartbeats".into()),
        Change::FleetPut { fleet } => all(format!("fleet {} is declared by {}", fleet.spec.name, safe(&fleet.applied.by.to_string()))),
        Change::FleetDeleted { fleet } => all(format!("fleet {fleet} is deleted")),
        Change::Froze { fleet, frozen } => all(format!("fleet {fleet} is frozen: {} has seen generation {}", frozen.host, frozen.seen)),
        Change::Thawed { fleet } => all(format!("fleet {fleet} goes on")),
        Change::Deployed { deployment } => {
            let over = deployment.over.as_ref().map_or_else(String::new, |release| format!(" over {}", version(world, release)));
            all(format!(
                "{} brings {}{over}, asked by {}",
                deployment.id,
                version(world, &deployment.release),
                safe(&deployment.started.by.to_string())
            ))
        }
        Change::Paused { id, note } => all(format!("{id} is paused by {}", safe(&note.by.to_string()))),
        Change::Resumed { id, .. } => all(format!("{id} goes on")),
        Change::Turned { id, to, because: why, .. } => all(format!("{id} goes back to {}: {}", version(world, to), because(why))),
        Change::OthersDone { id, at: Some(_), .. } => all(format!("{id} waits for stragglers only")),
        Change::OthersDone { id, at: None, .. } => all(format!("{id} does not wait for stragglers only any more")),
        Change::StragglersDue { id } => all(format!("{id} does not wait for stragglers any more")),
        Change::Ended { id, outcome: how, because: why, .. } => {
            let why = why.as_ref().map_or_else(String::new, |why| format!(": {}", because(why)));
            all(format!("{id} {}{why}", how.words()))
        }
        Change::PackagePut { package } => all(format!("{}@{} is known", package.app, safe(package.version.as_str()))),
        Change::ConfigurationPut { configuration } => all(format!("configuration c{} of {} is known", configuration.number, configuration.app)),
        Change::PairsReleased { app, pairs } => all(format!("{} pairs of package and configuration of {app} are released from hold", pairs.len())),
        Change::BlockedSet { blocked } => all(format!("{} packages are blocked", blocked.packages.len())),
        Change::Started { .. } => all("the coordinator was started".into()),
        Change::StartupOver => all("who was not heard since the start is not waited for any more".into()),
        Change::Restored { .. } => all("the store was made of a backup".into()),
        Change::GoesOn { note, .. } => all(format!("{} goes on after the restore", safe(&note.by.to_string()))),
        Change::FleetRecovered { fleet, .. } => all(format!("fleet {fleet} is recovered")),
        Change::Recovered => all("the recovery is over".into()),
        // What is left are facts: `Change::is_fact`, and a test that holds both together.
        _ => None,
    }
}

/// What a host said of itself.
pub fn fact(world: &World, change: &Change) -> Option<(Vec<String>, String)> {
    match change {
        Change::Confirmed { host, .. } => Some((vec![host.to_string()], "is connected".into())),
        Change::Observed { host, status, .. } => {
            let runs = status.running.as_ref().map_or_else(|| "nothing".to_owned(), |release| version(world, release));
            let stands = match (&status.run, status.standing) {
                (Some(run), _) => match run.phase {
                    Phase::Beginning => "begins a run".to_owned(),
                    Phase::Forward(event) => format!("in {event}"),
                    Phase::Back(event) => format!("back, in {event}"),
                },
                (None, Standing::Down) => "down".to_owned(),
                (None, Standing::Unknown) => "health not known".to_owned(),
                (None, Standing::Settling) => "settling".to_owned(),
                (None, Standing::Available) => "available".to_owned(),
            };
            Some((vec![host.to_string()], format!("runs {runs}, {stands}")))
        }
        _ => None,
    }
}

/// A request, for a line about it.
pub fn request(request: &Request) -> String {
    match request {
        Request::Start { .. } => "the start".into(),
        Request::Deploy { fleet, what: What::Version(version), .. } => format!("a deployment of {} to {fleet}", safe(version.as_str())),
        Request::Deploy { fleet, .. } => format!("a deployment to {fleet}"),
        Request::PutFleet { spec } => format!("the declaration of {}", spec.name),
        Request::Status { .. } => "a host's status".into(),
        Request::Heartbeat { .. } => "a host's heartbeat".into(),
        Request::Hello { hello } => format!("the connection of {}", hello.host),
        Request::Gone { .. } => "the end of a connection".into(),
        Request::Pause { id } => format!("the pause of {id}"),
        Request::Cancel { id } => format!("the end of {id}"),
        Request::Rollback { id } => format!("the rollback of {id}"),
        Request::Resume { fleet } => format!("the resume of {fleet}"),
        Request::DeleteFleet { fleet } => format!("the deletion of {fleet}"),
        Request::AddHost { host, .. }
        | Request::LabelHost { host, .. }
        | Request::CordonHost { host }
        | Request::UncordonHost { host }
        | Request::MaintainHost { host, .. }
        | Request::RetireHost { host }
        | Request::RetryHost { host } => format!("a request about {host}"),
        Request::PutPackage { .. }
        | Request::DeletePackage { .. }
        | Request::ReleasePackage { .. }
        | Request::BlockPackage { .. }
        | Request::UnblockPackage { .. } => "a request about a package".into(),
        Request::PutConfiguration { fleet, .. } => format!("a configuration of {fleet}"),
        Request::DeleteConfiguration { app, number } | Request::ReleaseConfiguration { app, number } => format!("a request about {app}'s c{number}"),
        Request::Recover { .. } => "the recovery".into(),
    }
}

/// What the coordinator would have answered.
pub fn request_refused(rejected: &pilotage_coordinator_core::Rejected) -> String {
    format!("refused: {}", safe(&rejected.to_string()))
}
