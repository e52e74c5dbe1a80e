//! One state of the world.

use std::hash::{DefaultHasher, Hash, Hasher};

use pilotage_shared::intent::{Go, Intent};

use crate::center::Center;
use crate::host::Host;
use crate::limits::{Budget, Fault};
use crate::mark::fingerprint;
use crate::net::Net;
use crate::part::Part;
use crate::promises::Basis;

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// The coordinator.
    pub center: Part<Center>,
    /// The hosts.
    pub hosts: Vec<Part<Host>>,
    /// Between them.
    pub net: Part<Net>,
    /// What more may happen and be asked.
    pub budget: Budget,
    /// A run has failed, or an application died, on the new release: there is a reason to turn.
    pub failed: bool,
    /// Somebody, or a failure, may have wanted the first version again.
    pub back: bool,
    /// The first thing that must not be.
    pub broken: Option<&'static str>,
}

impl State {
    /// Notes what must not be; the first counts.
    pub fn broke(&mut self, what: Option<&'static str>) {
        self.broken = self.broken.or(what);
    }

    /// What the coordinator counts when it derives this intent, if it permits anything.
    pub fn basis(&self, intent: &Intent) -> Option<Basis> {
        let mut basis = (intent.go == Go::Activate).then(|| Basis::of(&self.center, self.hosts.len()))?;
        basis.ask_only(&self.mortal());
        Some(basis)
    }

    /// Who has died, or may still.
    pub fn mortal(&self) -> Vec<bool> {
        let more = self.budget.has(Fault::Death) || self.budget.has(Fault::Reimage);
        self.hosts.iter().map(|host| more || host.died).collect()
    }

    /// All that tells states apart.
    fn told<H: Hasher>(&self, to: &mut H) {
        let parts = self.hosts.iter().map(Part::marked).chain([self.center.marked(), self.net.marked()]);
        // The counter may be set back to that of the copy.
        let copy = self.center.backup.as_ref();
        let exact = copy.map_or(u64::MAX, |copy| copy.counter.0).min(self.center.world.counter.0);
        fingerprint(parts.chain(copy.map(Part::marked)), exact, to);
        (self.budget, self.failed, self.back, self.broken).hash(to);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let told = |state: &Self| {
            let mut hasher = DefaultHasher::new();
            state.told(&mut hasher);
            hasher.finish()
        };
        told(self) == told(other)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.told(state);
    }
}
