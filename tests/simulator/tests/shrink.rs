//! With bugs planted in the cores (`--cfg pilotage_planted`): the story of a seed that notices one is made short, and the short
//! story, told with the same bug, breaks the same promise; told without the bug it breaks none.
#![cfg(pilotage_planted)]

use pilotage_shared::planted::{Bug, plant};
use pilotage_simulator::{seed, shrink, story};

/// Seeds that are looked at until one notices.
const SEEDS: u64 = 600;

fn check(bug: Bug, most: usize) {
    plant(&[bug]);
    let broken = (1..SEEDS).map(|number| seed::run(number, 0)).find(|report| report.broken.is_some());
    let report = broken.unwrap_or_else(|| panic!("{bug:?}: not noticed in {SEEDS} seeds"));
    let promise = report.broken.as_ref().map(|broken| broken.promise);
    let shrunk = shrink::shrink(report.deeds, &mut |_, _| ()).unwrap();
    let text = shrunk.story("Test");
    assert_eq!(Some(shrunk.violation.promise), promise);
    let told = story::tell(&text);
    assert!(told.broken && told.difference.is_none() && told.text.contains(&format!("BROKEN PROMISE {}", shrunk.violation.promise)), "{}", told.text);
    assert!(shrunk.deeds.len() <= most, "{bug:?}: {} lines\n{text}", shrunk.deeds.len());
    plant(&[]);
    assert!(!story::tell(&text).broken, "{bug:?}: also without the bug\n{text}");
}

#[test]
fn floors_and_counting() {
    check(Bug::FloorOffByOne, 12);
    check(Bug::StartKeepsStanding, 14);
}

#[test]
fn loans_and_messages() {
    check(Bug::CloseOnNoRun, 16);
}

#[test]
fn restored_stores() {
    check(Bug::NoFreeze, 16);
}

#[test]
fn deployments() {
    check(Bug::NoHold, 12);
    check(Bug::FirstInstallRollsBack, 12);
}
