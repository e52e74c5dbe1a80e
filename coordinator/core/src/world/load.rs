//! Records as the store keeps them, and a world made from them.

use std::collections::BTreeMap;

use pilotage_shared::digest::Digest;
use pilotage_shared::ids::{DeploymentId, Epoch, Generation};
use pilotage_shared::intent::Blocked;
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::planted::{Bug, planted};
use serde::{Deserialize, Serialize};

use super::configuration::{Configuration, Pair};
use super::recovery::{Left, Recovering};
use super::{Deployment, Due, Fleet, Hold, Host, IdempotencyKey, Package, Remembered, Settings, Slot, World};

/// Names a stored record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The counter.
    Counter,
    /// Own epochs.
    Epochs,
    /// The counter at the start of each.
    Starts,
    /// The blocked list.
    Blocked,
    /// A host.
    Host(HostName),
    /// A fleet.
    Fleet(FleetName),
    /// A package.
    Package(Digest),
    /// A deployment.
    Deployment(DeploymentId),
    /// A slot.
    Slot(AppName, HostName),
    /// An answer.
    Remembered(IdempotencyKey),
    /// That the store was made of a backup.
    Recovering,
    /// A fleet that is left as it is.
    Left(FleetName),
    /// A configuration.
    Configuration(AppName, u32),
    /// A package with a configuration (none: without one) that is held.
    HeldPair(Pair),
}

/// One stored record with its key's parts.
#[expect(clippy::large_enum_variant, reason = "records pass through one at a time; a box for each would cost more")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The counter.
    Counter(Generation),
    /// Own epochs.
    Epochs(Vec<Epoch>),
    /// The blocked list.
    Blocked(Blocked),
    /// A host.
    Host(Host),
    /// A fleet.
    Fleet(Fleet),
    /// A package.
    Package(Package),
    /// A deployment.
    Deployment(Deployment),
    /// A slot.
    Slot(AppName, HostName, Slot),
    /// An answer to repeat.
    Remembered(IdempotencyKey, Remembered),
    /// The counter at the start of each own epoch (R18).
    Starts(BTreeMap<Epoch, Generation>),
    /// The store was made of a backup (R34).
    Recovering(Recovering),
    /// A fleet whose members stay where they are (R34).
    Left(FleetName, Left),
    /// A configuration.
    Configuration(Configuration),
    /// A package that is held with a configuration.
    HeldPair(Pair, Hold),
}

impl World {
    /// The record under a key as it is now; none when it is to be deleted.
    pub fn record(&self, key: &Key) -> Option<Record> {
        match key {
            Key::Counter => Some(Record::Counter(self.counter)),
            Key::Epochs => Some(Record::Epochs(self.epochs.clone())),
            Key::Starts => Some(Record::Starts(self.starts.clone())),
            Key::Blocked => Some(Record::Blocked(self.blocked.clone())),
            Key::Host(name) => self.hosts.get(name).cloned().map(Record::Host),
            Key::Fleet(name) => self.fleets.get(name).cloned().map(Record::Fleet),
            Key::Package(digest) => self.packages.get(digest).cloned().map(Record::Package),
            Key::Deployment(id) => self.deployments.get(id).cloned().map(Record::Deployment),
            Key::Slot(app, host) => self.slot(app, host).cloned().map(|slot| Record::Slot(app.clone(), host.clone(), slot)),
            Key::Remembered(key) => self.remembered.get(key).cloned().map(|r| Record::Remembered(key.clone(), r)),
            Key::Recovering => self.recovering.clone().map(Record::Recovering),
            Key::Left(fleet) => self.left.get(fleet).cloned().map(|left| Record::Left(fleet.clone(), left)),
            Key::Configuration(app, number) => self.configurations.get(&(app.clone(), *number)).cloned().map(Record::Configuration),
            Key::HeldPair(pair) => self.held_pairs.get(pair).cloned().map(|hold| Record::HeldPair(*pair, hold)),
        }
    }

    /// All keys that have a record now; for checkpoints and tests.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![Key::Counter, Key::Epochs, Key::Starts, Key::Blocked];
        keys.extend(self.hosts.keys().cloned().map(Key::Host));
        keys.extend(self.fleets.keys().cloned().map(Key::Fleet));
        keys.extend(self.packages.keys().copied().map(Key::Package));
        keys.extend(self.deployments.keys().cloned().map(Key::Deployment));
        keys.extend(self.slots.keys().map(|(a, h)| Key::Slot(a.clone(), h.clone())));
        keys.extend(self.remembered.keys().cloned().map(Key::Remembered));
        keys.extend(self.recovering.iter().map(|_| Key::Recovering));
        keys.extend(self.left.keys().cloned().map(Key::Left));
        keys.extend(self.configurations.keys().map(|(app, number)| Key::Configuration(app.clone(), *number)));
        keys.extend(self.held_pairs.keys().copied().map(Key::HeldPair));
        keys
    }

    /// A world from its records, in any order. O(records · log records + hosts · fleets).
    pub fn load(settings: Settings, records: impl IntoIterator<Item = Record>) -> World {
        let mut world = World::new(settings);
        for record in records {
            match record {
                Record::Counter(counter) => world.counter = counter,
                Record::Epochs(epochs) => world.epochs = epochs,
                Record::Starts(starts) => world.starts = starts,
                Record::Blocked(blocked) => world.blocked = blocked,
                Record::Host(host) => {
                    world.hosts.insert(host.id.name.clone(), host);
                }
                Record::Fleet(fleet) => {
                    world.apps.insert(fleet.spec.app.clone());
                    world.fleets.insert(fleet.spec.name.clone(), fleet);
                }
                Record::Package(package) => {
                    world.versions.insert((package.app.clone(), package.version.clone()), package.digest);
                    world.packages.insert(package.digest, package);
                }
                Record::Deployment(deployment) => {
                    if let Some(at) = deployment.stragglers_at {
                        world.due.insert((at, Due::Stragglers(deployment.id.clone())));
                    }
                    world.deployments.insert(deployment.id.clone(), deployment);
                }
                Record::Slot(app, host, slot) => {
                    let loan = slot.loan.filter(|_| !planted(Bug::LoansForgottenAtStart));
                    world.apps.insert(app.clone());
                    world.slots.insert((app, host), Slot { loan, ..slot });
                }
                Record::Remembered(key, remembered) => {
                    world.remembered_at.insert((remembered.at, key.clone()));
                    world.remembered.insert(key, remembered);
                }
                Record::Recovering(recovering) => world.recovering = Some(recovering),
                Record::Left(fleet, left) => {
                    world.left.insert(fleet, left);
                }
                Record::Configuration(configuration) => world.know(configuration),
                Record::HeldPair(pair, hold) => {
                    world.held_pairs.insert(pair, hold);
                }
            }
        }
        let hosts: Vec<HostName> = world.hosts.keys().cloned().collect();
        for host in hosts {
            world.rejoin(&host);
        }
        world
    }
}
