//! Tokens of OAuth2, which a client's id and secret are given for (RFC 6749, section 4.4).
//!
//! A token is had when the first request needs it, used for as long as it lasts, and
//! renewed some time before; the server's refusal ends it too. While one request renews
//! it the others wait, so that the server of tokens is asked once.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::hidden::Hidden;
use super::{cut_words, read};
use crate::classify::{HttpError, Lost, TokenFault, retry_after};
use crate::config::ClientAuthMode;
use crate::limits::{RENEWED_BEFORE, TOKEN_BYTES_MAX};

/// Where tokens are had.
pub(super) struct Tokens {
    url: Url,
    body: String,
    /// The client's id and secret, if they stand in the header.
    basic: Option<String>,
    current: Mutex<Option<Token>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.url)
    }
}

/// A token, as requests have it.
struct Token {
    credential: HeaderValue,
    /// When to renew it, and when it ends; `None` if the server does not say.
    life: Option<(Instant, Instant)>,
}

/// A server's answer (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

/// A number, which some servers write as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn duration(self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => Some(seconds),
            Self::Text(text) => text.trim().parse().ok(),
        };
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }
}

impl Tokens {
    pub(super) fn new(
        url: Url,
        client: String,
        secret: String,
        scope: Option<String>,
        mode: ClientAuthMode,
    ) -> Self {
        let mut body = "grant_type=client_credentials".to_owned();
        let mut add = |name: &str, value: &str| {
            body.push_str(&format!("&{name}={}", form_encoded(value)));
        };
        if let Some(scope) = scope {
            add("scope", &scope);
        }
        let basic = match mode {
            ClientAuthMode::Header => {
                // Section 2.3.1: encoded as in a form, before it is encoded again.
                let pair = format!("{}:{}", form_encoded(&client), form_encoded(&secret));
                Some(BASE64.encode(pair))
            }
            ClientAuthMode::Body => {
                add("client_id", &client);
                add("client_secret", &secret);
                None
            }
        };
        Self { url, body, basic, current: Mutex::new(None) }
    }

    /// What says who asks for tokens.
    pub(super) fn basic(&self) -> Option<&str> {
        self.basic.as_deref()
    }

    /// The credential of a token that lasts, another than the one `refused`.
    pub(super) async fn get(
        &self,
        http: &Client,
        hidden: &Hidden,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, HttpError> {
        let mut current = self.current.lock().await;
        let known = current.as_ref().filter(|token| refused != Some(&token.credential));
        if let Some(token) = known
            && token.life.is_none_or(|(renewed_at, _)| Instant::now() < renewed_at)
        {
            return Ok(token.credential.clone());
        }
        match self.ask(http, hidden).await {
            Ok(token) => {
                let credential = token.credential.clone();
                *current = Some(token);
                Ok(credential)
            }
            Err(why) => match known.filter(|token| token.lasts()) {
                // It is to be renewed, but has not ended yet.
                Some(token) => Ok(token.credential.clone()),
                None => Err(HttpError::Token { url: host(&self.url), why }),
            },
        }
    }

    async fn ask(&self, http: &Client, hidden: &Hidden) -> Result<Token, TokenFault> {
        let mut request = http
            .post(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.body.clone());
        if let Some(basic) = &self.basic {
            request = request.header(AUTHORIZATION, format!("Basic {basic}"));
        }
        let asked_at = Instant::now();
        let lost = |error: reqwest::Error| TokenFault::Lost(Lost::of(&error));
        let mut received = request.send().await.map_err(lost)?;
        let status = received.status();
        let after = received.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| retry_after(text, SystemTime::now()));
        let (body, is_whole) = read(&mut received, TOKEN_BYTES_MAX).await.map_err(lost)?;
        if !status.is_success() {
            let words = hidden.text(String::from_utf8_lossy(&body).into_owned());
            let (status, words) = (status.as_u16(), cut_words(&words));
            return Err(TokenFault::Refused { status, words, after });
        }
        if !is_whole {
            return Err(TokenFault::Unreadable { reason: "it is too long".to_owned() });
        }
        let token =
            Token::read(&body, asked_at).map_err(|reason| TokenFault::Unreadable { reason })?;
        if let Ok(credential) = token.credential.to_str() {
            hidden.add_token(credential.trim_start_matches("Bearer "));
        }
        Ok(token)
    }
}

impl Token {
    /// Reads an answer; the error quotes nothing of it.
    fn read(body: &[u8], asked_at: Instant) -> Result<Self, String> {
        let given: Given = serde_json::from_slice(body)
            .map_err(|error| format!("it is no JSON with a token, in column {}", error.column()))?;
        if given.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("its tokens are not of the type Bearer".to_owned());
        }
        let mut credential = HeaderValue::from_str(&format!("Bearer {}", given.access_token))
            .map_err(|_| "its token has characters that no header may have".to_owned())?;
        credential.set_sensitive(true);
        let life = given.expires_in.and_then(Seconds::duration);
        let life = life.and_then(|life| {
            let renewed_after = life - (life / 5).min(RENEWED_BEFORE);
            // An end beyond what the clock can tell is none.
            Some((asked_at.checked_add(renewed_after)?, asked_at.checked_add(life)?))
        });
        Ok(Self { credential, life })
    }

    fn lasts(&self) -> bool {
        self.life.is_none_or(|(_, ends_at)| Instant::now() < ends_at)
    }
}

fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// As `application/x-www-form-urlencoded` has it, a space as `%20`.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(answer: &str) -> Option<(u64, u64)> {
        let at = Instant::now();
        let token = Token::read(answer.as_bytes(), at).unwrap();
        token.life.map(|(renewed, ends)| ((renewed - at).as_secs(), (ends - at).as_secs()))
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let answer = |more: &str| format!(r#"{{"access_token":"t","token_type":"bearer"{more}}}"#);
        assert_eq!(life(&answer(r#","expires_in":3600"#)), Some((3540, 3600)));
        assert_eq!(life(&answer(r#","expires_in":10"#)), Some((8, 10)));
        assert_eq!(life(&answer(r#","expires_in":"3600""#)), Some((3540, 3600)));
        for endless in ["", r#","expires_in":-1"#, r#","expires_in":1e300"#] {
            assert_eq!(life(&answer(endless)), None, "{endless}");
        }
    }

    #[test]
    fn an_answer_that_is_no_token_is_told_without_what_it_says() {
        for wrong in [
            r#"{"token":"hunter22"}"#,
            r#"["hunter22"]"#,
            r#"{"access_token":"hunter22","token_type":"mac"}"#,
            r#"{"access_token":"hunter22\n"}"#,
            "hunter22",
        ] {
            let error = Token::read(wrong.as_bytes(), Instant::now()).err().unwrap();
            assert!(!error.contains("hunter22"), "{error}");
        }
    }

    #[test]
    fn id_and_secret_stand_where_the_server_wants_them() {
        let tokens = |mode| {
            let url = Url::parse("http://t/").unwrap();
            Tokens::new(url, "a b".to_owned(), "c:d&".to_owned(), Some("r w".to_owned()), mode)
        };
        let header = tokens(ClientAuthMode::Header);
        assert_eq!(header.body, "grant_type=client_credentials&scope=r%20w");
        assert_eq!(BASE64.decode(header.basic().unwrap()).unwrap(), b"a%20b:c%3Ad%26");
        let body = tokens(ClientAuthMode::Body);
        assert!(body.basic().is_none());
        assert!(body.body.ends_with("&scope=r%20w&client_id=a%20b&client_secret=c%3Ad%26"));
    }
}
