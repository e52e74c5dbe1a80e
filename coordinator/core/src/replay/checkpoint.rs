//! All that the core decides by, at one moment: the records, and what is only remembered of this life. What is derived of them
//! is derived again.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_shared::ids::Epoch;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::time::{Millis, Time};
use serde::{Deserialize, Serialize};

use super::redact;
use crate::world::load::Record;
use crate::world::{Due, Live, Settings, World};

/// The world at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// When.
    pub at: Time,
    /// Set by the operator.
    pub heartbeat: Millis,
    /// As they are stored.
    pub records: Vec<Record>,
    /// Fleets that are still to be planned.
    pub dirty: BTreeSet<FleetName>,
    /// None before the start of a life was admitted.
    pub life: Option<Life>,
}

/// What is only remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Of this life.
    pub epoch: Epoch,
    /// The newest blocked list that a host has told of.
    pub blocked_seen: u64,
    /// Handed out.
    pub sessions: u64,
    /// R16.
    pub startup_over: bool,
    /// R16.
    pub startup_at: Option<Time>,
    /// Of the hosts.
    pub live: BTreeMap<HostName, Live>,
}

impl Checkpoint {
    /// Of a world between two turns.
    pub fn of(world: &World, dirty: &BTreeSet<FleetName>, at: Time) -> Checkpoint {
        let records = world.keys().iter().filter_map(|key| world.record(key)).map(redact::record).collect();
        let life = world.epoch.map(|epoch| Life {
            epoch,
            blocked_seen: world.blocked_seen,
            sessions: world.sessions,
            startup_over: world.startup_over,
            startup_at: world.startup_at,
            live: world.live.iter().map(|(host, live)| (host.clone(), redact::live(live))).collect(),
        });
        Checkpoint { at, heartbeat: world.settings.heartbeat, records, dirty: dirty.clone(), life }
    }

    /// The world again.
    pub fn world(&self) -> World {
        let mut world = World::load(Settings { heartbeat: self.heartbeat }, self.records.iter().cloned());
        let Some(life) = &self.life else { return world };
        world.epoch = Some(life.epoch);
        world.blocked_seen = life.blocked_seen;
        world.sessions = life.sessions;
        world.startup_over = life.startup_over;
        world.startup_at = life.startup_at;
        world.due.extend(life.startup_at.map(|at| (at, Due::Startup)));
        for (host, live) in &life.live {
            if live.reachable {
                world.expect_from(host, None, Some(live.heard_at));
            }
            world.live.insert(host.clone(), live.clone());
            world.place(host);
        }
        world
    }
}
