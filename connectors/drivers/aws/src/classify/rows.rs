//! What AWS's messaging services answer when they refuse, and what is done about each.
//!
//! The names are those of the API references of SQS (of its JSON protocol and of its
//! query protocol, which the SDK goes by where an answer has both) and SNS, and of the
//! errors that all services share.

use super::Class;

/// What is done about some refusals.
pub(super) struct Row {
    /// AWS's names of them.
    pub(super) theirs: &'static [&'static str],
    pub(super) class: Class,
    /// Ours.
    pub(super) code: &'static str,
    /// What to do, where their words alone do not tell.
    pub(super) remedy: &'static str,
}

const THROTTLED: Row = Row {
    theirs: &[
        "RequestThrottled",
        "RequestThrottledException",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "KMS.ThrottlingException",
        "KmsThrottled",
        "KMSThrottling",
        "KMSThrottlingException",
        "OverLimit",
    ],
    class: Class::Retry,
    code: "throttled",
    remedy: "",
};

pub(super) const SERVER_ERROR: Row = Row {
    theirs: &[
        "InternalError",
        "InternalErrorException",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
    ],
    class: Class::Retry,
    code: "server-error",
    remedy: "",
};

const ACCESS_DENIED: Row = Row {
    theirs: &[
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "NotAuthorized",
        "OptInRequired",
        "SubscriptionRequiredException",
        "InvalidSecurity",
    ],
    class: Class::Config,
    code: "access-denied",
    remedy: "; grant the connection's credentials the right to it",
};

const BAD_CREDENTIALS: Row = Row {
    theirs: &[
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotSignedUp",
    ],
    class: Class::Config,
    code: "bad-credentials",
    remedy: "; mend the connection's `access.key.id`, `secret.access.key` or `session.token`",
};

const NO_SUCH_PLACE: Row = Row {
    theirs: &[
        "QueueDoesNotExist",
        "NonExistentQueue",
        "InvalidAddress",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
    ],
    class: Class::Config,
    code: "not-found",
    remedy: "; make it, or mend its name or the connection's `region`",
};

const UNSUPPORTED: Row = Row {
    theirs: &[
        "UnsupportedOperation",
        "InvalidAction",
        "UnknownOperationException",
        "MissingParameter",
        "MissingRequiredParameterException",
        "MissingAction",
    ],
    class: Class::Config,
    code: "unsupported",
    remedy: "",
};

pub(super) const BAD_MESSAGE: Row = Row {
    theirs: &[
        "InvalidMessageContents",
        "BatchRequestTooLong",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidParameter",
        "InvalidParameterException",
        "ParameterValueInvalid",
        "ValidationError",
        "ValidationException",
    ],
    class: Class::Reject,
    code: "bad-message",
    remedy: "",
};

const REFUSED: Row = Row { theirs: &[], class: Class::Fatal, code: "refused", remedy: "" };

pub(super) const ROWS: &[Row] = &[
    THROTTLED,
    SERVER_ERROR,
    ACCESS_DENIED,
    BAD_CREDENTIALS,
    NO_SUCH_PLACE,
    UNSUPPORTED,
    BAD_MESSAGE,
    Row {
        theirs: &["ExpiredToken", "ExpiredTokenException", "RequestExpired"],
        class: Class::Retry,
        code: "credentials-expired",
        remedy: "; the task goes on with new ones once the connection's references lead to them",
    },
    Row {
        theirs: &["RequestTimeTooSkewed"],
        class: Class::Retry,
        code: "clock-skew",
        remedy: "; set this machine's clock, or the server's",
    },
    Row {
        theirs: &["ReceiptHandleIsInvalid", "InvalidIdFormat", "MessageNotInflight"],
        class: Class::Reject,
        code: "receipt-invalid",
        remedy: "",
    },
    Row {
        theirs: &[
            "KMS.AccessDeniedException",
            "KMS.DisabledException",
            "KMS.InvalidKeyUsageException",
            "KMS.InvalidStateException",
            "KMS.NotFoundException",
            "KMS.OptInRequired",
            "DisabledException",
            "InvalidKeyUsageException",
            "InvalidStateException",
            "KmsAccessDenied",
            "KmsDisabled",
            "KmsInvalidKeyUsage",
            "KmsInvalidState",
            "KmsNotFound",
            "KmsOptInRequired",
            "KMSAccessDenied",
            "KMSDisabled",
            "KMSInvalidState",
            "KMSNotFound",
            "KMSOptInRequired",
        ],
        class: Class::Config,
        code: "key-unusable",
        remedy: "; mend the key that it is encrypted with",
    },
];

pub(super) const UNREACHABLE: Row =
    Row { theirs: &[], class: Class::Retry, code: "unreachable", remedy: "" };
pub(super) const OMITTED: Row =
    Row { theirs: &[], class: Class::Retry, code: "not-told", remedy: "" };
pub(super) const UNSENT: Row =
    Row { theirs: &[], class: Class::Config, code: "unsent", remedy: "" };

/// The row of the refusals with this name.
pub(super) fn named(code: &str) -> Option<&'static Row> {
    // Some servers put a namespace before it: `com.amazonaws.sqs#QueueDoesNotExist`.
    let code = code.rsplit('#').next().unwrap_or(code);
    // Of the query protocol.
    let code = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    ROWS.iter().find(|row| row.theirs.contains(&code))
}

/// The row of answers whose name says nothing.
pub(super) fn by_status(status: u16) -> &'static Row {
    match status {
        429 => &THROTTLED,
        408 | 500 | 502..=599 => &SERVER_ERROR,
        405 | 501 => &UNSUPPORTED,
        401 | 403 => &ACCESS_DENIED,
        404 => &NO_SUCH_PLACE,
        413 => &BAD_MESSAGE,
        _ => &REFUSED,
    }
}
