//! `simulate`: runs seeds and says what was met; a failing seed prints its promise, the tail of its trace, and how to run
//! it again. `simulate --story FILE` prints a story as it runs.

#![expect(clippy::print_stdout, reason = "this is the output of a command for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use pilotage_simulator::coverage::{Coverage, ENOUGH};
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
    if arguments.mutations {
        return mutations(&arguments);
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
    let missed: Vec<String> = coverage.kinds_missed().into_iter().chain(coverage.pairs_missed()).collect();
    if !missed.is_empty() {
        println!("never met: {}", missed.join(", "));
    }
    println!("{} seeds in {:.1} s, {steps} events, {failed} failed", arguments.seeds, begun.elapsed().as_secs_f64());
    failed == 0 && (missed.is_empty() || arguments.seeds < ENOUGH)
}

/// This program has no bugs in it: one that has is built beside it, and does the same.
#[cfg(not(pilotage_planted))]
fn mutations(_: &Arguments) -> anyhow::Result<ExitCode> {
    let mut cargo = std::process::Command::new("cargo");
    cargo.args(["run", "--release", "--quiet", "--locked", "-p", "pilotage-simulator", "--bin", "simulate", "--target-dir", "target/planted", "--"]);
    cargo.args(std::env::args().skip(1)).env("RUSTFLAGS", "--cfg pilotage_planted");
    let status = cargo.status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(pilotage_planted)]
fn mutations(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    use pilotage_simulator::mutations::{KNOWN_FILE, cases, known, look_for, name};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let wanted = |case: &&'static [_]| arguments.only.as_ref().is_none_or(|text| name(case).contains(text));
    let cases: Vec<_> = cases().into_iter().filter(wanted).collect();
    let seeds = |case| match known(case) {
        Some(seed) if arguments.known => seed..seed + 1,
        Some(_) | None => arguments.first_seed..arguments.first_seed + arguments.seeds,
    };
    let (next, missed, noticed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(std::collections::BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = look_for(case, seeds(case));
                    let took = found.took_ms as f64 / 1000.0;
                    match found.by {
                        Some((seed, broken)) => {
                            println!("{:<32} seed {seed:<6} {took:>5.1} s  {broken}", name(case));
                            noticed.lock().map(|mut noticed| noticed.insert(name(case), seed)).unwrap_or_default();
                        }
                        None => {
                            println!("{:<32} NOT NOTICED in {} seeds, {took:.1} s", name(case), found.seeds);
                            missed.lock().map(|mut missed| missed.push(name(case))).unwrap_or_default();
                        }
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_default();
    if arguments.remember && missed.is_empty() {
        let noticed = noticed.into_inner().unwrap_or_default();
        let line = |case| noticed.get(&name(case)).map(|seed| format!("{} {seed}\n", name(case)));
        std::fs::write(KNOWN_FILE, cases.iter().filter_map(|case| line(case)).collect::<String>())?;
    }
    println!("{} of {} planted bugs noticed", cases.len() - missed.len(), cases.len());
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tail of a seed's trace.
fn story_of(number: u64, tail: usize) -> String {
    seed::run(number, tail).trace.join("\n")
}
