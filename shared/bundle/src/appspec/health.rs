//! `x-pilotage: health:` — how the application says that it is well.

use pilotage_shared::health::{HealthCheck, Probe};
use pilotage_shared::text::Text;
use pilotage_shared::time::Millis;

use super::Note;
use super::fields::Fields;
use super::keys;
use crate::yaml::Node;

/// The health check that a package declares.
pub type HealthSpec = HealthCheck;

pub fn read(node: &Node) -> Result<HealthSpec, Note> {
    let fail = |line, text: String| Err(Note { line, text });
    if let Some(url) = node.text() {
        return Ok(HealthCheck::of(http(node, url)?));
    }
    let fields = Fields::of(node, "x-pilotage: health")?;
    fields.strict("x-pilotage: health", node.line, &keys::HEALTH)?;
    let texts = ["http", "tcp", "unit", "command"].map(|key| fields.get(key).and_then(|n| Some((n, n.text()?))));
    let probe = match texts {
        [Some((node, url)), None, None, None] => http(node, url)?,
        [None, Some((node, address)), None, None] => Probe::Tcp { address: short(node, address)? },
        [None, None, Some((node, unit)), None] => Probe::Unit { unit: short(node, unit)? },
        [None, None, None, Some((node, location))] => Probe::Command { location: short(node, location)? },
        _ => return fail(node.line, "x-pilotage: health: exactly one of http, tcp, unit, command must be said".into()),
    };
    let mut check = HealthCheck::of(probe);
    for (key, span) in [
        ("every", &mut check.every),
        ("timeout", &mut check.timeout),
        ("healthy_for", &mut check.healthy_for),
        ("unhealthy_for", &mut check.unhealthy_for),
        ("deadline", &mut check.deadline),
    ] {
        if let Some(node) = fields.get(key) {
            let parsed = node.text().unwrap_or_default().parse::<Millis>();
            *span = parsed.map_err(|e| Note { line: node.line, text: format!("x-pilotage: health: {key}: {e}") })?;
        }
    }
    if check.every.0 == 0 || check.timeout.0 == 0 || check.deadline <= check.healthy_for {
        return fail(node.line, "x-pilotage: health: every and timeout must not be 0, deadline must be longer than healthy_for".into());
    }
    Ok(check)
}

fn http(node: &Node, url: &str) -> Result<Probe, Note> {
    if !url.starts_with("http://") {
        return Err(Note { line: node.line, text: format!("x-pilotage: health: {url:?} must begin with http://") });
    }
    Ok(Probe::Http { url: short(node, url)? })
}

fn short<const N: usize>(node: &Node, text: &str) -> Result<Text<N>, Note> {
    Text::new(text).map_err(|e| Note { line: node.line, text: format!("x-pilotage: health: {e}") })
}
