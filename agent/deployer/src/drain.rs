//! The wait before a release is stopped, as it declares it: so long, then until a script of it says that nothing is left.

use std::thread;
use std::time::{Duration, Instant};

use pilotage_shared::health::Probe;
use pilotage_shared::text::Text;

use crate::declared::Drain;
use crate::hook::order::Program;
use crate::probe;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// Waits. `Err`: what was still going on when its time was over.
pub fn drain(drain: &Drain, command: impl Fn(&str) -> Result<Program, String>) -> Result<(), String> {
    let end = Instant::now() + Duration::from_millis(drain.at_most.0);
    // The declared wait itself: nothing tells when balancers have noticed.
    thread::sleep(Duration::from_millis(drain.wait.0));
    let Some(until) = &drain.until else { return Ok(()) };
    let probe = Probe::Command { location: Text::lossy(until) };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let Err(why) = probe::once(&probe, left.max(EVERY), &command) else { return Ok(()) };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("not drained within {}: {why}", drain.at_most));
        }
        thread::sleep(EVERY.min(left));
    }
}
