//! Packages: brought, deleted, released from hold, blocked (R23, R29).

use pilotage_shared::digest::Digest;
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{AppName, Version};

use super::Admitted;
use crate::answer::Answer;
use crate::change::Change;
use crate::rejected::Rejected;
use crate::world::configuration::Pair;
use crate::world::{Course, Note, Package, World};

pub fn put(world: &World, note: Note, digest: Digest, app: &AppName, version: &Version, (files, bytes): (u32, u64)) -> Result<Admitted, Rejected> {
    match world.versions.get(&(app.clone(), version.clone())) {
        Some(existing) if *existing == digest => return Admitted::new(Vec::new(), Answer::Package(digest)),
        Some(existing) => {
            return Err(Rejected::VersionTaken { app: app.clone(), version: version.clone(), existing: *existing });
        }
        None => {}
    }
    if let Some(other) = world.packages.get(&digest) {
        // The same content under a second name would make "which version runs" ambiguous.
        return Err(Rejected::VersionTaken { app: other.app.clone(), version: other.version.clone(), existing: digest });
    }
    let package = Package { digest, app: app.clone(), version: version.clone(), files, bytes, added: note, held: None, released: None };
    Admitted::new(vec![Change::PackagePut { package }], Answer::Package(digest))
}

pub fn delete(world: &World, digest: &Digest) -> Result<Admitted, Rejected> {
    let package = find(world, digest)?;
    if let Some(by) = user(world, package) {
        return Err(Rejected::PackageInUse { package: world.package_name(digest), by });
    }
    Admitted::new(vec![Change::PackageDeleted { digest: *digest }], Answer::Done)
}

/// Who needs it: a fleet that is settled on it or brings it, or a host that runs it or would go back to it. O(hosts).
fn user(world: &World, package: &Package) -> Option<String> {
    let digest = package.digest;
    for fleet in world.fleets.values().filter(|f| f.spec.app == package.app) {
        if fleet.settled.is_some_and(|r| r.package == digest) {
            return Some(format!("fleet {} is settled on it", fleet.spec.name));
        }
        let course = world.newest(fleet).filter(|d| !matches!(d.course, Course::Ended { .. }));
        if let Some(deployment) = course.filter(|d| d.release.package == digest || d.over.is_some_and(|r| r.package == digest)) {
            return Some(format!("{} is in course", deployment.id));
        }
    }
    let slots = world.slots.iter().filter(|((app, _), _)| *app == package.app);
    slots
        .filter_map(|((_, host), slot)| {
            let status = slot.status.as_ref()?;
            let held = [status.running, status.previous].into_iter().flatten().any(|r| r.package == digest);
            held.then(|| format!("{host} runs it or would go back to it"))
        })
        .next()
}

pub fn release(world: &World, note: Note, digest: &Digest) -> Result<Admitted, Rejected> {
    let package = find(world, digest)?;
    let bare = Pair { package: *digest, config: None };
    let mut changes = Vec::new();
    if package.held.is_some() {
        changes.push(Change::PackagePut { package: Package { held: None, released: Some(note), ..package.clone() } });
    }
    if world.held_pairs.contains_key(&bare) {
        changes.push(Change::PairsReleased { app: package.app.clone(), pairs: vec![bare] });
    }
    if changes.is_empty() {
        return Err(Rejected::NotHeld { package: world.package_name(digest) });
    }
    Admitted::new(changes, Answer::Package(*digest))
}

pub fn block(world: &World, digest: &Digest, on: bool) -> Result<Admitted, Rejected> {
    find(world, digest)?;
    let mut packages = world.blocked.packages.clone();
    packages.retain(|d| d != digest);
    if on {
        packages.push(*digest);
        packages.sort();
    }
    // After a restore hosts may hold a newer list than ours: a person's word must outrank it.
    let newest = world.blocked.version.max(world.blocked_seen);
    if packages == world.blocked.packages && newest == world.blocked.version {
        return Admitted::new(Vec::new(), Answer::Package(*digest));
    }
    let max = 100; // × 32 bytes: the list fits one record and travels with every intent that needs it
    if packages.len() > max {
        return Err(Rejected::TooMany { what: "the blocked list", found: packages.len(), max });
    }
    let blocked = Blocked { version: newest + 1, packages };
    Admitted::new(vec![Change::BlockedSet { blocked }], Answer::Package(*digest))
}

fn find<'a>(world: &'a World, digest: &Digest) -> Result<&'a Package, Rejected> {
    world.packages.get(digest).ok_or(Rejected::UnknownPackage(*digest))
}
