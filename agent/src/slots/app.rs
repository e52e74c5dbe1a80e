//! One app on this host, with what the loop knows of it in memory.

use std::path::PathBuf;

use pilotage_agent_core::acceptable::{HostPolicy, Seen};
use pilotage_agent_core::run::{Contract, Kind, Permit, Request, Target};
use pilotage_agent_core::slot::permission::Now;
use pilotage_agent_core::slot::{Bits, Held, RunKind, RunSight, Sight, Slot, status};
use pilotage_agent_core::standing::Watched;
use pilotage_bundle::appspec;
use pilotage_shared::digest::Digest;
use pilotage_shared::health::{HealthCheck, HealthNote, Standing};
use pilotage_shared::ids::BootId;
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::manifest::Manifest;
use pilotage_shared::name::{AppName, Version, Why};
use pilotage_shared::release::{PackageName, Release};
use pilotage_shared::run::{Outcome, Phase, RunId};
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Uptime};
use tokio::sync::mpsc;
use tracing::warn;

use super::Telling;
use crate::config::Config;
use crate::layout::Layout;
use crate::rundir;
use crate::watch::{self, Answer, Watch};

/// A deployer that was started has its lock within this, or is started again.
const STARTING: Millis = Millis::seconds(2);
/// After a failed staging it is tried again.
const STAGE_AGAIN: Millis = Millis::seconds(5);

/// The app.
pub struct App {
    /// The ledger's record.
    pub slot: Slot,
    /// The newest intent.
    pub held: Held,
    /// Why nothing is done; logged when it changes.
    pub idle_because: Option<Why>,
    bits: Bits,
    bits_of: Option<Release>,
    stage_again_at: Option<Uptime>,
    run: RunSight,
    launched_at: Option<Uptime>,
    watch: Option<(Watch, Watched)>,
    said: (Why, Uptime),
    first_install: bool,
    watched_by_fleet: bool,
}

impl App {
    /// From the ledger's record.
    pub fn new(slot: Slot) -> App {
        App {
            slot,
            held: Held::default(),
            idle_because: None,
            bits: Bits::Absent,
            bits_of: None,
            stage_again_at: None,
            run: RunSight::None,
            launched_at: None,
            watch: None,
            said: (Why::default(), Uptime(0)),
            first_install: false,
            watched_by_fleet: false,
        }
    }

    /// The fleet's health check is asked from the first intent on, even before the first package is there.
    pub fn watch(&mut self, intent: &Intent, variables: &std::collections::BTreeMap<String, String>, answers: &mpsc::Sender<Answer>) {
        self.first_install = intent.first_install;
        self.watched_by_fleet = intent.health.is_some();
        let Some(check) = &intent.health else {
            self.watch = None;
            return;
        };
        if self.watch.as_ref().is_none_or(|(watch, _)| watch.check != *check) {
            let watched = Watched::new(check, crate::clock::uptime());
            self.watch = Some((Watch::start(intent.app.clone(), check.clone(), variables, answers.clone()), watched));
        }
    }

    /// One answer of the health check.
    pub fn answered(&mut self, answer: &Answer, now: Uptime) {
        if let Some((_, watched)) = &mut self.watch {
            watched.answered(answer.good, now);
        }
        if self.said.0 != answer.said {
            self.said = (answer.said.clone(), now);
        }
    }

    /// Time goes by: the run directory is looked at, a failed staging may be tried again.
    pub fn pass(&mut self, layout: &Layout, name: &AppName, now: Uptime) {
        if let Some((_, watched)) = &mut self.watch {
            watched.pass(now);
        }
        if self.stage_again_at.is_some_and(|at| now >= at) {
            (self.bits, self.stage_again_at) = (Bits::Absent, None);
        }
        self.run = match &self.slot.run {
            None => RunSight::None,
            Some(run) => match rundir::look(&layout.run(name, run.attempt)) {
                RunSight::Lost if self.launched_at.is_some_and(|at| now - at < STARTING) => RunSight::Alive(Phase::Beginning),
                seen => seen,
            },
        };
    }

    /// What the core asks for.
    pub fn sight<'a>(&self, telling: &'a Telling, policy: &'a HostPolicy, seen: &'a Seen, now: Uptime) -> Sight<'a> {
        let standing = self.standing(now);
        let facts = (standing, self.slot.run.is_some(), self.slot.running);
        let intent = self.held.intent.as_ref();
        let now = Now {
            uptime: now,
            session: telling.session(),
            lease_ends: intent.and_then(|i| telling.lease_ends(i.answers.beat)),
            facts_told_in: intent.and_then(|i| telling.facts_told_in(&i.app, &facts)),
            standing,
        };
        let wanted = intent.and_then(|i| i.release);
        let bits = if wanted.is_some() && wanted != self.bits_of { Bits::Absent } else { self.bits.clone() };
        Sight { now, bits, run: self.run.clone(), obstacle: None, policy, seen }
    }

    /// Fetching has begun.
    pub fn staging(&mut self, release: Release) {
        (self.bits, self.bits_of) = (Bits::Working, Some(release));
    }

    /// Fetching has ended well.
    pub fn staged(&mut self, release: Release) {
        if self.bits_of == Some(release) {
            self.bits = Bits::Staged(release);
        }
    }

    /// Fetching has failed.
    pub fn not_staged(&mut self, release: Release, why: Why, now: Uptime) {
        if self.bits_of == Some(release) {
            (self.bits, self.stage_again_at) = (Bits::Failed(why), Some(now + STAGE_AGAIN));
        }
    }

    /// A deployer was started.
    pub fn launched(&mut self, now: Uptime) {
        self.launched_at = Some(now);
        self.run = RunSight::Alive(Phase::Beginning);
    }

    /// The run has ended: what answered before does not speak for what runs now.
    pub fn run_over(&mut self, now: Uptime) {
        (self.launched_at, self.run) = (None, RunSight::None);
        if let Some((_, watched)) = &mut self.watch {
            if self.slot.running.is_some() {
                watched.restarted(now);
            } else if let Some((watch, watched)) = &mut self.watch {
                *watched = Watched::new(&watch.check, now);
            }
        }
    }

    /// A release that was found to differ from its manifest is removed, so that it is unpacked anew under the next intent; one
    /// that runs, or is the way back, stays for a person to look at.
    pub fn forget_damaged(&mut self, layout: &Layout, name: &AppName) {
        let Some((_, Outcome::NotBegun { why })) = &self.slot.last_ended else { return };
        let damaged = self.bits_of.filter(|r| why.as_str().contains("differs from its manifest") && ![self.slot.running, self.slot.previous].contains(&Some(*r)));
        if let Some(release) = damaged {
            warn!(app = %name, package = %release.package.short(), %why, "a damaged release is removed");
            // What cannot be removed is found damaged again, and said again.
            let _ = std::fs::remove_dir_all(layout.release(name, &release.package));
            (self.bits, self.bits_of) = (Bits::Absent, None);
        }
    }

    /// How this host counts for the app (R9).
    pub fn standing(&self, now: Uptime) -> Standing {
        match &self.watch {
            Some((_, watched)) => watched.standing(now),
            // Nobody said yet how it is to be asked.
            None if self.held.intent.is_none() => Standing::Unknown,
            // Without a health check the last run speaks (DESIGN §10).
            None if self.slot.running.is_some() && self.slot.needs_hands.is_none() => Standing::Available,
            None if self.slot.running.is_none() && self.first_install => Standing::Down,
            None => Standing::Unknown,
        }
    }

    /// What is said of it.
    pub fn status(&mut self, now: Uptime) -> SlotStatus {
        let staged = match &self.bits {
            Bits::Staged(release) => Some(*release),
            Bits::Absent | Bits::Working | Bits::Failed(_) => None,
        };
        let health = HealthNote { last: self.said.0.clone(), for_ms: (now - self.said.1).0 };
        status(&self.slot, staged, self.phase(), self.standing(now), health)
    }

    fn phase(&self) -> Option<Phase> {
        match &self.run {
            RunSight::Alive(phase) => Some(*phase),
            RunSight::None | RunSight::Ended(_) | RunSight::Lost => None,
        }
    }

    /// May it get traffic? Not from before the first stop hook until it is available again.
    pub fn ready(&self, now: Uptime) -> bool {
        let disturbed = self.slot.run.is_some() && !matches!(self.run, RunSight::Alive(Phase::Beginning));
        !disturbed && self.standing(now) == Standing::Available
    }

    /// For a person at this host.
    pub fn said(&mut self, now: Uptime) -> String {
        let short = |r: Option<Release>| r.map_or_else(|| "nothing".to_owned(), |r| r.package.short());
        let mut text = format!("runs {} · {:?} · previous {}", short(self.slot.running), self.standing(now), short(self.slot.previous));
        if let Some(wanted) = self.held.intent.as_ref().and_then(|i| i.release) {
            text.push_str(&format!(" · wanted {}", wanted.package.short()));
        }
        for (what, why) in [("pinned", &self.slot.pinned), ("declines", &self.slot.declines), ("needs hands", &self.slot.needs_hands)] {
            if let Some(why) = why {
                text.push_str(&format!("\n     {what}: {why}"));
            }
        }
        if let Some(phase) = self.phase() {
            text.push_str(&format!("\n     in a run: {phase:?}"));
        }
        text
    }

    /// When the standing may change without an answer.
    pub fn wake_at(&self) -> Option<Uptime> {
        let standing = self.watch.as_ref().and_then(|(_, watched)| watched.wake_at());
        standing.into_iter().filter(|at| *at > crate::clock::uptime()).chain(self.stage_again_at).min()
    }

    /// Packages that must stay on this host.
    pub fn in_use(&self) -> Vec<Digest> {
        let run = self.slot.run.as_ref().map(|r| r.release);
        let wanted = self.held.intent.as_ref().and_then(|i| i.release);
        [self.slot.running, self.slot.previous, run, wanted].into_iter().flatten().map(|r| r.package).collect()
    }

    /// R6: only before the first disturbing task, and only what needs a permission.
    pub fn revoke(&self, layout: &Layout, name: &AppName, why: &str) {
        let Some(run) = &self.slot.run else { return };
        if !matches!(run.kind, RunKind::Activate(_)) || !matches!(self.run, RunSight::Alive(Phase::Beginning)) {
            return;
        }
        if let Err(error) = rundir::revoke(&layout.run(name, run.attempt), why) {
            warn!(app = %name, error = format!("{error:#}"), "a permission could not be revoked");
        }
    }

    /// R29, R31.
    pub fn turn_back(&self, layout: &Layout, name: &AppName, why: &Why) -> anyhow::Result<()> {
        match &self.slot.run {
            Some(run) => rundir::turn_back(&layout.run(name, run.attempt), why),
            None => Ok(()),
        }
    }

    /// The run's directory with its order. One whose order was never written begins nothing: its permission is of the past.
    pub fn prepare_run(&self, layout: &Layout, name: &AppName, config: &Config, boot: BootId, telling: &Telling) -> anyhow::Result<PathBuf> {
        let Some(run) = &self.slot.run else { anyhow::bail!("there is no run of {name}") };
        let folder = layout.run(name, run.attempt);
        let intent = self.held.intent.as_ref();
        let kind = match run.kind {
            RunKind::LocalRollback => Kind::LocalRollback,
            RunKind::Activate(generation) => {
                let ours = intent.filter(|i| i.generation == generation && i.go == Go::Activate);
                let begin_by = ours.and_then(|i| telling.lease_ends(i.answers.beat)).unwrap_or(Uptime(0));
                Kind::Activate(Permit { generation, begin_by, boot, while_down: ours.is_some_and(|i| i.while_down) })
            }
        };
        let target = |release: Release| Target { release, package: package_name(name, &release), health: self.health(layout, name, config, &release) };
        let (group, id) = match &run.deployment {
            Some(deployment) => (deployment.fleet.to_string(), deployment.to_string()),
            None => ("local".to_owned(), format!("local.{}", run.attempt)),
        };
        let request = Request {
            format: Request::FORMAT,
            run: RunId { deployment: run.deployment.clone(), host: config.host.clone(), attempt: run.attempt },
            app: name.clone(),
            kind,
            to: target(run.release),
            from: run.from.map(target),
            hook_timeout: intent.map_or(Millis::seconds(3600), |i| i.hook_timeout),
            contract: Contract { application: name.to_string(), deployment_group: group, deployment_id: id },
            variables: config.variables.clone(),
            proofs: intent.map(|i| i.proofs.clone()).unwrap_or_default(),
            state: layout.state.display().to_string(),
        };
        rundir::create(&folder, &request)?;
        Ok(folder)
    }

    /// The check a run waits for: the fleet's, else the package's own.
    fn health(&self, layout: &Layout, name: &AppName, config: &Config, release: &Release) -> Option<HealthCheck> {
        let fleet = self.watch.as_ref().filter(|_| self.watched_by_fleet).map(|(watch, _)| watch.check.clone());
        let check = fleet.or_else(|| {
            let text = std::fs::read(layout.manifest(&release.package)).ok()?;
            let manifest = Manifest::decode(&text).ok()?;
            let spec = std::fs::read(layout.release(name, &release.package).join(&manifest.appspec)).ok()?;
            appspec::parse(&spec).ok()?.health
        })?;
        match watch::resolve(&check.probe, &config.variables) {
            Ok(probe) => Some(HealthCheck { probe, ..check }),
            Err(why) => {
                warn!(app = %name, why, "the health check cannot be asked as it stands");
                Some(check)
            }
        }
    }
}

/// An intent names digests only; people's names for them are the coordinator's.
fn package_name(app: &AppName, release: &Release) -> PackageName {
    PackageName { app: app.clone(), version: Version::lossy(&release.package.short()) }
}
