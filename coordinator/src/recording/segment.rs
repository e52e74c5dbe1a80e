//! The segment that is written now.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use pilotage_coordinator_core::replay::codec::MAGIC;
use pilotage_shared::time::Time;

use super::folder;

/// An open segment.
#[derive(Debug)]
pub struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// When it began.
    pub since: Time,
    /// Bytes of its checkpoint.
    pub checkpoint: u64,
}

impl Open {
    /// Begins one with a checkpoint.
    pub fn create(folder: &Path, number: u64, now: Time, checkpoint: &[u8]) -> io::Result<Open> {
        let path = folder.join(folder::name(number, now));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        let mut open = Open { file, path, bytes: 0, since: now, checkpoint: checkpoint.len() as u64 };
        let written = open.append(MAGIC).and_then(|()| open.append(checkpoint));
        written.map(|()| open)
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends one whole frame. Half of one does not stay.
    pub fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(frame);
        match &written {
            Ok(()) => self.bytes += frame.len() as u64,
            // Best effort: whoever reads it stops at a part that is not whole.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.path.display())))
    }
}
