//! What can go wrong with a request, and what to do about it.

use rustls::AlertDescription;
use std::time::{Duration, SystemTime};

use crate::limits::RETRY_AFTER_MAX;

/// What a task does about an error: the failures of the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same again after a pause may succeed. The server may have acted on the request
    /// before its answer was lost.
    Retry,
    /// Wait for the user to change configuration or grants.
    Config,
    /// The server does not take this request, and will not: others may do.
    Reject,
    /// Stop the task; an operator must look.
    Fatal,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Nobody is there.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// What the system says.
        reason: String,
    },
    /// It is not who it says, or neither understands the other.
    #[error("no TLS with the server: {reason}")]
    Tls {
        /// What the handshake ended with.
        reason: String,
    },
    /// It was there, and is gone.
    #[error("the connection was lost: {reason}")]
    Cut {
        /// What the system says.
        reason: String,
    },
    /// It is slow.
    #[error("no answer within {after:?} (`request.timeout.ms`)")]
    Timeout {
        /// The time that it had.
        after: Duration,
    },
    /// The connection's coming about is slow.
    #[error("no connection in time (`connect.timeout.ms`)")]
    ConnectTimeout,
    /// What came is not HTTP.
    #[error("the server's answer is not HTTP/1.1: {reason}")]
    Garbled {
        /// What is wrong with it.
        reason: String,
    },
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// No answer.
    #[error("{0}")]
    Lost(Lost),
    /// The server gives none.
    #[error("HTTP status {status}: {words}")]
    Refused {
        /// Its status code.
        status: u16,
        /// Its words.
        words: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// Its answer makes no sense.
    #[error("its answer cannot be used: {reason}")]
    Unreadable {
        /// What is wrong with it.
        reason: String,
    },
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// A setting of the connection that cannot be used.
    #[error("the connection's `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, after its name.
        reason: String,
    },
    /// A path that no request may have.
    #[error("`{path}` is no path beneath the connection's URL: {reason}")]
    Path {
        /// The path, cut when it is long.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A header that no request may have.
    #[error("the header `{name}` {reason}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it, after its name.
        reason: String,
    },
    /// A method that nobody sends here.
    #[error("`{method}` is none of GET, HEAD, POST, PUT, PATCH, DELETE")]
    Method {
        /// What was asked for.
        method: String,
    },
    /// A write through a connection that was granted for reading.
    #[error(
        "{method} `{path}` is not sent: the connection was granted for reading only (`verbs: [read, write]` allows both)"
    )]
    ReadOnly {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The worker may no longer write for this task.
    #[error(
        "`{path}` is not sent: this worker's lease on the task has ended, another worker may own it"
    )]
    Fenced {
        /// The path.
        path: String,
    },
    /// Its turn did not come.
    #[error("`{path}` was not sent: its turn did not come in this call")]
    NotSent {
        /// The path.
        path: String,
    },
    /// There is no answer.
    #[error("{method} `{path}`: {why}")]
    Lost {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// Why.
        why: Lost,
    },
    /// There is no token to ask with.
    #[error("no OAuth2 token from {url}: {why}")]
    Token {
        /// The server of tokens.
        url: String,
        /// Why.
        why: TokenFault,
    },
    /// The server wants to be asked elsewhere.
    #[error(
        "{method} `{path}`: HTTP status {status}, a redirection to `{to}`, which is not followed: \
         the connection's `url` must be where requests are taken"
    )]
    Redirected {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// Its status code.
        status: u16,
        /// Where to, without the query.
        to: String,
    },
    /// The server does not do it.
    #[error("{method} `{path}`: HTTP status {status}: {words}")]
    Refused {
        /// The method.
        method: String,
        /// The path.
        path: String,
        /// Its status code.
        status: u16,
        /// Its words, in one line.
        words: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
}

impl HttpError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Setting { .. }
            | Self::Method { .. }
            | Self::ReadOnly { .. }
            | Self::Header { .. }
            | Self::Redirected { .. } => Class::Config,
            Self::Path { .. } => Class::Reject,
            Self::Fenced { .. } | Self::NotSent { .. } => Class::Retry,
            Self::Lost { why, .. } => why.class(),
            Self::Token { why, .. } => why.class(),
            Self::Refused { status, .. } => class_of(*status),
        }
    }

    /// How long the server wants to be left alone.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. }
            | Self::Token { why: TokenFault::Refused { after, .. }, .. } => *after,
            _ => None,
        }
    }

    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> String {
        match self {
            Self::Setting { .. } => "bad-setting",
            Self::Path { .. } => "bad-path",
            Self::Header { .. } => "bad-header",
            Self::Method { .. } => "bad-method",
            Self::ReadOnly { .. } => "read-only",
            Self::Fenced { .. } => "fenced",
            Self::NotSent { .. } => "not-sent",
            Self::Lost { why, .. } => why.code(),
            Self::Token { why, .. } => match why {
                TokenFault::Lost(why) => why.code(),
                TokenFault::Refused { .. } => "token-refused",
                TokenFault::Unreadable { .. } => "token-unreadable",
            },
            Self::Redirected { .. } => "redirected",
            Self::Refused { status, .. } => return format!("http-{status}"),
        }
        .to_owned()
    }
}

/// What a status other than 2xx and 3xx means (RFC 9110, RFC 6585).
fn class_of(status: u16) -> Class {
    match status {
        // Credentials, rights, payment, another method, proxy, host, protocol, log-in of
        // the network: whatever the request, until somebody changes something.
        401 | 402 | 403 | 405 | 407 | 421 | 426 | 501 | 505 | 511 => Class::Config,
        // Time-out, locked, too early, too many.
        408 | 423 | 425 | 429 => Class::Retry,
        400..=499 => Class::Reject,
        500.. => Class::Retry,
        // A switch of protocols that nobody asked for.
        _ => Class::Config,
    }
}

impl TokenFault {
    fn class(&self) -> Class {
        match self {
            Self::Lost(why) => why.class(),
            Self::Refused { status: 408 | 425 | 429 | 500.., .. } => Class::Retry,
            Self::Refused { .. } | Self::Unreadable { .. } => Class::Config,
        }
    }
}

impl Lost {
    fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. }
            | Self::Cut { .. }
            | Self::Timeout { .. }
            | Self::ConnectTimeout => Class::Retry,
            Self::Tls { .. } | Self::Garbled { .. } => Class::Config,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::Cut { .. } => "connection-lost",
            Self::Timeout { .. } => "timeout",
            Self::ConnectTimeout => "connect-timeout",
            Self::Garbled { .. } => "not-http",
        }
    }

    /// What an error of the HTTP client means, without the address, which is told apart.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let causes: Vec<_> = causes(error).collect();
        let words: Vec<_> = causes.iter().map(|cause| cause.to_string()).collect();
        let reason = if words.is_empty() { "the request failed".into() } else { words.join(": ") };
        // Who hangs up in the handshake may be restarting.
        let tls = causes.iter().find_map(|cause| tls_error(*cause));
        if tls.is_some_and(stays) {
            return Self::Tls { reason };
        }
        match error {
            _ if error.is_timeout() && error.is_connect() => Self::ConnectTimeout,
            _ if error.is_connect() => Self::Unreachable { reason },
            _ if words.iter().any(|words| words.contains("invalid HTTP")) => {
                Self::Garbled { reason }
            }
            _ => Self::Cut { reason },
        }
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |error| error.source())
}

/// The handshake's error, which may be wrapped in one of input and output.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error
        .downcast_ref::<rustls::Error>()
        .or_else(|| wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>()))
}

/// Whether a handshake fails as long as nobody changes a certificate, a version or a name.
fn stays(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::AlertReceived(alert) => !matches!(
            alert,
            AlertDescription::CloseNotify
                | AlertDescription::InternalError
                | AlertDescription::UserCanceled
        ),
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::UnsupportedNameType
        // A server without TLS.
        | rustls::Error::InvalidMessage(_) => true,
        _ => false,
    }
}

/// What `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let after = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            // One that has passed asks for nothing.
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(after.min(RETRY_AFTER_MAX))
}

/// A text as an error may have it.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(200) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> HttpError {
        HttpError::Refused {
            method: "POST".to_owned(),
            path: "x".to_owned(),
            status,
            words: String::new(),
            after: None,
        }
    }

    #[test]
    fn every_status_has_its_class() {
        for (class, statuses) in [
            (Class::Config, &[101, 401, 402, 403, 405, 407, 421, 426, 501, 505, 511][..]),
            (Class::Retry, &[408, 423, 425, 429, 500, 502, 503, 504, 507, 520, 599]),
            (
                Class::Reject,
                &[400, 404, 406, 409, 410, 411, 412, 413, 414, 415, 417, 422, 424, 428, 431, 451],
            ),
        ] {
            for status in statuses {
                assert_eq!(refused(*status).class(), class, "{status}");
                assert_eq!(refused(*status).code(), format!("http-{status}"));
            }
        }
    }

    #[test]
    fn every_error_has_its_class_and_code() {
        let text = || "x".to_owned();
        let lost = |why| HttpError::Lost { method: text(), path: text(), why };
        let token = |why| HttpError::Token { url: text(), why };
        let refused = |status| TokenFault::Refused { status, words: text(), after: None };
        for (error, class, code) in [
            (HttpError::Setting { setting: "url", reason: text() }, Class::Config, "bad-setting"),
            (HttpError::Path { path: text(), reason: "x" }, Class::Reject, "bad-path"),
            (HttpError::Header { name: text(), reason: text() }, Class::Config, "bad-header"),
            (HttpError::Method { method: text() }, Class::Config, "bad-method"),
            (HttpError::ReadOnly { method: text(), path: text() }, Class::Config, "read-only"),
            (HttpError::Fenced { path: text() }, Class::Retry, "fenced"),
            (HttpError::NotSent { path: text() }, Class::Retry, "not-sent"),
            (
                HttpError::Redirected { method: text(), path: text(), status: 302, to: text() },
                Class::Config,
                "redirected",
            ),
            (lost(Lost::Unreachable { reason: text() }), Class::Retry, "unreachable"),
            (lost(Lost::Tls { reason: text() }), Class::Config, "tls"),
            (lost(Lost::Cut { reason: text() }), Class::Retry, "connection-lost"),
            (lost(Lost::Timeout { after: Duration::ZERO }), Class::Retry, "timeout"),
            (lost(Lost::ConnectTimeout), Class::Retry, "connect-timeout"),
            (lost(Lost::Garbled { reason: text() }), Class::Config, "not-http"),
            (token(TokenFault::Lost(Lost::ConnectTimeout)), Class::Retry, "connect-timeout"),
            (token(refused(400)), Class::Config, "token-refused"),
            (token(refused(401)), Class::Config, "token-refused"),
            (token(refused(429)), Class::Retry, "token-refused"),
            (token(refused(503)), Class::Retry, "token-refused"),
            (token(TokenFault::Unreadable { reason: text() }), Class::Config, "token-unreadable"),
        ] {
            assert_eq!((error.class(), error.code().as_str()), (class, code), "{error}");
        }
    }

    #[test]
    fn a_handshake_that_a_server_breaks_off_may_succeed_later() {
        let stay = |alert| stays(&rustls::Error::AlertReceived(alert));
        assert!(stay(AlertDescription::CertificateRequired));
        assert!(stay(AlertDescription::ProtocolVersion));
        assert!(!stay(AlertDescription::InternalError));
        assert!(stays(&rustls::Error::NoCertificatesPresented));
        assert!(!stays(&rustls::Error::HandshakeNotComplete));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |text| retry_after(text, now).map(|after| after.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(seconds("Fri, 31 Dec 9999 23:59:59 GMT"), Some(3600));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }
}
