//! `pilotage demo`: a real coordinator, real agents and deployers on the loopback, four versions of a small web application of
//! which two are bad, and an independent prober that says whether the floor held. Nothing stays behind.

pub mod app;
mod build;
mod judge;
mod package;
mod play;
mod prober;
mod stage;
mod story;
mod supervisor;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, Form};
use crate::scratch::Scratch;

/// See it work
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many hosts
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(3..=60))]
    hosts: u16,
    /// Leave everything running at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// One JSON object as the last line of stdout; the story goes to stderr
    #[arg(long)]
    json: bool,
}

/// Why the demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The programs.
    #[error(transparent)]
    Build(#[from] build::BuildError),
    /// A command or request of ours.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// This machine.
    #[error("failed to {what}")]
    System {
        /// What we were doing.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process does not stay up.
    #[error("{name} does not stay up; the end of its log:\n{log}")]
    Broken {
        /// Which.
        name: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// It takes too long.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
}

impl DemoError {
    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| DemoError::System { what, source }
    }
}

/// Where the story goes.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    json: bool,
}

impl Teller {
    /// One line of it.
    fn say(self, text: &str) {
        match self.json {
            true => output::complain(text),
            false => output::line(text),
        }
    }

    /// One line to copy from, however long.
    fn say_whole(self, text: &str) {
        match self.json {
            true => output::complain(text),
            false => output::whole_line(text),
        }
    }
}

/// Plays it.
pub async fn run(args: &Args, form: Form, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let teller = Teller { json: args.json || form == Form::Json };
    let played = tokio::select! {
        biased;
        exit = play(args, teller, interrupt) => exit,
        () = interrupt.wait() => return Err(Failure::Interrupted),
    };
    match played {
        Ok(exit) => Ok(exit),
        // The terminal told cargo too.
        Err(_) if interrupt.came() => Err(Failure::Interrupted),
        Err(error) => {
            let text = chain(&error);
            output::complain(&format!("error: {text}"));
            if teller.json {
                output::json(&story::Told { error: Some(text), ..Default::default() }.summary());
            }
            Ok(match error {
                DemoError::Failure(failure) => failure.exit(),
                DemoError::Build(_) | DemoError::System { .. } | DemoError::Broken { .. } | DemoError::Late { .. } => Exit::Unexpected,
            })
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn play(args: &Args, teller: Teller, interrupt: &Interrupt) -> Result<Exit, DemoError> {
    let begin = Instant::now();
    let cargo = context::cargo();
    let programs = build::programs(cargo.as_ref())?;
    // Nothing to build takes cargo less than that.
    if cargo.is_some() && begin.elapsed() > Duration::from_secs(2) {
        teller.say(&format!("built coordinator, agent, deployer{:>58.1}s, first time only", begin.elapsed().as_secs_f64()));
    }
    let scratch = Scratch::new("pilotage-demo").map_err(DemoError::system("make a temporary folder"))?;
    // Dropped before the folder, in every way out: nothing runs on in a folder that is gone.
    let mut stage = stage::Stage::begin(scratch.path(), &programs, args.hosts.into()).await?;
    teller.say(&stage.headline());
    let mut told = story::Told::default();
    if let Err(error) = play::all(&stage, teller, &mut told).await {
        let text = chain(&error);
        teller.say(&format!("error      {text}"));
        told.error = Some(text);
    }
    told.restarts = stage.restarts();
    for line in story::ending(&told) {
        teller.say(&line);
    }
    if args.keep {
        for line in stage.invitation(&own_path()) {
            teller.say_whole(&line);
        }
        interrupt.wait().await;
    }
    let clean = stage.end();
    drop(stage);
    scratch.remove().map_err(DemoError::system("remove the temporary folder"))?;
    if teller.json {
        output::json(&told.summary());
    }
    Ok(if told.ok() && clean { Exit::Reached } else { Exit::Unexpected })
}

fn own_path() -> String {
    std::env::current_exe().ok().as_deref().and_then(Path::to_str).unwrap_or("pilotage").to_owned()
}
