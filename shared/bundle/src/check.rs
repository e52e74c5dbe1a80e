//! `pilotage package check`: would this be accepted, without a coordinator?

use std::path::Path;

use crate::appspec::Note;
use crate::build::{BuildError, Built};
use crate::objects::Objects;

/// What a package is, for people.
#[derive(Debug)]
pub struct Report {
    /// The package as it would be.
    pub built: Built,
    /// Scripts of all hooks.
    pub scripts: usize,
    /// What its author may want to know; also scripts that are not in the package.
    pub warnings: Vec<Note>,
}

/// Builds a package of a folder or an archive.
pub fn build(path: &Path, objects: &Objects, appspec: Option<&str>) -> Result<Built, BuildError> {
    if path.is_dir() { crate::folder::build(path, objects, appspec) } else { crate::archive::build(path, objects, appspec) }
}

/// Builds and looks closer.
pub fn check(path: &Path, objects: &Objects, appspec: Option<&str>) -> Result<Report, BuildError> {
    let built = build(path, objects, appspec)?;
    let mut warnings = built.appspec.warnings.clone();
    let scripts: Vec<_> = built.appspec.hooks.iter().flat_map(|(event, scripts)| scripts.iter().map(move |s| (event, s))).collect();
    for (event, script) in &scripts {
        if built.manifest.get(&script.location).is_none() {
            let hint = if script.location.contains([' ', ';', '&', '|']) { "; a location is a path, not a command line" } else { "" };
            let text = format!("hooks: {event}: {:?} is not in the package{hint}", script.location);
            warnings.push(Note { line: script.line, text });
        }
    }
    for rule in built.appspec.files.iter().filter(|r| !r.source.is_empty()) {
        if built.manifest.get(&rule.source).is_none() {
            warnings.push(Note { line: rule.line, text: format!("files: {:?} is not in the package", rule.source) });
        }
    }
    warnings.sort_by_key(|n| n.line);
    Ok(Report { scripts: scripts.len(), built, warnings })
}
