//! The next step of a run: pure, from request, plan, journal and what the deployer sees at this moment.

use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::run::{Event, Outcome};
use pilotage_shared::time::Uptime;

use crate::journal::{Cause, End, Failure, Journal, Process, Turn};
use crate::lifecycle::{self, Plan, Side, Task};
use crate::run::request::{Kind, Request};

/// How often a task on the way back is begun again after a crash or reboot took it away.
const LOST_AT_MOST: usize = 5;

/// What the deployer sees now; gathered before each call, never remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// CLOCK_BOOTTIME.
    pub uptime: Uptime,
    /// Of the kernel.
    pub boot: BootId,
    /// Text of `revoked`.
    pub revoked: Option<Why>,
    /// Text of `turn-back`.
    pub turn_back: Option<Why>,
    /// Why the new release is not acceptable here, now.
    pub to_refused: Option<Why>,
    /// Why the old one is not, or cannot be started any more.
    pub from_refused: Option<Why>,
    /// Why this host is not rebooted for a script that asks for it.
    pub reboot_refused: Option<Why>,
}

/// What the deployer does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The permission is good at this moment: record `Disturbed`, then ask again.
    Disturb,
    /// Record `Began`, do the task, record `Ended`. A task of our own may have begun before a crash: it is done again, whole.
    Do(Task),
    /// A hook has begun and not ended: wait for it if it is alive and take its result; if its result is nowhere, end what is
    /// left of it and record `Lost`. Never starts anything.
    Adopt(Task, Option<Process>),
    /// A hook asks to be tried again: look again then, or when something happens.
    Wait(Uptime),
    /// The hook's script asks for a reboot: have the host booted; the run goes on behind it in another boot.
    Reboot(Task),
    /// Record `Turned`.
    TurnBack(Turn),
    /// Record `Closed`, write the report.
    Close(Outcome),
    /// The journal is closed: only the report may be missing.
    Finished(Outcome),
}

/// The next step.
pub fn next(request: &Request, plan: &Plan, journal: &Journal, sight: &Sight) -> Step {
    if let Some(outcome) = journal.closed() {
        return Step::Finished(outcome.clone());
    }
    if let Some((task, process)) = journal.pending() {
        return match task {
            Task::Hook { .. } if planted(Bug::LostHookAgain) => Step::Do(task),
            Task::Hook { .. } => Step::Adopt(task, process),
            Task::Verify | Task::Keep | Task::Prepare | Task::Switch | Task::Unswitch | Task::Health(_) | Task::Commit => Step::Do(task),
            Task::Drain | Task::Stop(_) | Task::Start(_) => Step::Do(task),
        };
    }
    match journal.turned() {
        None => forward(request, plan, journal, sight),
        Some(turn) => back(plan, journal, sight, turn),
    }
}

fn forward(request: &Request, plan: &Plan, journal: &Journal, sight: &Sight) -> Step {
    let mut passed = None;
    for task in lifecycle::forward(plan) {
        match journal.end(task) {
            None if skipped(passed, task) => continue,
            None => return boundary(plan, request, journal, sight, task),
            Some(End::Good { .. }) if rebooted_after_start(journal, sight, task) => {
                return turn(plan, Why::lossy("the host was rebooted in the middle of the run"));
            }
            Some(End::Good { .. }) => {}
            Some(End::Failed(failure)) if failure.cause.again(false) => return boundary(plan, request, journal, sight, task),
            Some(End::Failed(_)) if again_at(plan, journal, sight, task).is_some() => {
                return match (boundary(plan, request, journal, sight, task), again_at(plan, journal, sight, task)) {
                    (Step::Do(_), Some(at)) if sight.uptime < at => Step::Wait(at),
                    (step, _) => step,
                };
            }
            Some(End::Failed(_)) if task.overruled() => passed = Some(task),
            Some(End::Failed(failure)) if !task.disturbs() => return Step::Close(Outcome::NotBegun { why: said(task, failure) }),
            Some(End::Failed(_)) if planted(Bug::FailureCommits) => return Step::Close(Outcome::Committed),
            Some(End::Failed(failure)) if failure.cause == Cause::Reboot => match &sight.reboot_refused {
                _ if journal.ended_in(task) != Some(sight.boot) => {}
                None => return Step::Reboot(task),
                Some(why) => return turn(plan, Why::lossy(&format!("{} asks for a reboot (exit 194): {why}", task.event()))),
            },
            Some(End::Failed(failure)) => return turn(plan, said(task, failure)),
        }
    }
    Step::Close(Outcome::Committed)
}

/// Where only a start was tried there is nothing to go back to.
fn turn(plan: &Plan, why: Why) -> Step {
    if plan.again { Step::Close(Outcome::NeedsHands { why }) } else { Step::TurnBack(Turn::Failed(why)) }
}

/// What a hook of the new release has started went down with the host; it was not validated since. Once all was good and
/// only the commit is missing, it is as after any reboot of a committed release.
fn rebooted_after_start(journal: &Journal, sight: &Sight, task: Task) -> bool {
    let starts = task.starts(Side::To) && !matches!(task, Task::Health(_));
    let lost = starts && journal.ended_in(task) != Some(sight.boot);
    lost && !journal.reboot_asked_after(task) && !journal.begun().contains(&Task::Commit)
}

/// When a hook that has asked for it is tried again; none: it has not asked, or its bounds are reached.
fn again_at(plan: &Plan, journal: &Journal, sight: &Sight, task: Task) -> Option<Uptime> {
    let (retry, tries) = (plan.retry(task)?, journal.tries(task)?);
    if tries.count > retry.times {
        return None;
    }
    let Some((first, last)) = tries.span else { return Some(sight.uptime) };
    let at = last + retry.wait;
    (at - first <= retry.at_most).then_some(at)
}

/// Between two tasks on the way forward: the places where others are listened to.
fn boundary(plan: &Plan, request: &Request, journal: &Journal, sight: &Sight, task: Task) -> Step {
    if journal.disturbed() {
        // To a release that may not run here nobody turns back by choice.
        return match (&sight.turn_back, &sight.from_refused) {
            (Some(why), None) if !plan.again => Step::TurnBack(Turn::Asked(why.clone())),
            (Some(_), _) | (None, _) => Step::Do(task),
        };
    }
    match void(request, sight).filter(|_| !planted(Bug::NoLastTest)) {
        Some(why) => Step::Close(Outcome::NotBegun { why }),
        None if task.disturbs() => Step::Disturb,
        None => Step::Do(task),
    }
}

/// R6 as far as the deployer tests it, and `acceptable()`.
fn void(request: &Request, sight: &Sight) -> Option<Why> {
    if let Some(why) = sight.revoked.as_ref().or(sight.turn_back.as_ref()).or(sight.to_refused.as_ref()) {
        return Some(why.clone());
    }
    match &request.kind {
        Kind::Activate(permit) if permit.boot != sight.boot => Some(Why::lossy("the host was booted since the permission was given")),
        Kind::Activate(permit) if sight.uptime > permit.begin_by => {
            Some(Why::lossy(&format!("the permission ran out {} ago", sight.uptime - permit.begin_by)))
        }
        Kind::Activate(_) | Kind::LocalRollback | Kind::GoBack => None,
    }
}

fn back(plan: &Plan, journal: &Journal, sight: &Sight, turn: &Turn) -> Step {
    let (Turn::Failed(why) | Turn::Asked(why)) = turn;
    let (mut passed, begun) = (None, before_turn(journal));
    for task in lifecycle::back(plan, &begun) {
        match journal.end(task) {
            None if skipped(passed, task) => continue,
            // Whom nobody may start is not told either.
            None if task.tells() && sight.from_refused.is_some() => continue,
            None => match (&sight.from_refused, task.starts(Side::From)) {
                (Some(refused), true) => return needs_hands(why, &format!("switched back, but not started: {refused}")),
                (Some(_), false) | (None, _) => return Step::Do(task),
            },
            Some(End::Good { .. }) if task.starts(Side::From) && journal.ended_in(task) != Some(sight.boot) => return Step::Do(task),
            Some(End::Good { .. }) => {}
            Some(End::Failed(failure)) if repeated(task, failure.cause) && journal.lost(task) < LOST_AT_MOST => return Step::Do(task),
            Some(End::Failed(_)) if again_at(plan, journal, sight, task).is_some() => {
                return match again_at(plan, journal, sight, task) {
                    Some(at) if sight.uptime < at => Step::Wait(at),
                    Some(_) | None => Step::Do(task),
                };
            }
            Some(End::Failed(_)) if task.overruled() => passed = Some(task),
            Some(End::Failed(failure)) => return needs_hands(why, &format!("going back failed: {}", said(task, failure))),
        }
    }
    match &sight.from_refused {
        Some(refused) if plan.from.is_some() && lifecycle::stopped(&begun) => needs_hands(why, &format!("switched back, but not started: {refused}")),
        Some(_) | None => Step::Close(Outcome::RolledBack { why: why.clone() }),
    }
}

/// On the way back what was lost is done again, unless it was only to be told.
fn repeated(task: Task, cause: Cause) -> bool {
    cause.again(!task.tells())
}

fn needs_hands(why: &Why, then: &str) -> Step {
    Step::Close(Outcome::NeedsHands { why: Why::lossy(&format!("{then}; it went back because of {why}")) })
}

/// An event ends with its first failing script (H5), also when the failure is passed over.
fn skipped(passed: Option<Task>, task: Task) -> bool {
    match (passed, task) {
        (Some(Task::Hook { side, event, .. }), Task::Hook { side: s, event: e, .. }) => side == s && event == e,
        (Some(_) | None, _) => false,
    }
}

/// The forward tasks that had begun when the run turned.
fn before_turn(journal: &Journal) -> Vec<Task> {
    use crate::journal::Entry;
    let mut tasks = Vec::new();
    for record in journal.records() {
        match &record.entry {
            Entry::Turned(_) => break,
            Entry::Began { task, .. } => tasks.push(*task),
            Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Ended { .. } | Entry::Closed(_) => {}
        }
    }
    tasks
}

/// As `ValidateService exit 1 "/healthz says 500"`.
fn said(task: Task, failure: &Failure) -> Why {
    let what = match task {
        Task::Verify => "verifying the release".to_owned(),
        Task::Keep => "keeping what is installed".to_owned(),
        Task::Prepare => "preparing the files".to_owned(),
        Task::Hook { event, .. } => event.to_string(),
        Task::Switch => Event::Install.to_string(),
        Task::Unswitch => "switching back".to_owned(),
        Task::Health(_) => Event::HealthCheck.to_string(),
        Task::Commit => "committing".to_owned(),
        Task::Drain => Event::Drain.to_string(),
        Task::Stop(_) => "stopping the service".to_owned(),
        Task::Start(_) => "starting the service".to_owned(),
    };
    let how = match failure.cause {
        Cause::Missing => "script missing".to_owned(),
        Cause::NotExecutable => "script not executable".to_owned(),
        Cause::TimedOut => "timed out".to_owned(),
        Cause::Exited(status) => format!("exit {status}"),
        Cause::Killed(signal) => format!("killed by signal {signal}"),
        Cause::LeftOpen => "output left open".to_owned(),
        Cause::Lost => "lost: the host or the deployer went down in it".to_owned(),
        Cause::NeverStarted => "was never started".to_owned(),
        Cause::Own => format!("failed: {}", failure.message),
        Cause::Later => "exit 21, try again later, for too long".to_owned(),
        Cause::Reboot => "exit 194, which asks for a reboot where none is made".to_owned(),
    };
    let last = if failure.last_line.is_empty() { String::new() } else { format!(" \"{}\"", failure.last_line) };
    Why::lossy(&format!("{what} {how}{last}"))
}

#[cfg(test)]
mod tests;
