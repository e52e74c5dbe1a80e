//! Makes the story of a failing seed short: deeds, hosts, fleets, settings and pauses are left out for as long as the same
//! promise stays broken (delta debugging), and what remains is told as a story that can be checked in.
//!
//! Each try is a whole run from the beginning, so a shorter story is never a guess. A try draws otherwise than the run before
//! it, because what was left out has drawn too; near the end it is therefore repeated with other draws.

mod fewer;
mod simpler;
mod tidy;

use pilotage_shared::time::Millis;

use crate::promises::Violation;
use crate::story::deed::Deed;
use crate::story::stage::Stage;
use crate::trace::Trace;
use crate::{seed, story};

/// Simulated events that all tries together may take; some 20 s of one core.
const EVENTS: u64 = 10_000_000;
/// How many times it is begun anew.
const STARTS: u64 = 6;
/// How many other draws a try is repeated with, near the end.
const OTHER_DRAWS: u64 = 10;

/// A run of deeds.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The promise that was broken, and by the how-manieth deed.
    pub broken: Option<(usize, Violation)>,
    /// Events that were taken.
    pub steps: u64,
    /// The newest lines, when they were asked for.
    pub trace: Vec<String>,
}

/// A short story of how a promise is broken.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is done.
    pub deeds: Vec<Deed>,
    /// What it breaks.
    pub violation: Violation,
    /// How many deeds there were at first.
    pub before: usize,
    /// How many runs it took.
    pub runs: u64,
}

/// Does deeds in a new world until a promise is broken.
pub fn replay(deeds: &[Deed], tail: usize) -> Ran {
    let mut stage = Stage::new();
    stage.sim.trace = Trace::keeping(tail);
    let broken = deeds.iter().enumerate().find_map(|(at, deed)| {
        stage.perform(deed);
        stage.sim.promises.broken.clone().map(|broken| (at, broken))
    });
    Ran { broken, steps: stage.sim.steps(), trace: stage.sim.trace.lines().cloned().collect() }
}

/// Runs a seed and makes what it did as short as may be; none when it breaks nothing.
pub fn of_seed(number: u64, told: &mut dyn FnMut(usize, u64)) -> Option<Shrunk> {
    let report = seed::run(number, 0);
    report.broken.as_ref()?;
    shrink(report.deeds, told)
}

/// Makes a list of deeds as short as may be; none when it breaks nothing. Tells how many are left after how many runs.
pub fn shrink(deeds: Vec<Deed>, told: &mut dyn FnMut(usize, u64)) -> Option<Shrunk> {
    shrink_by(deeds, &|deeds| replay(deeds, 0), told)
}

/// The same for whatever a run is said to have broken.
fn shrink_by(deeds: Vec<Deed>, judge: &dyn Fn(&[Deed]) -> Ran, told: &mut dyn FnMut(usize, u64)) -> Option<Shrunk> {
    let (_, violation) = judge(&deeds).broken?;
    let before = deeds.len();
    let mut shrinker = Shrinker { best: deeds.clone(), violation, from_the_end: true, runs: 1, events: 0, judge, told };
    shrinker.attempt(deeds.clone());
    shrinker.run();
    // What is left depends on what was left out first: other beginnings end elsewhere.
    for start in 1..STARTS {
        let (best, violation, weight) = (shrinker.best.clone(), shrinker.violation.clone(), shrinker.weight());
        shrinker.from_the_end = start % 2 == 0;
        if shrinker.attempt(with_draws(&deeds, start)) || shrinker.attempt(deeds.clone()) {
            shrinker.run();
        }
        if shrinker.weight() >= weight {
            (shrinker.best, shrinker.violation) = (best, violation);
        }
    }
    let Shrinker { best, violation, runs, .. } = shrinker;
    Some(Shrunk { deeds: best, violation, before, runs })
}

impl Shrunk {
    /// As a story with its golden output, ready to be checked in; `from` says where it comes from.
    pub fn story(&self, from: &str) -> String {
        let lines: Vec<String> = self.deeds.iter().map(|deed| format!("> {deed}")).collect();
        let text = format!("# {from}: the shortest story found that breaks \"{}\".\n\n{}\n", self.violation.promise, lines.join("\n"));
        story::tell(&text).text
    }
}

struct Shrinker<'a> {
    best: Vec<Deed>,
    violation: Violation,
    runs: u64,
    events: u64,
    from_the_end: bool,
    judge: &'a dyn Fn(&[Deed]) -> Ran,
    told: &'a mut dyn FnMut(usize, u64),
}

impl Shrinker<'_> {
    fn run(&mut self) {
        loop {
            let before = self.weight();
            self.calm();
            self.of_one_app();
            self.without_names();
            self.without_some();
            self.simpler();
            self.pauses();
            if self.weight() >= before {
                let stubborn = self.weight();
                self.without_pairs();
                self.without_one_by_other_draws();
                self.simpler_by_other_draws();
                if self.weight() >= stubborn {
                    break;
                }
            }
            if self.is_spent() {
                break;
            }
        }
        self.tidy();
        self.plain_draws();
    }

    /// Fewer deeds are better, then fewer words, then less waiting.
    fn weight(&self) -> (usize, usize, u64) {
        let waits = |deed: &Deed| if let Deed::Tick(Millis(ms)) = deed { *ms } else { 0 };
        (self.best.len(), self.best.iter().map(|deed| deed.to_string().len()).sum(), self.best.iter().map(waits).sum())
    }

    fn is_spent(&self) -> bool {
        self.events > EVENTS
    }

    /// Runs a candidate; when it breaks the same promise it is the best from now on, up to the deed that breaks it.
    fn attempt(&mut self, mut candidate: Vec<Deed>) -> bool {
        if self.is_spent() {
            return false;
        }
        let ran = (self.judge)(&candidate);
        self.runs += 1;
        self.events += ran.steps;
        match ran.broken {
            Some((at, violation)) if violation.promise == self.violation.promise => {
                candidate.truncate(at + 1);
                (self.best, self.violation) = (joined(candidate), violation);
                (self.told)(self.best.len(), self.runs);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The same with other draws of world and network.
    fn attempt_with_other_draws(&mut self, candidate: &[Deed]) -> bool {
        self.attempt(candidate.to_vec()) || (1..=OTHER_DRAWS).any(|seed| self.attempt(with_draws(candidate, seed)))
    }
}

/// Other draws. A world of which nothing is said has draws too.
fn with_draws(deeds: &[Deed], seed: u64) -> Vec<Deed> {
    let mut deeds = deeds.to_vec();
    if !deeds.iter().any(|deed| matches!(deed, Deed::Draws { .. })) {
        deeds.insert(0, Deed::Draws { seed: 1, heartbeat: Millis::seconds(5) });
    }
    for deed in &mut deeds {
        match deed {
            Deed::Draws { seed: draws, .. } | Deed::Network { seed: draws, .. } => *draws = seed,
            _ => {}
        }
    }
    deeds
}

/// Pauses that follow each other are one.
fn joined(deeds: Vec<Deed>) -> Vec<Deed> {
    let mut out: Vec<Deed> = Vec::new();
    for deed in deeds {
        match (out.last_mut(), &deed) {
            (Some(Deed::Tick(before)), Deed::Tick(more)) => before.0 += more.0,
            _ => out.push(deed),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use pilotage_coordinator_core::world::Course;

    use super::*;

    #[test]
    fn what_a_seed_did_is_the_seed_again() {
        for number in 1..=20 {
            let report = seed::run(number, 5000);
            let again = replay(&report.deeds, 5000);
            assert_eq!((again.steps, again.broken), (report.steps, None));
            assert_eq!(again.trace, report.trace, "seed {number}");
        }
    }

    #[test]
    fn a_world_that_holds_has_no_short_story() {
        assert!(of_seed(1, &mut |_, _| ()).is_none());
    }

    /// As if it were forbidden that a deployment turns back.
    fn turns_back(deeds: &[Deed]) -> Ran {
        let mut stage = Stage::new();
        let turned =
            |stage: &Stage| stage.sim.coordinator.world().is_some_and(|w| w.deployments.values().any(|d| matches!(d.course, Course::Back { .. })));
        let at = deeds.iter().position(|deed| {
            stage.perform(deed);
            turned(&stage)
        });
        let broken = at.map(|at| (at, Violation { promise: "test", what: "a deployment turns back".into() }));
        Ran { broken, steps: stage.sim.steps(), trace: Vec::new() }
    }

    #[test]
    fn only_what_is_needed_stays() {
        let found = (1..200).map(|number| seed::run(number, 0).deeds).find(|deeds| turns_back(deeds).broken.is_some());
        let shrunk = shrink_by(found.unwrap(), &turns_back, &mut |_, _| ()).unwrap();
        let story: Vec<String> = shrunk.deeds.iter().map(Deed::to_string).collect();
        let text = story.join("\n");
        assert!(shrunk.before > 25, "{} deeds at first", shrunk.before);
        // A host, a fleet, a good version and a bad one, each deployed and waited for.
        assert!(story.len() <= 9, "{text}");
        assert!(!text.contains("network") && !text.contains("luck") && text.contains("deploy web 1.1.0"), "{text}");
        let read: Vec<Deed> = story
            .iter()
            .map(|line| match story::command::parse(line) {
                Ok(story::command::Command::Do(deed)) => deed,
                other => panic!("{line}: {other:?}"),
            })
            .collect();
        assert!(turns_back(&read).broken.is_some(), "{text}");
    }
}
