//! The memory of fetch responses under way (`fetch.memory.bytes`).
//!
//! Three quarters are for whoever comes, as much as each asks for. When readers
//! that take nothing hold all of it, the last quarter keeps the others going with
//! small answers, or one batch of the usual size, until those readers are cut off.

use super::memory::{MemoryBudget, MemoryGrant};
use crate::limits;

/// What all connections' fetch responses may hold.
#[derive(Debug)]
pub(crate) struct FetchMemory {
    all: MemoryBudget,
    small: MemoryBudget,
}

impl FetchMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { all: MemoryBudget::new(bytes - bytes / 4), small: MemoryBudget::new(bytes / 4) }
    }

    /// As much as is free of `wanted` bytes, and how much of them that is.
    pub(super) async fn take_up_to(&self, wanted: usize) -> (MemoryGrant, usize) {
        match self.all.try_take_up_to(wanted, limits::FETCH_GRANT_BYTES_MIN) {
            Some(granted) => granted,
            None => {
                let bytes = wanted.min(limits::FETCH_SMALL_BYTES);
                (self.take(bytes).await, bytes)
            }
        }
    }

    /// All of these bytes, once they are free: a batch comes whole. One of a usual
    /// size does not wait behind a huge one, which gathers all that is given back.
    pub(super) async fn take(&self, bytes: usize) -> MemoryGrant {
        if bytes > limits::FETCH_GRANT_BYTES_MIN {
            return self.all.take(bytes).await;
        }
        tokio::select! {
            biased;
            grant = self.all.take(bytes) => grant,
            grant = self.small.take(bytes) => grant,
        }
    }

    /// Whether others could use what a response holds that nobody reads.
    pub(super) fn is_scarce(&self) -> bool {
        self.all.is_scarce()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn when_all_is_held_others_go_on_in_small_answers() {
        let memory = FetchMemory::new(64 << 20);
        let (all, bytes) = memory.take_up_to(48 << 20).await;
        assert_eq!(bytes, 48 << 20);
        assert!(memory.is_scarce());
        let (small, bytes) = memory.take_up_to(48 << 20).await;
        assert_eq!(bytes, limits::FETCH_SMALL_BYTES);
        assert_eq!(small.bytes(), limits::FETCH_SMALL_BYTES);
        assert_eq!(memory.take_up_to(10).await.1, 10);
        drop(all);
        assert_eq!(memory.take_up_to(48 << 20).await.1, 48 << 20);
    }

    #[tokio::test]
    async fn who_finds_all_held_goes_on_with_whatever_is_given_back_first() {
        let memory = FetchMemory::new(64 << 20);
        let (all, _) = memory.take_up_to(48 << 20).await;
        let _small = memory.small.take(16 << 20).await;
        let mut waits = Box::pin(memory.take_up_to(10));
        tokio::select! {
            biased;
            _ = &mut waits => panic!("nothing is free"),
            () = tokio::task::yield_now() => {}
        }
        drop(all);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(5), waits).await;
        assert!(waited.is_ok_and(|(_, bytes)| bytes == 10));
    }

    #[tokio::test]
    async fn a_batch_of_the_usual_size_does_not_wait_behind_a_huge_one() {
        let memory = FetchMemory::new(64 << 20);
        let (held, _) = memory.take_up_to(40 << 20).await;
        let mut huge = Box::pin(memory.take(48 << 20));
        tokio::select! {
            biased;
            _ = &mut huge => panic!("so much is not free"),
            () = tokio::task::yield_now() => {}
        }
        let usual = memory.take(limits::FETCH_GRANT_BYTES_MIN);
        let usual = tokio::time::timeout(std::time::Duration::from_secs(5), usual).await;
        assert!(usual.is_ok_and(|grant| grant.bytes() == limits::FETCH_GRANT_BYTES_MIN));
        drop(held);
        assert_eq!(huge.await.bytes(), 48 << 20);
    }
}
