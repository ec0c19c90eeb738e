//! What goes wrong with AWS's messaging services, and what to do about it.

mod rows;

use std::fmt;

use longshore_driver_common::Denied;

use self::rows::{BAD_MESSAGE, OMITTED, Row, SERVER_ERROR, UNREACHABLE, UNSENT, by_status, named};
use crate::limits::WORDS_MAX;

/// What a task does about an error: the failures of the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same again after a pause may succeed. The service may have acted on it.
    Retry,
    /// Wait for the user to change configuration or grants.
    Config,
    /// The service does not take this message, and will not: others it may.
    Reject,
    /// Stop the task; an operator must look.
    Fatal,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
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
        "nothing is sent to `{place}`: the connection was granted for reading only (`verbs: [write]` allows it)"
    )]
    ReadOnly {
        /// Where to.
        place: String,
    },
    /// The worker may no longer write for this task.
    #[error(
        "nothing is sent to `{place}`: this worker's lease on the task has ended, another worker may own it"
    )]
    Fenced {
        /// Where to.
        place: String,
    },
    /// Its turn did not come.
    #[error("not sent to `{place}`: its turn did not come in this call")]
    NotSent {
        /// Where to.
        place: String,
    },
    /// The service refused, or did not answer.
    #[error("{verb} `{place}` failed: {refusal}")]
    Failed {
        /// What was tried, as `sending to`.
        verb: &'static str,
        /// Where.
        place: String,
        /// What came back.
        refusal: Refusal,
    },
}

/// A request that a service refused, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It answered with an error.
    Answered {
        /// HTTP's status.
        status: u16,
        /// AWS's name for it.
        code: Option<String>,
        /// AWS's words.
        message: Option<String>,
    },
    /// It took other entries of the request, not this one.
    Entry {
        /// AWS's name for the reason.
        code: String,
        /// AWS's words.
        message: Option<String>,
        /// It says that the entry is to blame.
        is_ours: bool,
    },
    /// It answered for other entries of the request, and says nothing of this one.
    Omitted,
    /// No answer came, or none that can be read.
    Unanswered {
        /// Why.
        reason: String,
    },
    /// The request could not be made.
    Unsent {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    fn row(&self) -> &'static Row {
        match self {
            Self::Answered { status, code: Some(code), .. } => {
                named(code).unwrap_or_else(|| by_status(*status))
            }
            Self::Answered { status, code: None, .. } => by_status(*status),
            Self::Entry { code, is_ours, .. } => {
                named(code).unwrap_or(if *is_ours { &BAD_MESSAGE } else { &SERVER_ERROR })
            }
            Self::Omitted => &OMITTED,
            Self::Unanswered { .. } => &UNREACHABLE,
            Self::Unsent { .. } => &UNSENT,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |message: &Option<String>| {
            message.as_ref().map(|it| format!("{} ", it.trim_end_matches('.'))).unwrap_or_default()
        };
        match self {
            Self::Answered { status, code: Some(code), message } => {
                write!(f, "{}({code}, HTTP status {status})", told(message))?;
            }
            Self::Answered { status, code: None, message } => {
                write!(f, "{}(HTTP status {status})", told(message))?;
            }
            Self::Entry { code, message, .. } => write!(f, "{}({code})", told(message))?,
            Self::Omitted => f.write_str("the answer to its request does not name it")?,
            Self::Unanswered { reason } => write!(f, "the server did not answer: {reason}")?,
            Self::Unsent { reason } => write!(f, "the request cannot be made: {reason}")?,
        }
        f.write_str(self.row().remedy)
    }
}

impl Refusal {
    /// What the service or the system said.
    fn words(&mut self) -> Option<&mut String> {
        match self {
            Self::Answered { message, .. } | Self::Entry { message, .. } => message.as_mut(),
            Self::Unanswered { reason } | Self::Unsent { reason } => Some(reason),
            Self::Omitted => None,
        }
    }
}

impl AwsError {
    /// Why nothing is written to `place`.
    pub(crate) fn denied(denied: Denied, place: &str) -> Self {
        let place = place.to_owned();
        match denied {
            Denied::ReadOnly => Self::ReadOnly { place },
            Denied::Fenced => Self::Fenced { place },
        }
    }

    /// Its words, to be shown: what the service says has its secrets hidden by `hide`, and
    /// then one line of a length that can be read. Cut before, half a secret would stay.
    pub fn told(&self, hide: impl Fn(String) -> String) -> String {
        let mut told = self.clone();
        if let Self::Failed { refusal, .. } = &mut told
            && let Some(words) = refusal.words()
        {
            *words = cut(&hide(std::mem::take(words)));
        }
        hide(told.to_string())
    }

    /// What to do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Setting { .. } | Self::ReadOnly { .. } => Class::Config,
            Self::Fenced { .. } | Self::NotSent { .. } => Class::Retry,
            Self::Failed { refusal, .. } => refusal.row().class,
        }
    }

    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "bad-setting",
            Self::ReadOnly { .. } => "read-only",
            Self::Fenced { .. } => "fenced",
            Self::NotSent { .. } => "not-sent",
            Self::Failed { refusal, .. } => refusal.row().code,
        }
    }
}

/// A server's words in one line, of a length that can be read.
fn cut(words: &str) -> String {
    let words: Vec<_> = words.split_whitespace().collect();
    let words: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    match words.char_indices().nth(WORDS_MAX) {
        None => words,
        Some((end, _)) => format!("{}…", &words[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::rows::ROWS;
    use super::*;

    fn failed(refusal: Refusal) -> AwsError {
        AwsError::Failed { verb: "sending to", place: "q".to_owned(), refusal }
    }

    fn answered(status: u16, code: &str) -> AwsError {
        let code = (!code.is_empty()).then(|| code.to_owned());
        failed(Refusal::Answered { status, code, message: Some("Words.".to_owned()) })
    }

    #[test]
    fn each_name_has_one_row_and_its_class_whatever_the_status() {
        let mut names: Vec<_> = ROWS.iter().flat_map(|row| row.theirs).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for row in ROWS {
            for name in row.theirs {
                let error = answered(400, name);
                assert_eq!((error.class(), error.code()), (row.class, row.code), "{name}");
                for prefix in ["com.amazonaws.sqs#", "AWS.SimpleQueueService."] {
                    let error = answered(500, &format!("{prefix}{name}"));
                    assert_eq!(error.code(), row.code, "{name}");
                }
            }
        }
    }

    #[test]
    fn names_stand_for_what_the_references_say() {
        for (name, class, code) in [
            ("RequestThrottled", Class::Retry, "throttled"),
            ("ServiceUnavailable", Class::Retry, "server-error"),
            ("ExpiredToken", Class::Retry, "credentials-expired"),
            ("RequestTimeTooSkewed", Class::Retry, "clock-skew"),
            ("AccessDenied", Class::Config, "access-denied"),
            ("SignatureDoesNotMatch", Class::Config, "bad-credentials"),
            ("QueueDoesNotExist", Class::Config, "not-found"),
            ("AWS.SimpleQueueService.NonExistentQueue", Class::Config, "not-found"),
            ("AWS.SimpleQueueService.UnsupportedOperation", Class::Config, "unsupported"),
            ("MissingParameter", Class::Config, "unsupported"),
            ("KMS.ThrottlingException", Class::Retry, "throttled"),
            ("ThrottlingException", Class::Retry, "throttled"),
            ("KMS.AccessDeniedException", Class::Config, "key-unusable"),
            ("AccessDeniedException", Class::Config, "access-denied"),
            ("KMS.DisabledException", Class::Config, "key-unusable"),
            ("DisabledException", Class::Config, "key-unusable"),
            ("KMS.InvalidKeyUsageException", Class::Config, "key-unusable"),
            ("InvalidKeyUsageException", Class::Config, "key-unusable"),
            ("KMS.InvalidStateException", Class::Config, "key-unusable"),
            ("InvalidStateException", Class::Config, "key-unusable"),
            ("KMS.NotFoundException", Class::Config, "key-unusable"),
            ("NotFoundException", Class::Config, "not-found"),
            ("KMS.OptInRequired", Class::Config, "key-unusable"),
            ("KmsDisabled", Class::Config, "key-unusable"),
            ("AWS.SimpleQueueService.MessageNotInflight", Class::Reject, "receipt-invalid"),
            ("AWS.SimpleQueueService.BatchRequestTooLong", Class::Reject, "bad-message"),
            ("InvalidMessageContents", Class::Reject, "bad-message"),
            ("ReceiptHandleIsInvalid", Class::Reject, "receipt-invalid"),
        ] {
            let error = answered(400, name);
            assert_eq!((error.class(), error.code()), (class, code), "{name}");
        }
    }

    #[test]
    fn what_has_no_name_goes_by_its_status() {
        for (status, class, code) in [
            (301, Class::Fatal, "refused"),
            (400, Class::Fatal, "refused"),
            (401, Class::Config, "access-denied"),
            (403, Class::Config, "access-denied"),
            (404, Class::Config, "not-found"),
            (408, Class::Retry, "server-error"),
            (413, Class::Reject, "bad-message"),
            (429, Class::Retry, "throttled"),
            (500, Class::Retry, "server-error"),
            (501, Class::Config, "unsupported"),
            (503, Class::Retry, "server-error"),
        ] {
            for error in [answered(status, ""), answered(status, "NeverHeardOf")] {
                assert_eq!((error.class(), error.code()), (class, code), "{error}");
            }
        }
    }

    #[test]
    fn an_entry_is_refused_when_it_is_to_blame_and_sent_again_when_not() {
        let entry = |code: &str, is_ours| {
            failed(Refusal::Entry { code: code.to_owned(), message: None, is_ours }).class()
        };
        assert_eq!(entry("NeverHeardOf", true), Class::Reject);
        assert_eq!(entry("NeverHeardOf", false), Class::Retry);
        assert_eq!(entry("RequestThrottled", true), Class::Retry);
        assert_eq!(entry("KMS.ThrottlingException", true), Class::Retry);
        assert_eq!(failed(Refusal::Omitted).class(), Class::Retry);
    }

    #[test]
    fn what_was_not_answered_is_sent_again_and_what_cannot_be_asked_waits() {
        let reason = || "x".to_owned();
        assert_eq!(failed(Refusal::Unanswered { reason: reason() }).class(), Class::Retry);
        assert_eq!(failed(Refusal::Unsent { reason: reason() }).class(), Class::Config);
        let place = reason;
        for (error, class, code) in [
            (AwsError::NotSent { place: place() }, Class::Retry, "not-sent"),
            (AwsError::ReadOnly { place: place() }, Class::Config, "read-only"),
            (AwsError::Fenced { place: place() }, Class::Retry, "fenced"),
            (
                AwsError::Setting { setting: "region", reason: reason() },
                Class::Config,
                "bad-setting",
            ),
        ] {
            assert_eq!((error.class(), error.code()), (class, code));
        }
    }

    #[test]
    fn words_are_the_services_with_its_name_for_it_and_the_remedy() {
        assert_eq!(
            answered(400, "QueueDoesNotExist").to_string(),
            "sending to `q` failed: Words (QueueDoesNotExist, HTTP status 400); make it, or mend \
             its name or the connection's `region`"
        );
        assert_eq!(cut("a\n b\u{7}c"), "a bc");
    }

    #[test]
    fn what_is_shown_is_short_and_has_not_even_half_a_secret() {
        let words = format!("{} hunter\n22", "x".repeat(WORDS_MAX - 4));
        let message = Some(words.clone());
        let entry = Refusal::Entry { code: "X".to_owned(), message, is_ours: true };
        let lost = Refusal::Unanswered { reason: words };
        for refusal in [entry, lost] {
            let told = failed(refusal).told(|words| words.replace("hunter\n22", "****"));
            assert!(!told.contains("hunt") && told.contains(" ***…"), "{told}");
        }
        let message = Some("x".repeat(1 << 20));
        let error = failed(Refusal::Answered { status: 404, code: None, message });
        let told = error.told(|words| words);
        assert!(told.len() < 1000 && told.ends_with("`region`"), "{told}");
        assert_eq!(cut(&"ä".repeat(400)).chars().count(), 301);
    }
}
