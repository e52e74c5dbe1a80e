//! `World::apply`: the only mutation. It decides nothing: an admitted or planned change always applies.

mod configuration;
mod recovery;

use pilotage_shared::ids::{DeploymentId, Generation};
use pilotage_shared::name::{AppName, FleetName, HostName};
use pilotage_shared::planted::{Bug, planted};

use crate::change::{Change, Touched};
use crate::world::load::Key;
use crate::world::{Course, Due, HostState, Live, Outcome, Slot, World};

/// Ended deployments that are kept in the world for each fleet; older ones are in the history.
pub const DEPLOYMENTS_KEPT: u32 = 50;
/// Forgotten epochs beside which a fleet goes on (R18).
const THAWED_KEPT: usize = 8;
/// Own epochs that are remembered (R28).
const EPOCHS_KEPT: usize = 64;

impl World {
    /// Applies one change. O(log hosts), but for a fleet's declaration or deletion: O(hosts).
    pub fn apply(&mut self, change: &Change) -> Touched {
        let mut touched = Touched::default();
        self.apply_to(change, &mut touched);
        touched
    }

    /// The same; what it touches is added to what others have.
    pub fn apply_to(&mut self, change: &Change, t: &mut Touched) {
        match change {
            Change::Started { epoch, at } => {
                self.epoch = Some(*epoch);
                self.sessions = 0;
                self.startup_over = false;
                self.live.clear();
                self.epochs.push(*epoch);
                let surplus = self.epochs.len().saturating_sub(EPOCHS_KEPT);
                self.epochs.drain(..surplus);
                self.starts.insert(*epoch, self.counter);
                self.starts.retain(|epoch, _| self.epochs.contains(epoch));
                self.due.clear();
                let over = *at + self.settings.silence();
                self.startup_at = Some(over);
                self.due.insert((over, Due::Startup));
                let stragglers = self.deployments.values().filter_map(|d| Some((d.stragglers_at?, Due::Stragglers(d.id.clone()))));
                self.due.extend(stragglers);
                t.records.extend([Key::Epochs, Key::Starts]);
                t.fleets.extend(self.fleets.keys().cloned());
            }
            Change::StartupOver => {
                self.startup_over = true;
                if let Some(at) = self.startup_at.take() {
                    self.due.remove(&(at, Due::Startup));
                }
                t.fleets.extend(self.fleets.keys().cloned());
            }
            Change::CounterRaised { to } => self.raise(*to, t),
            Change::HostPut { host } => {
                let name = host.id.name.clone();
                let another = self.hosts.insert(name.clone(), host.clone()).is_some_and(|old| old.id != host.id);
                if another {
                    self.end_session(&name, t);
                }
                t.records.insert(Key::Host(name.clone()));
                self.moved_labels(&name, t);
            }
            Change::HostRetired { host } => {
                if let Some(record) = self.hosts.get_mut(host) {
                    record.state = HostState::Retired;
                    t.records.insert(Key::Host(host.clone()));
                }
                let apps: Vec<AppName> = self.host_slots(host).map(|(app, _)| app.clone()).collect();
                for app in apps {
                    self.slots.remove(&(app.clone(), host.clone()));
                    self.strays.remove(&(app.clone(), host.clone()));
                    t.records.insert(Key::Slot(app, host.clone()));
                }
                if !planted(Bug::RetireKeepsSession) {
                    self.end_session(host, t);
                }
                self.moved_labels(host, t);
            }
            Change::Quarantined { host, why } => {
                if let Some(record) = self.hosts.get_mut(host) {
                    record.quarantined = Some(why.clone());
                    t.records.insert(Key::Host(host.clone()));
                }
                self.end_session(host, t);
                self.moved(host, t);
            }
            Change::SessionBegan { host, session, ledger, boot, came_from, agent, at } => {
                self.sessions = self.sessions.max(session.n);
                let old = self.live.remove(host);
                self.expect_from(host, old.as_ref().map(|l| l.heard_at), Some(*at));
                let heard = old.as_ref().is_some_and(|l| l.heard && l.reachable);
                self.live.insert(
                    host.clone(),
                    Live {
                        session: *session,
                        told: false,
                        heard,
                        reachable: true,
                        seq: 0,
                        beat: 0,
                        heard_at: *at,
                        ledger: *ledger,
                        boot: *boot,
                        came_from: *came_from,
                        agent: agent.clone(),
                        metrics: old.and_then(|l| l.metrics),
                    },
                );
                self.moved(host, t);
            }
            Change::Confirmed { host, session, ledger } => {
                if let Some(record) = self.hosts.get_mut(host) {
                    record.confirmed = Some(*session);
                    record.ledger = Some(*ledger);
                    t.records.insert(Key::Host(host.clone()));
                }
                if let Some(live) = self.live.get_mut(host) {
                    (live.told, live.heard) = (true, true);
                }
                self.moved(host, t);
            }
            Change::SessionEnded { host, session } => {
                if let Some(live) = self.live.get_mut(host).filter(|l| l.session == *session) {
                    live.told = false;
                }
                self.moved(host, t);
            }
            Change::Silent { host } => {
                if let Some(live) = self.live.get_mut(host) {
                    (live.reachable, live.told) = (false, false);
                    let at = live.heard_at;
                    self.expect_from(host, Some(at), None);
                    t.hang_up.insert(host.clone());
                }
                if planted(Bug::TimerReturns) {
                    self.drop_loans(host, t);
                }
                self.moved(host, t);
            }
            Change::Heard { host, seq, beat, at } => {
                if let Some(live) = self.live.get_mut(host) {
                    let old = live.heard_at;
                    (live.seq, live.beat, live.heard_at) = (*seq, *beat, *at);
                    self.expect_from(host, Some(old), Some(*at));
                }
                // Each heartbeat of a host with an unused loan is answered (PROTOCOL §1): it keeps the permission fresh.
                if self.host_slots(host).any(|(_, slot)| slot.loan.is_some()) {
                    t.hosts.insert(host.clone());
                }
            }
            Change::BlockedSeen { version } => self.blocked_seen = self.blocked_seen.max(*version),
            Change::Measured { host, metrics } => {
                if let Some(live) = self.live.get_mut(host) {
                    live.metrics = Some(metrics.clone());
                }
            }
            Change::Observed { host, app, status, refused, at } => {
                self.apps.insert(app.clone());
                let slot = self.slots.entry((app.clone(), host.clone())).or_default();
                slot.status = Some((**status).clone());
                slot.since = *at;
                slot.refused.clone_from(refused);
                self.stored_slot(host, app, t);
            }
            Change::Noted { host, app, health } => {
                if let Some(status) = self.slots.get_mut(&(app.clone(), host.clone())).and_then(|s| s.status.as_mut()) {
                    status.health = health.clone();
                }
            }
            Change::Lent { host, app, loan } => {
                self.raise(loan.generation, t);
                self.apps.insert(app.clone());
                let slot = self.slots.entry((app.clone(), host.clone())).or_default();
                slot.loan = Some(loan.clone());
                slot.since = loan.at;
                self.stored_slot(host, app, t);
            }
            Change::Withdrawn { host, app, generation } => {
                self.raise(*generation, t);
                self.change_loan(host, app, t, |slot| {
                    if let Some(loan) = slot.loan.as_mut() {
                        (loan.generation, loan.withdrawn) = (*generation, true);
                    }
                });
            }
            Change::Renumbered { host, app, generation } => {
                self.raise(*generation, t);
                self.change_loan(host, app, t, |slot| {
                    if let Some(loan) = slot.loan.as_mut() {
                        loan.generation = *generation;
                    }
                });
            }
            Change::Returned { host, app } => self.change_loan(host, app, t, |slot| slot.loan = None),
            Change::FleetPut { fleet } => {
                let name = fleet.spec.name.clone();
                self.apps.insert(fleet.spec.app.clone());
                self.fleets.insert(name.clone(), fleet.clone());
                self.regroup(&name);
                self.everybody(&name, t);
                t.fleets.extend(self.fleets.keys().cloned());
            }
            Change::FleetDeleted { fleet } => {
                self.everybody(fleet, t);
                self.hosts_of(fleet, t);
                self.fleets.remove(fleet);
                self.not_left(fleet, t);
                self.regroup(fleet);
            }
            Change::Froze { fleet, frozen } => {
                if let Some(record) = self.fleets.get_mut(fleet) {
                    record.frozen = Some(frozen.clone());
                }
                self.everybody(fleet, t);
            }
            Change::Thawed { fleet } => {
                if let Some(record) = self.fleets.get_mut(fleet) {
                    let epoch = record.frozen.take().map(|f| f.epoch);
                    record.thawed.extend(epoch);
                    let surplus = record.thawed.len().saturating_sub(THAWED_KEPT);
                    record.thawed.drain(..surplus);
                }
                self.everybody(fleet, t);
            }
            Change::Deployed { deployment } => self.deployed(deployment, t),
            Change::Paused { id, note } => self.change_deployment(id, t, |d| d.paused = Some(note.clone())),
            Change::Resumed { id, forgiven } => {
                self.change_deployment(id, t, |d| (d.paused, d.forgiven) = (None, *forgiven));
            }
            Change::Turned { id, to, because, hold, at } => {
                let release = self.deployments.get(id).map(|d| d.release);
                self.hold(release.as_ref(), hold.as_ref(), t);
                self.not_left(&id.fleet, t);
                if let Some(fleet) = self.fleets.get_mut(&id.fleet) {
                    // A stopped deployment that goes back is in course again (R24).
                    (fleet.active, fleet.unsettled) = (true, None);
                }
                self.change_deployment(id, t, |d| {
                    d.paused = None;
                    d.others_done = None;
                    d.stragglers_due = false;
                    d.course = Course::Back { to: *to, because: because.clone(), at: *at };
                });
                self.expect_stragglers(id, None);
            }
            Change::OthersDone { id, at, due } => {
                self.expect_stragglers(id, *due);
                self.change_deployment(id, t, |d| d.others_done = *at);
            }
            Change::StragglersDue { id } => {
                self.expect_stragglers(id, None);
                self.change_deployment(id, t, |d| d.stragglers_due = true);
            }
            Change::Ended { id, outcome, because, left_behind, hold, at } => {
                let ended = self.deployments.get(id);
                let (release, file_exists) = (ended.map(|d| d.release), ended.and_then(|d| d.file_exists));
                self.hold(release.as_ref(), hold.as_ref(), t);
                self.change_deployment(id, t, |d| {
                    d.paused = None;
                    d.left_behind.clone_from(left_behind);
                    d.course = Course::Ended { outcome: *outcome, at: *at, because: because.clone() };
                });
                self.expect_stragglers(id, None);
                if let Some(fleet) = self.fleets.get_mut(&id.fleet).filter(|f| f.newest == id.number) {
                    fleet.active = false;
                    match outcome {
                        Outcome::Succeeded => {
                            (fleet.settled, fleet.settled_file_exists) = (release, file_exists);
                            fleet.unsettled = None;
                        }
                        Outcome::RolledBack | Outcome::NeedsHands => fleet.unsettled = None,
                        Outcome::Stopped => fleet.unsettled = release,
                        Outcome::Superseded => {}
                    }
                }
            }
            Change::PackagePut { package } => {
                self.versions.insert((package.app.clone(), package.version.clone()), package.digest);
                self.packages.insert(package.digest, package.clone());
                t.records.insert(Key::Package(package.digest));
                let users = self.fleets.values().filter(|f| f.spec.app == package.app);
                t.fleets.extend(users.map(|f| f.spec.name.clone()));
            }
            Change::PackageDeleted { digest } => {
                if let Some(package) = self.packages.remove(digest) {
                    self.versions.remove(&(package.app, package.version));
                    self.forget_pairs(digest, t);
                }
                t.records.insert(Key::Package(*digest));
            }
            Change::BlockedSet { blocked } => {
                self.blocked = blocked.clone();
                t.records.insert(Key::Blocked);
                let fleets: Vec<FleetName> = self.fleets.keys().cloned().collect();
                t.everybody.extend(fleets.iter().cloned());
                t.fleets.extend(fleets);
            }
            Change::Remembered { key, remembered } => {
                self.remembered_at.insert((remembered.at, key.clone()));
                self.remembered.insert(key.clone(), remembered.clone());
                t.records.insert(Key::Remembered(key.clone()));
            }
            Change::Forgotten { key } => {
                if let Some(old) = self.remembered.remove(key) {
                    self.remembered_at.remove(&(old.at, key.clone()));
                }
                t.records.insert(Key::Remembered(key.clone()));
            }
            Change::Restored { backup, at } => self.restored(*backup, *at, t),
            Change::GoesOn { note, keep_backup } => self.goes_on(note, *keep_backup, t),
            Change::FleetRecovered { fleet, verdict, note } => self.fleet_recovered(fleet, verdict, note, t),
            Change::Recovered => self.recovered(t),
            Change::ConfigurationPut { configuration } => self.configured(configuration, t),
            Change::ConfigurationDeleted { app, number } => self.configuration_deleted(app, *number, t),
            Change::PairsReleased { app, pairs } => self.pairs_released(app, pairs, t),
        }
    }

    fn raise(&mut self, to: Generation, t: &mut Touched) {
        if to > self.counter {
            self.counter = to;
            t.records.insert(Key::Counter);
        }
    }

    fn deployed(&mut self, deployment: &crate::world::Deployment, t: &mut Touched) {
        let id = &deployment.id;
        self.raise(deployment.base, t);
        self.not_left(&id.fleet, t);
        self.deployments.insert(id.clone(), deployment.clone());
        t.records.insert(Key::Deployment(id.clone()));
        if let Some(number) = id.number.checked_sub(DEPLOYMENTS_KEPT) {
            let old = DeploymentId { fleet: id.fleet.clone(), number };
            if self.deployments.remove(&old).is_some() {
                t.records.insert(Key::Deployment(old));
            }
        }
        if let Some(fleet) = self.fleets.get_mut(&id.fleet) {
            fleet.newest = id.number;
            fleet.active = true;
            fleet.unsettled = None;
        }
        self.everybody(&id.fleet, t);
    }

    fn change_deployment(&mut self, id: &DeploymentId, t: &mut Touched, change: impl FnOnce(&mut crate::world::Deployment)) {
        if let Some(deployment) = self.deployments.get_mut(id) {
            change(deployment);
            t.records.insert(Key::Deployment(id.clone()));
        }
        self.everybody(&id.fleet, t);
    }

    fn change_loan(&mut self, host: &HostName, app: &AppName, t: &mut Touched, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(&(app.clone(), host.clone())) {
            change(slot);
        }
        self.stored_slot(host, app, t);
    }

    fn stored_slot(&mut self, host: &HostName, app: &AppName, t: &mut Touched) {
        t.records.insert(Key::Slot(app.clone(), host.clone()));
        self.moved(host, t);
    }

    /// A fact of a host changed: its groups, its fleets, its intents.
    fn moved(&mut self, host: &HostName, t: &mut Touched) {
        t.fleets.extend(self.place(host));
        t.hosts.insert(host.clone());
    }

    /// What a host is a member of may have changed.
    fn moved_labels(&mut self, host: &HostName, t: &mut Touched) {
        t.fleets.extend(self.rejoin(host));
        if planted(Bug::LeaveDropsLoan) && self.strays.iter().any(|(_, stray)| stray == host) {
            self.drop_loans(host, t);
        }
        self.moved(host, t);
    }

    /// What R13 and R14 forbid.
    fn drop_loans(&mut self, host: &HostName, t: &mut Touched) {
        let apps: Vec<AppName> = self.host_slots(host).map(|(app, _)| app.clone()).collect();
        for app in apps {
            self.change_loan(host, &app, t, |slot| slot.loan = None);
        }
    }

    fn expect_stragglers(&mut self, id: &DeploymentId, at: Option<pilotage_shared::time::Time>) {
        let Some(deployment) = self.deployments.get_mut(id) else { return };
        let old = std::mem::replace(&mut deployment.stragglers_at, at);
        if let Some(old) = old {
            self.due.remove(&(old, Due::Stragglers(id.clone())));
        }
        if let Some(at) = at {
            self.due.insert((at, Due::Stragglers(id.clone())));
        }
    }

    fn everybody(&self, fleet: &FleetName, t: &mut Touched) {
        t.records.insert(Key::Fleet(fleet.clone()));
        t.fleets.insert(fleet.clone());
        t.everybody.insert(fleet.clone());
    }

    fn hosts_of(&self, fleet: &FleetName, t: &mut Touched) {
        t.hosts.extend(self.groups.get(fleet).into_iter().flat_map(|g| g.values().flatten().cloned()));
    }

    fn end_session(&mut self, host: &HostName, t: &mut Touched) {
        if let Some(live) = self.live.remove(host) {
            self.expect_from(host, Some(live.heard_at), None);
        }
        t.hang_up.insert(host.clone());
    }
}
