//! `pilotage status` and `pilotage deployments`.

use pilotage_shared::name::FleetName;

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::words::Clock;
use crate::render::{deployment, status};

/// Where every fleet is, or one of them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this fleet
    fleet: Option<FleetName>,
}

/// List deployments, newest first
#[derive(Debug, clap::Args)]
pub struct Deployments {
    /// Only of this fleet
    fleet: Option<FleetName>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// `deployments`
pub async fn deployments(args: &Deployments, caller: &Caller) -> Result<Exit, Failure> {
    let views = caller.session.deployments(args.fleet.as_ref(), args.limit).await?;
    match caller.form {
        Form::Json => output::json(&views),
        Form::Text => output::lines(deployment::all(&views, &Clock::here())),
    }
    Ok(Exit::Reached)
}

/// `status`
pub async fn run(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let mut view = caller.session.status().await?;
    let clock = Clock::at(view.at);
    if let Some(name) = &args.fleet {
        view.fleets.retain(|fleet| &fleet.fleet == name);
        if view.fleets.is_empty() {
            return Err(Failure::NotFound(format!("there is no fleet {name}")));
        }
    }
    match (caller.form, &args.fleet, view.fleets.first()) {
        (Form::Json, _, _) => output::json(&view),
        (Form::Text, Some(_), Some(fleet)) => output::lines(status::one(fleet, &clock)),
        (Form::Text, _, _) => output::lines(status::all(&view, &clock)),
    }
    Ok(Exit::Reached)
}
