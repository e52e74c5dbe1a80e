//! A test that cannot fail is a defect: each rule that is taken out at the seams of the simulator is noticed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pilotage_simulator::sabotage::Sabotage;
use pilotage_simulator::seed;
use pilotage_simulator::story::command;
use pilotage_simulator::story::runner::Runner;

/// Seeds that are tried for each, from the one that noticed it when this was written.
const TRIES: u64 = 1500;

fn first_seed(sabotage: Sabotage) -> u64 {
    match sabotage {
        Sabotage::IntentAnySession => 45,
        Sabotage::StatusAnySession => 236,
        Sabotage::StatusAnyOrder | Sabotage::HalfWayBack => 36,
        Sabotage::PermissionSurvivesReconnect => 34,
        Sabotage::StandingGuessed => 412,
        Sabotage::CancelDropsLoan => 252,
        Sabotage::AnswerBeforeCommit
        | Sabotage::IntentOlder
        | Sabotage::LeaseUnchecked
        | Sabotage::SpentNotKept
        | Sabotage::TimerReturnsUnused
        | Sabotage::LoansForgottenAtStart => 1,
    }
}

#[test]
fn every_rule_that_is_not_kept_is_noticed() {
    let rest: Vec<Sabotage> = Sabotage::ALL.into_iter().filter(|s| *s != Sabotage::LoansForgottenAtStart).collect();
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(sabotage) = rest.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let first = first_seed(*sabotage);
                    let noticed = (first..first + TRIES).find_map(|n| seed::run_with(n, 0, Some(*sabotage)).broken.map(|b| (n, b)));
                    match noticed {
                        Some((seed, broken)) => println!("{sabotage:?}: seed {seed}: {broken}"),
                        None => missed.lock().unwrap().push(*sabotage),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not noticed in {TRIES} seeds: {missed:?}");
}

/// h1 begins while it is not heard, and its power goes; the coordinator starts anew. Whether h2 may be taken depends on the
/// stored loan alone.
fn last_line(mut runner: Runner) -> String {
    let script = "
        hosts 3
        fleet web floor 0 parallel 1
        package 1.0.0
        package 1.1.0
        deploy web 1.0.0
        until done
        deploy web 1.1.0
        pause web
        tick 10s
        partition h1 up
        resume web
        until h1 in change
        kill h1
        crash coordinator
        start coordinator
        tick 5m";
    let lines = script.trim().lines().map(|line| command::parse(line.trim()).expect("a command of the story language"));
    lines.flat_map(|command| runner.run(command)).last().unwrap_or_default()
}

#[test]
fn loans_that_are_not_stored_break_the_batch() {
    let broken = last_line(Runner::sabotaged(Sabotage::LoansForgottenAtStart));
    assert!(broken.contains("BROKEN PROMISE batch"), "{broken}");
    let kept = last_line(Runner::new());
    assert!(!kept.contains("BROKEN"), "{kept}");
}
