//! How a host counts, from the answers of its health check (R9). Measured by the host, on its own uptime.
//!
//! ```text
//!  unknown ─good─▶ settling ─healthy_for without a failed check─▶ available
//!     │               ▲  └─────────────── a failed check ◀──────────┘ (back to settling)
//!     └─failing for unhealthy_for─▶ down ─good─┘       not available for `deadline`: flapping, down until available
//! ```

use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::time::{Millis, Uptime};

/// The answers of one app's health check so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    healthy_for: Millis,
    unhealthy_for: Millis,
    deadline: Millis,
    /// Begin of the newest unbroken row of good answers.
    good_since: Option<Uptime>,
    /// Begin of the newest unbroken row of failed ones.
    failing_since: Option<Uptime>,
    /// When it was last available, or began to be watched, or was started anew.
    available_before: Uptime,
    /// It was seen down, and has not answered well since.
    down: bool,
    /// It has run past its deadline, and has not been available since.
    flapping: bool,
    /// Something was started here, or has answered well: one failed check makes it settling, not unknown.
    known: bool,
}

impl Watched {
    /// Begins to watch.
    pub fn new(check: &HealthCheck, now: Uptime) -> Self {
        Self {
            healthy_for: check.healthy_for,
            unhealthy_for: check.unhealthy_for,
            deadline: check.deadline,
            good_since: None,
            failing_since: None,
            available_before: now,
            down: false,
            flapping: false,
            known: false,
        }
    }

    /// A release was started anew: old good answers do not speak for it.
    pub fn restarted(&mut self, now: Uptime) {
        (self.good_since, self.failing_since) = (None, None);
        (self.down, self.flapping, self.known) = (false, false, true);
        self.available_before = now;
    }

    /// One answer.
    pub fn answered(&mut self, good: bool, now: Uptime) {
        if good {
            self.failing_since = None;
            self.down = false;
            self.known = true;
            self.good_since.get_or_insert(now);
        } else {
            self.good_since = None;
            self.failing_since.get_or_insert(now);
        }
        self.pass(now);
    }

    /// Time goes by; to be called before the standing is read.
    pub fn pass(&mut self, now: Uptime) {
        if self.failing_since.is_some_and(|since| now - since >= self.unhealthy_for) {
            self.down = true;
        }
        if self.good_since.is_some_and(|since| now - since >= self.healthy_for) {
            self.available_before = now;
            self.flapping = false;
        } else if now - self.available_before >= self.deadline {
            self.flapping = true;
        }
    }

    /// How it counts at `now`.
    pub fn standing(&self, now: Uptime) -> Standing {
        let available = self.good_since.is_some_and(|since| now - since >= self.healthy_for);
        if available {
            Standing::Available
        } else if self.down || self.flapping {
            Standing::Down
        } else if self.known {
            Standing::Settling
        } else {
            Standing::Unknown
        }
    }

    /// The next moment at which the standing may change without an answer.
    pub fn wake_at(&self) -> Option<Uptime> {
        let settles = self.good_since.map(|since| since + self.healthy_for).filter(|at| *at > self.available_before);
        let falls = self.failing_since.filter(|_| !self.down).map(|since| since + self.unhealthy_for);
        settles.into_iter().chain(falls).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::health::Probe;
    use pilotage_shared::text::Text;

    fn check() -> HealthCheck {
        HealthCheck {
            healthy_for: Millis::seconds(5),
            unhealthy_for: Millis::seconds(2),
            deadline: Millis::seconds(60),
            ..HealthCheck::of(Probe::Tcp { address: Text::lossy("localhost:80") })
        }
    }

    /// One answer a second from second 0: `+` good, `-` failed, `s` started anew, `.` none; the standing at the end.
    fn after(answers: &str) -> Standing {
        let mut watched = Watched::new(&check(), Uptime(0));
        let mut now = Uptime(0);
        for (second, answer) in answers.chars().enumerate() {
            now = Uptime(second as u64 * 1000);
            match answer {
                '+' => watched.answered(true, now),
                '-' => watched.answered(false, now),
                's' => watched.restarted(now),
                _ => watched.pass(now),
            }
        }
        watched.standing(now)
    }

    #[test]
    fn r9_available_after_healthy_for_down_after_unhealthy_for() {
        assert_eq!(after("."), Standing::Unknown);
        assert_eq!(after("-"), Standing::Unknown);
        assert_eq!(after("---"), Standing::Down);
        assert_eq!(after("+"), Standing::Settling);
        assert_eq!(after("+++++"), Standing::Settling);
        assert_eq!(after("++++++"), Standing::Available);
        assert_eq!(after("++++++-"), Standing::Settling, "a failed check ends it at once");
        assert_eq!(after("++++++---"), Standing::Down);
        assert_eq!(after("++++++---+"), Standing::Settling, "until the first good check");
        assert_eq!(after("++++++---++++++"), Standing::Available);
    }

    #[test]
    fn r9_a_release_started_anew_begins_to_settle() {
        assert_eq!(after("++++++s"), Standing::Settling);
        assert_eq!(after("++++++s++"), Standing::Settling, "what answered before does not speak for it");
        assert_eq!(after("++++++s---"), Standing::Down);
        assert_eq!(after("---s"), Standing::Settling);
    }

    #[test]
    fn r9_flapping_is_down_until_available() {
        let flaps: String = "+-".repeat(31);
        assert_eq!(after(&flaps), Standing::Down);
        assert_eq!(after(&format!("{flaps}+++")), Standing::Down);
        assert_eq!(after(&format!("{flaps}++++++")), Standing::Available);
    }
}
