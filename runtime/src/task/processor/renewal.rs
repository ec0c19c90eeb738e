//! When a processor commits the offsets of all its inputs anew, moved or not: a cluster
//! forgets those of an input that is quiet for `offsets.retention.minutes`.

use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;

use super::Landing;
use crate::task::error::TaskError;

/// Due from time to time; then the next commit, which carries all, is it, or one of its own.
pub(super) struct Renewal {
    every: Duration,
    due_at: Instant,
    is_due: bool,
    flying: Option<Landing>,
}

impl Renewal {
    pub(super) fn every(every: Duration) -> Self {
        Self { every, due_at: Instant::now() + every, is_due: false, flying: None }
    }

    /// Whether a commit of its own is on its way, beside which there must be no other.
    pub(super) fn flies(&self) -> bool {
        self.flying.is_some()
    }

    /// A commit of all begins now. True if it was due.
    pub(super) fn begins(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }

    /// `landing` commits all, and nothing else.
    pub(super) fn fly(&mut self, landing: Landing) {
        self.flying = Some(landing);
    }

    /// Until it is due, or what flies has landed.
    pub(super) async fn changes(&mut self) -> Result<(), TaskError> {
        if let Some(landing) = &mut self.flying {
            let landed = landing.await;
            self.flying = None;
            return landed;
        }
        if self.is_due {
            return pending().await;
        }
        tokio::time::sleep_until(self.due_at).await;
        self.due_at = Instant::now() + self.every;
        self.is_due = true;
        Ok(())
    }
}
