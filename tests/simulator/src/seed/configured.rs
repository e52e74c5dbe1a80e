//! People who deploy configurations. Only some seeds have such people, and these draw from a stream of their own: every other
//! seed is the run that it would be without them.

use pilotage_coordinator_core::Answer;
use pilotage_shared::name::{AppName, FleetName, Version};

use super::Seed;
use super::world::behaviour;
use crate::rng::Rng;
use crate::story::deed::Deed;
use crate::story::stage::Reply;

/// How many seeds of a thousand have them.
const SEEDS: u64 = 150;
/// How often of a thousand times what is held is released before the next deployment.
const RELEASED: u64 = 400;
/// Makes the stream another than that of the seed.
const STREAM: u64 = 0x636f_6e66_6967;

/// What these people know.
#[derive(Clone, Debug)]
pub struct Configurations {
    rng: Rng,
    /// Contents so far.
    written: u64,
}

impl Configurations {
    /// Those of a seed; none: its people deploy packages only.
    pub fn of(seed: u64) -> Option<Self> {
        let mut rng = Rng::new(seed ^ STREAM);
        rng.chance(SEEDS).then_some(Self { rng, written: 0 })
    }

    fn write(&mut self) -> String {
        self.written += 1;
        format!("content{}", self.written)
    }
}

impl Seed {
    /// How people deploy this version: nearly always with the fleet's configuration where they know of no other.
    pub(super) fn configured(&mut self, fleet: &FleetName, app: &AppName, version: Version) -> Deed {
        if let Some(deed) = self.held_configuration() {
            self.perform(deed);
        }
        let Some(mut known) = self.configurations.take() else { return Deed::Deploy(fleet.clone(), version) };
        let world = self.stage.sim.coordinator.world();
        let newest = world.and_then(|w| w.configurations_of(app).last()).map_or(0, |c| c.number);
        let settled = world.and_then(|w| w.fleets.get(fleet)).is_some_and(|f| f.settled.is_some());
        let deed = match known.rng.below(5) {
            0 | 1 if settled => Deed::Config(fleet.clone(), known.write(), behaviour(&mut known.rng)),
            // Both are new.
            2 => match self.registered(fleet, known.write()) {
                Some(number) => Deed::DeployConfigured(fleet.clone(), version, number),
                None => Deed::Deploy(fleet.clone(), version),
            },
            3 if newest > 0 => Deed::DeployConfigured(fleet.clone(), version, known.rng.between(1, newest.into()) as u32),
            _ => Deed::Deploy(fleet.clone(), version),
        };
        self.configurations = Some(known);
        deed
    }

    /// The number that a content has got.
    fn registered(&mut self, fleet: &FleetName, content: String) -> Option<u32> {
        let replies = self.perform(Deed::Register(fleet.clone(), content));
        replies.iter().find_map(|reply| match reply {
            Reply::Answer(Some(Ok(Answer::Configuration { number, .. }))) => Some(*number),
            Reply::Answer(_) | Reply::Wrong(_) => None,
        })
    }

    /// A configuration that is held, when people of this seed are to release one now.
    pub(super) fn held_configuration(&mut self) -> Option<Deed> {
        let known = self.configurations.as_mut()?;
        let world = self.stage.sim.coordinator.world()?;
        let app = self.stage.app(&None);
        let number = |config| world.config_numbers.get(&(app.clone(), config)).copied();
        let held: Vec<u32> = world.held_pairs.keys().filter_map(|pair| number(pair.config?)).collect();
        let number = held.first().filter(|_| known.rng.chance(RELEASED)).and_then(|_| known.rng.pick(&held))?;
        Some(Deed::ReleaseConfig(*number))
    }
}
