//! Configurations: registered under the next number of their app, deployed, released from hold, deleted.

use pilotage_shared::digest::Digest;
use pilotage_shared::name::{AppName, FleetName};
use pilotage_shared::release::Release;

use super::{Admitted, deploy, fleet, recovery};
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::configuration::{Configuration, Numbers, Pair};
use crate::world::{Course, Fleet, Note, World};

/// Holds that one release lifts: a unit touches a bounded number of records.
const RELEASED_AT_ONCE: usize = 90;

/// Registers a content; the same content again is the same number. With `deploy` it is a deployment of the settled package in
/// the same unit: what cannot be deployed is not registered either.
pub fn put(world: &World, note: Note, name: &FleetName, digest: Digest, numbers: Numbers, deploy: bool) -> Result<Admitted, Rejected> {
    let fleet = fleet::find(world, name)?;
    let app = &fleet.spec.app;
    let known = world.config_numbers.get(&(app.clone(), digest)).copied();
    let number = known.unwrap_or_else(|| world.configurations_of(app).last().map_or(1, |newest| newest.number + 1));
    let mut changes = Vec::new();
    if known.is_none() {
        let configuration = Configuration { app: app.clone(), number, digest, fleet: name.clone(), numbers, added: note.clone() };
        changes.push(Change::ConfigurationPut { configuration });
    }
    let mut deployment = None;
    if let Some(release) = deploy.then(|| to_deploy(world, fleet, digest)).transpose()?.flatten() {
        let begun = deploy::begin(world, note, fleet, (release, None))?;
        changes.extend(begun.changes);
        if let Answer::Deployment(id) = begun.answer {
            deployment = Some(id);
        }
    }
    Admitted::new(changes, Answer::Configuration { app: app.clone(), number, deployment })
}

/// The settled package with it; none: nothing is settled, or the fleet runs it or goes there already.
fn to_deploy(world: &World, fleet: &Fleet, config: Digest) -> Result<Option<Release>, Rejected> {
    let Some(settled) = fleet.settled else { return Ok(None) };
    recovery::over(world)?;
    let release = deploy::as_settled(fleet, Release { config: Some(config), ..Release::of(settled.package) });
    match world.active(fleet) {
        // It would take away what somebody brings.
        Some(other) if other.release.package != settled.package => {
            Err(Rejected::OtherPackage { id: other.id.clone(), package: world.release_name(&other.release) })
        }
        Some(same) if same.release == release && same.course == Course::Forward => Ok(None),
        None if release == settled && fleet.unsettled.is_none() => Ok(None),
        Some(_) | None => Ok(Some(release)),
    }
}

pub fn delete(world: &World, app: &AppName, number: u32) -> Result<Admitted, Rejected> {
    let configuration = find(world, app, number)?;
    if let Some(by) = user(world, configuration) {
        return Err(Rejected::ConfigurationInUse { app: app.clone(), number, by });
    }
    Admitted::new(vec![Change::ConfigurationDeleted { app: app.clone(), number }], Answer::Done)
}

/// Who needs it. The newest stays: its number would be given again. O(hosts).
pub fn user(world: &World, configuration: &Configuration) -> Option<String> {
    let (app, config) = (&configuration.app, Some(configuration.digest));
    let uses = |release: &Release| release.config == config;
    if world.configurations_of(app).last().is_some_and(|newest| newest.number == configuration.number) {
        return Some("it is the newest".into());
    }
    if let Some((package, hold)) = world.held_with(&configuration.digest).next() {
        return Some(format!("it is held with {} by {}", world.package_name(package), hold.by));
    }
    for fleet in world.fleets.values().filter(|f| f.spec.app == *app) {
        if fleet.settled.as_ref().is_some_and(uses) || fleet.unsettled.as_ref().is_some_and(uses) {
            return Some(format!("fleet {} is settled on it", fleet.spec.name));
        }
        if world.current_config(fleet) == config {
            return Some(format!("it is the current one of fleet {}", fleet.spec.name));
        }
        if let Some(active) = world.active(fleet).filter(|d| uses(&d.release) || d.over.as_ref().is_some_and(uses)) {
            return Some(format!("{} is in course", active.id));
        }
    }
    let slots = world.slots.iter().filter(|((of, _), _)| of == app);
    slots
        .filter_map(|((_, host), slot)| {
            let status = slot.status.as_ref()?;
            let held = [status.running, status.previous].into_iter().flatten().any(|r| uses(&r));
            held.then(|| format!("{host} runs it or would go back to it"))
        })
        .next()
}

/// A person has looked at it: it may be tried again with every package.
pub fn release(world: &World, app: &AppName, number: u32) -> Result<Admitted, Rejected> {
    let configuration = find(world, app, number)?;
    let config = Some(configuration.digest);
    let pairs: Vec<Pair> =
        world.held_with(&configuration.digest).map(|(package, _)| Pair { package: *package, config }).take(RELEASED_AT_ONCE).collect();
    if pairs.is_empty() {
        return Err(Rejected::ConfigurationNotHeld { app: app.clone(), number });
    }
    let released = Change::PairsReleased { app: app.clone(), pairs };
    Admitted::new(vec![released], Answer::Configuration { app: app.clone(), number, deployment: None })
}

pub fn find<'a>(world: &'a World, app: &AppName, number: u32) -> Result<&'a Configuration, Rejected> {
    world.configurations.get(&(app.clone(), number)).ok_or_else(|| Rejected::UnknownConfiguration { app: app.clone(), number })
}
