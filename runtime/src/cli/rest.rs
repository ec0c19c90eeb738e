//! A client of the REST API, whose errors say what to do.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::CliError;
use crate::rest::ErrorBody;
use crate::rest::limits::REQUEST_TIME_MAX;

/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A worker's REST API.
pub(super) struct Rest {
    url: String,
    client: Client,
}

impl Rest {
    /// The API at `url`, `http://host:port`.
    pub(super) fn new(url: &str) -> Result<Self, CliError> {
        if !url.starts_with("http://") {
            return Err(CliError::usage(format!(
                "--rest-url `{url}` is not of the form http://host:port"
            )));
        }
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(REQUEST_TIME_MAX + CONNECT_TIME_MAX)
            .build()
            .map_err(|error| CliError::failed(format!("no HTTP client: {error}")))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client })
    }

    /// A name as a part of a path.
    pub(super) fn segment(name: &str) -> String {
        name.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let answer = self.send(Method::GET, path, None).await?;
        serde_json::from_value(answer)
            .map_err(|error| CliError::failed(format!("{}{path} answered: {error}", self.url)))
    }

    pub(super) async fn post(&self, path: &str, body: &Json) -> Result<Json, CliError> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Json, CliError> {
        self.send(Method::DELETE, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Json, CliError> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            if bytes.is_empty() {
                return Ok(Json::Null);
            }
            return serde_json::from_slice(&bytes).map_err(|error| self.stranger(status, &error));
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => Err(CliError::failed(body.message)),
            Err(error) => Err(self.stranger(status, &error)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let mut why: &dyn std::error::Error = error;
        while let Some(source) = why.source() {
            why = source;
        }
        CliError::Unreachable(format!(
            "no worker answers at {}: {why}; start one with `longshore server -c configs/node.yaml`, \
             or name another with --rest-url",
            self.url
        ))
    }

    fn stranger(&self, status: StatusCode, error: &serde_json::Error) -> CliError {
        CliError::failed(format!(
            "{} answered {status} with something else than Kafka Connect's JSON ({error}); \
             is --rest-url right?",
            self.url
        ))
    }
}
