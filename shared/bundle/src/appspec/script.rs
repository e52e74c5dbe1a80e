//! One script of a hook, CodeDeploy's or our own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::{Field, Fields};
use super::keys::{self, OURS_KEY};
use super::parse::{fail, inside};
use super::{Note, Script};
use crate::yaml::{Node, Value};

/// A hook's time where the AppSpec says nothing.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// What hooks are told of the deployment: no script's own `env` stands above it.
const CONTRACT: [&str; 5] = ["APPLICATION_NAME", "DEPLOYMENT_GROUP_ID", "DEPLOYMENT_GROUP_NAME", "DEPLOYMENT_ID", "LIFECYCLE_EVENT"];

/// A script of `hooks`.
pub fn read(event: &str, node: &Node, warnings: &mut Vec<Note>) -> Result<Script, Note> {
    let what = format!("hooks: {event}");
    if let Some(text) = node.text() {
        return fail(node.line, format!("{what}: write `- location: {text}`; a bare text is no script"));
    }
    let fields = Fields::of(node, &format!("hooks: a script of {event}"))?;
    fields.warn(&format!("{what}: "), &keys::SCRIPT, warnings);
    let script = plain(&what, node, &fields, TIMEOUT, warnings)?;
    let Some(ours) = fields.some(OURS_KEY) else { return Ok(script) };
    let what = format!("{what}: {OURS_KEY}");
    let more = Fields::of(ours, &what)?;
    more.strict(&what, ours.line, &keys::MORE)?;
    with_more(&what, &more, script)
}

/// A script of our own events; `longest` is its time when nothing is said, and the most that may be said.
pub fn read_ours(what: &str, node: &Node, usual: Duration, longest: Duration) -> Result<Script, Note> {
    if let Some(text) = node.text() {
        return fail(node.line, format!("{what}: write `- location: {text}`; a bare text is no script"));
    }
    let fields = Fields::of(node, &format!("{what}: a script"))?;
    fields.strict(what, node.line, &keys::OUR_SCRIPT)?;
    let mut warnings = Vec::new();
    let script = plain(what, node, &fields, usual, &mut warnings)?;
    if script.timeout > longest {
        return fail(node.line, format!("{what}: timeout {} is over {} seconds: the run waits for it", script.timeout.as_secs(), longest.as_secs()));
    }
    match warnings.into_iter().next() {
        Some(odd) => Err(odd),
        None => with_more(what, &fields, script),
    }
}

fn plain(what: &str, node: &Node, fields: &Fields, usual: Duration, warnings: &mut Vec<Note>) -> Result<Script, Note> {
    let location = fields.text("location").map(str::trim).filter(|t| !t.is_empty());
    let Some(location) = location else { return fail(node.line, format!("{what}: a script has no `location`")) };
    let location = match inside(location) {
        Some(path) if !path.is_empty() => path,
        Some(_) => return fail(node.line, format!("{what}: location {location:?} is the bundle itself, not a script in it")),
        None => return fail(node.line, format!("{what}: {location:?} leads out of the bundle")),
    };
    let timeout = match fields.some("timeout") {
        None => usual,
        Some(node) => seconds(what, node, warnings)?,
    };
    let runas = fields.text("runas").map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let sudo = fields.text("sudo").is_some_and(|t| matches!(t, "true" | "yes" | "on" | "True" | "TRUE"));
    Ok(Script { location, timeout, runas, sudo, args: Vec::new(), env: BTreeMap::new(), line: node.line })
}

/// As Ruby's `to_i`: the digits at the beginning count.
fn seconds(what: &str, node: &Node, warnings: &mut Vec<Note>) -> Result<Duration, Note> {
    let text = node.text().unwrap_or_default().trim();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let Some(seconds) = digits.parse::<u64>().ok().filter(|n| *n > 0) else {
        return fail(node.line, format!("{what}: timeout {text:?} must be a number of seconds above 0"));
    };
    if digits != text {
        warnings.push(Note { line: node.line, text: format!("{what}: timeout {text:?} is read as {seconds} seconds") });
    }
    if seconds > 3600 {
        warnings.push(Note { line: node.line, text: format!("{what}: timeout {seconds} is over the documented 3600 seconds") });
    }
    Ok(Duration::from_secs(seconds))
}

fn with_more(what: &str, fields: &Fields, script: Script) -> Result<Script, Note> {
    let args = fields.some("args").map_or(Ok(Vec::new()), |node| args(what, node))?;
    let env = fields.some("env").map_or(Ok(BTreeMap::new()), |node| env(what, node))?;
    Ok(Script { args, env, ..script })
}

fn args(what: &str, node: &Node) -> Result<Vec<String>, Note> {
    let Value::List(items) = &node.value else { return fail(node.line, format!("{what}: args must be a list of texts, not {}", node.kind())) };
    items.iter().map(|item| value(what, "args", item)).collect()
}

fn env(what: &str, node: &Node) -> Result<BTreeMap<String, String>, Note> {
    let fields = Fields::of(node, &format!("{what}: env"))?;
    let entry = |(name, Field { line, node }): (&str, Field)| {
        let form = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(form) || name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
            return fail(line, format!("{what}: env: {name:?} is no name of a variable"));
        }
        if CONTRACT.contains(&name) {
            return fail(line, format!("{what}: env: {name} is what the deployment says"));
        }
        Ok((name.to_owned(), value(what, "env", node)?))
    };
    fields.all().map(entry).collect()
}

/// A text; an empty one is one too when it is quoted.
fn value(what: &str, key: &str, node: &Node) -> Result<String, Note> {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() && !text.contains('\0') => Ok(text.clone()),
        Value::Scalar { .. } => fail(node.line, format!("{what}: {key} holds nothing here; write \"\" for an empty text")),
        Value::List(_) | Value::Map(_) => fail(node.line, format!("{what}: {key} must hold texts, not {}", node.kind())),
    }
}
