//! All cases, by the sections of the reference.

use crate::world::World;

mod appspec;
mod bundles;
mod cleanup;
mod command;
mod conformance;
mod execution;
mod exists;
mod files;
mod hooks;
mod ours;
mod permissions;
mod wild;

/// One case.
pub struct Case {
    /// The item of the reference that it is about.
    pub item: &'static str,
    /// What it shows.
    pub says: String,
    /// Where it can run.
    pub needs: Needs,
    /// Does it; fails by panicking.
    pub run: Box<dyn Fn(&World) + Send + Sync>,
}

/// Where a case can run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anywhere.
    Nothing,
    /// As root.
    Root,
}

impl Case {
    /// What it is called by.
    pub fn name(&self) -> String {
        format!("{}: {}", self.item, self.says)
    }
}

/// `"B5" "what it shows" => |w| …;` or `"E9" Root "…" => |w| …;`
macro_rules! cases {
    ($($item:literal $($needs:ident)? $says:literal => |$w:ident| $body:expr;)*) => {
        pub fn all() -> Vec<crate::cases::Case> {
            vec![$(crate::cases::Case {
                item: $item,
                says: $says.to_owned(),
                needs: crate::cases::cases!(@needs $($needs)?),
                run: Box::new(|$w: &crate::world::World| { $body; }),
            }),*]
        }
    };
    (@needs) => { crate::cases::Needs::Nothing };
    (@needs $needs:ident) => { crate::cases::Needs::$needs };
}
use cases;

/// In the order of the reference.
pub fn all() -> Vec<Case> {
    let sections = [
        appspec::all,
        files::all,
        exists::all,
        cleanup::all,
        permissions::all,
        hooks::all,
        execution::all,
        bundles::all,
        command::all,
        ours::all,
        wild::all,
    ];
    sections.iter().flat_map(|section| section()).chain(conformance::all()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut seen = BTreeSet::new();
        for case in super::all() {
            assert!(seen.insert(case.name()), "{}", case.name());
        }
        assert!(seen.len() >= 150, "{}", seen.len());
    }
}
