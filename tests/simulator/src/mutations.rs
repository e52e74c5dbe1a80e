//! The mutation check: each deliberate bug is planted alone (or with the one that hides it), and seeds are run until one of
//! them breaks a promise. A bug that no seed sees is a hole in the simulator, not a harmless bug.
//!
//! Which seed has noticed each bug stands in a table, so that a test run can ask in seconds whether each is noticed still.

use pilotage_shared::planted::Bug;

use crate::promises::Violation;

/// Bugs that are planted together; the second is needed for the first to show, or the other way round.
pub type Case = &'static [Bug];

/// What one case has come to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which bugs.
    pub case: Case,
    /// The first seed that noticed, and how; none when no seed did.
    pub by: Option<(u64, Violation)>,
    /// How many seeds were run.
    pub seeds: u64,
    /// So long it took, milliseconds.
    pub took_ms: u128,
}

/// The pairs that the protocol names: 22 with 12, and who is unreachable lent as if it were down, with 12.
const PAIRS: [Case; 2] = [&[Bug::FloorOffByOne, Bug::NoRejudge], &[Bug::UnreachableIsFree, Bug::NoRejudge]];

/// `Bug seed`, `Bug + Bug seed`: a seed that has noticed each case. `simulate --mutations --remember` writes it.
const KNOWN: &str = include_str!("mutations/known.txt");

/// Where the table is kept, from the root of the repository.
pub const KNOWN_FILE: &str = "tests/simulator/src/mutations/known.txt";

/// Every bug alone, then the pairs.
pub fn cases() -> Vec<Case> {
    Bug::ALL.iter().map(std::slice::from_ref).chain(PAIRS).collect()
}

/// As people read it.
pub fn name(case: Case) -> String {
    case.iter().map(|bug| format!("{bug:?}")).collect::<Vec<_>>().join(" + ")
}

/// The seed that is known to notice this case; none when the table lacks it.
pub fn known(case: Case) -> Option<u64> {
    let name = name(case);
    let line = KNOWN.lines().find_map(|line| line.rsplit_once(' ').filter(|(bugs, _)| *bugs == name))?;
    line.1.parse().ok()
}

/// Runs seeds with the bugs of one case until one notices.
#[cfg(pilotage_planted)]
pub fn look_for(case: Case, seeds: std::ops::Range<u64>) -> Found {
    let begun = std::time::Instant::now();
    let first = seeds.start;
    pilotage_shared::planted::plant(case);
    let by = seeds.clone().find_map(|seed| crate::seed::run(seed, 0).broken.map(|broken| (seed, broken)));
    pilotage_shared::planted::plant(&[]);
    let run = by.as_ref().map_or(seeds.end - first, |(seed, _)| seed + 1 - first);
    Found { case, by, seeds: run, took_ms: begun.elapsed().as_millis() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_known_for_every_case_and_no_other() {
        let names: Vec<String> = cases().into_iter().map(name).collect();
        let lacking: Vec<&String> = names.iter().zip(cases()).filter(|(_, case)| known(case).is_none()).map(|(name, _)| name).collect();
        assert!(lacking.is_empty(), "no seed is known to notice {lacking:?}; run simulate --mutations --remember");
        let surplus: Vec<&str> = KNOWN.lines().filter(|line| !names.iter().any(|name| line.starts_with(&format!("{name} ")))).collect();
        assert!(surplus.is_empty(), "no such bugs: {surplus:?}");
        assert_eq!(KNOWN.lines().count(), names.len());
    }
}
