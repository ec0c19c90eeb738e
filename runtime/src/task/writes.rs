//! A task's right to write to the log: records, checkpoints, offsets.
//!
//! A worker that was frozen does not know, when it goes on, that another has
//! its tasks. So whatever writes is driven only while the worker's lease holds
//! for as long as a write may still be on its way: what was handed to the
//! Kafka client is given up by it before the lease can be over.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::error::TaskError;
use crate::kafka::Lease;

/// Between two looks at a lease that waits for its renewal.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The lease, as writes to the log need it.
#[derive(Clone, Debug)]
pub struct Writes {
    lease: Lease,
    /// The membership that it began in. Another may have had the work between that and
    /// a next one.
    membership: u64,
    /// How long a write may be on its way once it was begun.
    settle: Duration,
}

/// The worker's lease is over: another may run its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this worker is no member of its group any more: it writes nothing until it is again")]
pub struct LeaseOver;

impl From<LeaseOver> for TaskError {
    fn from(over: LeaseOver) -> Self {
        Self::retry(over.to_string())
    }
}

impl Writes {
    /// Writes under `lease`, each of which may be on its way for `settle`.
    pub fn new(lease: Lease, settle: Duration) -> Self {
        let membership = lease.membership();
        Self { lease, membership, settle }
    }

    /// Writes of a process that shares its work with nobody.
    pub fn unlimited() -> Self {
        Self::new(Lease::unlimited(), Duration::ZERO)
    }

    /// Drives `work`, each step of it only while the lease has at least the time
    /// left that a write may need. A lease that has less is waited for: the next
    /// heartbeat renews it, or it ends.
    pub async fn hold<T>(&self, work: impl Future<Output = T>) -> Result<T, LeaseOver> {
        let mut work = pin!(work);
        let mut renewal = pin!(tokio::time::sleep(Duration::ZERO));
        poll_fn(|context| {
            loop {
                let remaining = self.lease.remaining();
                if remaining.is_zero() || self.lease.membership() != self.membership {
                    return Poll::Ready(Err(LeaseOver));
                }
                if remaining >= self.settle {
                    return work.as_mut().poll(context).map(Ok);
                }
                if renewal.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                renewal.as_mut().reset(tokio::time::Instant::now() + LOOK_AGAIN);
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::kafka::group::BootInstant;

    const SETTLE: Duration = Duration::from_secs(60);

    fn lease(remaining: Duration) -> Lease {
        let lease = Lease::default();
        lease.grant(BootInstant::now().plus(remaining));
        lease
    }

    #[tokio::test]
    async fn nothing_is_begun_when_the_lease_is_over() {
        let writes = Writes::new(Lease::default(), SETTLE);
        let begun = AtomicU32::new(0);
        let work = async { begun.fetch_add(1, Ordering::Relaxed) };
        assert_eq!(writes.hold(work).await, Err(LeaseOver));
        assert_eq!(begun.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn work_that_waited_while_the_lease_ended_does_not_go_on() {
        let lease = lease(2 * SETTLE);
        let writes = Writes::new(lease.clone(), SETTLE);
        let written = AtomicU32::new(0);
        let work = async {
            // Frozen here: woken only after the lease is over.
            lease.revoke();
            tokio::task::yield_now().await;
            written.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(writes.hold(work).await, Err(LeaseOver));
        assert_eq!(written.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn work_of_a_membership_that_was_lost_does_not_go_on_in_the_next() {
        let lease = lease(2 * SETTLE);
        let writes = Writes::new(lease.clone(), SETTLE);
        let written = AtomicU32::new(0);
        let work = async {
            // Not looked at between the loss and the next grant.
            lease.revoke();
            lease.grant(BootInstant::now().plus(2 * SETTLE));
            tokio::task::yield_now().await;
            written.fetch_add(1, Ordering::Relaxed);
        };
        assert_eq!(writes.hold(work).await, Err(LeaseOver));
        assert_eq!(written.load(Ordering::Relaxed), 0);
        assert_eq!(Writes::new(lease, SETTLE).hold(async {}).await, Ok(()));
    }

    #[tokio::test]
    async fn a_lease_too_short_for_a_write_is_waited_for() {
        let lease = lease(SETTLE / 2);
        let writes = Writes::new(lease.clone(), SETTLE);
        let renewed = async {
            tokio::time::sleep(2 * LOOK_AGAIN).await;
            lease.grant(BootInstant::now().plus(2 * SETTLE));
        };
        let began = tokio::time::Instant::now();
        let (held, ()) = tokio::join!(writes.hold(async { began.elapsed() }), renewed);
        assert!(held.unwrap() >= 2 * LOOK_AGAIN, "it did not wait");
    }
}
