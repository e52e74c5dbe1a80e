//! R34: a store that was made of a backup moves nobody until a person goes on, and going on moves nobody backwards.

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_coordinator_core::waiting::Cause;
use pilotage_coordinator_core::world::load::Record;
use pilotage_coordinator_core::world::recovery::{Recovering, Stage};
use pilotage_coordinator_core::world::{Course, Outcome};
use pilotage_coordinator_core::{Answer, Change, Key, Rejected, Request};
use pilotage_shared::health::Standing;
use pilotage_shared::intent::Go;

use crate::world::*;

impl Rig {
    /// What `pilotage-coordinator restore` makes of a backup, started.
    fn recover_from(&mut self, mut records: Vec<Record>, epoch: u8) {
        records.push(Record::Recovering(Recovering { backup: self.now, at: self.now, stage: Stage::Listening }));
        self.restore(records, epoch);
    }

    fn hear(&mut self, names: &[&str]) {
        for name in names {
            self.connect(name);
            self.say(name, |_| {});
        }
    }

    fn go_on(&mut self, keep_backup: bool, go_on: bool) -> Result<Answer, Rejected> {
        self.ask(Request::Recover { keep_backup, go_on })
    }

    /// All hosts go to what is deployed.
    fn all_move(&mut self, version: &str) {
        self.deploy(version);
        for _ in 0..4 {
            self.staged(version);
            for name in self.names() {
                self.obey(&name);
                self.available(&name);
            }
        }
    }

    fn settled_on(&self, version: &str) -> bool {
        self.world.fleets[&fleet()].settled == Some(release(version))
    }

    fn causes(&self) -> Vec<&'static str> {
        explain_fleet(&self.world, &fleet(), self.now).iter().map(|w| w.cause.kind()).collect()
    }
}

#[test]
fn r34_after_a_restore_nobody_is_taken_until_a_person_goes_on() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    let backup = rig.stored();
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.staged("2");
    rig.tick(10);
    assert_eq!(rig.lent(), Vec::<String>::new());
    assert_eq!(rig.causes(), ["recovering"]);
    assert!(!explain_fleet(&rig.world, &fleet(), rig.now)[0].lifts_by_itself());
    rig.go_on(true, false).unwrap();
    assert_eq!(rig.lent(), ["h1", "h2"], "the backup's deployment goes on, because a person said so");
    assert!(rig.world.recovering.is_none());
}

#[test]
fn r34_hosts_that_are_missing_are_named_and_a_person_may_go_on_without_them() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.recover_from(backup, 9);
    rig.hear(&["h1"]);
    let waiting = explain_fleet(&rig.world, &fleet(), rig.now);
    assert_eq!((&waiting[0].cause, waiting[0].count, waiting[0].hosts.as_slice()), (&Cause::Recovering, 2, &[host("h2"), host("h3")][..]));
    let refused = rig.go_on(false, false).unwrap_err();
    assert_eq!(refused, Rejected::Unheard { missing: 2, members: 3, hosts: vec![host("h2"), host("h3")] });
    assert_eq!(refused.to_string(), "2 of 3 hosts have not been heard since the restore: h2 h3; wait for them, or go on without them");
    rig.go_on(false, true).unwrap();
    assert!(rig.world.recovering.is_none());
    assert_eq!(rig.go_on(false, true).unwrap_err().code(), "not-recovering");
}

#[test]
fn r34_a_host_that_fell_silent_has_reported_and_a_retired_one_is_not_waited_for() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2"]);
    rig.tick(20);
    rig.ask(Request::RetireHost { host: host("h3") }).unwrap();
    rig.go_on(false, false).unwrap();
}

#[test]
fn r34_what_all_run_becomes_settled_and_nobody_moves_backwards() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.all_move("2");
    assert!(rig.settled_on("2"));
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(false, false).unwrap();
    assert!(rig.settled_on("2"));
    // R18 stays as it is: the hosts are ahead. Lifting that moves nobody either.
    assert_eq!(rig.causes(), ["frozen"]);
    rig.ask(Request::Resume { fleet: fleet() }).unwrap();
    rig.tick(60);
    assert_eq!((rig.causes(), rig.lent()), (vec![], vec![]));
    assert!(rig.names().iter().all(|name| rig.go(name) != Some(Go::Stage)));
}

#[test]
fn r34_a_person_may_keep_what_the_backup_wants() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.all_move("2");
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(true, false).unwrap();
    assert!(rig.settled_on("1"));
    assert_eq!(rig.lent(), Vec::<String>::new(), "frozen by R18");
    rig.ask(Request::Resume { fleet: fleet() }).unwrap();
    rig.staged("1");
    assert_eq!(rig.lent(), ["h1", "h2"], "back to the backup's release, by two words of a person");
}

#[test]
fn r34_hosts_on_different_releases_stay_where_they_are_until_a_person_deploys() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    let backup = rig.stored();
    rig.staged("2");
    rig.obey("h1");
    rig.available("h1");
    rig.say("h3", |s| s.running = Some(release("9")));
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(false, false).unwrap();
    assert_eq!(rig.outcome(2), Some(Outcome::Stopped), "what was in course does not go on by itself");
    rig.ask(Request::Resume { fleet: fleet() }).unwrap();
    rig.staged("1");
    rig.tick(60);
    assert_eq!((rig.causes(), rig.lent()), (vec!["left-as-is"], vec![]), "not even h3, which runs neither (R24 would move it)");
    let why = rig.world.left[&fleet()].why.to_string();
    assert!(why.contains("h2: web@1") && why.contains("h1: web@2") && why.contains("(not known to this store)"), "{why}");
    // It outlives the process, and a deployment ends it.
    rig.restart(10);
    rig.hear(&["h1", "h2", "h3"]);
    assert_eq!(rig.causes(), ["left-as-is"]);
    rig.deploy("2");
    assert!(!rig.world.left.contains_key(&fleet()));
    rig.staged("2");
    assert_ne!(rig.lent(), Vec::<String>::new());
}

#[test]
fn r34_a_release_that_may_not_be_used_is_not_adopted() {
    for (version, because) in [("9", "does not know"), ("3", "held or blocked")] {
        let mut rig = Rig::settled("aa", spec("1"));
        rig.ask(Request::BlockPackage { digest: release("3").package }).unwrap();
        let backup = rig.stored();
        for name in ["h1", "h2"] {
            rig.say(name, |s| s.running = Some(release(version)));
        }
        rig.recover_from(backup, 9);
        rig.hear(&["h1", "h2"]);
        rig.go_on(false, false).unwrap();
        assert!(rig.settled_on("1"));
        let why = rig.world.left[&fleet()].why.to_string();
        assert!(why.contains(because), "{why}");
        assert_eq!(rig.lent(), Vec::<String>::new());
    }
}

#[test]
fn r34_a_run_in_course_and_a_host_that_runs_nothing_are_no_agreement() {
    let mut rig = Rig::settled("aaa", spec("1"));
    let backup = rig.stored();
    rig.deploy("2");
    rig.staged("2");
    rig.begin("h1");
    rig.recover_from(backup.clone(), 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(false, false).unwrap();
    assert_eq!(rig.world.left[&fleet()].why.to_string(), "h1 is in change");

    let mut rig = Rig::settled("aaa", spec("1"));
    for name in ["h1", "h2"] {
        rig.say(name, |s| s.running = Some(release("2")));
    }
    rig.say("h3", |s| (s.running, s.standing) = (None, Standing::Down));
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(false, false).unwrap();
    assert!(rig.settled_on("1"), "two run 2, and one has nothing: nobody knows what it should be");
    assert_eq!(rig.lent(), Vec::<String>::new());
}

#[test]
fn r34_what_would_say_where_hosts_go_waits_for_the_end_of_the_recovery() {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.deploy("2");
    let backup = rig.stored();
    rig.recover_from(backup, 9);
    let id = rig.newest().id;
    let what = pilotage_coordinator_core::input::What::Version(pilotage_shared::name::Version::new("3").unwrap());
    for request in
        [Request::Deploy { fleet: fleet(), what, file_exists: None }, Request::Rollback { id: id.clone() }, Request::Resume { fleet: fleet() }]
    {
        assert_eq!(rig.ask(request).unwrap_err().code(), "recovering");
    }
    // What moves nobody may be said.
    rig.ask(Request::Pause { id: id.clone() }).unwrap();
    rig.ask(Request::Cancel { id }).unwrap();
}

#[test]
fn r34_outlives_restarts_and_is_lifted_in_units_of_few_records() {
    let mut rig = Rig::settled("aaa", spec("1"));
    for n in 0..150 {
        let mut other = spec("1");
        other.name = pilotage_shared::name::FleetName::new(&format!("f{n}")).unwrap();
        other.app = pilotage_shared::name::AppName::new(&format!("app{n}")).unwrap();
        rig.ask(Request::PutFleet { spec: Box::new(other) }).unwrap();
    }
    let backup = rig.stored();
    rig.recover_from(backup, 9);
    rig.restart(10);
    assert!(rig.world.recovering.is_some());
    rig.hear(&["h1", "h2", "h3"]);
    let mut world = rig.world.clone();
    let before = rig.changes.len();
    rig.go_on(false, false).unwrap();
    assert_eq!(rig.changes[before..].iter().filter(|c| matches!(c, Change::FleetRecovered { .. })).count(), 151);
    for change in &rig.changes[before..] {
        let records = world.apply(change).records;
        assert!(records.len() < 4, "{change:?} touches {records:?}");
    }
    assert!(rig.world.record(&Key::Recovering).is_none());
    assert!(!matches!(rig.newest().course, Course::Forward));
}

#[test]
fn r34_a_fleet_of_which_the_backup_knows_no_deployment_is_left_until_a_person_deploys() {
    let mut rig = Rig::joined("aaa", spec("1"));
    let backup = rig.stored();
    rig.all_move("1");
    rig.recover_from(backup, 9);
    rig.hear(&["h1", "h2", "h3"]);
    rig.go_on(false, false).unwrap();
    rig.ask(Request::Resume { fleet: fleet() }).unwrap();
    assert_eq!(rig.causes(), ["left-as-is"]);
    rig.deploy("1");
    assert!(rig.world.left.is_empty());
}
