//! What can be wrong with a question to a registry.

/// Why a registry has no answer. It names what was asked, never what a record holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// None of its addresses answered, or they said that they cannot now.
    #[error("the schema registry cannot be asked for {what}: {reason}")]
    Unavailable {
        /// What was asked.
        what: String,
        /// What the last address said, or why it was not reached.
        reason: String,
    },
    /// It refuses, in its own words.
    #[error("the schema registry refuses {what}: {message} ({code})")]
    Refused {
        /// What was asked.
        what: String,
        /// Its own code, or the HTTP status.
        code: u32,
        /// Its own words.
        message: String,
    },
    /// Its answer is none of this API's.
    #[error("the schema registry's answer for {what} is of no use: {reason}")]
    Nonsense {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    /// True if the same may be answered later: it says nothing of the record.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// A stable name in kebab-case, for metrics and dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "registry-unavailable",
            Self::Refused { .. } => "registry-refused",
            Self::Nonsense { .. } => "registry-nonsense",
        }
    }
}
