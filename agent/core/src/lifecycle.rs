//! The order of a lifecycle (DESIGN §6; G1 of the CodeDeploy contract): which tasks a run does forward, and which back.
//!
//! The stop events come from the release that runs (its scripts, G2) and are overruled when they fail (promise 3); all
//! else comes from the new one. The way back never runs install hooks: what was installed is put back byte for byte.

use std::collections::BTreeMap;

use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;
use serde::{Deserialize, Serialize};

/// One script of an event, as its AppSpec has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Path inside the release.
    pub location: String,
    /// Its budget (H8), already cut to what the fleet allows.
    pub timeout: Millis,
    /// Whose account; none: the deployer's own.
    pub runas: Option<String>,
    /// As root.
    pub sudo: bool,
}

/// The scripts of one release by event, each in list order.
pub type Hooks = BTreeMap<Event, Vec<Script>>;

/// What a run has to work with; made once from the two AppSpecs, durable before the first task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the release that the run goes to.
    pub to: Hooks,
    /// Of the release that it comes from; none: the slot is empty.
    pub from: Option<Hooks>,
    /// A health check decides about the new one.
    pub to_health: bool,
    /// A health check decides about the old one.
    pub from_health: bool,
    /// Only started again: `from` is `to`, and it stays as it is installed (`Kind::GoBack`).
    #[serde(default)]
    pub again: bool,
}

/// Which end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The release that the run goes to.
    To,
    /// The release that it comes from.
    From,
}

/// One task. Each occurs at most once in a run; all but hooks may be done again after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Task {
    /// The release directory is what its manifest says.
    Verify,
    /// What stands at the destinations is kept aside, so that it can be put back whatever hooks do to it.
    Keep,
    /// All that will be installed is made aside, with owner and mode, so that the switch only renames.
    Prepare,
    /// The n-th script of an event.
    Hook {
        /// Whose script.
        side: Side,
        /// Of which event.
        event: Event,
        /// From 0.
        script: u16,
    },
    /// Files and links of the new release take their places.
    Switch,
    /// Files and links are as they were.
    Unswitch,
    /// The health check answers well once.
    Health(Side),
    /// What is installed now is the committed release.
    Commit,
}

impl Task {
    /// True when it may take the app out of service: not before the permission was tested (R6).
    pub fn disturbs(self) -> bool {
        match self {
            Task::Verify | Task::Keep | Task::Prepare => false,
            Task::Hook { .. } | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => true,
        }
    }

    /// The event that people see it as.
    pub fn event(self) -> Event {
        match self {
            Task::Verify | Task::Keep | Task::Prepare => Event::DownloadBundle,
            Task::Hook { event, .. } => event,
            Task::Switch | Task::Unswitch => Event::Install,
            Task::Health(_) => Event::HealthCheck,
            Task::Commit => Event::AfterAllowTraffic,
        }
    }

    /// True when its failure is noted and passed over: the scripts that stop things (promise 3).
    pub fn overruled(self) -> bool {
        match self {
            Task::Hook { .. } if planted(Bug::FailurePassedOver) => true,
            Task::Hook { event, .. } => matches!(event, Event::BeforeBlockTraffic | Event::AfterBlockTraffic | Event::ApplicationStop),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => false,
        }
    }
}

impl Plan {
    /// The script of a hook task; none for tasks of our own, or of another plan.
    pub fn script(&self, task: Task) -> Option<&Script> {
        match task {
            Task::Hook { side, event, script } => self.hooks(side)?.get(&event)?.get(usize::from(script)),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => None,
        }
    }

    fn hooks(&self, side: Side) -> Option<&Hooks> {
        match side {
            Side::To => Some(&self.to),
            Side::From => self.from.as_ref(),
        }
    }

    fn push(&self, tasks: &mut Vec<Task>, side: Side, events: &[Event]) {
        for &event in events {
            let scripts = self.hooks(side).and_then(|hooks| hooks.get(&event)).map_or(0, Vec::len);
            tasks.extend((0..scripts.min(usize::from(u16::MAX))).map(|n| Task::Hook { side, event, script: n as u16 }));
        }
    }
}

/// All tasks from the release that runs to the new one, in order.
pub fn forward(plan: &Plan) -> Vec<Task> {
    if plan.again {
        return again(plan);
    }
    let mut tasks = vec![Task::Verify, Task::Keep, Task::Prepare];
    plan.push(&mut tasks, Side::From, &[Event::BeforeBlockTraffic, Event::AfterBlockTraffic, Event::ApplicationStop]);
    plan.push(&mut tasks, Side::To, &[Event::BeforeInstall]);
    tasks.push(Task::Switch);
    plan.push(&mut tasks, Side::To, &[Event::AfterInstall, Event::ApplicationStart, Event::ValidateService]);
    if plan.to_health && !planted(Bug::HealthNotAwaited) {
        tasks.push(Task::Health(Side::To));
    }
    plan.push(&mut tasks, Side::To, &[Event::BeforeAllowTraffic, Event::AfterAllowTraffic]);
    tasks.push(Task::Commit);
    tasks
}

/// Stop what is left of it, start it, see that it is good. A fifth of real bundles start in AfterInstall (wild 18): that
/// runs where nothing else starts.
fn again(plan: &Plan) -> Vec<Task> {
    let start = if plan.to.contains_key(&Event::ApplicationStart) { Event::ApplicationStart } else { Event::AfterInstall };
    let mut tasks = vec![Task::Verify];
    plan.push(&mut tasks, Side::From, &[Event::ApplicationStop]);
    plan.push(&mut tasks, Side::To, &[start, Event::ValidateService]);
    if plan.to_health {
        tasks.push(Task::Health(Side::To));
    }
    tasks
}

/// True when the old application may have been stopped by one of these tasks.
pub fn stopped(begun: &[Task]) -> bool {
    let stops = |t: &Task| {
        matches!(t, Task::Switch | Task::Hook { side: Side::To, .. } | Task::Hook { side: Side::From, event: Event::ApplicationStop, .. })
    };
    begun.iter().any(stops)
}

/// All tasks back to what ran, given the forward tasks that have begun. Empty when nothing was disturbed.
pub fn back(plan: &Plan, begun: &[Task]) -> Vec<Task> {
    let any = |test: fn(&Task) -> bool| begun.iter().any(test);
    let new_acted = any(|t| matches!(t, Task::Switch | Task::Hook { side: Side::To, .. }));
    let stopped = stopped(begun);
    let mut tasks = Vec::new();
    if new_acted {
        plan.push(&mut tasks, Side::To, &[Event::ApplicationStop]);
    }
    if any(|t| t.disturbs()) && !planted(Bug::UndoForgotten) {
        tasks.push(Task::Unswitch);
    }
    if stopped && !planted(Bug::BackNotStarted) {
        plan.push(&mut tasks, Side::From, &[Event::ApplicationStart, Event::ValidateService]);
        if plan.from.is_some() && plan.from_health {
            tasks.push(Task::Health(Side::From));
        }
    }
    if any(|t| t.disturbs()) {
        plan.push(&mut tasks, Side::From, &[Event::BeforeAllowTraffic, Event::AfterAllowTraffic]);
    }
    tasks
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hooks(events: &[Event]) -> Hooks {
        let script = |e: &Event| Script { location: format!("scripts/{e}.sh"), timeout: Millis::seconds(60), runas: None, sudo: false };
        events.iter().map(|e| (*e, vec![script(e)])).collect()
    }

    /// As a line: `From.ApplicationStop Switch …`.
    fn line(tasks: &[Task]) -> String {
        let word = |t: &Task| match t {
            Task::Hook { side, event, .. } => format!("{side:?}.{event}"),
            Task::Health(side) => format!("{side:?}.Health"),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Commit => format!("{t:?}"),
        };
        tasks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn full() -> Plan {
        Plan { to: hooks(&Event::ALL), from: Some(hooks(&Event::ALL)), to_health: true, from_health: true, again: false }
    }

    #[test]
    fn the_order_is_codedeploys_with_ours_between() {
        assert_eq!(
            line(&forward(&full())),
            "Verify Keep Prepare From.BeforeBlockTraffic From.AfterBlockTraffic From.ApplicationStop To.BeforeInstall Switch To.AfterInstall \
             To.ApplicationStart To.ValidateService To.Health To.BeforeAllowTraffic To.AfterAllowTraffic Commit"
        );
        assert_eq!(line(&forward(&Plan::default())), "Verify Keep Prepare Switch Commit");
        let again = Plan { again: true, ..full() };
        assert_eq!(line(&forward(&again)), "Verify From.ApplicationStop To.ApplicationStart To.ValidateService To.Health");
    }

    #[test]
    fn the_way_back_depends_on_how_far_it_came() {
        let tasks = forward(&full());
        let from = "From.BeforeAllowTraffic From.AfterAllowTraffic";
        let check = |begun: usize, expected: &str| assert_eq!(line(&back(&full(), &tasks[..begun])), expected.trim(), "{begun}");
        check(3, "");
        check(4, &format!("Unswitch {from}"));
        check(6, &format!("Unswitch From.ApplicationStart From.ValidateService From.Health {from}"));
        check(8, &format!("To.ApplicationStop Unswitch From.ApplicationStart From.ValidateService From.Health {from}"));
        let first = Plan { from: None, ..full() };
        assert_eq!(line(&back(&first, &forward(&first))), "To.ApplicationStop Unswitch");
    }
}
