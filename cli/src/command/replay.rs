//! `pilotage replay`: what was recorded of a deployment, once more through the same core. Whatever comes out otherwise than it
//! was recorded is said with both sides. With another policy: where decisions would have differed.

mod backtest;
mod follow;
mod story;
#[cfg(test)]
mod tests;
mod until;
mod what_if;

use std::path::PathBuf;

use pilotage_coordinator_core::replay::{Piece, case};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::time::{Millis, Time};

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::recording::{Parts, Policy};
use crate::render::words::size;
use until::Until;

/// Replay a deployment from what was recorded: the same decisions byte by byte, or others under another policy
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A deployment, as web-prod.87, or a fleet for its newest one
    #[arg(required_unless_present = "since")]
    deployment: Option<String>,
    /// Take the recording from a file that --export has made, without a coordinator
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Stop there: a decision (#12), a span after its beginning (+5m), or a moment (15:04, 15:04:05, 2026-11-29T15:04:05Z)
    #[arg(long, value_name = "MOMENT|DECISION", conflicts_with_all = ["what_if", "as_story", "export", "since"])]
    until: Option<Until>,
    /// Under another policy, by the keys of the fleet file: 'floor=80%', 'batch=2', 'tolerate=5%'; may be repeated
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "as_story")]
    what_if: Vec<String>,
    /// Every deployment that was recorded since then, each under --what-if: a backtest
    #[arg(long, value_name = "SPAN", requires = "what_if", conflicts_with_all = ["deployment", "as_story", "export"])]
    since: Option<Millis>,
    /// Write it as a story of the story language, to be checked in: no reasons, no tokens, no text of hosts
    #[arg(long)]
    as_story: bool,
    /// With other names for hosts, fleet and versions
    #[arg(long, requires = "as_story")]
    anonymous: bool,
    /// Write the recording into a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what_if", "as_story"])]
    export: Option<PathBuf>,
    /// Also what hosts said of themselves
    #[arg(long)]
    facts: bool,
}

impl Args {
    /// A file is replayed without a coordinator.
    pub fn offline(&self) -> bool {
        self.from.is_some()
    }
}

/// From a file.
pub fn offline(args: &Args, form: Form) -> Result<Exit, Failure> {
    let path = args.from.clone().unwrap_or_default();
    let bytes = std::fs::read(&path).map_err(|source| Failure::Read { path, source })?;
    if let Some(span) = args.since {
        let newest = begun(&bytes)?.last().map_or(Time(0), |(_, at)| *at);
        return backtest::run(&bytes, Time(newest.0.saturating_sub(span.0)), &Policy::parse(&args.what_if)?, form);
    }
    let target = args.deployment.as_deref().unwrap_or_default();
    let begun = begun(&bytes)?;
    let found = begun.iter().rev().find(|(id, _)| id.to_string() == target || id.fleet.as_str() == target);
    match found {
        Some((id, _)) => one(args, id, &bytes, form),
        None => {
            let known: Vec<String> = begun.iter().map(|(id, _)| id.to_string()).collect();
            let known = if known.is_empty() { "no deployment begins in it".to_owned() } else { format!("these begin in it: {}", known.join(" ")) };
            Err(Failure::NotFound(format!("{target:?} does not begin in this recording; {known}")))
        }
    }
}

/// From the coordinator.
pub async fn live(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    if let Some(span) = args.since {
        let policy = Policy::parse(&args.what_if)?;
        let now = caller.session.status().await?.at.0;
        let since = Time(now.0.saturating_sub(span.0));
        return backtest::run(&caller.session.recording_since(since).await?, since, &policy, caller.form);
    }
    let id = caller.session.newest(args.deployment.as_deref().unwrap_or_default()).await?;
    let bytes = caller.session.recording(&id).await?;
    one(args, &id, &bytes, caller.form)
}

fn one(args: &Args, id: &DeploymentId, bytes: &[u8], form: Form) -> Result<Exit, Failure> {
    if let Some(path) = &args.export {
        return export(id, bytes, path);
    }
    if args.as_story {
        return story::run(bytes, id, args.anonymous);
    }
    if !args.what_if.is_empty() {
        return what_if::run(bytes, id, &Policy::parse(&args.what_if)?, form);
    }
    follow::run(bytes, id, args.until.as_ref(), args.facts, form)
}

fn export(id: &DeploymentId, bytes: &[u8], path: &PathBuf) -> Result<Exit, Failure> {
    std::fs::write(path, bytes).map_err(|source| Failure::Write { path: path.clone(), source })?;
    output::lines([
        format!("{id}: what was recorded of it, and before and after, {}: {}", size(bytes.len() as u64), path.display()),
        "it holds names of people and hosts, labels, reasons, and the last lines of hooks that failed, as `pilotage events` shows them; no tokens"
            .to_owned(),
        format!("next  pilotage replay {id} --from {}", path.display()),
    ]);
    Ok(Exit::Reached)
}

/// The deployments that begin in a recording, in order. Nothing is replayed for it.
fn begun(bytes: &[u8]) -> Result<Vec<(DeploymentId, Time)>, Failure> {
    let mut found = Vec::new();
    for part in Parts::new(bytes)? {
        if let Piece::Turn(turn) = part?.piece {
            found.extend(case::begun(&turn).map(|deployment| (deployment.id.clone(), deployment.started.at)));
        }
    }
    Ok(found)
}

/// It is not in the recording from its beginning on.
fn not_recorded(id: &DeploymentId, from: Option<Time>) -> Failure {
    let from =
        from.map_or_else(|| "the recording is empty".to_owned(), |at| format!("the recording begins at {}", pilotage_shared::api::v1::When(at)));
    Failure::NotFound(format!("the beginning of {id} was not recorded: {from}"))
}
