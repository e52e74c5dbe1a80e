//! What people can ask, one file for each group of commands.

pub mod backup;
pub mod completions;
pub mod config;
pub mod deploy;
pub mod events;
pub mod explain;
pub mod fleet;
pub mod host;
pub mod import;
pub mod package;
pub mod recover;
pub mod replay;
pub mod runs;
pub mod schema;
pub mod simulate;
pub mod status;
pub mod turn;
pub mod watch;

use pilotage_shared::name::Reason;

use crate::interrupt::Interrupt;
use crate::output::Form;
use crate::session::Session;

/// What every command has at hand.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The coordinator.
    pub session: Session,
    /// What the reader of our output is.
    pub form: Form,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// Why: for every command that changes something.
#[derive(Clone, Debug, clap::Args)]
pub struct Why {
    /// Why; stands in the history beside your name
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub reason: Reason,
}
