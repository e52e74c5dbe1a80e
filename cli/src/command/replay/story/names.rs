//! Names as they stand in a story: as they are, or others in their place.

use std::collections::BTreeMap;

use pilotage_coordinator_core::World;
use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::FleetSpec;
use pilotage_shared::name::{HostName, LabelKey, LabelValue};

/// What everything is called.
pub struct Names {
    anonymous: bool,
    fleet: String,
    app: String,
    hosts: BTreeMap<HostName, String>,
    values: BTreeMap<(LabelKey, LabelValue), String>,
    versions: BTreeMap<Digest, String>,
}

impl Names {
    /// Of a fleet.
    pub fn new(spec: &FleetSpec, anonymous: bool) -> Names {
        let own = |name: &str, other: &str| if anonymous { other.to_owned() } else { name.to_owned() };
        let (fleet, app) = (own(spec.name.as_str(), "web"), own(spec.app.as_str(), "web"));
        Names { anonymous, fleet, app, hosts: BTreeMap::new(), values: BTreeMap::new(), versions: BTreeMap::new() }
    }

    /// The fleet.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Its app.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Are they others?
    pub fn anonymous(&self) -> bool {
        self.anonymous
    }

    /// A host: `h1`, `h2`, … in the order in which they are met.
    pub fn host(&mut self, host: &HostName) -> String {
        let number = self.hosts.len() + 1;
        let name = if self.anonymous { format!("h{number}") } else { host.to_string() };
        self.hosts.entry(host.clone()).or_insert(name).clone()
    }

    /// A host that was met; `all` never: only hosts of the fleet have faults.
    pub fn known(&self, host: &HostName) -> String {
        self.hosts.get(host).cloned().unwrap_or_else(|| host.to_string())
    }

    /// A value of a label with a floor: `a`, `b`, … What has a space in it would be two words of a story.
    pub fn value(&mut self, key: &LabelKey, value: &LabelValue) -> String {
        let number = self.values.keys().filter(|(k, _)| k == key).count();
        let plain = !self.anonymous && is_word(value.as_str());
        let name = if plain { value.to_string() } else { format!("v{}", number + 1) };
        self.values.entry((key.clone(), value.clone())).or_insert(name).clone()
    }

    /// A version: `1.0.0`, `1.1.0`, …
    pub fn version(&mut self, world: &World, digest: &Digest) -> String {
        let number = self.versions.len();
        let own = world.packages.get(digest).map(|package| package.version.to_string()).filter(|version| !self.anonymous && is_word(version));
        self.versions.entry(*digest).or_insert_with(|| own.unwrap_or_else(|| format!("1.{number}.0"))).clone()
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_+".contains(c))
}
