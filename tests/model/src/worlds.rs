//! Worlds with names: `cargo run --release -p pilotage-model -- --world NAME`.

use pilotage_shared::policy::Amount;

use crate::limits::Fault::{AgentCrash, CenterCrash, Death, Fail, Lose, Reconnect, Reimage, Repeat, Restore, Silence, Unheard, Vain};
use crate::limits::Wish::{Cancel, Deploy, Leave, Recover, Redeploy, Relabel, Resume, Retire, Rollback};
use crate::limits::{Fault, Limits, Wish};

/// A named world.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its size.
    pub limits: Limits,
    /// Small enough for every run of the tests.
    pub quick: bool,
}

/// Two hosts of which one must serve, and nothing goes wrong: what the others are made of.
pub const SMALL: Limits = Limits {
    hosts: 2,
    floor: Amount::Count(1),
    zone_floor: None,
    batch: None,
    late: 0,
    settling: false,
    first_copy: false,
    faults: 0,
    kinds: &[],
    requests: 0,
    wishes: &[],
};
const THREE: Limits = Limits { hosts: 3, floor: Amount::Count(2), ..SMALL };
const ZONES: Limits = Limits { zone_floor: Some(Amount::AllBut(1)), floor: Amount::Count(1), ..THREE };
const EVERYTHING: &[(Fault, u8)] = &[
    (Lose, 1),
    (Repeat, 1),
    (Reconnect, 1),
    (Vain, 1),
    (AgentCrash, 1),
    (Reimage, 1),
    (CenterCrash, 1),
    (Restore, 1),
    (Fail, 1),
    (Death, 1),
    (Silence, 1),
    (Unheard, 1),
];
const ANYTHING: &[(Wish, u8)] = &[(Cancel, 1), (Rollback, 1), (Redeploy, 1), (Resume, 1), (Recover, 1), (Relabel, 1), (Leave, 1), (Retire, 1)];

const fn quick(name: &'static str, about: &'static str, limits: Limits) -> World {
    World { name, about, limits, quick: true }
}

const fn world(name: &'static str, about: &'static str, limits: Limits) -> World {
    World { name, about, limits, quick: false }
}

/// All of them.
pub const WORLDS: &[World] = &[
    quick("calm", "nothing is late, nothing goes wrong", SMALL),
    quick("late", "one frame is late and overtaken", Limits { late: 1, ..SMALL }),
    quick("late-2", "two frames are late and overtake each other", Limits { late: 2, ..SMALL }),
    quick("late-3", "three frames are late", Limits { late: 3, ..SMALL }),
    quick("loss", "frames are late, lost, repeated", Limits { late: 2, faults: 2, kinds: &[(Lose, 1), (Repeat, 1)], ..SMALL }),
    world("sessions", "sessions end, and begin in vain", Limits { late: 1, faults: 2, kinds: &[(Reconnect, 1), (Vain, 1), (Silence, 1)], ..SMALL }),
    world("deaths", "applications die and come up by themselves", Limits { late: 1, faults: 2, kinds: &[(Death, 2)], ..SMALL }),
    quick(
        "crashes",
        "agents and the coordinator crash",
        Limits { late: 1, faults: 2, kinds: &[(AgentCrash, 1), (CenterCrash, 1), (Unheard, 1)], ..SMALL },
    ),
    quick("failures", "runs fail, the deployment turns", Limits { late: 1, faults: 2, kinds: &[(Fail, 2)], ..SMALL }),
    quick(
        "restore",
        "an old copy of the store, of any moment, is put back",
        Limits { late: 1, faults: 1, kinds: &[(Restore, 1)], requests: 1, wishes: &[(Deploy, 1)], ..SMALL },
    ),
    world(
        "restore-go-on",
        "and a person goes on",
        Limits { faults: 2, kinds: &[(Restore, 1), (CenterCrash, 1)], requests: 2, wishes: &[(Deploy, 1), (Recover, 1), (Resume, 1)], ..SMALL },
    ),
    quick("reimage", "a machine is made anew", Limits { late: 1, faults: 1, kinds: &[(Reimage, 1)], ..SMALL }),
    world(
        "reimage-crash",
        "a machine is made anew and the coordinator crashes",
        Limits { late: 1, faults: 2, kinds: &[(Reimage, 1), (CenterCrash, 1)], ..SMALL },
    ),
    world(
        "people",
        "a person cancels, goes back, supersedes, while a run fails",
        Limits { late: 1, faults: 1, kinds: &[(Fail, 1)], requests: 2, wishes: &[(Cancel, 1), (Rollback, 1), (Redeploy, 1)], ..SMALL },
    ),
    quick(
        "labels",
        "hosts change their zone, are retired and invited again",
        Limits { late: 1, requests: 2, wishes: &[(Relabel, 1), (Retire, 1)], ..SMALL },
    ),
    quick(
        "settling",
        "health checks take time, agents begin blind",
        Limits { settling: true, faults: 1, kinds: &[(AgentCrash, 1), (Death, 1)], ..SMALL },
    ),
    world(
        "pair",
        "two hosts, any one fault, any one request",
        Limits { late: 1, faults: 1, kinds: EVERYTHING, requests: 1, wishes: ANYTHING, ..SMALL },
    ),
    world("pair-2", "two hosts, any two faults, any one request", Limits { faults: 2, kinds: EVERYTHING, requests: 1, wishes: ANYTHING, ..SMALL }),
    quick("three", "three hosts, of which two must serve", THREE),
    world("three-any", "the same, any one fault, a late frame", Limits { late: 1, faults: 1, kinds: EVERYTHING, ..THREE }),
    world("three-any-2", "the same, any two faults", Limits { faults: 2, kinds: EVERYTHING, ..THREE }),
    world(
        "batch",
        "three hosts, one at a time, one falls silent or the coordinator crashes",
        Limits { batch: Some(1), faults: 1, kinds: &[(Silence, 1), (CenterCrash, 1)], floor: Amount::Count(1), ..THREE },
    ),
    quick("zones", "three hosts in two zones, each with a floor", ZONES),
    quick("zones-late", "the same, a frame is late", Limits { late: 1, ..ZONES }),
    quick("zones-loss", "the same, it is late, lost or repeated", Limits { late: 1, faults: 1, kinds: &[(Lose, 1), (Repeat, 1)], ..ZONES }),
    world("zones-crash", "the same, an agent or the coordinator crashes", Limits { faults: 1, kinds: &[(AgentCrash, 1), (CenterCrash, 1)], ..ZONES }),
    world("zones-reimage", "the same, a machine is made anew", Limits { faults: 1, kinds: &[(Reimage, 1)], ..ZONES }),
    quick("zones-restore", "the same, an old copy is put back", Limits { first_copy: true, faults: 1, kinds: &[(Restore, 1)], ..ZONES }),
    world("zones-relabel", "the same, a host changes its zone or leaves", Limits { requests: 1, wishes: &[(Relabel, 1), (Leave, 1)], ..ZONES }),
    world("zones-death", "the same, an application dies", Limits { faults: 1, kinds: &[(Death, 1)], ..ZONES }),
    world(
        "zones-crash-late",
        "the same, an agent or the coordinator crashes, a frame is late",
        Limits { late: 1, faults: 1, kinds: &[(AgentCrash, 1), (CenterCrash, 1)], ..ZONES },
    ),
    world("zones-reimage-late", "the same, a machine is made anew, a frame is late", Limits { late: 1, faults: 1, kinds: &[(Reimage, 1)], ..ZONES }),
    world(
        "zones-restore-late",
        "the same, an old copy is put back, a late frame comes from before",
        Limits { late: 1, first_copy: true, faults: 1, kinds: &[(Restore, 1)], ..ZONES },
    ),
    world("zones-any", "the same, any one fault", Limits { faults: 1, kinds: EVERYTHING, ..ZONES }),
    world(
        "zones-crashes",
        "the same, an agent and the coordinator crash",
        Limits { faults: 2, kinds: &[(AgentCrash, 1), (CenterCrash, 1)], ..ZONES },
    ),
    world(
        "zones-reimage-crash",
        "the same, a machine is made anew and the coordinator crashes",
        Limits { faults: 2, kinds: &[(Reimage, 1), (CenterCrash, 1)], ..ZONES },
    ),
    world(
        "zones-restore-reimage",
        "the same, an old copy is put back and a machine made anew",
        Limits { first_copy: true, faults: 2, kinds: &[(Restore, 1), (Reimage, 1)], ..ZONES },
    ),
    world(
        "zones-two",
        "the same, any two of crash, loss, repetition, restore and re-image, a frame is late",
        Limits {
            late: 1,
            first_copy: true,
            faults: 2,
            kinds: &[(AgentCrash, 1), (CenterCrash, 1), (Lose, 1), (Repeat, 1), (Restore, 1), (Reimage, 1)],
            ..ZONES
        },
    ),
];

/// By its name.
pub fn named(name: &str) -> Option<&'static World> {
    WORLDS.iter().find(|w| w.name == name)
}
