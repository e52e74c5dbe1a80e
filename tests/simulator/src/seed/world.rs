//! The world that a seed begins with.

use pilotage_shared::fleet::{FleetSpec, Labels, OnFailure, OnLeave, Stragglers};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Version};
use pilotage_shared::policy::Amount;
use pilotage_shared::run::Event;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;

use super::configured::Configurations;
use super::people::{Action, deck};
use super::{Scale, Seed};
use crate::network::Rates;
use crate::rng::Rng;
use crate::simulation::Luck;
use crate::story::deed::{Deed, Named};
use crate::story::stage::Stage;
use crate::trace::Trace;
use crate::truth::{Behaviour, Health, Wrong};

/// How hooks go wrong: most often they say so.
const WRONG: [Wrong; 6] = [Wrong::Fails, Wrong::Fails, Wrong::Fails, Wrong::Hangs, Wrong::Flaps, Wrong::Lies];

/// More hosts than this are many.
const MANY: u64 = 100;

/// A name that is valid by its making.
pub fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("names made by the simulator are valid")
}

/// The empty world of a seed.
pub fn make(seed: u64, scale: Scale) -> Seed {
    let mut rng = Rng::new(seed);
    let mut rates = weather(&mut rng);
    let (draws, drawn) = (rng.next_u64(), Millis::seconds(rng.between(1, 5)));
    // Large fleets report as seldom as the product lets them.
    let heartbeat = if scale.is_large() { Millis::seconds(5) } else { drawn };
    let dies = |rng: &mut Rng, of: u64| if rng.chance(400) { rng.below(of) } else { 0 };
    let mut luck = Luck {
        crash_before_commit: dies(&mut rng, 4),
        crash_before_publish: dies(&mut rng, 4),
        crash_agent: dies(&mut rng, 3),
        fetch_fails: dies(&mut rng, 100),
        drain_within: dies(&mut rng, 50),
    };
    let apps = if rng.chance(200) { vec![name("web"), name("api")] } else { vec![name("web")] };
    let mut deck = deck(&mut rng);
    let zones = rng.between(1, 3);
    match rng.below(8) {
        0 | 1 => deck = harden(&mut luck, &mut rates),
        2 => deck = REORGANIZED.to_vec(),
        _ => {}
    }
    let lies = rng.below(30);
    if lies == 0 {
        deck.push((Action::Lie, 80));
    }
    let mut stage = Stage::new();
    stage.sim.trace = if scale.digest { Trace::digesting(scale.tail) } else { Trace::keeping(scale.tail) };
    let mut seed = Seed {
        stage,
        deeds: Vec::new(),
        rng,
        deck,
        apps,
        zones,
        pushed: 0,
        size: scale.hosts,
        later: None,
        liar: lies == 1,
        configurations: Configurations::of(seed),
    };
    seed.perform(Deed::Draws { seed: draws, heartbeat });
    // The network's draws are a stream of their own: that which it has had from the beginning.
    seed.perform(Deed::Network { seed: Rng::new(draws).next_u64(), rates });
    // A coordinator that dies while many hosts join would leave a small world.
    if let Some(size) = seed.size {
        // It takes a turn many times a second there: it dies by people's hand often enough.
        let often = size > MANY;
        let per_turn = |chance: u64| if often { 0 } else { chance };
        let (before, after) = (per_turn(luck.crash_before_commit), per_turn(luck.crash_before_publish));
        seed.later = Some(Luck { crash_before_commit: before, crash_before_publish: after, ..luck });
    } else {
        seed.perform(Deed::Luck(luck));
    }
    seed
}

fn weather(rng: &mut Rng) -> Rates {
    match rng.below(4) {
        0 => Rates::CALM,
        1 => Rates { slowest: Millis(200), ..Rates::CALM },
        2 => Rates { lost: 20, repeated: 20, late: 20, late_by: Millis(10_000), fastest: Millis(5), slowest: Millis(300) },
        _ => Rates { lost: 80, repeated: 80, late: 100, late_by: Millis(40_000), fastest: Millis(5), slowest: Millis(1500) },
    }
}

/// The weather and the misfortunes in which a rule that is not kept shows soonest.
fn harden(luck: &mut Luck, rates: &mut Rates) -> Vec<(Action, u64)> {
    luck.crash_before_commit = 10;
    *rates = Rates { lost: 60, repeated: 100, late: 250, late_by: Millis(40_000), fastest: Millis(5), slowest: Millis(500) };
    HARD.to_vec()
}

const HARD: [(Action, u64); 11] = [
    (Action::Deploy, 30),
    (Action::Cancel, 8),
    (Action::CrashCoordinator, 12),
    (Action::Backup, 8),
    (Action::Restore, 6),
    (Action::Recover, 6),
    (Action::Partition, 14),
    (Action::Heal, 14),
    (Action::CrashAgent, 10),
    (Action::CrashApp, 6),
    (Action::Reboot, 5),
];

/// People who change their minds about labels and policies while deployments are in course.
const REORGANIZED: [(Action, u64); 11] = [
    (Action::Deploy, 30),
    (Action::Label, 30),
    (Action::Policy, 12),
    (Action::Cancel, 6),
    (Action::Rollback, 6),
    (Action::Partition, 8),
    (Action::Heal, 10),
    (Action::Retire, 3),
    (Action::Join, 6),
    (Action::Unfleet, 3),
    (Action::Resume, 3),
];

impl Seed {
    /// Hosts join, fleets are declared, first versions pushed, and often a first deployment made.
    pub fn open(&mut self) {
        let drawn = self.rng.between(2, 9);
        let count = self.size.unwrap_or(drawn);
        let foreign = self.rng.chance(250);
        for n in 0..count {
            let labels = self.labels(n);
            let serves: Vec<AppName> = if foreign { self.apps.clone() } else { Vec::new() };
            self.join(name(&format!("h{}", n + 1)), labels, serves);
        }
        if let Some(luck) = self.later.take() {
            self.perform(Deed::Luck(luck));
        }
        if let Some(host) = self.stage.hosts.first().cloned().filter(|_| self.liar) {
            self.perform(Deed::Liar(host));
        }
        for app in self.apps.clone() {
            let two = self.rng.chance(300);
            let fleets = if two { vec![("prod", "env=prod"), ("test", "env=test")] } else { vec![("all", "env")] };
            for (suffix, select) in fleets {
                let fleet: FleetName = name(&format!("{app}-{suffix}"));
                let spec = self.spec(&fleet, &app, select);
                self.perform(Deed::Fleet(Box::new(spec)));
            }
            self.push(&app, Behaviour::default());
        }
        let pause = self.rng.below(20_000);
        self.wait(pause);
        for fleet in self.stage.fleets.clone() {
            if self.rng.chance(800) {
                self.deploy(&fleet, true);
            }
        }
        if self.rng.chance(700) {
            self.wait(60_000);
        }
    }

    /// A machine joins. Its clock may go wrongly, and its init may leave applications to the agent.
    pub fn join(&mut self, host: HostName, labels: Labels, serves: Vec<AppName>) {
        self.perform(Deed::Join(host.clone(), labels, serves));
        let drift = if self.rng.chance(300) { self.rng.below(21) as i64 - 10 } else { 0 };
        let init = self.rng.chance(500);
        if drift != 0 || !init {
            self.perform(Deed::Machine(host, drift, init));
        }
    }

    /// A random policy for a fleet.
    pub fn spec(&mut self, fleet: &FleetName, app: &AppName, select: &str) -> FleetSpec {
        let rng = &mut self.rng;
        let floor = |rng: &mut Rng| match rng.below(6) {
            0 => Amount::Count(0),
            1 => Amount::Count(rng.between(1, 3) as u32),
            2 => Amount::AllBut(rng.between(1, 2) as u32),
            3 => Amount::Percent(66),
            _ => Amount::Percent(rng.below(90) as u8),
        };
        let mut spec = FleetSpec {
            name: fleet.clone(),
            app: app.clone(),
            select: name(select),
            expect: None,
            floor: floor(rng),
            floor_per: Default::default(),
            parallel: None,
            tolerate: Amount::Count(0),
            on_failure: OnFailure::Rollback,
            stragglers: None,
            health: Some(check(rng)),
            hook_timeout: Millis::seconds(60),
            leave: OnLeave::Keep,
            first_install: false,
        };
        if rng.chance(300) {
            spec.floor_per.insert(name("zone"), floor(rng));
        }
        if rng.chance(500) {
            spec.parallel = Some(if rng.chance(500) { Amount::Count(rng.between(1, 3) as u32) } else { Amount::Percent(rng.between(10, 60) as u8) });
        }
        if rng.chance(400) {
            spec.tolerate = if rng.chance(500) { Amount::Count(rng.between(1, 2) as u32) } else { Amount::Percent(rng.between(10, 40) as u8) };
        }
        spec.on_failure = match rng.below(8) {
            0 => OnFailure::Stop,
            1 => OnFailure::Pause,
            _ => OnFailure::Rollback,
        };
        if rng.chance(300) {
            spec.stragglers = Some(Stragglers { after: Millis::seconds(rng.between(1, 60)), at_most: Amount::Percent(rng.between(10, 60) as u8) });
        }
        if rng.chance(100) {
            spec.health = None;
            spec.first_install = rng.chance(700);
        }
        if self.size.is_some_and(|size| size > MANY) { of_many(spec) } else { spec }
    }

    /// Labels of the n-th host.
    pub fn labels(&mut self, n: u64) -> Labels {
        let zone = format!("z{}", n % self.zones.max(1));
        let env = if self.rng.chance(700) { "prod" } else { "test" };
        let pair = |key: &str, value: &str| (name::<LabelKey>(key), LabelValue::lossy(value));
        [pair("env", env), pair("zone", &zone)].into_iter().collect()
    }

    /// Pushes the next version of an app.
    pub fn push(&mut self, app: &AppName, behaviour: Behaviour) -> Version {
        self.pushed += 1;
        let version: Version = name(&format!("{}.0.0", self.pushed));
        let named = self.named(app, &version);
        self.perform(Deed::Package(named, behaviour));
        version
    }

    /// How people of this world name a package: the app is said where there are several.
    pub fn named(&self, app: &AppName, version: &Version) -> Named {
        Named { app: self.said(app), version: version.clone() }
    }

    /// The app, where it must be said.
    pub fn said(&self, app: &AppName) -> Option<AppName> {
        (self.apps.len() > 1).then(|| app.clone())
    }

    /// A random behaviour: most versions are good.
    pub fn behaviour(&mut self) -> Behaviour {
        behaviour(&mut self.rng)
    }
}

/// A random behaviour of a version or a configuration: most are good.
pub fn behaviour(rng: &mut Rng) -> Behaviour {
    let good = Behaviour::default();
    let events = [Event::ApplicationStop, Event::ApplicationStart, Event::ValidateService, Event::Install];
    match rng.below(10) {
        0 => Behaviour { fails_at: rng.pick(&events).copied(), wrong: *rng.pick(&WRONG).unwrap_or(&Wrong::Fails), ..good },
        1 => Behaviour { health: Health::DiesAfter(Millis(rng.between(500, 30_000))), ..good },
        2 => Behaviour { health: Health::Never, ..good },
        3 => Behaviour { health: Health::Flaps { good: Millis(rng.between(500, 9000)), bad: Millis(rng.between(500, 6000)) }, ..good },
        4 if rng.chance(300) => Behaviour { fails_back: true, ..good },
        _ => good,
    }
}

/// Among many hosts one or two at a time would take days: what is drawn as a few hosts are as many tenths of them there.
fn of_many(mut spec: FleetSpec) -> FleetSpec {
    let tenths = |n: u32| 10 * u8::try_from(n.min(9)).unwrap_or(9);
    let floor = |amount: Amount| match amount {
        Amount::Count(n) => Amount::Percent(tenths(n)),
        Amount::AllBut(n) => Amount::Percent(100 - tenths(n)),
        Amount::Percent(_) => amount,
    };
    spec.floor = floor(spec.floor);
    spec.floor_per = spec.floor_per.into_iter().map(|(key, amount)| (key, floor(amount))).collect();
    spec.parallel = spec.parallel.map(floor);
    if let Some(health) = &mut spec.health {
        health.every = Millis(health.every.0 * 4);
        health.unhealthy_for = health.unhealthy_for.max(health.every);
    }
    spec
}

fn check(rng: &mut Rng) -> HealthCheck {
    let mut check = HealthCheck::of(Probe::Http { url: Text::lossy("http://localhost:8080/healthz") });
    check.every = Millis(rng.between(500, 2000));
    check.timeout = Millis(500);
    check.healthy_for = Millis(rng.between(1000, 8000));
    check.unhealthy_for = Millis(rng.between(500, 5000));
    check.deadline = Millis(rng.between(20_000, 60_000));
    check
}
