//! What the seeds have met: each kind of change, wait, fault and request, counted. A kind that stays at zero was not tested.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by group and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, String), u64>,
    /// The smallest distance between what served and the floor, over all moments at which a host was taken; negative only
    /// where hosts died by themselves.
    pub margin: Option<i64>,
}

impl Coverage {
    /// One more of this kind.
    pub fn count(&mut self, group: &'static str, kind: impl Into<String>) {
        *self.counts.entry((group, kind.into())).or_default() += 1;
    }

    /// How many there were.
    pub fn of(&self, group: &'static str, kind: &str) -> u64 {
        self.counts.get(&(group, kind.to_owned())).copied().unwrap_or(0)
    }

    /// A host was taken with so much to spare.
    pub fn margin(&mut self, margin: i64) {
        self.margin = Some(self.margin.map_or(margin, |m| m.min(margin)));
    }

    /// Adds another's.
    pub fn join(&mut self, other: &Coverage) {
        for (key, n) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += n;
        }
        if let Some(margin) = other.margin {
            self.margin(margin);
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = "";
        let mut line = String::new();
        for ((g, kind), n) in &self.counts {
            let item = format!("{kind} {n}");
            if *g != group || line.len() + item.len() > 110 {
                if !line.is_empty() {
                    writeln!(f, "{line}")?;
                }
                line = format!("{:<9}", if *g == group { "" } else { g });
                group = g;
            } else {
                line.push_str(" · ");
            }
            line.push_str(&item);
        }
        writeln!(f, "{line}")?;
        match self.margin {
            Some(margin) => writeln!(f, "margin   lowest above a floor when a host was taken: {margin}"),
            None => writeln!(f, "margin   no host was taken"),
        }
    }
}
