//! Packs of objects under power cuts: what was taken is there once it was said so, and nothing has a name that is not whole.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use pilotage_bundle::{Objects, pack};
use pilotage_crash::{record, victim};
use pilotage_shared::digest::Digest;

/// A large pack, which is stored by syncs of the file system, and a small one.
const PACKS: [std::ops::Range<u64>; 2] = [0..40, 40..43];

/// A content that does not become small.
fn content(n: u64) -> Vec<u8> {
    (0..200u64).flat_map(|part| Digest::of(&[n.to_be_bytes(), part.to_be_bytes()].concat()).0).collect()
}

fn work(folder: &Path) {
    let aside = tempfile::tempdir().unwrap();
    let (from, to) = (Objects::open(aside.path()).unwrap(), Objects::open(folder).unwrap());
    for (n, numbers) in PACKS.into_iter().enumerate() {
        let wanted: BTreeMap<Digest, u64> = numbers.map(|n| from.put(&content(n)[..]).unwrap()).collect();
        let mut stream = Vec::new();
        pack::write(&from, wanted.keys().copied(), &mut stream).unwrap();
        assert_eq!(pack::read(&to, &wanted, &stream[..]).unwrap(), wanted.len() as u64);
        victim::acknowledge(n as u64 + 1);
    }
}

#[test]
fn packs_that_were_taken_outlive_a_power_cut_and_no_object_is_torn() {
    if let Some(folder) = victim::folder() {
        return work(&folder);
    }
    let dir = tempfile::tempdir().unwrap();
    let recording = record(&victim::again("packs_that_were_taken_outlive_a_power_cut_and_no_object_is_torn", dir.path()), dir.path()).unwrap();
    assert!(recording.status.success(), "{}", recording.said);
    let mut tried = 0;
    for crash in recording.crashes(2) {
        let dir = tempfile::tempdir().unwrap();
        recording.rebuild(crash, dir.path()).unwrap();
        tried += 1;
        let objects = Objects::open(dir.path()).unwrap();
        for digest in objects.list().unwrap() {
            let read = objects.read(&digest).is_ok_and(|mut object| object.read_to_end(&mut Vec::new()).is_ok());
            assert!(read, "{digest} is torn after {crash:?}: {}", recording.story(crash));
        }
        let acknowledged = recording.acknowledged(crash.after).unwrap_or(0);
        for n in PACKS.into_iter().take(acknowledged as usize).flatten() {
            assert!(objects.has(&Digest::of(&content(n))), "{n} is lost after {crash:?}: {}", recording.story(crash));
        }
    }
    assert!(tried > 300, "the victim did little: {tried}");
}
