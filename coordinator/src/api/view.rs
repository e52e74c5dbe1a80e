//! The world as the API shows it: conversions from the core's types to the bodies of version 1, in one place each.

mod configuration;
mod deployment;
mod fleet;
mod host;
mod recovery;
mod waiting;

use pilotage_coordinator_core::world::{Note, Package, World};
use pilotage_shared::api::v1::{EventView, HeldView, NoteView, PackageView, ReleaseView, RunEventView, RunOutcomeWord, RunView, When};
use pilotage_shared::release::Release;
use pilotage_shared::run::{Outcome, RunReport};
use pilotage_shared::time::Time;

pub use configuration::{configuration, configuration_content};
pub use deployment::{deployment, state};
pub use fleet::{coordinator, fleet_view, status};
pub use host::host;
pub use recovery::recovery;
pub use waiting::waiting;

use crate::store::Entry;

/// A release by its package's name.
pub fn release(world: &World, release: &Release) -> ReleaseView {
    ReleaseView {
        package: world.package_name(&release.package),
        digest: release.package,
        config: world.config_number(release),
        config_digest: release.config,
        restart: release.restart,
    }
}

/// Who, why, when.
pub fn note(note: &Note) -> NoteView {
    NoteView { by: note.by.to_string(), reason: note.reason.to_string(), at: When(note.at) }
}

/// A package.
pub fn package(world: &World, package: &Package) -> PackageView {
    PackageView {
        package: format!("{}@{}", package.app, package.version),
        app: package.app.clone(),
        version: package.version.clone(),
        digest: package.digest,
        files: package.files,
        bytes: package.bytes,
        new_bytes: None,
        added: note(&package.added),
        held: package.held.as_ref().map(|hold| HeldView { by: hold.by.clone(), at: When(hold.at), why: hold.why.to_string() }),
        blocked: world.blocked.packages.contains(&package.digest),
    }
}

/// An entry of the history.
pub fn event(id: u64, entry: &Entry) -> EventView {
    EventView {
        id,
        at: When(Time(entry.at)),
        kind: entry.kind.clone(),
        by: entry.by.to_string(),
        reason: entry.reason.clone(),
        app: entry.scope.app.clone(),
        fleet: entry.scope.fleet.clone(),
        host: entry.scope.host.clone(),
        deployment: entry.scope.deployment.clone(),
        text: entry.text.clone(),
    }
}

/// How a run ended, and why.
pub fn run_outcome(outcome: &Outcome) -> (RunOutcomeWord, String) {
    match outcome {
        Outcome::Committed => (RunOutcomeWord::Committed, String::new()),
        Outcome::RolledBack { why } => (RunOutcomeWord::RolledBack, why.to_string()),
        Outcome::NotBegun { why } => (RunOutcomeWord::NotBegun, why.to_string()),
        Outcome::NeedsHands { why } => (RunOutcomeWord::NeedsHands, why.to_string()),
    }
}

/// A run's report; `has_log` says whether an event's output is here.
pub fn run(world: &World, report: &RunReport, has_log: impl Fn(&str, bool) -> bool) -> RunView {
    let (outcome, why) = run_outcome(&report.outcome);
    RunView {
        run: report.id.to_string(),
        deployment: report.id.deployment.clone(),
        host: report.id.host.clone(),
        attempt: report.id.attempt,
        app: report.app.clone(),
        to: release(world, &report.to),
        from: report.from.as_ref().map(|r| release(world, r)),
        generation: report.generation.map(|g| g.0),
        outcome,
        why,
        began_at: When(Time(report.began_at_ms)),
        took_ms: report.took_ms,
        out_of_service_ms: report.out_of_service_ms,
        events: report
            .events
            .iter()
            .map(|e| RunEventView {
                event: e.event.to_string(),
                back: e.back,
                script: e.script.as_ref().map(ToString::to_string),
                began_ms: e.began_ms,
                took_ms: e.took_ms,
                code: e.code,
                exit: e.exit,
                message: e.message.to_string(),
                last_line: e.last_line.to_string(),
                log: has_log(e.event.as_str(), e.back),
            })
            .collect(),
    }
}
