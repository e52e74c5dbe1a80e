//! What one input costs the pure core: a host's status that changes its standing, with all that is planned because of it.

use std::collections::BTreeSet;
use std::time::Instant;

use pilotage_coordinator_core::input::{Input, Request, Via};
use pilotage_coordinator_core::world::Settings;
use pilotage_coordinator_core::{Answer, World, admit};
use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe, Standing};
use pilotage_shared::ids::{BootId, Epoch, HostId, LedgerId, SessionId};
use pilotage_shared::name::{AppName, FleetName, LabelKey, LabelValue, Reason, Why};
use pilotage_shared::policy::Amount;
use pilotage_shared::principal::Principal;
use pilotage_shared::status::{SlotStatus, Status};
use pilotage_shared::text::Text;
use pilotage_shared::time::{Millis, Time};
use pilotage_shared::wire::Hello;

use crate::{name, operator, say};

fn take(world: &mut World, by: Principal, request: Request) -> Answer {
    let now = Time(1_800_000_000_000);
    let input = Input { by, via: Via::Own, reason: Reason::default(), at: now, idempotency: None, request };
    let admitted = admit(world, &input, now).unwrap();
    let mut fleets = BTreeSet::new();
    for change in &admitted.changes {
        fleets.extend(world.apply(change).fleets);
    }
    world.settle(fleets, now, |_, _| {});
    admitted.answer
}

fn status(session: SessionId, seq: u64, standing: Standing) -> Request {
    let slots = [(AppName::new("web").unwrap(), SlotStatus::empty(standing))].into();
    Request::Status { status: Box::new(Status { session, seq, beat: seq, blocked_version: 0, slots, metrics: None }) }
}

fn world(hosts: usize, zones: usize) -> (World, Vec<SessionId>) {
    let mut world = World::new(Settings { heartbeat: Millis::seconds(5) });
    take(&mut world, Principal::Rule { name: Why::lossy("start") }, Request::Start { epoch: Epoch([1; 32]) });
    let mut sessions = Vec::new();
    for i in 0..hosts {
        let labels = [(LabelKey::new("zone").unwrap(), LabelValue::lossy(&format!("z{}", i % zones)))].into();
        take(&mut world, operator(), Request::AddHost { host: name(i), labels, token: [0; 32] });
        let id = HostId { name: name(i), join: 1 };
        let hello = Hello { host: id.clone(), ledger: LedgerId([1; 16]), boot: BootId([1; 16]), last: None, versions: (1, 1), agent: Why::default() };
        let Answer::Welcome(welcome) = take(&mut world, Principal::Host(id.clone()), Request::Hello { hello: Box::new(hello) }) else {
            panic!("no session")
        };
        take(&mut world, Principal::Host(id), status(welcome.session, 1, Standing::Available));
        sessions.push(welcome.session);
    }
    let spec = FleetSpec {
        name: FleetName::new("web-prod").unwrap(),
        app: AppName::new("web").unwrap(),
        select: "zone".parse().unwrap(),
        expect: None,
        floor: Amount::Percent(66),
        floor_per: [(LabelKey::new("zone").unwrap(), Amount::Percent(50))].into(),
        parallel: None,
        tolerate: Amount::Percent(5),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(HealthCheck::of(Probe::Http { url: Text::lossy("http://localhost/") })),
        hook_timeout: Millis::seconds(60),
        leave: OnLeave::Keep,
        first_install: false,
    };
    take(&mut world, operator(), Request::PutFleet { spec: Box::new(spec) });
    (world, sessions)
}

pub fn measure() {
    for (hosts, zones) in [(1_000, 3), (10_000, 3), (100_000, 3), (100_000, 100)] {
        let (mut world, sessions) = world(hosts, zones);
        let rounds = 20_000;
        let begun = Instant::now();
        for i in 0..rounds {
            let host = i * 7919 % hosts;
            let standing = if (i / hosts).is_multiple_of(2) { Standing::Settling } else { Standing::Available };
            take(&mut world, Principal::Host(HostId { name: name(host), join: 1 }), status(sessions[host], 2 + i as u64, standing));
        }
        let each = begun.elapsed() / rounds as u32;
        say(&format!("an input at {hosts} hosts in {zones} zones"), &format!("{each:.1?}"));
    }
}
