//! `pilotage watch` and `wait`, and the watching of every command with `--watch`: follows one deployment to its end, to a
//! milestone, or to a timeout, and says by the exit code how it went.

use std::time::{Duration, Instant};

use pilotage_shared::api::v1::{DeploymentView, Explanation};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::time::Millis;

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::progress::Progress;
use crate::output::{self, Form};
use crate::render::words::Clock;
use crate::render::{deployment, explain};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(400);

/// A coordinator that is away for less is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far a deployment is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// Every member has the bits.
    Staged,
    /// It has ended.
    #[default]
    Done,
}

/// How it is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// How far.
    pub until: Until,
    /// How long at most.
    pub timeout: Option<Millis>,
    /// Nothing but the verdict.
    pub quiet: bool,
    /// In JSON: one object for each change, not for the end alone.
    pub each_change: bool,
    /// A rollback is what was asked for.
    pub wanted_back: bool,
}

/// Follow a deployment
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A fleet (its newest deployment) or a deployment, as web-prod.87
    target: String,
    /// How far
    #[arg(long, value_enum, default_value_t)]
    until: Until,
    /// At most so long, as 45m (exit 5 or 6)
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Millis>,
}

/// `watch` shows progress, `wait` the verdict alone.
pub async fn run(args: &Args, quiet: bool, caller: &Caller) -> Result<Exit, Failure> {
    let id = caller.session.newest(&args.target).await?;
    follow(caller, &id, Watch { until: args.until, timeout: args.timeout, quiet, each_change: !quiet, wanted_back: false }).await
}

/// Follows one deployment.
pub async fn follow(caller: &Caller, id: &DeploymentId, watch: Watch) -> Result<Exit, Failure> {
    let session = caller.session.with_patience(PATIENCE);
    let deadline = watch.timeout.map(|span| Instant::now() + Duration::from_millis(span.0));
    let mut progress = Progress::new(watch.quiet || caller.form == Form::Json, id);
    let mut last = None;
    loop {
        let view = tokio::select! {
            view = session.deployment(id) => view?,
            () = caller.interrupt.wait() => return Ok(left(id)),
        };
        if caller.form == Form::Json && watch.each_change && last.as_ref() != Some(&view) {
            output::json(&view);
            last = Some(view.clone());
        }
        progress.show(&view);
        if let Some(exit) = reached(&view, watch) {
            progress.end();
            say(&view, watch, caller.form);
            return Ok(exit);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            progress.end();
            return timed_out(caller, &view).await;
        }
        if output::closed() {
            return Ok(Exit::Left);
        }
        let pause = deadline.map_or(LOOK, |deadline| LOOK.min(deadline.saturating_duration_since(Instant::now())));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = caller.interrupt.wait() => return Ok(left(id)),
        }
    }
}

fn left(id: &DeploymentId) -> Exit {
    output::complain(&format!("watch left, deployment goes on · next  pilotage watch {id}"));
    Exit::Left
}

/// The exit code, once what was watched for is there.
fn reached(view: &DeploymentView, watch: Watch) -> Option<Exit> {
    if view.outcome.is_some() {
        return Some(deployment::exit(view, watch.wanted_back));
    }
    let staged = !view.waves.is_empty() && view.waves.iter().all(|wave| wave.staged >= wave.hosts);
    (watch.until == Until::Staged && staged).then_some(Exit::Reached)
}

fn say(view: &DeploymentView, watch: Watch, form: Form) {
    match form {
        Form::Json if watch.each_change => {}
        Form::Json => output::json(view),
        Form::Text => output::lines(deployment::verdict(view)),
    }
}

/// It waits for a named thing, or it still moves.
async fn timed_out(caller: &Caller, view: &DeploymentView) -> Result<Exit, Failure> {
    match caller.form {
        Form::Json => output::json(view),
        Form::Text => {
            let explanation =
                Explanation { fleet: view.fleet.clone(), deployment: Some(view.id.clone()), state: view.state, waiting: view.waiting.clone() };
            output::lines(explain::explanation(&explanation, &Clock::here()));
        }
    }
    let blocked = view.waiting.iter().any(|waiting| waiting.blocks);
    Ok(if blocked { Exit::Waits } else { Exit::StillMoving })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn a_watch_ends_at_its_milestone() {
        let moving = samples::waiting_deployment();
        let staged = Watch { until: Until::Staged, ..Watch::default() };
        assert_eq!(reached(&moving, Watch::default()), None);
        assert_eq!(reached(&moving, staged), Some(Exit::Reached));
        let mut unstaged = moving;
        unstaged.waves[0].staged -= 1;
        assert_eq!(reached(&unstaged, staged), None);
        assert_eq!(reached(&samples::rolled_back(), staged), Some(Exit::RolledBack));
        assert_eq!(reached(&samples::rolled_back(), Watch { wanted_back: true, ..staged }), Some(Exit::Reached));
    }
}
