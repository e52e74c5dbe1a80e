//! `pilotage events`: the history, and what happens now.

use pilotage_client::encode;
use pilotage_shared::api::v1::EventView;

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, safe};
use crate::render::words::Clock;

/// What happened
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this fleet
    #[arg(long)]
    fleet: Option<String>,
    /// Only of this host
    #[arg(long)]
    host: Option<String>,
    /// Only of this app
    #[arg(long)]
    app: Option<String>,
    /// Only behind this position
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
    /// At most so many
    #[arg(long, default_value = "50", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=500))]
    limit: usize,
    /// Stay and show what happens from now on
    #[arg(long, short)]
    follow: bool,
}

/// Shows it.
pub async fn run(args: &Args, caller: &Caller) -> Result<Exit, Failure> {
    let filters = [("fleet", &args.fleet), ("host", &args.host), ("app", &args.app)];
    let query: String = filters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}&", encode(value.as_deref()?)))).collect();
    if args.follow {
        return follow(&query, args.after, caller).await;
    }
    let events = caller.session.history(&query, args.after, args.limit).await?;
    match caller.form {
        Form::Json => output::json(&events),
        Form::Text if events.is_empty() => output::line("nothing happened"),
        Form::Text => output::lines(events.iter().map(line)),
    }
    Ok(Exit::Reached)
}

async fn follow(query: &str, after: Option<u64>, caller: &Caller) -> Result<Exit, Failure> {
    let mut events = caller.session.events(query, after);
    while !output::closed() {
        let event = tokio::select! {
            event = events.next() => event?,
            () = caller.interrupt.wait() => return Ok(Exit::Left),
        };
        match caller.form {
            Form::Json => output::json(&event),
            Form::Text => output::line(&line(&event)),
        }
    }
    Ok(Exit::Left)
}

fn line(event: &EventView) -> String {
    let reason = if event.reason.is_empty() { String::new() } else { format!(" ({})", safe(&event.reason)) };
    format!("{:>6}  {}  {:<12}  {}{reason}", event.id, Clock::here().to_the_millisecond(event.at), safe(&event.by), safe(&event.text))
}
