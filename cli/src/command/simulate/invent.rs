//! Hosts that nobody has yet: as many as asked for, with labels that the fleet's selector matches, evenly shared out.

use std::collections::BTreeMap;

use pilotage_shared::digest::Digest;
use pilotage_shared::fleet::{FleetSpec, Labels};
use pilotage_shared::health::Standing;
use pilotage_shared::name::{HostName, LabelKey, LabelValue};
use pilotage_shared::release::Release;
use pilotage_shared::selector::Term;
use pilotage_simulator::forecast::{Member, Scenario};

use super::{plain, unknown_package};
use crate::failure::Failure;
use crate::render::words::{plural, thousands};

/// What is to be invented.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many.
    pub hosts: u32,
    /// Labels with so many values.
    pub spread: Vec<(LabelKey, u32)>,
    /// They run nothing yet.
    pub empty: bool,
}

/// `shard=40`
pub fn spread(text: &str) -> Result<(LabelKey, u32), String> {
    let (key, count) = text.split_once('=').ok_or_else(|| format!("{text:?}: write LABEL=N, as shard=40"))?;
    let count = count.parse::<u32>().ok().filter(|n| (1..=100_000).contains(n)).ok_or_else(|| format!("{count:?} is no number of values"))?;
    Ok((key.parse().map_err(|error: pilotage_shared::name::NameError| error.to_string())?, count))
}

/// a, b, c, …; numbers when there are more than letters.
fn value(n: u32, of: u32) -> LabelValue {
    let letter = u8::try_from(n).ok().filter(|_| of <= 26).map(|n| char::from(b'a' + n));
    LabelValue::lossy(&letter.map_or_else(|| (n + 1).to_string(), |letter| letter.to_string()))
}

impl Crowd {
    /// In words, for what was assumed.
    pub fn words(&self) -> String {
        let hosts = self.hosts as usize;
        let spread = self.spread.iter().map(|(key, n)| format!("{} of {key}", plural(*n as usize, "value", "values"))).collect::<Vec<_>>().join(", ");
        let state = if self.empty { "that run nothing" } else { "that run another version" };
        format!("{} invented hosts {state}, {spread}", thousands(hosts as u64))
    }

    /// A scenario of them.
    pub fn scenario(&self, spec: FleetSpec) -> Result<Scenario, Failure> {
        let settled = (!self.empty).then(|| Release::of(Digest::of(b"what runs")));
        let standing = match (self.empty, spec.health.is_some()) {
            (false, _) => Standing::Available,
            (true, true) => Standing::Down,
            (true, false) => Standing::Unknown,
        };
        let width = self.hosts.to_string().len();
        // All names first, side by side in memory: every look-up compares them.
        let name = |n: u32| format!("h{n:0width$}").parse().map_err(|error: pilotage_shared::name::NameError| Failure::Usage(error.to_string()));
        let names: Vec<HostName> = (1..=self.hosts).map(name).collect::<Result<_, _>>()?;
        let mut members = Vec::with_capacity(names.len());
        for (n, name) in (0..).zip(names) {
            let labels = self.labels(&spec, n);
            if !spec.select.matches(&labels) {
                return Err(Failure::Usage(format!(
                    "no host can be invented that {:?} matches: forecast a live fleet instead",
                    spec.select.to_string()
                )));
            }
            members.push(Member { name, labels, running: settled, previous: None, staged: None, standing: Some(standing), barred: None });
        }
        Ok(Scenario { members, settled, newest: u32::from(settled.is_some()), ..plain(spec, unknown_package()) })
    }

    /// The selector's own values, then those that are shared out.
    fn labels(&self, spec: &FleetSpec, n: u32) -> Labels {
        let mut labels: Labels = BTreeMap::new();
        for term in spec.select.terms() {
            match term {
                Term::Is(key, value) => {
                    labels.insert(key.clone(), value.clone());
                }
                Term::In(key, values) => {
                    let at = n as usize % values.len().max(1);
                    labels.extend(values.iter().nth(at).map(|value| (key.clone(), value.clone())));
                }
                Term::IsNot(..) | Term::Has(_) => {}
            }
        }
        let mut turn = n;
        for (key, count) in &self.spread {
            labels.entry(key.clone()).or_insert_with(|| value(turn % count, *count));
            turn /= count;
        }
        for term in spec.select.terms() {
            if let Term::Has(key) = term {
                labels.entry(key.clone()).or_insert_with(|| LabelValue::lossy("x"));
            }
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(select: &str) -> FleetSpec {
        crate::fleet_file::parse(&format!("fleet: web\napp: web\nselect: {select}\nfloor: 50%\n")).unwrap()
    }

    fn labels(select: &str, spread: &[(&str, u32)], hosts: u32) -> Vec<String> {
        let spread = spread.iter().map(|(key, n)| (key.parse().unwrap(), *n)).collect();
        let members = Crowd { hosts, spread, empty: false }.scenario(spec(select)).unwrap().members;
        members.iter().map(|m| m.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn invented_hosts_have_the_selectors_labels_and_are_shared_out() {
        assert_eq!(labels("env=prod", &[("zone", 2)], 3), ["env=prod zone=a", "env=prod zone=b", "env=prod zone=a"]);
        assert_eq!(labels("zone=c, rack", &[("zone", 2)], 1), ["rack=x zone=c"], "the selector's own word wins");
        assert_eq!(labels("zone in (b,d)", &[("zone", 9)], 3), ["zone=b", "zone=d", "zone=b"]);
        assert_eq!(labels("zone", &[("shard", 30), ("zone", 2)], 31)[30], "shard=1 zone=b", "each zone has each shard");
        assert!(Crowd { hosts: 2, spread: vec![("zone".parse().unwrap(), 2)], empty: false }.scenario(spec("zone!=b")).is_err());
    }

    #[test]
    fn a_spread_is_read_strictly() {
        assert_eq!(spread("shard=40").unwrap(), ("shard".parse().unwrap(), 40));
        for bad in ["shard", "shard=0", "shard=x", "Shard=3"] {
            assert!(spread(bad).is_err(), "{bad}");
        }
    }
}
