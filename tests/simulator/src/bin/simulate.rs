//! `simulate`: runs seeds and says what was met; a failing seed prints its promise, the tail of its trace, and how to run
//! it again. `simulate --story FILE` prints a story as it runs.

#![expect(clippy::print_stdout, reason = "this is the output of a command for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use pilotage_simulator::coverage::Coverage;
use pilotage_simulator::sabotage::Sabotage;
use pilotage_simulator::{seed, story};

/// Simulated fleets, faults, and promises.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Print the trace of the last seed also when it holds.
    #[arg(long)]
    trace: bool,
    /// Lines of trace to print.
    #[arg(long, default_value_t = 200)]
    tail: usize,
    /// Go on after a failing seed; say only how each failed.
    #[arg(long)]
    keep_going: bool,
    /// Take each rule of the list out in turn, and say by which seed and promise it was noticed.
    #[arg(long)]
    sabotage: bool,
    /// Run this story instead, and print it with what is found.
    #[arg(long)]
    story: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.story {
        let told = story::tell(&std::fs::read_to_string(file)?);
        print!("{}", told.text);
        return Ok(if told.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    if arguments.sabotage {
        return Ok(if sabotages(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Ok(if seeds(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn seeds(arguments: &Arguments) -> bool {
    let begun = Instant::now();
    let (mut coverage, mut steps, mut failed) = (Coverage::default(), 0, 0);
    for (done, number) in (1..).zip(arguments.first_seed..arguments.first_seed + arguments.seeds) {
        let report = seed::run(number, 0);
        coverage.join(&report.coverage);
        steps += report.steps;
        if let Some(broken) = &report.broken {
            failed += 1;
            println!("seed {number}: {broken}");
            if !arguments.keep_going {
                println!("{}", story_of(number, arguments.tail));
                println!("again: cargo run -p pilotage-simulator --bin simulate -- --seeds 1 --first-seed {number} --trace");
                return false;
            }
        }
        if done % 100 == 0 {
            let rate = done as f64 / begun.elapsed().as_secs_f64();
            println!("{done} of {} seeds, {rate:.0} seeds/s, {steps} events, {failed} failed", arguments.seeds);
        }
    }
    if arguments.trace {
        println!("{}", story_of(arguments.first_seed + arguments.seeds.saturating_sub(1), arguments.tail));
    }
    println!("{coverage}");
    println!("{} seeds in {:.1} s, {failed} failed", arguments.seeds, begun.elapsed().as_secs_f64());
    failed == 0
}

fn sabotages(arguments: &Arguments) -> bool {
    let mut all = true;
    for sabotage in Sabotage::ALL {
        let range = arguments.first_seed..arguments.first_seed + arguments.seeds;
        let found = range.into_iter().find_map(|n| seed::run_with(n, 0, Some(sabotage)).broken.map(|broken| (n, broken)));
        match &found {
            Some((number, broken)) => println!("{sabotage:?}: seed {number}: {broken}"),
            None => println!("{sabotage:?}: not noticed"),
        }
        all &= found.is_some();
    }
    all
}

/// The tail of a seed's trace.
fn story_of(number: u64, tail: usize) -> String {
    seed::run(number, tail).trace.join("\n")
}
