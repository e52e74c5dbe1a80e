//! `simulate`: runs seeds on all cores and says what was met; a failing seed prints its promise, the tail of its trace, how
//! to run it again, and how to make it short. `simulate --shrink SEED` does the latter; `simulate --story FILE` prints a
//! story as it runs.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the output of a command for people")]

mod planted;
mod seeds;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use pilotage_simulator::{seed, shrink, story};

/// Simulated fleets, faults, and promises.
#[derive(Parser)]
struct Arguments {
    /// How many seeds; 1000 when no time is given either.
    #[arg(long)]
    seeds: Option<u64>,
    /// For how many seconds; what has begun then is run to its end.
    #[arg(long)]
    seconds: Option<u64>,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How many hosts each world begins with, instead of a few that are drawn.
    #[arg(long)]
    hosts: Option<u64>,
    /// Print steps and a digest of the whole trace of each seed: two builds that print the same behave the same.
    #[arg(long)]
    digests: bool,
    /// Print the trace of the first seed also when it holds.
    #[arg(long)]
    trace: bool,
    /// Lines of trace to print.
    #[arg(long, default_value_t = 200)]
    tail: usize,
    /// Go on after a failing seed; say only how each failed.
    #[arg(long)]
    keep_going: bool,
    /// Make the story of this failing seed as short as may be, and print it.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "seconds", "mutations", "story"])]
    shrink: Option<u64>,
    /// Plant each deliberate bug in turn, and say which seed noticed it, and how; builds itself anew with the bugs compiled in.
    #[arg(long)]
    mutations: bool,
    /// Only with the seed that is known to notice each: seconds instead of minutes.
    #[arg(long, requires = "mutations", conflicts_with = "remember")]
    known: bool,
    /// Write down which seed has noticed each.
    #[arg(long, requires = "mutations", conflicts_with = "only")]
    remember: bool,
    /// Only the bugs whose name holds this text.
    #[arg(long, requires = "mutations")]
    only: Option<String>,
    /// Plant this bug, or several; builds itself anew with the bugs compiled in.
    #[arg(long, value_name = "BUG", conflicts_with = "mutations")]
    plant: Vec<String>,
    /// Run this story instead, and print it with what is found.
    #[arg(long)]
    story: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.mutations || !arguments.plant.is_empty() {
        if let Some(code) = planted::elsewhere()? {
            return Ok(code);
        }
        planted::plant(&arguments.plant)?;
    }
    if let Some(file) = &arguments.story {
        let told = story::tell(&std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?);
        anyhow::ensure!(told.commands > 0, "{} holds no command; each is a line that begins with \"> \", as \"> hosts 3\"", file.display());
        print!("{}", told.text);
        return Ok(if told.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if let Some(number) = arguments.shrink {
        return Ok(shortest(number, &arguments.plant));
    }
    if arguments.mutations {
        return planted::mutations(&arguments);
    }
    seeds::run(&arguments)
}

/// Prints the shortest story of a failing seed.
fn shortest(number: u64, plant: &[String]) -> ExitCode {
    let mut told = std::time::Instant::now();
    let shrunk = shrink::of_seed(number, &mut |left, runs| {
        if told.elapsed().as_millis() > 500 {
            told = std::time::Instant::now();
            eprintln!("{left} lines after {runs} runs");
        }
    });
    let Some(shrunk) = shrunk else {
        eprintln!("seed {number} breaks no promise: there is nothing to make shorter");
        return ExitCode::FAILURE;
    };
    let with = if plant.is_empty() { String::new() } else { format!(" with {} planted", plant.join(" and ")) };
    print!("{}", shrunk.story(&format!("Seed {number}{with}")));
    eprintln!(
        "{} lines of {}, after {} runs; keep it as tests/stories/NAME.txt, and run it with --story",
        shrunk.deeds.len(),
        shrunk.before,
        shrunk.runs
    );
    ExitCode::SUCCESS
}

/// The tail of a seed's trace.
fn trace_of(number: u64, arguments: &Arguments) -> String {
    seed::run_at(number, seed::Scale { tail: arguments.tail, hosts: arguments.hosts, digest: false }).trace.join("\n")
}
