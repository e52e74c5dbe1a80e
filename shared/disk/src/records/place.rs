//! The folder of a store: who holds it, and the ballast that keeps it openable on a full disk.
//!
//! `lock` is held for as long as the store is open and names the holder; `ballast` is given up when space is short; `records`
//! is sled's database, made as `records.new` and renamed once it is whole.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::StoreError;
use crate::durable::{self, Replacement, failed};
use crate::space;

/// The database.
pub(super) const RECORDS: &str = "records";
/// A database that is being made; never holds anything that was acknowledged.
pub(super) const UNFINISHED: &str = "records.new";
const LOCK: &str = "lock";
const BALLAST: &str = "ballast";
/// How long threads of a closed sled may hold its file. They need microseconds; a stranger may hold it for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a child of this process may be between its fork and its exec.
const OWN_CHILDREN: Duration = Duration::from_millis(500);

/// A folder that is ours alone for as long as this lives.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the folder if it is missing, and takes its lock; refuses at once to wait for another process.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        durable::create_dirs(folder, 0o700)?;
        let path = folder.join(LOCK);
        let opened = File::options().read(true).write(true).create(true).truncate(false).mode(0o644).open(&path);
        let mut lock = opened.map_err(failed("open", &path))?;
        take_lock(&lock, &path, folder)?;
        // For whoever is refused; on a full disk the lock alone must do.
        match lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())) {
            Err(e) if e.kind() != io::ErrorKind::StorageFull => return Err(failed("write", &path)(e).into()),
            _ => {}
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(space::free_bytes(&self.folder).map_err(failed("measure the free space of", &self.folder))?)
    }

    /// Gives up the ballast when less than `guard` bytes are free: sled must write before it can open.
    pub(super) fn drop_ballast(&self, guard: u64) -> Result<(), StoreError> {
        let path = self.folder.join(BALLAST);
        if self.free_bytes()? < guard && path.exists() {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            durable::sync_dir(&self.folder)?;
        }
        Ok(())
    }

    /// Makes the ballast again when there is room for it.
    pub(super) fn restore_ballast(&self, bytes: u64, guard: u64) -> Result<(), StoreError> {
        let path = self.folder.join(BALLAST);
        let whole = fs::metadata(&path).is_ok_and(|m| m.len() == bytes);
        if whole || self.free_bytes()? < guard.saturating_add(bytes.saturating_mul(2)) {
            return Ok(());
        }
        let mut ballast = Replacement::begin(&path, 0o600)?;
        write_noise(&mut ballast, bytes).map_err(failed("write", &path))?;
        Ok(ballast.finish()?)
    }

    /// Removes a database that was never finished.
    pub(super) fn clear(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(e).into()),
            _ => Ok(()),
        }
    }

    /// Renames a database, durably.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let (from, to) = (self.folder.join(from), self.folder.join(to));
        fs::rename(&from, &to).map_err(failed("rename", &from))?;
        Ok(durable::sync_dir(&self.folder)?)
    }

    /// Is there anything but what an earlier attempt to make a database here may have left?
    pub(super) fn is_used(folder: &Path) -> io::Result<bool> {
        let entries = match fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            if ![LOCK, UNFINISHED].iter().any(|ours| name == *ours) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until nobody holds sled's own lock on `database`. While we hold the folder that can only be threads of a sled that
    /// we have closed a moment ago, which live a little longer than it.
    pub(super) fn wait_until_closed(&self, database: &Path) -> Result<(), StoreError> {
        let path = database.join("db");
        let file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed("open", &path))?,
        };
        let (tell, told) = mpsc::sync_channel(1);
        thread::spawn(move || {
            // Given back by word: a child that another thread is starting holds the descriptor too, until its exec.
            let locked = file.lock().and_then(|()| file.unlock());
            drop(file);
            // Nobody listens any more once patience has ended.
            let _ = tell.send(locked);
        });
        match told.recv_timeout(PATIENCE) {
            Ok(locked) => Ok(locked.map_err(failed("lock", &path))?),
            Err(_) => Err(StoreError::InUse { path: self.folder.clone(), holder: None }),
        }
    }
}

/// A store that this process has just closed may be held for a moment by a child that it is about to start: the child has the
/// descriptor until its exec.
fn take_lock(lock: &File, path: &Path, folder: &Path) -> Result<(), StoreError> {
    let until = Instant::now() + OWN_CHILDREN;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
                if holder != Some(std::process::id()) || Instant::now() >= until {
                    return Err(StoreError::InUse { path: folder.to_owned(), holder });
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::Error(e)) => return Err(failed("lock", path)(e).into()),
        }
    }
}

/// Bytes that a compressing file system cannot make small (xorshift).
fn write_noise(out: &mut impl io::Write, bytes: u64) -> io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise = std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state)
    });
    let mut left = bytes;
    for word in noise {
        let word = word.to_le_bytes();
        let part = left.min(word.len() as u64) as usize;
        if part == 0 {
            break;
        }
        out.write_all(&word[..part])?;
        left -= part as u64;
    }
    Ok(())
}
