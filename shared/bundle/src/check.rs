//! `pilotage package check`: would this be accepted, without a coordinator?

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use pilotage_shared::limits::APPSPEC_MAX;
use pilotage_shared::manifest::Kind;

use crate::appspec::{self, AppSpec, FileRule, Note};
use crate::build::{BuildError, Built};
use crate::objects::{ObjectError, Objects};

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
    let scripts: Vec<_> = built.appspec.all_scripts().collect();
    for (event, script) in &scripts {
        if let Some(why) = script_warning(&built, objects, &script.location)? {
            warnings.push(Note { line: script.line, text: format!("hooks: {event}: {:?} {why}", script.location) });
        }
    }
    for rule in &built.appspec.files {
        warnings.extend(rule_warning(&built, rule).map(|text| Note { line: rule.line, text: format!("files: {text}") }));
    }
    if let Some(ours) = &built.appspec.ours {
        let until = ours.drain.as_ref().and_then(|drain| drain.until.as_ref()).filter(|until| built.manifest.get(until).is_none());
        warnings.extend(until.map(|until| Note { line: 1, text: format!("x-pilotage: drain: until: {until:?} is not in the package") }));
    }
    warnings.sort_by_key(|n| n.line);
    Ok(Report { scripts: scripts.len(), built, warnings })
}

/// Reads an AppSpec alone: its text is judged, what it names is not looked for.
pub fn check_text(path: &Path) -> Result<AppSpec, BuildError> {
    let read = |source| BuildError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(APPSPEC_MAX + 1).read_to_end(&mut text)).map_err(read)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    appspec::parse(&text).map_err(|note| BuildError::AppSpec { file, note })
}

/// Why this entry of `files` would install nothing, if we can see it. A hook may still put it there (B15).
fn rule_warning(built: &Built, rule: &FileRule) -> Option<String> {
    match &rule.glob {
        None if rule.source.is_empty() || built.manifest.get(&rule.source).is_some() => None,
        None => Some(format!("{:?} is not in the package{}", rule.source, literal_hint(&rule.source))),
        Some(glob) => {
            let any = built.manifest.entries.iter().any(|entry| entry.kind != Kind::Directory && glob.takes(&entry.path));
            (!any).then(|| format!("nothing in the package is meant by {:?}", glob.pattern))
        }
    }
}

fn literal_hint(source: &str) -> &'static str {
    if source.contains('*') { "; a star is a letter here, wildcards stand under x-pilotage: files" } else { "" }
}

/// Why this script would not run, if we can see it.
fn script_warning(built: &Built, objects: &Objects, location: &str) -> Result<Option<String>, BuildError> {
    let digest = match built.manifest.get(location).map(|entry| &entry.kind) {
        Some(Kind::File { digest }) => digest,
        Some(Kind::Directory) => return Ok(Some("is a folder, not a script".into())),
        // Where it leads is seen when it is run.
        Some(Kind::Link { .. }) => return Ok(None),
        None => return Ok(Some(format!("is not in the package{}", missing_hint(built, location)))),
    };
    let mut first = Vec::new();
    objects.read(digest)?.take(FIRST_LINE).read_to_end(&mut first).map_err(|e| BuildError::Object(ObjectError::Source(e)))?;
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
    let crlf = line.starts_with(b"#!") && line.ends_with(b"\r");
    Ok(crlf.then(|| "has Windows line ends: its interpreter will not be found".to_owned()))
}

/// Bytes in which the first line of a script ends, as the kernel sees it.
const FIRST_LINE: u64 = 256;

fn missing_hint(built: &Built, location: &str) -> String {
    if location.contains([' ', ';', '&', '|', '>']) {
        return "; a location is a path, not a command line (arguments stand in x-pilotage: args)".into();
    }
    let path = format!("/{location}");
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    match built.appspec.files.iter().find(|rule| below(&rule.destination)) {
        Some(rule) => format!("; a location is a path in the package, not where {:?} installs it", rule.destination),
        None => String::new(),
    }
}
