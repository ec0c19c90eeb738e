//! Work that opens batches, a few requests at a time.
//!
//! Small requests can ask for much of it: a batch of 256 KB that becomes a gigabyte, whose
//! records are looked up or recompressed. It runs on threads that may block, of which
//! there are hundreds; the turns bound what all of them hold and use.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// The turns of one kind of work, in the order of asking.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// As many as there are processors, within bounds.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(processors.clamp(limits::TURNS_MIN, limits::TURNS_MAX))))
    }

    /// A turn, for as long as it is held.
    pub(super) async fn next(&self) -> OwnedSemaphorePermit {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.expect("the turns' semaphore is never closed")
    }

    /// All of them.
    #[cfg(test)]
    pub(super) async fn all(&self) -> Vec<OwnedSemaphorePermit> {
        let mut all = Vec::new();
        while self.0.available_permits() > 0 {
            all.push(self.next().await);
        }
        all
    }
}
