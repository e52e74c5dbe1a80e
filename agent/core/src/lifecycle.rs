//! The order of a lifecycle (DESIGN §6; G1 of the CodeDeploy contract): which tasks a run does forward, and which back.
//!
//! The stop events come from the release that runs (its scripts, G2) and are overruled when they fail (promise 3); all
//! else comes from the new one. The way back never runs install hooks: what was installed is put back byte for byte.
//!
//! A release that declares a systemd unit as its service has it stopped after its ApplicationStop scripts and started before
//! its ApplicationStart scripts; it needs none of them. `OnFailure` and `OnRollback` are told, they decide nothing.

use std::collections::BTreeMap;

use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;
use serde::{Deserialize, Serialize};

/// One script of an event, as its AppSpec has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Path inside the release.
    pub location: String,
    /// Its budget (H8), already cut to what the fleet allows.
    pub timeout: Millis,
    /// Whose account; none: the deployer's own.
    pub runas: Option<String>,
    /// As root.
    pub sudo: bool,
    /// What it is called with.
    #[serde(default)]
    pub args: Vec<String>,
    /// What it finds in its environment beside the contract.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
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
    /// What the new release declares beside its scripts.
    #[serde(default)]
    pub to_ways: Ways,
    /// What the old one does.
    #[serde(default)]
    pub from_ways: Ways,
}

/// What a release declares under `x-pilotage`, as far as it changes the order of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    /// A systemd unit is its service.
    pub service: bool,
    /// It is drained before it is stopped.
    pub drain: bool,
    /// Its scripts may ask for another try (exit 21) or a reboot (exit 194); none: these are failures as any other.
    pub retry: Option<Retry>,
}

/// How far a script that asks to be tried again later (exit 21) is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// More tries than this are not made.
    pub times: u32,
    /// Between two tries.
    pub wait: Millis,
    /// No try begins later than this after the first.
    pub at_most: Millis,
}

/// Which end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The release that the run goes to.
    To,
    /// The release that it comes from.
    From,
}

/// One task. Each occurs at most once in a run; all but hooks may be done again after a crash. A hook that asks for it is
/// tried again ([`Retry`]).
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
    /// Requests in course come to their end, as the release that runs declares it.
    Drain,
    /// The systemd unit that is the release's service is stopped.
    Stop(Side),
    /// It is started, and active.
    Start(Side),
}

impl Task {
    /// True when it may take the app out of service: not before the permission was tested (R6).
    pub fn disturbs(self) -> bool {
        match self {
            Task::Verify | Task::Keep | Task::Prepare | Task::Hook { event: Event::Preflight, .. } => false,
            Task::Hook { .. } | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => true,
            Task::Drain | Task::Stop(_) | Task::Start(_) => true,
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
            Task::Drain => Event::Drain,
            Task::Stop(_) => Event::ApplicationStop,
            Task::Start(_) => Event::ApplicationStart,
        }
    }

    /// True when it only tells the release how the run goes: it decides nothing, and is not repeated.
    pub fn tells(self) -> bool {
        matches!(self, Task::Hook { event: Event::OnFailure | Event::OnRollback, .. })
    }

    /// True when it may leave something of that release running.
    pub fn starts(self, side: Side) -> bool {
        match self {
            Task::Hook { side: of, .. } | Task::Health(of) | Task::Start(of) => of == side && self.disturbs() && !self.tells(),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Commit | Task::Drain | Task::Stop(_) => false,
        }
    }

    /// True when its failure is noted and passed over: what stops things (promise 3), and what only tells.
    pub fn overruled(self) -> bool {
        match self {
            Task::Hook { .. } if planted(Bug::FailurePassedOver) => true,
            Task::Hook { .. } if self.tells() => true,
            Task::Hook { event, .. } => matches!(event, Event::BeforeBlockTraffic | Event::AfterBlockTraffic | Event::ApplicationStop),
            Task::Drain | Task::Stop(_) => true,
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit | Task::Start(_) => false,
        }
    }
}

impl Plan {
    /// The script of a hook task; none for tasks of our own, or of another plan.
    pub fn script(&self, task: Task) -> Option<&Script> {
        match task {
            Task::Hook { side, event, script } => self.hooks(side)?.get(&event)?.get(usize::from(script)),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => None,
            Task::Drain | Task::Stop(_) | Task::Start(_) => None,
        }
    }

    /// What the release of that side declares.
    pub fn ways(&self, side: Side) -> Ways {
        match side {
            Side::To => self.to_ways,
            Side::From if self.from.is_some() => self.from_ways,
            Side::From => Ways::default(),
        }
    }

    /// What a hook may ask for beside success and failure.
    pub fn retry(&self, task: Task) -> Option<Retry> {
        match task {
            Task::Hook { side, .. } if !task.tells() => self.ways(side).retry,
            Task::Hook { .. } | Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => None,
            Task::Drain | Task::Stop(_) | Task::Start(_) => None,
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

    /// Its scripts, then its unit.
    fn push_stop(&self, tasks: &mut Vec<Task>, side: Side) {
        self.push(tasks, side, &[Event::ApplicationStop]);
        tasks.extend(self.ways(side).service.then_some(Task::Stop(side)));
    }

    /// Its unit, then its scripts.
    fn push_start(&self, tasks: &mut Vec<Task>, side: Side, event: Event) {
        tasks.extend(self.ways(side).service.then_some(Task::Start(side)));
        self.push(tasks, side, &[event, Event::ValidateService]);
    }
}

/// All tasks from the release that runs to the new one, in order.
pub fn forward(plan: &Plan) -> Vec<Task> {
    if plan.again {
        return again(plan);
    }
    let mut tasks = vec![Task::Verify];
    plan.push(&mut tasks, Side::To, &[Event::Preflight]);
    tasks.extend([Task::Keep, Task::Prepare]);
    plan.push(&mut tasks, Side::From, &[Event::BeforeBlockTraffic]);
    // Where CodeDeploy's load balancer drains.
    tasks.extend(plan.ways(Side::From).drain.then_some(Task::Drain));
    plan.push(&mut tasks, Side::From, &[Event::AfterBlockTraffic]);
    plan.push_stop(&mut tasks, Side::From);
    plan.push(&mut tasks, Side::To, &[Event::BeforeInstall]);
    tasks.push(Task::Switch);
    plan.push(&mut tasks, Side::To, &[Event::AfterInstall]);
    plan.push_start(&mut tasks, Side::To, Event::ApplicationStart);
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
    let starts = plan.to.contains_key(&Event::ApplicationStart) || plan.to_ways.service;
    let start = if starts { Event::ApplicationStart } else { Event::AfterInstall };
    let mut tasks = vec![Task::Verify];
    plan.push_stop(&mut tasks, Side::From);
    plan.push_start(&mut tasks, Side::To, start);
    if plan.to_health {
        tasks.push(Task::Health(Side::To));
    }
    tasks
}

/// True when the old application may have been stopped by one of these tasks.
pub fn stopped(begun: &[Task]) -> bool {
    let stops = |t: &Task| matches!(t, Task::Stop(Side::From) | Task::Hook { side: Side::From, event: Event::ApplicationStop, .. });
    begun.iter().any(|t| acts(t) || stops(t))
}

/// A task in which the new release does something to this host.
fn acts(task: &Task) -> bool {
    *task == Task::Switch || task.starts(Side::To)
}

/// All tasks back to what ran, given the forward tasks that have begun. Empty when nothing was disturbed.
pub fn back(plan: &Plan, begun: &[Task]) -> Vec<Task> {
    let any = |test: fn(&Task) -> bool| begun.iter().any(test);
    let new_acted = any(acts);
    let stopped = stopped(begun);
    let mut tasks = Vec::new();
    if new_acted {
        plan.push(&mut tasks, Side::To, &[Event::OnFailure]);
        plan.push_stop(&mut tasks, Side::To);
    }
    if any(|t| t.disturbs()) && !planted(Bug::UndoForgotten) {
        tasks.push(Task::Unswitch);
    }
    if stopped && !planted(Bug::BackNotStarted) {
        plan.push_start(&mut tasks, Side::From, Event::ApplicationStart);
        if plan.from.is_some() && plan.from_health {
            tasks.push(Task::Health(Side::From));
        }
    }
    if any(|t| t.disturbs()) {
        plan.push(&mut tasks, Side::From, &[Event::BeforeAllowTraffic, Event::AfterAllowTraffic, Event::OnRollback]);
    }
    tasks
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hooks(events: &[Event]) -> Hooks {
        let script = |e: &Event| Script { location: format!("scripts/{e}.sh"), timeout: Millis::seconds(60), ..Script::default() };
        events.iter().map(|e| (*e, vec![script(e)])).collect()
    }

    /// As a line: `From.ApplicationStop Switch …`.
    fn line(tasks: &[Task]) -> String {
        let word = |t: &Task| match t {
            Task::Hook { side, event, .. } => format!("{side:?}.{event}"),
            Task::Health(side) => format!("{side:?}.Health"),
            Task::Verify
            | Task::Keep
            | Task::Prepare
            | Task::Switch
            | Task::Unswitch
            | Task::Commit
            | Task::Drain
            | Task::Stop(_)
            | Task::Start(_) => format!("{t:?}"),
        };
        tasks.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    fn full() -> Plan {
        Plan { to: hooks(&Event::ALL), from: Some(hooks(&Event::ALL)), to_health: true, from_health: true, ..Plan::default() }
    }

    fn with_service() -> Plan {
        let ways = Ways { service: true, drain: true, retry: None };
        Plan { to_ways: ways, from_ways: ways, ..full() }
    }

    #[test]
    fn the_order_is_codedeploys_with_ours_between() {
        assert_eq!(
            line(&forward(&full())),
            "Verify To.Preflight Keep Prepare From.BeforeBlockTraffic From.AfterBlockTraffic From.ApplicationStop To.BeforeInstall Switch To.AfterInstall \
             To.ApplicationStart To.ValidateService To.Health To.BeforeAllowTraffic To.AfterAllowTraffic Commit"
        );
        assert_eq!(line(&forward(&Plan::default())), "Verify Keep Prepare Switch Commit");
        let again = Plan { again: true, ..full() };
        assert_eq!(line(&forward(&again)), "Verify From.ApplicationStop To.ApplicationStart To.ValidateService To.Health");
    }

    #[test]
    fn the_way_back_depends_on_how_far_it_came() {
        let tasks = forward(&full());
        let from = "From.BeforeAllowTraffic From.AfterAllowTraffic From.OnRollback";
        let check = |begun: usize, expected: &str| assert_eq!(line(&back(&full(), &tasks[..begun])), expected.trim(), "{begun}");
        check(4, "");
        check(5, &format!("Unswitch {from}"));
        check(7, &format!("Unswitch From.ApplicationStart From.ValidateService From.Health {from}"));
        check(9, &format!("To.OnFailure To.ApplicationStop Unswitch From.ApplicationStart From.ValidateService From.Health {from}"));
        let first = Plan { from: None, ..full() };
        assert_eq!(line(&back(&first, &forward(&first))), "To.OnFailure To.ApplicationStop Unswitch");
    }

    #[test]
    fn a_service_is_stopped_behind_the_stop_scripts_and_started_before_the_start_scripts() {
        let bare = Plan { to: Hooks::new(), from: Some(Hooks::new()), to_health: false, from_health: false, ..with_service() };
        assert_eq!(line(&forward(&bare)), "Verify Keep Prepare Drain Stop(From) Switch Start(To) Commit");
        assert_eq!(line(&back(&bare, &forward(&bare)[..6])), "Stop(To) Unswitch Start(From)");
        assert_eq!(line(&back(&bare, &forward(&bare)[..4])), "Unswitch", "what was only drained still runs");
        assert_eq!(line(&forward(&Plan { again: true, ..bare })), "Verify Stop(From) Start(To)");
        let all = line(&forward(&with_service()));
        assert!(all.contains("BeforeBlockTraffic Drain From.AfterBlockTraffic From.ApplicationStop Stop(From) To.BeforeInstall"), "{all}");
        assert!(all.contains("To.AfterInstall Start(To) To.ApplicationStart To.ValidateService"), "{all}");
        let first = Plan { from: None, ..with_service() };
        assert!(!line(&forward(&first)).contains("From"), "an empty slot has nothing to stop, whatever was declared");
    }
}
