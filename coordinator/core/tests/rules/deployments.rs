//! R19–R25, R31, R32: how a deployment goes, turns, and ends.

use pilotage_coordinator_core::Request;
use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::world::{Course, Outcome};
use pilotage_shared::fleet::{OnFailure, Stragglers};
use pilotage_shared::health::Standing;
use pilotage_shared::intent::Go;
use pilotage_shared::name::{Version, Why};
use pilotage_shared::policy::Amount;
use pilotage_shared::time::Millis;

use crate::world::*;

fn finish(rig: &mut Rig, version: &str) {
    for _ in 0..20 {
        for name in rig.names() {
            rig.say(&name, |s| s.staged = Some(release(version)));
            rig.obey(&name);
            rig.available(&name);
        }
    }
}

#[test]
fn r25_succeeded_means_observed_on_every_member() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    finish(&mut rig, "2");
    assert_eq!(rig.outcome(2), Some(Outcome::Succeeded));
    assert_eq!(rig.world.fleets[&fleet()].settled, Some(release("2")));
    assert!(rig.waiting().is_empty());
}

#[test]
fn r25_a_member_that_joins_at_the_end_is_waited_for() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    for name in ["h1", "h2"] {
        rig.obey(name);
        rig.available(name);
    }
    rig.join("h4", "a");
    rig.obey("h3");
    rig.available("h3");
    assert_eq!(rig.outcome(2), None);
    rig.say("h4", |s| s.staged = Some(release("2")));
    rig.obey("h4");
    assert!(rig.waits_for("settling"));
    rig.available("h4");
    assert_eq!(rig.outcome(2), Some(Outcome::Succeeded));
}

#[test]
fn r21_r23_a_refusal_turns_the_fleet_back_and_holds_the_package() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.obey("h1");
    rig.begin("h2");
    rig.refuse("h2");
    let Course::Back { to, .. } = rig.newest().course else { panic!("{:?}", rig.newest().course) };
    assert_eq!(to, release("1"));
    assert!(rig.world.packages[&release("2").package].held.is_some());
    assert_eq!(rig.intent("h1").unwrap().release, Some(release("1")));
    rig.say("h1", |s| s.staged = Some(release("1")));
    rig.obey("h1");
    assert_eq!(rig.outcome(2), Some(Outcome::RolledBack), "health is not asked");
    let again = rig.ask(Request::Deploy { fleet: fleet(), what: What::Version(Version::new("2").unwrap()), file_exists: None });
    assert_eq!(again.unwrap_err().code(), "package-held");
    rig.ask(Request::ReleasePackage { digest: release("2").package }).unwrap();
    rig.deploy("2");
}

#[test]
fn r21_down_on_the_target_is_a_failure_and_unreachable_is_not() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.obey("h1");
    rig.tick(16);
    assert!(matches!(rig.newest().course, Course::Forward), "all are unreachable: a partition, not a bad version (promise 6)");
    for name in rig.names() {
        rig.connect(&name);
        rig.say(&name, |_| {});
    }
    rig.say("h1", |s| s.standing = Standing::Down);
    assert!(matches!(rig.newest().course, Course::Back { .. }));
}

#[test]
fn r21_tolerated_failures_are_named_and_do_not_turn() {
    let mut policy = spec("1");
    policy.tolerate = Amount::Percent(25);
    let mut rig = Rig::settled("aaaa", policy);
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.refuse("h1");
    assert!(matches!(rig.newest().course, Course::Forward));
    assert_ne!(rig.go("h1"), Some(Go::Activate), "R19: it is not asked again in this deployment");
    for _ in 0..4 {
        for name in ["h2", "h3", "h4"] {
            rig.obey(name);
            rig.available(name);
        }
    }
    assert_eq!(rig.outcome(2), Some(Outcome::Succeeded));
    assert_eq!(rig.newest().left_behind, [host("h1")]);
}

#[test]
fn r21_a_machine_that_was_broken_before_does_not_turn_the_deployment() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.say("h1", |s| s.standing = Standing::Down);
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.refuse("h1");
    assert!(matches!(rig.newest().course, Course::Forward));
}

#[test]
fn r20_a_first_deployment_that_fails_stops() {
    let mut rig = Rig::joined("aaa", spec("1"));
    for name in rig.names() {
        rig.available(&name);
    }
    rig.deploy("1");
    rig.staged("1");
    rig.begin("h1");
    rig.refuse("h1");
    assert_eq!(rig.outcome(1), Some(Outcome::Stopped));
    let id = rig.newest().id;
    assert_eq!(rig.ask(Request::Rollback { id }).unwrap_err().code(), "nothing-settled");
}

#[test]
fn r22_in_back_no_failure_turns_anything_and_the_end_needs_hands() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.obey("h1");
    rig.begin("h2");
    rig.refuse("h2");
    rig.say("h1", |s| s.staged = Some(release("1")));
    rig.begin("h1");
    rig.refuse("h1");
    assert_eq!(rig.outcome(2), Some(Outcome::NeedsHands));
    assert_eq!(rig.newest().left_behind, [host("h1")]);
}

#[test]
fn r24_a_cancelled_deployment_leaves_a_mixed_fleet_alone() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.obey("h1");
    rig.available("h1");
    let id = rig.newest().id;
    rig.ask(Request::Cancel { id: id.clone() }).unwrap();
    for name in rig.names() {
        let seen = rig.intent(&name).unwrap().generation;
        rig.say(&name, |s| s.seen = seen);
        rig.say(&name, |s| s.staged = Some(release("1")));
    }
    assert_eq!(rig.lent(), Vec::<String>::new());
    rig.join("h4", "a");
    rig.say("h4", |s| s.staged = Some(release("1")));
    assert_eq!(rig.lent(), ["h4"], "a member that runs neither is caught up to the settled release");
    rig.obey("h4");
    rig.available("h4");
    rig.ask(Request::Rollback { id }).unwrap();
    rig.say("h1", |s| s.staged = Some(release("1")));
    assert_eq!(rig.lent(), ["h1"]);
}

#[test]
fn r31_supersede_replaces_the_loan_of_a_host_in_change() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    let old = rig.intent("h1").unwrap().generation;
    rig.deploy("3");
    assert_eq!(rig.outcome(2), Some(Outcome::Superseded));
    let intent = rig.intent("h1").unwrap();
    assert_eq!((intent.release, intent.go), (Some(release("3")), Go::Activate));
    assert!(intent.generation > old);
    rig.commit("h1");
    assert_eq!(rig.go("h1"), Some(Go::Keep), "judged again after its run: the bits of 3 are not there");
    let seen = rig.intent("h1").unwrap().generation;
    rig.say("h1", |s| s.seen = seen);
    assert_eq!(rig.intent("h1").unwrap().go, Go::Stage);
}

#[test]
fn a_rollback_goes_to_the_settled_release_not_to_a_half_proved_one() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.obey("h1");
    rig.available("h1");
    rig.deploy("3");
    rig.staged("3");
    let id = rig.newest().id;
    rig.ask(Request::Rollback { id }).unwrap();
    for name in rig.names() {
        let seen = rig.intent(&name).unwrap().generation;
        rig.say(&name, |s| s.seen = seen);
    }
    assert_eq!(rig.intent("h1").unwrap().release, Some(release("1")));
}

#[test]
fn pause_begins_nothing_more_and_an_automatic_rollback_works_while_paused() {
    let mut rig = Rig::settled("aaaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    let id = rig.newest().id;
    rig.ask(Request::Pause { id }).unwrap();
    assert_eq!(rig.lent(), ["h1"], "its run finishes, the unused loans are withdrawn");
    assert!(rig.waits_for("paused"));
    rig.refuse("h1");
    assert!(matches!(rig.newest().course, Course::Back { .. }));
}

#[test]
fn the_policy_can_pause_instead_and_a_person_goes_on_from_there() {
    let mut policy = spec("1");
    policy.on_failure = OnFailure::Pause;
    let mut rig = Rig::settled("aaaa", policy);
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.refuse("h1");
    assert!(rig.newest().paused.is_some());
    for name in ["h2", "h3", "h4"] {
        rig.say(name, |s| s.running = Some(release("2")));
    }
    assert_eq!(rig.outcome(2), None, "failures over the tolerance never end as a success");
    assert!(rig.waits_for("refused"));
    rig.ask(Request::Resume { fleet: fleet() }).unwrap();
    assert!(rig.newest().paused.is_none());
}

#[test]
fn stragglers_follow_later_when_the_policy_allows() {
    let mut policy = spec("1");
    policy.stragglers = Some(Stragglers { after: Millis::seconds(60), at_most: Amount::Percent(25) });
    let mut rig = Rig::settled("aaaa", policy);
    rig.say("h4", |s| s.pinned = None);
    rig.ask(Request::CordonHost { host: host("h4") }).unwrap();
    rig.deploy("2");
    finish_three(&mut rig);
    assert!(rig.waits_for("stragglers"));
    for _ in 0..7 {
        rig.tick(10);
        for name in rig.names() {
            rig.heartbeat(&name);
        }
    }
    assert_eq!(rig.outcome(2), Some(Outcome::Succeeded));
    assert_eq!(rig.newest().left_behind, [host("h4")]);
    // It comes back: catch-up, by the same planner.
    rig.ask(Request::UncordonHost { host: host("h4") }).unwrap();
    rig.say("h4", |s| s.staged = Some(release("2")));
    assert_eq!(rig.lent(), ["h4"]);
}

fn finish_three(rig: &mut Rig) {
    for _ in 0..4 {
        for name in ["h1", "h2", "h3"] {
            rig.say(name, |s| s.staged = Some(release("2")));
            rig.obey(name);
            rig.available(name);
        }
    }
}

#[test]
fn pinned_hosts_are_left_out_and_named() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.say("h3", |s| s.pinned = Some(Why::lossy("maria: debugging")));
    rig.deploy("2");
    rig.staged("2");
    for _ in 0..3 {
        for name in ["h1", "h2"] {
            rig.obey(name);
            rig.available(name);
        }
    }
    assert_eq!(rig.outcome(2), Some(Outcome::Succeeded));
    assert_eq!(rig.newest().left_behind, [host("h3")]);
}

#[test]
fn r29_a_blocked_package_is_deployed_nowhere_and_its_deployment_waits_by_name() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    rig.staged("2");
    rig.ask(Request::BlockPackage { digest: release("2").package }).unwrap();
    assert_eq!(rig.lent(), Vec::<String>::new());
    assert!(rig.waits_for("held"));
    let refused = rig.ask(Request::Deploy { fleet: fleet(), what: What::Version(Version::new("2").unwrap()), file_exists: None });
    assert_eq!(refused.unwrap_err().code(), "package-blocked");
}

#[test]
fn a_restart_is_a_deployment_like_any_other() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.ask(Request::Deploy { fleet: fleet(), what: What::Restart, file_exists: None }).unwrap();
    let target = rig.newest().release;
    assert_eq!((target.package, target.restart), (release("1").package, 1));
    for name in rig.names() {
        rig.say(&name, |s| s.staged = Some(target));
    }
    assert_eq!(rig.lent(), ["h1", "h2"]);
    rig.begin("h1");
    rig.refuse("h1");
    assert!(rig.world.packages[&release("1").package].held.is_none(), "the way back is never held");
}

#[test]
fn a_person_retries_a_host_that_refused() {
    let mut policy = spec("1");
    policy.tolerate = Amount::Count(1);
    let mut rig = Rig::settled("aaaa", policy);
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.refuse("h1");
    assert_ne!(rig.go("h1"), Some(Go::Activate));
    rig.ask(Request::RetryHost { host: host("h1") }).unwrap();
    for name in ["h2", "h3", "h4"] {
        rig.obey(name);
        rig.available(name);
    }
    assert_eq!(rig.lent(), ["h1"]);
}

#[test]
fn what_a_deployment_says_of_files_that_are_there_goes_with_its_release() {
    use pilotage_shared::file_exists::FileExists::{Overwrite, Retain};
    let mut rig = Rig::settled("aaa", spec("1"));
    let check = |rig: &Rig, version: &str, expected| {
        let intents = rig.names().into_iter().filter_map(|name| rig.intent(&name));
        let told: Vec<_> = intents.filter(|i| i.release.is_some_and(|r| r.package == release(version).package)).map(|i| i.file_exists).collect();
        assert!(!told.is_empty() && told.iter().all(|said| *said == expected), "{version}: {told:?}");
    };
    check(&rig, "1", None);
    rig.deploy_saying("2", Some(Overwrite));
    check(&rig, "2", Some(Overwrite));
    rig.staged("2");
    check(&rig, "2", Some(Overwrite));
    rig.obey("h1");
    rig.begin("h2");
    rig.refuse("h2");
    assert!(matches!(rig.newest().course, Course::Back { .. }));
    check(&rig, "1", None);

    rig.ask(Request::ReleasePackage { digest: release("2").package }).unwrap();
    rig.deploy_saying("2", Some(Retain));
    rig.staged("2");
    for _ in 0..2 {
        for name in rig.names() {
            rig.obey(&name);
            rig.available(&name);
        }
    }
    assert_eq!(rig.outcome(3), Some(Outcome::Succeeded), "{:?}", rig.waiting());
    rig.join("h4", "b");
    rig.restart(2);
    for name in rig.names() {
        rig.connect(&name);
        rig.say(&name, |_| {});
    }
    check(&rig, "2", Some(Retain));

    rig.deploy("3");
    check(&rig, "3", None);
    rig.staged("3");
    rig.obey("h1");
    rig.begin("h2");
    rig.refuse("h2");
    assert!(matches!(rig.newest().course, Course::Back { .. }));
    check(&rig, "2", Some(Retain));

    rig.ask(Request::Deploy { fleet: fleet(), what: What::Restart, file_exists: None }).unwrap();
    check(&rig, "2", Some(Retain));
    rig.ask(Request::Deploy { fleet: fleet(), what: What::Restart, file_exists: Some(Overwrite) }).unwrap();
    check(&rig, "2", Some(Overwrite));
}
