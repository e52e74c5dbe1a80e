//! Small worlds, completely; larger ones: `cargo run --release -p pilotage-model -- --world NAME`.

use pilotage_model::Protocol;
use pilotage_model::search::{Search, search};
use pilotage_model::worlds::named;

/// Searches all of these worlds.
fn check(worlds: &[&str]) {
    for name in worlds {
        let world = named(name).expect("a world of the list");
        let found = search(Protocol::of(world.limits), Search { at_most: None, breadth: false, threads: 2 });
        assert!(found.broken.is_none(), "{name}: {:#?}", found.broken);
        assert!(found.complete && found.good_end, "{name}: the deployment cannot be made: {found:?}");
    }
}

#[test]
fn frames_may_be_late_lost_and_repeated() {
    check(&["calm", "late", "late-2", "late-3", "loss"]);
}

/// A state stands for all that nobody can tell from it. If two behaved differently, what is found would depend on which was met first.
#[test]
fn it_does_not_matter_which_of_two_equal_states_is_met_first() {
    for name in ["loss", "failures", "three"] {
        let limits = named(name).expect("a world of the list").limits;
        let count = |breadth, threads| {
            let found = search(Protocol::of(limits), Search { at_most: None, breadth, threads });
            (found.states, found.generated)
        };
        assert_eq!(count(true, 1), count(false, 1), "{name}");
        assert_eq!(count(true, 1), count(false, 2), "{name}");
    }
}

#[test]
fn runs_may_fail_and_the_deployment_turns() {
    check(&["failures"]);
}

#[test]
fn three_hosts_keep_their_floor() {
    check(&["three"]);
}
