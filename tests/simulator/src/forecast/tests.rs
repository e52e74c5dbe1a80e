use std::collections::BTreeMap;

use pilotage_coordinator_core::world::Outcome;
use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::LabelValue;
use pilotage_shared::policy::Amount;
use pilotage_shared::text::Text;

use super::*;

fn spec() -> FleetSpec {
    FleetSpec {
        name: "web-prod".parse().unwrap(),
        app: "web".parse().unwrap(),
        select: "env=prod".parse().unwrap(),
        expect: None,
        floor: Amount::Percent(66),
        floor_per: BTreeMap::new(),
        parallel: None,
        tolerate: Amount::Count(0),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(HealthCheck::of(Probe::Tcp { address: Text::lossy("localhost:80") })),
        hook_timeout: Millis::seconds(3600),
        leave: OnLeave::Keep,
        first_install: false,
    }
}

/// `hosts` hosts in zones a, b, c on an older release; every stage of a run takes exactly as long as said.
fn scenario(hosts: usize) -> Scenario {
    let settled = Release::of(Digest::of(b"old"));
    let labels = |n: usize| -> Labels {
        let zone = ["a", "b", "c"][n % 3];
        [("env", "prod"), ("zone", zone)].map(|(k, v)| (k.parse().unwrap(), LabelValue::new(v).unwrap())).into()
    };
    let member = |n: usize| Member {
        name: format!("h{n}").parse().unwrap(),
        labels: labels(n),
        running: Some(settled),
        previous: None,
        staged: None,
        standing: Some(Standing::Available),
        barred: None,
    };
    let mut pace = Pace::default();
    for timed in ["stage=5s", "stop=2s", "install=1s", "start=3s", "validate=4s"] {
        pace.set(timed.parse().unwrap());
    }
    Scenario {
        spec: spec(),
        members: (0..hosts).map(member).collect(),
        settled: Some(settled),
        newest: 3,
        package: Package { digest: Digest::of(b"new"), version: Version::lossy("2"), bytes: 1, refusal: None },
        config: Config::Current,
        pace,
        heartbeat: HEARTBEAT,
        bad: Vec::new(),
        lose: Vec::new(),
        seed: 1,
        seeds: 8,
    }
}

fn seconds(low: u64, high: u64) -> std::ops::RangeInclusive<Millis> {
    Millis::seconds(low)..=Millis::seconds(high)
}

fn run(change: impl Fn(&mut Scenario)) -> Summary {
    let mut scenario = scenario(12);
    change(&mut scenario);
    forecast(&scenario).unwrap()
}

fn ended(summary: &Summary, outcome: Outcome) -> Spread {
    assert_eq!(summary.outcomes, BTreeMap::from([(Some(outcome), 8)]), "{summary:?}");
    let duration = summary.duration.unwrap();
    Spread { p50: duration.p50, p95: duration.p95 }
}

struct Spread {
    p50: Millis,
    p95: Millis,
}

#[test]
fn a_good_version_takes_as_long_as_its_batches() {
    // Staging 5 s; then 4 of 12 at a time (floor 8): 10 s of run each, and a host counts again 30 s after its first good
    // answer, which comes 0 to 5 s after its start (6 s into the run): 36 to 41 s a batch. Three batches, and a little for
    // messages.
    let summary = run(|_| ());
    let duration = ended(&summary, Outcome::Succeeded);
    assert!(seconds(5 + 3 * 36, 5 + 3 * 41 + 5).contains(&duration.p50), "{}", duration.p50);
    assert!(duration.p95 >= duration.p50);
    assert_eq!((summary.floor, summary.lowest, summary.below_floor), (8, (8, 8), Millis(0)));
    assert_eq!((summary.bad, summary.had_most), (None, 12));
}

#[test]
fn a_batch_makes_it_slower_and_shallower() {
    // Two in change at a time: a run is 10 s, settling hosts do not count as in change, the floor allows four: 2 runs of 10 s,
    // then 4 are out until the first are back after 36 to 41 s.
    let slow = run(|s| s.spec.parallel = Some(Amount::Count(1)));
    let duration = ended(&slow, Outcome::Succeeded);
    assert!(duration.p50 > ended(&run(|_| ()), Outcome::Succeeded).p50);
    assert_eq!(slow.batch, Some(1));
    assert!(slow.limits.iter().any(|(waits, _)| waits.text.contains("at most 1 may be in change at once")), "{:?}", slow.limits);
}

#[test]
fn a_bad_version_is_noticed_and_everybody_is_back() {
    let summary = run(|s| s.bad = vec!["fails validation".parse().unwrap()]);
    ended(&summary, Outcome::RolledBack);
    let bad = summary.bad.unwrap();
    // All four fail at once, 10 s after they began and went 10 s back.
    assert_eq!((bad.courses, bad.failed.1, bad.tried.p50), (8, 0, 4));
    assert!(seconds(5 + 20, 5 + 22).contains(&bad.at.p50), "{}", bad.at.p50);
    assert_eq!(bad.back.unwrap().p95, Millis(0), "each host saves itself before anybody hears of it");
    assert!(bad.why.contains("ValidateService failed"), "{}", bad.why);
    assert_eq!((summary.lowest.0, summary.left), (8, (0, 0)));
}

#[test]
fn a_version_that_dies_later_has_spread_until_it_is_noticed() {
    let summary = run(|s| {
        s.spec.parallel = Some(Amount::Count(1));
        s.bad = vec!["crashes after 60s".parse().unwrap()];
    });
    ended(&summary, Outcome::RolledBack);
    let bad = summary.bad.unwrap();
    // Noticed 60 s after the first start, plus up to 5 s to the next check, plus 15 s of failing; one host each 10 s until then,
    // as the floor allows.
    assert!(seconds(5 + 6 + 75, 5 + 6 + 82).contains(&bad.at.p50), "{}", bad.at.p50);
    assert!((4..=9).contains(&bad.had.p50), "{bad:?}");
    assert!(bad.why.contains("is down"), "{}", bad.why);
    assert!(bad.back.unwrap().p50 > Millis::seconds(5), "a rollback stops and starts each of them");
    assert_eq!(summary.left, (0, 0));
}

#[test]
fn a_version_that_dies_after_the_end_is_told_and_not_turned() {
    let summary = run(|s| s.bad = vec!["crashes after 1h on 3 hosts".parse().unwrap()]);
    ended(&summary, Outcome::Succeeded);
    assert_eq!((summary.bad, summary.left), (None, (12, 3)));
}

#[test]
fn tolerated_failures_do_not_turn_it() {
    let summary = run(|s| {
        s.spec.tolerate = Amount::Count(1);
        s.bad = vec!["fails start on 1 host".parse().unwrap()];
    });
    ended(&summary, Outcome::Succeeded);
    assert_eq!((summary.had_most, summary.left.0), (11, 11));
}

#[test]
fn a_lost_zone_stops_it_by_name() {
    let summary = run(|s| {
        s.spec.floor = Amount::Percent(50);
        s.lose = vec!["a@20s".parse().unwrap()];
    });
    assert_eq!(summary.outcomes, BTreeMap::from([(None, 8)]));
    let first = &summary.waits[0];
    assert_eq!((first.kind, first.count, first.blocks), ("unreachable", 4, true));
    assert!(first.text.contains("4 hosts not heard from"), "{}", first.text);
    assert!(summary.lowest.1 < 8, "the lost four, and whoever was in change");
}

#[test]
fn a_zone_that_comes_back_is_brought_along() {
    let summary = run(|s| s.lose = vec!["a@20s..10m".parse().unwrap()]);
    let duration = ended(&summary, Outcome::Succeeded);
    assert!(duration.p50 > Millis::seconds(600), "{}", duration.p50);
    assert_eq!(summary.left, (12, 0));
}

#[test]
fn a_policy_that_pauses_waits_for_a_person() {
    let summary = run(|s| {
        s.spec.on_failure = OnFailure::Pause;
        s.bad = vec!["fails start on zone=b".parse().unwrap()];
    });
    assert_eq!(summary.outcomes, BTreeMap::from([(None, 8)]));
    assert!(summary.waits.iter().any(|w| w.kind == "paused" && w.blocks), "{:?}", summary.waits);
    assert!(summary.bad.is_some());
}

#[test]
fn a_first_install_begins_when_the_empty_hosts_are_known_to_be_down() {
    let summary = run(|s| {
        s.settled = None;
        for member in &mut s.members {
            (member.running, member.standing) = (None, Some(Standing::Unknown));
        }
    });
    // Down after 15 s, a run of 10 s for all at once, and available 30 to 35 s after the start.
    let duration = ended(&summary, Outcome::Succeeded);
    assert!(seconds(15 + 6 + 30, 15 + 6 + 35 + 2).contains(&duration.p50), "{}", duration.p50);
}

#[test]
fn a_deployment_longer_than_the_horizon_is_told_as_such() {
    let mut long = scenario(12);
    (long.spec.parallel, long.seeds) = (Some(Amount::Count(1)), 1);
    long.spec.hook_timeout = Millis::seconds(86_400);
    long.pace.set("start=23h".parse().unwrap());
    let summary = forecast(&long).unwrap();
    assert_eq!((summary.cut, summary.duration), (true, None));
    assert!(summary.still <= HORIZON && summary.still > Millis(HORIZON.0 - 86_400_000), "{}", summary.still);
}

#[test]
fn the_same_seed_is_the_same_forecast_and_another_is_not() {
    let mut scenario = scenario(30);
    scenario.bad = vec!["crashes after 45s on 20% of hosts".parse().unwrap()];
    scenario.pace = Pace::default();
    assert_eq!(forecast(&scenario).unwrap(), forecast(&scenario).unwrap());
    let other = Scenario { seed: 1000, ..scenario.clone() };
    assert_ne!(forecast(&scenario).unwrap(), forecast(&other).unwrap());
}

#[test]
fn what_the_coordinator_would_refuse_is_refused() {
    let mut all = scenario(12);
    all.spec.floor = Amount::Percent(100);
    assert!(matches!(*forecast(&all).unwrap_err(), Rejected::FloorTooHigh { .. }));
    let mut blocked = scenario(12);
    blocked.package.refusal = Some(Refusal::Blocked);
    assert!(matches!(*forecast(&blocked).unwrap_err(), Rejected::PackageBlocked { .. }));
}

#[test]
fn random_fleets_never_fall_below_their_floor_by_a_deployment() {
    for seed in 1..40 {
        let mut rng = crate::rng::Rng::new(seed);
        let mut scenario = scenario(rng.between(4, 40) as usize);
        scenario.pace = Pace::default();
        scenario.spec.floor = Amount::Percent(rng.between(20, 74) as u8);
        scenario.spec.floor_per = if rng.chance(500) { BTreeMap::from([("zone".parse().unwrap(), Amount::Percent(40))]) } else { BTreeMap::new() };
        scenario.spec.parallel = rng.chance(500).then(|| Amount::Percent(rng.between(1, 60) as u8));
        (scenario.seed, scenario.seeds) = (seed, 1);
        let bad = ["fails validation", "hangs in start on 2 hosts", "fails install on 40% of hosts"];
        scenario.bad = rng.pick(&bad).filter(|_| seed % 2 == 0).map(|bad| bad.parse().unwrap()).into_iter().collect();
        let Ok(summary) = forecast(&scenario) else { continue };
        assert!(summary.lowest.0 >= summary.floor, "seed {seed}: {summary:?}");
        assert!(summary.scopes.values().all(|(lowest, floor)| lowest >= floor), "seed {seed}: {summary:?}");
        assert_eq!(summary.scopes.len(), if scenario.spec.floor_per.is_empty() { 0 } else { 3 });
        assert_eq!(summary.outcomes.keys().filter(|o| o.is_none()).count(), 0, "seed {seed} ends: {summary:?}");
    }
}

#[test]
fn a_configuration_is_forecast_like_a_package() {
    let this = |held| Config::This { number: 17, digest: Digest::of(b"c17"), held };
    let plain = ended(&run(|_| ()), Outcome::Succeeded);
    assert_eq!(ended(&run(|s| s.config = this(None)), Outcome::Succeeded).p50, plain.p50, "with a new package it costs nothing more");
    let settled = |s: &mut Scenario, config| {
        s.package.digest = s.settled.unwrap().package;
        s.config = config;
    };
    let alone = ended(&run(|s| settled(s, this(None))), Outcome::Succeeded);
    assert_eq!(alone.p50, plain.p50, "the settled package with another configuration is another release");
    let nothing = ended(&run(|s| settled(s, Config::Without)), Outcome::Succeeded);
    assert!(nothing.p50 < Millis::seconds(1), "everybody runs it already: {}", nothing.p50);
    let mut refused = scenario(6);
    settled(&mut refused, this(Some(("web-prod.2".parse().unwrap(), Why::lossy("exit 7")))));
    let why = forecast(&refused).unwrap_err().to_string();
    assert!(why.contains("held") && why.contains("exit 7"), "{why}");
}

#[test]
fn who_settles_by_its_packages_own_check_is_waited_for_and_comes() {
    let summary = run(|s| {
        s.spec.health = None;
        s.members[0].standing = Some(Standing::Settling);
    });
    ended(&summary, Outcome::Succeeded);
}
