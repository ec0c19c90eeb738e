//! A bucket of tokens that refills with time (KIP-599): for work that comes in
//! bursts, such as creating a topic of many partitions.

/// Tokens for one user of a quota. Time is passed in and only goes forward.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    refilled_ms: u64,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(capacity: f64, now_ms: u64) -> Self {
        Self { tokens: capacity, refilled_ms: now_ms }
    }

    /// Adds `bound` tokens a second since the last time, up to `capacity`.
    pub(crate) fn refill(&mut self, bound: f64, capacity: f64, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.refilled_ms);
        self.tokens = (self.tokens + bound * elapsed_ms as f64 / 1000.0).min(capacity);
        self.refilled_ms = self.refilled_ms.max(now_ms);
    }

    /// Takes tokens, even those that are not there: one piece of work may
    /// cost more than the bucket holds, and must be possible.
    pub(crate) fn take(&mut self, tokens: f64) {
        self.tokens -= tokens;
    }

    /// Whether more was taken than there was.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.tokens < 0.0
    }

    /// How long until nothing is overdrawn.
    pub(crate) fn throttle_ms(&self, bound: f64) -> u64 {
        if self.is_overdrawn() { (-self.tokens * 1000.0 / bound).ceil() as u64 } else { 0 }
    }

    pub(crate) fn is_full(&self, capacity: f64) -> bool {
        self.tokens >= capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lends_once_and_is_paid_back_in_time() {
        let mut bucket = TokenBucket::new(10.0, 0);
        bucket.take(15.0);
        assert!(bucket.is_overdrawn());
        assert_eq!(bucket.throttle_ms(2.0), 2500);
        bucket.refill(2.0, 10.0, 2499);
        assert!(bucket.is_overdrawn());
        bucket.refill(2.0, 10.0, 2500);
        assert_eq!((bucket.is_overdrawn(), bucket.throttle_ms(2.0)), (false, 0));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_capacity() {
        let mut bucket = TokenBucket::new(10.0, 0);
        bucket.refill(2.0, 10.0, 1_000_000);
        bucket.take(10.0);
        assert!(!bucket.is_overdrawn());
        bucket.take(0.1);
        assert!(bucket.is_overdrawn());
        assert!(!bucket.is_full(10.0));
    }

    #[test]
    fn a_clock_that_stands_still_adds_nothing() {
        let mut bucket = TokenBucket::new(0.0, 50);
        bucket.refill(1000.0, 10.0, 50);
        bucket.refill(1000.0, 10.0, 40);
        bucket.take(0.001);
        assert!(bucket.is_overdrawn());
    }
}
