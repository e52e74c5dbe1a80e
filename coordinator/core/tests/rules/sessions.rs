//! R2–R5, R16–R18, R28: sessions, restarts, restored stores, identities.

use pilotage_coordinator_core::{Answer, Change, Request};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::{Generation, LedgerId};
use pilotage_shared::intent::Go;

use crate::world::*;

#[test]
fn r2_every_session_is_new() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let mut seen = vec![rig.hosts[&host("h1")].session.unwrap()];
    for epoch in 2..5 {
        rig.connect("h1");
        seen.push(rig.hosts[&host("h1")].session.unwrap());
        rig.say("h1", |_| {});
        rig.restart(epoch);
        rig.connect("h1");
        seen.push(rig.hosts[&host("h1")].session.unwrap());
        rig.say("h1", |_| {});
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn r3_no_intent_before_the_first_status_of_a_session() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    assert!(rig.intent("h1").is_some());
    rig.connect("h1");
    assert_eq!(rig.intent("h1"), None);
    rig.say("h1", |_| {});
    assert!(rig.intent("h1").is_some());
}

#[test]
fn r3_a_status_of_another_session_is_dropped() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let old = rig.status("h1");
    rig.connect("h1");
    assert_eq!(rig.report("h1", old).unwrap_err().code(), "stale");
}

#[test]
fn r4_only_a_higher_sequence_is_admitted() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let old = rig.status("h1");
    rig.say("h1", |s| s.standing = Standing::Down);
    assert_eq!(rig.report("h1", old).unwrap_err().code(), "stale");
    let slot = rig.world.slot(&app(), &host("h1")).unwrap();
    assert_eq!(slot.status.as_ref().unwrap().standing, Standing::Down);
}

#[test]
fn r16_after_a_start_nobody_counts_or_is_lent_until_heard() {
    let mut rig = Rig::settled("aaaa", spec("2"));
    rig.deploy("2");
    rig.restart(2);
    assert_eq!(rig.world.counts(&fleet()).available, 0);
    rig.connect("h1");
    rig.say("h1", |s| s.staged = Some(release("2")));
    assert_eq!(rig.lent(), Vec::<String>::new());
    assert!(rig.waits_for("unheard"));
    for name in ["h2", "h3"] {
        rig.connect(name);
        rig.say(name, |s| s.staged = Some(release("2")));
    }
    assert_eq!(rig.lent(), Vec::<String>::new(), "h4 was not heard, and one silence time has not passed");
    rig.tick(10);
    for name in ["h1", "h2", "h3"] {
        rig.heartbeat(name);
    }
    rig.tick(6);
    assert_eq!(rig.lent(), ["h1"], "3 count, floor 2; h4 is not waited for any more");
}

#[test]
fn r16_loans_stay_as_stored_over_a_restart_of_the_coordinator() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.restart(2);
    let loan = |rig: &Rig, name| rig.world.slot(&app(), &host(name)).unwrap().loan.clone();
    assert!(loan(&rig, "h1").is_some() && loan(&rig, "h2").is_some());
    for name in rig.names() {
        rig.connect(&name);
        rig.say(&name, |_| {});
    }
    assert!(!loan(&rig, "h1").unwrap().withdrawn, "in change");
    // The unused one was judged at the first status of its session, when nobody else counted yet (R3, R15).
    assert!(loan(&rig, "h2").unwrap().withdrawn);
}

#[test]
fn r17_r18_a_host_ahead_raises_the_counter_and_freezes_its_fleet() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.deploy("2");
    for _ in 0..3 {
        rig.staged("2");
        for name in rig.names() {
            rig.obey(&name);
            rig.available(&name);
        }
    }
    let seen = rig.hosts[&host("h1")].slot.seen;
    rig.restore(backup, 9);
    for name in rig.names() {
        rig.connect(&name);
        rig.say(&name, |_| {});
    }
    assert!(rig.world.counter >= seen);
    let frozen = rig.world.fleets[&fleet()].frozen.clone().expect("frozen");
    assert_eq!(frozen.host, host("h1"));
    for name in rig.names() {
        assert_eq!(rig.go(&name), Some(Go::Keep), "nobody moves backwards by itself (promise 8)");
    }
    // A person goes on; hosts that are ahead do not freeze it again.
    rig.deploy("2");
    assert!(rig.world.fleets[&fleet()].frozen.is_none());
    let ahead = Generation(rig.world.counter.0 + 5);
    rig.say("h2", |s| s.seen = ahead);
    assert!(rig.world.fleets[&fleet()].frozen.is_none());
    assert_eq!(rig.world.counter, ahead);
}

#[test]
fn r17_a_counter_jump_quarantines_the_host() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.hosts.get_mut(&host("h1")).unwrap().slot.seen = Generation(1 << 40);
    let status = rig.status("h1");
    assert!(matches!(rig.report("h1", status), Ok(Answer::Goodbye(_))));
    assert!(rig.world.counter.0 < 1 << 32);
    assert_eq!(rig.hello("h1").unwrap_err().code(), "host-quarantined");
    assert_eq!(rig.world.counts(&fleet()).available, 2, "it counts nowhere");
}

#[test]
fn r28_a_clone_with_an_earlier_session_is_quarantined_and_a_reimage_is_not() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let old = rig.hosts[&host("h1")].last;
    rig.connect("h1");
    rig.say("h1", |_| {});
    rig.hosts.get_mut(&host("h1")).unwrap().last = old;
    assert!(matches!(rig.hello("h1"), Ok(Answer::Goodbye(_))));
    // A person re-joins it.
    rig.ask(Request::RetryHost { host: host("h1") }).unwrap();
    rig.connect("h1");
    // A new ledger without a last session: the same host, installed anew.
    let paper = rig.hosts.get_mut(&host("h2")).unwrap();
    (paper.ledger, paper.last) = (LedgerId([99; 16]), None);
    rig.connect("h2");
}

#[test]
fn r28_a_known_ledger_that_has_forgotten_what_it_saw_is_quarantined() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.connect("h1");
    rig.hosts.get_mut(&host("h1")).unwrap().slot.seen = Generation(0);
    let status = rig.status("h1");
    assert!(matches!(rig.report("h1", status), Ok(Answer::Goodbye(_))));
}

#[test]
fn r32_a_quarantined_host_is_waited_for_by_that_name() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.connect("h1");
    rig.hosts.get_mut(&host("h1")).unwrap().slot.seen = Generation(0);
    let status = rig.status("h1");
    rig.report("h1", status).unwrap();
    rig.deploy("2");
    rig.tick(60);
    let named = rig.waiting().into_iter().find(|w| w.cause.kind() == "quarantined").map(|w| w.hosts);
    assert_eq!(named, Some(vec![host("h1")]), "{:?}", rig.waiting());
    rig.restart(2);
    assert!(rig.waits_for("quarantined"), "it cannot be heard before a person has looked at it: {:?}", rig.waiting());
}

#[test]
fn a_status_that_changes_no_fact_costs_no_durable_write() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.say("h1", |_| {});
    let before = rig.changes.len();
    rig.say("h1", |s| s.health.for_ms = 7);
    rig.heartbeat("h1");
    let mut world = rig.world.clone();
    for change in &rig.changes[before..] {
        assert!(world.apply(change).records.is_empty(), "{change:?}");
    }
}

#[test]
fn r18_who_is_ahead_is_noticed_also_after_other_fleets_have_raised_the_counter_and_a_second_start() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.deploy("2");
    rig.staged("2");
    for name in rig.names() {
        rig.obey(&name);
    }
    let seen = rig.hosts[&host("h1")].slot.seen;
    rig.restore(backup, 9);
    assert!(rig.world.counter < seen);
    rig.world.apply(&Change::CounterRaised { to: Generation(seen.0 + 10) });
    rig.restart(10);
    rig.connect("h1");
    rig.say("h1", |_| {});
    let frozen = rig.world.fleets[&fleet()].frozen.clone().expect("frozen");
    assert_eq!((frozen.host, frozen.seen), (host("h1"), seen));
}
