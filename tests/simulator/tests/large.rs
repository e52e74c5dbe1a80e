//! A large fleet goes forward and back: all that is promised of a few hosts is promised of many, and a step of a large world
//! costs about as much as one of a small one (a debug build takes a smaller one of those that are called large).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use pilotage_coordinator_core::world::{Course, Outcome};
use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{FleetName, LabelKey, LabelValue, Version};
use pilotage_shared::policy::Amount;
use pilotage_shared::run::Event;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;
use pilotage_simulator::story::deed::{Already, Deed, Named};
use pilotage_simulator::story::stage::Stage;
use pilotage_simulator::truth::Behaviour;

const HOSTS: u32 = if cfg!(debug_assertions) { 1_200 } else { 20_000 };
/// A deployment is over by then, in batches of a quarter.
const WITHIN: u32 = 60;

fn spec() -> FleetSpec {
    let mut health = HealthCheck::of(Probe::Http { url: Text::lossy("http://localhost:8080/healthz") });
    (health.every, health.timeout) = (Millis::seconds(2), Millis(500));
    (health.healthy_for, health.unhealthy_for, health.deadline) = (Millis::seconds(4), Millis::seconds(3), Millis::seconds(30));
    FleetSpec {
        name: fleet(),
        app: "web".parse().unwrap(),
        select: "env".parse().unwrap(),
        expect: None,
        floor: Amount::Percent(70),
        floor_per: [(LabelKey::new("zone").unwrap(), Amount::Percent(60))].into(),
        parallel: Some(Amount::Percent(25)),
        tolerate: Amount::Percent(1),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(health),
        hook_timeout: Millis::seconds(60),
        leave: OnLeave::Keep,
        first_install: true,
    }
}

fn fleet() -> FleetName {
    FleetName::new("web").unwrap()
}

/// Deploys a version and waits for its end.
fn deploy(stage: &mut Stage, number: u32, behaviour: Behaviour) -> Outcome {
    let version: Version = format!("{number}.0.0").parse().unwrap();
    stage.perform(&Deed::Package(Named { app: None, version: version.clone() }, behaviour));
    assert!(stage.perform(&Deed::Deploy(fleet(), version)).iter().all(|reply| reply.is_good()));
    for _ in 0..WITHIN {
        stage.perform(&Deed::Tick(Millis::seconds(5)));
        assert_eq!(stage.sim.promises.broken, None);
        let world = stage.sim.coordinator.world().unwrap();
        if let Course::Ended { outcome, .. } = world.deployments[&DeploymentId { fleet: fleet(), number }].course {
            return outcome;
        }
    }
    panic!("{:?}", stage.sim.coordinator.world().unwrap().counts(&fleet()));
}

#[test]
fn a_large_fleet_goes_forward_and_back() {
    let mut stage = Stage::new();
    stage.perform(&Deed::Draws { seed: 8, heartbeat: Millis::seconds(5) });
    let zones = ["a", "b", "c"].map(LabelValue::lossy).to_vec();
    assert!(stage.perform(&Deed::Hosts(HOSTS, zones, Already::Nothing)).iter().all(|reply| reply.is_good()));
    stage.perform(&Deed::Fleet(Box::new(spec())));
    stage.perform(&Deed::Tick(Millis::seconds(10)));

    assert_eq!(deploy(&mut stage, 1, Behaviour::default()), Outcome::Succeeded);
    let bad = Behaviour { fails_at: Some(Event::ValidateService), ..Behaviour::default() };
    assert_eq!(deploy(&mut stage, 2, bad), Outcome::RolledBack);
    // What fails is tried by no more than a batch, and everybody is back on what was good.
    let world = stage.sim.coordinator.world().unwrap();
    let good = world.fleets[&fleet()].settled;
    assert_eq!(good.map(|release| world.package_name(&release.package)).as_deref(), Some("web@1.0.0"));
    let refused = world.slots.values().filter(|slot| slot.refused.is_some()).count() as u32;
    assert!((1..=HOSTS / 4).contains(&refused), "{refused} of {HOSTS} have tried it");
    assert!(stage.sim.machines.values().all(|m| m.apps.values().all(|app| app.installed == good && app.process.is_some())));
    assert!(stage.sim.coverage.margin.is_some_and(|margin| margin >= 0), "the floor was looked at: {:?}", stage.sim.coverage.margin);
}
