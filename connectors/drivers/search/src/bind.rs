//! What the plugin contract's interface `search` binds to.

use std::collections::HashSet;
use std::time::Instant;

use longshore_driver_common::Access;

use crate::classify::{Class, SearchError};
use crate::config::SearchSettings;
use crate::driver::{Client, rounds};
use crate::limits::BEGIN_WITHIN;

/// What becomes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The document takes the place of what the id had.
    Index,
    /// The document's fields go into what the id has, or it becomes what the id has.
    Upsert,
    /// What the id has goes.
    Delete,
}

/// An operation as a plugin makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What becomes of the document.
    pub action: Action,
    /// Its index.
    pub index: String,
    /// Its id.
    pub id: String,
    /// Nothing is done if what the id has, or had until lately, is of this version or a
    /// later one; not of [`Action::Upsert`].
    pub version: Option<i64>,
    /// A JSON object; empty of [`Action::Delete`].
    pub document: Vec<u8>,
}

/// What an operation that is done for good came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Applied,
    /// What the id has is of its version or a later one: it was done before.
    Superseded,
    /// What was to be deleted was not there.
    Absent,
}

/// What became of an operation.
pub type Answer = Result<Outcome, SearchError>;

/// A cluster that a task was granted.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Checks the settings; nothing is asked yet.
    pub fn open(settings: &SearchSettings, access: Access) -> Result<Self, SearchError> {
        Ok(Self { client: Client::new(settings, access)? })
    }

    /// Does operations, an answer each. Where one is to be tried again, or somebody has to
    /// do something first, those behind it of its document are not sent
    /// ([`SearchError::NotSent`]); where that is true of a whole request, nothing more is.
    /// A refused one holds up nothing.
    pub async fn bulk(&self, operations: &[Operation]) -> Vec<Answer> {
        let begin_until = Instant::now() + BEGIN_WITHIN;
        let mut answers: Vec<_> = operations.iter().map(|_| Err(SearchError::NotSent)).collect();
        let mut held = HashSet::new();
        // The next request is at the end.
        let mut requests = rounds(operations);
        requests.reverse();
        while let Some(mut places) = requests.pop() {
            places.retain(|at| !held.contains(&document(&operations[*at])));
            if Instant::now() >= begin_until {
                break;
            }
            if places.is_empty() {
                continue;
            }
            let sent: Vec<_> = places.iter().map(|at| &operations[*at]).collect();
            match self.client.request(&sent).await {
                Ok(items) => {
                    for (at, item) in places.into_iter().zip(items) {
                        if item.as_ref().is_err_and(|error| error.class() != Class::Reject) {
                            held.insert(document(&operations[at]));
                        }
                        answers[at] = item;
                    }
                }
                // It is one of them that the server does not take, or they are too many.
                Err(error) if error.class() == Class::Reject && places.len() > 1 => {
                    let second = places.split_off(places.len() / 2);
                    requests.extend([second, places]);
                }
                Err(error) => {
                    let goes_on = error.class() == Class::Reject;
                    for at in places {
                        answers[at] = Err(error.clone());
                    }
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        answers
    }
}

fn document(operation: &Operation) -> (&str, &str) {
    (&operation.index, &operation.id)
}
