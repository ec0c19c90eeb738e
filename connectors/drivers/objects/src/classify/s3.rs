//! What servers of S3 answer when they refuse, and what to do about it.
//!
//! The names are those of S3's reference (error responses) and, where they begin
//! with `XMinio`, of MinIO.

use std::fmt;

use super::Class;

/// A request that a server of S3 refused, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It answered with an error.
    Answered {
        /// HTTP's status.
        status: u16,
        /// S3's name for it; an answer to `HEAD` has none.
        code: Option<String>,
        /// S3's words.
        message: Option<String>,
    },
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

/// What is done about some refusals.
struct Row {
    /// S3's names of them.
    theirs: &'static [&'static str],
    class: Class,
    /// Ours.
    code: &'static str,
    /// What to do, where their words alone do not tell.
    remedy: &'static str,
}

const THROTTLED: Row = Row {
    theirs: &[
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "RequestLimitExceeded",
        "TooManyRequests",
        "BandwidthLimitExceeded",
    ],
    class: Class::Retry,
    code: "throttled",
    remedy: "",
};

const SERVER_ERROR: Row = Row {
    theirs: &["InternalError", "ServiceUnavailable", "XMinioServerNotInitialized", "Busy"],
    class: Class::Retry,
    code: "server-error",
    remedy: "",
};

const ACCESS_DENIED: Row = Row {
    theirs: &["AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess"],
    class: Class::Config,
    code: "access-denied",
    remedy: "; grant the connection's credentials the right to it",
};

const WRONG_REGION: Row = Row {
    theirs: &[
        "PermanentRedirect",
        "TemporaryRedirect",
        "Redirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    ],
    class: Class::Config,
    code: "wrong-region",
    remedy: "; set the connection's `region` (and `endpoint`) to the bucket's",
};

const UNSUPPORTED: Row = Row {
    theirs: &["NotImplemented", "MethodNotAllowed"],
    class: Class::Config,
    code: "unsupported",
    remedy: "; the server lacks a request that is needed",
};

const UPLOAD_LOST: Row = Row {
    theirs: &["NoSuchUpload", "InvalidPart", "InvalidPartOrder"],
    class: Class::Fatal,
    code: "upload-lost",
    remedy: "; somebody aborted the upload, a lifecycle rule perhaps: what was written is \
             written again when the task starts again",
};

const REFUSED: Row = Row { theirs: &[], class: Class::Fatal, code: "refused", remedy: "" };

const ROWS: &[Row] = &[
    THROTTLED,
    SERVER_ERROR,
    ACCESS_DENIED,
    WRONG_REGION,
    UNSUPPORTED,
    UPLOAD_LOST,
    Row { theirs: &["RequestTimeout"], class: Class::Retry, code: "timeout", remedy: "" },
    Row {
        theirs: &["OperationAborted", "ConditionalRequestConflict", "PreconditionFailed"],
        class: Class::Retry,
        code: "conflict",
        remedy: "",
    },
    Row {
        theirs: &["RequestTimeTooSkewed"],
        class: Class::Retry,
        code: "clock-skew",
        remedy: "; set this machine's clock, or the server's",
    },
    Row {
        theirs: &[
            "ExpiredToken",
            "ExpiredTokenException",
            "TokenRefreshRequired",
            "RequestExpired",
        ],
        class: Class::Retry,
        code: "credentials-expired",
        remedy: "; the task goes on with new ones once the connection's references lead to them",
    },
    Row {
        theirs: &[
            "BadDigest",
            "IncompleteBody",
            "XAmzContentChecksumMismatch",
            "XAmzContentSHA256Mismatch",
        ],
        class: Class::Retry,
        code: "transfer-damaged",
        remedy: "",
    },
    Row {
        theirs: &["XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"],
        class: Class::Retry,
        code: "no-space",
        remedy: "; make room, the task goes on by itself",
    },
    Row {
        theirs: &[
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "InvalidSecurity",
            "InvalidClientTokenId",
            "NotSignedUp",
        ],
        class: Class::Config,
        code: "bad-credentials",
        remedy: "; mend the connection's `access.key.id`, `secret.access.key` or `session.token`",
    },
    Row {
        theirs: &["NoSuchBucket", "InvalidBucketName"],
        class: Class::Config,
        code: "no-such-bucket",
        remedy: "; make it, or mend the connection's `bucket`",
    },
    Row {
        theirs: &["InvalidObjectState"],
        class: Class::Config,
        code: "object-archived",
        remedy: "; restore it from its archive first",
    },
    Row {
        theirs: &["KeyTooLongError", "XMinioInvalidObjectName"],
        class: Class::Config,
        code: "bad-path",
        remedy: "",
    },
    Row {
        theirs: &["EntityTooLarge"],
        class: Class::Config,
        code: "too-large",
        remedy: "; have files end earlier",
    },
];

/// A key of encryption that is not there, switched off, or not ours to use.
const KEY_UNUSABLE: Row =
    Row { theirs: &[], class: Class::Config, code: "key-unusable", remedy: "" };

const UNREACHABLE: Row = Row { theirs: &[], class: Class::Retry, code: "unreachable", remedy: "" };

const UNSENT: Row = Row {
    theirs: &[],
    class: Class::Config,
    code: "bad-request",
    remedy: "; mend the connection's settings",
};

impl Refusal {
    /// What to do about it.
    pub fn class(&self) -> Class {
        self.row().class
    }

    /// A stable name in kebab-case, for metrics and alerts.
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    fn row(&self) -> &'static Row {
        match self {
            Self::Answered { status, code: Some(code), .. } => named(code, *status),
            Self::Answered { status, code: None, .. } => by_status(*status),
            Self::Unanswered { .. } => &UNREACHABLE,
            Self::Unsent { .. } => &UNSENT,
        }
    }
}

fn named(code: &str, status: u16) -> &'static Row {
    let row = ROWS.iter().find(|row| row.theirs.contains(&code));
    match row {
        Some(row) => row,
        None if code.starts_with("KMS") => &KEY_UNUSABLE,
        None => by_status(status),
    }
}

fn by_status(status: u16) -> &'static Row {
    match status {
        429 => &THROTTLED,
        501 | 405 => &UNSUPPORTED,
        408 | 500..=599 => &SERVER_ERROR,
        300..=399 => &WRONG_REGION,
        401 | 403 => &ACCESS_DENIED,
        _ => &REFUSED,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { status, code, message } => {
                if let Some(message) = message {
                    write!(f, "{} ", message.trim_end_matches('.'))?;
                }
                match code {
                    Some(code) => write!(f, "({code}, HTTP status {status})")?,
                    None => write!(f, "(HTTP status {status})")?,
                }
            }
            Self::Unanswered { reason } => write!(f, "the server did not answer: {reason}")?,
            Self::Unsent { reason } => write!(f, "the request cannot be made: {reason}")?,
        }
        f.write_str(self.row().remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Refusal {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Refusal::Answered { status, code, message: Some("Words.".to_owned()) }
    }

    #[test]
    fn each_name_has_one_row() {
        let mut names: Vec<_> = ROWS.iter().flat_map(|row| row.theirs).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_has_no_name_goes_by_its_status() {
        for (status, class, code) in [
            (301, Class::Config, "wrong-region"),
            (400, Class::Fatal, "refused"),
            (401, Class::Config, "access-denied"),
            (403, Class::Config, "access-denied"),
            (405, Class::Config, "unsupported"),
            (408, Class::Retry, "server-error"),
            (429, Class::Retry, "throttled"),
            (500, Class::Retry, "server-error"),
            (501, Class::Config, "unsupported"),
            (507, Class::Retry, "server-error"),
        ] {
            for refusal in [answered(status, ""), answered(status, "NeverHeardOf")] {
                assert_eq!((refusal.class(), refusal.code()), (class, code), "{refusal}");
            }
        }
        assert_eq!(answered(400, "KMS.DisabledException").code(), "key-unusable");
    }

    #[test]
    fn what_has_no_answer_is_tried_again_and_what_cannot_be_asked_waits() {
        let reason = || "x".to_owned();
        assert_eq!(Refusal::Unanswered { reason: reason() }.class(), Class::Retry);
        assert_eq!(Refusal::Unsent { reason: reason() }.class(), Class::Config);
    }

    #[test]
    fn words_are_the_servers_with_its_name_for_it_and_the_remedy() {
        assert_eq!(
            answered(404, "NoSuchBucket").to_string(),
            "Words (NoSuchBucket, HTTP status 404); make it, or mend the connection's `bucket`"
        );
        let head = Refusal::Answered { status: 503, code: None, message: None };
        assert_eq!(head.to_string(), "(HTTP status 503)");
    }
}
