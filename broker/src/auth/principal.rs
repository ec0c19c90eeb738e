//! The name that a connection acts under.

use std::fmt;

/// A principal, `User:alice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Principal {
    /// `User` for all that the broker itself names.
    pub(crate) kind: String,
    /// The name within its kind.
    pub(crate) name: String,
}

/// The kind of every principal that authentication yields.
const USER: &str = "User";

impl Principal {
    pub(crate) fn user(name: impl Into<String>) -> Self {
        Self { kind: USER.to_owned(), name: name.into() }
    }

    /// Who has not said who it is.
    pub(crate) fn anonymous() -> Self {
        Self::user("ANONYMOUS")
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}
