//! `pilotage-deployer RUN-DIRECTORY`: performs one run. Started by the agent, in the directory, as `pilotage-deployer .`:
//! a command line holds no name of an app, because hooks end processes by their command lines.
//!
//! Exit codes: 0 the run has ended and is reported (whatever its outcome), 1 it cannot be worked on, 2 wrong usage,
//! 3 another deployer performs it. `--supervise` and `--exec` are how it starts itself for hooks (`hook`); by `--ask` the agent
//! asks the health check of a package between runs (`ask`): 0 well, 1 not, and why on stderr.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};
use pilotage_deployer::directory::DirectoryError;
use pilotage_deployer::hook::{end, exec, supervise};
use pilotage_deployer::{ask, perform};

/// A hook that could not be started, as shells say it.
const CANNOT_EXECUTE: u8 = 126;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [argument] = arguments.as_slice() else {
        return complain("usage: pilotage-deployer RUN-DIRECTORY", 2);
    };
    match argument.to_str() {
        Some("--exec") => exec::exec().map_or_else(|e| complain(&end::said(&e), CANNOT_EXECUTE), |()| ExitCode::SUCCESS),
        Some("--supervise") => supervise::supervise().map_or_else(|e| complain(&end::said(&e), 1), |()| ExitCode::SUCCESS),
        Some("--ask") => ask::ask(std::io::stdin().lock()).map_or_else(|why| complain(&why, 1), |()| ExitCode::SUCCESS),
        Some("--version") => {
            // To a closed stdout nothing can be said.
            let _ = writeln!(std::io::stdout(), "pilotage-deployer {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(_) | None => {
            // A session of its own, however it was started: nobody's terminal or group ends it. It may lead one already.
            let _ = nix::unistd::setsid();
            // What others must reach (bundles, shared folders) shall not depend on who started us; what is ours says its mode itself.
            umask(Mode::from_bits_truncate(0o022));
            perform(Path::new(argument))
        }
    }
}

fn perform(folder: &Path) -> ExitCode {
    match perform::perform(folder) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error @ DirectoryError::Held) => complain(&end::said(&error), 3),
        Err(error) => complain(&end::said(&error), 1),
    }
}

fn complain(text: &str, code: u8) -> ExitCode {
    // To a closed stderr nothing can be said.
    let _ = writeln!(std::io::stderr(), "pilotage-deployer: {text}");
    ExitCode::from(code)
}
