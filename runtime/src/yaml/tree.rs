//! The tree of a YAML document, with places.

use std::ops::Range;
use std::sync::Arc;

/// Where a key or value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Bytes of the file's text.
    Text(Range<usize>),
    /// An argument of the command line (`--set`), as it was written.
    Argument(Arc<str>),
}

impl Origin {
    /// The place where it begins, for what is too long to be marked whole.
    #[must_use]
    pub fn start(&self) -> Self {
        match self {
            Self::Text(range) => Self::Text(range.start..range.start),
            Self::Argument(_) => self.clone(),
        }
    }
}

/// A mapping's key. Keys that look like numbers are their text.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub node: Node,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub origin: Origin,
    /// What it is.
    pub value: Value,
}

/// What YAML's core schema can say.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing after the colon, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// Any other scalar, or one in quotes.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in the order of the file; its keys are distinct.
    Mapping(Vec<Entry>),
}

impl Node {
    /// The entries of a mapping; none of anything else, which the schema check
    /// has complained about by then.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The entry under a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The elements of a sequence; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as the string that a flat Kafka Connect configuration holds.
    #[must_use]
    pub fn flat(&self) -> Option<String> {
        match &self.value {
            Value::Boolean(value) => Some(value.to_string()),
            Value::Integer(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::String(text) => Some(text.clone()),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The tree without its places.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Boolean(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            // JSON has no infinities: their text fails the type check instead.
            Value::Float(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| value.to_string().into(), serde_json::Value::Number),
            Value::String(text) => text.clone().into(),
            Value::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Value::Mapping(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.text.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }

    /// Calls `visit` with every scalar below this node and its dotted path.
    pub fn each_string<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Node, &'a str)) {
        match &self.value {
            Value::String(text) => visit(path, self, text),
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.each_string(&format!("{path}[{index}]"), visit);
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    entry.node.each_string(&join(path, &entry.key.text), visit);
                }
            }
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {}
        }
    }
}

/// A dotted path with one more key.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
