//! A test that starts itself again as the program that is watched.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells a test that it is the victim, and where.
const FOLDER: &str = "PILOTAGE_VICTIM";
/// What begins a line of acknowledgement.
const MARK: &str = "acknowledged ";

/// The folder to work in, when this process is the victim.
#[expect(clippy::disallowed_methods, reason = "the variable tells a test that it is its own victim")]
pub fn folder() -> Option<PathBuf> {
    std::env::var(FOLDER).ok().map(PathBuf::from)
}

/// This test binary, to run this one test as the victim in `folder`.
pub fn again(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its own file"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command
}

/// Says, as the victim, that everything up to `n` is promised.
pub fn acknowledge(n: u64) {
    let mut out = std::io::stdout().lock();
    // Nobody listens when it was started by hand.
    let _ = write!(out, "\n{MARK}{n}\n").and_then(|()| out.flush());
}

/// The number of a line that acknowledges.
pub(crate) fn acknowledged(said: &str) -> Option<u64> {
    said.lines().rev().find_map(|line| line.strip_prefix(MARK)?.parse().ok())
}
