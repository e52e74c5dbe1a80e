//! The exit codes of every command, one table (UI.md d). A script may rely on each of them.

use std::process::ExitCode;

/// What a command says to the shell that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// The asked-for state is reached, or there was nothing to do.
    Reached,
    /// Something failed that nobody expected.
    Unexpected,
    /// Bad usage, or a bad file.
    Usage,
    /// The deployment was rolled back.
    RolledBack,
    /// The deployment was stopped or superseded.
    Stopped,
    /// At `--timeout` it waits for a named thing.
    Waits,
    /// At `--timeout` it still moves.
    StillMoving,
    /// The coordinator rejected it; the stable code stands on stderr.
    Rejected,
    /// Not allowed.
    NotAllowed,
    /// The coordinator cannot be reached: retry.
    Unreachable,
    /// Not found.
    NotFound,
    /// Differences were found (`--dry-run`).
    Differences,
    /// A person must put hands on a host.
    NeedsHands,
    /// The watch was left; the deployment goes on.
    Left,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Reached => 0,
            Exit::Unexpected => 1,
            Exit::Usage => 2,
            Exit::RolledBack => 3,
            Exit::Stopped => 4,
            Exit::Waits => 5,
            Exit::StillMoving => 6,
            Exit::Rejected => 7,
            Exit::NotAllowed => 8,
            Exit::Unreachable => 9,
            Exit::NotFound => 10,
            Exit::Differences => 11,
            Exit::NeedsHands => 12,
            Exit::Left => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
