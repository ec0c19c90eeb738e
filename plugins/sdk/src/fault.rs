//! How a whole call fails.

use std::fmt;
use std::time::Duration;

pub use crate::bindings::describe::longshore::base::types::{Detail, Fault, Retry};

impl Fault {
    /// Nothing was applied: the same input again, after a pause. `code` is a
    /// stable name in kebab-case.
    pub fn retry(code: &str, message: impl fmt::Display) -> Self {
        Self::Retry(Retry { why: Detail::new(code, message), after_ms: None })
    }

    /// As [`Fault::retry`], and not before `pause` has passed.
    pub fn retry_after(pause: Duration, code: &str, message: impl fmt::Display) -> Self {
        let after_ms = Some(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
        Self::Retry(Retry { why: Detail::new(code, message), after_ms })
    }

    /// Wait for the user to change configuration or grants.
    pub fn config(code: &str, message: impl fmt::Display) -> Self {
        Self::Config(Detail::new(code, message))
    }

    /// Stop the task; an operator must look.
    pub fn fatal(code: &str, message: impl fmt::Display) -> Self {
        Self::Fatal(Detail::new(code, message))
    }

    /// Code and message, whatever the kind.
    pub fn detail(&self) -> &Detail {
        match self {
            Self::Retry(retry) => &retry.why,
            Self::Config(detail) | Self::Fatal(detail) => detail,
        }
    }
}

impl Detail {
    /// `code`: a stable name in kebab-case, for metrics and alerts.
    pub fn new(code: &str, message: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), message: message.to_string() }
    }
}
