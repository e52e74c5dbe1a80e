//! One state of the world.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::center::Center;
use crate::host::Host;
use crate::net::Net;
use crate::part::Part;

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// The coordinator.
    pub center: Part<Center>,
    /// The hosts.
    pub hosts: Vec<Part<Host>>,
    /// Between them.
    pub net: Part<Net>,
    /// So many more may happen.
    pub faults: u8,
    /// So many more may be asked.
    pub requests: u8,
    /// A run has failed, or an application died, on the new release: there is a reason to turn.
    pub failed: bool,
    /// Somebody, or a failure, may have wanted the first version again.
    pub back: bool,
    /// The first thing that must not be.
    pub broken: Option<&'static str>,
}

impl State {
    /// All that tells states apart: of the parts, their marks.
    fn write<H: Hasher>(&self, to: &mut H) {
        self.center.mark().hash(to);
        self.hosts.iter().for_each(|host| host.mark().hash(to));
        self.net.mark().hash(to);
        (self.faults, self.requests, self.failed, self.back, self.broken).hash(to);
    }

    /// Notes what must not be; the first counts.
    pub fn broke(&mut self, what: Option<&'static str>) {
        self.broken = self.broken.or(what);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let mark = |state: &Self| {
            let mut hasher = DefaultHasher::new();
            state.write(&mut hasher);
            hasher.finish()
        };
        mark(self) == mark(other)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.write(state);
    }
}
