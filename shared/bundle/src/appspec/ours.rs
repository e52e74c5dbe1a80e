//! `x-pilotage`: what CodeDeploy does not have, and ignores. An unknown key here is an error.

use std::time::Duration;

use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::run::Event;
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;

use super::fields::Fields;
use super::glob::{Glob, fixed};
use super::keys::{self, Table};
use super::parse::{absolute, fail, inside};
use super::{AppSpec, Drain, FileRule, Note, Ours, Retry, Service, Shared, health, permission, script};
use crate::yaml::{Node, Value};

/// Scripts that are only told: the application waits for them, out of service.
const TOLD: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// Scripts that look at the host: while the permission to begin lasts, which is not for long.
const LOOK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// Releases that a host may be asked to keep.
const RETAIN_MAX: usize = 100;
/// Where unit files of this host's own stand.
const UNITS: &str = "/etc/systemd/system";

/// Reads the section into the AppSpec.
pub fn read(node: &Node, spec: &mut AppSpec) -> Result<(), Note> {
    let what = keys::OURS_KEY;
    let fields = Fields::of(node, what)?;
    fields.strict(what, node.line, &keys::OURS)?;
    let mut ours = Ours::default();
    if let Some(node) = fields.some("hooks") {
        let what = "x-pilotage: hooks";
        let events = Fields::of(node, what)?;
        if let Some((name, field)) = events.all().find(|(name, _)| keys::HOOKS.names().contains(name)) {
            return fail(field.line, format!("{what}: {name} stands under `hooks`, where CodeDeploy has it"));
        }
        events.strict(what, node.line, &keys::OUR_HOOKS)?;
        for (name, event) in [("OnFailure", Event::OnFailure), ("OnRollback", Event::OnRollback)] {
            let scripts = scripts(&format!("{what}: {name}"), events.some(name), TOLD)?;
            ours.hooks.extend((!scripts.is_empty()).then_some((event, scripts)));
        }
    }
    let preflight = scripts("x-pilotage: preflight", fields.some("preflight"), LOOK)?;
    ours.hooks.extend((!preflight.is_empty()).then_some((Event::Preflight, preflight)));
    if let Some(node) = fields.some("service") {
        ours.service = Some(service(node, spec)?);
    }
    ours.drain = fields.some("drain").map(drain).transpose()?;
    ours.retry = fields.some("retry").map_or(Ok(Retry::default()), retry)?;
    ours.retain = fields.some("retain").map(|node| count("x-pilotage: retain", node, RETAIN_MAX)).transpose()?;
    for node in list("x-pilotage: shared", fields.some("shared"))? {
        ours.shared.push(shared(node, &ours.shared, spec)?);
    }
    for node in list("x-pilotage: files", fields.some("files"))? {
        spec.files.push(file(node)?);
    }
    spec.health = match (fields.some("health"), &ours.service) {
        (Some(node), _) => Some(health::read(node)?),
        // A unit that is active is what a service promises at least.
        (None, Some(service)) => Some(HealthCheck::of(Probe::Unit { unit: Text::lossy(&service.unit) })),
        (None, None) => None,
    };
    spec.ours = Some(ours);
    Ok(())
}

fn scripts(what: &str, node: Option<&Node>, (usual, longest): (Duration, Duration)) -> Result<Vec<super::Script>, Note> {
    list(what, node)?.iter().map(|node| script::read_ours(what, node, usual, longest)).collect()
}

fn list<'a>(what: &str, node: Option<&'a Node>) -> Result<&'a [Node], Note> {
    match node.map(|node| (&node.value, node)) {
        None => Ok(&[]),
        Some((Value::List(items), _)) => Ok(items),
        Some((Value::Scalar { .. } | Value::Map(_), node)) => fail(node.line, format!("{what} must be a list, not {}", node.kind())),
    }
}

/// A map with the keys of a table.
fn map<'a>(what: &str, node: &'a Node, table: &Table) -> Result<Fields<'a>, Note> {
    let fields = Fields::of(node, what)?;
    fields.strict(what, node.line, table)?;
    Ok(fields)
}

fn service(node: &Node, spec: &mut AppSpec) -> Result<Service, Note> {
    let what = "x-pilotage: service";
    let timeout = Millis::seconds(120);
    if let Some(name) = node.text() {
        return Ok(Service { unit: unit(what, node, name)?, timeout });
    }
    let fields = map(what, node, &keys::SERVICE)?;
    let unit = unit(what, node, fields.text("unit").unwrap_or_default())?;
    if let Some(file) = fields.some("file") {
        let text = file.text().unwrap_or_default();
        let Some(source) = inside(text).filter(|path| !path.is_empty()) else {
            return fail(file.line, format!("{what}: file {text:?} leads out of the bundle"));
        };
        if source.rsplit('/').next() != Some(unit.as_str()) {
            return fail(file.line, format!("{what}: the file {source:?} must have the unit's name, {unit}"));
        }
        spec.files.push(FileRule { source, destination: UNITS.into(), glob: None, line: file.line });
    }
    Ok(Service { unit, timeout: span(what, &fields, "timeout", timeout)? })
}

/// A unit's name as systemd has it; without a suffix it is a service.
fn unit(what: &str, node: &Node, name: &str) -> Result<String, Note> {
    let form = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if name.is_empty() || name.len() > 200 || name.starts_with(['-', '.']) || !name.chars().all(form) {
        return fail(node.line, format!("{what}: {name:?} is no name of a unit"));
    }
    let suffixed = [".service", ".socket", ".target", ".timer", ".path"].iter().any(|suffix| name.ends_with(suffix));
    Ok(if suffixed { name.to_owned() } else { format!("{name}.service") })
}

fn drain(node: &Node) -> Result<Drain, Note> {
    let what = "x-pilotage: drain";
    let fields = map(what, node, &keys::DRAIN)?;
    let until = match fields.some("until") {
        None => None,
        Some(node) => match inside(node.text().unwrap_or_default()) {
            Some(path) if !path.is_empty() => Some(path),
            Some(_) | None => return fail(node.line, format!("{what}: until must be a script of the package")),
        },
    };
    let wait = span(what, &fields, "wait", Millis(0))?;
    let at_most = span(what, &fields, "at_most", Millis::seconds(300).max(wait))?;
    if wait.0 == 0 && until.is_none() {
        return fail(node.line, format!("{what}: one of wait and until must be said"));
    }
    if at_most < wait {
        return fail(node.line, format!("{what}: at_most {at_most} is shorter than wait {wait}"));
    }
    Ok(Drain { wait, until, at_most })
}

fn retry(node: &Node) -> Result<Retry, Note> {
    let what = "x-pilotage: retry";
    let fields = map(what, node, &keys::RETRY)?;
    let usual = Retry::default();
    let times = fields.some("times").map_or(Ok(usual.times as usize), |node| count(&format!("{what}: times"), node, 1000))?;
    Ok(Retry {
        times: u32::try_from(times).unwrap_or(usual.times),
        wait: span(what, &fields, "wait", usual.wait)?,
        at_most: span(what, &fields, "at_most", usual.at_most)?,
    })
}

fn shared(node: &Node, before: &[Shared], spec: &mut AppSpec) -> Result<Shared, Note> {
    let what = "x-pilotage: shared";
    let fields = if node.text().is_some() { None } else { Some(map(what, node, &keys::SHARED)?) };
    let path = fields.as_ref().map_or(node.text(), |fields| fields.text("path")).unwrap_or_default();
    let Some(path) = inside(path).filter(|path| !path.is_empty()) else {
        return fail(node.line, format!("{what}: {path:?} is no folder in the package"));
    };
    let lies = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    if let Some(other) = before.iter().find(|other| lies(&path, &other.path) || lies(&other.path, &path)) {
        return fail(node.line, format!("{what}: {path:?} and {:?} lie in each other", other.path));
    }
    let text = |key: &str| fields.as_ref().and_then(|fields| fields.text(key)).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let mode = fields.as_ref().and_then(|fields| fields.some("mode"));
    Ok(Shared {
        owner: text("owner"),
        group: text("group"),
        mode: mode.map(|node| permission::mode(node, &mut spec.warnings)).transpose()?,
        path,
        line: node.line,
    })
}

fn file(node: &Node) -> Result<FileRule, Note> {
    let what = "x-pilotage: files";
    let fields = map(what, node, &keys::OUR_FILE)?;
    let source = fields.text("source").unwrap_or_default();
    let Some(pattern) = inside(source) else { return fail(node.line, format!("{what}: {source:?} leads out of the bundle")) };
    let destination = absolute(what, node, fields.text("destination").unwrap_or_default())?;
    let exclude = fields.some("exclude").map_or(Ok(Vec::new()), |node| permission::texts(node, "exclude", what))?;
    let source = fixed(&pattern);
    let pattern = if pattern.is_empty() { "**".to_owned() } else { pattern };
    Ok(FileRule { source, destination, glob: Some(Glob { pattern, exclude }), line: node.line })
}

fn span(what: &str, fields: &Fields, key: &str, usual: Millis) -> Result<Millis, Note> {
    match fields.some(key) {
        None => Ok(usual),
        Some(node) => node.text().unwrap_or_default().parse().map_err(|e| Note { line: node.line, text: format!("{what}: {key}: {e}") }),
    }
}

fn count(what: &str, node: &Node, most: usize) -> Result<usize, Note> {
    let text = node.text().unwrap_or_default();
    match text.parse::<usize>() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        Ok(_) | Err(_) => fail(node.line, format!("{what} must be a whole number from 1 to {most}, not {text:?}")),
    }
}
