//! Until when a membership is known to be good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// An instant on a clock that also counts the time the machine was suspended
/// (`CLOCK_BOOTTIME`), in nanoseconds since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootInstant(u64);

impl BootInstant {
    /// The instant at which the machine booted.
    pub const BOOT: Self = Self(0);

    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        Self(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    /// This instant `by` later.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is, zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A worker's right to write: good until the coordinator may have given its
/// work to another. Whoever is about to write to an outside system asks
/// [`is_valid`](Lease::is_valid) right before it.
///
/// Clones share one state. A lease that was never granted is not valid.
#[derive(Clone, Debug, Default)]
pub struct Lease(Arc<State>);

#[derive(Debug, Default)]
struct State {
    until: AtomicU64,
    /// How often it was ended.
    ends: AtomicU64,
}

impl Lease {
    /// A lease that is good for ever: for a process that shares its work with
    /// nobody.
    pub fn unlimited() -> Self {
        let lease = Self::default();
        lease.grant(BootInstant(u64::MAX));
        lease
    }

    /// The instant until which the membership is known to be good.
    pub fn valid_until(&self) -> BootInstant {
        BootInstant(self.0.until.load(Ordering::Acquire))
    }

    /// True while the membership is known to be good.
    pub fn is_valid(&self) -> bool {
        BootInstant::now() < self.valid_until()
    }

    /// How long the membership is still known to be good, zero if it is not.
    pub fn remaining(&self) -> Duration {
        self.valid_until().since(BootInstant::now())
    }

    /// Grants the lease until `until`, however long it was granted before.
    pub fn grant(&self, until: BootInstant) {
        self.0.until.store(until.0, Ordering::Release);
    }

    /// Ends the lease now.
    pub fn revoke(&self) {
        self.0.ends.fetch_add(1, Ordering::Release);
        self.grant(BootInstant::BOOT);
    }

    /// Which membership it is of: what began in another is over, though the lease may
    /// be granted again.
    pub fn membership(&self) -> u64 {
        self.0.ends.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_was_never_granted_is_not_valid() {
        let lease = Lease::default();
        assert!(!lease.is_valid());
        assert_eq!(lease.remaining(), Duration::ZERO);
    }

    #[test]
    fn clones_see_a_grant_and_its_end() {
        let lease = Lease::default();
        let task = lease.clone();
        lease.grant(BootInstant::now().plus(Duration::from_secs(60)));
        assert!(task.is_valid());
        assert!(task.remaining() > Duration::from_secs(50));
        let membership = task.membership();
        lease.revoke();
        assert!(!task.is_valid());
        lease.grant(BootInstant::now().plus(Duration::from_secs(60)));
        assert!(task.is_valid() && task.membership() != membership);
    }
}
