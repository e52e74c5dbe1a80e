//! Frames between coordinator and host: `u32 length ≤ 1 MiB · u16 kind · u16 version · bincode`, big endian (DESIGN §7).
//!
//! Unknown kinds are skipped (a newer peer may say more), unknown versions of a known kind are refused. Version 1 of each
//! frame is frozen by golden bytes in the tests below: a change of a body is a new version with a struct of its own.

use bincode::Options;
use serde::{Deserialize, Serialize};

use crate::ids::{BootId, HostId, LedgerId, SessionId};
use crate::intent::{Answers, Blocked, Intent};
use crate::limits::FRAME_MAX;
use crate::name::Why;
use crate::status::{Heartbeat, Status};
use crate::time::Millis;

/// The version of every frame that this program writes.
pub const VERSION: u16 = 1;
/// Bytes before the body: length, kind, version. The length counts kind, version and body.
const HEADER: usize = 8;

/// The first frame of every connection, host → coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who it says it is; the name must be the one of its credentials, which alone know the join number (0 here).
    pub host: HostId,
    /// Its ledger (R28).
    pub ledger: LedgerId,
    /// Of the kernel.
    pub boot: BootId,
    /// The last session that it has stored (R28).
    pub last: Option<SessionId>,
    /// Frame versions it speaks, lowest and highest.
    pub versions: (u16, u16),
    /// The agent's own version, for people.
    pub agent: Why,
}

/// The answer to a good hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session that begins.
    pub session: SessionId,
    /// How old a permission may be (R6).
    pub lease: Millis,
    /// How often to be heard from.
    pub heartbeat: Millis,
    /// R29.
    pub blocked: Blocked,
}

/// Everything that travels on the control connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Frame {
    /// host → coordinator, first.
    Hello(Hello),
    /// coordinator → host, first.
    Welcome(Welcome),
    /// host → coordinator: all it has to say.
    Status(Status),
    /// host → coordinator: the status of that sequence still holds.
    Heartbeat(Heartbeat),
    /// coordinator → host: one app's wish, and the version of the blocked list (the list itself when it changed).
    Intent(Intent, u64, Option<Blocked>),
    /// coordinator → host: your heartbeat was heard; the blocked list likewise.
    Heard(Answers, u64, Option<Blocked>),
    /// coordinator → host: the connection ends, and why.
    Goodbye(Why),
}

impl Frame {
    fn kind(&self) -> u16 {
        match self {
            Frame::Hello(_) => 1,
            Frame::Welcome(_) => 2,
            Frame::Status(_) => 3,
            Frame::Heartbeat(_) => 4,
            Frame::Intent(..) => 5,
            Frame::Heard(..) => 6,
            Frame::Goodbye(_) => 7,
        }
    }
}

/// Why bytes were not a frame. The connection must end.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Longer than a frame may be.
    #[error("a frame of {0} bytes is over the limit of {FRAME_MAX}")]
    TooLong(usize),
    /// Shorter than its own header.
    #[error("a frame of {0} bytes is too short for its header")]
    TooShort(usize),
    /// A version that we do not speak.
    #[error("frame kind {kind} has version {version}; this program speaks {VERSION}")]
    Version {
        /// Its kind.
        kind: u16,
        /// Its version.
        version: u16,
    },
    /// The body is not what the kind says.
    #[error("failed to read a frame of kind {kind}")]
    Body {
        /// Its kind.
        kind: u16,
        /// What is wrong.
        #[source]
        source: bincode::Error,
    },
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(FRAME_MAX as u64).reject_trailing_bytes()
}

/// Writes one frame.
pub fn encode(frame: &Frame) -> Result<Vec<u8>, WireError> {
    let kind = frame.kind();
    let fail = |source| WireError::Body { kind, source };
    let body = match frame {
        Frame::Hello(b) => options().serialize(b),
        Frame::Welcome(b) => options().serialize(b),
        Frame::Status(b) => options().serialize(b),
        Frame::Heartbeat(b) => options().serialize(b),
        Frame::Intent(a, b, c) => options().serialize(&(a, b, c)),
        Frame::Heard(a, b, c) => options().serialize(&(a, b, c)),
        Frame::Goodbye(b) => options().serialize(b),
    }
    .map_err(fail)?;
    let length = body.len() + 4;
    if length > FRAME_MAX {
        return Err(WireError::TooLong(length));
    }
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Collects bytes as they arrive and gives whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes bytes from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; none until more bytes arrive. Frames of unknown kinds are skipped.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        loop {
            let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
            let length = u32::from_be_bytes(*head) as usize;
            if length > FRAME_MAX {
                return Err(WireError::TooLong(length));
            }
            if length < 4 {
                return Err(WireError::TooShort(length));
            }
            if self.buffer.len() < 4 + length {
                return Ok(None);
            }
            let frame: Vec<u8> = self.buffer.drain(..4 + length).collect();
            let kind = u16::from_be_bytes([frame[4], frame[5]]);
            let version = u16::from_be_bytes([frame[6], frame[7]]);
            if let Some(frame) = body(kind, version, &frame[HEADER..])? {
                return Ok(Some(frame));
            }
        }
    }
}

fn body(kind: u16, version: u16, bytes: &[u8]) -> Result<Option<Frame>, WireError> {
    if !(1..=7).contains(&kind) {
        return Ok(None);
    }
    if version != VERSION {
        return Err(WireError::Version { kind, version });
    }
    match kind {
        1 => options().deserialize(bytes).map(Frame::Hello),
        2 => options().deserialize(bytes).map(Frame::Welcome),
        3 => options().deserialize(bytes).map(Frame::Status),
        4 => options().deserialize(bytes).map(Frame::Heartbeat),
        5 => options().deserialize(bytes).map(|(a, b, c)| Frame::Intent(a, b, c)),
        6 => options().deserialize(bytes).map(|(a, b, c)| Frame::Heard(a, b, c)),
        _ => options().deserialize(bytes).map(Frame::Goodbye),
    }
    .map(Some)
    .map_err(|source| WireError::Body { kind, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn frames() -> Vec<Frame> {
        let session = SessionId { epoch: Epoch([7; 32]), n: 3 };
        vec![
            Frame::Heartbeat(Heartbeat { session_n: 3, seq: 4, beat: 5 }),
            Frame::Heard(Answers { seq: 4, beat: 5 }, 0, None),
            Frame::Welcome(Welcome { session, lease: Millis(15_000), heartbeat: Millis(5_000), blocked: Blocked::default() }),
            Frame::Goodbye(Why::lossy("retired")),
        ]
    }

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let bytes: Vec<u8> = frames().iter().flat_map(|f| encode(f).unwrap()).collect();
        for chunk in 1..40 {
            let mut decoder = Decoder::default();
            let mut found = Vec::new();
            for part in bytes.chunks(chunk) {
                decoder.push(part);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames());
        }
    }

    #[test]
    fn version_1_is_frozen() {
        let bytes = encode(&frames()[0]).unwrap();
        let golden = [0, 0, 0, 28, 0, 4, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes, golden, "a heartbeat costs {} bytes of at most 40", bytes.len());
    }

    #[test]
    fn unknown_kinds_are_skipped_and_unknown_versions_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&[0, 0, 0, 6, 0, 99, 0, 1, 1, 2]);
        decoder.push(&encode(&frames()[1]).unwrap());
        assert_eq!(decoder.next_frame().unwrap(), Some(frames()[1].clone()));
        decoder.push(&[0, 0, 0, 4, 0, 4, 0, 9]);
        assert!(matches!(decoder.next_frame(), Err(WireError::Version { kind: 4, version: 9 })));
        let mut decoder = Decoder::default();
        decoder.push(&[255, 255, 255, 255]);
        assert!(matches!(decoder.next_frame(), Err(WireError::TooLong(_))));
    }
}
