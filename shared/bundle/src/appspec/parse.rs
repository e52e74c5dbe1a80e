//! From text to a checked [`AppSpec`]: version, os, hooks, files, permissions, in this order; the first error wins.

use std::collections::BTreeMap;
use std::time::Duration;

use pilotage_shared::limits::APPSPEC_MAX;
use pilotage_shared::run::Event;

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
    for (key, value) in fields.unknown(TOP) {
        spec.warnings.push(Note { line: value.line, text: format!("{key:?} is not known and ignored{}", suggestion(key, TOP)) });
    }
    for (key, line) in fields.twice() {
        spec.warnings.push(Note { line, text: format!("{key:?} stands twice; the last one wins, the first is lost") });
    }
    version(&root, &fields)?;
    os(&root, &fields)?;
    hooks(&fields, &mut spec)?;
    files(&fields, &mut spec)?;
    for entry in list(&fields, "permissions")? {
        let permission = permission::read(entry, &mut spec.warnings)?;
        spec.permissions.push(permission);
    }
    spec.file_exists_behavior = match fields.get("file_exists_behavior").filter(|n| !n.is_null()) {
        None => None,
        Some(node) => match node.text().unwrap_or_default() {
            "DISALLOW" => Some(FileExists::Disallow),
            "OVERWRITE" => Some(FileExists::Overwrite),
            "RETAIN" => Some(FileExists::Retain),
            other => return fail(node.line, format!("file_exists_behavior: {other:?} must be DISALLOW, OVERWRITE or RETAIN, in capitals")),
        },
    };
    if let Some(ours) = fields.get("x-pilotage").filter(|n| !n.is_null()) {
        let fields = Fields::of(ours, "x-pilotage")?;
        if let Some((key, value)) = fields.unknown(OURS).next() {
            return fail(value.line, format!("x-pilotage: {key:?} is not known{}", suggestion(key, OURS)));
        }
        spec.health = fields.get("health").filter(|n| !n.is_null()).map(health::read).transpose()?;
    }
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
    let Some(node) = fields.get("hooks").filter(|n| !n.is_null()) else { return Ok(()) };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Ok(());
    }
    let events = Fields::of(node, "hooks")?;
    for (name, line) in events.twice() {
        spec.warnings.push(Note { line, text: format!("hooks: {name:?} stands twice; the last one wins, the scripts of the first are lost") });
    }
    for (name, node) in events.all() {
        if Event::named(name).is_none() {
            let names = Event::ALL.map(Event::as_str);
            let hint = suggestion(name, &names);
            spec.warnings.push(Note { line: node.line, text: format!("hooks: {name:?} is no lifecycle event, its scripts never run{hint}") });
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
    for (key, value) in fields.unknown(SCRIPT) {
        warnings.push(Note { line: value.line, text: format!("hooks: {event}: {key:?} is not known and ignored{}", suggestion(key, SCRIPT)) });
    }
    let location = fields.get("location").and_then(Node::text).map(str::trim).filter(|t| !t.is_empty());
    let Some(location) = location else { return fail(node.line, format!("hooks: {event}: a script has no `location`")) };
    let location = inside(location).ok_or_else(|| Note { line: node.line, text: format!("hooks: {event}: {location:?} leads out of the bundle") })?;
    let timeout = match fields.get("timeout").filter(|n| !n.is_null()) {
        None => TIMEOUT,
        Some(node) => seconds(event, node, warnings)?,
    };
    let runas = fields.get("runas").and_then(Node::text).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let sudo = fields.get("sudo").and_then(Node::text).is_some_and(|t| matches!(t, "true" | "yes" | "on" | "True" | "TRUE"));
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
        for (key, value) in entry.unknown(FILE) {
            spec.warnings.push(Note { line: value.line, text: format!("files: {key:?} is not known and ignored{}", suggestion(key, FILE)) });
        }
        let text = |key: &str| match entry.get(key).and_then(Node::text) {
            Some(text) => Ok(text.to_owned()),
            None => fail(node.line, format!("files: an entry has no `{key}`")),
        };
        let (source, destination) = (text("source")?, text("destination")?);
        let inner = inside(&source).ok_or_else(|| Note { line: node.line, text: format!("files: {source:?} leads out of the bundle") })?;
        if destination.starts_with('~') {
            return fail(node.line, format!("files: destination {destination:?}: `~` is not known here, write the whole path"));
        }
        let destination = inside(&destination).ok_or_else(|| Note { line: node.line, text: format!("files: destination {destination:?} has `..` in it") })?;
        spec.files.push(FileRule { source: inner, destination: format!("/{destination}"), line: node.line });
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

/// The path without leading `/`, `./` and empty names; none when it has `..`.
fn inside(path: &str) -> Option<String> {
    let names: Vec<&str> = path.split('/').filter(|n| !matches!(*n, "" | ".")).collect();
    if names.contains(&"..") { None } else { Some(names.join("/")) }
}

pub fn fail<T>(line: usize, text: String) -> Result<T, Note> {
    Err(Note { line, text })
}

/// A map's fields; the last of equal keys wins.
pub struct Fields<'a> {
    fields: BTreeMap<&'a str, &'a Node>,
    order: Vec<&'a str>,
    twice: Vec<(&'a str, usize)>,
}

impl<'a> Fields<'a> {
    pub fn of(node: &'a Node, what: &str) -> Result<Self, Note> {
        let Value::Map(pairs) = &node.value else {
            return fail(node.line, format!("{what} must be a map (`key: value`), not {}", node.kind()));
        };
        let mut found = Fields { fields: BTreeMap::new(), order: Vec::new(), twice: Vec::new() };
        for (key, value) in pairs {
            let Value::Scalar { text, .. } = &key.value else { return fail(key.line, format!("{what}: a key must be a text")) };
            if found.fields.insert(text, value).is_some() {
                found.twice.push((text, key.line));
            } else {
                found.order.push(text);
            }
        }
        Ok(found)
    }
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.fields.get(key).copied()
    }
    pub fn all(&self) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.order.iter().map(|key| (*key, self.fields[key]))
    }
    pub fn unknown(&self, known: &[&str]) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.all().filter(move |(key, _)| !known.contains(key))
    }
    pub fn twice(&self) -> impl Iterator<Item = (&'a str, usize)> {
        self.twice.iter().copied()
    }
}

/// ` (did you mean …?)` for the nearest known word, when one is near.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (distance(&word.to_lowercase().replace([' ', '-'], "_"), &k.to_lowercase()), k)).min();
    match near {
        Some((distance, known)) if distance <= 3 && distance < known.len() / 2 => format!(" (did you mean {known:?}?)"),
        _ => String::new(),
    }
}

/// Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
