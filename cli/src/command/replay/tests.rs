//! A deployment with a host that refuses, recorded in the simulator.

use std::ops::ControlFlow;

use pilotage_coordinator_core::input::What;
use pilotage_coordinator_core::replay::{Played, Player, Turn};
use pilotage_coordinator_core::world::Outcome;
use pilotage_coordinator_core::{Answer, Change, Request};
use pilotage_shared::ids::DeploymentId;
use pilotage_shared::name::{AppName, FleetName, HostName, LabelKey, LabelValue, Version};
use pilotage_shared::run::Event;
use pilotage_shared::time::{Millis, Time};
use pilotage_simulator::coordinator::Recording;
use pilotage_simulator::network::Rates;
use pilotage_simulator::simulation::Simulation;
use pilotage_simulator::truth::Behaviour;

use super::{begun, story};
use crate::fleet_file;
use crate::recording::{Policy, Tried, Watch, play};
use crate::render::replay as render;

/// Version 1.0.0 everywhere, then 1.1.0, which two hosts refuse.
fn recorded() -> (Vec<u8>, DeploymentId) {
    let mut sim = Simulation::new(1, Rates::CALM, Millis::seconds(5));
    sim.coordinator.recording = Some(Recording::default());
    sim.boot_coordinator();
    for n in 1..=6 {
        let zone = LabelValue::lossy(["a", "b", "c"][n % 3]);
        let labels = [(LabelKey::new("zone").unwrap(), zone), (LabelKey::new("env").unwrap(), LabelValue::lossy("prod"))].into();
        sim.join(&HostName::new(&format!("secret-host-{n}")).unwrap(), labels, &[]);
    }
    let spec = "fleet: web-prod\napp: web\nselect: env=prod\nfloor: { fleet: 50%, per: { zone: 50% } }\nhealth: { http: http://localhost/, healthy_for: 5s, unhealthy_for: 3s }\n";
    sim.request(Request::PutFleet { spec: Box::new(fleet_file::parse(spec).unwrap()) });
    let app = AppName::new("web").unwrap();
    let fleet = FleetName::new("web-prod").unwrap();
    let mut id = None;
    for version in ["1.0.0", "1.1.0"] {
        let version = Version::lossy(version);
        let (digest, _) = sim.push(&app, &version, Behaviour::default());
        if version.as_str() == "1.1.0" {
            for host in ["secret-host-2", "secret-host-5"] {
                let fails = Behaviour { fails_at: Some(Event::ValidateService), ..Behaviour::default() };
                sim.behaviours.set(digest, Some(&HostName::new(host).unwrap()), fails);
            }
        }
        let answer = sim.request(Request::Deploy { fleet: fleet.clone(), what: What::Version(version), file_exists: None });
        let Some(Ok(Answer::Deployment(deployment))) = answer else { panic!("{answer:?}") };
        id = Some(deployment);
        sim.run_until(sim.now + Millis::seconds(300));
    }
    assert_eq!(sim.promises.broken, None);
    (sim.coordinator.recording.take().unwrap().bytes, id.unwrap())
}

struct One<'a>(&'a Policy, Option<Tried>);

impl Watch for One<'_> {
    fn before(&mut self, player: &Player, turn: &Turn) -> ControlFlow<()> {
        for deployment in pilotage_coordinator_core::replay::case::begun(turn) {
            self.1 = Some(Tried::new(player, deployment, self.0).unwrap());
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        self.1.iter_mut().for_each(|tried| tried.turn(player, played, self.0));
        ControlFlow::Continue(())
    }
}

/// The last deployment under a policy: how it differs, how it would have ended, after how long, and the lowest.
fn tried(bytes: &[u8], policy: &str) -> (String, Option<Outcome>, Millis, u32) {
    let policy = Policy::parse(&[policy.to_owned()]).unwrap();
    let mut one = One(&policy, None);
    let went = play(bytes, &mut one).unwrap();
    assert_eq!(went.difference.map(|d| d.0), None);
    let tried = one.1.unwrap();
    let Some(departure) = &tried.departure else { return ("the same".into(), None, Millis(0), 0) };
    let kind = render::departure(&tried, &policy)[0].clone();
    let goes_on = tried.goes_on(&policy);
    let ended = goes_on.as_ref().and_then(|g| g.estimate.ended.clone());
    assert!(departure.at >= tried.case.deployment.started.at);
    let took = ended.as_ref().map_or(Millis(0), |ended| ended.at - tried.case.deployment.started.at);
    (kind, ended.map(|e| e.outcome), took, goes_on.map_or(0, |g| g.lowest))
}

struct EachInWords(usize);

impl EachInWords {
    fn check<'a>(&mut self, player: &Player, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            self.0 += 1;
            assert_eq!(render::decision(&player.world, change).is_none(), change.is_fact(), "{change:?}");
        }
    }
}

impl Watch for EachInWords {
    fn before(&mut self, _: &Player, _: &Turn) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn after(&mut self, player: &Player, played: &Played) -> ControlFlow<()> {
        self.check(player, played.inputs.iter().flat_map(|taken| &taken.decided.changes));
        self.check(player, played.plan.iter().flat_map(|(_, changes)| changes));
        ControlFlow::Continue(())
    }
}

#[test]
fn every_decision_has_words_and_no_fact_has() {
    let mut each = EachInWords(0);
    play(&recorded().0, &mut each).unwrap();
    assert!(each.0 > 100, "{}", each.0);
}

/// Two hosts and a version that neither can validate: the second has its bits a moment later, and is never lent anything.
fn refused_by_the_first() -> Vec<u8> {
    let mut sim = Simulation::new(3, Rates::CALM, Millis::seconds(5));
    sim.coordinator.recording = Some(Recording::default());
    sim.boot_coordinator();
    for name in ["h1", "h2"] {
        sim.join(&HostName::new(name).unwrap(), [(LabelKey::new("env").unwrap(), LabelValue::lossy("prod"))].into(), &[]);
    }
    let spec = "fleet: web-prod\napp: web\nselect: env=prod\nfloor: 1\nhealth: { http: http://localhost/, healthy_for: 1s, unhealthy_for: 1s }\n";
    sim.request(Request::PutFleet { spec: Box::new(fleet_file::parse(spec).unwrap()) });
    let (app, fleet) = (AppName::new("web").unwrap(), FleetName::new("web-prod").unwrap());
    for version in ["1.0.0", "1.1.0"] {
        let fails_at = (version == "1.1.0").then_some(Event::ValidateService);
        sim.push(&app, &Version::lossy(version), Behaviour { fails_at, ..Behaviour::default() });
        sim.request(Request::Deploy { fleet: fleet.clone(), what: What::Version(Version::lossy(version)), file_exists: None });
        sim.run_until(sim.now + Millis::seconds(300));
    }
    sim.coordinator.recording.take().unwrap().bytes
}

#[test]
fn more_at_once_fail_no_later_than_they_did_and_who_never_ran_is_named() {
    let bytes = refused_by_the_first();
    let policy = Policy::parse(&["floor=0%".to_owned()]).unwrap();
    let mut one = One(&policy, None);
    play(&bytes, &mut one).unwrap();
    let tried = one.1.unwrap();
    let went = tried.case.ended.clone().unwrap();
    let goes_on = tried.goes_on(&policy).unwrap();
    let would = goes_on.estimate.ended.clone().unwrap();
    assert_eq!((went.outcome, would.outcome), (Outcome::RolledBack, Outcome::RolledBack));
    let (went, would) = (went.at - tried.case.deployment.started.at, would.at - tried.case.deployment.started.at);
    assert!(would.0 <= went.0 + 2000, "{would} instead of {went}");
    let told = format!("{:?}", render::after(&tried, Some(&goes_on)));
    assert!(told.contains("no run of theirs was recorded; taken to do as most others did") && !told.contains("nobody was brought there"), "{told}");
}

/// What it would wait for in the end.
fn waits(bytes: &[u8], policy: &str) -> String {
    let policy = Policy::parse(&[policy.to_owned()]).unwrap();
    let mut one = One(&policy, None);
    play(bytes, &mut one).unwrap();
    let tried = one.1.unwrap();
    format!("{:?}", render::after(&tried, tried.goes_on(&policy).as_ref()))
}

#[test]
fn another_policy_shows_where_it_differs_and_how_it_would_have_gone_on() {
    let (bytes, id) = recorded();
    assert_eq!(begun(&bytes).unwrap().last().map(|(id, _)| id.clone()), Some(id));
    assert_eq!(tried(&bytes, "floor=50%").0, "the same");
    assert_eq!(tried(&bytes, "hook_timeout=30s").0, "the same");
    let (kind, outcome, ..) = tried(&bytes, "tolerate=2");
    assert!(kind.contains("not turned back"), "{kind}");
    assert_eq!(outcome, Some(Outcome::Succeeded), "both that refuse are tolerated: {}", waits(&bytes, "tolerate=2"));
    let (kind, outcome, _, lowest) = tried(&bytes, "floor=80%");
    assert!(kind.contains("a wait") || kind.contains("fewer at once"), "{kind}");
    assert_eq!((outcome, lowest), (Some(Outcome::RolledBack), 5), "{}", waits(&bytes, "floor=80%"));
    let (kind, outcome, ..) = tried(&bytes, "failure.then=stop");
    assert!(kind.contains("stopped there"), "{kind}");
    assert_eq!(outcome, Some(Outcome::Stopped));
    assert!(tried(&bytes, "floor=100%").0.contains("refused"));
    let slow = tried(&bytes, "healthy_for=60s,tolerate=2");
    let quick = tried(&bytes, "healthy_for=1s,tolerate=2");
    assert!(slow.0.contains("judged by other times") && slow.2 > quick.2, "{slow:?} {quick:?}");
}

#[test]
fn a_story_ends_as_it_was_recorded_and_tells_no_names_that_it_should_not() {
    let (bytes, id) = recorded();
    let told = story::write(&bytes, &id, false).unwrap();
    assert_eq!(told.otherwise, None, "{}", told.text);
    assert!(told.text.contains("> fail secret-host-2 ValidateService on 1.1.0"), "{}", told.text);
    let anonymous = story::write(&bytes, &id, true).unwrap();
    assert_eq!(anonymous.otherwise, None, "{}", anonymous.text);
    for secret in ["secret", "web-prod", "simulated"] {
        assert!(!anonymous.text.contains(secret), "{secret}: {}", anonymous.text);
    }
    let again = pilotage_simulator::story::tell(&anonymous.text);
    assert_eq!(again.difference, None, "it can be checked in as it is");
}

#[test]
fn a_recording_that_is_cut_or_none_is_refused() {
    let (bytes, id) = recorded();
    let check = |bytes: &[u8], part: &str| {
        let Err(error) = story::write(bytes, &id, false) else { panic!("it was taken") };
        let chain = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{error}: {chain}").contains(part), "{error}: {chain}");
    };
    check(b"nothing", "no recording");
    check(&bytes[..bytes.len() / 2], "in the middle");
    let other = DeploymentId { number: 9, ..id.clone() };
    assert!(story::write(&bytes, &other, false).is_err_and(|error| error.to_string().contains("was not recorded")));
    assert_eq!(begun(&bytes).unwrap().len(), 2);
    assert!(begun(&bytes).unwrap()[0].1 < Time(u64::MAX));
}
