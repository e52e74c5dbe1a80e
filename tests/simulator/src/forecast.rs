//! A forecast: what a rollout policy would do to a fleet, before anybody trusts it.
//!
//! The coordinator is the real core (`admit`, `apply`, `plan`, `explain`); its hosts are light ones that obey the protocol and
//! whose runs are nothing but times. One seed is one course of the deployment; several of them, in threads, give the spread.
//! The same scenario and seed give the same forecast on every machine.

pub mod center;
pub mod course;
pub mod fault;
pub mod host;
pub mod measure;
pub mod open;
pub mod pace;
pub mod summary;
pub mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pilotage_coordinator_core::Rejected;
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::health::Standing;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{HostName, Version, Why};
use pilotage_shared::release::Release;
use pilotage_shared::time::Millis;

pub use course::Course;
pub use fault::{Bad, Loss};
pub use pace::Pace;
pub use summary::Summary;

/// Why nobody is to touch a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    /// A person at the coordinator said so.
    Cordoned,
    /// In maintenance: never counts.
    Maintenance,
    /// A person at the host said so.
    Pinned(Why),
    /// Inconsistent.
    NeedsHands(Why),
}

/// One member of the fleet as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: HostName,
    /// Its labels.
    pub labels: Labels,
    /// What it runs.
    pub running: Option<Release>,
    /// Where it would go back by itself.
    pub previous: Option<Release>,
    /// Whose bits are ready.
    pub staged: Option<Release>,
    /// How it counts; none: not heard from.
    pub standing: Option<Standing>,
    /// Why nobody is to touch it.
    pub barred: Option<Barred>,
}

/// Why a package may not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// R29.
    Blocked,
    /// R23.
    Held {
        /// The deployment that turned.
        by: DeploymentId,
        /// What failed.
        why: Why,
    },
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its manifest's SHA-256.
    pub digest: Digest,
    /// People's name for it.
    pub version: Version,
    /// Bytes unpacked.
    pub bytes: u64,
    /// Why it may not be used.
    pub refusal: Option<Refusal>,
}

/// With which configuration it is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Config {
    /// The fleet's current one.
    #[default]
    Current,
    /// None.
    Without,
    /// This one.
    This {
        /// 17 for `c17`.
        number: u32,
        /// Its manifest's SHA-256.
        digest: Digest,
        /// Why it may not be used with the package (R23).
        held: Option<(DeploymentId, Why)>,
    },
}

/// All that a forecast is made from.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The policy.
    pub spec: FleetSpec,
    /// Its members; the selector must match each of them.
    pub members: Vec<Member>,
    /// Where a rollback goes.
    pub settled: Option<Release>,
    /// The number of the fleet's newest deployment.
    pub newest: u32,
    /// What is deployed.
    pub package: Package,
    /// With what beside it.
    pub config: Config,
    /// How long things take.
    pub pace: Pace,
    /// How often hosts report, and so how soon a lost one is missed.
    pub heartbeat: Millis,
    /// How it is bad; the first that is about a host counts there.
    pub bad: Vec<Bad>,
    /// What is lost on the way.
    pub lose: Vec<Loss>,
    /// Of the first course.
    pub seed: u64,
    /// How many courses.
    pub seeds: u32,
}

/// How often hosts report when nobody says anything: the coordinator's default.
pub const HEARTBEAT: Millis = Millis::seconds(5);

/// A course that has not ended by then is told as standing still: seven days.
pub const HORIZON: Millis = Millis(7 * 86_400_000);

/// Courses for a fleet of so many hosts: enough for a p95 where they are cheap, two for the largest.
pub fn seeds_for(hosts: usize) -> u32 {
    u32::try_from(200_000 / hosts.max(1)).unwrap_or(u32::MAX).clamp(2, 40)
}

/// Runs all courses, each on a thread of its own as far as there are cores. Rejected: the coordinator would refuse the fleet
/// or the deployment as it stands, and says why.
pub fn forecast(scenario: &Scenario) -> Result<Summary, Box<Rejected>> {
    let [summary] = forecasts([scenario])?;
    Ok(summary)
}

/// The same for several scenarios of one fleet as it stands, which differ in what goes wrong and in their seeds alone.
pub fn forecasts<const N: usize>(scenarios: [&Scenario; N]) -> Result<[Summary; N], Box<Rejected>> {
    let [first, ..] = &scenarios[..] else { return Ok(scenarios.map(|scenario| summary::summary(scenario, Vec::new()))) };
    let base = open::open(first)?;
    let jobs: Vec<(usize, u32)> = (0..N).flat_map(|s| (0..scenarios[s].seeds).map(move |n| (s, n))).collect();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(jobs.len()).max(1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((s, n)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let scenario = scenarios[s];
                    let course = course::run(base.clone(), scenario, scenario.seed.wrapping_add(u64::from(n)));
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((s, n, course));
                }
            });
        }
    });
    let mut found = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(s, n, _)| (*s, *n));
    let mut courses = scenarios.map(|_| Vec::new());
    for (s, _, course) in found {
        courses[s].push(course?);
    }
    let mut scenarios = scenarios.into_iter();
    Ok(courses.map(|courses| summary::summary(scenarios.next().unwrap_or(first), courses)))
}

#[cfg(test)]
mod tests;
