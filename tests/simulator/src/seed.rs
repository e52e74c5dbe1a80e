//! One seed: a random fleet, random requests and misfortunes for some minutes, then everything is healed and must converge.
//!
//! Each seed draws first which kinds of misfortune it knows at all (a run in which everything happens at once hides what
//! only two things together can show), then what happens when.

pub mod aim;
pub mod configured;
pub mod heal;
pub mod people;
pub mod plots;
pub mod world;

use pilotage_shared::name::AppName;
use pilotage_shared::time::Millis;

use crate::coverage::Coverage;
use crate::promises::grant::SMALL;
use crate::promises::{Lie, Violation};
use crate::rng::Rng;
use crate::simulation::Luck;
use crate::story::deed::Deed;
use crate::story::stage::{Reply, Stage};

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// The promise that was broken, if any.
    pub broken: Option<Violation>,
    /// What was met.
    pub coverage: Coverage,
    /// Events that were taken.
    pub steps: u64,
    /// The newest lines, when they were asked for.
    pub trace: Vec<String>,
    /// Of all lines, when it was asked for.
    pub digest: Option<u64>,
    /// What was done to the world.
    pub deeds: Vec<Deed>,
}

/// A seed in course: the stage, and how its people and its misfortune draw their deeds.
pub struct Seed {
    /// Where it plays.
    pub stage: Stage,
    /// All that was done so far: the seed again, without its draws.
    pub deeds: Vec<Deed>,
    /// Draws of people and misfortune.
    pub rng: Rng,
    /// Kinds of actions that this seed knows, with their weights.
    pub deck: Vec<(people::Action, u64)>,
    /// The apps.
    pub apps: Vec<AppName>,
    /// Zones.
    pub zones: u64,
    /// Versions that people have named so far.
    pub pushed: u64,
    /// How many hosts there are at first; none: a few are drawn.
    pub size: Option<u64>,
    /// How unlucky processes are once all hosts have joined, in a world of a given size.
    pub later: Option<Luck>,
    /// The first host says anything.
    pub liar: bool,
    /// What people know of configurations; none: they deploy packages only.
    pub configurations: Option<configured::Configurations>,
}

impl Seed {
    /// Does something, and notes it; what it was answered.
    pub fn perform(&mut self, deed: Deed) -> Vec<Reply> {
        let replies = self.stage.perform(&deed);
        self.deeds.push(deed);
        replies
    }

    /// Does something of which nobody waits for an answer.
    fn happens(&mut self, deed: Deed) {
        self.perform(deed);
    }

    /// Lets time pass.
    fn wait(&mut self, milliseconds: u64) {
        self.perform(Deed::Tick(Millis(milliseconds)));
    }

    fn is_broken(&self) -> bool {
        self.stage.sim.promises.broken.is_some()
    }
}

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// Lines of its trace to keep.
    pub tail: usize,
    /// How many hosts its world begins with; none: the seed draws a few.
    pub hosts: Option<u64>,
    /// Its whole trace is digested, to compare it with that of another build.
    pub digest: bool,
}

impl Scale {
    /// What people draw is drawn for a few hosts; in a large world some of it is not meant.
    pub fn is_large(&self) -> bool {
        self.hosts.is_some_and(|hosts| hosts > SMALL as u64)
    }
}

/// Runs a seed; keeps so many lines of its trace.
pub fn run(seed: u64, tail: usize) -> Report {
    run_at(seed, Scale { tail, ..Scale::default() })
}

/// Runs a seed in a world of a certain size.
pub fn run_at(seed: u64, scale: Scale) -> Report {
    let mut run = world::make(seed, scale);
    run.open();
    let minutes = run.rng.between(2, 8);
    // What many hosts do in two minutes is more than what a few do in many.
    let minutes = if scale.is_large() { 2 } else { minutes };
    let end = run.stage.now() + Millis::seconds(60 * minutes);
    while run.stage.now() < end && !run.is_broken() {
        let pause = match run.rng.below(4) {
            0 => run.rng.below(300),
            1 => run.rng.below(3_000),
            _ => run.rng.below(20_000),
        };
        run.wait(pause);
        run.act();
    }
    // Where the coordinator has lied there is nothing to come back to.
    if !run.is_broken() && run.stage.sim.promises.lie != Lie::Coordinator {
        run.perform(Deed::Rest);
    }
    let Seed { stage: Stage { sim, .. }, deeds, .. } = run;
    let mut coverage = sim.coverage.clone();
    for (kind, n) in &sim.network.tally {
        coverage.count_many("network", kind, *n);
    }
    Report {
        seed,
        broken: sim.promises.broken.clone(),
        coverage,
        steps: sim.steps(),
        trace: sim.trace.lines().cloned().collect(),
        digest: sim.trace.digest(),
        deeds,
    }
}
