//! When the bits of a release are ready on hosts that are told to stage it: as an agent does, after each change of its wish.

use pilotage_shared::intent::Go;
use pilotage_shared::name::HostName;
use pilotage_shared::release::Release;
use pilotage_shared::status::SlotStatus;
use pilotage_shared::time::{Millis, Time};

use super::{Event, SOON, Stage};

impl Stage<'_> {
    /// What it is told to make ready. A host that keeps what it has, or was not heard, fetches nothing.
    pub(super) fn to_stage(&self, host: &HostName) -> Option<Release> {
        let intent = self.player.world.intent(&self.app, host)?;
        match intent.go {
            Go::Stage | Go::Activate => intent.release,
            Go::Keep => None,
        }
    }

    /// Its bits come, if it is told to have others than it has.
    pub(super) fn fetch(&mut self, host: &HostName) {
        let Some(release) = self.to_stage(host) else { return };
        let Some(status) = self.player.world.slot(&self.app, host).and_then(|slot| slot.status.as_ref()) else { return };
        let there = [status.staged, status.running].contains(&Some(release));
        if there || self.fetching.get(host) == Some(&release) {
            return;
        }
        let at = self.ready(host, status, release);
        self.fetching.insert(host.clone(), release);
        self.push(at, host, Event::Staged(release));
    }

    /// Members whose wish may have become another one.
    pub(super) fn fetch_all(&mut self) {
        let world = &self.player.world;
        let goes_to = world.fleets.get(&self.case.id().fleet).and_then(|fleet| world.mode(fleet).to());
        if self.goes_to != Some(goes_to) {
            self.goes_to = Some(goes_to);
            for host in self.members() {
                self.fetch(&host);
            }
        }
    }

    /// It fetched: it says so if that is still what it is told to have.
    pub(super) fn fetched(&mut self, host: &HostName, release: Release, status: SlotStatus) {
        if self.fetching.get(host) == Some(&release) {
            self.fetching.remove(host);
            if self.to_stage(host) == Some(release) {
                self.says(host, SlotStatus { staged: Some(release), ..status });
            }
        }
    }

    /// When. The deployment's own release: when it was. What ran here before is here. Anything else takes as long as most took.
    fn ready(&self, host: &HostName, status: &SlotStatus, release: Release) -> Time {
        let soon = self.player.now + SOON;
        if release != self.case.deployment.release {
            return if status.previous == Some(release) { soon } else { self.player.now + self.usually().unwrap_or(SOON) };
        }
        let staged = self.case.profile.hosts.get(host).and_then(|course| course.staged);
        staged.or_else(|| Some(self.case.deployment.started.at + self.usually()?)).map_or(soon, |at| at.max(soon))
    }

    fn usually(&self) -> Option<Millis> {
        let begin = self.case.deployment.started.at;
        let mut times: Vec<Millis> = self.case.profile.hosts.values().filter_map(|course| Some(course.staged? - begin)).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}
