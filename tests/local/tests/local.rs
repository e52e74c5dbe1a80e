//! Runs the cases; takes the arguments of Rust's own test runner that matter (`NAME`, `--exact`, `--list`).

use std::process::ExitCode;

fn main() -> ExitCode {
    pilotage_local_tests::main()
}
