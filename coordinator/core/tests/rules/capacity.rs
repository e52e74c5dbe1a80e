//! R8–R15, R30: who may be taken out of service, and when capacity comes back.

use pilotage_coordinator_core::{Change, Rejected, Request};
use pilotage_shared::health::Standing;
use pilotage_shared::intent::Go;
use pilotage_shared::name::{LabelKey, Why};
use pilotage_shared::policy::Amount;

use crate::world::*;

#[test]
fn r10_a_batch_is_what_the_floor_leaves() {
    let mut rig = Rig::settled("aaaaaa", spec("66%"));
    rig.deploy("2");
    assert_eq!(rig.lent(), Vec::<String>::new(), "bits before disruption");
    assert!(rig.waits_for("staging"));
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"], "floor 4 of 6");
    assert!(rig.waits_for("floor"));
    rig.obey("h1");
    assert_eq!(rig.lent(), ["h2"], "a settling host does not count yet (R9)");
    rig.available("h1");
    assert_eq!(rig.lent(), ["h2", "h3"]);
}

#[test]
fn r10_a_label_floor_holds_in_each_value() {
    let mut policy = spec("0");
    policy.floor_per.insert(LabelKey::new("zone").unwrap(), Amount::Percent(50));
    let mut rig = Rig::settled("aaabb", policy);
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h4"], "zone a: floor 2 of 3, zone b: floor 1 of 2");
    let floor = rig.waiting().into_iter().find(|w| w.cause.kind() == "floor").unwrap();
    assert_eq!(floor.hosts, [host("h2"), host("h3")]);
}

#[test]
fn r10_down_hosts_are_free_of_the_floor_but_not_of_the_batch() {
    let mut policy = spec("50%");
    policy.parallel = Some(Amount::Count(2));
    let mut rig = Rig::settled("aaaaaa", policy);
    for name in rig.names() {
        rig.say(&name, |s| s.standing = Standing::Down);
    }
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"], "a shared outage must not make one batch of the fleet");
    assert!(rig.waits_for("batch"));
    assert!(rig.intent("h1").unwrap().while_down, "R15: a free loan holds only while the host is down");
}

#[test]
fn r10_below_the_floor_only_down_hosts_are_taken() {
    let mut rig = Rig::settled("aaaa", spec("3"));
    for name in ["h1", "h2"] {
        rig.say(name, |s| s.standing = Standing::Down);
    }
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"]);
    let floor = rig.waiting().into_iter().find(|w| w.cause.kind() == "floor").unwrap();
    assert_eq!(floor.count, 2, "h3 and h4 wait for the floor");
}

#[test]
fn r9_settling_and_unknown_hosts_neither_count_nor_are_they_free() {
    for standing in [Standing::Settling, Standing::Unknown] {
        let mut rig = Rig::settled("aaa", spec("2"));
        rig.say("h1", |s| s.standing = standing);
        rig.deploy("2");
        rig.staged("2");
        assert_eq!(rig.lent(), ["h1"], "taken because the floor holds without it; nobody else may go ({standing:?})");
        assert!(!rig.intent("h1").unwrap().while_down);
        let mut rig = Rig::settled("aaa", spec("2"));
        rig.say("h1", |s| s.standing = standing);
        rig.say("h2", |s| s.standing = standing);
        rig.deploy("2");
        rig.staged("2");
        assert_eq!(rig.lent(), Vec::<String>::new(), "{standing:?}");
    }
}

#[test]
fn r11_a_floor_that_can_never_be_kept_is_refused_at_once() {
    let mut rig = Rig::settled("aaa", spec("66%"));
    let refused = rig.ask(Request::PutFleet { spec: Box::new(spec("100%")) }).unwrap_err();
    assert_eq!(refused, Rejected::FloorTooHigh { scope: "the fleet".into(), floor: 3, members: 3, most: 2 });
    // The same at a relabel that would take too many members away.
    let refused = rig.ask(Request::LabelHost { host: host("h1"), labels: Default::default() }).unwrap_err();
    assert_eq!(refused.code(), "floor-too-high");
}

#[test]
fn r11_unreachable_members_stay_in_the_denominator() {
    let mut rig = Rig::settled("aaaa", spec("75%"));
    rig.tick(10);
    for name in ["h1", "h2", "h3"] {
        rig.heartbeat(name);
    }
    rig.tick(10);
    for name in ["h1", "h2", "h3"] {
        rig.heartbeat(name);
    }
    rig.deploy("2");
    for name in ["h1", "h2", "h3"] {
        rig.say(name, |s| s.staged = Some(release("2")));
    }
    assert_eq!(rig.lent(), Vec::<String>::new(), "floor 3 of 4, 3 available");
    assert!(rig.waits_for("unreachable"));
}

#[test]
fn r12_only_its_own_spent_generation_returns_a_loan() {
    let mut rig = Rig::settled("aaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1"]);
    let generation = rig.intent("h1").unwrap().generation;
    rig.say("h1", |s| s.seen = generation);
    assert_eq!(rig.lent(), ["h1"], "seen, not begun: it may begin later");
    rig.begin("h1");
    assert_eq!(rig.lent(), ["h1"], "the run is alive");
    rig.commit("h1");
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_none());
}

#[test]
fn r12_a_withdrawn_loan_returns_when_the_host_has_seen_the_withdrawal() {
    let mut rig = Rig::settled("aaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    let lent = rig.intent("h1").unwrap().generation;
    let id = rig.newest().id;
    rig.ask(Request::Cancel { id }).unwrap();
    let keep = rig.intent("h1").unwrap();
    assert_eq!(keep.go, Go::Keep);
    assert!(keep.generation > lent, "R8: a withdrawal has a generation of its own");
    rig.say("h1", |s| s.seen = lent);
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_some());
    rig.say("h1", |s| s.seen = keep.generation);
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_none());
}

#[test]
fn r13_no_silence_returns_a_loan_but_retiring_does() {
    let mut rig = Rig::settled("aaaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"]);
    rig.tick(20);
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_some());
    rig.ask(Request::RetireHost { host: host("h1") }).unwrap();
    assert!(rig.world.slot(&app(), &host("h1")).is_none());
    assert_eq!(rig.hello("h1").unwrap_err().code(), "host-retired");
}

#[test]
fn r14_a_host_that_leaves_takes_its_loan_with_it() {
    let mut rig = Rig::settled("aaaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.ask(Request::LabelHost { host: host("h1"), labels: Default::default() }).unwrap();
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_some(), "still lent, the run finishes");
    rig.ask(Request::LabelHost { host: host("h2"), labels: labels("b") }).unwrap();
    rig.commit("h1");
    assert!(rig.world.slot(&app(), &host("h1")).unwrap().loan.is_none());
    // An unused loan of a host that left is withdrawn.
    let mut rig = Rig::settled("aaaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    rig.ask(Request::LabelHost { host: host("h1"), labels: Default::default() }).unwrap();
    assert_eq!(rig.go("h1"), Some(Go::Keep));
}

#[test]
fn r15_a_free_loan_is_withdrawn_when_its_host_recovers_below_the_floor() {
    let mut rig = Rig::settled("aaa", spec("2"));
    rig.say("h1", |s| s.standing = Standing::Down);
    rig.say("h2", |s| s.standing = Standing::Down);
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"]);
    rig.say("h1", |s| s.standing = Standing::Available);
    assert_eq!(rig.go("h1"), Some(Go::Keep));
}

#[test]
fn r15_unused_loans_are_withdrawn_when_joiners_raise_the_floor() {
    let mut rig = Rig::settled("aaaaaa", spec("66%"));
    rig.deploy("2");
    rig.staged("2");
    assert_eq!(rig.lent(), ["h1", "h2"]);
    rig.join("h7", "a");
    assert_eq!(rig.lent(), Vec::<String>::new(), "floor 5 of 7, 4 count");
}

#[test]
fn r30_a_host_that_declines_is_not_lent_again_until_it_changes_its_mind() {
    let mut rig = Rig::settled("aaa", spec("2"));
    rig.deploy("2");
    rig.staged("2");
    let generation = rig.intent("h1").unwrap().generation;
    rig.say("h1", |s| {
        (s.seen, s.spent) = (generation, generation);
        s.declines = Some(Why::lossy("disk full"));
    });
    assert_eq!(rig.lent(), ["h2"]);
    assert!(rig.waits_for("declines"));
    rig.obey("h2");
    rig.available("h2");
    rig.obey("h3");
    rig.available("h3");
    assert_eq!(rig.lent(), Vec::<String>::new());
    rig.say("h1", |s| s.declines = None);
    assert_eq!(rig.lent(), ["h1"]);
}

#[test]
fn r8_every_loan_and_withdrawal_takes_a_new_generation() {
    let mut rig = Rig::settled("aaaaaa", spec("3"));
    rig.deploy("2");
    rig.staged("2");
    rig.deploy("3");
    rig.staged("3");
    let mut generations: Vec<u64> = rig
        .changes
        .iter()
        .filter_map(|c| match c {
            Change::Lent { loan, .. } => Some(loan.generation.0),
            Change::Withdrawn { generation, .. } | Change::Renumbered { generation, .. } => Some(generation.0),
            Change::Deployed { deployment } => Some(deployment.base.0),
            _ => None,
        })
        .collect();
    let all = generations.len();
    generations.sort_unstable();
    generations.dedup();
    assert_eq!(generations.len(), all);
}

#[test]
fn first_deployment_over_something_that_serves_keeps_the_floor() {
    let mut rig = Rig::joined("aaaa", spec("2"));
    for name in rig.names() {
        rig.available(&name);
    }
    rig.deploy("1");
    rig.staged("1");
    assert_eq!(rig.lent(), ["h1", "h2"], "what serves counts, whatever it runs");
}

#[test]
fn a_fleet_without_a_health_check_takes_empty_slots_only_when_told_to() {
    let mut policy = spec("2");
    policy.health = None;
    let mut rig = Rig::joined("aaaa", policy.clone());
    for name in rig.names() {
        rig.say(&name, |s| s.standing = Standing::Unknown);
    }
    rig.deploy("1");
    rig.staged("1");
    assert_eq!(rig.lent(), Vec::<String>::new());
    assert!(rig.waits_for("first-install"));
}

#[test]
fn r32_a_floor_that_waits_names_who_is_missing_and_why() {
    let mut rig = Rig::settled("aaaaaa", spec("66%"));
    rig.say("h6", |s| s.standing = Standing::Down);
    rig.say("h5", |s| s.standing = Standing::Settling);
    rig.deploy("2");
    for host in ["h1", "h2", "h3", "h4"] {
        rig.say(host, |s| s.staged = Some(release("2")));
    }
    let missing = |rig: &Rig| {
        let floor = rig.waiting().into_iter().find(|w| w.cause.kind() == "floor").unwrap();
        let missing: Vec<String> =
            floor.missing.iter().map(|m| format!("{:?} {}", m.why, m.hosts.iter().map(|h| h.as_str()).collect::<String>())).collect();
        (missing.join(", "), floor.lifts_by_itself())
    };
    assert_eq!(missing(&rig), ("Settling h5, Down h6".into(), true), "h5 is on the way");
    rig.say("h5", |s| s.standing = Standing::Down);
    assert_eq!(missing(&rig), ("Down h5h6".into(), false), "nobody is: a person must look");
}
