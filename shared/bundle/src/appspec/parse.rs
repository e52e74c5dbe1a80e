//! From text to a checked [`AppSpec`]: version, os, hooks, files, permissions, in this order; the first error wins.

use pilotage_shared::limits::APPSPEC_MAX;
use pilotage_shared::run::Event;

use super::fields::{Fields, suggestion};
use super::{AppSpec, FileExists, FileRule, Note, hint, keys, ours, permission, script};
use crate::yaml::{self, Node, Value};

/// Reads an AppSpec.
pub fn parse(bytes: &[u8]) -> Result<AppSpec, Note> {
    if bytes.len() as u64 > APPSPEC_MAX {
        return fail(1, format!("the AppSpec has {} bytes, at most {APPSPEC_MAX} are allowed", bytes.len()));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Note { line: 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count(), text: "the AppSpec is not UTF-8".into() })?;
    let root = yaml::parse(text).map_err(|e| Note { line: e.line, text: format!("this is not YAML: {}{}", e.why, hint::hint(text, e.line)) })?;
    let Some(root) = root.filter(|n| !n.is_null()) else {
        return fail(1, "the application specification file was empty".into());
    };
    let mut spec = AppSpec::default();
    let fields = Fields::of(&root, "the AppSpec")?;
    fields.warn("", &keys::TOP, &mut spec.warnings);
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
    if let Some(section) = fields.some(keys::OURS_KEY) {
        ours::read(section, &mut spec)?;
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
        if let Some(text) = never_runs(name) {
            spec.warnings.push(Note { line: field.line, text: format!("hooks: {name:?} {text}") });
        }
        let scripts = match &node.value {
            Value::Scalar { .. } if node.is_null() => continue,
            Value::List(items) => {
                let scripts = items.iter().map(|item| script::read(name, item, &mut spec.warnings)).collect::<Result<_, _>>();
                scripts.map_err(|note| misplaced(name, field.line).unwrap_or(note))?
            }
            Value::Scalar { .. } | Value::Map(_) => {
                return fail(node.line, format!("hooks: {name} must be a list of scripts (`- location: …`), not {}", node.kind()));
            }
        };
        spec.hooks.insert(name.to_owned(), scripts);
    }
    Ok(())
}

/// A section of the document that was indented into `hooks`.
fn misplaced(name: &str, line: usize) -> Option<Note> {
    let text = format!("hooks: `{name}` stands inside of hooks: move it, and what is below it, to the left margin");
    keys::TOP.names().contains(&name).then_some(Note { line, text })
}

/// Why the scripts of this event never run, if they do not (F5, h33).
fn never_runs(name: &str) -> Option<String> {
    let scripted = |event: &Event| Event::SCRIPTED.contains(event);
    let ours = keys::OUR_HOOKS.names();
    match Event::named(name) {
        Some(event) if scripted(&event) => None,
        Some(_) if ours.contains(&name) => Some(format!("is not CodeDeploy's, its scripts never run; write it under {}: hooks:", keys::OURS_KEY)),
        Some(_) => Some("is the agent's own event, its scripts never run".to_owned()),
        None => Some(format!("is no lifecycle event, its scripts never run{}", suggestion(name, &[keys::HOOKS.names(), ours].concat()))),
    }
}

fn files(fields: &Fields, spec: &mut AppSpec) -> Result<(), Note> {
    for node in list(fields, "files")? {
        let entry = Fields::of(node, "an entry of files")?;
        entry.warn("files: ", &keys::FILE, &mut spec.warnings);
        let known = keys::FILE.names();
        let text = |key: &str| match entry.text(key) {
            Some(text) => Ok(text.to_owned()),
            None => {
                let mut unknown = entry.unknown(&known).map(|(other, _)| other);
                let meant = unknown.find(|other| !suggestion(other, &[key]).is_empty()).map(|other| format!(", but {other:?}")).unwrap_or_default();
                fail(node.line, format!("files: an entry has no `{key}`{meant}"))
            }
        };
        let (source, destination) = (text("source")?, text("destination")?);
        let inner = inside(&source).ok_or_else(|| Note { line: node.line, text: format!("files: {source:?} leads out of the bundle") })?;
        let absolute = absolute("files", node, &destination)?;
        if destination.split('/').any(|name| name == "..") {
            spec.warnings.push(Note { line: node.line, text: format!("files: destination {destination:?} is read as {absolute:?}") });
        }
        spec.files.push(FileRule { source: inner, destination: absolute, glob: None, line: node.line });
    }
    Ok(())
}

/// A destination: relative ones count from `/` (B8).
pub fn absolute(what: &str, node: &Node, destination: &str) -> Result<String, Note> {
    if destination.starts_with('~') {
        return fail(node.line, format!("{what}: destination {destination:?}: `~` is not known here, write the whole path"));
    }
    Ok(format!("/{}", names(destination, true).unwrap_or_default().join("/")))
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
pub fn inside(path: &str) -> Option<String> {
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
