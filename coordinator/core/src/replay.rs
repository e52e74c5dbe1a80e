//! Replay: what the core was given, kept as a recording, and the same core once more over it (DESIGN §2). The same inputs give
//! the same decisions, byte for byte; whatever differs is a defect of ours, or a recording that somebody changed.
//!
//! ```text
//! recording = (checkpoint turn*)*      a checkpoint for each life of the coordinator, and now and then in between
//! turn      = inputs that were admitted, each with its moment and what it decided; what was planned afterwards
//! ```
//!
//! What a host says again and again is kept as what is new in it ([`Said`]); what only repeats an input (a status that was
//! taken in) is kept as a digest, every other decision whole. Refused inputs changed nothing and are not kept.
//!
//! Left out, because nothing is decided by it: hashes of tokens and what hosts measure of themselves ([`redact`]).

pub mod case;
mod checkpoint;
pub mod codec;
pub mod course;
mod player;
pub mod redact;
mod said;
pub mod what_if;

use pilotage_shared::name::HostName;
use pilotage_shared::time::Time;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::change::Change;

pub use checkpoint::{Checkpoint, Life};
pub use player::{Difference, Place, Played, Player, Rift, TookIn};
pub use said::{Facet, Said, Word};

/// One part of a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// All that the core decides by, at one moment.
    Checkpoint(Box<Checkpoint>),
    /// What came in at once, and what was decided.
    Turn(Turn),
}

/// What one turn of the engine was given, and what it decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// In order.
    pub inputs: Vec<Taken>,
    /// None while nothing is planned (the disk is nearly full).
    pub plan: Option<Planned>,
    /// Digest of the decisions that only repeat their inputs; none when there were none but heartbeats.
    pub echo: Option<u64>,
}

/// One input that was admitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// When.
    pub at: Time,
    /// What.
    pub said: Said<HostName>,
    /// What it decided; none when that only repeats the input.
    pub decided: Option<Decided>,
}

/// What an input decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// In order.
    pub changes: Vec<Change>,
    /// For its sender.
    pub answer: Answer,
}

/// What was planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// When.
    pub at: Time,
    /// In order.
    pub changes: Vec<Change>,
}
