//! How a hook ended, in CodeDeploy's codes and words (I1, H6–H10).

use pilotage_agent_core::journal::{Cause, End, Failure};
use pilotage_agent_core::run::{LATER, REBOOT};
use pilotage_shared::name::Why;
use pilotage_shared::text::Text;

use super::order::Order;

/// What a supervisor saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It exited, and its output was closed.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It did not end in time.
    TimedOut,
    /// It ended well, but its output was still held at the end of its time.
    LeftOpen {
        /// `STDOUT` or `STDERR`.
        stream: &'static str,
    },
}

/// Words for what was seen.
pub fn end(order: &Order, seen: Seen, last_line: &str) -> End {
    let script = format!("Script at specified location: {}", order.location);
    let user = order.runas.as_ref().map(|u| format!(" run as user {u}")).unwrap_or_default();
    let (cause, message) = match seen {
        Seen::Exited(0) => return End::Good { last_line: Why::lossy(last_line) },
        Seen::Exited(LATER) if order.asks.later => (Cause::Later, format!("{script}{user} asks to be tried again later (exit code {LATER})")),
        Seen::Exited(REBOOT) if order.asks.reboot => (Cause::Reboot, format!("{script}{user} asks for a reboot (exit code {REBOOT})")),
        Seen::Exited(status) => (Cause::Exited(status), format!("{script}{user} failed with exit code {status}")),
        Seen::Killed(signal) => (Cause::Killed(signal), format!("{script}{user} failed with exit code {} (signal {signal})", 128 + signal)),
        Seen::TimedOut => (Cause::TimedOut, format!("{script} failed to complete in {} seconds", order.timeout_ms.div_ceil(1000))),
        Seen::LeftOpen { stream } => (Cause::LeftOpen, format!("{script} failed to close {stream}")),
    };
    failed(cause, &message, last_line)
}

/// A failure in the given words.
pub fn failed(cause: Cause, message: &str, last_line: &str) -> End {
    End::Failed(Failure { cause, message: Text::lossy(message), last_line: Why::lossy(last_line) })
}

/// H6: there is no such script.
pub fn missing(path: &str) -> End {
    failed(Cause::Missing, &format!("Script does not exist at specified location: {path}"), "")
}

/// H6: it is not executable and could not be made so.
pub fn not_executable(path: &str) -> End {
    failed(Cause::NotExecutable, &format!("Unable to set script at specified location: {path} as executable"), "")
}

/// What nobody saw the end of.
pub fn lost() -> End {
    failed(Cause::Lost, "the host or its supervisor went down while the script ran", "")
}

/// What was made and never let go.
pub fn never_started() -> End {
    failed(Cause::NeverStarted, "the deployer went down before the script was let go", "")
}

/// A task of our own.
pub fn own(error: &dyn std::error::Error) -> End {
    failed(Cause::Own, &said(error), "")
}

/// An error with all its causes.
pub fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
