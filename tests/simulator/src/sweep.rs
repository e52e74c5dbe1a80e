//! Many seeds, on all cores: what they have met, and which of them break a promise.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::coverage::Coverage;
use crate::promises::Violation;
use crate::seed::{self, Scale};

/// How often the caller is told though nothing has ended.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Which seeds, and how.
#[derive(Clone, Copy)]
pub struct Sweep<'a> {
    /// The first.
    pub first: u64,
    /// How many at most.
    pub seeds: u64,
    /// For how long at most; the seeds that have begun then are run to their end.
    pub within: Option<Duration>,
    /// How each is run.
    pub scale: Scale,
    /// What each thread does before its first seed.
    pub prepare: &'a (dyn Fn() + Sync),
    /// Set from outside when no more seeds are wanted.
    pub stop: &'a AtomicBool,
}

/// What they came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// What was met.
    pub coverage: Coverage,
    /// Seeds that were run.
    pub seeds: u64,
    /// Events that they took.
    pub steps: u64,
    /// Those that broke a promise, by number.
    pub failed: Vec<(u64, Violation)>,
    /// Steps and digest of each, by number, when they were asked for.
    pub digests: Vec<(u64, u64, u64)>,
    /// What its threads have spent of processors: whoever else runs on this machine does not count.
    pub spent: Duration,
    /// How long it took.
    pub took: Duration,
}

impl Swept {
    /// Seeds each second.
    pub fn rate(&self) -> f64 {
        self.seeds as f64 / self.took.as_secs_f64().max(0.001)
    }

    /// Events in a second of one processor.
    pub fn step_rate_per_core(&self) -> f64 {
        self.steps as f64 / self.spent.as_secs_f64().max(0.001)
    }

    /// Events each second, of all cores together.
    pub fn step_rate(&self) -> f64 {
        self.steps as f64 / self.took.as_secs_f64().max(0.001)
    }
}

/// How many threads run seeds.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get())
}

/// Runs them. The caller is told of the state from time to time and after each failure, and may say that it is enough.
pub fn sweep(wanted: &Sweep<'_>, tell: &mut dyn FnMut(&Swept) -> ControlFlow<()>) -> Swept {
    let begun = Instant::now();
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let over = || {
        let late = wanted.within.is_some_and(|within| begun.elapsed() >= within);
        late || enough.load(Ordering::Relaxed) || wanted.stop.load(Ordering::Relaxed)
    };
    let mut swept = Swept::default();
    std::thread::scope(|scope| {
        let (done, reports) = sync_channel(64);
        for _ in 0..cores() {
            let done = done.clone();
            scope.spawn({
                let (next, over) = (&next, &over);
                move || {
                    (wanted.prepare)();
                    while !over() {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let before = spent();
                        if number >= wanted.seeds {
                            return;
                        }
                        let report = seed::run_at(wanted.first + number, wanted.scale);
                        if done.send((report, spent().saturating_sub(before))).is_err() {
                            return;
                        }
                    }
                }
            });
        }
        drop(done);
        let mut told = Instant::now();
        loop {
            let mut news = false;
            match reports.recv_timeout(TELL_EVERY) {
                Ok((report, spent)) => {
                    swept.coverage.join(&report.coverage);
                    (swept.seeds, swept.steps, swept.spent) = (swept.seeds + 1, swept.steps + report.steps, swept.spent + spent);
                    swept.digests.extend(report.digest.map(|digest| (report.seed, report.steps, digest)));
                    news = report.broken.is_some();
                    swept.failed.extend(report.broken.map(|broken| (report.seed, broken)));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            swept.took = begun.elapsed();
            if news || told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                if tell(&swept).is_break() {
                    enough.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    swept.took = begun.elapsed();
    swept.failed.sort_by_key(|(number, _)| *number);
    swept.digests.sort_unstable();
    swept
}

/// What this thread has spent of a processor so far; nothing where the machine does not say.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seeds: u64, stop: bool, expected: u64) -> Swept {
        let stop = AtomicBool::new(stop);
        let wanted = Sweep { first: 1, seeds, within: None, scale: Scale::default(), prepare: &|| {}, stop: &stop };
        let swept = sweep(&wanted, &mut |_| ControlFlow::Continue(()));
        assert_eq!(swept.seeds, expected);
        swept
    }

    #[test]
    fn all_cores_together_meet_what_one_does() {
        let swept = check(6, false, 6);
        let mut coverage = Coverage::default();
        let steps: u64 = (1..=6)
            .map(|number| seed::run(number, 0))
            .map(|report| {
                coverage.join(&report.coverage);
                report.steps
            })
            .sum();
        assert_eq!((swept.coverage, swept.steps), (coverage, steps));
    }

    #[test]
    fn who_is_stopped_ends_with_what_there_is() {
        check(6, true, 0);
    }
}
