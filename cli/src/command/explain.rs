//! `pilotage explain`: why something does not move.

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::explain;
use crate::render::words::Clock;

/// Why a fleet or deployment does not move, and who can lift it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A fleet (its newest deployment) or a deployment, as web-prod.87
    target: String,
}

/// Shows it.
pub async fn run(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let status = caller.session.status().await?;
    let explanation = match status.fleets.iter().find(|view| view.fleet.as_str() == args.target) {
        Some(view) => caller.session.explain_fleet(&view.fleet).await?,
        None => caller.session.explain(&caller.session.newest(&args.target).await?).await?,
    };
    match caller.form {
        Form::Json => output::json(&explanation),
        Form::Text => output::lines(explain::explanation(&explanation, &Clock::at(status.at))),
    }
    Ok(Exit::Reached)
}
