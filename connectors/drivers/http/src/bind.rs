//! What the plugin contract's interface `http` binds to.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use reqwest::ClientBuilder;

use longshore_driver_common::Access;

use crate::classify::{Class, HttpError};
use crate::config::HttpSettings;
use crate::driver::Client;
use crate::limits::{BEGIN_WITHIN, LANES_AT_ONCE_MAX};

/// A request as a plugin makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Beneath the connection's URL, percent-encoded, perhaps with a query: `orders/7?full=1`.
    pub path: String,
    /// Names and values; the connection's own count before them.
    pub headers: Vec<(String, String)>,
    /// What is sent; empty for nothing.
    pub body: Bytes,
    /// Requests of one lane go one after another.
    pub lane: u32,
}

/// What is kept of answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Names of headers.
    pub headers: Vec<String>,
    /// Of each body, in bytes.
    pub body_bytes: usize,
}

/// A server's answer to a request that it took: its status is 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// Those that were to be kept, names in lower case; one may come more than once.
    pub headers: Vec<(String, String)>,
    /// Its first bytes.
    pub body: Vec<u8>,
    /// There was no more of it.
    pub whole: bool,
}

/// What a request came to.
pub type Answer = Result<Response, HttpError>;

/// A server that a task was granted.
#[derive(Debug)]
pub struct Endpoint {
    client: Client,
}

impl Endpoint {
    /// Checks the settings; nothing is asked yet. `client` has its TLS set up.
    pub fn open(
        settings: &HttpSettings,
        client: ClientBuilder,
        access: Access,
    ) -> Result<Self, HttpError> {
        Ok(Self { client: Client::new(settings, client, access)? })
    }

    /// Sends requests, an answer each. Those of one lane are sent in their order, each
    /// after the one before it was answered; after one that is to be tried again, or for
    /// which somebody has to do something, the rest of its lane is not sent
    /// ([`HttpError::NotSent`]). A refused one does not hold up its lane.
    pub async fn send(&self, requests: Vec<Request>, keep: &Keep) -> Vec<Answer> {
        let count = requests.len();
        let mut lanes: BTreeMap<u32, Vec<(usize, Request)>> = BTreeMap::new();
        for (at, request) in requests.into_iter().enumerate() {
            lanes.entry(request.lane).or_default().push((at, request));
        }
        let begin_until = Instant::now() + BEGIN_WITHIN;
        let lanes = lanes.into_values().map(|lane| self.lane(lane, keep, begin_until));
        let answers = stream::iter(lanes).buffer_unordered(LANES_AT_ONCE_MAX);
        let answers: Vec<Vec<(usize, Answer)>> = answers.collect().await;
        let mut answers: Vec<_> = answers.into_iter().flatten().collect();
        answers.sort_unstable_by_key(|(at, _)| *at);
        debug_assert_eq!(answers.len(), count);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn lane(
        &self,
        lane: Vec<(usize, Request)>,
        keep: &Keep,
        begin_until: Instant,
    ) -> Vec<(usize, Answer)> {
        let mut answers = Vec::with_capacity(lane.len());
        let mut is_stopped = false;
        for (at, request) in lane {
            let answer = if is_stopped || Instant::now() >= begin_until {
                Err(HttpError::NotSent { path: request.path })
            } else {
                self.client.exchange(&request, keep).await
            };
            is_stopped |= answer.as_ref().is_err_and(|error| error.class() != Class::Reject);
            answers.push((at, answer));
        }
        answers
    }
}
