//! Another policy, as a person types it: `floor=80%`, `batch=2`, `failure.then=stop`; each is a key of the fleet file, read by
//! the fleet file's own reader.

use pilotage_shared::fleet::{FleetSpec, OnFailure, OnLeave};
use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::name::FleetName;
use pilotage_shared::time::Millis;
use serde_json::{Map, Value, json};

use crate::fleet_file::{self, FleetFileError};

/// Short words for keys of the fleet file.
const SHORT: &[(&str, &str)] = &[
    ("floor", "floor.fleet"),
    ("batch", "parallel"),
    ("tolerate", "failure.tolerate"),
    ("on_failure", "failure.then"),
    ("expect", "expect.hosts"),
    ("every", "health.every"),
    ("healthy_for", "health.healthy_for"),
    ("unhealthy_for", "health.unhealthy_for"),
    ("deadline", "health.deadline"),
    ("hook_timeout", "hooks.timeout"),
];

/// Keys as they may be written in full; `floor.LABEL` is one of them too.
const KEYS: &[&str] = &[
    "select",
    "expect.hosts",
    "floor.fleet",
    "floor.per",
    "parallel",
    "failure.tolerate",
    "failure.then",
    "stragglers",
    "stragglers.after",
    "stragglers.at_most",
    "health",
    "health.http",
    "health.tcp",
    "health.unit",
    "health.every",
    "health.timeout",
    "health.healthy_for",
    "health.unhealthy_for",
    "health.deadline",
    "hooks.timeout",
    "leave",
    "first_install",
];

/// What a recording cannot tell, by the beginning of its key: hosts judge it, and only what came of it was recorded.
const NOT_TOLD: &[(&str, &str)] = &[
    ("health.every", "how often hosts ask"),
    ("health.timeout", "how long hosts wait for an answer"),
    ("health.deadline", "when hosts call flapping down"),
    ("health.http", "what hosts ask"),
    ("health.tcp", "what hosts ask"),
    ("health.unit", "what hosts ask"),
    ("hooks.timeout", "how long hooks would have been left running"),
    ("first_install", "what hosts do with empty slots"),
];

/// Why it is no policy, or none of this fleet's.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not a setting.
    #[error("--what-if {text:?}: write KEY=VALUE, as floor=80% or batch=2 (none takes a key away); known keys: {known}, floor.LABEL")]
    Setting {
        /// As it was typed.
        text: String,
        /// What could stand there.
        known: String,
    },
    /// About a check that the fleet does not have.
    #[error("--what-if {policy}: {fleet} has no health check, so there is no {key}")]
    NoCheck {
        /// As it was typed.
        policy: String,
        /// Whose.
        fleet: FleetName,
        /// Which key.
        key: String,
    },
    /// The fleet file would not be one.
    #[error("--what-if {policy}: {source}")]
    Fleet {
        /// As it was typed.
        policy: String,
        /// What is wrong with it.
        source: FleetFileError,
    },
}

/// What is to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy(Vec<(String, String)>);

impl Policy {
    /// Reads `floor=80%`, or several behind commas.
    pub fn parse(texts: &[String]) -> Result<Policy, PolicyError> {
        let mut settings: Vec<(String, String)> = Vec::new();
        for text in texts {
            let first = settings.len();
            for part in text.split(',') {
                match part.split_once('=').and_then(|(key, value)| Some((full(key.trim())?, value.trim().to_owned()))) {
                    Some(setting) => settings.push(setting),
                    // A comma inside a selector.
                    None if settings.len() > first => settings.last_mut().into_iter().for_each(|(_, value)| *value = format!("{value},{part}")),
                    None => {
                        let known: Vec<&str> = SHORT.iter().map(|(short, _)| *short).chain(KEYS.iter().copied()).collect();
                        return Err(PolicyError::Setting { text: text.clone(), known: known.join(" ") });
                    }
                }
            }
        }
        Ok(Policy(settings))
    }

    /// `floor=80%, batch=2`
    pub fn words(&self) -> String {
        let short = |key: &String| SHORT.iter().find(|(_, full)| full == key).map_or(key.as_str(), |(short, _)| short).to_owned();
        self.0.iter().map(|(key, value)| format!("{}={value}", short(key))).collect::<Vec<_>>().join(", ")
    }

    /// The declaration with this policy.
    pub fn of(&self, spec: &FleetSpec) -> Result<FleetSpec, PolicyError> {
        let times = |(key, _): &&(String, String)| key.starts_with("health.") && !["http", "tcp", "unit"].iter().any(|kind| key.ends_with(kind));
        let asked = spec.health.is_some() || self.0.iter().any(|(key, value)| key.starts_with("health") && (value.contains(':') || value == "none"));
        if let Some((key, _)) = self.0.iter().find(times).filter(|_| !asked) {
            return Err(PolicyError::NoCheck { policy: self.words(), fleet: spec.name.clone(), key: key.clone() });
        }
        let mut file = written(spec);
        for (key, value) in &self.0 {
            set(&mut file, key, value);
        }
        let bad = |source| PolicyError::Fleet { policy: self.words(), source };
        fleet_file::parse(&Value::Object(file).to_string()).map_err(bad)
    }

    /// What of it no recording can tell.
    pub fn not_told(&self) -> Vec<String> {
        let of = |(key, _): &(String, String)| {
            NOT_TOLD.iter().find(|(begin, _)| key.starts_with(begin)).map(|(_, what)| format!("{key}: {what} stands in no recording"))
        };
        self.0.iter().filter_map(of).collect()
    }
}

fn full(key: &str) -> Option<String> {
    let full = SHORT.iter().find(|(short, _)| *short == key).map_or(key, |(_, full)| full);
    match full.strip_prefix("floor.") {
        Some("fleet" | "per") | None => KEYS.contains(&full).then(|| full.to_owned()),
        Some(label) => Some(format!("floor.per.{}", label.strip_prefix("per.").unwrap_or(label))),
    }
}

fn set(file: &mut Map<String, Value>, key: &str, value: &str) {
    let (head, rest) = match key.split_once('.') {
        None => (key, None),
        Some((head, rest)) => (head, Some(rest)),
    };
    match rest {
        None if value == "none" => drop(file.remove(head)),
        None if head == "first_install" => drop(file.insert(head.to_owned(), value.parse().map_or_else(|_| json!(value), Value::Bool))),
        None => drop(file.insert(head.to_owned(), json!(value))),
        Some(rest) => {
            let inner = file.entry(head).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Some(inner) = inner.as_object_mut() {
                // One kind of question replaces the other.
                if head == "health" && ["http", "tcp", "unit"].contains(&rest) {
                    inner.retain(|key, _| !["http", "tcp", "unit"].contains(&key.as_str()));
                }
                set(inner, rest, value);
            }
        }
    }
}

/// A declaration as a fleet file has it.
fn written(spec: &FleetSpec) -> Map<String, Value> {
    let ms = |span: Millis| format!("{}ms", span.0);
    let then = match spec.on_failure {
        OnFailure::Rollback => "rollback",
        OnFailure::Stop => "stop",
        OnFailure::Pause => "pause",
    };
    let leave = match spec.leave {
        OnLeave::Keep => "keep",
    };
    let mut file = Map::new();
    let mut put = |key: &str, value: Value| drop(file.insert(key.to_owned(), value));
    put("fleet", json!(spec.name));
    put("app", json!(spec.app));
    put("select", json!(spec.select.to_string()));
    put("floor", json!({ "fleet": spec.floor, "per": spec.floor_per }));
    put("failure", json!({ "tolerate": spec.tolerate, "then": then }));
    put("hooks", json!({ "timeout": ms(spec.hook_timeout) }));
    put("leave", json!(leave));
    put("first_install", json!(spec.first_install));
    if let Some((low, high)) = spec.expect {
        put("expect", json!({ "hosts": format!("{low}..{high}") }));
    }
    if let Some(parallel) = spec.parallel {
        put("parallel", json!(parallel));
    }
    if let Some(stragglers) = &spec.stragglers {
        put("stragglers", json!({ "after": ms(stragglers.after), "at_most": stragglers.at_most }));
    }
    if let Some(HealthCheck { probe, every, timeout, healthy_for, unhealthy_for, deadline }) = &spec.health {
        let (kind, what) = match probe {
            Probe::Http { url } => ("http", url.as_str()),
            Probe::Tcp { address } => ("tcp", address.as_str()),
            Probe::Unit { unit } => ("unit", unit.as_str()),
            // Only an AppSpec or the host's own file may say it.
            Probe::Command { location } => ("command", location.as_str()),
        };
        let mut health = json!({
            "every": ms(*every), "timeout": ms(*timeout), "healthy_for": ms(*healthy_for), "unhealthy_for": ms(*unhealthy_for), "deadline": ms(*deadline),
        });
        health[kind] = json!(what);
        put("health", health);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilotage_shared::policy::Amount;

    fn spec() -> FleetSpec {
        let text = "fleet: web\napp: web\nselect: env=prod\nfloor: { fleet: 66%, per: { zone: 50% } }\nparallel: 2\nhealth: http://localhost/\n";
        fleet_file::parse(text).unwrap()
    }

    fn policy(texts: &[&str]) -> Result<Policy, PolicyError> {
        Policy::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn without_settings_a_declaration_stays_as_it_is() {
        assert_eq!(policy(&[]).unwrap().of(&spec()).unwrap(), spec());
    }

    #[test]
    fn every_key_of_the_fleet_file_can_be_otherwise() {
        let check = |text: &str, is: &dyn Fn(&FleetSpec) -> bool| {
            let new = policy(&[text]).unwrap().of(&spec()).unwrap();
            assert!(is(&new) && new != spec(), "{text}: {new:?}");
        };
        check("floor=80%", &|s| s.floor == Amount::Percent(80));
        check("floor.zone=1", &|s| s.floor_per.values().eq([&Amount::Count(1)]));
        check("floor.zone=none", &|s| s.floor_per.is_empty());
        check("batch=none", &|s| s.parallel.is_none());
        check("parallel=33%", &|s| s.parallel == Some(Amount::Percent(33)));
        check("tolerate=5%", &|s| s.tolerate == Amount::Percent(5));
        check("failure.then=pause", &|s| s.on_failure == OnFailure::Pause);
        check("stragglers.after=30m,stragglers.at_most=2%", &|s| s.stragglers.is_some_and(|s| s.after == Millis::seconds(1800)));
        check("healthy_for=10s", &|s| s.health.as_ref().is_some_and(|h| h.healthy_for == Millis::seconds(10)));
        check("health.tcp=localhost:80", &|s| s.health.as_ref().is_some_and(|h| matches!(h.probe, Probe::Tcp { .. })));
        check("health=none", &|s| s.health.is_none());
        check("hook_timeout=1m", &|s| s.hook_timeout == Millis::seconds(60));
        check("select=env=prod,zone in (a,b)", &|s| s.select.to_string() == "env=prod,zone in (a,b)");
        check("expect=5..9", &|s| s.expect == Some((5, 9)));
        check("first_install=true", &|s| s.first_install);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, part: &str| {
            let error = policy(&[text]).and_then(|p| p.of(&spec())).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("flor=80%", "known keys");
        check("floor", "KEY=VALUE");
        check("floor=many", "66%");
        check("failure.then=panic", "rollback, stop, pause");
        check("first_install=maybe", "true or false");
        let without = policy(&["health=none"]).unwrap().of(&spec()).unwrap();
        assert!(policy(&["healthy_for=10s"]).unwrap().of(&without).unwrap_err().to_string().contains("has no health check"));
    }
}
