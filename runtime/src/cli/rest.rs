//! A client of the REST API, whose errors say what to do.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use longshore_broker::auth::Secret;
use reqwest::{Client, Method, RequestBuilder, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

use super::{CliError, client_config, cluster};
use crate::http;
use crate::kafka::Security;
use crate::kafka::security::TlsSettings;
use crate::rest::ErrorBody;
use crate::rest::limits::REQUEST_TIME_MAX;

/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How Kafka Connect begins to say that its workers rebalance.
const REBALANCING: &str = "Cannot complete request";
/// How long a rebalance may take.
const REBALANCE_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two tries while it does.
const REBALANCE_PAUSE: Duration = Duration::from_millis(250);

/// What must hold before the worker changes a resource.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Nothing.
    None,
    /// It is not there.
    Absent,
    /// It has this tag, as the worker gave it.
    Tag(String),
}

/// Why there is no answer to use.
enum Failure {
    /// The worker said why.
    Refused(StatusCode, String),
    /// It did not answer, or another did.
    Other(CliError),
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(_, message) => Self::failed(message),
            Failure::Other(error) => error,
        }
    }
}

/// What of a worker's answer about itself is for people.
#[derive(Deserialize)]
struct WorkerHealth {
    message: String,
}

/// Where a worker's REST API is, and how it is reached.
#[derive(Debug, Args)]
pub(super) struct RestArgs {
    /// Where the worker's REST listener is.
    #[arg(
        long,
        global = true,
        help_heading = cluster::EVERYWHERE,
        env = "LONGSHORE_REST_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8083"
    )]
    rest_url: String,
    /// A file of properties for it: ssl.*, basic.auth.user.info, bearer.auth.token.
    #[arg(
        long,
        global = true,
        help_heading = cluster::EVERYWHERE,
        env = "LONGSHORE_REST_CONFIG",
        value_name = "FILE"
    )]
    rest_config: Option<PathBuf>,
}

/// Who sends the requests.
#[derive(Default)]
enum Credentials {
    #[default]
    None,
    Basic(String, Secret),
    Bearer(Secret),
}

/// A worker's REST API.
pub(super) struct Rest {
    url: String,
    client: Client,
    credentials: Credentials,
}

impl Rest {
    /// The API as the arguments say.
    pub(super) fn new(arguments: &RestArgs) -> Result<Self, CliError> {
        let url = arguments.rest_url.trim_end_matches('/').to_owned();
        let is_tls = url.starts_with("https://");
        if !is_tls && !url.starts_with("http://") {
            return Err(CliError::usage(format!(
                "--rest-url `{url}` is not of the form http://host:port or https://host:port"
            )));
        }
        let (tls, credentials) = match &arguments.rest_config {
            Some(path) => read_config(path)?,
            None => (TlsSettings::of_system(), Credentials::None),
        };
        let client = http::client(is_tls.then_some(&tls))
            .map_err(|error| CliError::failed(error.to_string()))?
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(REQUEST_TIME_MAX + CONNECT_TIME_MAX)
            .build()
            .map_err(|error| CliError::failed(format!("no HTTP client: {error}")))?;
        Ok(Self { url, client, credentials })
    }

    /// The API at a URL, for tests.
    #[cfg(test)]
    pub(super) fn at(url: &str) -> Self {
        let arguments = RestArgs { rest_url: url.to_owned(), rest_config: None };
        Self::new(&arguments).unwrap_or_else(|error| panic!("{error}"))
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

    /// What a worker that can be sent requests says of itself; what one says that cannot
    /// is the error.
    pub(super) async fn ready(&self) -> Result<String, CliError> {
        let request = self.client.get(format!("{}/health/ready", self.url));
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let told: WorkerHealth =
            serde_json::from_slice(&bytes).map_err(|error| self.stranger(status, &error))?;
        match status.is_success() {
            true => Ok(told.message),
            false => Err(CliError::failed(told.message)),
        }
    }

    pub(super) async fn post(&self, path: &str, body: &Json) -> Result<Json, CliError> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str) -> Result<Json, CliError> {
        self.send(Method::PUT, path, None).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Json) -> Result<Json, CliError> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// The same with the version's tag.
    pub(super) async fn get_tagged<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<String>), CliError> {
        let (answer, tag) = self.exchange(Method::GET, path, None, Condition::None).await?;
        let answer = serde_json::from_value(answer)
            .map_err(|error| CliError::failed(format!("{}{path} answered: {error}", self.url)))?;
        Ok((answer, tag))
    }

    pub(super) async fn change(
        &self,
        path: &str,
        body: &Json,
        condition: Condition,
    ) -> Result<Json, CliError> {
        Ok(self.exchange(Method::PUT, path, Some(body), condition).await?.0)
    }

    /// Sends a component.
    pub(super) async fn post_component(
        &self,
        path: &str,
        component: Vec<u8>,
    ) -> Result<Json, CliError> {
        let request = self.client.request(Method::POST, format!("{}{path}", self.url));
        let request = self.authenticated(request);
        let request = request.header(header::CONTENT_TYPE, "application/wasm").body(component);
        Ok(self.answer(request).await?.0)
    }

    /// Puts what may meet a rebalance of the workers, which passes. What its next change
    /// must find is its version then.
    pub(super) async fn settle_put(
        &self,
        path: &str,
        body: &Json,
        condition: Condition,
    ) -> Result<Condition, CliError> {
        let tag = self.settle(Method::PUT, path, Some(body), condition).await?;
        Ok(tag.map_or(Condition::None, Condition::Tag))
    }

    /// Posts, through a rebalance too.
    pub(super) async fn settle_post(&self, path: &str, body: &Json) -> Result<(), CliError> {
        self.settle(Method::POST, path, Some(body), Condition::None).await.map(drop)
    }

    /// Deletes, through a rebalance too. What is not there is deleted.
    pub(super) async fn settle_delete(
        &self,
        path: &str,
        condition: Condition,
    ) -> Result<(), CliError> {
        self.settle(Method::DELETE, path, None, condition).await.map(drop)
    }

    async fn settle(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        condition: Condition,
    ) -> Result<Option<String>, CliError> {
        let deadline = Instant::now() + REBALANCE_TIME_MAX;
        loop {
            let answer = self.exchange(method.clone(), path, body, condition.clone()).await;
            match answer {
                Err(Failure::Refused(StatusCode::NOT_FOUND, _)) if method == Method::DELETE => {
                    return Ok(None);
                }
                Err(Failure::Refused(StatusCode::CONFLICT, why))
                    if why.starts_with(REBALANCING) && Instant::now() < deadline =>
                {
                    tokio::time::sleep(REBALANCE_PAUSE).await;
                }
                answer => return Ok(answer?.1),
            }
        }
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
        Ok(self.exchange(method, path, body, Condition::None).await?.0)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
        condition: Condition,
    ) -> Result<(Json, Option<String>), Failure> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let mut request = self.authenticated(request);
        if let Some(body) = body {
            request = request.json(body);
        }
        request = match condition {
            Condition::None => request,
            Condition::Absent => request.header(header::IF_NONE_MATCH, "*"),
            Condition::Tag(tag) => request.header(header::IF_MATCH, tag),
        };
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(Json, Option<String>), Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.map(str::to_owned);
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            if bytes.is_empty() {
                return Ok((Json::Null, tag));
            }
            let answer = serde_json::from_slice(&bytes);
            return Ok((answer.map_err(|error| self.stranger(status, &error))?, tag));
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Failure::Other(CliError::failed(format!(
                "{} wants to know who asks: give basic.auth.user.info=USER:PASSWORD or \
                 bearer.auth.token=TOKEN in a file, with --rest-config",
                self.url
            ))));
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => Err(Failure::Refused(status, body.message)),
            Err(error) => Err(self.stranger(status, &error).into()),
        }
    }

    fn authenticated(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password.expose())),
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
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

/// A file of client properties: `ssl.*` as Kafka's clients have it, and the names that
/// clients of Kafka's REST services use for credentials.
fn read_config(path: &Path) -> Result<(TlsSettings, Credentials), CliError> {
    const USER: &str = "basic.auth.user.info";
    const TOKEN: &str = "bearer.auth.token";
    let failed = |why: String| CliError::failed(format!("{}: {why}", path.display()));
    let mut properties = client_config::load(path)?;
    let credentials = match (properties.remove(USER), properties.remove(TOKEN)) {
        (None, None) => Credentials::None,
        (None, Some(token)) => Credentials::Bearer(Secret::new(token)),
        (Some(info), None) => {
            let (user, password) =
                info.split_once(':').ok_or_else(|| failed(format!("`{USER}` is USER:PASSWORD")))?;
            Credentials::Basic(user.to_owned(), Secret::new(password))
        }
        (Some(_), Some(_)) => {
            return Err(failed(format!("give `{USER}` or `{TOKEN}`, not both")));
        }
    };
    properties.insert("security.protocol".to_owned(), "SSL".to_owned());
    let security = Security::take(&mut properties).map_err(|error| failed(error.to_string()))?;
    let unused: Vec<String> = properties.into_keys().collect();
    if !unused.is_empty() {
        tracing::info!("{}: of no use here: {}", path.display(), unused.join(", "));
    }
    Ok((security.tls.unwrap_or_else(TlsSettings::of_system), credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Credentials, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_config(file.path()).map(|it| it.1).map_err(|error| error.to_string())
    }

    #[test]
    fn credentials_are_a_user_and_password_or_a_token() {
        assert!(matches!(config("client.id=x").unwrap(), Credentials::None));
        match config("basic.auth.user.info=ana:p:w").unwrap() {
            Credentials::Basic(user, password) => {
                assert_eq!((user.as_str(), password.expose()), ("ana", "p:w"));
            }
            _ => panic!("a user was given"),
        }
        assert!(matches!(config("bearer.auth.token=t").unwrap(), Credentials::Bearer(_)));
        for (text, part) in [
            ("basic.auth.user.info=s3cret", "USER:PASSWORD"),
            ("basic.auth.user.info=a:s3cret\nbearer.auth.token=t", "not both"),
            ("ssl.truststore.type=JKS", "JKS"),
        ] {
            let error = config(text).err().unwrap();
            assert!(error.contains(part) && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_url_has_a_scheme() {
        let arguments = |url: &str| RestArgs { rest_url: url.to_owned(), rest_config: None };
        assert!(Rest::new(&arguments("http://a:1/")).is_ok());
        let error = Rest::new(&arguments("a:1")).err().unwrap();
        assert!(matches!(error, CliError::Usage(_)));
    }
}
