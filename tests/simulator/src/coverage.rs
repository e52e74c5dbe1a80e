//! What the seeds have met, counted: each kind of change, wait, request and end, each rule of the protocol where it bites,
//! each fault, and each fault in each phase of a host. What stays at zero was not tested.
//!
//! What must be met is derived from the enums themselves: a variant that is added is asked for from then on. What cannot be
//! met here is named in one place, with its reason ([`except`]).

pub mod except;
pub mod fault;
pub mod kinds;
mod matrix;
pub mod phase;
pub mod rule;
mod tally;

use std::collections::BTreeMap;
use std::fmt;

pub use fault::{Fault, Inborn, Strikes};
pub use phase::HostPhase;
pub use rule::Rule;
use tally::Tally;

/// So many seeds at least must have met everything.
pub const ENOUGH: u64 = 5000;

/// Declares an enum of our own with the list of its variants, so that the list cannot lack one.
macro_rules! listed {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident),* $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$inner])* $variant),* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => stringify!($variant)),* }
            }
        }
    };
}
pub(crate) use listed;

/// Counts by group and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: Tally,
    pairs: BTreeMap<(HostPhase, Fault), u64>,
    /// The smallest distance between what served and the floor, over all moments at which a host was taken; negative only
    /// where hosts died by themselves.
    pub margin: Option<i64>,
}

impl Coverage {
    /// One more of this kind.
    pub fn count(&mut self, group: &'static str, kind: &'static str) {
        self.counts.add((group, kind), 1);
    }

    /// So many more of this kind.
    pub fn count_many(&mut self, group: &'static str, kind: &'static str, n: u64) {
        self.counts.add((group, kind), n);
    }

    /// A rule has bitten.
    pub fn rule(&mut self, rule: Rule) {
        self.count("rule", rule.name());
    }

    /// A fault has struck.
    pub fn fault(&mut self, fault: Fault) {
        self.count("fault", fault.name());
    }

    /// A fault has struck a host in this phase.
    pub fn pair(&mut self, phase: HostPhase, fault: Fault) {
        *self.pairs.entry((phase, fault)).or_default() += 1;
    }

    /// How many there were.
    pub fn of(&self, group: &'static str, kind: &'static str) -> u64 {
        self.counts.all().get(&(group, kind)).copied().unwrap_or(0)
    }

    /// How often this fault has struck a host in this phase.
    pub fn struck(&self, phase: HostPhase, fault: Fault) -> u64 {
        self.pairs.get(&(phase, fault)).copied().unwrap_or(0)
    }

    /// A host was taken with so much to spare.
    pub fn margin(&mut self, margin: i64) {
        self.margin = Some(self.margin.map_or(margin, |m| m.min(margin)));
    }

    /// Adds another's.
    pub fn join(&mut self, other: &Coverage) {
        for (of, n) in other.counts.all() {
            self.counts.add(of, n);
        }
        for (key, n) in &other.pairs {
            *self.pairs.entry(*key).or_default() += n;
        }
        if let Some(margin) = other.margin {
            self.margin(margin);
        }
    }

    /// Every kind that was never met, though it can be.
    pub fn kinds_missed(&self) -> Vec<String> {
        let counts = self.counts.all();
        let named = |group: &'static str, kinds: &[&'static str]| {
            let missed = kinds.iter().filter(|kind| !counts.contains_key(&(group, **kind)) && except::kind(group, kind).is_none());
            missed.map(|kind| format!("{group} {kind}")).collect::<Vec<_>>()
        };
        let rules: Vec<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        let faults: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        let groups = [
            ("change", kinds::CHANGES),
            ("waiting", kinds::CAUSES),
            ("input", kinds::REQUESTS),
            ("outcome", kinds::OUTCOMES),
            ("run", kinds::RUN_OUTCOMES),
            ("rule", &rules),
            ("fault", &faults),
        ];
        groups.into_iter().flat_map(|(group, kinds)| named(group, kinds)).collect()
    }

    /// Every fault that has struck no host in some phase, though it can.
    pub fn pairs_missed(&self) -> Vec<String> {
        let all = HostPhase::ALL.iter().flat_map(|phase| Fault::ALL.iter().map(move |fault| (*phase, *fault)));
        let missed = all.filter(|(phase, fault)| self.struck(*phase, *fault) == 0 && except::pair(*phase, *fault).is_none());
        missed.map(|(phase, fault)| format!("{} while {}", fault.name(), phase.name())).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut group = "";
        let mut line = String::new();
        for ((g, kind), n) in &self.counts.all() {
            let item = format!("{kind} {n}");
            if *g != group || line.len() + item.len() > 140 {
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
        if !self.pairs.is_empty() {
            matrix::write(self, f)?;
        }
        match self.margin {
            Some(margin) => writeln!(f, "margin   lowest above a floor when a host was taken: {margin}"),
            None => writeln!(f, "margin   no host was taken"),
        }
    }
}
