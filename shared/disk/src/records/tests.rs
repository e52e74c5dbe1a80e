use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::*;

fn put(table: u8, key: &str, value: &str) -> Write {
    Write::Put { table, key: key.into(), version: 1, value: value.into() }
}

fn small() -> OpenOptions {
    OpenOptions { cache_bytes: 16 << 20, guard_bytes: 1 << 20, ballast_bytes: 1 << 16 }
}

fn all(store: &RecordStore) -> BTreeMap<(u8, Vec<u8>), Vec<u8>> {
    let mut found = BTreeMap::new();
    store.load(|r| assert!(found.insert((r.table, r.key), r.value).is_none())).unwrap();
    found
}

#[test]
fn committed_records_are_there_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&[vec![put(1, "a", "1"), put(2, "b", "2")], vec![Write::Delete { table: 1, key: "a".into() }]]).unwrap();
    let before = all(&store);
    drop(store);
    let store = RecordStore::open(dir.path(), small()).unwrap();
    assert_eq!(all(&store), before);
    assert_eq!(before.keys().collect::<Vec<_>>(), [&(2, b"b".to_vec())]);
}

#[test]
fn ranges_stay_in_their_table() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&[vec![put(1, "z", ""), put(2, "a", ""), put(2, "b", ""), put(2, "c", ""), put(255, "x", "")]]).unwrap();
    let keys = |records: Vec<Record>| records.into_iter().map(|r| String::from_utf8(r.key).unwrap()).collect::<Vec<_>>();
    assert_eq!(keys(store.range(2, b"b", 10).unwrap()), ["b", "c"]);
    assert_eq!(keys(store.range_rev(2, None, 2).unwrap()), ["c", "b"]);
    assert_eq!(keys(store.range_rev(2, Some(b"c"), 9).unwrap()), ["b", "a"]);
    assert_eq!(keys(store.range(255, b"", 9).unwrap()), ["x"]);
    assert!(store.range_rev(2, Some(b""), 9).unwrap().is_empty());
    assert!(store.range(2, b"", 0).unwrap().is_empty());
    assert_eq!(store.get(2, b"a").unwrap().map(|r| r.version), Some(1));
}

#[test]
fn a_second_opener_is_refused_and_told_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let _store = RecordStore::open(dir.path(), small()).unwrap();
    match RecordStore::open(dir.path(), small()) {
        Err(StoreError::InUse { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
}

/// What opening says after the format marker has become this.
fn marked(marker: Vec<u8>) -> StoreError {
    let dir = tempfile::tempdir().unwrap();
    let store = RecordStore::open(dir.path(), small()).unwrap();
    store.engine.put(MARKER, marker).unwrap();
    store.engine.sync().unwrap();
    drop(store);
    RecordStore::open(dir.path(), small()).unwrap_err()
}

#[test]
fn a_newer_store_is_refused_and_a_strange_one_too() {
    assert!(matches!(marked(marker(FORMAT + 1)), StoreError::Newer { found: 2, known: 1, .. }));
    assert!(matches!(marked(vec![FORMAT]), StoreError::Corrupt { .. }));
    assert!(matches!(marked(record::seal(FORMAT, b"something else")), StoreError::Corrupt { .. }));
}

#[test]
fn a_changed_record_is_found_and_is_the_last_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&[vec![put(1, "a", "value")]]).unwrap();
    let key = full_key(1, b"a");
    let mut bytes = store.engine.bytes(&key).unwrap().unwrap();
    bytes[6] ^= 1;
    store.engine.put(&key, bytes).unwrap();
    assert!(matches!(store.load(|_| {}), Err(StoreError::Corrupt { .. })));
    assert!(matches!(store.get(1, b"b"), Err(StoreError::Poisoned)));
    assert!(matches!(store.range(1, b"", 1), Err(StoreError::Poisoned)));
    assert!(matches!(store.commit(&[vec![put(1, "b", "")]]), Err(StoreError::Poisoned)));
    assert!(matches!(store.export(&dir.path().join("backup")), Err(ExportError::Store(StoreError::Poisoned))));
    assert!(!dir.path().join("backup").exists());
}

#[test]
fn a_panic_below_poisons_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = RecordStore::open(dir.path(), small()).unwrap();
    let panicked = store.call(|_| engine::guarded("read", dir.path(), || -> sled::Result<()> { panic!("as sled does") }));
    assert!(matches!(panicked, Err(StoreError::Panic { doing: "read", .. })));
    assert!(matches!(store.get(1, b"a"), Err(StoreError::Poisoned)));
}

#[test]
fn a_damaged_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&(0..200).map(|i| vec![put(1, &format!("{i}"), &"x".repeat(1000))]).collect::<Vec<_>>()).unwrap();
    drop(store);
    drop(RecordStore::open(dir.path(), small()).unwrap());
    let snapshot = fs::read_dir(dir.path().join("records")).unwrap().map(|e| e.unwrap().path());
    let snapshot = snapshot.into_iter().find(|p| p.to_string_lossy().contains("snap.")).unwrap();
    let mut bytes = fs::read(&snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&snapshot, bytes).unwrap();
    let refused = RecordStore::open(dir.path(), small()).unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused:?}");
}

#[test]
fn a_snapshot_that_sled_did_not_finish_is_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&[vec![put(1, "a", "value")]]).unwrap();
    drop(store);
    drop(RecordStore::open(dir.path(), small()).unwrap());
    let database = dir.path().join("records");
    let snapshots = || -> Vec<_> {
        let names = fs::read_dir(&database).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("snap.")).collect()
    };
    let whole = snapshots().pop().unwrap();
    let content = fs::read(database.join(&whole)).unwrap();
    // Torn: as a kill in the middle of it leaves it.
    fs::write(database.join("snap.FFFFFFFFFFFFFFFF.generating"), &content[..content.len() / 2]).unwrap();
    assert_eq!(all(&RecordStore::open(dir.path(), small()).unwrap()).len(), 1);
    assert_eq!(snapshots(), [whole.as_str()]);
    // Whole, with its first name back: as a power cut that undid the rename leaves it.
    fs::rename(database.join(&whole), database.join(format!("{whole}.generating"))).unwrap();
    assert_eq!(all(&RecordStore::open(dir.path(), small()).unwrap()).len(), 1);
    assert_eq!(snapshots(), [whole]);
}

#[test]
fn a_nearly_full_disk_refuses_without_poison() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), OpenOptions { guard_bytes: u64::MAX / 4, ..small() }).unwrap();
    assert!(matches!(store.commit(&[vec![put(1, "a", "1")]]), Err(StoreError::NoSpace { .. })));
    store.options.guard_bytes = 0;
    store.commit(&[vec![put(1, "a", "1")]]).unwrap();
}

#[test]
fn the_ballast_goes_when_space_is_short_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let ballast = || fs::metadata(dir.path().join("ballast")).map(|m| m.len()).ok();
    drop(RecordStore::open(dir.path(), small()).unwrap());
    assert_eq!(ballast(), Some(small().ballast_bytes));
    drop(RecordStore::open(dir.path(), OpenOptions { guard_bytes: u64::MAX / 4, ..small() }).unwrap());
    assert_eq!(ballast(), None);
    drop(RecordStore::open(dir.path(), small()).unwrap());
    assert_eq!(ballast(), Some(small().ballast_bytes));
}

#[test]
fn what_is_over_a_limit_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    let mut check = |unit: Unit| store.commit(&[vec![put(1, "a", "1")], unit]).unwrap_err();
    let large = |key, value| vec![Write::Put { table: 1, key: vec![0; key], version: 1, value: vec![0; value] }];
    assert!(matches!(check(large(1, VALUE_MAX + 1)), StoreError::TooLarge { what: "value", .. }));
    assert!(matches!(check(large(KEY_MAX + 1, 1)), StoreError::TooLarge { what: "key", .. }));
    assert!(matches!(check(vec![put(1, "a", ""); UNIT_WRITES + 1]), StoreError::UnitTooLarge { .. }));
    assert!(matches!(check(vec![put(0, "", "")]), StoreError::Reserved));
    assert!(all(&store).is_empty());
    store.commit(&[large(KEY_MAX, VALUE_MAX), vec![put(1, "a", ""); UNIT_WRITES], vec![]]).unwrap();
    assert_eq!(all(&store).len(), 2);
}

#[test]
fn a_database_that_was_never_finished_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("records.new/blobs")).unwrap();
    fs::write(dir.path().join("records.new/conf"), "half").unwrap();
    let store = RecordStore::open(dir.path(), small()).unwrap();
    assert!(all(&store).is_empty());
    assert!(!dir.path().join("records.new").exists());
}

#[test]
fn an_export_makes_an_equal_store_and_a_changed_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(&dir.path().join("a"), small()).unwrap();
    let units: Vec<Unit> = (0..7000).map(|i| vec![put(1 + (i % 3) as u8, &format!("k{i}"), &format!("v{i}"))]).collect();
    store.commit(&units).unwrap();
    let file = dir.path().join("backup");
    assert_eq!(store.export(&file).unwrap(), 7000);
    let copy = import(&file, &dir.path().join("b"), small()).unwrap();
    assert_eq!(all(&copy), all(&store));
    assert!(matches!(import(&file, &dir.path().join("b"), small()), Err(ExportError::NotEmpty(_))));
    let mut bytes = fs::read(&file).unwrap();
    for at in [0, 100, bytes.len() - 1] {
        bytes[at] ^= 1;
        fs::write(&file, &bytes).unwrap();
        assert!(matches!(import(&file, &dir.path().join("c"), small()), Err(ExportError::Damaged { .. })));
        bytes[at] ^= 1;
    }
    for bytes in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], &[&bytes[..], b"more"].concat()] {
        fs::write(&file, bytes).unwrap();
        assert!(matches!(import(&file, &dir.path().join("c"), small()), Err(ExportError::Damaged { .. })));
    }
    fs::write(&file, &bytes).unwrap();
    assert_eq!(all(&import(&file, &dir.path().join("c"), small()).unwrap()), all(&store));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_history_of_commits_equals_a_map(
        commits in prop::collection::vec(prop::collection::vec((1u8..4, 0u8..20, prop::option::of("[a-z]{0,40}")), 1..40), 1..12)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = RecordStore::open(dir.path(), small()).unwrap();
        let mut model = BTreeMap::new();
        for commit in commits {
            let unit: Unit = commit.iter().map(|(table, key, value)| match value {
                Some(value) => Write::Put { table: *table, key: vec![*key], version: 1, value: value.as_bytes().to_vec() },
                None => Write::Delete { table: *table, key: vec![*key] },
            }).collect();
            store.commit(&[unit]).unwrap();
            for (table, key, value) in commit {
                match value {
                    Some(value) => { model.insert((table, vec![key]), value.into_bytes()); }
                    None => { model.remove(&(table, vec![key])); }
                }
            }
        }
        drop(store);
        prop_assert_eq!(all(&RecordStore::open(dir.path(), small()).unwrap()), model);
    }
}
