//! How releases behave once they are installed: good, failing a hook, dying later, never healthy, flapping; for all hosts or
//! for one.

use std::collections::BTreeMap;

use pilotage_shared::digest::Digest;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;
use pilotage_shared::time::{Millis, Time};

/// What a started application answers to its health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Good for as long as it runs.
    #[default]
    Good,
    /// Good at first; its process dies after so long, each time.
    DiesAfter(Millis),
    /// Never good, though it runs.
    Never,
    /// Good and bad by turns.
    Flaps {
        /// So long.
        good: Millis,
        /// So long.
        bad: Millis,
    },
}

/// In which way a hook is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrong {
    /// It fails, each time.
    #[default]
    Fails,
    /// It does not end until its time is over.
    Hangs,
    /// It fails in every other second.
    Flaps,
    /// It says that it is done, and has done nothing.
    Lies,
}

/// One package's behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// The event whose hook is bad on the way forward.
    pub fails_at: Option<Event>,
    /// In which way.
    pub wrong: Wrong,
    /// Its start fails on the way back too: nothing can be restored by it.
    pub fails_back: bool,
    /// What its check says.
    pub health: Health,
}

impl Behaviour {
    /// Does a process that was started at `started` answer well at `now`?
    pub fn answers(&self, started: Time, now: Time) -> bool {
        let age = (now - started).0;
        match self.health {
            Health::Good => true,
            Health::DiesAfter(span) => age < span.0,
            Health::Never => false,
            Health::Flaps { good, bad } => age % (good.0 + bad.0).max(1) < good.0,
        }
    }

    /// Has its process gone?
    pub fn gone(&self, started: Time, now: Time) -> bool {
        match self.health {
            Health::DiesAfter(span) => (now - started).0 >= span.0,
            Health::Good | Health::Never | Health::Flaps { .. } => false,
        }
    }
}

/// All of them; what is not named is good.
#[derive(Clone, Debug, Default)]
pub struct Behaviours {
    everywhere: BTreeMap<Digest, Behaviour>,
    on: BTreeMap<(Digest, HostName), Behaviour>,
}

impl Behaviours {
    /// Says how a package or a configuration behaves, on one host or on all.
    pub fn set(&mut self, package: Digest, host: Option<&HostName>, behaviour: Behaviour) {
        match host {
            Some(host) => self.on.insert((package, host.clone()), behaviour),
            None => self.everywhere.insert(package, behaviour),
        };
    }

    /// How a release behaves on a host: as its package, and where that is good as its configuration.
    pub fn of(&self, release: &Release, host: &HostName) -> Behaviour {
        let package = self.one(&release.package, host);
        if package == Behaviour::default() { release.config.map(|config| self.one(&config, host)).unwrap_or_default() } else { package }
    }

    fn one(&self, digest: &Digest, host: &HostName) -> Behaviour {
        let here = self.on.get(&(*digest, host.clone()));
        here.or_else(|| self.everywhere.get(digest)).copied().unwrap_or_default()
    }
}
