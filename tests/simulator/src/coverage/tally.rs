//! Counts by group and kind. Each kind is a literal of the program, met millions of times: it is found by where it lies, and
//! by what it says only when somebody reads.

use std::collections::BTreeMap;

/// Group and kind.
pub(super) type Of = (&'static str, &'static str);

/// Places of the table: a few times as many as there are kinds.
const PLACES: usize = 1024;

/// The counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    places: Vec<Option<(Of, u64)>>,
    /// What has found no place.
    others: BTreeMap<Of, u64>,
}

impl Tally {
    /// So many more.
    pub(super) fn add(&mut self, of: Of, n: u64) {
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let lies = |text: &'static str| text.as_ptr() as usize;
        let first = lies(of.0).wrapping_mul(31).wrapping_add(lies(of.1)).wrapping_mul(0x9e37_79b9) >> 7;
        for at in first..first + 8 {
            let place = &mut self.places[at % PLACES];
            match place {
                Some((known, count)) if std::ptr::eq(known.0, of.0) && std::ptr::eq(known.1, of.1) => return *count += n,
                Some(_) => {}
                None => return *place = Some((of, n)),
            }
        }
        *self.others.entry(of).or_default() += n;
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> BTreeMap<Of, u64> {
        let mut all = self.others.clone();
        for (of, n) in self.places.iter().flatten() {
            *all.entry(*of).or_default() += n;
        }
        all
    }
}

impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl Eq for Tally {}
