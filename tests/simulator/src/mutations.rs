//! The mutation check: each deliberate bug is planted alone (or with the one that hides it), and seeds are run until one of
//! them breaks a promise. A bug that no seed sees is a hole in the simulator, not a harmless bug.

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

/// The pairs that the protocol names.
const PAIRS: [Case; 1] = [&[Bug::FloorOffByOne, Bug::NoRejudge]];

/// Every bug alone, then the pairs.
pub fn cases() -> Vec<Case> {
    Bug::ALL.iter().map(std::slice::from_ref).chain(PAIRS).collect()
}

/// As people read it.
pub fn name(case: Case) -> String {
    case.iter().map(|bug| format!("{bug:?}")).collect::<Vec<_>>().join(" + ")
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
