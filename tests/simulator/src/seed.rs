//! One seed: a random fleet, random requests and misfortunes for some minutes, then everything is healed and must converge.
//!
//! Each seed draws first which kinds of misfortune it knows at all (a run in which everything happens at once hides what
//! only two things together can show), then what happens when.

pub mod aim;
pub mod heal;
pub mod people;
pub mod plots;
pub mod world;

use pilotage_shared::name::{AppName, FleetName, HostName, Version};
use pilotage_shared::time::{Millis, Time};

use crate::coverage::Coverage;
use crate::promises::{Lie, Violation};
use crate::rng::Rng;
use crate::simulation::Simulation;
use crate::trace::Trace;

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
}

/// A seed in course: the world, and what its people know of it.
pub struct Seed {
    /// The world.
    pub sim: Simulation,
    /// Draws of people and misfortune.
    pub rng: Rng,
    /// Kinds of actions that this seed knows, with their weights.
    pub deck: Vec<(people::Action, u64)>,
    /// The apps.
    pub apps: Vec<AppName>,
    /// The fleets.
    pub fleets: Vec<FleetName>,
    /// Versions that were pushed, by app.
    pub versions: Vec<(AppName, Version)>,
    /// Names that were joined.
    pub hosts: Vec<HostName>,
    /// Zones.
    pub zones: u64,
    /// The first host says anything.
    pub liar: bool,
}

/// Runs a seed; keeps so many lines of its trace.
pub fn run(seed: u64, tail: usize) -> Report {
    let mut run = world::make(seed);
    run.sim.trace = Trace::keeping(tail);
    run.open();
    let minutes = run.rng.between(2, 8);
    let end = run.sim.now + Millis::seconds(60 * minutes);
    while run.sim.now < end && run.sim.promises.broken.is_none() {
        let pause = match run.rng.below(4) {
            0 => run.rng.below(300),
            1 => run.rng.below(3_000),
            _ => run.rng.below(20_000),
        };
        run.sim.run_until(Time(run.sim.now.0 + pause));
        run.act();
    }
    // Where the coordinator has lied there is nothing to come back to.
    if run.sim.promises.broken.is_none() && run.sim.promises.lie != Lie::Coordinator {
        run.heal();
    }
    let mut coverage = run.sim.coverage.clone();
    for (kind, n) in &run.sim.network.tally {
        for _ in 0..*n {
            coverage.count("network", kind);
        }
    }
    Report {
        seed,
        broken: run.sim.promises.broken.clone(),
        coverage,
        steps: run.sim.steps(),
        trace: run.sim.trace.lines().cloned().collect(),
    }
}
