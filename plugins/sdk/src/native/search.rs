//! `search/index` over a search engine that the test plays.

use std::collections::BTreeSet;

use crate::Fault;
use crate::fault::{Detail, Retry};
use crate::search::{Failure, OPERATIONS_OF_A_CALL_MAX, Operation, Outcome};
use crate::testkit::with_world;

/// A granted connection.
#[derive(Debug)]
pub struct Cluster {
    connection: String,
}

impl Cluster {
    /// A connection that the test's world has.
    pub fn open(connection: &str) -> Result<Self, Fault> {
        if with_world(|world| world.clusters.contains_key(connection)) {
            return Ok(Self { connection: connection.to_owned() });
        }
        let message = format!("there is no connection `{connection}`");
        Err(Fault::config("connection-unknown", message))
    }

    /// Many at once, an answer each; a failure holds up what comes behind it of its
    /// document, as the host has it.
    ///
    /// # Panics
    /// When they are more than one call may have.
    pub fn bulk(&self, operations: &[Operation]) -> Vec<Result<Outcome, Failure>> {
        let count = operations.len();
        assert!(count <= OPERATIONS_OF_A_CALL_MAX, "{count} operations");
        let cluster = with_world(|world| world.clusters.get(&self.connection).cloned());
        let cluster = cluster.expect("the connection was there when it was opened");
        let mut held = BTreeSet::new();
        let mut answer = |operation: &Operation| {
            let document = (operation.index.clone(), operation.id.clone());
            if held.contains(&document) {
                let why = Detail::new("not-sent", "its turn did not come");
                return Err(Failure::Retry(Retry { why, after_ms: None }));
            }
            let answer = (cluster.0)(operation);
            if answer.as_ref().is_err_and(|failure| failure.fault().is_some()) {
                held.insert(document);
            }
            answer
        };
        operations.iter().map(&mut answer).collect()
    }
}
