//! Runs seeds and says how it goes.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pilotage_simulator::coverage::ENOUGH;
use pilotage_simulator::seed::Scale;
use pilotage_simulator::sweep::{Sweep, Swept, cores, sweep};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Arguments, planted, trace_of};

/// When neither a number nor a time is given.
const SEEDS: u64 = 1000;
/// How often a line of progress is printed where nobody looks at a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// As a shell says that a signal has ended it.
const INTERRUPTED: u8 = 130;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one ends it at once.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let wanted = Sweep {
        first: arguments.first_seed,
        seeds: arguments.seeds.unwrap_or(if arguments.seconds.is_some() { u64::MAX } else { SEEDS }),
        within: arguments.seconds.map(Duration::from_secs),
        scale: Scale { tail: 0, hosts: arguments.hosts, digest: arguments.digests },
        prepare: &|| planted::plant_here(&arguments.plant),
        stop: &stop,
    };
    let mut progress = Progress::new(wanted.seeds);
    let mut told = 0;
    let swept = sweep(&wanted, &mut |swept| {
        for (number, broken) in swept.failed.iter().skip(told) {
            progress.clear();
            println!("seed {number}: {broken}");
        }
        told = swept.failed.len();
        progress.show(swept);
        if told > 0 && !arguments.keep_going { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.clear();
    for (number, steps, digest) in &swept.digests {
        println!("seed {number}: {steps} steps, {digest:016x}");
    }
    if let Some((number, broken)) = swept.failed.first() {
        if !arguments.keep_going {
            println!("seed {number}: {broken}\n{}", trace_of(*number, arguments));
        }
        println!("{}", again(*number, arguments));
    } else if arguments.trace {
        println!("{}", trace_of(arguments.first_seed, arguments));
    }
    println!("{}", swept.coverage);
    let missed: Vec<String> = swept.coverage.kinds_missed().into_iter().chain(swept.coverage.pairs_missed()).collect();
    if !missed.is_empty() {
        println!("never met: {}", missed.join(", "));
    }
    println!("{}", summary(&swept));
    if stop.load(Ordering::Relaxed) {
        println!("interrupted: this is what there was until then");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let met = missed.is_empty() || swept.seeds < ENOUGH;
    Ok(if swept.failed.is_empty() && met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How to see it again, and how to see it short.
fn again(number: u64, arguments: &Arguments) -> String {
    let plant: String = arguments.plant.iter().map(|bug| format!(" --plant {bug}")).collect();
    let hosts = arguments.hosts.map(|n| format!(" --hosts {n}")).unwrap_or_default();
    let command = "cargo run --release -p pilotage-simulator --bin simulate --";
    let shorter = if arguments.hosts.is_none() { format!("\nshorter: {command} --shrink {number}{plant}") } else { String::new() };
    format!("again:   {command} --seeds 1 --first-seed {number} --trace{hosts}{plant}{shorter}")
}

fn summary(swept: &Swept) -> String {
    let margin = swept.coverage.margin.map_or_else(|| "no host was taken".to_owned(), |m| format!("worst floor margin {m}"));
    format!(
        "{} seeds in {:.1} s on {} cores ({:.0} seeds/s), {} steps ({:.0}/s, {:.0}/s of each core's time), {margin}, {} failed",
        swept.seeds,
        swept.took.as_secs_f64(),
        cores(),
        swept.rate(),
        swept.steps,
        swept.step_rate(),
        swept.step_rate_per_core(),
        swept.failed.len()
    )
}

/// One line that is written over on a terminal; else a line now and then.
struct Progress {
    wanted: u64,
    terminal: bool,
    printed: Instant,
    shown: bool,
}

impl Progress {
    fn new(wanted: u64) -> Self {
        Self { wanted, terminal: std::io::stdout().is_terminal(), printed: Instant::now(), shown: false }
    }

    fn show(&mut self, swept: &Swept) {
        if !self.terminal && self.printed.elapsed() < LINE_EVERY {
            return;
        }
        self.printed = Instant::now();
        let of = if self.wanted == u64::MAX { String::new() } else { format!(" of {}", self.wanted) };
        let line = format!("{}{of} seeds, {:.0} seeds/s, {} steps, {} failed", swept.seeds, swept.rate(), swept.steps, swept.failed.len());
        if self.terminal {
            print!("\r\x1b[K{line}");
            // A terminal that is gone is no reason to stop.
            let _ = std::io::stdout().flush();
            self.shown = true;
        } else {
            println!("{line}");
        }
    }

    fn clear(&mut self) {
        if self.shown {
            print!("\r\x1b[K");
            self.shown = false;
        }
    }
}
