//! Where a record failed, and why.

use std::fmt;

/// Where in its way a record failed, by the names of Kafka Connect's `Stage`; the
/// one of processors is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `key.converter` cannot read its key.
    KeyConverter,
    /// `value.converter` cannot read its value.
    ValueConverter,
    /// `header.converter` cannot write a header of its.
    HeaderConverter,
    /// The transform of this class cannot take it.
    Transformation(&'static str),
    /// A source read it.
    TaskPoll,
    /// A processor took it.
    TaskProcess,
    /// A sink took it.
    TaskPut,
}

impl Stage {
    /// All of them, but for the transforms' own.
    pub const ALL: [Self; 6] = [
        Self::KeyConverter,
        Self::ValueConverter,
        Self::HeaderConverter,
        Self::TaskPoll,
        Self::TaskProcess,
        Self::TaskPut,
    ];

    /// Its name in dead letters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeyConverter => "KEY_CONVERTER",
            Self::ValueConverter => "VALUE_CONVERTER",
            Self::HeaderConverter => "HEADER_CONVERTER",
            Self::Transformation(_) => "TRANSFORMATION",
            Self::TaskPoll => "TASK_POLL",
            Self::TaskProcess => "TASK_PROCESS",
            Self::TaskPut => "TASK_PUT",
        }
    }
}

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it failed.
    pub stage: Stage,
    /// Stable, for metrics and alerts.
    pub code: String,
    /// Prose.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}
