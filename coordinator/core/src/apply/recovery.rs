//! What a recovery changes (R34).

use pilotage_shared::name::FleetName;
use pilotage_shared::time::Time;

use crate::change::Touched;
use crate::world::load::Key;
use crate::world::recovery::{Left, Recovering, Stage, Verdict};
use crate::world::{Note, World};

impl World {
    pub(super) fn restored(&mut self, backup: Time, at: Time, t: &mut Touched) {
        self.recovering = Some(Recovering { backup, at, stage: Stage::Listening });
        self.whole_world(t);
    }

    pub(super) fn goes_on(&mut self, note: &Note, keep_backup: bool, t: &mut Touched) {
        if let Some(recovering) = &mut self.recovering {
            recovering.stage = Stage::GoingOn { note: note.clone(), keep_backup, behind: None };
        }
        self.whole_world(t);
    }

    pub(super) fn fleet_recovered(&mut self, fleet: &FleetName, verdict: &Verdict, note: &Note, t: &mut Touched) {
        if let Some(Recovering { stage: Stage::GoingOn { behind, .. }, .. }) = &mut self.recovering {
            *behind = Some(fleet.clone());
            t.records.insert(Key::Recovering);
        }
        match verdict {
            Verdict::Keep => {}
            Verdict::Adopt(release) => {
                if let Some(record) = self.fleets.get_mut(fleet) {
                    (record.settled, record.settled_file_exists, record.unsettled) = (Some(*release), None, None);
                }
            }
            Verdict::Leave(why) => {
                self.left.insert(fleet.clone(), Left { note: note.clone(), why: why.clone() });
                t.records.insert(Key::Left(fleet.clone()));
            }
        }
        t.records.insert(Key::Fleet(fleet.clone()));
    }

    pub(super) fn recovered(&mut self, t: &mut Touched) {
        self.recovering = None;
        self.whole_world(t);
    }

    /// A person has said where the fleet goes, or it is gone: its members are not left aside any more.
    pub(super) fn not_left(&mut self, fleet: &FleetName, t: &mut Touched) {
        if self.left.remove(fleet).is_some() {
            t.records.insert(Key::Left(fleet.clone()));
        }
    }

    fn whole_world(&self, t: &mut Touched) {
        t.records.insert(Key::Recovering);
        t.fleets.extend(self.fleets.keys().cloned());
        t.everybody.extend(self.fleets.keys().cloned());
    }
}
