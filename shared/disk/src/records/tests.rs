use std::collections::BTreeMap;

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

#[test]
fn a_newer_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = RecordStore::open(dir.path(), small()).unwrap();
    store.db.insert(MARKER, &[FORMAT + 1]).unwrap();
    store.db.flush().unwrap();
    drop(store);
    assert!(matches!(RecordStore::open(dir.path(), small()), Err(StoreError::Newer { found: 2, .. })));
}

#[test]
fn a_changed_record_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    store.commit(&[vec![put(1, "a", "value")]]).unwrap();
    let mut bytes = store.db.get(full_key(1, b"a")).unwrap().unwrap().to_vec();
    bytes[6] ^= 1;
    store.db.insert(full_key(1, b"a"), bytes).unwrap();
    assert!(matches!(store.load(|_| {}), Err(StoreError::Corrupt { .. })));
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
fn what_is_too_large_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(dir.path(), small()).unwrap();
    let large = Write::Put { table: 1, key: b"b".to_vec(), version: 1, value: vec![0; VALUE_MAX + 1] };
    assert!(matches!(store.commit(&[vec![put(1, "a", "1")], vec![large]]), Err(StoreError::TooLarge { .. })));
    assert!(all(&store).is_empty());
}

#[test]
fn an_export_makes_an_equal_store_and_a_changed_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = RecordStore::open(&dir.path().join("a"), small()).unwrap();
    let units: Vec<Unit> = (0..500).map(|i| vec![put(1 + (i % 3) as u8, &format!("k{i}"), &format!("v{i}"))]).collect();
    store.commit(&units).unwrap();
    let file = dir.path().join("backup");
    assert_eq!(store.export(&file).unwrap(), 500);
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
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
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
