//! `docs/codedeploy.md`: its words stand there, its table is made here, from items, cases and gaps.

use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::cases::{self, Case};
use crate::gaps;
use crate::items::{ITEMS, Stand};
use crate::programs::workspace;

/// In the workspace.
pub const FILE: &str = "docs/codedeploy.md";
const BEGIN: &str = "<!-- made by `cargo run -p pilotage-local-tests --bin codedeploy-table` -->\n";
const END: &str = "<!-- end of the table -->\n";

fn table() -> String {
    let all = cases::all();
    let mut text = "| item | here | in which way | cases |\n|---|---|---|---|\n".to_owned();
    for (item, stand, says) in ITEMS {
        let own: Vec<&Case> = all.iter().filter(|case| case.item == *item).collect();
        let gaps: Vec<String> = own.iter().filter_map(|case| Some(format!("{} ({})", case.says, gaps::of(&case.name())?))).collect();
        let word = if gaps.is_empty() { stand.word().to_owned() } else { format!("**not yet**, meant: {}", stand.word()) };
        let missing = if gaps.is_empty() { String::new() } else { format!(" Missing: {}.", gaps.join("; ")) };
        let count = if own.is_empty() { String::new() } else { own.len().to_string() };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {item} | {word} | {says}{missing} | {count} |");
    }
    let count = |wanted: Stand| ITEMS.iter().filter(|(_, stand, _)| *stand == wanted).count();
    let (same, better, different) = (count(Stand::Same), count(Stand::Better), count(Stand::Different));
    let gaps = all.iter().filter(|case| gaps::of(&case.name()).is_some()).count();
    let _ = writeln!(
        text,
        "\n{same} items are the same, {better} better, {different} different on purpose; {} cases, {gaps} of them known gaps.",
        all.len()
    );
    text
}

fn with_table(text: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", table()))
}

/// Writes the table anew.
pub fn write() -> io::Result<()> {
    let path = workspace().join(FILE);
    let text = fs::read_to_string(&path)?;
    fs::write(&path, with_table(&text).ok_or(io::ErrorKind::InvalidData)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_what_the_tests_say() {
        let text = fs::read_to_string(workspace().join(FILE)).unwrap();
        assert!(with_table(&text).unwrap() == text, "the table is stale: cargo run -p pilotage-local-tests --bin codedeploy-table");
    }

    #[test]
    fn every_case_has_its_item_and_every_item_its_case() {
        let (known, asked): (BTreeSet<&str>, BTreeSet<&str>) =
            (ITEMS.iter().map(|(item, _, _)| *item).collect(), cases::all().iter().map(|c| c.item).collect());
        assert_eq!(known.len(), ITEMS.len(), "an item stands twice");
        assert!(asked.is_subset(&known), "{:?}", asked.difference(&known));
        let unasked: Vec<&str> =
            ITEMS.iter().filter(|(item, stand, _)| *stand != Stand::NotHere && !asked.contains(item)).map(|(item, _, _)| *item).collect();
        assert!(unasked.is_empty(), "{unasked:?}: an item without a case is a promise that nobody looks at");
    }
}
