//! Planted bugs: this program has none in it, so one that has is built beside it, and does the same.

use std::process::ExitCode;

use super::Arguments;

/// Builds the one with the bugs and lets it do the same; none in that one.
#[cfg(not(pilotage_planted))]
pub(super) fn elsewhere() -> anyhow::Result<Option<ExitCode>> {
    let mut cargo = std::process::Command::new("cargo");
    cargo.args(["run", "--release", "--quiet", "--locked", "-p", "pilotage-simulator", "--bin", "simulate", "--target-dir", "target/planted", "--"]);
    cargo.args(std::env::args().skip(1)).env("RUSTFLAGS", "--cfg pilotage_planted");
    let status = cargo.status()?;
    Ok(Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

/// Builds the one with the bugs and lets it do the same; none in that one.
#[cfg(pilotage_planted)]
pub(super) fn elsewhere() -> anyhow::Result<Option<ExitCode>> {
    Ok(None)
}

/// Plants bugs in this thread, by their names.
#[cfg(not(pilotage_planted))]
pub(super) fn plant(_: &[String]) -> anyhow::Result<()> {
    Ok(())
}

/// Plants bugs in this thread, by their names.
#[cfg(pilotage_planted)]
pub(super) fn plant(names: &[String]) -> anyhow::Result<()> {
    use pilotage_shared::planted::{Bug, plant};
    let known = |name: &String| Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == *name);
    let bugs = names.iter().map(|name| known(name).ok_or_else(|| anyhow::anyhow!("there is no planted bug {name:?}; --mutations lists all")));
    plant(&bugs.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

/// Plants bugs that are known to exist.
pub(super) fn plant_here(names: &[String]) {
    if let Err(error) = plant(names) {
        eprintln!("{error}");
    }
}

/// Only the program with the bugs looks for them.
#[cfg(not(pilotage_planted))]
pub(super) fn mutations(_: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("this program has no bugs planted in it")
}

/// Plants each bug in turn, and says which seed noticed it.
#[cfg(pilotage_planted)]
pub(super) fn mutations(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    use pilotage_simulator::mutations::{KNOWN_FILE, cases, known, look_for, name};
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let wanted = |case: &&'static [_]| arguments.only.as_ref().is_none_or(|text| name(case).contains(text));
    let cases: Vec<_> = cases().into_iter().filter(wanted).collect();
    let seeds = |case| match known(case) {
        Some(seed) if arguments.known => seed..seed + 1,
        Some(_) | None => arguments.first_seed..arguments.first_seed + arguments.seeds.unwrap_or(1000),
    };
    let (next, missed, noticed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..pilotage_simulator::sweep::cores() {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = look_for(case, seeds(case));
                    let took = found.took_ms as f64 / 1000.0;
                    match found.by {
                        Some((seed, broken)) => {
                            println!("{:<32} seed {seed:<6} {took:>5.1} s  {broken}", name(case));
                            noticed.lock().map(|mut noticed| noticed.insert(name(case), seed)).unwrap_or_default();
                        }
                        None => {
                            println!("{:<32} NOT NOTICED in {} seeds, {took:.1} s", name(case), found.seeds);
                            missed.lock().map(|mut missed| missed.push(name(case))).unwrap_or_default();
                        }
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap_or_default();
    if arguments.remember && missed.is_empty() {
        let noticed = noticed.into_inner().unwrap_or_default();
        let line = |case| noticed.get(&name(case)).map(|seed| format!("{} {seed}\n", name(case)));
        std::fs::write(KNOWN_FILE, cases.iter().filter_map(|case| line(case)).collect::<String>())?;
    }
    println!("{} of {} planted bugs noticed", cases.len() - missed.len(), cases.len());
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
