//! The one clock: milliseconds since 1970 that never fall, not even over a restart.

use std::time::{SystemTime, UNIX_EPOCH};

use pilotage_shared::time::Time;

/// Wall time, clamped.
#[derive(Debug)]
pub struct Clock {
    last: Time,
}

impl Clock {
    /// A clock that continues behind what was written before.
    pub fn not_before(last: Time) -> Self {
        Self { last }
    }

    /// Now, or the last moment given when the wall clock was set back.
    pub fn now(&mut self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        self.last = self.last.max(Time(wall));
        self.last
    }
}
