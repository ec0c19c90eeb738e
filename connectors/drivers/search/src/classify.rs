//! What can go wrong with operations, and what to do about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use longshore_driver_common::Denied;
use rustls::AlertDescription;

use crate::limits::RETRY_AFTER_MAX_S;

/// What a task does about an error: the failures of the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same again after a pause may succeed. The server may have done it before its
    /// answer was lost.
    Retry,
    /// Wait for the user to change configuration, rights or indices.
    Config,
    /// The server does not take this operation, and will not: others may do.
    Reject,
    /// Stop the task; an operator must look.
    Fatal,
}

/// Why a request has no answer.
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
}

/// An operation that failed, alone or with its request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// A setting of the connection that cannot be used.
    #[error("the connection's `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it, after its name.
        reason: String,
    },
    /// A write through a connection that was granted for reading.
    #[error(
        "nothing is written: the connection was granted for reading only (`verbs: [write]` allows it)"
    )]
    ReadOnly,
    /// The worker may no longer write for this task.
    #[error(
        "nothing is written: this worker's lease on the task has ended, another worker may own it"
    )]
    Fenced,
    /// Its turn did not come.
    #[error("it was not sent: its turn did not come in this call")]
    NotSent,
    /// What is to be a document is none.
    #[error("the document of `{id}` is no JSON object: {reason}")]
    Document {
        /// The document's id, cut when it is long.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its request has no answer.
    #[error("{0}")]
    Lost(Lost),
    /// The server wants to be asked elsewhere.
    #[error(
        "the request was redirected to `{to}`: the connection's `url` must be where requests are taken"
    )]
    Redirected {
        /// Where to, without the query.
        to: String,
    },
    /// What answers is no such server.
    #[error("what answers is neither Elasticsearch nor OpenSearch: {reason}")]
    Unreadable {
        /// What is wrong with the answer.
        reason: String,
    },
    /// The server does not take the request.
    #[error("HTTP status {status}: {words}")]
    Refused {
        /// Its status code.
        status: u16,
        /// The server's name for what is wrong; empty where it has none.
        kind: String,
        /// The server's words, in one line.
        words: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// The server took the request, and did not do this operation of it.
    #[error("`{id}` of the index `{index}`: {kind} (status {status}): {reason}")]
    Item {
        /// The document's index.
        index: String,
        /// The document's id, cut when it is long.
        id: String,
        /// The status code that it would have had alone.
        status: u16,
        /// The server's name for what is wrong, such as `mapper_parsing_exception`.
        kind: String,
        /// The server's words, in one line.
        reason: String,
    },
}

impl From<Denied> for SearchError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::ReadOnly => Self::ReadOnly,
            Denied::Fenced => Self::Fenced,
        }
    }
}

impl SearchError {
    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Setting { .. }
            | Self::ReadOnly
            | Self::Redirected { .. }
            | Self::Unreadable { .. }
            | Self::Lost(Lost::Tls { .. }) => Class::Config,
            Self::Fenced | Self::NotSent | Self::Lost(_) => Class::Retry,
            Self::Document { .. } => Class::Reject,
            Self::Refused { status, kind, .. } => class_of_request(*status, kind),
            Self::Item { status, kind, .. } => class_of_item(*status, kind),
        }
    }

    /// How long the server wants to be left alone.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> String {
        match self {
            Self::Setting { .. } => "bad-setting",
            Self::ReadOnly => "read-only",
            Self::Fenced => "fenced",
            Self::NotSent => "not-sent",
            Self::Document { .. } => "bad-document",
            Self::Lost(Lost::Unreachable { .. }) => "unreachable",
            Self::Lost(Lost::Tls { .. }) => "tls",
            Self::Lost(Lost::Cut { .. }) => "connection-lost",
            Self::Lost(Lost::Timeout { .. }) => "timeout",
            Self::Redirected { .. } => "redirected",
            Self::Unreadable { .. } => "not-a-search-engine",
            Self::Refused { status, .. } => return format!("http-{status}"),
            Self::Item { kind, .. } => return kind.replace('_', "-"),
        }
        .to_owned()
    }
}

/// What the refusal of a whole request means.
fn class_of_request(status: u16, kind: &str) -> Class {
    match (status, kind) {
        // Too large; one of its operations is wrong, which has the server read none.
        (413, _)
        | (
            400,
            "action_request_validation_exception"
            | "document_parsing_exception"
            | "json_parse_exception"
            | "mapper_parsing_exception"
            | "x_content_parse_exception",
        ) => Class::Reject,
        // Time-outs and too many.
        (408 | 425 | 429, _) => Class::Retry,
        (501 | 505 | 511, _) => Class::Config,
        (500.., _) => Class::Retry,
        // Credentials, rights, another path, method, type of content, proxy: whatever the
        // operations.
        _ => Class::Config,
    }
}

/// What becomes of an operation that the server names so; what it calls them is not
/// listed anywhere, so only those count by name whose status says too little.
fn class_of_item(status: u16, kind: &str) -> Class {
    match (status, kind) {
        // An index that is missing and may not be made, cannot be called so, or is closed;
        // more shards than the cluster may have.
        (
            _,
            "index_not_found_exception"
            | "invalid_index_name_exception"
            | "index_closed_exception"
            | "validation_exception",
        ) => Class::Config,
        // Rights, and blocks that somebody has put there.
        (401 | 403, _) => Class::Config,
        // A queue or memory is full, the disk nearly so; a shard is nowhere; other writes
        // of its document came between.
        (408 | 409 | 429 | 500.., _) => Class::Retry,
        _ => Class::Reject,
    }
}

impl Lost {
    /// What an error of the client means, without the address.
    pub(crate) fn of(error: &elasticsearch::Error) -> Self {
        let causes: Vec<_> = causes(error).collect();
        let words: Vec<_> = causes.iter().map(|cause| cause.to_string()).collect();
        let reason = if words.is_empty() { error.to_string() } else { words.join(": ") };
        if causes.iter().filter_map(|cause| tls(*cause)).any(stays) {
            return Self::Tls { reason };
        }
        match words.first() {
            Some(words) if words.contains("(Connect)") => Self::Unreachable { reason },
            _ => Self::Cut { reason },
        }
    }
}

/// What is behind the error of the client's own and that of its HTTP.
fn causes(error: &elasticsearch::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first = Error::source(error);
    std::iter::successors(first, |cause| (*cause).source()).skip(1)
}

/// The handshake's error, which is wrapped in some of input and output.
fn tls<'a>(mut cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        cause = inner;
    }
    cause.downcast_ref()
}

/// Whether a handshake fails as long as nobody changes a certificate, a version or a name.
fn stays(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::AlertReceived(alert) => {
            !matches!(alert, AlertDescription::CloseNotify | AlertDescription::InternalError)
        }
        // The last is what a server without TLS says.
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::InvalidMessage(_) => true,
        _ => false,
    }
}

/// What `Retry-After` says in seconds; nothing here sends dates.
pub(crate) fn retry_after(text: &str) -> Option<Duration> {
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX_S)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(status: u16, kind: &str) -> SearchError {
        let (index, id, reason) = ("i".to_owned(), "1".to_owned(), String::new());
        SearchError::Item { index, id, status, kind: kind.to_owned(), reason }
    }

    #[test]
    fn every_status_of_a_request_has_its_class() {
        let refused = |status, kind: &str| {
            let (kind, words) = (kind.to_owned(), String::new());
            SearchError::Refused { status, kind, words, after: None }
        };
        for (class, statuses) in [
            (Class::Config, &[304, 400, 401, 403, 404, 405, 406, 407, 415, 501, 505, 511][..]),
            (Class::Retry, &[408, 425, 429, 500, 502, 503, 504, 599]),
            (Class::Reject, &[413]),
        ] {
            for status in statuses.iter().copied() {
                assert_eq!(refused(status, "").class(), class, "{status}");
                assert_eq!(refused(status, "x").code(), format!("http-{status}"));
            }
        }
        let class = |kind| refused(400, kind).class();
        assert_eq!(class("action_request_validation_exception"), Class::Reject);
        assert_eq!(class("x_content_parse_exception"), Class::Reject);
        assert_eq!(class("illegal_argument_exception"), Class::Config);
    }

    #[test]
    fn every_error_of_an_operation_has_its_class() {
        for (class, status, kind) in [
            (Class::Reject, 400, "mapper_parsing_exception"),
            (Class::Reject, 400, "document_parsing_exception"),
            (Class::Reject, 400, "strict_dynamic_mapping_exception"),
            (Class::Reject, 400, "illegal_argument_exception"),
            (Class::Reject, 400, "version_conflict_of_another_kind"),
            (Class::Config, 400, "invalid_index_name_exception"),
            (Class::Config, 400, "index_closed_exception"),
            (Class::Config, 400, "validation_exception"),
            (Class::Config, 404, "index_not_found_exception"),
            (Class::Config, 403, "cluster_block_exception"),
            (Class::Config, 403, "security_exception"),
            (Class::Config, 401, "security_exception"),
            (Class::Retry, 429, "cluster_block_exception"),
            (Class::Retry, 429, "es_rejected_execution_exception"),
            (Class::Retry, 429, "circuit_breaking_exception"),
            (Class::Retry, 409, "version_conflict_engine_exception"),
            (Class::Retry, 503, "unavailable_shards_exception"),
            (Class::Retry, 503, "process_cluster_event_timeout_exception"),
            (Class::Retry, 500, "null_pointer_exception"),
        ] {
            assert_eq!(item(status, kind).class(), class, "{status} {kind}");
        }
        assert_eq!(item(400, "mapper_parsing_exception").code(), "mapper-parsing-exception");
    }

    #[test]
    fn every_other_error_has_its_class_and_code() {
        let text = || "x".to_owned();
        for (error, class, code) in [
            (SearchError::Setting { setting: "url", reason: text() }, Class::Config, "bad-setting"),
            (SearchError::ReadOnly, Class::Config, "read-only"),
            (SearchError::Fenced, Class::Retry, "fenced"),
            (SearchError::NotSent, Class::Retry, "not-sent"),
            (SearchError::Document { id: text(), reason: text() }, Class::Reject, "bad-document"),
            (SearchError::Redirected { to: text() }, Class::Config, "redirected"),
            (SearchError::Unreadable { reason: text() }, Class::Config, "not-a-search-engine"),
            (SearchError::Lost(Lost::Unreachable { reason: text() }), Class::Retry, "unreachable"),
            (SearchError::Lost(Lost::Tls { reason: text() }), Class::Config, "tls"),
            (SearchError::Lost(Lost::Cut { reason: text() }), Class::Retry, "connection-lost"),
            (SearchError::Lost(Lost::Timeout { after: Duration::ZERO }), Class::Retry, "timeout"),
        ] {
            assert_eq!((error.class(), error.code().as_str()), (class, code), "{error}");
        }
    }

    #[test]
    fn a_handshake_that_a_server_breaks_off_may_succeed_later() {
        let alert = |alert| stays(&rustls::Error::AlertReceived(alert));
        assert!(alert(AlertDescription::CertificateRequired));
        assert!(!alert(AlertDescription::InternalError));
        assert!(!stays(&rustls::Error::HandshakeNotComplete));
    }

    #[test]
    fn a_handshakes_error_is_found_however_it_is_wrapped() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::other(refused.clone()));
        assert_eq!(tls(&wrapped), Some(&refused));
        assert_eq!(tls(&io::Error::other("x")), None);
    }

    #[test]
    fn retry_after_is_bounded() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("99999999"), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after("soon"), None);
    }
}
