//! `pilotage recover`: what a restored store wants, what runs, and a person's word to go on.

use pilotage_shared::api::v1::Recover;

use super::{Caller, Why};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::recovery;
use crate::render::words::Clock;

/// After a restore: what the backup wants and what runs, side by side; and go on
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with what runs: what all hosts of a fleet run becomes its settled release
    #[arg(long, conflicts_with = "keep_backup")]
    confirm: bool,
    /// Go on with what the backup wants, whatever runs
    #[arg(long)]
    keep_backup: bool,
    /// Go on although hosts were not heard
    #[arg(long)]
    go_on: bool,
    #[command(flatten)]
    why: Why,
}

/// `recover`
pub async fn run(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let confirms = args.confirm || args.keep_backup || args.go_on;
    let view = match confirms {
        false => caller.session.recovery().await?,
        true => {
            let body = Recover { keep_backup: args.keep_backup, go_on: args.go_on, reason: args.why.reason.clone() };
            caller.session.recover(&body).await?
        }
    };
    match (caller.form, confirms) {
        (Form::Json, _) => output::json(&view),
        (Form::Text, false) => output::lines(recovery::before(&view, &Clock::here())),
        (Form::Text, true) => output::lines(recovery::after(&caller.session.context, &view)),
    }
    Ok(Exit::Reached)
}
