//! The first change of a store that was made of a backup: written, with its entry in the history, before any engine runs on
//! it (R34).

use pilotage_coordinator_core::change::Change;
use pilotage_coordinator_core::input::Via;
use pilotage_coordinator_core::world::World;
use pilotage_shared::name::Reason;
use pilotage_shared::time::Time;

use super::batch::Cause;
use super::clock::Clock;
use super::event;
use crate::principal::ourselves;
use crate::store::{Store, StoreError};

/// Lets the store begin recovering. `backup`: when the backup was made, where its name says so; else its newest entry.
pub fn begin_recovery(store: &mut Store, world: &mut World, backup: Option<Time>) -> Result<(), StoreError> {
    let newest = store.newest_at()?;
    let at = Clock::not_before(newest).now();
    let change = Change::Restored { backup: backup.unwrap_or(newest), at };
    let cause = Cause { by: ourselves(), via: Via::Own, reason: Reason::default() };
    let mut unit = Vec::new();
    if let Some(entry) = event::of(world, &change, &cause, at) {
        unit.push(store.append(&entry)?);
    }
    for key in &world.apply(&change).records {
        unit.push(store.write_of(world, key)?);
    }
    store.commit(vec![unit])
}
