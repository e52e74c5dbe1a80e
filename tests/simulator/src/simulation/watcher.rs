//! Watches every change as it is applied: the promises about it, the counts, the trace, the telling.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_agent_core::run::Kind;
use pilotage_coordinator_core::{Change, World};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::HostName;
use pilotage_shared::time::Time;

use super::telling::Telling;
use crate::coordinator::Witness;
use crate::coverage::Coverage;
use crate::machine::{Machine, Underway};
use crate::promises::Promises;
use crate::promises::course::Runs;
use crate::trace::Trace;

/// Loans in a row that begin nothing, without anything from outside, before it is called a livelock.
const FRUITLESS: u32 = 30;

/// Watches every change as it is applied.
pub(super) struct Watcher<'a> {
    /// No other coordinator commands hosts.
    pub(super) alone: bool,
    pub(super) promises: &'a mut Promises,
    pub(super) machines: &'a BTreeMap<HostName, Machine>,
    pub(super) coverage: &'a mut Coverage,
    pub(super) trace: &'a mut Trace,
    pub(super) telling: &'a mut Telling,
    pub(super) now: Time,
}

impl Witness for Watcher<'_> {
    fn change(&mut self, world: &World, change: &Change, planned: bool) {
        self.coverage.count("change", crate::coverage::kinds::change(change));
        super::rules::of_change(world, change, planned, self.coverage);
        self.trace.line(self.now, || crate::trace::change(change));
        self.telling.change(self.now, world, change);
        let app = |id: &DeploymentId| world.fleets.get(&id.fleet).map(|f| f.spec.app.clone());
        let of = match change {
            Change::Ended { id, .. } => app(id),
            _ => None,
        };
        let (machines, alone) = (self.machines, self.alone);
        let doubtful = if of.is_some() { self.promises.doubtful.clone() } else { BTreeSet::new() };
        // What is only started again by its host stays what it is (R27).
        let moves = |underway: &Underway| underway.run.directory.request.kind != Kind::GoBack;
        let truth = |host: &HostName| {
            let (Some(machine), Some(app)) = (machines.get(host), &of) else { return Runs::default() };
            let installed = machine.apps.get(app).and_then(|a| a.installed);
            Runs {
                installed,
                in_change: machine.runs.get(app).is_some_and(|underway| moves(underway)),
                excused: machine.excused.is_some() || !alone || doubtful.contains(host),
            }
        };
        self.promises.course(world, change, planned, &truth);
        match change {
            Change::Lent { host, app, loan } => {
                self.promises.lent(world, app, host, loan);
                let lent = self.promises.fruitless.entry(host.clone()).or_default();
                *lent += 1;
                let times = *lent;
                self.promises.must(times < FRUITLESS, "11 livelock", || {
                    format!("{host} was lent {times} times in a row without beginning anything and without a request")
                });
            }
            Change::Returned { host, app } => self.promises.grants.returned(app, host),
            Change::Silent { .. } | Change::SessionBegan { .. } | Change::Started { .. } => self.promises.fruitless.clear(),
            // A person has gone on, though he may never hear that it is done.
            Change::GoesOn { .. } => self.promises.recovering = false,
            Change::Thawed { fleet } if !planned => self.promises.ahead.retain(|(f, _), _| f != fleet),
            _ => {}
        }
        self.promises.roster.change(world, change);
    }
}
