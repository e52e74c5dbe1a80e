//! A store that was made of a backup is *recovering* (R34): it may have forgotten what hosts do now, so nobody is taken out
//! of service until every member host was heard in this life, or a person goes on without the missing ones; and going on
//! adopts what runs, so that no host moves backwards by itself.
//!
//! ```text
//! Listening ──a person goes on──▶ GoingOn ──each fleet by name: kept │ adopted │ left──▶ (no record any more)
//! ```
//!
//! R18 stays as it is beside it: a fleet with a host that is ahead of the store is frozen during all of this and after it.

use std::collections::BTreeMap;

use pilotage_shared::name::{FleetName, HostName, Why};
use pilotage_shared::release::Release;
use pilotage_shared::time::Time;
use serde::{Deserialize, Serialize};

use super::facts::Counted;
use super::{HostState, Note, World};

/// Hosts that are named for each release.
const NAMED: usize = 3;

/// The store was made of a backup, and it is not over yet (R34).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovering {
    /// When the backup was made.
    pub backup: Time,
    /// When the store was made of it.
    pub at: Time,
    /// How far it is.
    pub stage: Stage,
}

/// How far a recovery is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Hosts are heard; no person has gone on yet.
    Listening,
    /// A person has gone on; the fleets follow, one unit each.
    GoingOn {
        /// Who, why, when.
        note: Note,
        /// What the backup wants stays, whatever runs.
        keep_backup: bool,
        /// The last fleet that is done.
        behind: Option<FleetName>,
    },
}

/// A fleet whose members stay where they are until a person deploys, because nobody can say what it should run (R34).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Who went on.
    pub note: Note,
    /// What runs where.
    pub why: Why,
}

/// What going on makes of one fleet, by what its members say (R34).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// What was heard runs what the backup calls settled.
    Keep,
    /// All that were heard run this one: it becomes the settled release.
    Adopt(Release),
    /// They run different ones, or one that may not be used: nobody is moved until a person deploys.
    Leave(Why),
}

impl World {
    /// Hosts that are members of a fleet, and of those the ones that have not reported in this life (R16). O(hosts).
    pub fn heard_of(&self) -> (u32, Vec<HostName>) {
        let member = |name: &HostName| self.member_of.get(name).is_some_and(|fleets| !fleets.is_empty());
        let members = self.hosts.values().filter(|h| h.state != HostState::Retired && member(&h.id.name));
        let (mut count, mut missing) = (0, Vec::new());
        for host in members {
            count += 1;
            if !self.live.get(&host.id.name).is_some_and(|live| live.heard) {
                missing.push(host.id.name.clone());
            }
        }
        (count, missing)
    }

    /// What the members of a fleet that were heard in this life run, with the hosts; none: nothing. O(members).
    pub fn runs_now(&self, fleet: &FleetName) -> BTreeMap<Option<Release>, Vec<HostName>> {
        let mut runs = BTreeMap::<_, Vec<HostName>>::new();
        for (facts, hosts) in self.groups.get(fleet).into_iter().flatten() {
            if facts.standing != Counted::Unheard {
                runs.entry(facts.running).or_default().extend(hosts.iter().cloned());
            }
        }
        for hosts in runs.values_mut() {
            hosts.sort();
        }
        runs
    }

    /// What going on makes of a fleet (R34). Who has not been heard has no say; R18 is there when it speaks later.
    pub fn verdict(&self, name: &FleetName) -> Verdict {
        let Some(fleet) = self.fleets.get(name) else { return Verdict::Keep };
        let runs = self.runs_now(name);
        let releases: Vec<Release> = runs.keys().flatten().copied().collect();
        let in_run = self.groups.get(name).into_iter().flatten().find(|(f, _)| f.run && f.standing != Counted::Unheard);
        match (releases.as_slice(), in_run.and_then(|(_, hosts)| hosts.first())) {
            ([], None) => Verdict::Keep,
            ([one], None) if fleet.settled == Some(*one) => Verdict::Keep,
            (_, Some(host)) => Verdict::Leave(Why::lossy(&format!("{host} is in change"))),
            // Whoever is caught up is lent to by a deployment's name.
            (_, None) if fleet.newest == 0 => Verdict::Leave(Why::lossy("the backup knows no deployment of this fleet")),
            ([one], None) if runs.len() == 1 => match self.unusable(one) {
                None => Verdict::Adopt(*one),
                Some(why) => Verdict::Leave(Why::lossy(&format!("all that were heard run {}, {why}", self.release_name(one)))),
            },
            _ => Verdict::Leave(self.who_runs_what(&runs)),
        }
    }

    fn unusable(&self, release: &Release) -> Option<&'static str> {
        if !self.packages.contains_key(&release.package) {
            return Some("which this store does not know: push it again");
        }
        if release.config.is_some() && self.config_number(release).is_none() {
            return Some("whose configuration this store does not know: push it again");
        }
        self.barred(release).then_some("which is held or blocked")
    }

    fn who_runs_what(&self, runs: &BTreeMap<Option<Release>, Vec<HostName>>) -> Why {
        let part = |(release, hosts): (&Option<Release>, &Vec<HostName>)| {
            let mut who: Vec<String> = hosts.iter().take(NAMED).map(ToString::to_string).collect();
            if hosts.len() > NAMED {
                who.push(format!("and {} more", hosts.len() - NAMED));
            }
            let what = release.map_or_else(|| "nothing".to_owned(), |r| self.release_name(&r));
            let known = release.is_none_or(|r| self.packages.contains_key(&r.package));
            format!("{}: {what}{}", who.join(" "), if known { "" } else { " (not known to this store)" })
        };
        let parts: Vec<String> = runs.iter().map(part).collect();
        Why::lossy(&format!("its hosts run different releases: {}", parts.join(", ")))
    }
}
