//! How a host counts, from the answers of its health check (R9). Measured by the host, on its own uptime.
//!
//! ```text
//!  unknown ─good─▶ settling ─healthy_for without a failed check─▶ available
//!     │               ▲  └─────────────── a failed check ◀──────────┘ (back to settling)
//!     └─failing for unhealthy_for─▶ down ─good─┘       not available for `deadline`: flapping, down until available
//! ```

use pilotage_shared::health::{HealthCheck, Standing};
use pilotage_shared::planted::{Bug, planted};
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
        } else if now - self.available_before >= self.deadline && !planted(Bug::FlappingNeverDown) {
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
    use proptest::prelude::*;

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

    /// What happens to a host; each after so many milliseconds.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Happens {
        Good,
        Failed,
        Restarted,
        Nothing,
    }

    fn happenings() -> impl Strategy<Value = Vec<(u64, Happens)>> {
        let what = prop_oneof![5 => Just(Happens::Good), 3 => Just(Happens::Failed), 1 => Just(Happens::Restarted), 1 => Just(Happens::Nothing)];
        // Whole half seconds: the spans of the check are met exactly, and missed by a millisecond.
        let after = (0u64..16, prop_oneof![4 => Just(0), 1 => Just(1)]).prop_map(|(halves, late)| halves * 500 + late);
        proptest::collection::vec((after, what), 1..60)
    }

    /// Begin of the unbroken row of `wanted` answers that lasts until now; `other` breaks it, and so does a start.
    fn row(past: &[(Uptime, Happens)], wanted: Happens, other: Happens) -> Option<Uptime> {
        let unbroken = past.iter().rev().take_while(|(_, h)| *h != other && *h != Happens::Restarted);
        unbroken.filter(|(_, h)| *h == wanted).last().map(|(at, _)| *at)
    }

    proptest! {
        #[test]
        fn r9_the_standing_is_what_the_answers_say(all in happenings()) {
            let check = check();
            let (mut watched, mut now) = (Watched::new(&check, Uptime(0)), Uptime(0));
            let (mut past, mut available_before) = (Vec::new(), Uptime(0));
            for (after, what) in all {
                now = now + Millis(after);
                match what {
                    Happens::Good => watched.answered(true, now),
                    Happens::Failed => watched.answered(false, now),
                    Happens::Restarted => watched.restarted(now),
                    Happens::Nothing => watched.pass(now),
                }
                past.push((now, what));
                let good = row(&past, Happens::Good, Happens::Failed);
                let failing = row(&past, Happens::Failed, Happens::Good);
                let long = |since: Option<Uptime>, span| since.is_some_and(|since| now - since >= span);
                let standing = watched.standing(now);
                prop_assert_eq!(standing == Standing::Available, long(good, check.healthy_for), "available by its answers alone: {:?}", past);
                if long(failing, check.unhealthy_for) {
                    prop_assert_eq!(standing, Standing::Down, "failing for long: {:?}", past);
                }
                if standing == Standing::Available || what == Happens::Restarted {
                    available_before = now;
                }
                let flapping = now - available_before >= check.deadline;
                if standing == Standing::Down {
                    prop_assert!(long(failing, check.unhealthy_for) || flapping, "down without a reason: {:?}", past);
                } else {
                    prop_assert!(!flapping, "not available for the deadline: {:?}", past);
                }
                if standing == Standing::Unknown {
                    prop_assert!(past.iter().all(|(_, h)| matches!(h, Happens::Failed | Happens::Nothing)), "known: {:?}", past);
                }
            }
        }

        #[test]
        fn r9_who_sleeps_until_it_wakes_misses_no_change(all in happenings()) {
            let (mut watched, mut now) = (Watched::new(&check(), Uptime(0)), Uptime(0));
            for (after, what) in all {
                now = now + Millis(after);
                match what {
                    Happens::Good => watched.answered(true, now),
                    Happens::Failed => watched.answered(false, now),
                    Happens::Restarted => watched.restarted(now),
                    Happens::Nothing => watched.pass(now),
                }
                let (wake, before) = (watched.wake_at(), watched.standing(now));
                // Flapping is found with the next answer: whoever flaps answers.
                for ahead in [1, 1000, 1999, 2000, 4999, 5000] {
                    let later = now + Millis(ahead);
                    let mut asleep = watched.clone();
                    asleep.pass(later);
                    if wake.is_none_or(|at| later < at) && asleep.standing(later) != before {
                        prop_assert!(asleep.flapping && !watched.flapping, "{:?} became {:?} unseen", before, asleep.standing(later));
                    }
                }
            }
        }
    }
}
