//! Requests to a registry.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::answers::{Found, Id, Refusal, Registered, Submitted};
use super::settings::CONNECT_TIMEOUT;
use super::{Credentials, RegistryError, RegistrySettings};
use crate::http;
use crate::kafka::ClientError;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Most of a registry's own words that are told, in characters.
const WORDS_MAX: usize = 500;
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry. Each question is asked of its addresses in turn, once: whoever asks
/// decides when to ask again.
#[derive(Debug)]
pub struct Registry {
    settings: RegistrySettings,
    client: Client,
    /// The address that answered last.
    at: AtomicUsize,
}

/// Why one address has no answer.
enum Failed {
    /// Another may have one.
    Unavailable(String),
    /// This is the registry's word.
    Final(RegistryError),
}

impl Registry {
    /// A client; nothing is asked yet.
    pub fn new(settings: RegistrySettings) -> Result<Self, ClientError> {
        let tls = settings.is_tls().then_some(&settings.tls);
        let client = http::client(tls)?
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .build()
            .map_err(|error| ClientError::Config {
                name: "schema.registry.url".to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self { settings, client, at: AtomicUsize::new(0) })
    }

    /// The schema of that id.
    pub async fn schema(&self, id: u32) -> Result<Found, RegistryError> {
        let what = format!("the schema {id}");
        self.ask(&what, Method::GET, &["schemas", "ids", &id.to_string()], &[], None).await
    }

    /// A version of a subject, its latest for `None`.
    pub async fn version(
        &self,
        subject: &str,
        version: Option<i32>,
    ) -> Result<Registered, RegistryError> {
        let version = version.map_or_else(|| "latest".to_owned(), |version| version.to_string());
        let what = format!("the version {version} of the subject `{subject}`");
        let path = ["subjects", subject, "versions", &version];
        self.ask(&what, Method::GET, &path, &[], None).await
    }

    /// Registers a schema, or finds it registered: its id.
    pub async fn register(
        &self,
        subject: &str,
        schema: &Submitted<'_>,
        normalize: bool,
    ) -> Result<u32, RegistryError> {
        let what = format!("a schema of the subject `{subject}`");
        let (path, query) = (["subjects", subject, "versions"], normalized(normalize));
        let Id { id } = self.ask(&what, Method::POST, &path, query, Some(schema)).await?;
        Ok(id)
    }

    /// The id of a schema that is registered already.
    pub async fn id_of(
        &self,
        subject: &str,
        schema: &Submitted<'_>,
        normalize: bool,
    ) -> Result<u32, RegistryError> {
        let what = format!("the id of a schema of the subject `{subject}`");
        let (path, query) = (["subjects", subject], normalized(normalize));
        let Id { id } = self.ask(&what, Method::POST, &path, query, Some(schema)).await?;
        Ok(id)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Submitted<'_>>,
    ) -> Result<T, RegistryError> {
        let count = self.settings.urls.len();
        let first = self.at.load(Ordering::Relaxed);
        let mut reasons = Vec::new();
        for at in (first..first + count).map(|at| at % count) {
            let mut url = self.settings.urls[at].clone();
            url.path_segments_mut().expect("it is an address of http").pop_if_empty().extend(path);
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            match self.ask_one(what, method.clone(), url, body).await {
                Ok(answer) => {
                    self.at.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(Failed::Final(error)) => {
                    self.at.store(at, Ordering::Relaxed);
                    return Err(error);
                }
                Err(Failed::Unavailable(reason)) => {
                    reasons.push(format!("{}: {reason}", self.settings.urls[at]));
                }
            }
        }
        Err(RegistryError::Unavailable { what: what.to_owned(), reason: reasons.join("; ") })
    }

    async fn ask_one<T: DeserializeOwned>(
        &self,
        what: &str,
        method: Method,
        url: Url,
        body: Option<&Submitted<'_>>,
    ) -> Result<T, Failed> {
        let mut request = self.client.request(method, url).header(ACCEPT, MEDIA_TYPE);
        request = match &self.settings.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => {
                request.basic_auth(user, Some(password.expose()))
            }
            Credentials::Bearer(token) => request.bearer_auth(token.expose()),
        };
        if let Some(body) = body {
            let body = serde_json::to_vec(body).expect("texts are JSON");
            request = request.header(CONTENT_TYPE, MEDIA_TYPE).body(body);
        }
        let answer = request.send().await.map_err(|error| Failed::Unavailable(told(&error)))?;
        let status = answer.status();
        let body = whole(answer).await?;
        let nonsense = |reason: String| {
            Failed::Final(RegistryError::Nonsense { what: what.to_owned(), reason })
        };
        if status == StatusCode::OK {
            let Some(body) = body else {
                return Err(nonsense(format!("it is longer than {ANSWER_BYTES_MAX} bytes")));
            };
            return serde_json::from_slice(&body).map_err(|error| nonsense(error.to_string()));
        }
        let refusal: Option<Refusal> =
            body.as_deref().and_then(|body| serde_json::from_slice(body).ok());
        let (code, message) = match refusal {
            Some(Refusal { error_code, message }) => {
                (error_code, shortened(&self.settings.credentials.hidden_in(message)))
            }
            None => (u32::from(status.as_u16()), format!("HTTP status {status}")),
        };
        // What an operator mends, or time: no record is to suffer for it.
        let passes = status.is_server_error()
            || [
                StatusCode::UNAUTHORIZED,
                StatusCode::FORBIDDEN,
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::TOO_MANY_REQUESTS,
            ]
            .contains(&status);
        if passes {
            return Err(Failed::Unavailable(format!("{message} ({code})")));
        }
        if status.is_client_error() {
            let what = what.to_owned();
            return Err(Failed::Final(RegistryError::Refused { what, code, message }));
        }
        Err(nonsense(format!("HTTP status {status}")))
    }
}

fn normalized(normalize: bool) -> &'static [(&'static str, &'static str)] {
    if normalize { &[("normalize", "true")] } else { &[] }
}

/// The whole of an answer; `None` if it is too long.
async fn whole(mut answer: Response) -> Result<Option<Vec<u8>>, Failed> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => return Ok(None),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Some(body)),
            Err(error) => return Err(Failed::Unavailable(told(&error))),
        }
    }
}

/// An error of the HTTP client with its causes, without the address, which is told apart.
fn told(error: &reqwest::Error) -> String {
    use std::error::Error;
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    if words.is_empty() { "the request failed".to_owned() } else { words.join(": ") }
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(WORDS_MAX) {
        None => words.to_owned(),
        Some((end, _)) => format!("{}...", &words[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::scripted::{answers, http};
    use crate::registry::settings::URL;

    #[tokio::test]
    async fn who_asks_is_said_to_the_registry_and_to_nobody_else() {
        for (name, value, header) in [
            ("basic.auth.user.info", "me:hunter2:x", "basic bwu6ahvudgvymjp4"),
            ("bearer.auth.token", "hunter2:x", "bearer hunter2:x"),
        ] {
            let repeated = r#"{"error_code":40403,"message":"not for hunter2:x"}"#;
            let (url, mut asks) = answers(vec![http("404 Not Found", repeated)]).await;
            let properties = [(URL, url.as_str()), (name, value)];
            let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let settings = RegistrySettings::of_properties(properties.into()).unwrap();
            let registry = Registry::new(settings).unwrap();
            let error = registry.schema(7).await.unwrap_err().to_string();
            let asked = asks.recv().await.unwrap().to_ascii_lowercase();
            assert!(asked.contains(&format!("\r\nauthorization: {header}\r\n")), "{asked}");
            assert!(error.contains("not for ********"), "{error}");
            assert!(!format!("{registry:?}").contains("hunter2"));
        }
    }
}
