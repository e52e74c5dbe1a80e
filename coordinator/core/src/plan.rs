//! What is to happen next, and why what does not happen waits: both from one private `decide`.
//!
//! A decision about a fleet goes through its groups in this order: loans that are out are judged again (`loans`), failures
//! are counted (`forward`), capacity is lent (`lend`), and the end is recognised (`finish`). `plan` applied to its own result
//! is empty; planning the touched fleets gives what planning all would.

mod budget;
mod finish;
mod forward;
mod goal;
mod lend;
mod loans;
mod recovery;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::FleetName;
use pilotage_shared::time::Time;

use crate::change::{Change, Touched};
use crate::waiting::{Cause, NAMED, Waiting};
use crate::world::facts::{Facts, Groups};
use crate::world::{Deployment, Due, Fleet, World};
use budget::Budget;
pub(crate) use goal::{Goal, Mode};

/// Changes of one round at most; the caller asks again until there are none.
pub const ROUND: usize = 100;
/// Planned changes of one turn of the engine; the rest comes in the next, so that no caller waits for all of them.
pub const TURN: usize = 2000;

/// What is to be applied now, and when to ask again at the latest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Each is a unit of its own.
    pub changes: Vec<Change>,
    /// The next moment at which time becomes a change.
    pub wake_at: Option<Time>,
}

/// Plans the first of these fleets that has something to do; due moments come before. Empty when nothing is to be done for
/// any of them. O(groups of the fleets + changes).
pub fn plan(world: &World, fleets: &BTreeSet<FleetName>, now: Time) -> Plan {
    let wake_at = world.due.first().map(|(at, _)| *at);
    let passed: Vec<Change> = world.due.iter().take_while(|(at, _)| *at <= now).take(ROUND).map(|(_, due)| passed(due)).collect();
    if !passed.is_empty() {
        return Plan { changes: passed, wake_at };
    }
    let recovered = recovery::next(world, now);
    if !recovered.is_empty() {
        return Plan { changes: recovered, wake_at };
    }
    if let Some((app, host)) = world.strays.iter().find(|(app, host)| loans::stray_to_withdraw(world, app, host)) {
        let generation = Generation(world.counter.0 + 1);
        let withdrawn = Change::Withdrawn { host: host.clone(), app: app.clone(), generation };
        return Plan { changes: vec![withdrawn], wake_at };
    }
    let changes = fleets.iter().map(|fleet| decide(world, fleet, now, Told::Nobody).changes).find(|c| !c.is_empty()).unwrap_or_default();
    Plan { changes, wake_at }
}

/// Time becomes a change.
fn passed(due: &Due) -> Change {
    match due {
        Due::Silence(host) => Change::Silent { host: host.clone() },
        Due::Stragglers(id) => Change::StragglersDue { id: id.clone() },
        Due::Startup => Change::StartupOver,
    }
}

impl World {
    /// Where a fleet is going now.
    pub(crate) fn mode(&self, fleet: &Fleet) -> Mode {
        Mode::of(self, fleet, self.newest(fleet))
    }

    /// Plans and applies until nothing is left to do, for what was touched; `each` sees every change after it was applied.
    /// Gives the next moment to ask again.
    pub fn settle(&mut self, mut fleets: BTreeSet<FleetName>, now: Time, mut each: impl FnMut(&Change, &Touched)) -> Option<Time> {
        loop {
            let plan = plan(self, &fleets, now);
            if plan.changes.is_empty() {
                return plan.wake_at;
            }
            for change in &plan.changes {
                let touched = self.apply(change);
                fleets.extend(touched.fleets.iter().cloned());
                each(change, &touched);
            }
        }
    }
}

/// Why a deployment does not move; empty when it is over or moves by itself at once.
pub fn explain(world: &World, id: &DeploymentId, now: Time) -> Vec<Waiting> {
    match world.fleets.get(&id.fleet) {
        Some(fleet) if fleet.newest == id.number && fleet.active => decide(world, &id.fleet, now, Told::Somebody).waiting,
        Some(_) | None => Vec::new(),
    }
}

/// The same for a fleet, which may have members to catch up while no deployment is in course.
pub fn explain_fleet(world: &World, fleet: &FleetName, now: Time) -> Vec<Waiting> {
    decide(world, fleet, now, Told::Somebody).waiting
}

/// How many members have failed in the fleet's deployment on its way forward (R21).
pub(crate) fn failed(world: &World, name: &FleetName) -> u32 {
    let (Some(fleet), Some(groups)) = (world.fleets.get(name), world.groups.get(name)) else { return 0 };
    View::of(world, fleet, groups, Time(0), Told::Nobody).failed()
}

#[derive(Debug, Default)]
struct Decision {
    changes: Vec<Change>,
    waiting: Vec<Waiting>,
}

impl Decision {
    fn one(change: Change) -> Self {
        Self { changes: vec![change], waiting: Vec::new() }
    }

    fn wait(&mut self, cause: Cause) {
        self.waiting.push(Waiting { cause, count: 0, hosts: Vec::new(), lifts_at: None, missing: Vec::new() });
    }
}

/// Is what is waited for read by anybody? Whoever only plans needs no names of hosts that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nobody,
    Somebody,
}

/// What a decision about one fleet reads, and what is counted of its groups once for all rules.
struct View<'a> {
    world: &'a World,
    fleet: &'a Fleet,
    newest: Option<&'a Deployment>,
    mode: Mode,
    /// No member may be brought to where the mode goes.
    barred: bool,
    groups: &'a Groups,
    now: Time,
    told: Told,
    members: u32,
    budget: OnceCell<Budget>,
    failed: OnceCell<u32>,
}

impl<'a> View<'a> {
    fn of(world: &'a World, fleet: &'a Fleet, groups: &'a Groups, now: Time, told: Told) -> Self {
        let newest = world.newest(fleet);
        let mode = Mode::of(world, fleet, newest);
        let members = groups.values().map(|hosts| hosts.len() as u32).sum();
        let barred = mode.barred(world);
        View { world, fleet, newest, mode, barred, groups, now, told, members, budget: OnceCell::new(), failed: OnceCell::new() }
    }
}

impl View<'_> {
    /// The generation of the n-th change of this decision that needs one (R8).
    fn generation(&self, decision: &Decision) -> Generation {
        Generation(self.world.counter.0 + 1 + decision.changes.len() as u64)
    }

    fn count(&self, is: impl Fn(&Facts) -> bool) -> u32 {
        self.groups.iter().filter(|(facts, _)| is(facts)).map(|(_, hosts)| hosts.len() as u32).sum()
    }

    fn members(&self) -> u32 {
        self.members
    }

    /// What this member is to run in the end.
    fn goal(&self, facts: &Facts) -> Goal {
        self.mode.goal(self.barred, self.fleet.newest, facts)
    }

    /// As it is before anything is taken.
    fn budget(&self) -> &Budget {
        self.budget.get_or_init(|| Budget::new(self))
    }

    /// How many have failed on the way forward (R21).
    fn failed(&self) -> u32 {
        *self.failed.get_or_init(|| match self.mode {
            Mode::Forward { to, .. } => forward::count(self, &to, self.fleet.newest),
            Mode::Back { .. } | Mode::CatchUp { .. } | Mode::Rest | Mode::Frozen | Mode::Recovering | Mode::Left => 0,
        })
    }

    /// How many hosts of a group are named where something waits.
    fn named(&self) -> usize {
        match self.told {
            Told::Nobody => 0,
            Told::Somebody => NAMED,
        }
    }
}

fn decide(world: &World, name: &FleetName, now: Time, told: Told) -> Decision {
    let empty = Groups::new();
    let Some(fleet) = world.fleets.get(name) else { return Decision::default() };
    let view = View::of(world, fleet, world.groups.get(name).unwrap_or(&empty), now, told);

    let mut decision = loans::judge(&view);
    if !decision.changes.is_empty() {
        return decision;
    }
    if let Some(turn) = forward::turn(&view) {
        return Decision::one(turn);
    }
    lend::lend(&view, &mut decision);
    if decision.changes.is_empty() {
        finish::finish(&view, &mut decision);
    }
    decision
}
