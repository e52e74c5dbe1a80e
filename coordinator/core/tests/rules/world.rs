//! A world with paper hosts: they say what the test makes them say, and obey nothing by themselves.

use std::collections::{BTreeMap, BTreeSet};

use pilotage_coordinator_core::world::{Deployment, Outcome, Settings};
use pilotage_coordinator_core::*;
use pilotage_shared::digest::Digest;
use pilotage_shared::file_exists::FileExists;
use pilotage_shared::fleet::{FleetSpec, Labels, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe, Standing};
use pilotage_shared::ids::*;
use pilotage_shared::intent::{Go, Intent};
use pilotage_shared::name::*;
use pilotage_shared::policy::Amount;
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::run::{Event, Phase};
use pilotage_shared::status::*;
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Hello;

use pilotage_coordinator_core::input::{Via, What};

pub struct Rig {
    pub world: World,
    pub now: Time,
    pub hosts: BTreeMap<HostName, Paper>,
    pub changes: Vec<Change>,
}

/// What a paper host would say next.
pub struct Paper {
    pub session: Option<SessionId>,
    pub last: Option<SessionId>,
    pub ledger: LedgerId,
    pub seq: u64,
    pub beat: u64,
    pub slot: SlotStatus,
}

pub fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}
pub fn app() -> AppName {
    AppName::new("web").unwrap()
}
pub fn fleet() -> FleetName {
    FleetName::new("prod").unwrap()
}
pub fn release(version: &str) -> Release {
    Release::of(Digest::of(version.as_bytes()))
}
pub fn person() -> Principal {
    Principal::Local { uid: 0, user: Why::lossy("root") }
}
pub fn labels(zone: &str) -> Labels {
    [("env", "prod"), ("zone", zone)].into_iter().map(|(k, v)| (LabelKey::new(k).unwrap(), LabelValue::new(v).unwrap())).collect()
}

pub fn spec(floor: &str) -> FleetSpec {
    FleetSpec {
        name: fleet(),
        app: app(),
        select: "env=prod".parse().unwrap(),
        expect: None,
        floor: floor.parse().unwrap(),
        floor_per: BTreeMap::new(),
        parallel: None,
        tolerate: Amount::Count(0),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(HealthCheck::of(Probe::Tcp { address: Text::lossy("localhost:80") })),
        hook_timeout: Millis::seconds(60),
        leave: OnLeave::Keep,
        first_install: false,
    }
}

impl Rig {
    /// `zones.len()` hosts h1, h2, … (one letter each), all connected, available on version 1, which is settled.
    pub fn settled(zones: &str, spec: FleetSpec) -> Rig {
        let mut rig = Rig::joined(zones, spec);
        rig.deploy("1");
        for name in rig.names() {
            rig.say(&name, |s| s.staged = Some(release("1")));
        }
        for name in rig.names() {
            rig.obey(&name);
            rig.available(&name);
        }
        for name in rig.names() {
            rig.obey(&name);
            rig.available(&name);
        }
        assert_eq!(rig.outcome(1), Some(Outcome::Succeeded), "{:?}", rig.waiting());
        rig
    }

    /// The hosts joined and said that nothing runs, nothing was deployed; versions 1 to 5 exist.
    pub fn joined(zones: &str, spec: FleetSpec) -> Rig {
        let settings = Settings { heartbeat: Millis::seconds(5) };
        let mut rig = Rig { world: World::new(settings), now: Time(1_000_000), hosts: BTreeMap::new(), changes: Vec::new() };
        rig.start(1);
        for version in ["1", "2", "3", "4", "5"] {
            let version_name = Version::new(version).unwrap();
            let package = Request::PutPackage { digest: release(version).package, app: app(), version: version_name, files: 1, bytes: 1 };
            rig.ask(package).unwrap();
        }
        for (i, zone) in zones.chars().enumerate() {
            rig.join(&format!("h{}", i + 1), &zone.to_string());
        }
        rig.ask(Request::PutFleet { spec: Box::new(spec) }).unwrap();
        rig
    }

    pub fn start(&mut self, epoch: u8) {
        let epoch = Epoch([epoch; 32]);
        self.input(Principal::Rule { name: Why::lossy("start") }, Request::Start { epoch }).unwrap();
    }

    pub fn join(&mut self, name: &str, zone: &str) {
        self.ask(Request::AddHost { host: host(name), labels: labels(zone), token: [0; 32] }).unwrap();
        let ledger = LedgerId([name.as_bytes()[1]; 16]);
        let paper = Paper { session: None, last: None, ledger, seq: 0, beat: 0, slot: SlotStatus::empty(Standing::Down) };
        self.hosts.insert(host(name), paper);
        self.connect(name);
        self.say(name, |_| {});
    }

    pub fn names(&self) -> Vec<String> {
        self.hosts.keys().map(|h| h.to_string()).collect()
    }

    pub fn id(&self, name: &str) -> HostId {
        self.world.hosts[&host(name)].id.clone()
    }

    pub fn hello(&mut self, name: &str) -> Result<Answer, Rejected> {
        let paper = &self.hosts[&host(name)];
        let hello =
            Hello { host: self.id(name), ledger: paper.ledger, boot: BootId::default(), last: paper.last, versions: (1, 1), agent: Why::default() };
        let by = Principal::Host(self.id(name));
        self.input(by, Request::Hello { hello: Box::new(hello) })
    }

    pub fn connect(&mut self, name: &str) {
        match self.hello(name).unwrap() {
            Answer::Welcome(welcome) => {
                let paper = self.hosts.get_mut(&host(name)).unwrap();
                (paper.session, paper.last, paper.seq, paper.beat) = (Some(welcome.session), Some(welcome.session), 0, 0);
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn status(&mut self, name: &str) -> Status {
        let paper = self.hosts.get_mut(&host(name)).unwrap();
        (paper.seq, paper.beat) = (paper.seq + 1, paper.beat + 1);
        let slots = BTreeMap::from([(app(), paper.slot.clone())]);
        Status { session: paper.session.unwrap(), seq: paper.seq, beat: paper.beat, blocked_version: 0, slots, metrics: None }
    }

    /// Changes what the host says, and says it.
    pub fn say(&mut self, name: &str, change: impl FnOnce(&mut SlotStatus)) {
        change(&mut self.hosts.get_mut(&host(name)).unwrap().slot);
        let status = self.status(name);
        self.report(name, status).unwrap();
    }

    pub fn report(&mut self, name: &str, status: Status) -> Result<Answer, Rejected> {
        self.input(Principal::Host(self.id(name)), Request::Status { status: Box::new(status) })
    }

    pub fn heartbeat(&mut self, name: &str) {
        let paper = self.hosts.get_mut(&host(name)).unwrap();
        paper.beat += 1;
        let heartbeat = Heartbeat { session_n: paper.session.unwrap().n, seq: paper.seq, beat: paper.beat };
        self.input(Principal::Host(self.id(name)), Request::Heartbeat { heartbeat }).unwrap();
    }

    pub fn available(&mut self, name: &str) {
        self.say(name, |s| s.standing = Standing::Available);
    }

    pub fn staged(&mut self, version: &str) {
        for name in self.names() {
            self.say(&name, |s| s.staged = Some(release(version)));
        }
    }

    pub fn intent(&self, name: &str) -> Option<Intent> {
        self.world.intent(&app(), &host(name))
    }

    pub fn go(&self, name: &str) -> Option<Go> {
        self.intent(name).map(|i| i.go)
    }

    /// Hosts that may activate now.
    pub fn lent(&self) -> Vec<String> {
        self.names().into_iter().filter(|n| self.go(n) == Some(Go::Activate)).collect()
    }

    /// The host begins what it was lent, if anything.
    pub fn begin(&mut self, name: &str) -> bool {
        let Some(intent) = self.intent(name).filter(|i| i.go == Go::Activate) else { return false };
        let release = intent.release.unwrap();
        self.say(name, |s| {
            (s.seen, s.spent) = (intent.generation, intent.generation);
            s.run = Some(RunStatus { generation: Some(intent.generation), release, phase: Phase::Forward(Event::Install) });
            s.standing = Standing::Down;
        });
        true
    }

    /// Its run ends well: it runs the new release and is not available yet.
    pub fn commit(&mut self, name: &str) {
        self.say(name, |s| {
            let run = s.run.take().unwrap();
            s.previous = s.running.replace(run.release);
            s.standing = Standing::Settling;
        });
    }

    /// Its run fails: it is back on what it ran.
    pub fn refuse(&mut self, name: &str) {
        let deployment = self.newest().id;
        self.say(name, |s| {
            let run = s.run.take().unwrap();
            s.refused.push(Refusal { release: run.release, deployment, why: Why::lossy("ValidateService exit 1"), needs_hands: false });
            s.standing = if s.running.is_some() { Standing::Available } else { Standing::Down };
        });
    }

    /// Begins and commits what it was lent, if anything.
    pub fn obey(&mut self, name: &str) {
        if self.begin(name) {
            self.commit(name);
        }
    }

    pub fn ask(&mut self, request: Request) -> Result<Answer, Rejected> {
        self.input(person(), request)
    }

    pub fn deploy(&mut self, version: &str) {
        self.deploy_saying(version, None);
    }

    pub fn deploy_saying(&mut self, version: &str, file_exists: Option<FileExists>) {
        let what = What::Version(Version::new(version).unwrap());
        self.ask(Request::Deploy { fleet: fleet(), what, file_exists }).unwrap();
    }

    pub fn newest(&self) -> Deployment {
        self.world.newest(&self.world.fleets[&fleet()]).unwrap().clone()
    }

    pub fn outcome(&self, number: u32) -> Option<Outcome> {
        match &self.world.deployments[&DeploymentId { fleet: fleet(), number }].course {
            pilotage_coordinator_core::world::Course::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        }
    }

    pub fn waiting(&self) -> Vec<Waiting> {
        explain(&self.world, &self.newest().id, self.now)
    }

    pub fn waits_for(&self, kind: &str) -> bool {
        self.waiting().iter().any(|w| w.cause.kind() == kind)
    }

    pub fn tick(&mut self, seconds: u64) {
        self.now = self.now + Millis::seconds(seconds);
        self.settle(BTreeSet::new());
    }

    /// The coordinator dies and comes back from what it had stored.
    pub fn restart(&mut self, epoch: u8) {
        self.restore(self.stored(), epoch);
    }

    pub fn stored(&self) -> Vec<pilotage_coordinator_core::world::load::Record> {
        self.world.keys().iter().filter_map(|k| self.world.record(k)).collect()
    }

    pub fn restore(&mut self, records: Vec<pilotage_coordinator_core::world::load::Record>, epoch: u8) {
        self.world = World::load(self.world.settings, records);
        for paper in self.hosts.values_mut() {
            paper.session = None;
        }
        self.start(epoch);
    }

    fn input(&mut self, by: Principal, request: Request) -> Result<Answer, Rejected> {
        let input = Input { by, via: Via::Api, reason: Reason::default(), at: self.now, idempotency: None, request };
        let admitted = admit(&self.world, &input, self.now)?;
        let mut fleets = BTreeSet::new();
        for change in &admitted.changes {
            fleets.extend(self.world.apply(change).fleets);
        }
        self.changes.extend(admitted.changes);
        self.settle(fleets);
        Ok(admitted.answer)
    }

    fn settle(&mut self, fleets: BTreeSet<FleetName>) {
        let mut made = Vec::new();
        self.world.settle(fleets, self.now, |change, _| {
            made.push(change.clone());
            assert!(made.len() < 5000, "the plan does not come to rest: {:?}", &made[4990..]);
        });
        self.changes.extend(made);
        self.check_derived();
    }

    /// The groups kept by `apply` are those that a load would make; and planning everything adds nothing (fixed point).
    fn check_derived(&self) {
        let mut again = World::load(self.world.settings, self.stored());
        again.live = self.world.live.clone();
        again.epoch = self.world.epoch;
        again.startup_over = self.world.startup_over;
        for (name, groups) in &self.world.groups {
            for (facts, hosts) in groups {
                for host in hosts {
                    assert_eq!(again.facts(&again.fleets[name], host), **facts, "{host}");
                }
            }
        }
        let all: BTreeSet<_> = self.world.fleets.keys().cloned().collect();
        assert_eq!(plan(&self.world, &all, self.now).changes, vec![], "planning all adds nothing to planning the touched");
    }
}
