//! What the bulk API says of each operation.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::settings::cut;
use crate::bind::{Action, Answer, Operation, Outcome};
use crate::classify::SearchError;

/// The answer to a bulk request, as far as [`FILTER`](super::FILTER) has it.
#[derive(Deserialize)]
struct Answered {
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    error: Option<Failed>,
}

#[derive(Deserialize)]
struct Failed {
    // Servers have null for what they do not know, in a moment of need.
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    caused_by: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    reason: Option<String>,
}

/// The answer to a request that is refused whole. Where it is a text and no name is told,
/// it was not the bulk API that answered.
#[derive(Deserialize)]
struct Refusal {
    error: Failed,
}

/// Reads what became of operations; `words` makes words fit to be told.
pub(super) fn read(
    bytes: &[u8],
    operations: &[&Operation],
    words: impl Fn(&str) -> String,
) -> Result<Vec<Answer>, SearchError> {
    let unreadable = |reason| SearchError::Unreadable { reason };
    let answered: Answered = serde_json::from_slice(bytes).map_err(|error| {
        unreadable(format!("its answer is none to a bulk request, in column {}", error.column()))
    })?;
    let items: Vec<_> = answered.items.into_iter().flat_map(BTreeMap::into_values).collect();
    if items.len() != operations.len() {
        let (said, asked) = (items.len(), operations.len());
        return Err(unreadable(format!("it answers {said} operations, asked for {asked}")));
    }
    let items = operations.iter().zip(items);
    Ok(items.map(|(operation, item)| outcome(operation, item, &words)).collect())
}

fn outcome(operation: &Operation, item: Item, words: impl Fn(&str) -> String) -> Answer {
    let Item { status, error } = item;
    let kind = error.as_ref().and_then(|it| it.kind.clone()).unwrap_or_default();
    let is_delete = operation.action == Action::Delete;
    match status {
        200..300 if error.is_none() => Ok(Outcome::Applied),
        404 if is_delete && matches!(&*kind, "" | "index_not_found_exception") => {
            Ok(Outcome::Absent)
        }
        409 if operation.version.is_some() => Ok(Outcome::Superseded),
        _ => Err(SearchError::Item {
            index: operation.index.clone(),
            id: cut(&operation.id, 100),
            status,
            kind: if kind.is_empty() { format!("http_{status}") } else { words(&kind) },
            reason: words(&error.map(said).unwrap_or_default()),
        }),
    }
}

fn said(error: Failed) -> String {
    let cause = error.caused_by.and_then(|cause| cause.reason);
    let reasons: Vec<_> = error.reason.into_iter().chain(cause).collect();
    reasons.join(": ")
}

/// Why a whole request is refused: the server's name for it, and its reason, or whatever
/// it says.
pub(super) fn reason(bytes: &[u8]) -> (String, String) {
    match serde_json::from_slice::<Refusal>(bytes) {
        Ok(Refusal { error }) => {
            let kind = error.kind.clone().unwrap_or_default();
            (kind.clone(), format!("{kind}: {}", said(error)))
        }
        Err(_) => {
            let words = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
            (String::new(), words.into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Class;

    fn operation(action: Action, version: Option<i64>) -> Operation {
        let (index, id) = ("i".to_owned(), "1".to_owned());
        Operation { action, index, id, version, document: Vec::new() }
    }

    fn one(action: Action, version: Option<i64>, item: &str) -> Answer {
        let answer = format!(r#"{{"items":[{{"x":{item}}}]}}"#);
        let operation = operation(action, version);
        read(answer.as_bytes(), &[&operation], str::to_owned).unwrap().remove(0)
    }

    #[test]
    fn done_is_also_what_was_done_before_and_what_was_gone() {
        let conflict = r#"{"status":409,"error":{"type":"version_conflict_engine_exception"}}"#;
        let no_index = r#"{"status":404,"error":{"type":"index_not_found_exception"}}"#;
        assert_eq!(one(Action::Index, Some(1), r#"{"status":201}"#), Ok(Outcome::Applied));
        assert_eq!(one(Action::Index, Some(1), conflict), Ok(Outcome::Superseded));
        assert_eq!(one(Action::Delete, Some(1), conflict), Ok(Outcome::Superseded));
        assert_eq!(one(Action::Delete, None, r#"{"status":404}"#), Ok(Outcome::Absent));
        assert_eq!(one(Action::Delete, None, no_index), Ok(Outcome::Absent));
        let class = |action, item| one(action, None, item).unwrap_err().class();
        assert_eq!(class(Action::Upsert, conflict), Class::Retry);
        assert_eq!(class(Action::Index, no_index), Class::Config);
    }

    #[test]
    fn a_failure_says_the_reason_and_its_cause() {
        let item = r#"{"status":400,"error":{"type":"mapper_parsing_exception",
            "reason":"failed to parse","caused_by":{"reason":"For input string: \"a\""}}}"#;
        let error = one(Action::Index, Some(1), item).unwrap_err().to_string();
        let nulls = r#"{"status":500,"error":{"type":"a","reason":null,"caused_by":null}}"#;
        assert_eq!(one(Action::Index, Some(1), nulls).unwrap_err().class(), Class::Retry);
        assert!(error.contains("mapper_parsing_exception (status 400): failed to parse: For"));
        let reason = |bytes| {
            let (kind, words) = reason(bytes);
            format!("{kind}|{words}")
        };
        assert_eq!(reason(br#"{"error":{"type":"a","reason":"b"},"status":400}"#), "a|a: b");
        assert_eq!(reason(br#"{"error":"no handler"}"#), r#"|{"error":"no handler"}"#);
        assert_eq!(reason(b"<html>"), "|<html>");
    }

    #[test]
    fn an_answer_of_something_else_is_told() {
        let operation = operation(Action::Index, None);
        for wrong in ["", "{}", "<html>", r#"{"items":[]}"#, r#"{"items":[{"x":{}}]}"#] {
            let error = read(wrong.as_bytes(), &[&operation], str::to_owned).unwrap_err();
            assert_eq!(error.class(), Class::Config, "{wrong}");
        }
    }
}
