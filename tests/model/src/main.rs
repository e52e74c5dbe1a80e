//! Searches a world of the protocol completely, or as far as it is told.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use pilotage_model::{Limits, Protocol};
use stateright::{Checker, Model};

/// Every state of a small world, with the real cores.
#[derive(Parser)]
#[command(name = "model")]
struct Arguments {
    /// Hosts, in two zones.
    #[arg(long, default_value_t = 2)]
    hosts: usize,
    /// Of the fleet.
    #[arg(long, default_value_t = 1)]
    floor: u32,
    /// Of each zone.
    #[arg(long)]
    zone_floor: Option<u32>,
    /// Frames under way at once.
    #[arg(long, default_value_t = 2)]
    frames: usize,
    /// Crashes, new sessions, restores, new machines, failures.
    #[arg(long, default_value_t = 2)]
    faults: u8,
    /// Requests of a person.
    #[arg(long, default_value_t = 1)]
    requests: u8,
    /// Stop after so many states; 0: search all.
    #[arg(long, default_value_t = 0)]
    states: usize,
    /// Search in breadth: for the shortest path.
    #[arg(long)]
    breadth: bool,
}

#[expect(clippy::print_stdout, reason = "the output of the command")]
fn main() -> ExitCode {
    let Arguments { hosts, floor, zone_floor, frames, faults, requests, states, breadth } = Arguments::parse();
    let limits = Limits { hosts, floor, zone_floor, frames, faults, requests };
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut checker = Protocol { limits }.checker().threads(threads);
    if states > 0 {
        checker = checker.target_state_count(states);
    }
    // In breadth the first path that breaks a promise is the shortest; in depth memory stays small.
    let (discoveries, unique, generated) = if breadth {
        let checker = checker.spawn_bfs().join();
        (checker.discoveries(), checker.unique_state_count(), checker.state_count())
    } else {
        let checker = checker.spawn_dfs().join();
        (checker.discoveries(), checker.unique_state_count(), checker.state_count())
    };
    let mut good = true;
    for (name, path) in discoveries {
        let wanted = name == "the deployment is made";
        if !wanted {
            good = false;
            println!("BROKEN: {name}: {:?}", path.last_state().broken);
            for action in path.into_actions() {
                println!("  {action:?}");
            }
        }
    }
    let complete = if states == 0 || generated < states { "all" } else { "the first" };
    println!("{limits:?}: {complete} {} states in {:.0?}, {} generated", unique, begun.elapsed(), generated);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
