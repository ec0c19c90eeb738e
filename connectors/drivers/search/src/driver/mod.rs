//! The client: one bulk request and its answer.
//!
//! | file | what it is |
//! | --- | --- |
//! | `settings` | a connection's settings, checked |
//! | `rounds` | which operations go in one request, so that each document's keep their order |
//! | `body` | operations as the bulk API has them |
//! | `answer` | what it says of each |

mod answer;
mod body;
mod rounds;
mod settings;

use std::time::Duration;

use elasticsearch::http::headers::{ACCEPT_ENCODING, HeaderValue};
use elasticsearch::http::response::Response;
use elasticsearch::{BulkParts, Elasticsearch};
use longshore_driver_common::Access;

pub(crate) use self::rounds::rounds;
use self::settings::{Checked, Hidden};
use crate::bind::{Answer, Operation};
use crate::classify::{Lost, SearchError, retry_after};
use crate::config::SearchSettings;
use crate::limits::ANSWER_BYTES_MAX;

/// What is needed of an answer.
const FILTER: &[&str] = &[
    "items.*.status",
    "items.*.error.type",
    "items.*.error.reason",
    "items.*.error.caused_by.reason",
];

/// A client of one cluster.
#[derive(Debug)]
pub(crate) struct Client {
    search: Elasticsearch,
    /// What requests begin with: one that ends elsewhere was redirected.
    base: String,
    hidden: Hidden,
    timeout: Duration,
    access: Access,
}

impl Client {
    pub(crate) fn new(settings: &SearchSettings, access: Access) -> Result<Self, SearchError> {
        let Checked { transport, base, hidden, timeout } = settings::check(settings)?;
        Ok(Self { search: Elasticsearch::new(transport), base, hidden, timeout, access })
    }

    /// Sends operations as one request; an answer each. The error is the whole request's.
    pub(crate) async fn request(
        &self,
        operations: &[&Operation],
    ) -> Result<Vec<Answer>, SearchError> {
        self.access.check()?;
        let (places, body) = body::write(operations);
        let mut answers: Vec<Option<Answer>> = operations.iter().map(|_| None).collect();
        for (at, error) in body.refused {
            answers[at] = Some(Err(error));
        }
        if !places.is_empty() {
            let exchange = self.exchange(body.operations);
            let answered = tokio::time::timeout(self.timeout, exchange).await;
            let after = self.timeout;
            let bytes = answered.unwrap_or(Err(SearchError::Lost(Lost::Timeout { after })))?;
            let sent: Vec<_> = places.iter().map(|at| operations[*at]).collect();
            let read = answer::read(&bytes, &sent, |text| self.hidden.words(text))?;
            for (at, answer) in places.into_iter().zip(read) {
                answers[at] = Some(answer);
            }
        }
        Ok(answers.into_iter().map(|it| it.unwrap_or(Err(SearchError::NotSent))).collect())
    }

    async fn exchange(
        &self,
        operations: elasticsearch::BulkOperations,
    ) -> Result<bytes::Bytes, SearchError> {
        // Less than the request has: where a shard is nowhere, the others' answers come.
        let server_timeout = format!("{}ms", (self.timeout / 2).as_millis().max(1));
        let lost = |error: elasticsearch::Error| SearchError::Lost(Lost::of(&error));
        let sending = self
            .search
            .bulk(BulkParts::None)
            .filter_path(FILTER)
            .timeout(&server_timeout)
            // Of what is compressed nobody says how long it is.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .body(vec![operations])
            .send();
        let response = sending.await.map_err(lost)?;
        let url = response.url().as_str();
        if !url.starts_with(&self.base) || response.status_code().is_redirection() {
            let to = url.split(['?', '#']).next().unwrap_or_default();
            return Err(SearchError::Redirected { to: self.hidden.words(to) });
        }
        if !response.status_code().is_success() {
            return Err(self.refusal(response).await);
        }
        if response.content_length().is_some_and(|bytes| bytes > ANSWER_BYTES_MAX) {
            return Err(SearchError::Unreadable { reason: "its answer is too long".to_owned() });
        }
        response.bytes().await.map_err(lost)
    }

    /// What the server refuses a request with.
    async fn refusal(&self, response: Response) -> SearchError {
        let status = response.status_code().as_u16();
        let after = response.headers().get("retry-after");
        let after = after.and_then(|value| value.to_str().ok()).and_then(retry_after);
        let is_short = response.content_length().is_some_and(|bytes| bytes <= ANSWER_BYTES_MAX);
        // What cannot be read any more is no more than words.
        let words = match is_short {
            true => response.bytes().await.unwrap_or_default(),
            false => bytes::Bytes::new(),
        };
        let (kind, words) = answer::reason(&words);
        SearchError::Refused { status, kind, words: self.hidden.words(&words), after }
    }
}
