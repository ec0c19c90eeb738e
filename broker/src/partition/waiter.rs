//! Fetches that wait for appends to any of several partitions.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// A waiting fetch. It is woken once; to wait again it registers anew.
#[derive(Debug)]
pub(crate) struct FetchWaiter {
    notify: Notify,
}

impl FetchWaiter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { notify: Notify::new() })
    }

    /// Resolves when a partition that it is registered with has changed since.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// The fetches that wait for one partition.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    fetches: Vec<Weak<FetchWaiter>>,
    /// When `fetches` is this long, those that gave up are taken out, so that
    /// an idle partition does not gather them.
    sweep_at: usize,
}

impl Waiters {
    pub(super) fn register(&self, waiter: &Arc<FetchWaiter>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.fetches.len() >= waiting.sweep_at.max(16) {
            waiting.fetches.retain(|fetch| fetch.strong_count() > 0);
            waiting.sweep_at = 2 * waiting.fetches.len();
        }
        waiting.fetches.push(Arc::downgrade(waiter));
    }

    pub(super) fn wake(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for fetch in waiting.fetches.drain(..) {
            if let Some(fetch) = fetch.upgrade() {
                // A permit is kept if nobody waits yet, so no wake-up is lost.
                fetch.notify.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost() {
        let waiters = Waiters::default();
        let waiter = FetchWaiter::new();
        waiters.register(&waiter);
        waiters.wake();
        waiter.woken().await;
    }

    #[test]
    fn an_idle_partition_does_not_gather_fetches_that_gave_up() {
        let waiters = Waiters::default();
        for _ in 0..10_000 {
            waiters.register(&FetchWaiter::new());
        }
        assert!(waiters.0.lock().unwrap().fetches.len() <= 64);
    }
}
