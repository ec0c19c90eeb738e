//! The memory of fetch responses under way (`fetch.memory.bytes`).
//!
//! Three quarters are for whoever comes, as much as each asks for. When readers
//! that take nothing hold all of it, the last quarter keeps the others going with
//! small answers, until those readers are cut off.

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
                (self.small.take(bytes).await, bytes)
            }
        }
    }

    /// All of these bytes, once they are free: a batch comes whole.
    pub(super) async fn take(&self, bytes: usize) -> MemoryGrant {
        self.all.take(bytes).await
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
}
