//! After a person has gone on, each fleet is recovered in a unit of its own (R34): a world may have more fleets than a unit
//! may have records.

use std::ops::Bound;

use pilotage_shared::name::FleetName;
use pilotage_shared::time::Time;

use crate::change::Change;
use crate::world::recovery::{Recovering, Stage, Verdict};
use crate::world::{Because, Outcome, World};

/// The next fleet's changes; empty when the world is not recovering, or no person has gone on.
///
/// What the backup has in course does not go on by itself: a person may have stopped it since. Whoever keeps the backup's
/// wishes keeps that too.
pub fn next(world: &World, now: Time) -> Vec<Change> {
    let Some(Recovering { stage: Stage::GoingOn { note, keep_backup, behind }, .. }) = &world.recovering else { return Vec::new() };
    let after = behind.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let Some((name, fleet)) = world.fleets.range::<FleetName, _>((after, Bound::Unbounded)).next() else {
        return vec![Change::Recovered];
    };
    if *keep_backup {
        return vec![Change::FleetRecovered { fleet: name.clone(), verdict: Verdict::Keep, note: note.clone() }];
    }
    let mut changes = Vec::new();
    if let Some(deployment) = world.active(fleet) {
        let because = Some(Because::Asked(note.clone()));
        let (id, outcome) = (deployment.id.clone(), Outcome::Stopped);
        changes.push(Change::Ended { id, outcome, because, left_behind: Vec::new(), hold: None, at: now });
    }
    changes.push(Change::FleetRecovered { fleet: name.clone(), verdict: world.verdict(name), note: note.clone() });
    changes
}
