//! Changes as people and programs read them in the history. What is only memory, and what only repeats (answers kept for
//! idempotency, counters, readings), is no event; silence is.

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::Via;
use pilotage_coordinator_core::world::configuration::Pair;
use pilotage_coordinator_core::world::recovery::Verdict;
use pilotage_coordinator_core::world::{Because, HostState, Outcome, World};
use pilotage_shared::api::v1::When;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::principal::Principal;
use pilotage_shared::run::{Outcome as RunOutcome, Phase, RunReport};
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::Time;

use super::batch::Cause;
use crate::store::{Entry, Scope};

/// The entry for a change that is about to be applied; `world` is as it was before it.
pub fn of(world: &World, change: &Change, cause: &Cause, now: Time) -> Option<Entry> {
    let (kind, scope, text) = words(world, change)?;
    let change = match change {
        // What a host says of itself is in its record and in its runs; repeating it whole would be most of the history.
        Change::Observed { .. } | Change::Confirmed { .. } | Change::Silent { .. } => serde_json::Value::Null,
        // A hash of a token, but nobody needs it here.
        Change::HostPut { .. } => serde_json::Value::Null,
        other => serde_json::to_value(other).unwrap_or_default(),
    };
    Some(Entry {
        v: 1,
        at: now.0,
        by: cause.by.clone(),
        via: via(cause.via),
        reason: cause.reason.to_string(),
        kind: kind.into(),
        scope,
        text,
        change,
    })
}

/// The entry for a run that has ended.
pub fn run(report: &RunReport, now: Time) -> Entry {
    let (verb, why) = match &report.outcome {
        RunOutcome::Committed => ("committed", None),
        RunOutcome::RolledBack { why } => ("went back", Some(why)),
        RunOutcome::NotBegun { why } => ("was not begun", Some(why)),
        RunOutcome::NeedsHands { why } => ("needs hands", Some(why)),
    };
    let why = why.map_or_else(String::new, |w| format!(": {w}"));
    let by = match &report.id.deployment {
        Some(_) => Principal::Rule { name: pilotage_shared::name::Why::lossy("agent") },
        None => Principal::Rule { name: pilotage_shared::name::Why::lossy("person at the host") },
    };
    let mut scope = slot(&report.id.host, &report.app);
    scope.deployment = report.id.deployment.as_ref().map(ToString::to_string);
    scope.fleet = report.id.deployment.as_ref().map(|d| d.fleet.to_string());
    let text = format!("run {} {verb} after {}{why}", report.id, pilotage_shared::time::Millis(report.took_ms));
    Entry { v: 1, at: now.0, by, via: via(Via::Agent), reason: String::new(), kind: "run.ended".into(), scope, text, change: serde_json::Value::Null }
}

fn via(via: Via) -> String {
    match via {
        Via::Api => "api",
        Via::Agent => "agent",
        Via::Own => "own",
    }
    .into()
}

fn slot(host: &HostName, app: &AppName) -> Scope {
    Scope { app: Some(app.to_string()), host: Some(host.to_string()), ..Scope::default() }
}

fn host(name: &HostName) -> Scope {
    Scope { host: Some(name.to_string()), ..Scope::default() }
}

fn fleet(world: &World, name: &FleetName) -> Scope {
    let app = world.fleets.get(name).map(|f| f.spec.app.to_string());
    Scope { fleet: Some(name.to_string()), app, ..Scope::default() }
}

fn deployment(world: &World, id: &DeploymentId) -> Scope {
    Scope { deployment: Some(id.to_string()), ..fleet(world, &id.fleet) }
}

fn because(because: &Because) -> String {
    match because {
        Because::TooManyFailed { failed, tolerated, hosts } => {
            let names: Vec<&str> = hosts.iter().take(5).map(HostName::as_str).collect();
            format!("{failed} failed, {tolerated} tolerated: {}", names.join(" "))
        }
        Because::Asked(note) => format!("asked by {}", note.by),
    }
}

/// How a deployment ended, as one word.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::RolledBack => "rolled_back",
        Outcome::Stopped => "stopped",
        Outcome::Superseded => "superseded",
        Outcome::NeedsHands => "needs_hands",
    }
}

/// What a slot does now, in a few words.
pub fn phase(status: &SlotStatus) -> String {
    match &status.run {
        Some(run) => match run.phase {
            Phase::Beginning => "beginning".into(),
            Phase::Forward(event) => format!("in {event}"),
            Phase::Back(event) => format!("back, in {event}"),
        },
        None => match status.standing {
            pilotage_shared::health::Standing::Down => "down",
            pilotage_shared::health::Standing::Unknown => "unknown",
            pilotage_shared::health::Standing::Settling => "settling",
            pilotage_shared::health::Standing::Available => "available",
        }
        .into(),
    }
}

fn words(world: &World, change: &Change) -> Option<(&'static str, Scope, String)> {
    let release = |r: &pilotage_shared::release::Release| world.release_name(r);
    Some(match change {
        Change::StartupOver
        | Change::CounterRaised { .. }
        | Change::SessionBegan { .. }
        | Change::SessionEnded { .. }
        | Change::Heard { .. }
        | Change::BlockedSeen { .. }
        | Change::Measured { .. }
        | Change::Noted { .. }
        | Change::Renumbered { .. }
        | Change::OthersDone { .. }
        | Change::Remembered { .. }
        | Change::Forgotten { .. } => return None,
        Change::Started { .. } => ("coordinator.started", Scope::default(), "the coordinator started".into()),
        Change::HostPut { host: new } => {
            let name = &new.id.name;
            let (kind, text) = host_change(world, new);
            (kind, host(name), text)
        }
        Change::HostRetired { host: name } => ("host.retired", host(name), format!("{name} is retired")),
        Change::Quarantined { host: name, why } => ("host.quarantined", host(name), format!("{name} is in quarantine: {why}")),
        Change::Confirmed { host: name, .. } => ("host.connected", host(name), format!("{name} is connected")),
        Change::Silent { host: name } => ("host.unreachable", host(name), format!("{name} has not been heard from for three heartbeats")),
        Change::Observed { host: name, app, status, .. } => {
            let runs = status.running.as_ref().map_or_else(|| "nothing".to_owned(), release);
            ("slot.observed", slot(name, app), format!("{name} {app}: runs {runs}, {}", phase(status)))
        }
        Change::Lent { host: name, app, loan } => {
            let scope = Scope { deployment: Some(loan.deployment.to_string()), fleet: Some(loan.deployment.fleet.to_string()), ..slot(name, app) };
            ("slot.permitted", scope, format!("{name} may go to {} now (generation {})", release(&loan.release), loan.generation))
        }
        Change::Withdrawn { host: name, app, .. } => ("slot.withdrawn", slot(name, app), format!("{name} may not go any more")),
        Change::Returned { host: name, app } => ("slot.returned", slot(name, app), format!("{name} is back from change")),
        Change::FleetPut { fleet: new } => {
            let name = &new.spec.name;
            let verb = if world.fleets.contains_key(name) { "changed" } else { "declared" };
            let scope = Scope { fleet: Some(name.to_string()), app: Some(new.spec.app.to_string()), ..Scope::default() };
            ("fleet.applied", scope, format!("fleet {name} is {verb}"))
        }
        Change::FleetDeleted { fleet: name } => ("fleet.deleted", fleet(world, name), format!("fleet {name} is deleted")),
        Change::Froze { fleet: name, frozen } => {
            let text = format!("fleet {name} is frozen: {} has seen generation {}, this store knows {}", frozen.host, frozen.seen, frozen.counter);
            ("fleet.frozen", fleet(world, name), text)
        }
        Change::Thawed { fleet: name } => ("fleet.thawed", fleet(world, name), format!("fleet {name} goes on")),
        Change::Deployed { deployment: new } => {
            let over = new.over.as_ref().map_or_else(String::new, |r| format!(" over {}", release(r)));
            let exists = new.file_exists.map_or_else(String::new, |word| format!(", file_exists {word}"));
            ("deployment.started", deployment(world, &new.id), format!("{} brings {}{over}{exists}", new.id, release(&new.release)))
        }
        Change::Paused { id, note } => ("deployment.paused", deployment(world, id), format!("{id} is paused by {}", note.by)),
        Change::Resumed { id, .. } => ("deployment.resumed", deployment(world, id), format!("{id} goes on")),
        Change::Turned { id, to, because: why, .. } => {
            ("deployment.turned", deployment(world, id), format!("{id} goes back to {}: {}", release(to), because(why)))
        }
        Change::StragglersDue { id } => ("deployment.stragglers_due", deployment(world, id), format!("{id} does not wait for stragglers any more")),
        Change::Ended { id, outcome: how, because: why, .. } => {
            let why = why.as_ref().map_or_else(String::new, |b| format!(": {}", because(b)));
            ("deployment.ended", deployment(world, id), format!("{id} {}{why}", outcome(*how).replace('_', " ")))
        }
        Change::PackagePut { package } => {
            let old = world.packages.get(&package.digest);
            let name = format!("{}@{}", package.app, package.version);
            let (kind, text) = match old {
                None => ("package.added", format!("{name} is in the store")),
                Some(_) => ("package.released", format!("{name} is released from hold")),
            };
            (kind, Scope { app: Some(package.app.to_string()), ..Scope::default() }, text)
        }
        Change::PackageDeleted { digest } => {
            let app = world.packages.get(digest).map(|p| p.app.to_string());
            ("package.deleted", Scope { app, ..Scope::default() }, format!("{} is deleted", world.package_name(digest)))
        }
        Change::BlockedSet { blocked } => {
            ("package.blocked", Scope::default(), format!("{} packages are blocked (list {})", blocked.packages.len(), blocked.version))
        }
        Change::Restored { backup, .. } => {
            let text = format!("the store was made of a backup of {}: nobody is moved until a person goes on", When(*backup));
            ("recovery.began", Scope::default(), text)
        }
        Change::GoesOn { note, keep_backup } => {
            let how = if *keep_backup { "with what the backup wants" } else { "with what runs" };
            ("recovery.confirmed", Scope::default(), format!("{} goes on {how}", note.by))
        }
        Change::FleetRecovered { fleet: name, verdict, .. } => {
            let text = match verdict {
                Verdict::Keep => format!("fleet {name} goes on as the backup says"),
                Verdict::Adopt(to) => format!("fleet {name} is settled on {}, which all its hosts run", release(to)),
                Verdict::Leave(why) => format!("fleet {name} is left as it is until a person deploys: {why}"),
            };
            ("fleet.recovered", fleet(world, name), text)
        }
        Change::ConfigurationPut { configuration: new } => {
            let scope = Scope { app: Some(new.app.to_string()), fleet: Some(new.fleet.to_string()), ..Scope::default() };
            ("configuration.added", scope, format!("configuration c{} of {} is in the store", new.number, new.app))
        }
        Change::ConfigurationDeleted { app, number } => (
            "configuration.deleted",
            Scope { app: Some(app.to_string()), ..Scope::default() },
            format!("configuration c{number} of {app} is deleted"),
        ),
        Change::PairsReleased { app, pairs } => {
            let name = |pair: &Pair| release(&pilotage_shared::release::Release { package: pair.package, config: pair.config, restart: 0 });
            let names: Vec<String> = pairs.iter().take(5).map(name).collect();
            ("configuration.released", Scope { app: Some(app.to_string()), ..Scope::default() }, format!("released from hold: {}", names.join(" ")))
        }
        Change::Recovered => ("recovery.over", Scope::default(), "the recovery is over".into()),
    })
}

fn host_change(world: &World, new: &pilotage_coordinator_core::world::Host) -> (&'static str, String) {
    let name = &new.id.name;
    match world.hosts.get(name) {
        Some(old) if old.id == new.id => {
            if old.cordoned.is_some() != new.cordoned.is_some() {
                return if new.cordoned.is_some() {
                    ("host.cordoned", format!("{name} is not to be touched"))
                } else {
                    ("host.uncordoned", format!("{name} may be touched"))
                };
            }
            if old.state != new.state {
                let text = if new.state == HostState::Maintenance { "is in maintenance" } else { "is active" };
                return ("host.state", format!("{name} {text}"));
            }
            if old.labels != new.labels {
                let labels: Vec<String> = new.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
                return ("host.labelled", format!("{name} has labels {}", labels.join(" ")));
            }
            ("host.changed", format!("{name} is changed"))
        }
        Some(_) | None => ("host.added", format!("{} may join", new.id)),
    }
}
