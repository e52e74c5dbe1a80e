//! One entry of `permissions`.

use super::acl::canonical_acl;
use super::context::canonical_range;
use super::fields::Fields;
use super::keys;
use super::parse::fail;
use super::{Context, Note, Permission};
use crate::yaml::{Node, Value};

pub fn read(node: &Node, warnings: &mut Vec<Note>) -> Result<Permission, Note> {
    let fields = Fields::of(node, "an entry of permissions")?;
    fields.warn("permissions: ", &keys::PERMISSION, warnings);
    let object = fields.text("object").map(str::trim).filter(|t| !t.is_empty());
    let Some(object) = object else { return fail(node.line, "permissions: an entry has no `object`".into()) };
    let text = |key: &str| fields.text(key).map(|t| t.trim().to_owned());
    let name = |key: &str| match text(key) {
        Some(name) if name.is_empty() => fail(node.line, format!("permissions: {key} is empty")),
        name => Ok(name),
    };
    let (files, directories) = kinds(&fields)?;
    Ok(Permission {
        object: object.to_owned(),
        pattern: text("pattern").unwrap_or_else(|| "**".into()),
        except: fields.get("except").map_or(Ok(Vec::new()), |n| texts(n, "except", "permissions"))?,
        files,
        directories,
        owner: name("owner")?,
        group: name("group")?,
        mode: fields.some("mode").map(|n| mode(n, warnings)).transpose()?,
        acls: fields.some("acls").map(acls).transpose()?,
        context: fields.some("context").map(|n| context(n, warnings)).transpose()?,
        line: node.line,
    })
}

fn kinds(fields: &Fields) -> Result<(bool, bool), Note> {
    let Some(node) = fields.some("type") else { return Ok((true, true)) };
    let mut found = (false, false);
    for kind in texts(node, "type", "permissions")? {
        match kind.as_str() {
            "file" => found.0 = true,
            "directory" => found.1 = true,
            other => return fail(node.line, format!("permissions: type {other:?} must be file or directory")),
        }
    }
    Ok(found)
}

/// A list of texts; a bare text is a list of one.
pub fn texts(node: &Node, key: &str, what: &str) -> Result<Vec<String>, Note> {
    match &node.value {
        Value::Scalar { .. } if node.is_null() => Ok(Vec::new()),
        Value::Scalar { text, .. } => Ok(vec![text.clone()]),
        Value::List(items) => items
            .iter()
            .map(|n| n.text().map(str::to_owned).ok_or_else(|| Note { line: n.line, text: format!("{what}: {key} must be a list of texts") }))
            .collect(),
        Value::Map(_) => fail(node.line, format!("{what}: {key} must be a list of texts, not a map")),
    }
}

/// Octal text as it stands: unquoted `0644` is what its author meant (the peer reads 420 there).
pub fn mode(node: &Node, warnings: &mut Vec<Note>) -> Result<u32, Note> {
    let text = node.text().unwrap_or_default();
    if text.len() > 4 || !text.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        return fail(node.line, format!("permissions: mode {text:?} must be at most four digits 0 to 7"));
    }
    if matches!(&node.value, Value::Scalar { plain: true, .. }) && text.starts_with('0') && !text.trim_start_matches('0').is_empty() {
        warnings.push(Note { line: node.line, text: format!("mode: {text} without quotes: CodeDeploy reads another number; here it is {text}") });
    }
    // At most four octal digits; none are padded to 000, as the peer does (E10).
    Ok(text.bytes().fold(0, |mode, digit| mode * 8 + u32::from(digit - b'0')))
}

fn acls(node: &Node) -> Result<Vec<String>, Note> {
    let Value::List(items) = &node.value else { return fail(node.line, "permissions: acls must be a list".into()) };
    items
        .iter()
        .map(|n| canonical_acl(n.text().unwrap_or_default()).map_err(|text| Note { line: n.line, text: format!("permissions: {text}") }))
        .collect()
}

fn context(node: &Node, warnings: &mut Vec<Note>) -> Result<Context, Note> {
    let fields = Fields::of(node, "permissions: context")?;
    fields.warn("permissions: context: ", &keys::CONTEXT, warnings);
    let text = |key: &str| fields.text(key).map(str::to_owned);
    let Some(kind) = text("type") else { return fail(node.line, "permissions: context has no `type`".into()) };
    let wrong = |text| Note { line: node.line, text: format!("permissions: {text}") };
    let range = text("range").map(|t| canonical_range(&t)).transpose().map_err(wrong)?;
    Ok(Context { user: text("name").or_else(|| text("user")), kind, range })
}
