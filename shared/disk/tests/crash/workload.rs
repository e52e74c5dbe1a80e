//! Numbered units whose whole effect is known for every number: what the crash tests write and look for.
//!
//! Unit `n` says its number in table 1, fills slot `n % SLOTS` of table 2 with a number of records that differs from unit to
//! unit, and deletes what the slot held beyond that. So the store after unit `n` is a function of `n`, and a lost, torn or
//! doubled unit shows.

use std::collections::BTreeMap;

use super::{OpenOptions, RecordStore, Unit, Write};

const SLOTS: u64 = 12;
const MOST: u64 = 12;

pub fn options() -> OpenOptions {
    OpenOptions { cache_bytes: 16 << 20, guard_bytes: 1 << 20, ballast_bytes: 1 << 12 }
}

/// How many records unit `n` leaves in its slot.
fn width(n: u64) -> u64 {
    1 + n * 7 % MOST
}

fn value(n: u64, i: u64) -> Vec<u8> {
    let length = (n * 131 + i * 17) % 1800;
    n.to_be_bytes().into_iter().chain((0..length).map(|at| (n ^ i ^ at) as u8)).collect()
}

fn key(slot: u64, i: u64) -> Vec<u8> {
    [slot as u8, i as u8].into()
}

pub fn unit(n: u64) -> Unit {
    let slot = n % SLOTS;
    let mut unit = vec![Write::Put { table: 1, key: b"n".to_vec(), version: 1, value: n.to_be_bytes().to_vec() }];
    unit.extend((0..MOST).map(|i| match i < width(n) {
        true => Write::Put { table: 2, key: key(slot, i), version: 2, value: value(n, i) },
        false => Write::Delete { table: 2, key: key(slot, i) },
    }));
    unit
}

/// How many units the `c`-th commit holds: mostly one, now and then more than fit in one batch.
pub fn units_of(c: u64) -> u64 {
    [1, 1, 3, 1, 40, 1, 2, 1, 7][(c % 9) as usize]
}

type Content = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// All records after unit `n`.
fn expected(n: u64) -> Content {
    let mut content = Content::new();
    for n in n.saturating_sub(SLOTS - 1).max(1)..=n {
        content.extend((0..width(n)).map(|i| ((2, key(n % SLOTS, i)), value(n, i))));
    }
    if n > 0 {
        content.insert((1, b"n".to_vec()), n.to_be_bytes().to_vec());
    }
    content
}

/// The number of the last unit in the store; an error when the store is not exactly what that unit leaves.
pub fn last_unit(store: &RecordStore) -> Result<u64, String> {
    let mut content = Content::new();
    store.load(|r| assert!(content.insert((r.table, r.key), r.value).is_none())).map_err(|e| format!("{e}: {e:?}"))?;
    let number = content.get(&(1, b"n".to_vec()));
    let n = number.map_or(Ok(0), |n| n.as_slice().try_into().map(u64::from_be_bytes)).map_err(|e| e.to_string())?;
    if content == expected(n) { Ok(n) } else { Err(format!("not what unit {n} leaves: {:?}", content.keys())) }
}
