//! The promises, checked after every step against the truth on the simulated hosts.
//!
//! Nothing here reads the planner's groups or counters: memberships are worked out from labels, floors from members, and
//! who counts from the statuses that were admitted. Which promise is meant stands in each check (DESIGN §3, PROTOCOL §7).

pub mod capacity;
pub mod course;
pub mod grant;
pub mod host;
pub mod roster;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use pilotage_shared::ids::{DeploymentId, Epoch, Generation, LedgerId};
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::time::Time;

use course::New;
pub use grant::{Grant, Grants};
use roster::Roster;

/// Lives of coordinators that a host does not go back to, at least (R33).
const REMEMBERED: usize = 8;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// How one host was counted by the coordinator, from the status it admitted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// When the host made that status.
    pub made: Time,
    /// It said available, and no run.
    pub counts: bool,
}

/// What a permission permits.
pub type Meaning = (Option<Release>, Option<DeploymentId>);

/// Who lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nobody.
    #[default]
    Nobody,
    /// A host says anything: the coordinator keeps what it can know by itself.
    Host,
    /// The coordinator asks for anything: hosts keep promises 4, 5, 6 and 9.
    Coordinator,
}

impl Lie {
    /// Does this promise hold whatever the liar says?
    fn leaves(self, promise: &str) -> bool {
        let is = |starts: &[&str]| starts.iter().any(|start| promise.starts_with(start));
        match self {
            Lie::Nobody => true,
            Lie::Host => is(&["simulator", "fixed point", "derived", "acknowledged", "1 lent", "6 held", "8 frozen", "11 waits", "4", "5", "9"]),
            Lie::Coordinator => is(&["simulator", "4", "5", "9", "2 only what is gone"]),
        }
    }
}

/// A host has seen more than a restored store knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// A new ledger knows nothing of it.
    pub ledger: LedgerId,
    /// By the host.
    pub seen: Generation,
    /// Of the restored store.
    pub counter: Generation,
}

/// What is known of one coordinator's words; another has its own.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    words: BTreeMap<(AppName, HostName), Word>,
    rollbacks: BTreeMap<(FleetName, New), BTreeSet<DeploymentId>>,
    acknowledged: BTreeMap<FleetName, u32>,
    ahead: BTreeMap<(FleetName, HostName), Ahead>,
    recovering: bool,
}

/// What the checks remember.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// The first that was broken.
    pub broken: Option<Violation>,
    /// Each host's last admitted word; forgotten when the coordinator starts.
    pub words: BTreeMap<(AppName, HostName), Word>,
    /// When each host had made the newest status by which any decision could count it.
    pub counted: BTreeMap<(AppName, HostName), Time>,
    /// Permissions as they were derived.
    pub grants: Grants,
    /// The members of each fleet.
    pub roster: Roster,
    /// Automatic rollbacks since a person's release of what was new in them (promise 6).
    pub rollbacks: BTreeMap<(FleetName, New), BTreeSet<DeploymentId>>,
    /// Generations that each ledger has begun, and the highest it has seen (promise 8).
    pub begun: BTreeMap<(HostName, LedgerId, AppName), (Generation, Generation)>,
    /// When an old copy of the store was restored last.
    pub restored: Option<Time>,
    /// After a restore: no person has gone on yet (R34).
    pub recovering: bool,
    /// After a restore: what each host had seen above the restored counter, until a person goes on (R18).
    pub ahead: BTreeMap<(FleetName, HostName), Ahead>,
    /// Times a host was lent without beginning anything, since something came from outside.
    pub fruitless: BTreeMap<HostName, u32>,
    /// Who lies in this world: what others promise in vain is not looked at.
    pub lie: Lie,
    /// Identities that two machines have: whichever of them speaks, the other is the truth too (PROTOCOL §7 c).
    pub doubtful: BTreeSet<HostName>,
    /// Identities of which two machines use one ledger.
    pub twins: BTreeSet<HostName>,
    /// Which machines were welcomed since they were two, and which have had a status admitted since (R28).
    welcomed: BTreeSet<HostName>,
    admitted: BTreeMap<HostName, BTreeSet<HostName>>,
    /// Machines that were set back behind what they had confirmed (R28).
    pub must_not_speak: BTreeMap<HostName, Time>,
    /// The coordinators' lives that each ledger has met, in their order; as many as it remembers (R33).
    met: BTreeMap<HostName, (LedgerId, Vec<Epoch>)>,
    /// What each generation has meant to a ledger (R5, R17).
    pub activates: BTreeMap<(HostName, LedgerId, AppName, Generation), Meaning>,
    /// Requests that were acknowledged: how many deployments each fleet has had, at least.
    pub acknowledged: BTreeMap<FleetName, u32>,
}

impl Promises {
    /// Another coordinator is looked at from now on.
    pub fn take_ledgers(&mut self) -> Ledgers {
        self.roster.forget();
        Ledgers {
            words: std::mem::take(&mut self.words),
            rollbacks: std::mem::take(&mut self.rollbacks),
            acknowledged: std::mem::take(&mut self.acknowledged),
            ahead: std::mem::take(&mut self.ahead),
            recovering: std::mem::take(&mut self.recovering),
        }
    }

    /// One that was looked at before is again.
    pub fn put_ledgers(&mut self, ledgers: Ledgers) {
        self.roster.forget();
        let Ledgers { words, rollbacks, acknowledged, ahead, recovering } = ledgers;
        (self.words, self.rollbacks, self.acknowledged, self.ahead, self.recovering) = (words, rollbacks, acknowledged, ahead, recovering);
    }

    /// R5, R17: two contents never share a generation.
    pub fn arrives(&mut self, host: &HostName, ledger: LedgerId, seen: Generation, intent: &Intent) {
        let key = (host.clone(), ledger, intent.app.clone(), intent.generation);
        let content = (intent.release, intent.deployment.clone());
        if intent.go != Go::Activate {
            return;
        }
        let known = self.activates.contains_key(&key);
        self.must(known || seen != intent.generation || self.doubtful.contains(&identity(host)), "8 two contents never share a generation", || {
            format!("{host} may activate {content:?} at generation {}, and has seen {seen} without it", intent.generation)
        });
        let before = self.activates.entry(key).or_insert_with(|| content.clone()).clone();
        self.must(before == content, "8 two contents never share a generation", || {
            format!("{host} may activate {before:?} at generation {}, and now {content:?} at the same", intent.generation)
        });
    }

    /// A host is in a session of this life of a coordinator.
    pub fn meets(&mut self, host: &HostName, ledger: LedgerId, epoch: Epoch) {
        let Some((of, met)) = self.met.get_mut(host) else {
            self.met.insert(host.clone(), (ledger, vec![epoch]));
            return;
        };
        if *of != ledger {
            (*of, *met) = (ledger, vec![epoch]);
        } else if met.last() != Some(&epoch) {
            met.push(epoch);
            let surplus = met.len().saturating_sub(REMEMBERED);
            met.drain(..surplus);
        }
    }

    /// A machine is as it was: whom it has met since then it does not know.
    pub fn was_set_back(&mut self, host: &HostName) {
        self.begun.retain(|(name, _, _), _| name != host);
        self.activates.retain(|(name, _, _, _), _| name != host);
        self.met.remove(host);
    }

    /// A machine was welcomed.
    pub fn welcomed(&mut self, machine: &HostName) {
        self.welcomed.insert(machine.clone());
    }

    /// A person has looked at a conflict, or it has just begun.
    pub fn forget_doubles(&mut self, host: &HostName) {
        self.admitted.remove(host);
        self.welcomed.remove(host);
        self.welcomed.remove(&twin(host));
        self.must_not_speak.remove(host);
    }

    /// R28: a status of this machine was admitted under this identity.
    pub fn speaks(&mut self, host: &HostName, machine: &HostName, made: Time) {
        let back = self.must_not_speak.get(host).is_some_and(|at| made > *at) && self.restored.is_none();
        self.must(!back, "8 who was set back is not heard", || format!("{host} was set back to an old state, and its status is taken in"));
        if self.twins.contains(host) {
            let of = self.admitted.entry(host.clone()).or_default();
            if self.welcomed.contains(machine) {
                of.insert(machine.clone());
            }
            let both = of.len() > 1 && self.restored.is_none();
            self.must(!both, "8 one machine for one identity", || format!("{host}: both machines have had their statuses taken in"));
        }
    }

    /// Notes that a promise is broken; the first one stays.
    pub fn breaks(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        if self.broken.is_none() && self.lie.leaves(promise) {
            self.broken = Some(Violation { promise, what: what() });
        }
    }

    /// Notes it unless it holds.
    pub fn must(&mut self, holds: bool, promise: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.breaks(promise, what);
        }
    }
}

/// How the second machine of an identity is called here.
pub fn twin(host: &HostName) -> HostName {
    format!("{host}-twin").parse().expect("a valid name")
}

/// Whose name a machine bears: a clone bears its original's.
pub fn identity(machine: &HostName) -> HostName {
    let original = machine.as_str().strip_suffix("-twin").and_then(|name| name.parse().ok());
    original.unwrap_or_else(|| machine.clone())
}
