//! Which operations go in one request, so that each document's keep their order.
//!
//! A server does the operations of a request in their order, but may fail one for the
//! moment and do the next of its document: sent again, it would come behind. So a request
//! has one operation of a document. But it may have more where each says its version, of
//! which the latest then stays, whatever the order: only a deletion does not follow
//! another in its request, since servers forget the versions of what was deleted (after
//! `index.gc_deletes`, a minute).

use std::collections::HashMap;

use crate::bind::{Action, Operation};

/// The places of the operations of each request, in the order in which they are sent.
pub(crate) fn rounds(operations: &[Operation]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    // Where a document was last, and whether that had a version.
    let mut last: HashMap<(&str, &str), (usize, bool)> = HashMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let document = (operation.index.as_str(), operation.id.as_str());
        let is_versioned = operation.version.is_some();
        let round = match last.get(&document) {
            None => 0,
            Some((round, true)) if is_versioned && operation.action != Action::Delete => *round,
            Some((round, _)) => round + 1,
        };
        last.insert(document, (round, is_versioned));
        if round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[round].push(at);
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(action: Action, id: &str, version: Option<i64>) -> Operation {
        let (index, id) = ("i".to_owned(), id.to_owned());
        Operation { action, index, id, version, document: Vec::new() }
    }

    #[test]
    fn a_document_without_versions_is_once_in_a_request() {
        let upsert = |id| operation(Action::Upsert, id, None);
        let operations = ["a", "b", "a", "c", "a", "b"].map(upsert);
        assert_eq!(rounds(&operations), [vec![0, 1, 3], vec![2, 5], vec![4]]);
        assert_eq!(rounds(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn versions_keep_an_order_by_themselves_until_a_deletion() {
        let index = |version| operation(Action::Index, "a", Some(version));
        let delete = operation(Action::Delete, "a", Some(3));
        let operations = [index(1), index(2), delete, index(4)];
        assert_eq!(rounds(&operations), [vec![0, 1], vec![2, 3]]);
        let other = Operation { index: "j".to_owned(), ..operation(Action::Delete, "a", Some(2)) };
        assert_eq!(rounds(&[index(1), other]), [[0, 1]]);
    }
}
