//! `pilotage pause`, `resume`, `cancel` and `rollback`.

use pilotage_shared::api::v1::DeploymentView;

use super::deploy::Watching;
use super::watch::follow;
use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::words::release;

/// Change the course of a deployment
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A fleet (its newest deployment) or a deployment, as web-prod.87
    target: String,
    #[command(flatten)]
    why: Why,
}

/// Bring a fleet back to its settled release
#[derive(Debug, clap::Args)]
pub struct Rollback {
    #[command(flatten)]
    args: Args,
    #[command(flatten)]
    watching: Watching,
}

/// What is done to a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Begin nothing more.
    Pause,
    /// Go on.
    Resume,
    /// Stop where it is.
    Cancel,
    /// Back to the settled release.
    Rollback,
}

impl Turn {
    /// Its route.
    fn verb(self) -> &'static str {
        match self {
            Turn::Pause => "pause",
            Turn::Resume => "resume",
            Turn::Cancel => "cancel",
            Turn::Rollback => "rollback",
        }
    }
}

/// `pause`, `resume`, `cancel`
pub async fn turn(args: &Args, turn: Turn, caller: &Caller) -> Result<Exit, Failure> {
    let view = ask(args, turn, caller).await?;
    if caller.form == Form::Json {
        output::json(&view);
    }
    Ok(Exit::Reached)
}

/// `rollback`
pub async fn rollback(args: &Rollback, caller: &Caller) -> Result<Exit, Failure> {
    let view = ask(&args.args, Turn::Rollback, caller).await?;
    match (args.watching.watch(true), caller.form) {
        (Some(watch), _) => follow(caller, &view.id, watch).await,
        (None, Form::Json) => {
            output::json(&view);
            Ok(Exit::Reached)
        }
        (None, Form::Text) => Ok(Exit::Reached),
    }
}

async fn ask(args: &Args, turn: Turn, caller: &Caller) -> Result<DeploymentView, Failure> {
    let id = caller.session.newest(&args.target).await?;
    let view = caller.session.turn(&id, turn.verb(), &args.why.reason).await?;
    if caller.form == Form::Text {
        output::lines(turned(&caller.session.context, &view, turn));
    }
    Ok(view)
}

fn turned(context: &str, view: &DeploymentView, turn: Turn) -> [String; 2] {
    let (id, fleet) = (&view.id, &view.fleet);
    let in_change: u32 = view.waves.iter().map(|wave| wave.in_change).sum();
    let finish = if in_change > 0 { format!("; {in_change} in change finish") } else { String::new() };
    match turn {
        Turn::Pause => [format!("{context}: {id} is paused: nothing more is begun{finish}"), format!("next  pilotage resume {fleet}")],
        Turn::Resume => [format!("{context}: {id} goes on"), format!("next  pilotage watch {fleet}")],
        Turn::Cancel => [
            format!("{context}: {id} is stopped: nobody is moved any more{finish}"),
            format!("next  pilotage deploy {fleet} VERSION · pilotage rollback {fleet}"),
        ],
        Turn::Rollback => {
            let to = view.over.as_ref().map_or_else(|| "what was settled".to_owned(), release);
            let held = release(&view.wanted);
            [
                format!("{context}: {id} goes back to {to} · only the floor limits it · {held} is held until you release it"),
                format!("next  pilotage watch {id}"),
            ]
        }
    }
}
