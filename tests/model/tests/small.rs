//! Small worlds; larger ones: `cargo run --release -p pilotage-model -- --faults 1`.

use pilotage_model::{Limits, Protocol};
use stateright::{Checker, Model};

/// Searches a world; `at_most` states are generated, none: all. The number of states that differ.
fn check(limits: Limits, at_most: Option<usize>) -> usize {
    let mut checker = Protocol { limits }.checker().threads(2);
    if let Some(most) = at_most {
        checker = checker.target_state_count(most);
    }
    let checker = checker.spawn_dfs().join();
    for (name, path) in checker.discoveries() {
        assert_eq!(name, "the deployment is made", "{:?}: {:#?}", path.last_state().broken, path.clone().into_actions());
    }
    // A part of a world, searched in depth, need not hold a good end.
    assert!(at_most.is_some() || checker.discovery("the deployment is made").is_some());
    checker.unique_state_count()
}

const WORLD: Limits = Limits { hosts: 2, floor: 1, zone_floor: None, frames: 1, faults: 0, requests: 0 };

#[test]
fn in_a_world_without_faults_everything_may_be_late_and_no_promise_breaks() {
    assert!(check(WORLD, None) > 5_000);
}

#[test]
fn neither_a_fault_nor_a_person_breaks_a_promise() {
    check(Limits { faults: 1, requests: 1, frames: 2, ..WORLD }, Some(60_000));
}
