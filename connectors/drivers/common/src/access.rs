//! What a task was granted on a connection, and whether it still has it.

use std::fmt;
use std::sync::Arc;

/// Asked before each write: whether the task may still write. It compares the lease with a
/// clock that counts suspended time.
pub type MayWrite = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a connector was granted on a connection.
#[derive(Clone)]
pub enum Access {
    /// Reading alone: nothing that changes anything.
    Read,
    /// Reading, and writing as long as the task's lease lasts.
    Write(MayWrite),
}

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The connection was granted for reading only.
    ReadOnly,
    /// The task's lease has ended.
    Fenced,
}

impl Access {
    /// Asked before each write.
    pub fn check(&self) -> Result<(), Denied> {
        match self {
            Self::Read => Err(Denied::ReadOnly),
            Self::Write(may_write) if may_write() => Ok(()),
            Self::Write(_) => Err(Denied::Fenced),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "Read",
            Self::Write(_) => "Write",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_without_the_right_or_the_lease() {
        let lease = |lasts: bool| Access::Write(Arc::new(move || lasts));
        assert_eq!(lease(true).check(), Ok(()));
        assert_eq!(lease(false).check(), Err(Denied::Fenced));
        assert_eq!(Access::Read.check(), Err(Denied::ReadOnly));
    }
}
