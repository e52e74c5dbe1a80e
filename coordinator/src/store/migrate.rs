//! Moves a store of an older program on, one form after the other. Before anything is changed a backup is made: the older
//! program can be started again on it (`pilotage-coordinator restore`).
//!
//! The form is a record of its own, absent in the first one. A step is done again from its start after a crash: its units must
//! come to the same when a part of them is there already. The record of the form is the last that is written.
//!
//! There has been one form only. A step is for what cannot be read record by record: a record of an older version is
//! converted where it is read (`codec`).

use std::path::Path;

use pilotage_disk::durable::{self, DurableError};
use pilotage_disk::{ExportError, RecordStore, Unit, Write};

use super::codec::{self, CodecError};
use super::{HISTORY, META, StoreError};

/// The form that this program writes.
const FORM: u32 = 1;
/// How older ones become the next.
const STEPS: &[Step] = &[];
pub(super) const KEY: &[u8] = b"form";

/// From one form to the next.
pub(super) struct Step {
    /// What the store is afterwards.
    pub to: u32,
    /// What is written for it.
    pub units: fn(&RecordStore) -> Result<Vec<Unit>, StoreError>,
}

/// Why a store could not be moved on. It is as it was, or the step is done again at the next start.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Without a backup nothing is changed.
    #[error("failed to back up the store before it is changed to form {0}: nothing was changed")]
    Backup(u32, #[source] ExportError),
    /// Its folder.
    #[error("failed to make the folder of backups")]
    Folder(#[from] DurableError),
}

/// Brings the store to the form of this program; refuses a newer one.
pub(super) fn migrate(folder: &Path, records: &mut RecordStore, backups: &Path) -> Result<(), StoreError> {
    to(FORM, STEPS, folder, records, backups)
}

fn to(target: u32, steps: &[Step], folder: &Path, records: &mut RecordStore, backups: &Path) -> Result<(), StoreError> {
    let codec = |source| StoreError::Codec { path: folder.to_owned(), source };
    let mut form: u32 = match records.get(META, KEY)? {
        None => 1,
        Some(record) => codec::decode(&record).map_err(codec)?,
    };
    if form > target {
        return Err(codec(CodecError::Form { found: form, known: target }));
    }
    for step in steps.iter().filter(|step| step.to <= target) {
        if step.to <= form {
            continue;
        }
        back_up(records, backups, step.to)?;
        let mut units = (step.units)(records)?;
        let (version, value) = codec::encode(META, &step.to).map_err(codec)?;
        units.push(vec![Write::Put { table: META, key: KEY.into(), version, value }]);
        records.commit(&units)?;
        tracing::info!(from = form, to = step.to, "the store was changed to a newer form");
        form = step.to;
    }
    Ok(())
}

/// Named by where the history stood: one that an interrupted step has made is whole and older, and is kept.
fn back_up(records: &RecordStore, backups: &Path, form: u32) -> Result<(), StoreError> {
    durable::create_dirs(backups, 0o700).map_err(MigrateError::from)?;
    let newest = records.range_rev(HISTORY, None, 1)?;
    let position = newest.first().and_then(|record| record.key.as_slice().try_into().ok()).map_or(0, u64::from_be_bytes);
    let path = backups.join(format!("before-form-{form}-at-{position}.backup"));
    if !path.exists() {
        let count = records.export(&path).map_err(|error| MigrateError::Backup(form, error))?;
        tracing::info!(path = %path.display(), records = count, "backup made before the store is changed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_disk::{OpenOptions, import};

    const HOSTS: u8 = super::super::HOSTS;

    fn open(folder: &Path) -> RecordStore {
        RecordStore::open(folder, OpenOptions { cache_bytes: 8 << 20, guard_bytes: 1 << 20, ballast_bytes: 1 << 12 }).unwrap()
    }

    fn put(key: &str, value: &str) -> Unit {
        vec![Write::Put { table: HOSTS, key: key.into(), version: 1, value: value.into() }]
    }

    fn text(records: &RecordStore, key: &str) -> Option<String> {
        records.get(HOSTS, key.as_bytes()).unwrap().map(|r| String::from_utf8(r.value).unwrap())
    }

    const STEPS: &[Step] = &[
        Step { to: 2, units: |_| Ok(vec![put("h1", "of form 2")]) },
        Step { to: 3, units: |records| Ok(vec![put("h2", &format!("{} and 3", text(records, "h1").unwrap()))]) },
    ];

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_older_store_is_backed_up_before_each_step_and_a_newer_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, backups) = (dir.path().join("store"), dir.path().join("backups"));
        let mut records = open(&folder);
        records.commit(&[put("h1", "of form 1")]).unwrap();
        to(1, STEPS, &folder, &mut records, &backups).unwrap();
        assert!(!backups.exists(), "nothing is to be done");
        to(3, STEPS, &folder, &mut records, &backups).unwrap();
        assert_eq!(text(&records, "h2").as_deref(), Some("of form 2 and 3"));
        assert_eq!(names(&backups), ["before-form-2-at-0.backup", "before-form-3-at-0.backup"]);
        let old = import(&backups.join("before-form-2-at-0.backup"), &dir.path().join("old"), OpenOptions::default()).unwrap();
        assert_eq!((text(&old, "h1").as_deref(), old.get(META, KEY).unwrap()), (Some("of form 1"), None), "it can be gone back to");
        to(3, &[Step { to: 3, units: |_| panic!("it is done") }], &folder, &mut records, &backups).unwrap();
        let newer = to(2, STEPS, &folder, &mut records, &backups).unwrap_err();
        let StoreError::Codec { source, .. } = newer else { panic!("{newer}") };
        assert!(source.is_newer() && source.to_string().contains("has form 3, this program knows 2"), "{source}");
    }

    #[test]
    fn a_step_that_was_interrupted_keeps_the_backup_of_before() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, backups) = (dir.path().join("store"), dir.path().join("backups"));
        let mut records = open(&folder);
        records.commit(&[put("h1", "of form 1")]).unwrap();
        back_up(&records, &backups, 2).unwrap();
        records.commit(&[put("h1", "half")]).unwrap();
        to(2, STEPS, &folder, &mut records, &backups).unwrap();
        let old = import(&backups.join("before-form-2-at-0.backup"), &dir.path().join("old"), OpenOptions::default()).unwrap();
        assert_eq!((text(&old, "h1").as_deref(), text(&records, "h1").as_deref()), (Some("of form 1"), Some("of form 2")));
    }

    #[test]
    fn without_a_backup_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, backups) = (dir.path().join("store"), dir.path().join("backups"));
        std::fs::write(&backups, "in the way").unwrap();
        let mut records = open(&folder);
        records.commit(&[put("h1", "of form 1")]).unwrap();
        assert!(matches!(to(2, STEPS, &folder, &mut records, &backups), Err(StoreError::Migrate(_))));
        assert_eq!((text(&records, "h1").as_deref(), records.get(META, KEY).unwrap()), (Some("of form 1"), None));
    }
}
