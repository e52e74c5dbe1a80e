//! The fleet file: YAML as people write it (UI.md e) → a [`FleetSpec`]. The first version reads the minimal form and of the
//! full form what stands in [`File`]; a key of the full form that it does not know yet is refused by name, so that nobody
//! believes a gate is closed that nobody watches.

use std::collections::BTreeMap;

use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave, Stragglers};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::{AppName, FleetName, LabelKey};
use pilotage_shared::policy::Amount;
use pilotage_shared::selector::Selector;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;
use serde::Deserialize;
use serde_json::Value;

/// Keys of the full form that a later version reads.
const LATER: &[&str] = &["owner", "extends", "drain", "once", "stage", "waves", "rollback", "alarms", "windows", "approvals", "notify"];

/// The longest a hook may run when the file says nothing (CodeDeploy's own default).
const HOOK_TIMEOUT: Millis = Millis::seconds(3600);

/// Why a fleet file was refused.
#[derive(Debug, thiserror::Error)]
pub enum FleetFileError {
    /// Not YAML, or not of the right shape.
    #[error("failed to understand the fleet file: {0}")]
    Form(String),
    /// A key that a later version will read.
    #[error("the key {0:?} is not there yet: this version has no {0}; remove it (nothing was changed)")]
    Later(String),
    /// It is no policy.
    #[error(
        "the key \"config\" does not stand in a fleet file: a configuration is deployed, like a package. Bring one by \
         `pilotage config push DIR --fleet {0}`; choose one by `pilotage deploy {0} [VERSION] --config cN` (nothing was changed)"
    )]
    Config(String),
    /// A key that nobody knows.
    #[error("the key {key:?} is unknown; known here: {known}")]
    Unknown {
        /// What stands there.
        key: String,
        /// What could.
        known: &'static str,
    },
    /// A required key is missing.
    #[error("the key {0:?} is missing")]
    Missing(&'static str),
    /// A value is wrong.
    #[error("{key}: {why}")]
    Value {
        /// Where.
        key: &'static str,
        /// What is wrong, and what to write.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fleet: Option<Value>,
    app: Option<Value>,
    select: Option<Value>,
    expect: Option<Value>,
    floor: Option<Value>,
    health: Option<Value>,
    parallel: Option<Value>,
    failure: Option<Value>,
    stragglers: Option<Value>,
    leave: Option<Value>,
    hooks: Option<Value>,
    first_install: Option<Value>,
}

const KNOWN: &str = "fleet, app, select, expect, floor, health, parallel, failure, stragglers, leave, hooks, first_install";

/// Reads one fleet file.
pub fn parse(text: &str) -> Result<FleetSpec, FleetFileError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| FleetFileError::Form(first_line(&error.to_string())))?;
    let Value::Object(map) = &value else {
        return Err(FleetFileError::Form("it must be a map with the keys fleet, app, select and floor".to_owned()));
    };
    if let Some(key) = map.keys().find(|key| LATER.contains(&key.as_str())) {
        return Err(FleetFileError::Later(key.clone()));
    }
    if map.contains_key("config") {
        let fleet = map.get("fleet").and_then(Value::as_str).filter(|name| name.parse::<FleetName>().is_ok());
        return Err(FleetFileError::Config(fleet.unwrap_or("FLEET").to_owned()));
    }
    known(map.keys(), KNOWN)?;
    let file: File = serde_json::from_value(value).map_err(|error| FleetFileError::Form(error.to_string()))?;
    let (floor, floor_per) = floor(file.floor.ok_or(FleetFileError::Missing("floor"))?)?;
    let (tolerate, on_failure) = failure(file.failure)?;
    Ok(FleetSpec {
        name: parsed::<FleetName>("fleet", file.fleet)?.ok_or(FleetFileError::Missing("fleet"))?,
        app: parsed::<AppName>("app", file.app)?.ok_or(FleetFileError::Missing("app"))?,
        select: parsed::<Selector>("select", file.select)?.ok_or(FleetFileError::Missing("select"))?,
        expect: file.expect.map(expect).transpose()?,
        floor,
        floor_per,
        parallel: file.parallel.map(|value| amount("parallel", &value)).transpose()?,
        tolerate,
        on_failure,
        stragglers: file.stragglers.map(stragglers).transpose()?,
        health: file.health.map(health).transpose()?,
        hook_timeout: hooks(file.hooks)?,
        leave: leave(file.leave)?,
        first_install: first_install(file.first_install)?,
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn known<'a>(keys: impl Iterator<Item = &'a String>, known: &'static str) -> Result<(), FleetFileError> {
    for key in keys {
        if !known.split(", ").any(|k| k == key) {
            return Err(FleetFileError::Unknown { key: key.clone(), known });
        }
    }
    Ok(())
}

fn wrong(key: &'static str, why: impl ToString) -> FleetFileError {
    FleetFileError::Value { key, why: why.to_string() }
}

/// A scalar as text: YAML's own numbers and truth values too, so that `app: 2048` is a name.
fn scalar(key: &'static str, value: &Value) -> Result<String, FleetFileError> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => Err(wrong(key, "expected one text or number")),
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(key: &'static str, value: Option<Value>) -> Result<Option<T>, FleetFileError> {
    value.map(|value| scalar(key, &value)?.parse().map_err(|error| wrong(key, error))).transpose()
}

/// `3`, `66%`, `all-1`; `5% of wave` says the same, because the first version has one wave: the fleet.
fn amount(key: &'static str, value: &Value) -> Result<Amount, FleetFileError> {
    let text = scalar(key, value)?;
    let text = text.strip_suffix(" of wave").or_else(|| text.strip_suffix(" of fleet")).unwrap_or(&text);
    text.trim().parse().map_err(|error| wrong(key, error))
}

fn span(key: &'static str, value: &Value) -> Result<Millis, FleetFileError> {
    scalar(key, value)?.parse().map_err(|error| wrong(key, error))
}

fn object(key: &'static str, value: Value, keys: &'static str) -> Result<serde_json::Map<String, Value>, FleetFileError> {
    let Value::Object(map) = value else { return Err(wrong(key, format!("expected a map with {keys}"))) };
    known(map.keys(), keys)?;
    Ok(map)
}

fn floor(value: Value) -> Result<(Amount, BTreeMap<LabelKey, Amount>), FleetFileError> {
    if !value.is_object() {
        return Ok((amount("floor", &value)?, BTreeMap::new()));
    }
    let map = object("floor", value, "fleet, per")?;
    let fleet = map.get("fleet").ok_or(FleetFileError::Missing("floor.fleet"))?;
    let per = match map.get("per") {
        None => BTreeMap::new(),
        Some(Value::Object(labels)) => labels
            .iter()
            .map(|(label, value)| Ok((label.parse().map_err(|error| wrong("floor.per", error))?, amount("floor.per", value)?)))
            .collect::<Result<_, FleetFileError>>()?,
        Some(_) => return Err(wrong("floor.per", "expected a map, as { zone: 50% }")),
    };
    Ok((amount("floor.fleet", fleet)?, per))
}

fn expect(value: Value) -> Result<(u32, u32), FleetFileError> {
    let map = object("expect", value, "hosts")?;
    let hosts = scalar("expect.hosts", map.get("hosts").ok_or(FleetFileError::Missing("expect.hosts"))?)?;
    let number =
        |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("expect.hosts", format!("{hosts:?} is no number of hosts: write 6 or 380..450")));
    let (low, high) = match hosts.split_once("..") {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (number(&hosts)?, number(&hosts)?),
    };
    match low <= high {
        true => Ok((low, high)),
        false => Err(wrong("expect.hosts", format!("{low} is more than {high}"))),
    }
}

fn failure(value: Option<Value>) -> Result<(Amount, OnFailure), FleetFileError> {
    let Some(value) = value else { return Ok((Amount::Count(0), OnFailure::Rollback)) };
    let map = object("failure", value, "tolerate, then")?;
    let tolerate = map.get("tolerate").map_or(Ok(Amount::Count(0)), |value| amount("failure.tolerate", value))?;
    let then = match map.get("then").map(|value| scalar("failure.then", value)).transpose()?.as_deref() {
        None | Some("rollback") => OnFailure::Rollback,
        Some("stop") => OnFailure::Stop,
        Some("pause") => OnFailure::Pause,
        Some(other) => return Err(wrong("failure.then", format!("{other:?} is not one of rollback, stop, pause"))),
    };
    Ok((tolerate, then))
}

fn stragglers(value: Value) -> Result<Stragglers, FleetFileError> {
    let map = object("stragglers", value, "after, at_most, then")?;
    match map.get("then").map(|value| scalar("stragglers.then", value)).transpose()?.as_deref() {
        None | Some("follow") => {}
        Some(other) => return Err(wrong("stragglers.then", format!("{other:?}: only follow is there yet"))),
    }
    Ok(Stragglers {
        after: span("stragglers.after", map.get("after").ok_or(FleetFileError::Missing("stragglers.after"))?)?,
        at_most: amount("stragglers.at_most", map.get("at_most").ok_or(FleetFileError::Missing("stragglers.at_most"))?)?,
    })
}

fn hooks(value: Option<Value>) -> Result<Millis, FleetFileError> {
    let Some(value) = value else { return Ok(HOOK_TIMEOUT) };
    let map = object("hooks", value, "timeout")?;
    map.get("timeout").map_or(Ok(HOOK_TIMEOUT), |value| span("hooks.timeout", value))
}

fn leave(value: Option<Value>) -> Result<OnLeave, FleetFileError> {
    match value.map(|value| scalar("leave", &value)).transpose()?.as_deref() {
        None | Some("keep") => Ok(OnLeave::Keep),
        Some(other) => Err(wrong("leave", format!("{other:?}: only keep is there yet"))),
    }
}

fn first_install(value: Option<Value>) -> Result<bool, FleetFileError> {
    match value {
        None => Ok(false),
        Some(Value::Bool(yes)) => Ok(yes),
        Some(_) => Err(wrong("first_install", "expected true or false")),
    }
}

fn health(value: Value) -> Result<HealthCheck, FleetFileError> {
    if !value.is_object() {
        return Ok(HealthCheck::of(short_probe(&scalar("health", &value)?)?));
    }
    let map = object("health", value, "http, tcp, unit, every, timeout, healthy_for, unhealthy_for, deadline")?;
    let mut probes = ["http", "tcp", "unit"].into_iter().filter_map(|kind| map.get(kind).map(|value| (kind, value)));
    let (Some((kind, value)), None) = (probes.next(), probes.next()) else {
        return Err(wrong("health", "expected exactly one of http, tcp, unit"));
    };
    let value = scalar("health", value)?;
    let mut check = HealthCheck::of(match kind {
        "http" => http(&value)?,
        "tcp" => Probe::Tcp { address: text(&value)? },
        _ => Probe::Unit { unit: text(&value)? },
    });
    let fields = [
        ("every", "health.every", &mut check.every),
        ("timeout", "health.timeout", &mut check.timeout),
        ("healthy_for", "health.healthy_for", &mut check.healthy_for),
        ("unhealthy_for", "health.unhealthy_for", &mut check.unhealthy_for),
        ("deadline", "health.deadline", &mut check.deadline),
    ];
    for (name, key, field) in fields {
        if let Some(value) = map.get(name) {
            *field = span(key, value)?;
        }
    }
    Ok(check)
}

/// `http://…`, `tcp:HOST:PORT`, `unit:NAME`.
fn short_probe(value: &str) -> Result<Probe, FleetFileError> {
    if let Some(address) = value.strip_prefix("tcp:") {
        return Ok(Probe::Tcp { address: text(address.trim_start_matches("//"))? });
    }
    match value.strip_prefix("unit:") {
        Some(unit) => Ok(Probe::Unit { unit: text(unit)? }),
        None => http(value),
    }
}

fn http(url: &str) -> Result<Probe, FleetFileError> {
    match url.starts_with("http://") {
        true => Ok(Probe::Http { url: text(url)? }),
        false => Err(wrong("health", format!("{url:?}: write http://localhost:PORT/PATH, tcp:HOST:PORT or unit:NAME.service"))),
    }
}

fn text<const N: usize>(value: &str) -> Result<Text<N>, FleetFileError> {
    Text::new(value).map_err(|error| wrong("health", error))
}

#[cfg(test)]
mod tests;
