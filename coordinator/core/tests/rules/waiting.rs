//! R32: whatever does not move says why, also while no deployment is in course.

use pilotage_coordinator_core::plan::explain_fleet;
use pilotage_shared::health::Standing;
use pilotage_shared::name::{HostName, Why};
use pilotage_shared::status::SlotStatus;

use crate::world::*;

/// What a settled fleet waits for, after this host has lost what it ran and says something.
fn lost(name: &str, says: impl FnOnce(&mut SlotStatus)) -> Rig {
    let mut rig = Rig::settled("aaa", spec("1"));
    rig.say(name, |s| {
        (s.running, s.standing) = (None, Standing::Down);
        says(s);
    });
    rig
}

fn waits(rig: &Rig) -> Vec<(&'static str, Vec<HostName>)> {
    explain_fleet(&rig.world, &fleet(), rig.now).into_iter().map(|w| (w.cause.kind(), w.hosts)).collect()
}

#[test]
fn r32_a_settled_fleet_names_a_pinned_member_that_does_not_run_its_release() {
    let mut rig = lost("h2", |s| s.pinned = Some(Why::lossy("maria looks at it")));
    assert_eq!(waits(&rig), [("pinned", vec![host("h2")])]);
    rig.say("h2", |s| s.pinned = None);
    assert_eq!((waits(&rig), rig.lent()), (vec![("not-begun", vec![host("h2")])], vec!["h2".to_owned()]));
    // Who runs it may be pinned: nothing is to happen there.
    rig.obey("h2");
    rig.available("h2");
    rig.say("h3", |s| s.pinned = Some(Why::lossy("maria looks at it")));
    assert_eq!(waits(&rig), []);
}

#[test]
fn r32_a_settled_fleet_names_a_member_that_refused_its_release() {
    let mut rig = lost("h2", |_| {});
    assert!(rig.begin("h2"));
    rig.refuse("h2");
    assert_eq!(waits(&rig), [("refused", vec![host("h2")])]);
}

#[test]
fn r32_a_settled_fleet_names_a_member_that_needs_hands() {
    let rig = lost("h2", |s| s.needs_hands = Some(Why::lossy("half of it was switched")));
    assert_eq!(waits(&rig), [("needs-hands", vec![host("h2")])]);
}
