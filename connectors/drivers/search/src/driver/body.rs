//! Operations as the bulk API has them: a line that says what is done, and a document's.

use elasticsearch::params::VersionType;
use elasticsearch::{BulkOperation, BulkOperations};
use serde::Serialize;
use serde_json::value::RawValue;

use super::settings::cut;
use crate::bind::{Action, Operation};
use crate::classify::SearchError;
use crate::limits::CONFLICTS_MAX;

/// A request's operations.
pub(super) struct Body {
    pub(super) operations: BulkOperations,
    /// Those that cannot be in it, by their places.
    pub(super) refused: Vec<(usize, SearchError)>,
}

/// An update's own form of a document.
#[derive(Serialize)]
struct Merged<'a> {
    doc: &'a RawValue,
    doc_as_upsert: bool,
}

/// Writes operations; answers the places of those that are in it, in its order.
pub(super) fn write(operations: &[&Operation]) -> (Vec<usize>, Body) {
    let mut body = Body { operations: BulkOperations::new(), refused: Vec::new() };
    let mut places = Vec::with_capacity(operations.len());
    for (at, operation) in operations.iter().enumerate() {
        match push(&mut body.operations, operation) {
            Ok(()) => places.push(at),
            Err(reason) => {
                let id = cut(&operation.id, 100);
                body.refused.push((at, SearchError::Document { id, reason }));
            }
        }
    }
    (places, body)
}

fn push(body: &mut BulkOperations, operation: &Operation) -> Result<(), String> {
    let Operation { action, index, id, version, document } = operation;
    let pushed = match action {
        Action::Index => {
            let document = one_line(document)?;
            let mut operation = BulkOperation::index(&*document).index(index).id(id);
            if let Some(version) = version {
                operation = operation.version(*version).version_type(VersionType::External);
            }
            body.push(operation)
        }
        Action::Upsert => {
            let document = one_line(document)?;
            let merged = Merged { doc: &document, doc_as_upsert: true };
            let operation = BulkOperation::update(id, merged).index(index);
            body.push(operation.retry_on_conflict(CONFLICTS_MAX))
        }
        Action::Delete => {
            let mut operation = BulkOperation::<()>::delete(id).index(index);
            if let Some(version) = version {
                operation = operation.version(*version).version_type(VersionType::External);
            }
            body.push(operation)
        }
    };
    pushed.map_err(|error| error.to_string())
}

/// A JSON object without line breaks, which would end its line: in JSON they are nothing
/// but space.
fn one_line(document: &[u8]) -> Result<Box<RawValue>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "it is not UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err("it does not begin with `{`".to_owned());
    }
    // The place alone: the parser's words could quote what is in it.
    let wrong = |error: serde_json::Error| format!("wrong in column {}", error.column());
    let document = RawValue::from_string(text.to_owned()).map_err(wrong)?;
    match text.contains(['\n', '\r']) {
        true => RawValue::from_string(text.replace(['\n', '\r'], " ")).map_err(wrong),
        false => Ok(document),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use elasticsearch::http::request::Body as _;

    use super::*;

    fn operation(action: Action, version: Option<i64>, document: &str) -> Operation {
        let (index, id) = ("i".to_owned(), "ä\"\n".to_owned());
        Operation { action, index, id, version, document: document.as_bytes().to_vec() }
    }

    fn written(operations: &[Operation]) -> (Vec<usize>, Vec<usize>, String) {
        let (places, body) = write(&operations.iter().collect::<Vec<_>>());
        let mut bytes = BytesMut::new();
        body.operations.write(&mut bytes).unwrap();
        let refused = body.refused.into_iter().map(|(at, _)| at).collect();
        (places, refused, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn operations_are_lines_with_their_versions() {
        let (_, _, lines) = written(&[
            operation(Action::Index, Some(7), "{\"n\":\n1.10}"),
            operation(Action::Upsert, None, "{}"),
            operation(Action::Delete, Some(8), ""),
        ]);
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.len(), 5, "{lines:?}");
        let action = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let versioned = |version| serde_json::json!({ "_index": "i", "_id": "ä\"\n", "version": version, "version_type": "external" });
        assert_eq!(action(lines[0])["index"], versioned(7));
        assert_eq!(lines[1], "{\"n\": 1.10}");
        assert_eq!(action(lines[2])["update"]["retry_on_conflict"], 3);
        assert_eq!(lines[3], r#"{"doc":{},"doc_as_upsert":true}"#);
        assert_eq!(action(lines[4])["delete"], versioned(8));
    }

    #[test]
    fn what_is_no_object_is_refused_alone_and_brings_no_line_of_its_own() {
        let index = |document| operation(Action::Index, None, document);
        let wrong = ["", "1", "[]", "{", "{}\n{\"delete\":{\"_id\":\"1\"}}", "{\"a\":\"\n\"}"];
        let operations: Vec<_> = wrong.into_iter().chain(["{}"]).map(index).collect();
        let (places, refused, lines) = written(&operations);
        assert_eq!((places, refused.len(), lines.lines().count()), (vec![6], 6, 2));
    }
}
