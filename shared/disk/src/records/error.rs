//! Why the store did not do it.

use std::io;
use std::path::{Path, PathBuf};

use super::record::{FORMAT, UNIT_BYTES, UNIT_WRITES};
use crate::durable::DurableError;

/// Why the store did not do it. Only [`NoSpace`](Self::NoSpace) and the variants about limits leave an open store usable.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {path} is in use by {}; stop it first", holder.map_or("another process".to_owned(), |p| format!("process {p}")))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that wrote its number there.
        holder: Option<u32>,
    },
    /// Written by a newer program.
    #[error("the store {path} has format {found}, this program knows up to {known}: start the newer program, or restore a backup made by this one")]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u8,
        /// The newest format that this program knows.
        known: u8,
    },
    /// What is there is not what was written.
    #[error("the store {path} is damaged: {what}")]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Too little space; nothing was written, an open store stays usable.
    #[error("failed to write to the store: {free} bytes are free at {path}, {guard} must stay free; make room")]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes free now.
        free: u64,
        /// Bytes that must stay free.
        guard: u64,
    },
    /// A key or a value is over its limit; nothing was written.
    #[error("failed to commit: a record of table {table} has a {what} of {bytes} bytes")]
    TooLarge {
        /// Whose.
        table: u8,
        /// Key or value.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// A unit does not fit in one physical batch; nothing was written.
    #[error("failed to commit: a unit has {writes} writes and {bytes} bytes, at most {UNIT_WRITES} and {UNIT_BYTES} can be written together")]
    UnitTooLarge {
        /// Its writes.
        writes: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// Table 0 is the store's own; nothing was written.
    #[error("failed to commit: table 0 belongs to the store itself")]
    Reserved,
    /// An earlier call failed: what it wrote is in doubt, the process must be started again.
    #[error("the store failed before; start the process again")]
    Poisoned,
    /// sled.
    #[error("failed to {doing} the store {path}")]
    Sled {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: sled::Error,
    },
    /// sled panicked.
    #[error("failed to {doing} the store {path}: the database panicked")]
    Panic {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A file beside the database.
    #[error(transparent)]
    File(#[from] DurableError),
}

impl StoreError {
    pub(super) fn newer(path: &Path, found: u8) -> Self {
        Self::Newer { path: path.to_owned(), found, known: FORMAT }
    }

    pub(super) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// What is there is not what was written, as far as anybody can tell: it does not go away by itself.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::Panic { .. } => true,
            Self::Sled { source, .. } => !matches!(source, sled::Error::Io(_)),
            Self::InUse { .. } | Self::Newer { .. } | Self::NoSpace { .. } | Self::TooLarge { .. } | Self::UnitTooLarge { .. } => false,
            Self::Reserved | Self::Poisoned | Self::File(_) => false,
        }
    }

    /// The kernel said that the disk is full.
    pub(super) fn is_full_disk(&self) -> bool {
        match self {
            Self::Sled { source: sled::Error::Io(e), .. } => e.kind() == io::ErrorKind::StorageFull,
            Self::File(e) => e.source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}
