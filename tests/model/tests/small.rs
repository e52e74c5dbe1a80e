//! Small worlds, completely or to a limit; larger ones: `cargo run --release -p pilotage-model -- --world NAME`.

use pilotage_model::Protocol;
use pilotage_model::search::{Found, Search, search};
use pilotage_model::worlds::named;

/// Searches a world; `at_most` states are generated, none: all.
fn check(name: &str, at_most: Option<usize>) -> Found {
    let world = named(name).expect("a world of the list");
    let found = search(Protocol::of(world.limits), Search { at_most, breadth: true, threads: 2 });
    assert!(found.broken.is_none(), "{name}: {:#?}", found.broken);
    // The beginning of a world need not hold a good end.
    assert!(at_most.is_some() || found.good_end, "{name}: the deployment cannot be made");
    found
}

#[test]
fn in_a_world_without_faults_everything_may_be_late_and_no_promise_breaks() {
    assert!(check("calm", None).states > 1_000);
}

#[test]
fn a_restore_by_whichever_way_breaks_no_promise() {
    check("restore", Some(40_000));
}

#[test]
fn no_fault_and_no_person_breaks_a_promise() {
    check("pair", Some(40_000));
}

#[test]
fn in_two_zones_each_keeps_its_floor() {
    check("zones", Some(20_000));
}
