//! A bound on memory that many connections share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;

/// A number of bytes that is given out in shares and comes back when they are dropped.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    semaphore: Arc<Semaphore>,
    grains: usize,
}

/// A share of a budget.
#[derive(Debug)]
pub(crate) struct MemoryGrant(OwnedSemaphorePermit);

impl MemoryBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        let grains = grains(bytes).min(Semaphore::MAX_PERMITS);
        Self { semaphore: Arc::new(Semaphore::new(grains)), grains }
    }

    /// A share of `bytes`, once they are free. What is more than the whole
    /// budget counts as the whole, so that it can be had at all.
    pub(crate) async fn take(&self, bytes: usize) -> MemoryGrant {
        let wanted = grains(bytes).min(self.grains) as u32;
        let permit = Arc::clone(&self.semaphore)
            .acquire_many_owned(wanted)
            .await
            .expect("the budget's semaphore is never closed");
        MemoryGrant(permit)
    }

    /// A share of `bytes`, if they are free and nobody waits for them.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<MemoryGrant> {
        let wanted = grains(bytes).min(self.grains) as u32;
        Arc::clone(&self.semaphore).try_acquire_many_owned(wanted).ok().map(MemoryGrant)
    }

    /// Bytes that are free.
    pub(crate) fn free_bytes(&self) -> usize {
        self.semaphore.available_permits() * limits::MEMORY_GRAIN_BYTES
    }

    /// Whether what is free is too little for anyone.
    pub(crate) fn is_scarce(&self) -> bool {
        let least = grains(limits::FETCH_GRANT_BYTES_MIN).min(self.grains);
        self.semaphore.available_permits() < least
    }

    /// As much as is free of `wanted`, halving, down to `least`. Answers with
    /// how much of `wanted` is granted; with nothing if even that is not free.
    pub(crate) fn try_take_up_to(
        &self,
        wanted: usize,
        least: usize,
    ) -> Option<(MemoryGrant, usize)> {
        let mut bytes = wanted;
        loop {
            if let Some(grant) = self.try_take(bytes) {
                return Some((grant, bytes));
            }
            if bytes <= least {
                return None;
            }
            bytes = (bytes / 2).max(least);
        }
    }
}

impl MemoryGrant {
    /// Its size.
    pub(crate) fn bytes(&self) -> usize {
        self.0.num_permits() * limits::MEMORY_GRAIN_BYTES
    }

    /// Gives back what is not needed after all.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(grains(bytes));
        drop(self.0.split(surplus));
    }

    /// Joins a further share of the same budget to this one.
    pub(crate) fn merge(&mut self, other: MemoryGrant) {
        self.0.merge(other.0);
    }
}

fn grains(bytes: usize) -> usize {
    bytes.div_ceil(limits::MEMORY_GRAIN_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_share_comes_back_when_dropped_and_in_part_when_shrunk() {
        let budget = MemoryBudget::new(100 << 10);
        let mut grant = budget.take(90 << 10).await;
        assert_eq!(budget.try_take_up_to(40 << 10, 4 << 10).unwrap().1, 10 << 10);
        grant.shrink_to(20 << 10);
        assert!(budget.try_take_up_to(90 << 10, 81 << 10).is_none());
        assert_eq!(budget.try_take_up_to(80 << 10, 4 << 10).unwrap().1, 80 << 10);
        drop(grant);
        budget.take(100 << 10).await;
    }

    #[tokio::test]
    async fn a_share_larger_than_the_budget_is_the_whole_budget() {
        let budget = MemoryBudget::new(10 << 10);
        let grant = budget.take(1 << 30).await;
        let mut waiting = Box::pin(budget.take(1));
        assert!(futures_pending(&mut waiting).await);
        drop(grant);
        waiting.await;
    }

    async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
