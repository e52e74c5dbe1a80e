//! Misfortune with an aim: the world goes on until a host is in a certain phase, and then something happens to it at once.
//! What strikes at random moments nearly always strikes a host at rest.

use pilotage_coordinator_core::Request;
use pilotage_coordinator_core::input::What;
use pilotage_shared::fleet::Labels;
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;
use pilotage_shared::time::{Millis, Time};

use super::Seed;
use crate::agent::Wish;
use crate::coverage::{Fault, HostPhase, Strikes, except, listed};
use crate::network::Cut;
use crate::truth::Behaviour;

/// How long the moment is waited for.
const WITHIN: Millis = Millis::seconds(30);
/// How often it is brought about.
const TRIES: usize = 2;
/// Events that it is waited for.
const EVENTS: usize = 400;

listed! {
    /// What people do at the worst moment.
    Word {
        /// The host is cordoned, and often not any more.
        Cordon,
        /// The host is retired, and often joins again.
        Retire,
        /// The host's labels change, and often change back.
        Relabel,
        /// The deployment stands still.
        Pause,
        /// The deployment is stopped.
        Cancel,
        /// The deployment goes back.
        Rollback,
        /// A newer deployment takes its place.
        Supersede,
        /// What the host is to run is blocked.
        Block,
        /// The floor is raised, and often lowered again.
        Policy,
    }
}

impl Seed {
    /// Waits for a phase and strikes.
    pub fn aim(&mut self) {
        let runs_only = self.rng.chance(400);
        let phases: Vec<HostPhase> = HostPhase::ALL.iter().copied().filter(|phase| !runs_only || phase.in_run()).collect();
        let Some(phase) = self.rng.pick(&phases).copied() else { return };
        let faults: Vec<Fault> = Fault::ALL.iter().copied().filter(|f| f.strikes() != Strikes::Nobody && except::pair(phase, *f).is_none()).collect();
        let Some(fault) = self.rng.pick(&faults).copied() else { return };
        self.arm(fault);
        let mut there = None;
        for _ in 0..TRIES {
            self.prepare(phase);
            there = self.wait_for(phase);
            if there.is_some() {
                break;
            }
        }
        let Some(host) = there else { return };
        if phase == HostPhase::Permitted && self.rng.chance(500) || self.rng.chance(200) {
            let word = self.rng.pick(Word::ALL).copied();
            return word.into_iter().for_each(|word| self.say(word, &host));
        }
        self.strike(fault, &host);
    }

    /// Some faults need something that was there before.
    fn arm(&mut self, fault: Fault) {
        match fault {
            Fault::SetBack => self.hosts.clone().iter().filter(|_| self.rng.chance(700)).for_each(|host| self.sim.snapshot(host)),
            Fault::Restored | Fault::CopiedBack | Fault::SecondCoordinator if self.sim.backup.is_none() || self.rng.chance(300) => self.sim.back_up(),
            Fault::CoordinatorsSwapped => {
                self.sim.back_up();
                self.sim.second_coordinator();
            }
            _ => {}
        }
    }

    /// Makes it likely that a host will soon be in this phase.
    fn prepare(&mut self, phase: HostPhase) {
        let Some(host) = self.rng.pick(&self.hosts).cloned() else { return };
        let Some(fleet) = self.fleet_of(&host) else { return };
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        match phase {
            HostPhase::Off => self.sim.reboot(&host, 10_000),
            HostPhase::NoAgent => self.sim.crash_agent(&host),
            HostPhase::Unreachable => self.sim.partition(&host, Cut::Both),
            HostPhase::Down | HostPhase::Settling => self.sim.crash_app(&host, &app),
            HostPhase::Unknown => self.sim.reimage(&host, 1000),
            HostPhase::Idle => {}
            HostPhase::Withdrawn => {
                self.bring(&fleet, Behaviour::default());
                if let Some(host) = self.wait_for(HostPhase::Permitted) {
                    self.say(Word::Cancel, &host);
                }
            }
            HostPhase::Orphaned => {
                self.bring(&fleet, Behaviour::default());
                if let Some(host) = self.wait_for(HostPhase::Starting) {
                    self.sim.crash_agent(&host);
                }
            }
            HostPhase::Beginning
            | HostPhase::Stopping
            | HostPhase::Switching
            | HostPhase::Starting
            | HostPhase::Validating
            | HostPhase::Checking
            | HostPhase::Permitted
            | HostPhase::Staging => self.bring(&fleet, Behaviour::default()),
            HostPhase::BackStopping | HostPhase::BackSwitching | HostPhase::BackStarting | HostPhase::BackValidating | HostPhase::BackChecking => {
                self.bring(&fleet, Behaviour { fails_at: Some(Event::ValidateService), ..Behaviour::default() });
            }
        }
    }

    /// A new version of this behaviour, unless something is under way.
    fn bring(&mut self, fleet: &FleetName, behaviour: Behaviour) {
        let record = self.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| (f.spec.app.clone(), f.active));
        let Some((app, active)) = record else { return };
        if !active || self.rng.chance(500) {
            let version = self.push(&app, behaviour);
            self.ask(Request::Deploy { fleet: fleet.clone(), what: What::Version(version) });
        }
    }

    /// Lets the world go on until some host is in this phase.
    pub fn wait_for(&mut self, phase: HostPhase) -> Option<HostName> {
        let end = self.sim.now + WITHIN;
        for _ in 0..EVENTS {
            let there = self.hosts.iter().find(|host| self.sim.phase(host) == Some(phase)).cloned();
            if there.is_some() {
                return there;
            }
            if self.sim.now >= end || self.sim.promises.broken.is_some() || !self.sim.step() {
                return None;
            }
        }
        None
    }

    /// Time passes.
    pub fn pass(&mut self, most: u64) {
        let wait = self.rng.below(most + 1);
        self.sim.run_until(Time(self.sim.now.0 + wait));
    }

    fn strike(&mut self, fault: Fault, host: &HostName) {
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        match fault {
            Fault::AgentDied => self.sim.crash_agent(host),
            Fault::AgentStalled => {
                let span = self.rng.between(200, 15_000);
                self.sim.stall(host, Millis(span));
            }
            Fault::DeployerDied => self.sim.crash_deployer(host),
            Fault::PowerLost => {
                let off = self.rng.between(500, 40_000);
                self.sim.reboot(host, off);
            }
            Fault::Reimaged => {
                let off = self.rng.between(2000, 30_000);
                self.sim.reimage(host, off);
            }
            Fault::LedgerLost => self.sim.lose_ledger(host),
            Fault::SetBack => self.sim.set_back(host),
            Fault::Cloned => self.sim.clone_host(host),
            Fault::ClockJumped => {
                let by = self.rng.next_u64() >> 20;
                let by = if self.rng.chance(500) { by } else { by.wrapping_neg() };
                self.sim.jump_clock(host, by);
            }
            Fault::DiskFull => {
                self.sim.fill_disk(host, true);
                if self.rng.chance(500) {
                    self.pass(5000);
                    self.sim.fill_disk(host, false);
                }
            }
            Fault::ApplicationDied => self.sim.crash_app(host, &app),
            Fault::Starved => {
                self.sim.starve(host, &app, true);
                self.pass(20_000);
                self.sim.starve(host, &app, false);
            }
            Fault::Pinned => {
                self.sim.hands(host, &app, Wish::Pin);
                if self.rng.chance(500) {
                    self.pass(30_000);
                    self.sim.hands(host, &app, Wish::Unpin);
                }
            }
            Fault::WentBack => self.sim.hands(host, &app, Wish::Rollback),
            Fault::CutBoth | Fault::CutUp | Fault::CutDown => self.cut(fault, host),
            Fault::CoordinatorDied => self.sim.kill_coordinator(true),
            Fault::Restored | Fault::CopiedBack => self.sim.restore(fault == Fault::Restored),
            Fault::SecondCoordinator => self.sim.second_coordinator(),
            Fault::CoordinatorsSwapped => self.sim.swap_coordinators(),
            // The next of these is not drawn by chance.
            Fault::FrameLost | Fault::FrameLate | Fault::FrameRepeated => self.sim.network.next_fate(fault),
            Fault::DiedBeforeCommit | Fault::CommitFailed | Fault::CommitTorn | Fault::DiedBeforeAnswer => self.sim.next_commit(fault),
            Fault::FetchFailed => self.sim.next_fetch_fails(host),
            Fault::DiedInBegin => self.sim.next_begin_dies(host),
            Fault::HookFailed
            | Fault::HookHung
            | Fault::HookFlapped
            | Fault::HookLied
            | Fault::DiedLater
            | Fault::ServedBefore
            | Fault::ClockFast
            | Fault::ClockSlow
            | Fault::HostLied
            | Fault::CoordinatorLied
            | Fault::LongAway => {}
        }
    }

    /// A host alone, or with all of its zone.
    fn cut(&mut self, fault: Fault, host: &HostName) {
        let cut = match fault {
            Fault::CutUp => Cut::Up,
            Fault::CutDown => Cut::Down,
            _ => Cut::Both,
        };
        let zone = |seed: &Seed, host: &HostName| seed.labels_of(host).and_then(|labels| labels.get(&super::world::name("zone")).cloned());
        let of = zone(self, host);
        let all = of.is_some() && self.rng.chance(300);
        let hosts: Vec<HostName> = self.hosts.iter().filter(|other| *other == host || all && zone(self, other) == of).cloned().collect();
        for host in &hosts {
            self.sim.partition(host, cut);
        }
        if self.rng.chance(600) {
            self.pass(30_000);
            for host in &hosts {
                self.sim.heal(host);
            }
        }
    }

    fn say(&mut self, word: Word, host: &HostName) {
        let Some(fleet) = self.fleet_of(host) else { return };
        let id = |seed: &Seed| {
            let number = seed.sim.coordinator.world().and_then(|w| w.fleets.get(&fleet)).map(|f| f.newest)?;
            Some(DeploymentId { fleet: fleet.clone(), number })
        };
        match word {
            Word::Cordon => {
                self.ask(Request::CordonHost { host: host.clone() });
                if self.rng.chance(700) {
                    self.pass(3000);
                    self.ask(Request::UncordonHost { host: host.clone() });
                }
            }
            Word::Retire => {
                let labels = self.labels_of(host);
                if self.ask(Request::RetireHost { host: host.clone() })
                    && let Some(labels) = labels.filter(|_| self.rng.chance(700))
                {
                    self.pass(5000);
                    self.sim.join(host, labels, &[]);
                    self.character(host);
                }
            }
            Word::Relabel => self.there_and_back(host),
            Word::Pause => id(self).into_iter().for_each(|id| {
                self.ask(Request::Pause { id });
            }),
            Word::Cancel => id(self).into_iter().for_each(|id| {
                self.ask(Request::Cancel { id });
            }),
            Word::Rollback => id(self).into_iter().for_each(|id| {
                self.ask(Request::Rollback { id });
            }),
            Word::Supersede => {
                let again = self.rng.chance(300);
                if self.rng.chance(300) {
                    self.ask(Request::Deploy { fleet: fleet.clone(), what: What::Restart });
                }
                self.deploy(&fleet, again);
            }
            Word::Block => {
                if let Some(target) = self.target(&fleet) {
                    self.ask(Request::BlockPackage { digest: target.package });
                    if self.rng.chance(700) {
                        self.pass(5000);
                        self.ask(Request::UnblockPackage { digest: target.package });
                    }
                }
            }
            Word::Policy => self.policies(&fleet),
        }
    }

    /// Another zone, another fleet or none, and often back before anybody has noticed.
    pub fn there_and_back(&mut self, host: &HostName) {
        let Some(before) = self.labels_of(host) else { return };
        let n = self.rng.below(10);
        let away: Labels = if self.rng.chance(500) { Labels::default() } else { self.labels(n) };
        self.ask(Request::LabelHost { host: host.clone(), labels: away });
        if self.rng.chance(800) {
            if self.rng.chance(500) {
                self.pass(2500);
            }
            self.ask(Request::LabelHost { host: host.clone(), labels: before });
        }
    }

    /// Two changes of policy during one loan.
    fn policies(&mut self, fleet: &FleetName) {
        self.policy(fleet);
        if self.rng.chance(700) {
            self.pass(2000);
            self.policy(fleet);
        }
    }

    /// A host's labels.
    pub fn labels_of(&self, host: &HostName) -> Option<Labels> {
        self.sim.coordinator.world()?.hosts.get(host).map(|h| h.labels.clone())
    }

    /// The fleet that a host is in, for any app.
    pub fn fleet_of(&self, host: &HostName) -> Option<FleetName> {
        let world = self.sim.coordinator.world()?;
        let of = |app| crate::promises::grant::fleet_of(world, app, host);
        self.apps.iter().find_map(of).map(|f| f.spec.name.clone())
    }

    /// Where a fleet is going.
    pub fn target(&self, fleet: &FleetName) -> Option<Release> {
        let world = self.sim.coordinator.world()?;
        world.newest(world.fleets.get(fleet)?).map(|d| d.release)
    }
}
