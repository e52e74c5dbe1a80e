//! Misfortune with an aim: the world goes on until a host is in a certain phase, and then something happens to it at once.
//! What strikes at random moments nearly always strikes a host at rest.

use pilotage_shared::fleet::Labels;
use pilotage_shared::name::{FleetName, HostName};
use pilotage_shared::release::Release;
use pilotage_shared::run::Event;
use pilotage_shared::time::Millis;

use super::Seed;
use crate::agent::Wish;
use crate::coverage::{Fault, HostPhase, Strikes, except, listed};
use crate::network::Cut;
use crate::story::deed::{Deed, Next};
use crate::story::stage::Reply;
use crate::truth::Behaviour;

/// How long the moment is waited for.
const WITHIN: Millis = Millis::seconds(30);
/// Phases that are short and in which much is decided: they are chosen more often than others.
const CRITICAL: [HostPhase; 5] = [HostPhase::Permitted, HostPhase::Permitted, HostPhase::Permitted, HostPhase::Withdrawn, HostPhase::Withdrawn];
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
        /// The host is pinned, and often not any more.
        Pin,
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
        let phases: Vec<HostPhase> = HostPhase::ALL.iter().chain(&CRITICAL).copied().filter(|phase| !runs_only || phase.in_run()).collect();
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
            Fault::SetBack => {
                for host in self.stage.hosts.clone() {
                    if self.rng.chance(700) {
                        self.perform(Deed::Snapshot(host));
                    }
                }
            }
            Fault::Restored | Fault::CopiedBack | Fault::SecondCoordinator if self.stage.sim.backup.is_none() || self.rng.chance(300) => {
                self.perform(Deed::Backup);
            }
            Fault::CoordinatorsSwapped => {
                self.perform(Deed::Backup);
                self.perform(Deed::SecondCoordinator);
            }
            _ => {}
        }
    }

    /// Makes it likely that a host will soon be in this phase.
    fn prepare(&mut self, phase: HostPhase) {
        let Some(host) = self.rng.pick(&self.stage.hosts).cloned() else { return };
        let Some(fleet) = self.fleet_of(&host) else { return };
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        let said = self.said(&app);
        match phase {
            HostPhase::Off => self.happens(Deed::Reboot(host, Millis::seconds(10))),
            HostPhase::NoAgent => self.happens(Deed::RestartAgents(Some(host))),
            HostPhase::Unreachable => self.happens(Deed::Partition(host, Cut::Both)),
            HostPhase::Down | HostPhase::Settling => self.happens(Deed::CrashApp(host, said)),
            HostPhase::Unknown => self.happens(Deed::Reimage(host, Millis::seconds(1))),
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
                    self.happens(Deed::RestartAgents(Some(host)));
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
        let record = self.stage.sim.coordinator.world().and_then(|w| w.fleets.get(fleet)).map(|f| (f.spec.app.clone(), f.active));
        let Some((app, active)) = record else { return };
        if !active || self.rng.chance(500) {
            let version = self.push(&app, behaviour);
            self.happens(Deed::Deploy(fleet.clone(), version));
        }
    }

    /// Lets the world go on until some host is in this phase; it is noted as the time that has passed.
    pub fn wait_for(&mut self, phase: HostPhase) -> Option<HostName> {
        let begun = self.stage.now();
        let mut there = self.who_is(phase);
        let mut went = false;
        for _ in 0..EVENTS {
            if there.is_some() || self.stage.now() >= begun + WITHIN || self.is_broken() || !self.stage.sim.step() {
                break;
            }
            went = true;
            there = self.stage.sim.first_stirred_in(phase, &self.stage.hosts).cloned();
        }
        if went {
            self.deeds.push(Deed::Tick(self.stage.now() - begun));
        }
        there
    }

    fn who_is(&self, phase: HostPhase) -> Option<HostName> {
        self.stage.sim.first_in(phase, self.stage.hosts.iter()).cloned()
    }

    /// Time passes.
    pub fn pass(&mut self, most: u64) {
        let pause = self.rng.below(most + 1);
        self.wait(pause);
    }

    fn strike(&mut self, fault: Fault, host: &HostName) {
        let Some(app) = self.rng.pick(&self.apps).cloned() else { return };
        let (host, said) = (host.clone(), self.said(&app));
        let rng = &mut self.rng;
        let deed = match fault {
            Fault::AgentDied => Deed::RestartAgents(Some(host)),
            Fault::AgentStalled => Deed::Stall(host, Millis(rng.between(200, 15_000))),
            Fault::DeployerDied => Deed::CrashDeployer(host),
            Fault::PowerLost => Deed::Reboot(host, Millis(rng.between(500, 40_000))),
            Fault::Reimaged => Deed::Reimage(host, Millis(rng.between(2000, 30_000))),
            Fault::LedgerLost => Deed::LoseLedger(host),
            Fault::SetBack => Deed::SetBack(host),
            Fault::Cloned => Deed::Clone(host),
            Fault::ClockJumped => {
                let by = i64::try_from(rng.next_u64() >> 20).unwrap_or_default();
                Deed::JumpClock(host, if rng.chance(500) { by } else { -by })
            }
            Fault::DiskFull => return self.for_a_while(Deed::Disk(host.clone(), true), 500, 5000, Deed::Disk(host, false)),
            Fault::ApplicationDied => Deed::CrashApp(host, said),
            Fault::Starved => {
                let fed = Deed::Starve(host.clone(), said.clone(), false);
                return self.for_a_while(Deed::Starve(host, said, true), 1000, 20_000, fed);
            }
            Fault::Pinned => {
                let unpinned = Deed::Hands(host.clone(), said.clone(), Wish::Unpin);
                return self.for_a_while(Deed::Hands(host, said, Wish::Pin), 500, 30_000, unpinned);
            }
            Fault::WentBack => Deed::Hands(host, said, Wish::Rollback),
            Fault::CutBoth | Fault::CutUp | Fault::CutDown => return self.cut(fault, &host),
            Fault::CoordinatorDied => Deed::CrashCoordinator { again: true },
            Fault::Restored | Fault::CopiedBack => Deed::Restore { by_hand: fault == Fault::CopiedBack },
            Fault::SecondCoordinator => Deed::SecondCoordinator,
            Fault::CoordinatorsSwapped => Deed::SwapCoordinators,
            // The next of these is not drawn by chance.
            Fault::FrameLost => Deed::Next(Next::FrameLost),
            Fault::FrameLate => Deed::Next(Next::FrameLate),
            Fault::FrameRepeated => Deed::Next(Next::FrameRepeated),
            Fault::DiedBeforeCommit => Deed::Next(Next::DiedBeforeCommit),
            Fault::CommitFailed => Deed::Next(Next::CommitFailed),
            Fault::CommitTorn => Deed::Next(Next::CommitTorn),
            Fault::DiedBeforeAnswer => Deed::Next(Next::DiedBeforeAnswer),
            Fault::FetchFailed => Deed::Next(Next::FetchFailed(host)),
            Fault::DiedInBegin => Deed::Next(Next::DiedInBegin(host)),
            Fault::Inborn(_) => return,
        };
        self.perform(deed);
    }

    /// Something that is often undone after a while.
    fn for_a_while(&mut self, done: Deed, often: u64, most: u64, undone: Deed) {
        self.perform(done);
        if self.rng.chance(often) {
            self.pass(most);
            self.perform(undone);
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
        let hosts: Vec<HostName> = self.stage.hosts.iter().filter(|other| *other == host || all && zone(self, other) == of).cloned().collect();
        for host in &hosts {
            self.perform(Deed::Partition(host.clone(), cut));
        }
        if self.rng.chance(600) {
            self.pass(30_000);
            for host in hosts {
                self.perform(Deed::Heal(Some(host)));
            }
        }
    }

    fn say(&mut self, word: Word, host: &HostName) {
        let Some(fleet) = self.fleet_of(host) else { return };
        match word {
            Word::Cordon => self.for_a_while(Deed::Cordon(host.clone()), 700, 3000, Deed::Uncordon(host.clone())),
            Word::Retire => {
                let labels = self.labels_of(host);
                if self.perform(Deed::Retire(host.clone())).iter().all(Reply::is_good)
                    && let Some(labels) = labels.filter(|_| self.rng.chance(700))
                {
                    self.pass(5000);
                    self.join(host.clone(), labels, Vec::new());
                }
            }
            Word::Relabel => self.there_and_back(host),
            Word::Pin => {
                let app = self.rng.pick(&self.apps).cloned();
                let said = app.and_then(|app| self.said(&app));
                let hands = |wish| Deed::Hands(host.clone(), said.clone(), wish);
                self.for_a_while(hands(Wish::Pin), 500, 30_000, hands(Wish::Unpin));
            }
            Word::Pause => self.happens(Deed::Pause(fleet)),
            Word::Cancel => self.happens(Deed::Cancel(fleet)),
            Word::Rollback => self.happens(Deed::Rollback(fleet)),
            Word::Supersede => {
                let again = self.rng.chance(300);
                if self.rng.chance(300) {
                    self.perform(Deed::Restart(fleet.clone()));
                }
                self.deploy(&fleet, again);
            }
            Word::Block => {
                if let Some(named) = self.target(&fleet).and_then(|target| self.named_by(target.package)) {
                    self.for_a_while(Deed::Block(named.clone()), 700, 5000, Deed::Unblock(named));
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
        self.perform(Deed::Label(host.clone(), away));
        if self.rng.chance(800) {
            if self.rng.chance(500) {
                self.pass(2500);
            }
            self.perform(Deed::Label(host.clone(), before));
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
    pub(super) fn labels_of(&self, host: &HostName) -> Option<Labels> {
        self.stage.sim.coordinator.world()?.hosts.get(host).map(|h| h.labels.clone())
    }

    /// The fleet that a host is in, for any app.
    pub(super) fn fleet_of(&self, host: &HostName) -> Option<FleetName> {
        let world = self.stage.sim.coordinator.world()?;
        let of = |app| crate::promises::grant::fleet_of(world, app, host);
        self.apps.iter().find_map(of).map(|f| f.spec.name.clone())
    }

    /// Where a fleet is going.
    pub(super) fn target(&self, fleet: &FleetName) -> Option<Release> {
        let world = self.stage.sim.coordinator.world()?;
        world.newest(world.fleets.get(fleet)?).map(|d| d.release)
    }
}
