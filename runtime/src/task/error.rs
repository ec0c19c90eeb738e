//! Why a session ended, and what may help.

use std::time::Duration;

use crate::kafka::{ClientError, ConsumeError, ErrorClass, ProduceError};

/// What may help after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The cause lies outside and may pass: open again from the last
    /// checkpoint after a pause, as often as it takes.
    Retry {
        /// How long to wait at the least.
        after: Option<Duration>,
    },
    /// The plugin says that nothing was applied and the same may succeed after a
    /// pause: for as long as `errors.retry.timeout` allows.
    Fault {
        /// How long the plugin asked to wait.
        after: Option<Duration>,
    },
    /// The instance died: open again, a bounded number of times in a row.
    Reopen,
    /// Only an operator can help.
    Stop,
}

/// Why a session ended. The message becomes the task's trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// What failed, on what, in the plugin's own words where it has some.
    pub message: String,
    /// What may help.
    pub remedy: Remedy,
}

impl TaskError {
    /// Only an operator can help.
    pub fn stop(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: Remedy::Stop }
    }

    /// The cause may pass.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: Remedy::Retry { after: None } }
    }

    /// A plugin's word that the same may succeed after a pause.
    pub fn fault(message: impl Into<String>, after: Option<Duration>) -> Self {
        Self { message: message.into(), remedy: Remedy::Fault { after } }
    }

    /// True if the same call may be made again: nothing of it was applied.
    pub fn is_fault(&self) -> bool {
        matches!(self.remedy, Remedy::Fault { .. })
    }

    /// The instance died.
    pub fn reopen(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: Remedy::Reopen }
    }

    fn of_class(class: ErrorClass, message: String) -> Self {
        match class {
            ErrorClass::Retriable => Self::retry(message),
            ErrorClass::Fenced => Self::reopen(message),
            ErrorClass::Authorization | ErrorClass::Fatal => Self::stop(message),
        }
    }
}

impl From<ProduceError> for TaskError {
    fn from(error: ProduceError) -> Self {
        let message = error.to_string();
        match error {
            // The worker replaces the producer; sending goes on after that.
            ProduceError::Fatal { .. } | ProduceError::Closed => Self::retry(message),
            // The batch came from the guest.
            ProduceError::Batch { .. } => Self::reopen(message),
            // Each session has a producer of its own: the next one begins anew.
            ProduceError::Transaction { class: ErrorClass::Fatal, .. } => Self::reopen(message),
            _ => Self::of_class(error.class(), message),
        }
    }
}

impl From<ConsumeError> for TaskError {
    fn from(error: ConsumeError) -> Self {
        if let ConsumeError::OutOfRange { .. } = error {
            // The log lost its beginning under the reader: opening it again
            // decides what becomes of the position.
            return Self::reopen(error.to_string());
        }
        Self::of_class(error.class(), error.to_string())
    }
}

impl From<ClientError> for TaskError {
    fn from(error: ClientError) -> Self {
        Self::of_class(error.class(), error.to_string())
    }
}
