//! A YAML document as a tree that remembers lines, duplicate keys, and whether a scalar was quoted. The serde way cannot: it
//! loses `0644` without quotes, and real AppSpecs depend on that.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle};

/// Nodes of one document, aliases expanded: more is an attack.
const NODES_MAX: usize = 100_000;
/// Bytes of all texts, aliases expanded; an AppSpec itself has at most 1 MiB.
const BYTES_MAX: usize = 4 << 20;
/// Collections within collections.
const DEPTH_MAX: usize = 32;

/// A node and where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// Counted from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// The three kinds of nodes.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text as it stands; `plain` when it was not quoted.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in order, duplicates kept.
    Map(Vec<(Node, Node)>),
}

/// Not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

impl Node {
    /// Null: absent, `~`, `null`, or empty and unquoted.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Its text, when it is a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The first document; none when the text has no node.
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), size: Size::default(), line: 1 };
    loop {
        match reader.event()? {
            None | Some(Event::StreamEnd | Event::DocumentEnd) => return Ok(None),
            Some(Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..)) => {}
            Some(event) => {
                let node = reader.node(event, 0)?;
                // What stands behind the first document is not ours to judge, but what ends it must be readable.
                while let Some(event) = reader.event()? {
                    if matches!(event, Event::DocumentEnd) {
                        break;
                    }
                }
                return Ok(Some(node));
            }
        }
    }
}

/// What nodes take in memory: an alias costs as much as what it stands for.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, (Node, Size)>,
    size: Size,
    line: usize,
}

impl<'a> Reader<'a> {
    fn event(&mut self) -> Result<Option<Event<'a>>, YamlError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.line = span.start.line().max(1);
                Ok(Some(event))
            }
            Some(Err(error)) => Err(YamlError { line: error.marker().line().max(1), why: error.info().to_owned() }),
        }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        loop {
            match self.event()? {
                Some(Event::Comment(..)) => {}
                Some(event) => return Ok(event),
                None => return Err(self.fail("the document ends too early")),
            }
        }
    }

    fn fail(&self, why: &str) -> YamlError {
        YamlError { line: self.line, why: why.to_owned() }
    }

    fn count(&mut self, more: Size) -> Result<(), YamlError> {
        self.size = Size { nodes: self.size.nodes + more.nodes, bytes: self.size.bytes + more.bytes };
        if self.size.nodes > NODES_MAX || self.size.bytes > BYTES_MAX { Err(self.fail("the document has too many parts")) } else { Ok(()) }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, YamlError> {
        if depth > DEPTH_MAX {
            return Err(self.fail("the document is nested too deeply"));
        }
        let (line, before) = (self.line, self.size);
        let bytes = if let Event::Scalar(text, ..) = &event { text.len() } else { 0 };
        self.count(Size { nodes: 1, bytes })?;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
                (anchor, Value::List(items))
            }
            Event::MappingStart(_, anchor, _) => {
                let mut pairs = Vec::new();
                loop {
                    match self.next()? {
                        Event::MappingEnd => break,
                        event => {
                            let key = self.node(event, depth + 1)?;
                            let event = self.next()?;
                            pairs.push((key, self.node(event, depth + 1)?));
                        }
                    }
                }
                (anchor, Value::Map(pairs))
            }
            Event::Alias(id) => {
                let Some(size) = self.anchors.get(&id).map(|(_, size)| *size) else { return Err(self.fail("an alias stands before its anchor")) };
                self.count(size)?;
                let (node, _) = &self.anchors[&id];
                return Ok(Node { line, value: node.value.clone() });
            }
            _ => return Err(self.fail("this is not expected here")),
        };
        let node = Node { line, value };
        if anchor > 0 {
            let size = Size { nodes: self.size.nodes - before.nodes, bytes: self.size.bytes - before.bytes };
            // What is kept for aliases is kept beside the tree.
            self.count(size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }
}
