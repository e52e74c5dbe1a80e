//! Figures of the coordinator, measured on the machine where it runs:
//! `cargo run --release -p pilotage-coordinator --example figures [inputs|core|restart|agents]…`
//!
//! Everything is real but the hosts: the engine with its store on this disk, the service on its socket.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod agents;
mod core;
#[path = "../../tests/service/host.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod host;
mod inputs;
mod restart;

use std::time::Duration;

use pilotage_shared::name::HostName;
use pilotage_shared::principal::Principal;

/// A line of the report.
pub fn say(what: &str, figure: &str) {
    println!("{what:<64} {figure}");
}

/// `h0000042`
pub fn name(i: usize) -> HostName {
    HostName::new(&format!("h{i:07}")).unwrap()
}

/// Who asks.
pub fn operator() -> Principal {
    Principal::Local { uid: 0, user: pilotage_shared::name::Why::lossy("root") }
}

/// The p-th share of measurements.
pub fn percentile(times: &mut [Duration], p: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * p) as usize]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if runs("inputs") {
        runtime.block_on(inputs::measure());
    }
    if runs("core") {
        core::measure();
    }
    if runs("restart") {
        runtime.block_on(restart::measure());
    }
    if runs("agents") {
        runtime.block_on(agents::measure());
    }
}
