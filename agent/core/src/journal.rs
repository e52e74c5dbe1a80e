//! The journal of one run: what was begun, before it begins; what ended, after it has. Replaying it says where the run
//! stands after any crash. An illegal entry is an error, never a guess.

pub mod line;

use pilotage_shared::ids::BootId;
use pilotage_shared::name::Why;
use pilotage_shared::run::{Event, Outcome, Phase};
use pilotage_shared::text::Text;
use pilotage_shared::time::Uptime;
use serde::{Deserialize, Serialize};

use crate::lifecycle::Task;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// CLOCK_BOOTTIME of the boot that the last `Opened` or `Resumed` names.
    pub at: Uptime,
    /// Wall time, milliseconds since 1970; for display.
    pub wall: u64,
    /// What.
    pub entry: Entry,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// The run exists. Always first.
    Opened {
        /// Of the kernel.
        boot: BootId,
    },
    /// A new deployer took the run over.
    Resumed {
        /// Of the kernel now.
        boot: BootId,
    },
    /// The permission was good at the last test; from now on the app may be out of service (R6). `/ready` says 503.
    Disturbed,
    /// The task begins as soon as this is durable.
    Began {
        /// Which.
        task: Task,
        /// A hook's process: made, and held back until this record is durable.
        process: Option<Process>,
    },
    /// It ended.
    Ended {
        /// Which.
        task: Task,
        /// How.
        end: End,
    },
    /// The run goes back from here.
    Turned(Turn),
    /// It is over.
    Closed(Outcome),
}

/// A process that cannot be mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number; also its group and session.
    pub pid: i32,
    /// Its start, clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub started: u64,
}

/// Why a run turned back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// A task failed: the release is refused.
    Failed(Why),
    /// `turn-back` was there: the release is not refused (PROTOCOL §2).
    Asked(Why),
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// As it should.
    Good {
        /// The last line of a hook's output.
        last_line: Why,
    },
    /// Not.
    Failed(Failure),
}

impl End {
    /// A task of our own that went well.
    pub fn good() -> Self {
        End::Good { last_line: Why::lossy("") }
    }
}

/// What went wrong with a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In which way.
    pub cause: Cause,
    /// CodeDeploy's words for hooks, our own else.
    pub message: Text<300>,
    /// The last line of a hook's output.
    pub last_line: Why,
}

/// The ways to fail; a hook's are CodeDeploy's (I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// There is no such script.
    Missing,
    /// It could not be made executable.
    NotExecutable,
    /// It did not end in time.
    TimedOut,
    /// It ended with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
    /// It ended, but something it started still holds its output.
    LeftOpen,
    /// It was running when the host or its supervisor went down: nobody knows how it ended.
    Lost,
    /// It was made but never let go: nothing of it ran, so it is done again.
    NeverStarted,
    /// A task of our own, or starting the hook.
    Own,
    /// It asks to be tried again later (exit 21).
    Later,
    /// It asks for a reboot, to go on behind it (exit 194).
    Reboot,
}

impl Cause {
    /// May the task be begun once more? What never ran, and on the way back what was lost.
    pub fn again(self, back: bool) -> bool {
        self == Cause::NeverStarted || (self == Cause::Lost && back)
    }

    /// CodeDeploy's result code (I1).
    pub fn code(self) -> u8 {
        match self {
            Cause::Missing => 1,
            Cause::NotExecutable => 2,
            Cause::TimedOut => 3,
            Cause::Exited(_) | Cause::Killed(_) | Cause::Later | Cause::Reboot => 4,
            Cause::Lost | Cause::NeverStarted | Cause::Own => 5,
            Cause::LeftOpen => 6,
        }
    }
}

/// How often a hook was begun, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// So often.
    pub count: u32,
    /// Its first begin and its last end, when both were in this boot.
    pub span: Option<(Uptime, Uptime)>,
}

/// All records of one run, in order, each legal after those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    records: Vec<Record>,
}

/// Why an entry cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Not `Opened` first, or a second `Opened`.
    #[error("a journal begins with Opened, once")]
    Opening,
    /// The run is over.
    #[error("nothing follows Closed")]
    AfterClosed,
    /// A disturbing task without `Disturbed`, or `Disturbed` twice or too late.
    #[error("the permission is tested once, before anything is disturbed")]
    Permission,
    /// A task begins while another has not ended, or a hook begins twice.
    #[error("{0:?} cannot begin here")]
    Began(Task),
    /// A task ends that has not begun.
    #[error("{0:?} ends without having begun")]
    Ended(Task),
    /// It turns twice, before anything was disturbed, or inside a task.
    #[error("a run turns once, between tasks, after it has disturbed something")]
    Turned,
    /// It closes inside a task.
    #[error("a run closes between tasks")]
    Closed,
}

impl Journal {
    /// Adds a record.
    pub fn record(&mut self, record: Record) -> Result<(), Illegal> {
        self.legal(&record.entry)?;
        self.records.push(record);
        Ok(())
    }

    /// All of them.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The task that has begun and not ended.
    pub fn pending(&self) -> Option<(Task, Option<Process>)> {
        self.records.iter().rev().find_map(|r| match &r.entry {
            Entry::Began { task, process } => Some(Some((*task, *process))),
            Entry::Ended { .. } => Some(None),
            Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Turned(_) | Entry::Closed(_) => None,
        })?
    }

    /// True once the app may be out of service.
    pub fn disturbed(&self) -> bool {
        self.records.iter().any(|r| matches!(r.entry, Entry::Disturbed))
    }

    /// Why the run turned back, when it did.
    pub fn turned(&self) -> Option<&Turn> {
        self.records.iter().find_map(|r| if let Entry::Turned(turn) = &r.entry { Some(turn) } else { None })
    }

    /// How it ended.
    pub fn closed(&self) -> Option<&Outcome> {
        self.records.last().and_then(|r| if let Entry::Closed(outcome) = &r.entry { Some(outcome) } else { None })
    }

    /// True when the switch has been done: R29 turns back only runs that have not passed it.
    pub fn switched(&self) -> bool {
        self.records.iter().any(|r| matches!(r.entry, Entry::Ended { task: Task::Switch, end: End::Good { .. } }))
    }

    /// What the run does now, as a status says it.
    pub fn phase(&self) -> Phase {
        if !self.disturbed() {
            return Phase::Beginning;
        }
        let event = self.records.iter().rev().map(|r| &r.entry).find_map(|e| match e {
            Entry::Began { task, .. } if task.disturbs() => Some(task.event()),
            Entry::Turned(_) => Some(Event::ApplicationStop),
            Entry::Began { .. } | Entry::Ended { .. } | Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Closed(_) => None,
        });
        let event = event.unwrap_or(Event::BeforeBlockTraffic);
        if self.turned().is_some() { Phase::Back(event) } else { Phase::Forward(event) }
    }

    /// The boot in which a task last ended: what it has started lives only there.
    pub fn ended_in(&self, task: Task) -> Option<BootId> {
        let (mut boot, mut ended) = (None, None);
        for record in &self.records {
            match &record.entry {
                Entry::Opened { boot: b } | Entry::Resumed { boot: b } => boot = Some(*b),
                Entry::Ended { task: t, .. } if *t == task => ended = boot,
                Entry::Ended { .. } | Entry::Began { .. } | Entry::Disturbed | Entry::Turned(_) | Entry::Closed(_) => {}
            }
        }
        ended
    }

    /// The boot of now, as far as it was recorded.
    pub fn boot(&self) -> Option<BootId> {
        self.records.iter().rev().find_map(|r| match r.entry {
            Entry::Opened { boot } | Entry::Resumed { boot } => Some(boot),
            Entry::Disturbed | Entry::Began { .. } | Entry::Ended { .. } | Entry::Turned(_) | Entry::Closed(_) => None,
        })
    }

    /// The last end of a task, if it has one.
    pub fn end(&self, task: Task) -> Option<&End> {
        self.records.iter().rev().find_map(|r| match &r.entry {
            Entry::Ended { task: t, end } if *t == task => Some(end),
            Entry::Ended { .. }
            | Entry::Began { .. }
            | Entry::Opened { .. }
            | Entry::Resumed { .. }
            | Entry::Disturbed
            | Entry::Turned(_)
            | Entry::Closed(_) => None,
        })
    }

    /// The boot in which the last task began: the process recorded with it means something only there.
    pub fn began_in(&self) -> Option<BootId> {
        let (mut boot, mut began) = (None, None);
        for record in &self.records {
            match record.entry {
                Entry::Opened { boot: b } | Entry::Resumed { boot: b } => boot = Some(b),
                Entry::Began { .. } => began = boot,
                Entry::Disturbed | Entry::Ended { .. } | Entry::Turned(_) | Entry::Closed(_) => {}
            }
        }
        began
    }

    /// Hooks that have begun so far; the last one's number in `logs/`.
    pub fn hooks(&self) -> usize {
        self.records.iter().filter(|r| matches!(r.entry, Entry::Began { task: Task::Hook { .. }, .. })).count()
    }

    /// How often a task was lost.
    pub fn lost(&self, task: Task) -> usize {
        let lost = |r: &&Record| matches!(&r.entry, Entry::Ended { task: t, end: End::Failed(f) } if *t == task && f.cause == Cause::Lost);
        self.records.iter().filter(lost).count()
    }

    /// How a task that asked to be tried again has been tried; none when its last end is another. Within one boot: one that
    /// has asked in an earlier boot has been waited for.
    pub fn tries(&self, task: Task) -> Option<Tries> {
        if !matches!(self.end(task), Some(End::Failed(failure)) if failure.cause == Cause::Later) {
            return None;
        }
        let (mut count, mut span, mut in_boot) = (0, None, None);
        for record in &self.records {
            match &record.entry {
                Entry::Opened { boot } | Entry::Resumed { boot } if in_boot != Some(*boot) => (span, in_boot) = (None, Some(*boot)),
                Entry::Began { task: t, .. } if *t == task => {
                    count += 1;
                    span = span.or(Some((record.at, record.at)));
                }
                Entry::Ended { task: t, .. } if *t == task => span = span.map(|(first, _)| (first, record.at)),
                Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Began { .. } | Entry::Ended { .. } => {}
                Entry::Turned(_) | Entry::Closed(_) => {}
            }
        }
        Some(Tries { count, span })
    }

    /// True when a script that ended after this task has asked for a reboot: what the task has started was to outlive it.
    pub fn reboot_asked_after(&self, task: Task) -> bool {
        let asked = |end: &End| matches!(end, End::Failed(failure) if failure.cause == Cause::Reboot);
        let last = self.records.iter().rev().find_map(|r| match &r.entry {
            Entry::Ended { task: t, .. } if *t == task => Some(false),
            Entry::Ended { end, .. } if asked(end) => Some(true),
            Entry::Opened { .. } | Entry::Resumed { .. } | Entry::Disturbed | Entry::Began { .. } | Entry::Ended { .. } => None,
            Entry::Turned(_) | Entry::Closed(_) => None,
        });
        last == Some(true)
    }

    /// All tasks that have begun, in order, each once.
    pub fn begun(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for record in &self.records {
            if let Entry::Began { task, .. } = record.entry
                && !tasks.contains(&task)
            {
                tasks.push(task);
            }
        }
        tasks
    }

    fn legal(&self, entry: &Entry) -> Result<(), Illegal> {
        if self.records.is_empty() != matches!(entry, Entry::Opened { .. }) {
            return Err(Illegal::Opening);
        }
        if self.closed().is_some() {
            return Err(Illegal::AfterClosed);
        }
        let pending = self.pending();
        match entry {
            Entry::Opened { .. } | Entry::Resumed { .. } => Ok(()),
            Entry::Disturbed if self.disturbed() || pending.is_some() => Err(Illegal::Permission),
            Entry::Disturbed => Ok(()),
            Entry::Began { task, .. } if task.disturbs() && !self.disturbed() => Err(Illegal::Permission),
            Entry::Began { task, .. } => {
                let hook = matches!(task, Task::Hook { .. });
                let again = match (&pending, self.end(*task)) {
                    (Some((open, _)), _) => open == task && !hook,
                    (None, None) => true,
                    (None, Some(End::Failed(failure))) => failure.cause == Cause::Later || failure.cause.again(self.turned().is_some()),
                    // What it has started went down with the host.
                    (None, Some(End::Good { .. })) => self.turned().is_some() && self.ended_in(*task) != self.boot(),
                };
                if again { Ok(()) } else { Err(Illegal::Began(*task)) }
            }
            Entry::Ended { task, .. } if pending.is_none_or(|(open, _)| open != *task) => Err(Illegal::Ended(*task)),
            Entry::Ended { .. } => Ok(()),
            Entry::Turned(_) if self.turned().is_some() || !self.disturbed() || pending.is_some() => Err(Illegal::Turned),
            Entry::Turned(_) => Ok(()),
            Entry::Closed(_) if pending.is_some() => Err(Illegal::Closed),
            Entry::Closed(_) => Ok(()),
        }
    }
}
