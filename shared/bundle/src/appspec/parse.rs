//! From text to a checked [`AppSpec`]: version, os, hooks, files, permissions, in this order; the first error wins.

use std::time::Duration;

use pilotage_shared::limits::APPSPEC_MAX;
use pilotage_shared::run::Event;

use super::fields::{Fields, suggestion};
use super::{AppSpec, FileExists, FileRule, Note, Script, health, permission};
use crate::yaml::{self, Node, Value};

const TOP: &[&str] = &["version", "os", "files", "permissions", "hooks", "file_exists_behavior", "x-pilotage"];
const FILE: &[&str] = &["source", "destination"];
const SCRIPT: &[&str] = &["location", "timeout", "runas", "sudo"];
const OURS: &[&str] = &["health"];
/// A hook's time where the AppSpec says nothing.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// Reads an AppSpec.
pub fn parse(bytes: &[u8]) -> Result<AppSpec, Note> {
    if bytes.len() as u64 > APPSPEC_MAX {
        return fail(1, format!("the AppSpec has {} bytes, at most {APPSPEC_MAX} are allowed", bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| Note {
        line: 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count(),
        text: "the AppSpec is not UTF-8".into(),
    })?;
    let root = yaml::parse(text).map_err(|e| Note { line: e.line, text: format!("this is not YAML: {}", e.why) })?;
    let Some(root) = root.filter(|n| !n.is_null()) else {
        return fail(1, "the application specification file was empty".into());
    };
    let mut spec = AppSpec::default();
    let fields = Fields::of(&root, "the AppSpec")?;
    fields.warn("", TOP, &mut spec.warnings);
    version(&root, &fields)?;
    os(&root, &fields)?;
    hooks(&fields, &mut spec)?;
    files(&fields, &mut spec)?;
    for entry in list(&fields, "permissions")? {
        let permission = permission::read(entry, &mut spec.warnings)?;
        spec.permissions.push(permission);
    }
    spec.file_exists_behavior = match fields.some("file_exists_behavior") {
        None => None,
        Some(node) => match node.text().unwrap_or_default() {
            "DISALLOW" => Some(FileExists::Disallow),
            "OVERWRITE" => Some(FileExists::Overwrite),
            "RETAIN" => Some(FileExists::Retain),
            other => return fail(node.line, format!("file_exists_behavior: {other:?} must be DISALLOW, OVERWRITE or RETAIN, in capitals")),
        },
    };
    if let Some(ours) = fields.some("x-pilotage") {
        let fields = Fields::of(ours, "x-pilotage")?;
        if let Some((key, field)) = fields.unknown(OURS).next() {
            return fail(field.line, format!("x-pilotage: {key:?} is not known{}", suggestion(key, OURS)));
        }
        spec.health = fields.some("health").map(health::read).transpose()?;
    }
    spec.warnings.sort_by_key(|note| note.line);
    Ok(spec)
}

/// `version` must be the number 0.0.
fn version(root: &Node, fields: &Fields) -> Result<(), Note> {
    let Some(node) = fields.get("version") else { return fail(root.line, "`version: 0.0` is missing".into()) };
    let text = node.text().unwrap_or_default();
    let number = matches!(&node.value, Value::Scalar { plain: true, .. }) && text.parse::<f64>().is_ok_and(|n| n == 0.0);
    if number { Ok(()) } else { fail(node.line, format!("version: {text:?} must be the number 0.0, without quotes")) }
}

fn os(root: &Node, fields: &Fields) -> Result<(), Note> {
    let Some(node) = fields.get("os") else { return fail(root.line, "`os: linux` is missing".into()) };
    match node.text().unwrap_or_default() {
        "linux" => Ok(()),
        other => fail(node.line, format!("os: {other:?} must be linux, in small letters")),
    }
}

fn hooks(fields: &Fields, spec: &mut AppSpec) -> Result<(), Note> {
    let Some(node) = fields.some("hooks") else { return Ok(()) };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Ok(());
    }
    let events = Fields::of(node, "hooks")?;
    events.warn_twice("hooks: ", " with its scripts", &mut spec.warnings);
    for (name, field) in events.all() {
        let node = field.node;
        if Event::named(name).is_none() {
            let names = Event::ALL.map(Event::as_str);
            let hint = suggestion(name, &names);
            spec.warnings.push(Note { line: field.line, text: format!("hooks: {name:?} is no lifecycle event, its scripts never run{hint}") });
        }
        let scripts = match &node.value {
            Value::Scalar { .. } if node.is_null() => continue,
            Value::List(items) => items.iter().map(|item| script(name, item, &mut spec.warnings)).collect::<Result<_, _>>()?,
            Value::Scalar { .. } | Value::Map(_) => {
                return fail(node.line, format!("hooks: {name} must be a list of scripts (`- location: …`), not {}", node.kind()));
            }
        };
        spec.hooks.insert(name.to_owned(), scripts);
    }
    Ok(())
}

fn script(event: &str, node: &Node, warnings: &mut Vec<Note>) -> Result<Script, Note> {
    if let Some(text) = node.text() {
        return fail(node.line, format!("hooks: {event}: write `- location: {text}`; a bare text is no script"));
    }
    let fields = Fields::of(node, &format!("hooks: a script of {event}"))?;
    fields.warn(&format!("hooks: {event}: "), SCRIPT, warnings);
    let location = fields.text("location").map(str::trim).filter(|t| !t.is_empty());
    let Some(location) = location else { return fail(node.line, format!("hooks: {event}: a script has no `location`")) };
    let location = match inside(location) {
        Some(path) if !path.is_empty() => path,
        Some(_) => return fail(node.line, format!("hooks: {event}: location {location:?} is the bundle itself, not a script in it")),
        None => return fail(node.line, format!("hooks: {event}: {location:?} leads out of the bundle")),
    };
    let timeout = match fields.some("timeout") {
        None => TIMEOUT,
        Some(node) => seconds(event, node, warnings)?,
    };
    let runas = fields.text("runas").map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let sudo = fields.text("sudo").is_some_and(|t| matches!(t, "true" | "yes" | "on" | "True" | "TRUE"));
    Ok(Script { location, timeout, runas, sudo, line: node.line })
}

/// As Ruby's `to_i`: the digits at the beginning count.
fn seconds(event: &str, node: &Node, warnings: &mut Vec<Note>) -> Result<Duration, Note> {
    let text = node.text().unwrap_or_default().trim();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let Some(seconds) = digits.parse::<u64>().ok().filter(|n| *n > 0) else {
        return fail(node.line, format!("hooks: {event}: timeout {text:?} must be a number of seconds above 0"));
    };
    if digits != text {
        warnings.push(Note { line: node.line, text: format!("hooks: {event}: timeout {text:?} is read as {seconds} seconds") });
    }
    if seconds > 3600 {
        warnings.push(Note { line: node.line, text: format!("hooks: {event}: timeout {seconds} is over the documented 3600 seconds") });
    }
    Ok(Duration::from_secs(seconds))
}

fn files(fields: &Fields, spec: &mut AppSpec) -> Result<(), Note> {
    for node in list(fields, "files")? {
        let entry = Fields::of(node, "an entry of files")?;
        entry.warn("files: ", FILE, &mut spec.warnings);
        let text = |key: &str| match entry.text(key) {
            Some(text) => Ok(text.to_owned()),
            None => fail(node.line, format!("files: an entry has no `{key}`")),
        };
        let (source, destination) = (text("source")?, text("destination")?);
        let inner = inside(&source).ok_or_else(|| Note { line: node.line, text: format!("files: {source:?} leads out of the bundle") })?;
        if destination.starts_with('~') {
            return fail(node.line, format!("files: destination {destination:?}: `~` is not known here, write the whole path"));
        }
        let absolute = format!("/{}", names(&destination, true).unwrap_or_default().join("/"));
        if destination.split('/').any(|name| name == "..") {
            spec.warnings.push(Note { line: node.line, text: format!("files: destination {destination:?} is read as {absolute:?}") });
        }
        spec.files.push(FileRule { source: inner, destination: absolute, line: node.line });
    }
    Ok(())
}

fn list<'a>(fields: &'a Fields, key: &str) -> Result<&'a [Node], Note> {
    match fields.get(key) {
        None => Ok(&[]),
        Some(node) if node.is_null() => Ok(&[]),
        Some(Node { value: Value::List(items), .. }) => Ok(items),
        Some(node) => fail(node.line, format!("{key} must be a list, not {}", node.kind())),
    }
}

/// The path below the bundle's root, without leading `/`, `.`, `..` and empty names; none when it leads out.
fn inside(path: &str) -> Option<String> {
    Some(names(path, false)?.join("/"))
}

/// The names that are left of a path when `.`, `..` and empty ones are taken away; a `..` too many is none, or stays at the root.
fn names(path: &str, stay: bool) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                if names.pop().is_none() && !stay {
                    return None;
                }
            }
            name => names.push(name),
        }
    }
    Some(names)
}

/// An error at a line.
pub fn fail<T>(line: usize, text: String) -> Result<T, Note> {
    Err(Note { line, text })
}
