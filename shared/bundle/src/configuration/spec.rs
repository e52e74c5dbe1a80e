//! `config.yml`: read strictly, every mistake with its line. Scalars are taken as they are written, so that `0440` is a mode,
//! and `yes` a value, whether quoted or not.

use std::collections::BTreeMap;

use pilotage_shared::configuration::{check_file, check_variable};
use pilotage_shared::name::SecretName;

use super::{ConfigurationError, ENVIRONMENT};
use crate::yaml::{self, Node, Value};

/// What is said of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its mode.
    pub mode: Option<u32>,
    /// Its owner.
    pub reader: Option<String>,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Who reads what says nothing else.
    pub reader: Option<String>,
    /// Variables and values.
    pub environment: BTreeMap<String, String>,
    /// Variables and names of secrets.
    pub secret_variables: BTreeMap<String, SecretName>,
    /// Paths and names of secrets.
    pub secret_files: BTreeMap<String, SecretName>,
    /// By path, with the line.
    pub access: BTreeMap<String, (usize, Said)>,
}

type Result<T> = std::result::Result<T, ConfigurationError>;

fn fail<T>(line: usize, why: impl Into<String>) -> Result<T> {
    Err(ConfigurationError::Spec { line, why: why.into() })
}

/// Reads it; an empty one says nothing.
pub fn parse(text: &str) -> Result<Spec> {
    let mut spec = Spec::default();
    let document = yaml::parse(text).map_err(|e| ConfigurationError::Spec { line: e.line, why: format!("it is not YAML: {}", e.why) })?;
    let Some(document) = document.filter(|node| !node.is_null()) else { return Ok(spec) };
    for (key, node) in map(&document, "config.yml")? {
        match key.as_str() {
            "reader" => spec.reader = Some(scalar(node, "reader")?),
            "environment" => {
                for (name, value) in map(node, "environment")? {
                    check_variable(&name).or_else(|why| fail(value.line, why))?;
                    let value = scalar(value, &name)?;
                    spec.environment.insert(name, value);
                }
            }
            "secrets" => {
                for (target, name) in map(node, "secrets")? {
                    let secret = SecretName::new(&scalar(name, &target)?).or_else(|e| fail(name.line, e.to_string()))?;
                    spec.secret(target, secret, name.line)?;
                }
            }
            "files" => {
                for (path, node) in map(node, "files")? {
                    let said = said(node, &path)?;
                    spec.access.insert(clean(&path).to_owned(), (node.line, said));
                }
            }
            other => return fail(node.line, format!("{other:?} is not known: reader, environment, secrets, files")),
        }
    }
    Ok(spec)
}

impl Spec {
    /// What has a `/` or a `.` is a path, everything else a variable.
    fn secret(&mut self, target: String, secret: SecretName, line: usize) -> Result<()> {
        if target.contains(['/', '.']) {
            let path = clean(&target);
            check_file(path).or_else(|why| fail(line, why))?;
            self.secret_files.insert(path.to_owned(), secret);
        } else {
            check_variable(&target).or_else(|why| fail(line, why))?;
            self.secret_variables.insert(target, secret);
        }
        Ok(())
    }
}

fn said(node: &Node, path: &str) -> Result<Said> {
    let mut said = Said::default();
    for (key, node) in map(node, path)? {
        match key.as_str() {
            "mode" => {
                let text = scalar(node, "mode")?;
                let octal = u32::from_str_radix(&text, 8).ok().filter(|_| (3..=4).contains(&text.len()));
                said.mode = Some(octal.map_or_else(|| fail(node.line, format!("mode: {text:?} is no mode, as 0440")), Ok)?);
            }
            "reader" => said.reader = Some(scalar(node, "reader")?),
            other => return fail(node.line, format!("{path}: {other:?} is not known: mode, reader")),
        }
    }
    if clean(path) != ENVIRONMENT {
        check_file(clean(path)).or_else(|why| fail(node.line, why))?;
    }
    Ok(said)
}

fn clean(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// Keys and values; nothing is an empty map, and no key stands twice.
fn map<'a>(node: &'a Node, of: &str) -> Result<Vec<(String, &'a Node)>> {
    let Value::Map(pairs) = &node.value else {
        return if node.is_null() { Ok(Vec::new()) } else { fail(node.line, format!("{of}: a map is expected, this is {}", node.kind())) };
    };
    let mut found: Vec<(String, &Node)> = Vec::new();
    for (key, value) in pairs {
        let Some(name) = key.text() else { return fail(key.line, format!("{of}: a key is {}", key.kind())) };
        if found.iter().any(|(known, _)| known == name) {
            return fail(key.line, format!("{of}: {name:?} stands twice"));
        }
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

/// A text as it is written; an empty one must be quoted, because nothing at all is probably a mistake.
fn scalar(node: &Node, of: &str) -> Result<String> {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => Ok(text.clone()),
        Value::Scalar { .. } => fail(node.line, format!("{of}: has no value; write \"\" for an empty one")),
        Value::List(_) | Value::Map(_) => fail(node.line, format!("{of}: a text is expected, this is {}", node.kind())),
    }
}
