//! A person goes on after a restore (R34).

use super::Admitted;
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::waiting::NAMED;
use crate::world::recovery::Stage;
use crate::world::{Note, World};

/// Every member host must have been heard in this life, unless the person goes on without the missing ones.
pub fn recover(world: &World, note: Note, keep_backup: bool, go_on: bool) -> Result<Admitted, Rejected> {
    let recovering = world.recovering.as_ref().ok_or(Rejected::NotRecovering)?;
    if matches!(recovering.stage, Stage::GoingOn { .. }) {
        return Admitted::new(Vec::new(), Answer::Done);
    }
    let (members, mut hosts) = world.heard_of();
    let missing = hosts.len() as u32;
    if missing > 0 && !go_on {
        hosts.truncate(NAMED);
        return Err(Rejected::Unheard { missing, members, hosts });
    }
    Admitted::new(vec![Change::GoesOn { note, keep_backup }], Answer::Done)
}

/// What moves hosts, or says where they go, waits for the end of a recovery: it is lifted first.
pub fn over(world: &World) -> Result<(), Rejected> {
    if world.recovering.is_some() { Err(Rejected::Recovering) } else { Ok(()) }
}
