//! A fleet's declaration in a story: `web floor 66% [per zone 50%] [parallel 2] [tolerate 1] [on-failure stop] …`.

use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave, Stragglers};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::{AppName, FleetName};
use pilotage_shared::policy::Amount;
use pilotage_shared::selector::{Selector, SelectorError};
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;

use super::command::{CommandError, bad, read};
use super::say::span;

/// What a fleet is of which only the name is said.
pub(crate) fn plain(name: FleetName) -> Result<FleetSpec, CommandError> {
    Ok(FleetSpec {
        app: AppName::new("web").map_err(|e| bad("web", e.to_string()))?,
        name,
        select: "env=prod".parse::<Selector>().map_err(|e: SelectorError| bad("env=prod", e.to_string()))?,
        expect: None,
        floor: Amount::Count(0),
        floor_per: Default::default(),
        parallel: None,
        tolerate: Amount::Count(0),
        on_failure: OnFailure::Rollback,
        stragglers: None,
        health: Some(check()),
        hook_timeout: Millis::seconds(60),
        leave: OnLeave::Keep,
        first_install: false,
    })
}

/// The health check of which nothing is said.
pub(crate) fn check() -> HealthCheck {
    HealthCheck {
        every: Millis::seconds(1),
        timeout: Millis::seconds(1),
        healthy_for: Millis::seconds(5),
        unhealthy_for: Millis::seconds(3),
        deadline: Millis::seconds(60),
        ..HealthCheck::of(Probe::Http { url: Text::lossy("http://localhost:8080/healthz") })
    }
}

/// Understands a declaration.
pub(super) fn understand(words: &[&str]) -> Result<FleetSpec, CommandError> {
    let mut spec = plain(read(words.first().copied(), "a fleet")?)?;
    let mut check = check();
    let mut rest = words.iter().copied().skip(1);
    while let Some(word) = rest.next() {
        match word {
            "app" => spec.app = read(rest.next(), "an app")?,
            "select" => spec.select = read(rest.next(), "a selector")?,
            "floor" => spec.floor = read(rest.next(), "a floor")?,
            "per" => {
                let key = read(rest.next(), "a label")?;
                spec.floor_per.insert(key, read(rest.next(), "a floor")?);
            }
            "parallel" => spec.parallel = Some(read(rest.next(), "an amount")?),
            "tolerate" => spec.tolerate = read(rest.next(), "an amount")?,
            "on-failure" => {
                spec.on_failure = match rest.next() {
                    Some("rollback") => OnFailure::Rollback,
                    Some("stop") => OnFailure::Stop,
                    Some("pause") => OnFailure::Pause,
                    other => return Err(bad(other.unwrap_or_default(), "rollback, stop or pause")),
                }
            }
            "stragglers" => spec.stragglers = Some(Stragglers { after: read(rest.next(), "a span")?, at_most: read(rest.next(), "an amount")? }),
            "every" => check.every = read(rest.next(), "a span")?,
            "timeout" => check.timeout = read(rest.next(), "a span")?,
            "healthy-for" => check.healthy_for = read(rest.next(), "a span")?,
            "unhealthy-for" => check.unhealthy_for = read(rest.next(), "a span")?,
            "deadline" => check.deadline = read(rest.next(), "a span")?,
            "no-health" => spec.health = None,
            "first-install" => spec.first_install = true,
            other => return Err(bad(other, "no such setting of a fleet")),
        }
    }
    spec.health = spec.health.map(|_| check);
    Ok(spec)
}

/// Says a declaration; what is as in every fleet is left out.
pub(super) fn say(spec: &FleetSpec) -> String {
    let mut out = spec.name.to_string();
    let mut add = |said: bool, words: String| {
        if said {
            out.push(' ');
            out.push_str(&words);
        }
    };
    add(spec.app.as_str() != "web", format!("app {}", spec.app));
    let select = spec.select.to_string();
    add(select != "env=prod", format!("select {select}"));
    add(true, format!("floor {}", spec.floor));
    for (key, floor) in &spec.floor_per {
        add(true, format!("per {key} {floor}"));
    }
    add(spec.parallel.is_some(), spec.parallel.map(|p| format!("parallel {p}")).unwrap_or_default());
    add(spec.tolerate != Amount::Count(0), format!("tolerate {}", spec.tolerate));
    match spec.on_failure {
        OnFailure::Rollback => {}
        OnFailure::Stop => add(true, "on-failure stop".into()),
        OnFailure::Pause => add(true, "on-failure pause".into()),
    }
    if let Some(stragglers) = &spec.stragglers {
        add(true, format!("stragglers {} {}", span(stragglers.after), stragglers.at_most));
    }
    match &spec.health {
        None => add(true, "no-health".into()),
        Some(here) => {
            let plain = check();
            let spans = [
                ("every", here.every, plain.every),
                ("timeout", here.timeout, plain.timeout),
                ("healthy-for", here.healthy_for, plain.healthy_for),
                ("unhealthy-for", here.unhealthy_for, plain.unhealthy_for),
                ("deadline", here.deadline, plain.deadline),
            ];
            for (word, here, plain) in spans {
                add(here != plain, format!("{word} {}", span(here)));
            }
        }
    }
    add(spec.first_install, "first-install".into());
    out
}
