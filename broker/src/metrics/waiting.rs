//! Requests that are under way, and how far they are.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kafka_protocol::messages::ApiKey;

/// What an answer waits for, by Kafka's names of its purgatories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelayedOperation {
    /// Fetch: more records.
    Fetch,
    /// Produce: a flush of the log.
    Produce,
    /// JoinGroup and SyncGroup: the other members.
    Rebalance,
}

impl DelayedOperation {
    /// What answers to these requests wait for; `None` for what never waits long.
    pub(crate) fn of(key: ApiKey) -> Option<Self> {
        match key {
            ApiKey::Fetch => Some(Self::Fetch),
            ApiKey::Produce => Some(Self::Produce),
            ApiKey::JoinGroup | ApiKey::SyncGroup => Some(Self::Rebalance),
            _ => None,
        }
    }
}

/// A number of things that are under way.
#[derive(Debug, Default)]
struct Gauge(AtomicU64);

/// One of them; it is counted until this is dropped.
#[derive(Debug)]
struct Counted(Arc<UnderWay>, fn(&UnderWay) -> &Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts of requests that are under way.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    begun: Gauge,
    fetch: Gauge,
    produce: Gauge,
    rebalance: Gauge,
}

impl UnderWay {
    fn count(self: &Arc<Self>, which: fn(&Self) -> &Gauge) -> Counted {
        which(self).0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self), which)
    }

    /// A request that has come whole is counted until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> impl Drop + Send + use<> {
        self.count(|counts| &counts.begun)
    }

    /// Counts `answer` from when it first has to wait until it is there, or
    /// nobody wants it any more.
    pub(crate) async fn delay<T>(
        self: Arc<Self>,
        operation: DelayedOperation,
        mut answer: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> T {
        let which: fn(&Self) -> &Gauge = match operation {
            DelayedOperation::Fetch => |counts| &counts.fetch,
            DelayedOperation::Produce => |counts| &counts.produce,
            DelayedOperation::Rebalance => |counts| &counts.rebalance,
        };
        let mut counted = None;
        poll_fn(move |context| {
            let polled = answer.as_mut().poll(context);
            if polled.is_pending() && counted.is_none() {
                counted = Some(self.count(which));
            }
            polled
        })
        .await
    }

    /// Requests that came and whose answer is not begun.
    pub(super) fn queued(&self) -> u64 {
        self.begun.0.load(Ordering::Relaxed)
    }

    /// Answers that wait, by what they wait for.
    pub(super) fn delayed(&self) -> [(&'static str, u64); 3] {
        let load = |gauge: &Gauge| gauge.0.load(Ordering::Relaxed);
        [
            ("Fetch", load(&self.fetch)),
            ("Produce", load(&self.produce)),
            ("Rebalance", load(&self.rebalance)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn waits<F: Future>(answer: &mut Pin<Box<F>>) -> bool {
        answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[test]
    fn what_waits_is_counted_until_it_is_answered_or_given_up() {
        let counts = Arc::new(UnderWay::default());
        let fetches = || counts.delayed()[0].1;
        let delay = |operation, answer| Box::pin(Arc::clone(&counts).delay(operation, answer));
        let mut at_once = delay(DelayedOperation::Fetch, Box::pin(async {}));
        assert!(!waits(&mut at_once));
        assert_eq!(fetches(), 0);

        let (answer, waiting) = tokio::sync::oneshot::channel::<()>();
        let mut waiting =
            delay(DelayedOperation::Fetch, Box::pin(async { waiting.await.unwrap_or_default() }));
        assert_eq!(fetches(), 0, "nobody has asked yet whether it must wait");
        assert!(waits(&mut waiting) && waits(&mut waiting));
        assert_eq!(counts.delayed(), [("Fetch", 1), ("Produce", 0), ("Rebalance", 0)]);
        answer.send(()).unwrap();
        assert!(!waits(&mut waiting));
        assert_eq!(fetches(), 0);

        let mut given_up = delay(DelayedOperation::Produce, Box::pin(std::future::pending()));
        assert!(waits(&mut given_up));
        assert_eq!(counts.delayed()[1].1, 1);
        drop(given_up);
        assert_eq!(counts.delayed()[1].1, 0);

        let handled = counts.begin();
        assert_eq!(counts.queued(), 1);
        drop(handled);
        assert_eq!(counts.queued(), 0);
    }
}
