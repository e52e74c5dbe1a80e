//! The output of a run's hooks while they write it: [`LIVE`] in the run directory, for whoever follows.
//!
//! All lines of all hooks of the run are one stream. It stands in segments that are named by where they begin in it, whole lines
//! each; behind [`SEGMENTS`] the oldest goes. So its end is there at any time, however much is written and however fast; what
//! is kept for good (head and tail of each hook) stands in the logs. While a hook's tail is not in its logs yet, [`HELD_BACK`]
//! says from where on: [`held_back`].

use std::collections::BTreeSet;

/// The folder.
pub const LIVE: &str = "live";
/// In it, while a hook writes more than its head: where its tail begins, and the name of the hook's own log.
pub const HELD_BACK: &str = "held-back";
/// Bytes of a segment before the next one is begun: 256 KiB.
pub const SEGMENT: u64 = 256 << 10;
/// Segments that stand, the one that is written included: at least 1 MiB of the stream's end.
pub const SEGMENTS: usize = 5;

/// The name of a segment.
pub fn name(begins: u64) -> String {
    format!("{begins:020}")
}

/// Where a segment begins, by its name; none: it is no segment.
pub fn begins(name: &str) -> Option<u64> {
    Some(name).filter(|name| name.len() == 20 && name.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// The segment that has the byte at `at` of the stream, or the next one that is there.
pub fn holding(segments: &BTreeSet<u64>, at: u64) -> Option<u64> {
    segments.range(..=at).next_back().or_else(|| segments.first()).copied()
}

/// What [`HELD_BACK`] says: where in the stream the tail begins, and the hook's own log.
pub fn held_back(text: &str) -> Option<(u64, &str)> {
    let (at, log) = text.trim_end().split_once(' ')?;
    Some((at.parse().ok()?, log)).filter(|(_, log)| !log.contains('/') && !log.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_name_and_by_what_they_hold() {
        assert_eq!(begins(&name(262_144)), Some(262_144));
        assert_eq!((begins("262144"), begins("held-back"), begins("0000000000000026214x")), (None, None, None));
        let there = BTreeSet::from([100, 200, 300]);
        let found: Vec<_> = [0, 100, 199, 200, 5000].map(|at| holding(&there, at)).into_iter().flatten().collect();
        assert_eq!(found, [100, 100, 100, 200, 300]);
        assert_eq!(holding(&BTreeSet::new(), 7), None);
    }

    #[test]
    fn a_mark_names_no_file_elsewhere() {
        assert_eq!(held_back("524288 001-ApplicationStart.log\n"), Some((524_288, "001-ApplicationStart.log")));
        assert_eq!((held_back("1 ../x"), held_back("x y"), held_back("7")), (None, None, None));
    }
}
