//! Wildcards of `x-pilotage: files`: `*` and `?` within a name, `**` for any folders. CodeDeploy has none: in `files` a star
//! is a letter (B3).

use serde::{Deserialize, Serialize};

/// What of the folder `source` is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glob {
    /// From the package's root, as `dist/**/*.js`.
    pub pattern: String,
    /// From the package's root; without a slash: names at every depth.
    pub exclude: Vec<String>,
}

impl Glob {
    /// Is this path of the package meant? A folder is meant with everything in it.
    pub fn takes(&self, path: &str) -> bool {
        let above = || path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
        let excluded = |pattern: &String| match pattern.contains('/') {
            true => above().any(|p| matches(pattern.trim_matches('/'), p)),
            false => path.split('/').any(|name| matches(pattern, name)),
        };
        above().any(|p| matches(&self.pattern, p)) && !self.exclude.iter().any(excluded)
    }
}

/// The folders before the first name with a wildcard: below them things keep their places.
pub fn fixed(pattern: &str) -> String {
    let names: Vec<&str> = pattern.split('/').collect();
    let wild = names.iter().position(|name| is_wild(name));
    match wild {
        Some(at) => names[..at].join("/"),
        None => pattern.to_owned(),
    }
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    // One row of the table of "the first i patterns match the first j names" after the other: no pattern costs more.
    let mut row: Vec<bool> = (0..=path.len()).map(|j| j == 0).collect();
    for part in pattern.into_iter().filter(|p| !p.is_empty()) {
        let mut next = vec![false; path.len() + 1];
        next[0] = row[0] && part == "**";
        for j in 1..=path.len() {
            next[j] = match part {
                "**" => row[j] || next[j - 1],
                name => row[j - 1] && one(name, path[j - 1]),
            };
        }
        row = next;
    }
    row[path.len()]
}

/// One name.
fn one(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut row: Vec<bool> = (0..=name.len()).map(|j| j == 0).collect();
    for c in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        next[0] = row[0] && c == '*';
        for j in 1..=name.len() {
            next[j] = match c {
                '*' => row[j] || next[j - 1],
                '?' => row[j - 1],
                c => row[j - 1] && name[j - 1] == c,
            };
        }
        row = next;
    }
    row[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_in_a_name_and_two_stars_cross_folders() {
        let check = |pattern: &str, exclude: &[&str], taken: &[&str], left: &[&str]| {
            let glob = Glob { pattern: pattern.into(), exclude: exclude.iter().map(|e| (*e).to_owned()).collect() };
            assert!(taken.iter().all(|path| glob.takes(path)), "{pattern} takes {taken:?}");
            assert!(!left.iter().any(|path| glob.takes(path)), "{pattern} leaves {left:?}");
        };
        check("dist/**/*.js", &[], &["dist/a.js", "dist/x/y/a.js"], &["dist/a.css", "a.js", "dist"]);
        check("dist/*.js", &[], &["dist/a.js"], &["dist/x/a.js"]);
        check("dist/*", &[], &["dist/a.js", "dist/x/y/z"], &["other"]);
        check("dist", &["*.map", "dist/tmp"], &["dist/a.js", "dist/x/tmp"], &["dist/x/a.map", "dist/tmp/a", "dist/tmp"]);
        check("v?/**", &["v1/**/b"], &["v1/a", "v2/b"], &["v1/x/b", "v10/a"]);
        check("**", &["node_modules"], &["a", "x/y"], &["x/node_modules/y"]);
    }

    #[test]
    fn what_is_fixed_is_where_things_keep_their_places() {
        assert_eq!(["dist/**/*.js", "dist", "*.txt", "a/b/c?/d"].map(fixed), ["dist", "dist", "", "a/b"]);
    }
}
