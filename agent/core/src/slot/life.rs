//! R27: a committed release whose process is gone is started again by the host itself; for nothing else.
//!
//! Only a release that has proved itself here: its processes were seen while it was available. One that dies before that is
//! for the deployment's own failure counting, and what is run by a service manager (no process of our hooks) is the service
//! manager's. What a person has halted stays down. Starts come at growing distances, so that what dies at once does not keep a host busy.

use pilotage_shared::health::Standing;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::time::{Millis, Uptime};
use serde::{Deserialize, Serialize};

/// The first start comes at once, the second so long after it; each further one after twice that.
const FIRST: Millis = Millis::seconds(2);
/// The longest distance.
const LONGEST: Millis = Millis::seconds(300);
/// Who lived so long begins to count anew.
const STEADY: Millis = Millis::seconds(60);

/// What is kept of an app's processes over restarts of agent and host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The release whose processes were seen while it was available.
    pub proved: Option<Release>,
    /// Times that it was started again, since the ledger was made.
    pub restarts: u32,
}

/// A watch over one app's processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vigil {
    /// The durable part.
    pub life: Life,
    /// Starts in a row, without a steady life between.
    tries: u32,
    not_before: Uptime,
    alive_since: Option<Uptime>,
}

/// What is seen of an app between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// What runs, committed.
    pub running: Option<Release>,
    /// Living processes that its hooks have left; none: they were not counted since its last run.
    pub processes: Option<usize>,
    /// How it counts.
    pub standing: Standing,
    /// The last answer of its health check; none: it has none, or was not asked yet.
    pub answer: Option<bool>,
    /// A health check is asked.
    pub asked: bool,
    /// A person has pinned it and stopped its unit: it did not die.
    pub halted: bool,
}

impl Vigil {
    /// From the ledger.
    pub fn new(life: Life) -> Vigil {
        Vigil { life, ..Vigil::default() }
    }

    /// Takes in what is seen; true when the process is gone and it is time to start it again. The durable part may change.
    pub fn look(&mut self, pulse: Pulse, now: Uptime) -> bool {
        if self.life.proved.is_some() && self.life.proved != pulse.running {
            self.life.proved = None;
            (self.tries, self.not_before, self.alive_since) = (0, Uptime(0), None);
        }
        match pulse.processes {
            None => false,
            Some(0) => {
                self.alive_since = None;
                // What answers has moved to a session of its own: it lives.
                let silent = if pulse.asked { pulse.answer == Some(false) } else { true };
                self.life.proved.is_some() && silent && !pulse.halted && now >= self.not_before
            }
            Some(_) => {
                let since = *self.alive_since.get_or_insert(now);
                if now - since >= STEADY {
                    self.tries = 0;
                }
                if pulse.standing == Standing::Available {
                    self.life.proved = pulse.running;
                }
                planted(Bug::RestartUnpermitted) && pulse.standing == Standing::Down && self.life.proved.is_some()
            }
        }
    }

    /// It is started again now.
    pub fn began(&mut self, now: Uptime) {
        let distance = Millis(FIRST.0 << self.tries.min(16)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        self.not_before = now + distance;
        self.life.restarts = self.life.restarts.saturating_add(1);
    }

    /// When one that is gone may be started again.
    pub fn wake_at(&self) -> Option<Uptime> {
        (self.tries > 0).then_some(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::digest::Digest;

    fn release(n: u8) -> Release {
        Release::of(Digest([n; 32]))
    }

    fn pulse(processes: usize, standing: Standing) -> Pulse {
        let good = matches!(standing, Standing::Available | Standing::Settling);
        Pulse { running: Some(release(1)), processes: Some(processes), standing, answer: Some(good), asked: true, halted: false }
    }

    fn proved() -> Vigil {
        Vigil::new(Life { proved: Some(release(1)), restarts: 0 })
    }

    #[test]
    fn r27_what_ran_well_and_is_gone_is_started_again() {
        let mut vigil = Vigil::default();
        assert!(!vigil.look(pulse(2, Standing::Available), Uptime(0)));
        assert_eq!(vigil.life.proved, Some(release(1)));
        assert!(vigil.look(pulse(0, Standing::Down), Uptime(5000)));
        assert!(proved().look(pulse(0, Standing::Down), Uptime(1)), "after a reboot too");
    }

    #[test]
    fn r27_nothing_else_is_started_again() {
        let check = |pulse: Pulse, why: &str| assert!(!proved().look(pulse, Uptime(9000)), "{why}");
        let gone = pulse(0, Standing::Down);
        assert!(proved().look(gone, Uptime(9000)));
        check(pulse(1, Standing::Down), "it fails its check and lives: a shared dependency would restart the whole fleet");
        check(Pulse { answer: Some(true), ..gone }, "it answers: it has left the session of its hook");
        check(Pulse { answer: None, ..gone }, "it was not asked yet");
        check(Pulse { processes: None, ..gone }, "nobody counted yet");
        check(Pulse { running: Some(release(2)), ..gone }, "another release, that has not proved itself");
        check(Pulse { running: None, ..gone }, "an empty slot");
        check(Pulse { halted: true, ..gone }, "a person at the host has stopped it, and said that it is to stay so");
        assert!(!Vigil::default().look(gone, Uptime(9000)), "one that was never seen: a service manager's");
        assert!(proved().look(Pulse { asked: false, answer: None, ..gone }, Uptime(1)), "without a check its processes speak");
    }

    #[test]
    fn r27_what_dies_again_and_again_is_started_at_growing_distances() {
        let (mut vigil, mut now, mut starts) = (proved(), Uptime(0), Vec::new());
        while now < Uptime(900_000) {
            if vigil.look(pulse(0, Standing::Down), now) {
                vigil.began(now);
                starts.push(now.0 / 1000);
            }
            now = now + Millis::seconds(1);
        }
        assert_eq!(starts, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]);
        assert_eq!(vigil.life.restarts, 10);
        vigil.look(pulse(1, Standing::Available), now);
        vigil.look(pulse(1, Standing::Available), now + STEADY);
        let later = now + STEADY + LONGEST;
        assert!(vigil.look(pulse(0, Standing::Down), later));
        vigil.began(later);
        assert!(vigil.look(pulse(0, Standing::Down), later + FIRST), "who lived for a minute counts anew");
    }
}
