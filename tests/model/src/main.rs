//! Searches a world of the protocol completely, or as far as it is told; with bugs planted, looks which the search sees.

use std::process::ExitCode;

use clap::Parser;
use pilotage_model::Protocol;
use pilotage_model::search::{Found, Search, search};
use pilotage_model::worlds::{WORLDS, World, named};

/// Every state of a small world, with the real cores.
#[derive(Parser)]
#[command(name = "model")]
struct Arguments {
    /// Which world; several may be named [default: all, each to its limit]
    #[arg(long = "world", value_name = "NAME")]
    worlds: Vec<String>,
    /// Say which worlds there are
    #[arg(long)]
    list: bool,
    /// The worlds of the test run
    #[arg(long, conflicts_with = "worlds")]
    quick: bool,
    /// Stop a world after so many states were generated [default: search all of it]
    #[arg(long)]
    states: Option<usize>,
    /// Search in breadth: what breaks is found by the shortest path, and memory is needed for all states of one depth
    #[arg(long)]
    breadth: bool,
    /// Search with so many threads [default: one for each processor]
    #[arg(long)]
    threads: Option<usize>,
    /// Plant each bug that belongs to a world, and look for it (needs RUSTFLAGS='--cfg pilotage_planted')
    #[arg(long)]
    bugs: bool,
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
fn main() -> ExitCode {
    let Arguments { worlds, list, quick, states, breadth, threads, bugs } = Arguments::parse();
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
    let how = Search { at_most: states, breadth: breadth || bugs, threads };
    if list {
        for world in WORLDS {
            println!("{:22} {} ({})", world.name, world.about, world.limits);
        }
        return ExitCode::SUCCESS;
    }
    if bugs {
        return find_bugs(how);
    }
    let mut wanted: Vec<&World> = Vec::new();
    for name in &worlds {
        match named(name) {
            Some(world) => wanted.push(world),
            None => {
                println!("there is no world {name}; --list names them");
                return ExitCode::from(2);
            }
        }
    }
    if wanted.is_empty() {
        wanted = WORLDS.iter().filter(|world| world.quick || !quick).collect();
    }
    search_all(&wanted, how)
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
fn search_all(worlds: &[&World], how: Search) -> ExitCode {
    let (mut good, mut complete, mut states) = (true, 0, 0);
    for world in worlds {
        let found = search(Protocol::of(world.limits), how);
        println!("{}", line(world, &found));
        (complete, states) = (complete + usize::from(found.complete), states + found.states);
        good &= found.broken.is_none() && (found.complete || how.at_most.is_some());
        if let Some(broken) = &found.broken {
            println!("  BROKEN: {}", broken.what);
            for action in &broken.path {
                println!("    {action:?}");
            }
        }
    }
    println!("{complete} of {} worlds searched completely, {states} states", worlds.len());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(world: &World, found: &Found) -> String {
    let extent = if found.complete { "all" } else { "the first" };
    let Found { states, generated, depth, took, .. } = found;
    format!("{:22} {extent} {states} states ({generated} generated, up to {depth} steps) in {took:.1?}", world.name)
}

/// A bug that is not seen in so many states is missed.
#[cfg(pilotage_planted)]
const ENOUGH: usize = 3_000_000;

#[cfg(pilotage_planted)]
#[expect(clippy::print_stdout, reason = "the output of the command")]
fn find_bugs(how: Search) -> ExitCode {
    use pilotage_model::bugs::BUGS;
    let how = Search { at_most: how.at_most.or(Some(ENOUGH)), ..how };
    let mut missed = 0;
    for case in BUGS {
        let found = search(Protocol { limits: case.limits, planted: case.bugs }, how);
        let name = case.bugs.iter().map(|bug| format!("{bug:?}")).collect::<Vec<_>>().join(" + ");
        match &found.broken {
            Some(broken) => {
                let steps = broken.path.len();
                println!("{name:32} {steps:3} steps {:8} states {:>6.1?} {}", found.states, found.took, broken.what);
            }
            None => {
                missed += 1;
                let extent = if found.complete { "all" } else { "the first" };
                println!("{name:32} NOT SEEN in {extent} {} states", found.states);
            }
        }
    }
    println!("{} of {} planted bugs seen", BUGS.len() - missed, BUGS.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(pilotage_planted))]
#[expect(clippy::print_stdout, reason = "the output of the command")]
fn find_bugs(_: Search) -> ExitCode {
    println!("no bugs are in this program: build it with RUSTFLAGS='--cfg pilotage_planted'");
    ExitCode::from(2)
}
