//! A deployment is asked for: everything that can be known to be wrong is said at once (R11, R23, R29).

use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::FleetName;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;

use super::fleet::{can_keep_floors, find};
use super::{Admitted, recovery};
use crate::answer::Answer;
use crate::change::Change;
use crate::input::What;
use crate::rejected::Rejected;
use crate::world::configuration::Pair;
use crate::world::{Course, Deployment, Fleet, Note, Outcome, World};

/// `wish`: what, and what is done with files that are there and are not ours.
pub fn deploy(world: &World, note: Note, name: &FleetName, wish: (&What, Option<FileExists>)) -> Result<Admitted, Rejected> {
    recovery::over(world)?;
    let fleet = find(world, name)?;
    let (what, file_exists) = wish;
    let release = match what {
        What::Configured { what, config } => {
            let config = config.map(|number| super::config::find(world, &fleet.spec.app, number).map(|c| c.digest)).transpose()?;
            Release { config, ..wanted(world, fleet, what)? }
        }
        What::Version(_) | What::Package(_) | What::Restart | What::Settled => wanted(world, fleet, what)?,
    };
    begin(world, note, fleet, (as_settled(fleet, release), file_exists))
}

/// The deployment of a release, in the place of whatever is in course. One that says nothing of files that are there does with
/// them as the one did that settled the same package: a host that joins later finds them too.
pub fn begin(world: &World, note: Note, fleet: &Fleet, wish: (Release, Option<FileExists>)) -> Result<Admitted, Rejected> {
    let name = &fleet.spec.name;
    let (release, said) = wish;
    let file_exists = said.or(fleet.settled_file_exists.filter(|_| fleet.settled.is_some_and(|settled| settled.package == release.package)));
    usable(world, &release)?;
    if world.members(name) == 0 {
        return Err(Rejected::NoMembers { fleet: name.clone(), selector: fleet.spec.select.to_string() });
    }
    can_keep_floors(world, &fleet.spec, |_| None)?;

    let id = DeploymentId { fleet: name.clone(), number: fleet.newest + 1 };
    let mut changes = Vec::new();
    if fleet.frozen.is_some() {
        changes.push(Change::Thawed { fleet: name.clone() }); // R18: made while it is frozen
    }
    if let Some(old) = world.active(fleet) {
        changes.push(Change::Ended {
            id: old.id.clone(),
            outcome: Outcome::Superseded,
            because: None,
            left_behind: Vec::new(),
            hold: None,
            at: note.at,
        });
        if planted(Bug::SupersedeDropsLoan) {
            changes.extend(super::operator::unused_dropped(world, &old.id));
        }
    }
    let deployment = Deployment {
        id: id.clone(),
        release,
        file_exists,
        over: fleet.settled,
        base: Generation(world.counter.0 + 1),
        started: note,
        paused: None,
        course: Course::Forward,
        others_done: None,
        stragglers_at: None,
        stragglers_due: false,
        forgiven: 0,
        left_behind: Vec::new(),
    };
    changes.push(Change::Deployed { deployment });
    Admitted::new(changes, Answer::Deployment(id))
}

/// What is asked for, with the fleet's current configuration.
fn wanted(world: &World, fleet: &Fleet, what: &What) -> Result<Release, Rejected> {
    let configured = |package: Digest| Release { config: world.current_config(fleet), ..Release::of(package) };
    match what {
        What::Version(version) => {
            let found = world.versions.get(&(fleet.spec.app.clone(), version.clone()));
            let unknown = || Rejected::UnknownVersion { app: fleet.spec.app.clone(), version: version.clone() };
            Ok(configured(*found.ok_or_else(unknown)?))
        }
        What::Package(digest) => {
            let package = world.packages.get(digest).ok_or(Rejected::UnknownPackage(*digest))?;
            if package.app != fleet.spec.app {
                let (found, wanted) = (package.app.clone(), fleet.spec.app.clone());
                return Err(Rejected::OtherApp { digest: *digest, found, fleet: fleet.spec.name.clone(), wanted });
            }
            Ok(configured(*digest))
        }
        What::Settled => fleet.settled.map(|s| configured(s.package)).ok_or_else(|| Rejected::NothingRuns(fleet.spec.name.clone())),
        What::Restart => restarted(world, fleet),
        // A wish within a wish is made by nobody.
        What::Configured { what, .. } => wanted(world, fleet, what),
    }
}

/// What the fleet is settled on is not started again only because it is asked for again.
pub fn as_settled(fleet: &Fleet, release: Release) -> Release {
    fleet.settled.filter(|s| release.restart == 0 && Pair::of(s) == Pair::of(&release)).unwrap_or(release)
}

/// The settled release with a restart count that none of the fleet's newest releases has.
fn restarted(world: &World, fleet: &Fleet) -> Result<Release, Rejected> {
    let settled = fleet.settled.ok_or_else(|| Rejected::NothingRuns(fleet.spec.name.clone()))?;
    let newest = world.newest(fleet).map(|d| d.release).filter(|r| Pair::of(r) == Pair::of(&settled));
    let restart = settled.restart.max(newest.map_or(0, |r| r.restart)) + 1;
    Ok(Release { restart, ..settled })
}

fn usable(world: &World, release: &Release) -> Result<(), Rejected> {
    let package = world.package_name(&release.package);
    if world.blocked.packages.contains(&release.package) {
        return Err(Rejected::PackageBlocked { package });
    }
    if planted(Bug::HeldIsDeployed) {
        return Ok(());
    }
    if let Some(hold) = world.packages.get(&release.package).and_then(|p| p.held.as_ref()) {
        return Err(Rejected::PackageHeld { package, by: hold.by.clone(), why: hold.why.clone() });
    }
    match world.held_pairs.get(&Pair::of(release)) {
        Some(hold) => {
            let config = world.config_number(release);
            Err(Rejected::ConfigurationHeld { release: world.release_name(release), config, by: hold.by.clone(), why: hold.why.clone() })
        }
        None => Ok(()),
    }
}
