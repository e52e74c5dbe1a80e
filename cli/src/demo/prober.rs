//! The independent witness of the demo: one thread for each host sends real requests to the application's port and writes
//! down who answered what. It knows nothing of coordinator and agents.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::app;

/// Between two requests to one host: 20 each second.
const INTERVAL: Duration = Duration::from_millis(50);

/// A request that was not answered with 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the host.
    pub host: usize,
    /// When it was sent, milliseconds since 1970.
    pub at_ms: u64,
    /// Refused before anybody listened, or answered with something else.
    pub what: String,
}

/// What was seen between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The fewest hosts that answered at any one moment.
    pub min_answering: usize,
    /// Requests sent.
    pub requests: u64,
    /// Those that were not answered with 200.
    pub failures: Vec<Failure>,
}

#[derive(Debug, Default)]
struct Record {
    /// What each host said last; none: no answer.
    said: Vec<Option<String>>,
    phase: Seen,
}

impl Record {
    fn answering(&self) -> usize {
        self.said.iter().flatten().count()
    }

    fn take(&mut self, host: usize, at_ms: u64, answer: Result<String, String>) {
        self.phase.requests += 1;
        match answer {
            Ok(body) => self.said[host] = Some(body),
            Err(what) => {
                self.said[host] = None;
                self.phase.failures.push(Failure { host, at_ms, what });
            }
        }
        self.phase.min_answering = self.phase.min_answering.min(self.answering());
    }

    fn next_phase(&mut self) -> Seen {
        let fresh = Seen { min_answering: self.answering(), ..Seen::default() };
        std::mem::replace(&mut self.phase, fresh)
    }
}

/// The running witness.
#[derive(Debug)]
pub struct Prober {
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Prober {
    /// Begins to ask every port.
    pub fn start(ports: &[u16]) -> std::io::Result<Self> {
        let record = Arc::new(Mutex::new(Record { said: vec![None; ports.len()], phase: Seen::default() }));
        let mut prober = Self { record, stop: Arc::default(), threads: Vec::new() };
        for (host, port) in ports.iter().copied().enumerate() {
            let (record, stop) = (prober.record.clone(), prober.stop.clone());
            let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(move || ask(host, port, &record, &stop))?;
            prober.threads.push(thread);
        }
        Ok(prober)
    }

    /// Ends a phase and begins the next; what was seen in the one that ended.
    pub fn next_phase(&self) -> Seen {
        lock(&self.record).next_phase()
    }

    /// How many hosts say what, now; `None` are those that do not answer.
    pub fn answers(&self) -> BTreeMap<Option<String>, usize> {
        let mut counts = BTreeMap::new();
        for said in &lock(&self.record).said {
            *counts.entry(said.clone()).or_default() += 1;
        }
        counts
    }

    /// Ends every thread.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(record: &Mutex<Record>) -> std::sync::MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask(host: usize, port: u16, record: &Mutex<Record>, stop: &AtomicBool) {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
        let answer = match app::get(port, "/") {
            Ok((200, body)) => Ok(body.trim().to_owned()),
            Ok((status, _)) => Err(format!("status {status}")),
            Err(error) => Err(error.kind().to_string()),
        };
        lock(record).take(host, at_ms, answer);
        next += INTERVAL;
        match next.checked_duration_since(Instant::now()) {
            Some(rest) => std::thread::sleep(rest),
            None => next = Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_moment_of_a_phase_is_kept() {
        let mut record = Record { said: vec![None; 3], phase: Seen::default() };
        for host in 0..3 {
            record.take(host, 1, Ok("web 1".into()));
        }
        assert_eq!(record.next_phase().min_answering, 0);
        record.take(0, 2, Err("connection refused".into()));
        record.take(1, 3, Err("status 500".into()));
        record.take(0, 4, Ok("web 2".into()));
        let seen = record.next_phase();
        assert_eq!((seen.min_answering, seen.requests, seen.failures.len()), (1, 3, 2));
        assert_eq!(record.next_phase().min_answering, 2, "a phase begins with what answers at its begin");
    }
}
