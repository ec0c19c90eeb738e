//! The client: one request and its answer.
//!
//! | file | what it is |
//! | --- | --- |
//! | `settings` | a connection's settings, checked |
//! | `path` | what a plugin names, beneath the connection's URL |
//! | `tokens` | tokens of OAuth2, renewed before they end |
//! | `hidden` | credentials, kept out of answers and words |

mod hidden;
mod path;
mod settings;
mod tokens;

use std::time::{Duration, SystemTime};

use longshore_driver_common::{Access, Denied};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response as Received, StatusCode, Url};

use self::hidden::Hidden;
use self::settings::{Auth, Checked};
use crate::bind::{Keep, Request, Response};
use crate::classify::{HttpError, Lost, cut, retry_after};
use crate::config::HttpSettings;
use crate::limits::{
    DRAINED_BYTES_MAX, DRAINING_TIME_MAX, HEADERS_MAX, IDLE_MAX, REFUSAL_BYTES_MAX,
};

/// Headers that are the client's own to set.
const RESERVED: [&str; 11] = [
    // What is encoded could not be looked through for credentials.
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    // Some servers take these for the path.
    "x-original-url",
    "x-rewrite-url",
];

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    auth: Auth,
    hidden: Hidden,
    timeout: Duration,
    access: Access,
}

impl Client {
    pub(crate) fn new(
        settings: &HttpSettings,
        builder: reqwest::ClientBuilder,
        access: Access,
    ) -> Result<Self, HttpError> {
        let Checked { base, headers, auth, hidden, connect_timeout, timeout } =
            settings::check(settings)?;
        let http = builder
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .map_err(|error| HttpError::Setting { setting: "url", reason: error.to_string() })?;
        Ok(Self { http, base, headers, auth, hidden, timeout, access })
    }

    /// Sends a request; a token that is refused is renewed once.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        keep: &Keep,
    ) -> Result<Response, HttpError> {
        let path = cut(&request.path);
        let method = self.method(&request.method, &path)?;
        let url = path::beneath(&self.base, &request.path)?;
        let headers = self.headers(request)?;
        let attempts = self.attempts(request, &method, &url, headers, keep);
        match tokio::time::timeout(self.timeout, attempts).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Lost {
                method: method.to_string(),
                path,
                why: Lost::Timeout { after: self.timeout },
            }),
        }
    }

    async fn attempts(
        &self,
        request: &Request,
        method: &Method,
        url: &Url,
        mut headers: HeaderMap,
        keep: &Keep,
    ) -> Result<Response, HttpError> {
        let path = cut(&request.path);
        let mut refused: Option<HeaderValue> = None;
        loop {
            if let Some(credential) = self.credential(refused.as_ref()).await? {
                headers.insert(AUTHORIZATION, credential);
            }
            // Asked last: a token may have taken its time.
            self.may_send(method, &path)?;
            let sending = self
                .http
                .request(method.clone(), url.clone())
                .headers(headers.clone())
                .body(request.body.clone());
            let lost = |error: reqwest::Error| HttpError::Lost {
                method: method.to_string(),
                path: path.clone(),
                why: Lost::of(&error),
            };
            let received = sending.send().await.map_err(lost)?;
            let is_first = refused.is_none();
            if received.status() == StatusCode::UNAUTHORIZED && is_first && self.auth.renews() {
                refused = headers.get(AUTHORIZATION).cloned();
                continue;
            }
            if received.status().is_success() {
                return self.taken(received, keep).await.map_err(lost);
            }
            return Err(self.refusal(method, path, received).await);
        }
    }

    async fn credential(
        &self,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, HttpError> {
        match &self.auth {
            Auth::None => Ok(None),
            Auth::Fixed(credential) => Ok(Some(credential.clone())),
            Auth::Tokens(tokens) => tokens.get(&self.http, &self.hidden, refused).await.map(Some),
        }
    }

    fn method(&self, text: &str, path: &str) -> Result<Method, HttpError> {
        let known =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let method = known.into_iter().find(|method| method.as_str() == text);
        let method = method.ok_or_else(|| HttpError::Method { method: cut(text) })?;
        self.may_send(&method, path)?;
        Ok(method)
    }

    fn may_send(&self, method: &Method, path: &str) -> Result<(), HttpError> {
        if method.is_safe() {
            return Ok(());
        }
        self.access.check().map_err(|denied| match denied {
            Denied::ReadOnly => {
                HttpError::ReadOnly { method: method.to_string(), path: path.to_owned() }
            }
            Denied::Fenced => HttpError::Fenced { path: path.to_owned() },
        })
    }

    /// A plugin's headers, and over them the connection's.
    fn headers(&self, request: &Request) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::new();
        if let Some((name, _)) = request.headers.get(HEADERS_MAX) {
            let reason = format!("is one too many: a request has {HEADERS_MAX} at the most");
            return Err(HttpError::Header { name: cut(name), reason });
        }
        for (name, value) in &request.headers {
            let wrong = |reason| HttpError::Header { name: cut(name), reason };
            let (name, value) = header(name, value).map_err(wrong)?;
            headers.append(name, value);
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    async fn taken(&self, mut received: Received, keep: &Keep) -> reqwest::Result<Response> {
        let status = received.status().as_u16();
        let mut headers = Vec::new();
        for name in &keep.headers {
            for value in received.headers().get_all(name.as_str()) {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                headers.push((name.to_ascii_lowercase(), self.hidden.text(value)));
            }
        }
        // The server has done it; what it says besides matters only to whoever wants it.
        let (body, whole) = if keep.body_bytes == 0 {
            let draining = read(&mut received, DRAINED_BYTES_MAX);
            let drained = tokio::time::timeout(DRAINING_TIME_MAX, draining).await;
            (Vec::new(), matches!(drained, Ok(Ok((body, true))) if body.is_empty()))
        } else {
            let max = keep.body_bytes.max(DRAINED_BYTES_MAX);
            let (body, whole) = read(&mut received, max).await?;
            // Before it is cut: what is left of a credential would not be known again.
            let mut body = self.hidden.bytes(body);
            let fits = body.len() <= keep.body_bytes;
            body.truncate(keep.body_bytes);
            (body, whole && fits)
        };
        Ok(Response { status, headers, body, whole })
    }

    /// What the server refused a request with.
    async fn refusal(&self, method: &Method, path: String, mut received: Received) -> HttpError {
        let status = received.status().as_u16();
        let method = method.to_string();
        let text = |name| received.headers().get(name).and_then(|value| value.to_str().ok());
        if received.status().is_redirection() {
            let to = text(LOCATION).map(|to| cut(&self.hidden.text(without_query(to).to_owned())));
            return HttpError::Redirected { method, path, status, to: to.unwrap_or_default() };
        }
        let after = text(RETRY_AFTER).and_then(|text| retry_after(text, SystemTime::now()));
        // What cannot be read any more is no more than words.
        let reading = read(&mut received, REFUSAL_BYTES_MAX);
        let words = match tokio::time::timeout(DRAINING_TIME_MAX, reading).await {
            Ok(Ok((words, _))) => words,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let words = String::from_utf8_lossy(&words).into_owned();
        HttpError::Refused {
            method,
            path,
            status,
            words: cut_words(&self.hidden.text(words)),
            after,
        }
    }
}

/// Reads a header; the error says what is wrong with it and quotes no value.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is no name".to_owned())?;
    if RESERVED.contains(&header.as_str()) {
        return Err("is the connection's own".to_owned());
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| "has a value with characters that no header may have".to_owned())?;
    Ok((header, value))
}

/// The first bytes of an answer, and whether they are all.
async fn read(received: &mut Received, max: usize) -> reqwest::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    while let Some(chunk) = received.chunk().await? {
        let room = max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// A query may hold what is nobody's business.
fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// A server's words in one line.
fn cut_words(words: &str) -> String {
    let words: Vec<_> = words.split_whitespace().collect();
    let words: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    match words.char_indices().nth(crate::limits::WORDS_MAX) {
        None => words,
        Some((end, _)) => format!("{}...", &words[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_frame_or_authorize_requests_are_nobodys_to_set() {
        for name in ["Authorization", "host", "Content-Length", "transfer-encoding"] {
            assert!(header(name, "x").is_err(), "{name}");
        }
        assert!(header("a b", "x").is_err());
        let error = header("x-key", "a\r\nhost: hunter2").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(header("X-Key", "ä").is_ok());
    }

    #[test]
    fn words_are_one_line_of_a_length_that_can_be_read() {
        assert_eq!(cut_words(" a\r\n\tb\u{7}c "), "a bc");
        assert_eq!(cut_words(&"ä".repeat(400)).chars().count(), 303);
    }
}
