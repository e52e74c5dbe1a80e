//! Snapshots that sled did not finish, put right before it opens.
//!
//! While it opens, sled 0.34.7 writes `snap.<lsn>.generating`, syncs it, renames it to `snap.<lsn>`, removes the older one, and
//! then overwrites and cuts off segments that only the older one needs. Two things go wrong there (its `pagecache/snapshot.rs`
//! and `Config::get_snapshot_files`):
//!
//! - The folder is not synced. A power cut may undo the rename and not what came after it, and with the older snapshot the log
//!   no longer makes sense. But the new one is whole then, under its first name: the rename is done again.
//! - An unfinished snapshot counts as the newest one. If a kill tore it, the database does not open any more. Nothing has been
//!   done yet that needs it, and the older one is still there: it is removed.

use std::fs;
use std::path::Path;

use crate::durable::{self, DurableError, failed};

const UNFINISHED: &str = ".generating";

/// Renames unfinished snapshots that are whole, and removes those that are not.
pub(super) fn finish(database: &Path) -> Result<(), DurableError> {
    let mut changed = false;
    for entry in fs::read_dir(database).map_err(failed("list", database))? {
        let path = entry.map_err(failed("list", database))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(finished) = name.strip_suffix(UNFINISHED).filter(|name| name.starts_with("snap.")) else { continue };
        if is_whole(&fs::read(&path).map_err(failed("read", &path))?) {
            fs::rename(&path, database.join(finished)).map_err(failed("rename", &path))?;
        } else {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        changed = true;
    }
    if changed { durable::sync_dir(database) } else { Ok(()) }
}

/// A snapshot ends in its length (8 bytes) and the crc32 of what is before that (4 bytes, little-endian).
fn is_whole(bytes: &[u8]) -> bool {
    let body = bytes.split_last_chunk::<4>().and_then(|(rest, sum)| Some((rest.split_last_chunk::<8>()?.0, sum)));
    body.is_some_and(|(body, sum)| !body.is_empty() && crc32fast::hash(body) == u32::from_le_bytes(*sum))
}
