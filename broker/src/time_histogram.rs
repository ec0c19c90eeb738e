//! Times, counted into buckets: a few atomic additions, no lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the buckets in milliseconds; what is longer goes to the last.
const BOUNDS_MS: [f64; 14] =
    [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 5_000.0, 30_000.0];
const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// How often something took how long.
#[derive(Debug, Default)]
pub(crate) struct TimeHistogram {
    buckets: [AtomicU64; BUCKETS],
    total_nanoseconds: AtomicU64,
}

/// A histogram at one moment; several add up to one.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct TimeCounts {
    buckets: [u64; BUCKETS],
    total_nanoseconds: u64,
}

impl TimeHistogram {
    pub(crate) fn record(&self, time: Duration) {
        let ms = time.as_secs_f64() * 1000.0;
        let bucket = BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.total_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, counts: &mut TimeCounts) {
        for (sum, bucket) in counts.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        counts.total_nanoseconds += self.total_nanoseconds.load(Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> TimeCounts {
        let mut counts = TimeCounts::default();
        self.add_to(&mut counts);
        counts
    }
}

impl TimeCounts {
    /// Upper bounds in milliseconds and how many times are within each bucket,
    /// none of them counted twice. The last has no bound.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Option<f64>, u64)> {
        let bounds = BOUNDS_MS.into_iter().map(Some).chain([None]);
        bounds.zip(self.buckets)
    }

    /// How many times were counted.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn total_ms(&self) -> f64 {
        self.total_nanoseconds as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_once_in_the_first_bucket_that_holds_it() {
        let histogram = TimeHistogram::default();
        for ms in [0, 1, 1, 2, 3, 40_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let mut twice = histogram.counts();
        assert_eq!(twice.buckets[..5], [1, 0, 2, 1, 1]);
        assert_eq!(twice.buckets[BUCKETS - 1], 1);
        histogram.add_to(&mut twice);
        assert_eq!(twice.buckets.iter().sum::<u64>(), 12);
        assert_eq!(twice.total_nanoseconds, 2 * 40_007 * 1_000_000);
    }
}
