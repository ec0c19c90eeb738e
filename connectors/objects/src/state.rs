//! How far each file was read, as checkpoints.
//!
//! Partition `{"path":"in/a.txt"}`, offset `{"position":1024,"etag":"..."}`: the
//! position behind the last row given out, in the file with that etag. For
//! local files the etag names the file itself (inode and time of birth).
//!
//! | what is found at the path | what is read |
//! | --- | --- |
//! | the same etag, at least as long | from the position on |
//! | the same etag, but shorter: it was truncated | from its start |
//! | another etag: it was replaced | from its start |
//! | a checkpoint without etag, as an operator may write one | from the position on |

use longshore_sdk::objects::Object;
use longshore_sdk::{Checkpoint, Fault};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Partition<'a> {
    #[serde(borrow)]
    path: std::borrow::Cow<'a, str>,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Bytes from the file's start.
    pub position: u64,
    /// Which file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// Where to start in what is found at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It was never read.
    New,
    /// From there on.
    Resume(u64),
    /// It is shorter than what was read of it.
    Truncated,
    /// Another file is in its place.
    Replaced,
}

impl Start {
    /// The position in bytes.
    pub fn position(self) -> u64 {
        match self {
            Self::Resume(position) => position,
            Self::New | Self::Truncated | Self::Replaced => 0,
        }
    }
}

/// The checkpoint partition of a path.
pub fn partition(path: &str) -> String {
    serde_json::to_string(&Partition { path: path.into() }).expect("a path is a JSON string")
}

/// The path of a checkpoint partition, `None` if it is not one of files.
pub fn path(partition: &str) -> Option<String> {
    serde_json::from_str::<Partition<'_>>(partition).ok().map(|p| p.path.into_owned())
}

impl Position {
    /// Reads a checkpoint's offset; none where the checkpoint has none.
    pub fn read(checkpoint: &Checkpoint) -> Result<Option<Self>, Fault> {
        let Some(offset) = &checkpoint.offset else { return Ok(None) };
        serde_json::from_str(offset).map(Some).map_err(|error| {
            let partition = &checkpoint.partition;
            let message = format!(
                "the offset `{offset}` of {partition} is not like \
                 {{\"position\":0}} ({error}); delete it or put it right"
            );
            Fault::config("checkpoint-unreadable", message)
        })
    }

    /// The checkpoint of `path` at this position.
    pub fn checkpoint(&self, path: &str) -> Checkpoint {
        let offset = serde_json::to_string(self).expect("a position is JSON");
        Checkpoint::at(partition(path), offset)
    }

    /// Where to start in `object`.
    pub fn start(before: Option<&Self>, object: &Object) -> Start {
        match before {
            None => Start::New,
            Some(before) if before.etag.as_ref().is_some_and(|etag| *etag != object.etag) => {
                Start::Replaced
            }
            Some(before) if before.position > object.size => Start::Truncated,
            Some(before) => Start::Resume(before.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(size: u64, etag: &str) -> Object {
        Object { path: "a".into(), size, etag: etag.into(), modified_ms: 0 }
    }

    fn at(position: u64, etag: Option<&str>) -> Position {
        Position { position, etag: etag.map(str::to_owned) }
    }

    #[test]
    fn checkpoints_are_what_they_are_documented_to_be() {
        let checkpoint = at(12, Some("e")).checkpoint("in/\"a\".txt");
        assert_eq!(checkpoint.partition, r#"{"path":"in/\"a\".txt"}"#);
        assert_eq!(checkpoint.offset.as_deref(), Some(r#"{"position":12,"etag":"e"}"#));
        assert_eq!(path(&checkpoint.partition).as_deref(), Some("in/\"a\".txt"));
        assert_eq!(Position::read(&checkpoint).unwrap(), Some(at(12, Some("e"))));
        assert_eq!(path("{}"), None);
    }

    #[test]
    fn the_rule_for_files_that_grew_shrank_or_were_replaced() {
        assert_eq!(Position::start(None, &object(9, "e")), Start::New);
        assert_eq!(Position::start(Some(&at(5, Some("e"))), &object(9, "e")), Start::Resume(5));
        assert_eq!(Position::start(Some(&at(9, Some("e"))), &object(9, "e")), Start::Resume(9));
        assert_eq!(Position::start(Some(&at(10, Some("e"))), &object(9, "e")), Start::Truncated);
        assert_eq!(Position::start(Some(&at(5, Some("f"))), &object(9, "e")), Start::Replaced);
        assert_eq!(Position::start(Some(&at(5, None)), &object(9, "e")), Start::Resume(5));
        assert_eq!(Start::Truncated.position(), 0);
    }

    #[test]
    fn an_offset_that_was_patched_wrongly_waits_for_the_operator() {
        for offset in ["", "7", "{}", r#"{"position":-1}"#, r#"{"position":1,"file":"x"}"#] {
            let checkpoint = Checkpoint::at(partition("a"), offset);
            let fault = Position::read(&checkpoint).unwrap_err();
            assert!(matches!(fault, Fault::Config(_)), "{offset}: {fault:?}");
        }
    }
}
