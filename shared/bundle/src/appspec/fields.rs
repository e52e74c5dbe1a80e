//! A map of the document by its keys: duplicates, merge keys (`<<`), and what is not known in it.

use std::collections::BTreeMap;

use super::keys::Table;
use super::parse::fail;
use super::{Note, hint};
use crate::yaml::{Node, Value};

/// A map's fields; the last of equal keys wins.
pub struct Fields<'a> {
    fields: BTreeMap<&'a str, Field<'a>>,
    order: Vec<&'a str>,
    twice: Vec<(&'a str, usize)>,
}

/// A value and the line of its key: the value may begin lines below it.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Counted from 1.
    pub line: usize,
    /// What the key has.
    pub node: &'a Node,
}

impl<'a> Fields<'a> {
    /// The fields of a map; `what` it is, for the message when it is none.
    pub fn of(node: &'a Node, what: &str) -> Result<Self, Note> {
        let mut found = Fields { fields: BTreeMap::new(), order: Vec::new(), twice: Vec::new() };
        let mut merged = Vec::new();
        for (key, node) in pairs(node, what)? {
            let Value::Scalar { text, plain } = &key.value else { return fail(key.line, format!("{what}: a key must be a text")) };
            let field = Field { line: key.line, node };
            if *plain && text == "<<" {
                merged.push(node);
            } else if found.fields.insert(text, field).is_some() {
                found.twice.push((text, key.line));
            } else {
                found.order.push(text);
            }
        }
        for node in merged {
            found.merge(node, what)?;
        }
        Ok(found)
    }

    /// Takes what the map itself does not say from another one, or from several: the first that says it.
    fn merge(&mut self, node: &'a Node, what: &str) -> Result<(), Note> {
        let maps = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Scalar { .. } | Value::Map(_) => std::slice::from_ref(node),
        };
        for map in maps {
            let theirs = Fields::of(map, &format!("{what}: what `<<` merges"))?;
            for key in theirs.order {
                if !self.fields.contains_key(key) {
                    self.fields.insert(key, theirs.fields[key]);
                    self.order.push(key);
                }
            }
        }
        Ok(())
    }

    /// What that key has.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.fields.get(key).map(|field| field.node)
    }

    /// What that key has, when it is not null.
    pub fn some(&self, key: &str) -> Option<&'a Node> {
        self.get(key).filter(|node| !node.is_null())
    }

    /// The text that the key has, when it is one.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Node::text)
    }

    /// All, in the order of the document.
    pub fn all(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.order.iter().map(|key| (*key, self.fields[key]))
    }

    /// Those that are not among the known.
    pub fn unknown(&self, known: &[&str]) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.all().filter(move |(key, _)| !known.contains(key))
    }

    /// In what is ours no key may be unknown or stand twice; and what is needed must be there.
    pub fn strict(&self, what: &str, line: usize, table: &Table) -> Result<(), Note> {
        let known = table.names();
        if let Some((key, field)) = self.unknown(&known).next() {
            return fail(field.line, format!("{what}: {key:?} is not known{}", suggestion(key, &known)));
        }
        if let Some((key, line)) = self.twice.first() {
            return fail(*line, format!("{what}: {key:?} stands twice"));
        }
        match table.keys.iter().find(|key| key.required && self.some(key.name).is_none()) {
            Some(key) => fail(line, format!("{what}: `{}` is missing", key.name)),
            None => Ok(()),
        }
    }

    /// Warns of keys that are not known, and of those that stand twice.
    pub fn warn(&self, what: &str, table: &Table, warnings: &mut Vec<Note>) {
        let known = table.names();
        for (key, field) in self.unknown(&known) {
            let hint = table.elsewhere(key).map_or_else(|| suggestion(key, &known), |place| format!(" (write it as {place})"));
            warnings.push(Note { line: field.line, text: format!("{what}{key:?} is not known and ignored{hint}") });
        }
        self.warn_twice(what, "", warnings);
    }

    /// Warns of keys that stand twice, and says what is lost.
    pub fn warn_twice(&self, what: &str, lost: &str, warnings: &mut Vec<Note>) {
        for (key, line) in &self.twice {
            warnings.push(Note { line: *line, text: format!("{what}{key:?} stands twice; the last one wins, the first is lost{lost}") });
        }
    }
}

fn pairs<'a>(node: &'a Node, what: &str) -> Result<&'a [(Node, Node)], Note> {
    match &node.value {
        Value::Map(pairs) => Ok(pairs),
        Value::Scalar { .. } | Value::List(_) => {
            let meant = node.text().and_then(hint::no_blank).map(|meant| format!(" ({meant})")).unwrap_or_default();
            fail(node.line, format!("{what} must be a map (`key: value`), not {}{meant}", node.kind()))
        }
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
