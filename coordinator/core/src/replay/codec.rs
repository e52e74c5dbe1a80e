//! Recordings as bytes: bincode with variable integers, version 1. A heartbeat alone in its turn costs three to five bytes.
//!
//! ```text
//! file   = MAGIC frame*
//! frame  = length u32 · check u32 · position u64 (of the history, behind it) · kind u8 · body     little endian
//! body   = a checkpoint, or turns one behind the other
//! ```
//!
//! After each checkpoint moments and hosts are counted anew, so that a file can begin at any of them.

mod reader;
mod writer;

use bincode::Options;
use pilotage_shared::name::HostName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Decided, Said};
use crate::change::Change;

pub use reader::{Reader, pieces};
pub use writer::Writer;

/// With it every file begins.
pub const MAGIC: &[u8] = b"pilotage-recording 1\n";
/// Bytes before a frame's body.
pub const HEAD: usize = 17;
/// The longest frame: a checkpoint of very many hosts.
pub const FRAME_MAX: usize = 1 << 30;

const CHECKPOINT: u8 = 1;
const TURNS: u8 = 2;

/// Why bytes are no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another file.
    #[error("it is no recording of this version (it does not begin with \"pilotage-recording 1\"): take the program that made it")]
    Magic,
    /// Cut off, as by a crash.
    #[error("it ends in the middle of a part")]
    Cut,
    /// Changed.
    #[error("a part of it was changed: its check sum is another")]
    Check,
    /// A newer program's, or not ours at all.
    #[error("a part of it cannot be read: {0}")]
    Form(String),
}

/// A host by its name once, then by its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum HostRef {
    Known(u32),
    New(HostName),
}

#[derive(Serialize, Deserialize)]
enum Short {
    /// Heartbeats of one moment, after which nothing was planned.
    Beats(u64, Vec<HostRef>),
    /// Of one host.
    One(u64, HostRef),
    /// Anything.
    Turn { inputs: Vec<(u64, Said<HostRef>, Option<Decided>)>, plan: Option<(u64, Vec<Change>)>, echo: Option<u64> },
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_limit(FRAME_MAX as u64).allow_trailing_bytes()
}

/// A value as it stands in a recording: what is compared, byte by byte.
pub fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Nothing that the core decides fails to be written: it has no maps with keys of other kinds and no foreign types.
    options().serialize(value).unwrap_or_default()
}

fn read<T: DeserializeOwned>(body: &mut &[u8]) -> Result<T, CodecError> {
    options().deserialize_from(body).map_err(|e| CodecError::Form(e.to_string()))
}

/// FNV-1a: finds what was cut or torn; whoever wants to deceive himself can.
fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// The digest of decisions that only repeat their inputs, one input after the other.
pub(super) fn echo(before: Option<u64>, changes: &[Change]) -> Option<u64> {
    Some(changes.iter().fold(before.unwrap_or(FNV), |hash, change| fnv(hash, &bytes(change))))
}

/// One frame. `position`: of the history's newest entry behind it.
fn frame(kind: u8, position: u64, body: &[u8]) -> Vec<u8> {
    let check = fnv(fnv(FNV, &position.to_le_bytes()), body) as u32;
    let mut out = Vec::with_capacity(HEAD + body.len());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(body);
    out
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the body.
    pub length: usize,
    /// Position of the history behind it.
    pub position: u64,
    /// A checkpoint, not turns.
    pub is_checkpoint: bool,
    check: u32,
}

impl Head {
    /// Reads one.
    pub fn read(head: &[u8; HEAD]) -> Result<Head, CodecError> {
        let four = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (length, check) = (four(0) as usize, four(4));
        let position = u64::from(four(8)) | u64::from(four(12)) << 32;
        let is_checkpoint = match head[HEAD - 1] {
            CHECKPOINT => true,
            TURNS => false,
            kind => return Err(CodecError::Form(format!("it has kind {kind}; a newer program wrote it"))),
        };
        match length <= FRAME_MAX {
            true => Ok(Head { length, position, is_checkpoint, check }),
            false => Err(CodecError::Form(format!("it says that it has {length} bytes"))),
        }
    }

    /// Is the body whole?
    pub fn checks(&self, body: &[u8]) -> bool {
        fnv(fnv(FNV, &self.position.to_le_bytes()), body) as u32 == self.check
    }
}

#[cfg(test)]
mod tests;
