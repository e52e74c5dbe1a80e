//! Sabotage on the coordinator's side: what arrives or is remembered is spoiled, as if a rule were not kept.

use pilotage_coordinator_core::world::Slot;
use pilotage_coordinator_core::{Change, Input, Request};
use pilotage_shared::name::HostName;
use pilotage_shared::status::Status;
use pilotage_shared::time::Millis;

use super::Simulation;
use crate::sabotage::Sabotage;

impl Simulation {
    /// Statuses of any session, or in any order (sabotage).
    pub(super) fn spoil(&self, host: &HostName, mut status: Status) -> Status {
        let live = self.coordinator.world().and_then(|w| w.live.get(host));
        match (self.sabotage, live) {
            (Some(Sabotage::StatusAnySession), Some(live)) if status.session != live.session => {
                (status.session, status.seq, status.beat) = (live.session, live.seq + 1, live.beat + 1);
            }
            (Some(Sabotage::StatusAnyOrder), Some(live)) if status.session == live.session && status.seq <= live.seq => {
                (status.seq, status.beat) = (live.seq + 1, live.beat + 1);
            }
            _ => {}
        }
        status
    }

    /// Loans that are returned by what must not return them (sabotage).
    pub(super) fn drop_loans(&mut self, inputs: &[Input]) {
        let Some(world) = self.coordinator.world() else { return };
        let cancelled = inputs.iter().any(|i| matches!(i.request, Request::Cancel { .. }));
        let unused = |slot: &Slot| {
            let loan = slot.loan.as_ref()?;
            let status = slot.status.as_ref()?;
            (status.run.is_none() && status.spent < loan.generation && !loan.withdrawn).then_some(loan.at)
        };
        let drop = |slot: &Slot| match self.sabotage {
            Some(Sabotage::CancelDropsLoan) => cancelled && unused(slot).is_some(),
            Some(Sabotage::TimerReturnsUnused) => unused(slot).is_some_and(|at| self.now - at > Millis(100)),
            _ => false,
        };
        let dropped: Vec<Change> = world
            .slots
            .iter()
            .filter(|(_, slot)| drop(slot))
            .map(|((app, host), _)| Change::Returned { host: host.clone(), app: app.clone() })
            .collect();
        for change in &dropped {
            self.coordinator.force(change);
        }
    }
}
