//! `http/client` over a server that the test plays.

use std::collections::BTreeSet;

use crate::Fault;
use crate::fault::{Detail, Retry};
use crate::http::{Failure, Keep, REQUESTS_OF_A_CALL_MAX, Request, Response};
use crate::testkit::with_world;

/// A granted connection.
#[derive(Debug)]
pub struct Endpoint {
    connection: String,
}

impl Endpoint {
    /// A connection that the test's world has.
    pub fn open(connection: &str) -> Result<Self, Fault> {
        let is_known = with_world(|world| world.servers.contains_key(connection));
        if is_known {
            Ok(Self { connection: connection.to_owned() })
        } else {
            let message = format!("there is no connection `{connection}`");
            Err(Fault::config("connection-unknown", message))
        }
    }

    /// Many at once, an answer each; lanes as the host has them.
    ///
    /// # Panics
    /// When they are more than one call may have.
    pub fn send(&self, requests: &[Request], keep: &Keep) -> Vec<Result<Response, Failure>> {
        assert!(requests.len() <= REQUESTS_OF_A_CALL_MAX, "{} requests", requests.len());
        let server = with_world(|world| world.servers.get(&self.connection).cloned());
        let server = server.expect("the connection was there when it was opened");
        let mut stopped = BTreeSet::new();
        let mut answer = |request: &Request| {
            if stopped.contains(&request.lane) {
                let why = Detail::new("not-sent", "its turn did not come");
                return Err(Failure::Retry(Retry { why, after_ms: None }));
            }
            let mut answer = (server.0)(request);
            if let Ok(response) = &mut answer {
                let kept = keep.body_bytes as usize;
                response.whole &= response.body.len() <= kept;
                response.body.truncate(kept);
            }
            if answer.as_ref().is_err_and(|failure| failure.fault().is_some()) {
                stopped.insert(request.lane);
            }
            answer
        };
        requests.iter().map(&mut answer).collect()
    }
}
