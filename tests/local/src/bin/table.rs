//! Writes the table of `docs/codedeploy.md` anew, from the items and cases.

use std::process::ExitCode;

fn main() -> ExitCode {
    match pilotage_local_tests::write_table() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
