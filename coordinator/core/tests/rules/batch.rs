//! R10, R15: no more are in change than may be, also after people have changed their minds.

use pilotage_coordinator_core::Request;
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::intent::Go;
use pilotage_shared::policy::Amount;

use crate::world::*;

fn at_most(parallel: u32) -> FleetSpec {
    FleetSpec { parallel: Some(Amount::Count(parallel)), ..spec("0") }
}

/// The host says that it has seen what it was told last.
fn acknowledge(rig: &mut Rig, name: &str) {
    let generation = rig.intent(name).unwrap().generation;
    rig.say(name, |s| s.seen = generation);
}

#[test]
fn r15_nobody_is_lent_beside_one_that_comes_back_with_its_loan() {
    let mut rig = Rig::settled("aaa", at_most(1));
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1"]);
    rig.ask(Request::LabelHost { host: host("h1"), labels: Default::default() }).unwrap();
    assert_eq!(rig.lent(), ["h2"], "h1 is no member: its loan is withdrawn, and is in nobody's batch");
    rig.ask(Request::LabelHost { host: host("h1"), labels: labels("a") }).unwrap();
    assert_eq!(rig.lent(), Vec::<String>::new(), "h1 may still begin: it has not seen the withdrawal");
    acknowledge(&mut rig, "h1");
    assert_eq!(rig.lent(), Vec::<String>::new(), "nor has h2");
    acknowledge(&mut rig, "h2");
    assert_eq!(rig.lent(), ["h1"]);
}

#[test]
fn r15_a_run_that_comes_back_leaves_no_room_for_an_unused_loan() {
    let mut rig = Rig::settled("aaa", at_most(1));
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.ask(Request::LabelHost { host: host("h1"), labels: Default::default() }).unwrap();
    assert_eq!(rig.lent(), ["h1", "h2"], "h1 finishes what it has begun");
    rig.ask(Request::LabelHost { host: host("h1"), labels: labels("a") }).unwrap();
    assert_eq!((rig.go("h2"), rig.lent()), (Some(Go::Keep), vec!["h1".to_owned()]));
    // Who had begun finishes.
    rig.commit("h1");
    rig.available("h1");
    acknowledge(&mut rig, "h2");
    assert_eq!(rig.lent(), ["h2"]);
}

#[test]
fn r15_a_smaller_batch_is_kept_by_all_that_have_not_begun() {
    let mut rig = Rig::settled("aaaaa", at_most(3));
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2", "h3"]);
    rig.begin("h1");
    rig.ask(Request::PutFleet { spec: Box::new(at_most(2)) }).unwrap();
    assert_eq!(rig.lent(), ["h1"], "three would be one too many, and who has not begun asks again");
    acknowledge(&mut rig, "h2");
    acknowledge(&mut rig, "h3");
    assert_eq!(rig.lent(), ["h1", "h2"]);
}
