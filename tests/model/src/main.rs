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
    /// Stop a world after so many states; 0: search all of it
    #[arg(long, default_value_t = 4_000_000)]
    states: usize,
    /// Search in depth: less memory, longer paths
    #[arg(long)]
    depth: bool,
    /// Plant each bug that belongs to a world, and look for it (needs RUSTFLAGS='--cfg pilotage_planted')
    #[arg(long)]
    bugs: bool,
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
fn main() -> ExitCode {
    let Arguments { worlds, list, states, depth, bugs } = Arguments::parse();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let how = Search { at_most: (states > 0).then_some(states), breadth: !depth, threads };
    if list {
        for world in WORLDS {
            println!("{:14} {}", world.name, world.about);
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
        wanted = WORLDS.iter().collect();
    }
    let mut good = true;
    for world in wanted {
        let found = search(Protocol::of(world.limits), how);
        println!("{}", line(world, &found));
        if let Some(broken) = &found.broken {
            good = false;
            println!("  BROKEN: {}", broken.what);
            for action in &broken.path {
                println!("    {action:?}");
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(world: &World, found: &Found) -> String {
    let extent = if found.complete { "all" } else { "the first" };
    let Found { states, generated, depth, took, .. } = found;
    format!("{:14} {extent} {states} states ({generated} generated, up to {depth} steps) in {took:.0?}", world.name)
}

#[cfg(pilotage_planted)]
#[expect(clippy::print_stdout, reason = "the output of the command")]
fn find_bugs(how: Search) -> ExitCode {
    use pilotage_model::bugs::BUGS;
    let mut missed = 0;
    for case in BUGS {
        let found = search(Protocol { limits: case.limits, planted: case.bugs }, how);
        let name = format!("{:?}", case.bugs);
        match &found.broken {
            Some(broken) => {
                let steps = broken.path.len();
                println!("{name:36} {steps:3} steps (PROTOCOL: {:2}), {:8} states: {}", case.steps, found.states, broken.what);
            }
            None => {
                missed += 1;
                let extent = if found.complete { "all" } else { "the first" };
                println!("{name:36} NOT SEEN in {extent} {} states", found.states);
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
