//! Configurations: numbers, pushes that are deployments, the pair that goes back, what is held (R23), joiners and catch-up.

use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::world::configuration::Numbers;
use pilotage_coordinator_core::world::{Course, Outcome};
use pilotage_coordinator_core::{Answer, Rejected, Request};
use pilotage_shared::digest::Digest;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::Version;
use pilotage_shared::release::Release;

use crate::world::*;

fn config(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn put(rig: &mut Rig, text: &str, deploy: bool) -> Result<(u32, Option<DeploymentId>), Rejected> {
    let numbers = Numbers { files: 1, bytes: 9, variables: 1, secrets: 1 };
    match rig.ask(Request::PutConfiguration { fleet: fleet(), digest: config(text), numbers, deploy })? {
        Answer::Configuration { number, deployment, .. } => Ok((number, deployment)),
        other => panic!("{other:?}"),
    }
}

fn with(version: &str, text: &str) -> Release {
    Release { config: Some(config(text)), ..release(version) }
}

fn deploy(rig: &mut Rig, version: &str, config: Option<u32>) -> Result<Answer, Rejected> {
    let what = What::Configured { what: Box::new(What::Version(Version::new(version).unwrap())), config };
    rig.ask(Request::Deploy { fleet: fleet(), what, file_exists: None })
}

/// Everybody stages what is wanted, obeys, and is available, until it is over.
fn finish(rig: &mut Rig) {
    for _ in 0..8 {
        for name in rig.names() {
            let intent = rig.intent(&name).unwrap();
            rig.say(&name, |s| (s.staged, s.seen) = (intent.release, s.seen.max(intent.generation)));
            rig.obey(&name);
            rig.available(&name);
        }
    }
}

fn settled(rig: &Rig) -> Release {
    rig.world.fleets[&fleet()].settled.unwrap()
}

/// Three hosts settled on version 1 with `one`.
fn configured() -> Rig {
    let mut rig = Rig::settled("aaa", spec("1"));
    put(&mut rig, "one", true).unwrap();
    finish(&mut rig);
    assert_eq!(settled(&rig), with("1", "one"));
    rig
}

#[test]
fn a_push_is_a_deployment_of_the_settled_package_with_the_fleets_policy() {
    let mut rig = Rig::settled("aaa", spec("2"));
    assert_eq!(put(&mut rig, "one", true).unwrap(), (1, Some("prod.2".parse().unwrap())));
    assert_eq!((rig.newest().release, rig.newest().over), (with("1", "one"), Some(release("1"))));
    for name in rig.names() {
        rig.say(&name, |s| s.staged = Some(with("1", "one")));
    }
    assert_eq!(rig.lent(), ["h1"], "the floor of 2 holds for a configuration as for a package");
    finish(&mut rig);
    assert_eq!((rig.outcome(2), settled(&rig)), (Some(Outcome::Succeeded), with("1", "one")));
    assert_eq!(rig.world.release_name(&settled(&rig)), "web@1+c1");
}

#[test]
fn bits_of_the_package_alone_are_not_the_bits_of_the_release() {
    let mut rig = Rig::settled("aaa", spec("1"));
    put(&mut rig, "one", true).unwrap();
    rig.staged("1");
    assert_eq!(rig.lent(), Vec::<String>::new());
    assert!(rig.waits_for("staging"));
}

#[test]
fn the_same_content_is_the_same_number_and_pushing_what_runs_changes_nothing() {
    let mut rig = configured();
    assert_eq!(put(&mut rig, "one", true).unwrap(), (1, None));
    assert_eq!(put(&mut rig, "two", false).unwrap(), (2, None));
    assert_eq!(put(&mut rig, "two", false).unwrap(), (2, None));
    assert_eq!(rig.newest().id.number, 2, "registering alone deploys nothing");
    assert_eq!(put(&mut rig, "two", true).unwrap(), (2, Some("prod.3".parse().unwrap())));
    assert_eq!(put(&mut rig, "two", true).unwrap(), (2, None), "it is on its way already");
}

#[test]
fn a_deployment_takes_the_current_configuration_unless_it_names_one() {
    let mut rig = configured();
    put(&mut rig, "two", false).unwrap();
    rig.deploy("2");
    assert_eq!(rig.newest().release, with("2", "one"), "not the newest, but the one that is settled");
    deploy(&mut rig, "2", Some(2)).unwrap();
    assert_eq!(rig.newest().release, with("2", "two"));
    deploy(&mut rig, "2", None).unwrap();
    assert_eq!(rig.newest().release, release("2"));
    let settled = What::Configured { what: Box::new(What::Settled), config: Some(2) };
    rig.ask(Request::Deploy { fleet: fleet(), what: settled, file_exists: None }).unwrap();
    assert_eq!(rig.newest().release, with("1", "two"));
    assert_eq!(deploy(&mut rig, "2", Some(9)).unwrap_err().code(), "unknown-configuration");
}

#[test]
fn while_nothing_is_settled_a_push_waits_for_the_first_deployment() {
    let mut rig = Rig::joined("aaa", spec("1"));
    assert_eq!(put(&mut rig, "one", true).unwrap(), (1, None));
    rig.deploy("1");
    assert_eq!(rig.newest().release, with("1", "one"));
    finish(&mut rig);
    assert_eq!(settled(&rig), with("1", "one"));
}

#[test]
fn a_push_does_not_take_away_a_package_that_is_on_its_way_but_another_configuration() {
    let mut rig = configured();
    rig.deploy("2");
    assert_eq!(put(&mut rig, "two", true).unwrap_err().code(), "deployment-in-course");
    assert_eq!(rig.world.configurations.len(), 1, "what is refused is not registered");
    rig.ask(Request::Cancel { id: rig.newest().id }).unwrap();
    put(&mut rig, "two", true).unwrap();
    put(&mut rig, "three", true).unwrap();
    assert_eq!(rig.newest().release, with("1", "three"));
}

#[test]
fn r23_a_bad_configuration_goes_back_as_a_pair_and_only_the_pair_is_held() {
    let mut rig = configured();
    put(&mut rig, "bad", true).unwrap();
    for name in rig.names() {
        rig.say(&name, |s| s.staged = Some(with("1", "bad")));
    }
    rig.obey("h2");
    rig.available("h2");
    rig.begin("h1");
    rig.refuse("h1");
    assert!(matches!(rig.newest().course, Course::Back { to, .. } if to == with("1", "one")));
    finish(&mut rig);
    assert_eq!(rig.outcome(3), Some(Outcome::RolledBack));
    assert!(rig.hosts.values().all(|h| h.slot.running == Some(with("1", "one"))));
    assert!(rig.world.packages[&release("1").package].held.is_none(), "the good package is not held");
    let refused = put(&mut rig, "bad", true).unwrap_err();
    assert_eq!(
        (refused.code(), refused.to_string()),
        ("configuration-held", "web@1+c2 is held since it failed in prod.3: h1 ValidateService exit 1".into())
    );
    assert_eq!(deploy(&mut rig, "1", Some(2)).unwrap_err().code(), "configuration-held");
    deploy(&mut rig, "2", Some(2)).unwrap();
    assert_eq!(rig.newest().release, with("2", "bad"), "another package may know what to do with it");
}

#[test]
fn r23_a_hold_outlives_a_restart_and_ends_by_a_persons_word() {
    let mut rig = configured();
    put(&mut rig, "bad", true).unwrap();
    rig.ask(Request::Rollback { id: rig.newest().id }).unwrap();
    finish(&mut rig);
    rig.restart(2);
    for name in rig.names() {
        rig.connect(&name);
        rig.say(&name, |_| {});
    }
    assert_eq!(put(&mut rig, "bad", true).unwrap_err().code(), "configuration-held");
    rig.ask(Request::ReleaseConfiguration { app: app(), number: 2 }).unwrap();
    let again = rig.ask(Request::ReleaseConfiguration { app: app(), number: 2 });
    assert_eq!(again.unwrap_err().code(), "configuration-not-held");
    put(&mut rig, "bad", true).unwrap();
    finish(&mut rig);
    assert_eq!(settled(&rig), with("1", "bad"));
}

#[test]
fn r23_where_both_are_new_the_package_is_held() {
    let mut rig = configured();
    put(&mut rig, "two", false).unwrap();
    deploy(&mut rig, "2", Some(2)).unwrap();
    rig.ask(Request::Rollback { id: rig.newest().id }).unwrap();
    assert!(rig.world.packages[&release("2").package].held.is_some() && rig.world.held_pairs.is_empty());
    finish(&mut rig);
    put(&mut rig, "two", true).unwrap();
}

#[test]
fn taking_the_configuration_away_can_fail_too_and_is_released_with_the_package() {
    let mut rig = configured();
    deploy(&mut rig, "1", None).unwrap();
    rig.ask(Request::Rollback { id: rig.newest().id }).unwrap();
    finish(&mut rig);
    assert_eq!(settled(&rig), with("1", "one"));
    assert_eq!(deploy(&mut rig, "1", None).unwrap_err().to_string(), "web@1 is held since it failed in prod.3: rolled back by root: ");
    rig.ask(Request::ReleasePackage { digest: release("1").package }).unwrap();
    deploy(&mut rig, "1", None).unwrap();
}

#[test]
fn joiners_get_the_settled_pair_and_who_has_another_configuration_is_caught_up() {
    let mut rig = configured();
    rig.join("h4", "a");
    assert_eq!(rig.intent("h4").unwrap().release, Some(with("1", "one")));
    rig.say("h3", |s| s.running = Some(release("1")));
    assert_eq!(rig.intent("h3").unwrap().release, Some(with("1", "one")));
    finish(&mut rig);
    assert!(rig.hosts.values().all(|h| h.slot.running == Some(with("1", "one"))));
}

#[test]
fn a_restart_keeps_the_configuration_and_a_push_begins_to_count_anew() {
    let mut rig = configured();
    rig.ask(Request::Deploy { fleet: fleet(), what: What::Restart, file_exists: None }).unwrap();
    assert_eq!(rig.newest().release, Release { restart: 1, ..with("1", "one") });
    finish(&mut rig);
    rig.deploy("1");
    assert_eq!(rig.newest().release.restart, 1, "asking for what is settled is no restart");
    put(&mut rig, "two", true).unwrap();
    assert_eq!(rig.newest().release, with("1", "two"));
}

#[test]
fn what_is_used_held_or_the_newest_is_not_deleted() {
    let mut rig = configured();
    let delete = |rig: &mut Rig, number| rig.ask(Request::DeleteConfiguration { app: app(), number }).err().map(|e| e.code());
    put(&mut rig, "two", false).unwrap();
    put(&mut rig, "three", true).unwrap();
    assert_eq!(delete(&mut rig, 3), Some("configuration-in-use"));
    rig.ask(Request::Rollback { id: rig.newest().id }).unwrap();
    finish(&mut rig);
    put(&mut rig, "four", false).unwrap();
    assert_eq!([1, 3, 4].map(|number| delete(&mut rig, number)), [Some("configuration-in-use"); 3], "settled, held, the newest");
    assert_eq!(delete(&mut rig, 2), None);
    assert_eq!(put(&mut rig, "two", false).unwrap().0, 5, "a number is never given twice");
}
