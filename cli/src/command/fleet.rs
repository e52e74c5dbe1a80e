//! `pilotage fleet apply`, `list`, `show` and `delete`.

use std::path::PathBuf;

use pilotage_shared::api::v1::FleetBody;
use pilotage_shared::name::FleetName;

use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::fleet_file;
use crate::output::{self, Form};
use crate::render::fleets;
use crate::render::words::Clock;

/// Fleets: an app on the hosts that a selector matches
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Declare or change a fleet from its file
    Apply {
        /// The fleet file
        file: PathBuf,
        /// Change nothing; show what would change (exit 11 when something would)
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        why: Why,
    },
    /// List fleets
    List,
    /// Show one fleet
    Show {
        /// Which
        fleet: FleetName,
    },
    /// Delete a fleet; its hosts keep what they run
    Delete {
        /// Which
        fleet: FleetName,
        #[command(flatten)]
        why: Why,
    },
}

/// Does it.
pub async fn run(command: &Command, caller: &Caller) -> Result<Exit, Failure> {
    match command {
        Command::Apply { file, dry_run, why } => apply(file, *dry_run, why, caller).await,
        Command::List => {
            let fleets = caller.session.fleets().await?;
            match caller.form {
                Form::Json => output::json(&fleets),
                Form::Text => output::lines(fleets::all(&fleets)),
            }
            Ok(Exit::Reached)
        }
        Command::Show { fleet } => {
            let fleet = caller.session.fleet(fleet).await?;
            match caller.form {
                Form::Json => output::json(&fleet),
                Form::Text => output::lines(fleets::one(&fleet, &Clock::here())),
            }
            Ok(Exit::Reached)
        }
        Command::Delete { fleet, why } => {
            caller.session.delete_fleet(fleet, &why.reason).await?;
            if caller.form == Form::Text {
                output::line(&format!("{}: - fleet {fleet} · its hosts keep what they run", caller.session.context));
            }
            Ok(Exit::Reached)
        }
    }
}

async fn apply(file: &PathBuf, dry_run: bool, why: &Why, caller: &Caller) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(file).map_err(|source| Failure::Read { path: file.clone(), source })?;
    let spec = fleet_file::parse(&text).map_err(|source| Failure::FleetFile { path: file.clone(), source })?;
    let body = FleetBody::from(&spec);
    let answer = caller.session.put_fleet(&body, dry_run, &why.reason).await?;
    match caller.form {
        Form::Json => output::json(&answer),
        Form::Text => output::lines(fleets::applied(&caller.session.context, &answer, &body)),
    }
    Ok(if dry_run && (answer.created || answer.changed) { Exit::Differences } else { Exit::Reached })
}
