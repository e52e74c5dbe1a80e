//! What the coordinator is told of a run when it has ended: made from the journal alone.

use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::run::{Event, EventReport, Outcome, RunReport};
use pilotage_shared::text::Text;
use pilotage_shared::time::Uptime;

use crate::journal::{Cause, End, Entry, Failure, Journal, Record};
use crate::lifecycle::{Plan, Task};
use crate::run::request::{LATER, REBOOT, Request};

/// Events of one report, at most.
const EVENTS: usize = 40;

/// A moment in a journal: comparable within one boot, by wall time across boots.
#[derive(Clone, Copy)]
struct Moment {
    boot: BootId,
    at: Uptime,
    wall: u64,
}

impl Moment {
    fn since(self, earlier: Moment) -> u64 {
        if self.boot == earlier.boot { (self.at - earlier.at).0 } else { self.wall.saturating_sub(earlier.wall) }
    }
}

/// The report of a closed journal; none while it is not closed.
pub fn report(request: &Request, plan: &Plan, journal: &Journal) -> Option<RunReport> {
    let outcome = journal.closed()?.clone();
    let moments = moments(journal.records());
    let (first, last) = (*moments.first()?, *moments.last()?);
    let mut events = Vec::new();
    let (mut began, mut back) = (first, false);
    let (mut stopped, mut serving) = (None, None);
    for (record, moment) in journal.records().iter().zip(&moments) {
        match &record.entry {
            Entry::Disturbed => stopped = Some(*moment),
            Entry::Turned(_) => back = true,
            Entry::Began { .. } => began = *moment,
            Entry::Ended { task, end } => {
                if matches!(task.event(), Event::ApplicationStart | Event::ValidateService | Event::HealthCheck) {
                    serving = Some(*moment);
                }
                if told(*task, end) && !tried_again(journal, *task, end) {
                    let told = event(plan, *task, end, back, (began.since(first), moment.since(began)));
                    events.push(if went_on(journal, *task, end) { EventReport { code: 0, ..told } } else { told });
                }
            }
            Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Closed(_) => {}
        }
    }
    let out = stopped.map(|at| serving.unwrap_or(last).since(at));
    Some(RunReport {
        id: request.run.clone(),
        app: request.app.clone(),
        generation: request.generation(),
        to: request.to.release,
        from: request.from.as_ref().map(|t| t.release),
        began_at_ms: first.wall,
        took_ms: last.since(first),
        out_of_service_ms: if matches!(outcome, Outcome::NotBegun { .. }) { None } else { out },
        events: shortened(events),
        outcome,
    })
}

fn moments(records: &[Record]) -> Vec<Moment> {
    let mut boot = BootId::default();
    let moment = |r: &Record| {
        if let Entry::Opened { boot: b } | Entry::Resumed { boot: b } = r.entry {
            boot = b;
        }
        Moment { boot, at: r.at, wall: r.wall }
    };
    records.iter().map(moment).collect()
}

/// Only the last of several tries is told.
fn tried_again(journal: &Journal, task: Task, end: &End) -> bool {
    matches!(end, End::Failed(failure) if failure.cause == Cause::Later) && !journal.end(task).is_some_and(|last| std::ptr::eq(last, end))
}

/// A script that asked for a reboot and got it has not failed.
fn went_on(journal: &Journal, task: Task, end: &End) -> bool {
    matches!(end, End::Failed(failure) if failure.cause == Cause::Reboot) && journal.ended_in(task) != journal.boot()
}

/// Our own small tasks are told only when they fail.
fn told(task: Task, end: &End) -> bool {
    if matches!(end, End::Failed(failure) if failure.cause == Cause::NeverStarted) {
        return false;
    }
    match task {
        Task::Hook { .. } | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Drain | Task::Stop(_) | Task::Start(_) => true,
        Task::Verify | Task::Keep | Task::Prepare | Task::Commit => matches!(end, End::Failed(_)),
    }
}

fn event(plan: &Plan, task: Task, end: &End, back: bool, (began_ms, took_ms): (u64, u64)) -> EventReport {
    let script = plan.script(task).map(|s| Text::lossy(&s.location));
    let hook = script.is_some();
    let (code, exit, message, last_line) = match end {
        End::Good { last_line } => (0, hook.then_some(0), Why::lossy(""), last_line.clone()),
        End::Failed(Failure { cause, message, last_line }) => (cause.code(), exit(*cause), message.clone(), last_line.clone()),
    };
    EventReport { event: task.event(), back, script, began_ms, took_ms, code, exit, message, last_line }
}

fn exit(cause: Cause) -> Option<i32> {
    match cause {
        Cause::Exited(status) => Some(status),
        Cause::Killed(signal) => Some(128 + signal),
        Cause::Later => Some(LATER),
        Cause::Reboot => Some(REBOOT),
        Cause::Missing | Cause::NotExecutable | Cause::TimedOut | Cause::LeftOpen | Cause::Lost | Cause::NeverStarted | Cause::Own => None,
    }
}

/// The newest matter most, but where it began stays visible.
fn shortened(mut events: Vec<EventReport>) -> Vec<EventReport> {
    if events.len() > EVENTS {
        events.drain(EVENTS / 2..events.len() - EVENTS / 2);
    }
    events
}
