//! The run directory: the whole protocol with the agent (`agent/core::run` says what lies in it).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use pilotage_agent_core::journal::line::{self, JournalError};
use pilotage_agent_core::journal::{Entry, Illegal, Journal, Record};
use pilotage_agent_core::lifecycle::Task;
use pilotage_agent_core::run::{JOURNAL, LOCK, LOGS, REPORT, REQUEST, Request, TURN_BACK};
use pilotage_disk::durable::{self, AppendFile, DurableError, Replacement};
use pilotage_shared::name::Why;
use pilotage_shared::run::RunReport;

use crate::clock::{self, ClockError};

/// An agent that looks whether the lock is held holds it itself, for less than this.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes of a marker that are read.
const MARKER_MAX: u64 = 1024;

/// Why a run directory cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another deployer of this run lives.
    #[error("another deployer performs this run")]
    Held,
    /// A file.
    #[error("failed to {doing} {path}")]
    Io {
        /// What.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The request, or another record.
    #[error("failed to understand {path}")]
    Form {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A request of a later program.
    #[error("the request has format {found}, this program reads {known}", found = .0, known = Request::FORMAT)]
    Format(u32),
    /// The journal's file.
    #[error("failed to read the journal")]
    Journal(#[from] JournalError),
    /// What was to be recorded cannot follow what is: an error in this program.
    #[error("failed to record")]
    Illegal(#[from] Illegal),
    /// The disk.
    #[error("failed to keep the run's state")]
    Durable(#[from] DurableError),
    /// The clock.
    #[error("failed to read the time")]
    Clock(#[from] ClockError),
}

/// A run directory that is ours for as long as this lives.
pub struct Directory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Directory {
    /// Takes the lock; who holds it for longer than a look at it is another deployer (R26).
    pub fn lock(path: &Path) -> Result<Self, DirectoryError> {
        let path = fs::canonicalize(path).map_err(io_error("find", path))?;
        let name = path.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&name).map_err(io_error("open", &name))?;
        let lock = take(file, &name)?;
        for folder in [LOGS, "results"] {
            let folder = path.join(folder);
            match fs::DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io_error("make", &folder)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Self { path, _lock: lock })
    }

    /// Absolute, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the agent wants.
    pub fn request(&self) -> Result<Request, DirectoryError> {
        let path = self.path.join(REQUEST);
        let text = fs::read(&path).map_err(io_error("read", &path))?;
        let request: Request = serde_json::from_slice(&text).map_err(|source| DirectoryError::Form { path, source })?;
        if request.format == Request::FORMAT { Ok(request) } else { Err(DirectoryError::Format(request.format)) }
    }

    /// The journal as it is, and its file to go on with; a torn last line is cut off.
    pub fn journal(&self) -> Result<JournalFile, DirectoryError> {
        let path = self.path.join(JOURNAL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let (journal, good) = line::parse(&bytes)?;
        if good < bytes.len() {
            let cut = OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(good as u64).and_then(|()| f.sync_all()));
            cut.map_err(io_error("cut", &path))?;
        }
        Ok(JournalFile { journal, file: AppendFile::open(&path, 0o600)?, waiting: Vec::new() })
    }

    /// The text of a marker that the agent has put there; none: it is not there.
    pub fn marker(&self, name: &str) -> Result<Option<Why>, DirectoryError> {
        let path = self.path.join(name);
        let mut text = Vec::new();
        match File::open(&path).and_then(|f| f.take(MARKER_MAX).read_to_end(&mut text)) {
            Ok(_) if text.trim_ascii().is_empty() => Ok(Some(Why::lossy(name))),
            Ok(_) => Ok(Some(Why::lossy(String::from_utf8_lossy(&text).trim()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// Asks ourselves to turn back, as an agent would.
    pub fn turn_back(&self, why: &str) -> Result<(), DirectoryError> {
        Ok(durable::replace(&self.path.join(TURN_BACK), Why::lossy(why).as_str().as_bytes(), 0o600)?)
    }

    /// Says that the run has ended, and how.
    pub fn write_report(&self, report: &RunReport) -> Result<(), DirectoryError> {
        let path = self.path.join(REPORT);
        let text = serde_json::to_vec(report).map_err(|source| DirectoryError::Form { path: path.clone(), source })?;
        let mut file = Replacement::begin(&path, 0o600)?;
        file.write_all(&text).map_err(io_error("write", &path))?;
        // The journal is durable: after a power cut the report is made from it again.
        Ok(file.finish_without_name()?)
    }
}

/// A journal and its file. What disturbs something, or can be done only once, is durable as begun when the call returns; what only
/// tells of what was done, and what can be done again from its start without a trace, is written in the same append as the entry
/// that follows it, by one sync: a crash before that takes it away, and it is done again.
pub struct JournalFile {
    journal: Journal,
    file: AppendFile,
    /// Lines that are not written yet.
    waiting: Vec<u8>,
}

/// May it wait for what follows it? Something does at once, or the run waits and says so by `sync`.
fn waits(entry: &Entry) -> bool {
    match entry {
        Entry::Disturbed | Entry::Ended { .. } | Entry::Turned(_) | Entry::Opened { .. } => true,
        Entry::Began { task: Task::Verify | Task::Keep | Task::Prepare, .. } => true,
        Entry::Resumed { .. } | Entry::Began { .. } | Entry::Closed(_) => false,
    }
}

impl JournalFile {
    /// All that was recorded.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Records what happens now.
    pub fn record(&mut self, entry: Entry) -> Result<(), DirectoryError> {
        let record = Record { at: clock::uptime()?, wall: clock::wall(), entry };
        let bytes = line::line(&record);
        let waits = waits(&record.entry);
        self.journal.record(record)?;
        self.waiting.extend(bytes);
        if waits { Ok(()) } else { self.sync() }
    }

    /// Makes all that was recorded durable: also before the run waits, or has the host booted.
    pub fn sync(&mut self) -> Result<(), DirectoryError> {
        if !self.waiting.is_empty() {
            self.file.append(&self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }
}

fn take(mut file: File, name: &Path) -> Result<Flock<File>, DirectoryError> {
    let until = Instant::now() + LOOK;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, Errno::EWOULDBLOCK)) if Instant::now() >= until => return Err(DirectoryError::Held),
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            Err((_, errno)) => return Err(io_error("lock", name)(errno.into())),
        }
        // An agent tests whether the lock is held by taking it for a moment.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { doing, path, source }
}
