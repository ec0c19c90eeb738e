//! Reads that copy much out of the logs, a few at a time.
//!
//! Each runs on a thread of its own. When there are many more of them than
//! processors, whoever wants a single record waits until all have had their slice.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// The turns of large reads.
#[derive(Debug)]
pub(crate) struct LargeReads(Arc<Semaphore>);

impl LargeReads {
    /// As many at a time as processors can work at while others wait for a disk.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of((2 * processors).max(limits::LARGE_READS_MIN))
    }

    /// So many at a time.
    pub(super) fn of(turns: usize) -> Self {
        Self(Arc::new(Semaphore::new(turns)))
    }

    /// The turn of a read of about so many bytes; small ones need none.
    pub(super) async fn turn(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= limits::FETCH_SMALL_BYTES {
            return None;
        }
        let turn = Arc::clone(&self.0).acquire_owned().await;
        Some(turn.expect("the turns' semaphore is never closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_reads_do_not_wait_for_large_ones() {
        let reads = LargeReads::of(1);
        let large = reads.turn(10 << 20).await;
        assert!(large.is_some());
        assert!(reads.turn(limits::FETCH_SMALL_BYTES).await.is_none());
        tokio::select! {
            biased;
            _ = reads.turn(10 << 20) => panic!("it is not its turn"),
            () = tokio::task::yield_now() => {}
        }
        drop(large);
        assert!(reads.turn(10 << 20).await.is_some());
    }
}
