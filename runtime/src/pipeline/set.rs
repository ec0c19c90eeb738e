//! `--set PATH=VALUE`: changes anything of a pipeline but secret references.

use std::str::FromStr;
use std::sync::Arc;

use crate::yaml::{Entry, Key, Node, Origin, Value, closest, listed, plain_scalar};

/// One `--set`, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    path: String,
    value: String,
}

/// Why a setting cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No `=` or nothing before it.
    #[error("`{0}` is no setting; write PATH=VALUE, such as `connectors.read.path=notes.txt`")]
    Form(String),
    /// The path leads nowhere.
    #[error("--set {path}: there is no `{missing}` in {place}; {known}")]
    NoSuchKey {
        /// The whole path.
        path: String,
        /// What was looked for.
        missing: String,
        /// Where.
        place: String,
        /// What exists there.
        known: String,
    },
    /// The path goes through a value.
    #[error("--set {path}: `{place}` holds a value and nothing below it")]
    NotAMapping {
        /// The whole path.
        path: String,
        /// The value's path.
        place: String,
    },
    /// The path ends at a block.
    #[error("--set {path}: it holds {what}, and a setting changes one value; {known}")]
    NotAValue {
        /// The whole path.
        path: String,
        /// What is there.
        what: &'static str,
        /// What exists below.
        known: String,
    },
    /// A reference would be overwritten or brought in.
    #[error(
        "--set {path}: {what} a reference to a secret; change the connection in the file instead"
    )]
    Secret {
        /// The whole path.
        path: String,
        /// `the value there is` or `the new value is`.
        what: &'static str,
    },
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        match text.split_once('=') {
            Some((path, value)) if !path.is_empty() => {
                Ok(Self { path: path.to_owned(), value: value.to_owned() })
            }
            _ => Err(SettingError::Form(text.to_owned())),
        }
    }
}

/// Applies settings in order.
pub(super) fn apply(root: &mut Node, settings: &[Setting]) -> Result<(), SettingError> {
    settings.iter().try_for_each(|setting| set(root, setting))
}

fn set(root: &mut Node, setting: &Setting) -> Result<(), SettingError> {
    let path = || setting.path.clone();
    if is_reference(&setting.value) {
        return Err(SettingError::Secret { path: path(), what: "the new value is" });
    }
    let argument: Arc<str> = format!("{}={}", setting.path, setting.value).into();
    let origin = Origin::Argument(argument);
    let mut node = root;
    let mut rest = setting.path.as_str();
    let mut walked: Vec<String> = Vec::new();
    while !rest.is_empty() {
        let place = walked.join(".");
        let Value::Mapping(entries) = &mut node.value else {
            return Err(SettingError::NotAMapping { path: path(), place });
        };
        let found = longest_key(entries, rest);
        let at = match found {
            Some(at) => at,
            // Inside a named thing a new key is as good as one in the file,
            // and is checked like one.
            None if walked.len() >= 2 => {
                let key = Key { text: rest.to_owned(), origin: origin.clone() };
                let value = Node { origin: origin.clone(), value: Value::Null };
                entries.push(Entry { key, node: value });
                entries.len() - 1
            }
            None => return Err(no_such_key(setting, entries, rest, &place)),
        };
        let entry = &mut entries[at];
        rest = rest[entry.key.text.len()..].trim_start_matches('.');
        walked.push(entry.key.text.clone());
        node = &mut entry.node;
    }
    let what = match &node.value {
        Value::Mapping(entries) => Some(("a mapping", known(entries))),
        Value::Sequence(_) => Some(("a list", "change it in the file".to_owned())),
        Value::String(text) if is_reference(text) => {
            return Err(SettingError::Secret { path: path(), what: "the value there is" });
        }
        _ => None,
    };
    if let Some((what, known)) = what {
        return Err(SettingError::NotAValue { path: path(), what, known });
    }
    // A string stays one: a folder named 2024 is no number.
    node.value = match node.value {
        Value::String(_) => Value::String(setting.value.clone()),
        _ => plain_scalar(&setting.value),
    };
    node.origin = origin;
    Ok(())
}

/// Keys have dots in them: the longest one that the path begins with is meant.
fn longest_key(entries: &[Entry], rest: &str) -> Option<usize> {
    (0..entries.len())
        .filter(|at| {
            rest.strip_prefix(entries[*at].key.text.as_str())
                .is_some_and(|after| after.is_empty() || after.starts_with('.'))
        })
        .max_by_key(|at| entries[*at].key.text.len())
}

fn no_such_key(setting: &Setting, entries: &[Entry], rest: &str, place: &str) -> SettingError {
    let missing = rest.split('.').next().unwrap_or(rest);
    let names = || entries.iter().map(|entry| entry.key.text.as_str());
    let known = match closest(missing, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => known(entries),
    };
    let place = if place.is_empty() { "the file".to_owned() } else { format!("`{place}`") };
    SettingError::NoSuchKey {
        path: setting.path.clone(),
        missing: missing.to_owned(),
        place,
        known,
    }
}

fn known(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "it is empty".to_owned();
    }
    format!("it has {}", listed(entries.iter().map(|entry| entry.key.text.as_str())))
}

/// True for text with a reference to a secret in it.
pub(super) fn is_reference(text: &str) -> bool {
    ["${env:", "${file:", "${dir:", "${directory:"].iter().any(|start| text.contains(start))
}
