//! Worlds with names: `cargo run --release -p pilotage-model -- --world NAME`.

use pilotage_shared::policy::Amount;

use crate::limits::Fault::{AgentCrash, CenterCrash, Death, Fail, Lose, Reconnect, Reimage, Repeat, Restore, Silence, Vain};
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
}

const SMALL: Limits = Limits { hosts: 2, floor: Amount::Count(1), zone_floor: None, frames: 1, faults: 0, kinds: &[], requests: 0, wishes: &[] };
const THREE: Limits = Limits { hosts: 3, floor: Amount::Count(2), ..SMALL };
const EVERYTHING: &[Fault] = &[Lose, Repeat, Reconnect, Vain, AgentCrash, Reimage, CenterCrash, Restore, Fail, Death, Silence];
const ANYTHING: &[Wish] = &[Cancel, Rollback, Redeploy, Resume, Recover, Relabel, Leave, Retire];

const fn world(name: &'static str, about: &'static str, limits: Limits) -> World {
    World { name, about, limits }
}

/// All of them, the smallest first.
pub const WORLDS: &[World] = &[
    world("calm", "frames are late and overtake each other, nothing else", SMALL),
    world("late", "the same with two frames under way", Limits { frames: 2, ..SMALL }),
    world("deaths", "applications die and come up by themselves", Limits { faults: 2, kinds: &[Death], ..SMALL }),
    world("crashes", "agents and the coordinator crash", Limits { faults: 2, kinds: &[AgentCrash, CenterCrash, Reconnect], ..SMALL }),
    world("losses", "frames are lost and repeated, sessions begin in vain", Limits { frames: 2, faults: 1, kinds: &[Lose, Repeat, Vain, Reconnect], ..SMALL }),
    world("people", "a person cancels, goes back, supersedes", Limits { faults: 1, kinds: &[Fail, Reconnect], requests: 1, wishes: &[Cancel, Rollback, Redeploy], ..SMALL }),
    world("labels", "hosts change their zone, leave, are retired and invited again", Limits { faults: 1, kinds: &[Reconnect], requests: 2, wishes: &[Relabel, Leave, Retire], ..SMALL }),
    world("restore", "an old copy of the store, with and without recovering", Limits { faults: 1, kinds: &[Restore], requests: 2, wishes: &[Deploy, Resume, Recover], ..SMALL }),
    world("reimage", "machines are made anew while the coordinator crashes", Limits { faults: 2, kinds: &[Reimage, CenterCrash, Fail], ..SMALL }),
    world("silence", "hosts are not heard, and are again", Limits { faults: 2, kinds: &[Silence, Death], ..SMALL }),
    world("pair", "two hosts, one of all faults, one of all requests", Limits { faults: 1, kinds: EVERYTHING, requests: 1, wishes: ANYTHING, ..SMALL }),
    world("pair-2", "two hosts, two of all faults, one of all requests", Limits { faults: 2, kinds: EVERYTHING, requests: 1, wishes: ANYTHING, ..SMALL }),
    world("zones", "three hosts in two zones, each with a floor", Limits { zone_floor: Some(Amount::AllBut(1)), floor: Amount::Count(1), ..THREE }),
    world("three", "three hosts, one of all faults", Limits { faults: 1, kinds: EVERYTHING, ..THREE }),
    world("three-restore", "three hosts in two zones, restores and re-images", Limits { faults: 2, kinds: &[Restore, Reimage, CenterCrash], requests: 2, wishes: &[Deploy, Recover, Resume], zone_floor: Some(Amount::AllBut(1)), ..THREE }),
    world("three-2", "three hosts in two zones, two of all faults, one of all requests, two frames", Limits { frames: 2, faults: 2, kinds: EVERYTHING, requests: 1, wishes: ANYTHING, zone_floor: Some(Amount::AllBut(1)), ..THREE }),
];

/// By its name.
pub fn named(name: &str) -> Option<&'static World> {
    WORLDS.iter().find(|w| w.name == name)
}
