//! The coordinator: its world, and the copy of its store that somebody kept.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pilotage_coordinator_core::input::{Via, What};
use pilotage_coordinator_core::world::load::Record;
use pilotage_coordinator_core::world::{Host, Settings};
use pilotage_coordinator_core::{Answer, Change, Input, Rejected, Request, World, admit};
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::ids::{Epoch, Generation, HostId, SessionId};
use pilotage_shared::intent::Intent;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Reason, Version, Why};
use pilotage_shared::planted::{Bug, planted};
use pilotage_shared::policy::Amount;
use pilotage_shared::principal::Principal;
use pilotage_shared::release::Release;
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Time};

use crate::limits::Limits;
use crate::mark::{Mark, Told};
use crate::part::Part;

/// Time stands still.
pub const NOW: Time = Time(1_000_000);

/// The one app.
pub fn app() -> AppName {
    static APP: LazyLock<AppName> = LazyLock::new(|| AppName::new("web").expect("a name"));
    APP.clone()
}

/// The one fleet.
pub fn fleet() -> FleetName {
    static FLEET: LazyLock<FleetName> = LazyLock::new(|| FleetName::new("prod").expect("a name"));
    FLEET.clone()
}

/// The n-th version.
pub fn release(n: u8) -> Release {
    Release::of(Digest([n; 32]))
}

/// Hosts of a world at most.
pub const HOSTS_MAX: usize = 4;

/// The i-th host.
pub fn name(i: usize) -> HostName {
    static NAMES: LazyLock<Vec<HostName>> = LazyLock::new(|| (0..HOSTS_MAX).map(|i| HostName::new(&format!("h{i}")).expect("a name")).collect());
    NAMES[i].clone()
}

/// Which host has this name.
fn number(of: &HostName) -> usize {
    (0..HOSTS_MAX).find(|i| name(*i) == *of).unwrap_or(HOSTS_MAX)
}

fn zone() -> LabelKey {
    LabelKey::new("zone").expect("a name")
}

const ZONES: [&str; 2] = ["a", "b"];

/// The zone that a label names.
pub fn zone_of(value: &LabelValue) -> u8 {
    u8::from(value.as_str() == ZONES[1])
}

fn person() -> Principal {
    Principal::Local { uid: 0, user: Why::lossy("root") }
}

/// The process with all it knows; what it has committed is what it knows but for sessions.
#[derive(Clone, Debug)]
pub struct Center {
    /// The real one.
    pub world: World,
    /// An old copy of the store.
    pub backup: Option<Part<Store>>,
    /// Starts so far: names the epochs.
    pub starts: u8,
    /// Turns back to the first version by itself, as far as the store can remember them.
    pub turns: u32,
}

/// All that is on disk.
#[derive(Clone, Debug)]
pub struct Store {
    records: Vec<Record>,
    /// The counter in it.
    pub counter: Generation,
}

impl Told for Store {
    fn tell(&self, to: &mut Mark) {
        for record in &self.records {
            if let Record::Host(Host { id: HostId { name, .. }, .. }) | Record::Slot(_, name, _) = record {
                to.host(number(name));
            }
            to.add(record);
        }
    }
}

impl Told for Center {
    fn tell(&self, to: &mut Mark) {
        let w = &self.world;
        // What is derived from it need not be told, nor what never changes in these worlds. The sessions are counted for the
        // next one only: it is newer than all that its host has known.
        to.add(&(w.counter, &w.epochs, &w.starts, &w.fleets, &w.deployments));
        to.add(&(&w.recovering, &w.left, w.packages.values().map(|p| (p.digest, &p.held)).collect::<Vec<_>>()));
        to.add(&(w.epoch, w.startup_over, self.starts, self.turns));
        for (name, host) in &w.hosts {
            to.host(number(name));
            to.add(&(host, w.slot(&app(), name), w.live.get(name)));
        }
    }
}

impl Center {
    /// A first start: versions 1 and 2, hosts in alternating zones, a fleet with this floor.
    pub fn new(limits: &Limits) -> Center {
        let Limits { hosts, floor, zone_floor, batch, .. } = *limits;
        let world = World::new(Settings { heartbeat: Millis::seconds(5) });
        let mut center = Center { world, backup: None, starts: 0, turns: 0 };
        center.start();
        let text = "a request of the model's own making is admitted";
        for n in [1, 2] {
            let version = Version::lossy(&n.to_string());
            center.ask(Request::PutPackage { digest: release(n).package, app: app(), version, files: 1, bytes: 1 }).expect(text);
        }
        for i in 0..hosts {
            let labels = [(zone(), LabelValue::lossy(ZONES[i % 2]))].into();
            center.ask(Request::AddHost { host: name(i), labels, token: [0; 32] }).expect(text);
        }
        let spec = FleetSpec {
            name: fleet(),
            app: app(),
            select: "zone".parse().expect("a selector"),
            expect: None,
            floor,
            floor_per: zone_floor.map(|f| (zone(), f)).into_iter().collect(),
            parallel: batch.map(Amount::Count),
            tolerate: Amount::Count(0),
            on_failure: OnFailure::Rollback,
            stragglers: None,
            health: Some(HealthCheck::of(Probe::Tcp { address: Text::lossy("localhost:80") })),
            hook_timeout: Millis::seconds(60),
            leave: OnLeave::Keep,
            first_install: false,
        };
        center.ask(Request::PutFleet { spec: Box::new(spec) }).expect(text);
        center
    }

    /// A person's request.
    pub fn ask(&mut self, request: Request) -> Result<Answer, Rejected> {
        self.input(person(), request)
    }

    /// The newest deployment of the fleet is to bring this version.
    pub fn deploy(&mut self, n: u8) -> Result<Answer, Rejected> {
        self.ask(Request::Deploy { fleet: fleet(), what: What::Package(release(n).package), file_exists: None })
    }

    /// One input, committed with all that is planned because of it (R1).
    pub fn input(&mut self, by: Principal, request: Request) -> Result<Answer, Rejected> {
        let input = Input { by, via: Via::Own, reason: Reason::default(), at: NOW, idempotency: None, request };
        let admitted = admit(&self.world, &input, NOW)?;
        let mut fleets = BTreeSet::new();
        for change in &admitted.changes {
            fleets.extend(self.world.apply(change).fleets);
        }
        self.settle(fleets);
        Ok(admitted.answer)
    }

    /// What follows from it by itself.
    fn settle(&mut self, fleets: BTreeSet<FleetName>) {
        let turns = &mut self.turns;
        self.world.settle(fleets, NOW, |change, _| *turns += u32::from(matches!(change, Change::Turned { to, .. } if *to == release(1))));
    }

    /// Three heartbeats without a word from a host (R9).
    pub fn silence(&mut self, i: usize) {
        let touched = self.world.apply(&Change::Silent { host: name(i) });
        self.settle(touched.fleets);
    }

    /// After a start, whoever was not heard yet is not waited for any more (R16).
    pub fn startup_over(&mut self) {
        let touched = self.world.apply(&Change::StartupOver);
        self.settle(touched.fleets);
    }

    /// The labels of a host: another zone, or none, with which it is no member.
    pub fn label(&mut self, i: usize, to: Option<u8>) -> Result<Answer, Rejected> {
        let labels = to.map(|z| (zone(), LabelValue::lossy(ZONES[usize::from(z)]))).into_iter().collect();
        self.ask(Request::LabelHost { host: name(i), labels })
    }

    /// Where it is.
    pub fn zone(&self, i: usize) -> Option<u8> {
        self.world.hosts.get(&name(i))?.labels.get(&zone()).map(zone_of)
    }

    /// A person gives a host up for lost and invites it anew, at once.
    pub fn reinvite(&mut self, i: usize) -> Result<Answer, Rejected> {
        let labels = self.world.hosts.get(&name(i)).map(|h| h.labels.clone()).unwrap_or_default();
        self.ask(Request::RetireHost { host: name(i) })?;
        self.ask(Request::AddHost { host: name(i), labels, token: [0; 32] })
    }

    /// The identity with which it was invited last.
    pub fn identity(&self, i: usize) -> HostId {
        self.world.hosts.get(&name(i)).map_or(HostId { name: name(i), join: 1 }, |h| h.id.clone())
    }

    /// What it wants of a host.
    pub fn wants(&self, i: usize) -> Option<Intent> {
        self.world.intent(&app(), &name(i))
    }

    /// Does the coordinator hold this session?
    pub fn holds(&self, i: usize, session: SessionId) -> bool {
        self.world.live.get(&name(i)).is_some_and(|l| l.session == session && l.reachable)
    }

    /// All that is on disk.
    pub fn store(&self) -> Store {
        let records = self.world.keys().iter().filter_map(|key| self.world.record(key)).collect();
        Store { records, counter: self.world.counter }
    }

    /// Somebody copies the store.
    pub fn copy(&mut self) {
        self.backup = Some(Part::new(self.store()));
    }

    /// Has it heard this status of the present session, or a newer one?
    pub fn has_heard(&self, i: usize, seq: u64) -> bool {
        self.world.live.get(&name(i)).is_some_and(|l| seq <= l.seq)
    }

    /// The process dies and another begins, on its own store or on an old copy of it. `recovers`: the copy was taken by
    /// `restore` (R34).
    pub fn restart(&mut self, store: Store, recovers: bool) {
        self.world = World::load(self.world.settings, store.records);
        if recovers {
            let _ = self.world.apply(&Change::Restored { backup: NOW, at: NOW });
        }
        self.start();
    }

    fn start(&mut self) {
        self.starts += 1;
        // What R2 forbids: a number that the store hands out.
        let n = if planted(Bug::SessionReused) { self.world.epochs.len() as u8 + 1 } else { self.starts };
        let epoch = Epoch([n; 32]);
        let started = self.input(Principal::Rule { name: Why::lossy("start") }, Request::Start { epoch });
        debug_assert!(started.is_ok(), "{started:?}");
    }
}
