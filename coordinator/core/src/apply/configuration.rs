//! Configurations come and go, and what failed is held (R23).

use pilotage_shared::digest::Digest;
use pilotage_shared::name::AppName;
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;

use crate::change::Touched;
use crate::world::World;
use crate::world::configuration::{Configuration, Held, Pair};
use crate::world::load::Key;

/// Holds that go with a package: a unit touches a bounded number of records.
const FORGOTTEN_AT_ONCE: usize = 90;

impl World {
    /// A configuration with its derived number.
    pub(crate) fn know(&mut self, configuration: Configuration) {
        let key = (configuration.app.clone(), configuration.number);
        self.config_numbers.insert((configuration.app.clone(), configuration.digest), configuration.number);
        self.configurations.insert(key, configuration);
    }

    pub(super) fn configured(&mut self, configuration: &Configuration, t: &mut Touched) {
        t.records.insert(Key::Configuration(configuration.app.clone(), configuration.number));
        self.know(configuration.clone());
    }

    pub(super) fn configuration_deleted(&mut self, app: &AppName, number: u32, t: &mut Touched) {
        let key = (app.clone(), number);
        if let Some(gone) = self.configurations.remove(&key) {
            self.config_numbers.remove(&(app.clone(), gone.digest));
        }
        t.records.insert(Key::Configuration(key.0, number));
    }

    pub(super) fn pairs_released(&mut self, app: &AppName, pairs: &[Pair], t: &mut Touched) {
        for pair in pairs {
            self.held_pairs.remove(pair);
            t.records.insert(Key::HeldPair(*pair));
        }
        self.plan_users(app, t);
    }

    /// A package is gone: nothing can be deployed with it any more.
    pub(super) fn forget_pairs(&mut self, package: &Digest, t: &mut Touched) {
        let first = Pair { package: *package, config: None };
        let pairs: Vec<Pair> =
            self.held_pairs.range(first..).map(|(pair, _)| *pair).take_while(|pair| pair.package == *package).take(FORGOTTEN_AT_ONCE).collect();
        for pair in pairs {
            self.held_pairs.remove(&pair);
            t.records.insert(Key::HeldPair(pair));
        }
    }

    pub(super) fn hold(&mut self, release: Option<&Release>, held: Option<&Held>, t: &mut Touched) {
        let (Some(release), Some(held)) = (release, held.filter(|_| !planted(Bug::NoHold))) else { return };
        let Some(package) = self.packages.get_mut(&release.package) else { return };
        let app = package.app.clone();
        match held {
            Held::Package(hold) => {
                package.held = Some(hold.clone());
                t.records.insert(Key::Package(release.package));
            }
            Held::Pair(hold) => {
                self.held_pairs.insert(Pair::of(release), hold.clone());
                t.records.insert(Key::HeldPair(Pair::of(release)));
            }
        }
        self.plan_users(&app, t);
    }

    /// Fleets of an app may be able to move, or not any more.
    fn plan_users(&self, app: &AppName, t: &mut Touched) {
        let users = self.fleets.values().filter(|f| f.spec.app == *app);
        t.fleets.extend(users.map(|f| f.spec.name.clone()));
    }
}
