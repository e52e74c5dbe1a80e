//! What a host should be told: derived from the world, never stored (DESIGN §2).

use pilotage_shared::file_exists::FileExists;
use pilotage_shared::ids::Generation;
use pilotage_shared::intent::{Answers, Go, Intent};
use pilotage_shared::name::{AppName, HostName};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::release::Release;
use pilotage_shared::time::Millis;

use crate::plan::Goal;
use crate::world::{Fleet, World};

impl World {
    /// All that one host should be told now; empty before the first status of its session (R3). O(apps of the host).
    pub fn intents(&self, host: &HostName) -> Vec<Intent> {
        self.apps.iter().filter_map(|app| self.intent(app, host)).collect()
    }

    /// The wish for one (host, app): its loan, or else what to stage or keep (R8).
    pub fn intent(&self, app: &AppName, host: &HostName) -> Option<Intent> {
        let live = self.live.get(host).filter(|l| (l.told || planted(Bug::IntentBeforeStatus)) && l.reachable)?;
        let fleet = self.member_of.get(host).and_then(|m| m.get(app)).and_then(|f| self.fleets.get(f));
        let slot = self.slot(app, host);
        let loan = slot.and_then(|s| s.loan.as_ref());
        if fleet.is_none() && loan.is_none() {
            return None;
        }
        let seen = slot.and_then(|s| s.status.as_ref()).map_or(Generation(0), |s| s.seen);
        let newest = fleet.and_then(|f| self.newest(f));
        let (generation, release, go, deployment) = match loan {
            Some(loan) if loan.withdrawn => (loan.generation, Some(loan.release), Go::Keep, Some(loan.deployment.clone())),
            Some(loan) => (loan.generation, Some(loan.release), Go::Activate, Some(loan.deployment.clone())),
            None => {
                let at_least = newest.map_or(Generation(0), |d| d.base).max(if planted(Bug::StageAtDeployment) { Generation(0) } else { seen });
                let goal = fleet.and_then(|f| {
                    let mode = self.mode(f);
                    match mode.goal(mode.barred(self), f.newest, self.placed.get(&(host.clone(), f.spec.name.clone()))?) {
                        Goal::Run(release) => Some(release),
                        Goal::Stay => None,
                    }
                });
                (at_least, goal, if goal.is_some() { Go::Stage } else { Go::Keep }, newest.map(|d| d.id.clone()))
            }
        };
        let answers = if live.told { Answers { seq: live.seq, beat: live.beat } } else { Answers { seq: 1, beat: 1 } };
        Some(Intent {
            session: live.session,
            answers,
            app: app.clone(),
            generation,
            deployment,
            release,
            go,
            while_down: loan.is_some_and(|l| l.while_down && !planted(Bug::NoWhileDown)),
            health: fleet.and_then(|f| f.spec.health.clone()),
            hook_timeout: fleet.map_or(Millis::seconds(3600), |f| f.spec.hook_timeout),
            proofs: Vec::new(),
            follow: false,
            file_exists: fleet.zip(release).and_then(|(fleet, release)| self.file_exists(fleet, &release)),
            first_install: fleet.is_some_and(|f| f.spec.first_install),
        })
    }

    /// What is done with files that are there and are not ours when this release is brought: as its deployment says.
    fn file_exists(&self, fleet: &Fleet, release: &Release) -> Option<FileExists> {
        match self.newest(fleet).filter(|newest| newest.release == *release) {
            Some(newest) => newest.file_exists,
            None => fleet.settled_file_exists.filter(|_| fleet.settled == Some(*release)),
        }
    }
}
