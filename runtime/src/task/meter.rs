//! How often something happened and how much it was: in all, and lately.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rates, averages and maxima are over the window that runs and the one before it:
/// Kafka's `metrics.sample.window.ms` with two samples.
const WINDOW: Duration = Duration::from_secs(30);

/// Values as they are measured.
#[derive(Debug, Default)]
pub struct Meter {
    count: AtomicU64,
    sum: AtomicU64,
    /// Of the window that runs.
    max: AtomicU64,
    /// The complement of its least value, so that none yet is 0.
    least: AtomicU64,
    windows: Mutex<Windows>,
}

/// A total that something else counts, looked at again and again.
#[derive(Debug, Default)]
pub struct Rate(Mutex<Windows>);

/// What was lately; NaN where there was nothing, as in Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Lately {
    /// Of all values.
    pub average: f64,
    /// The greatest.
    pub max: f64,
    /// The least.
    pub min: f64,
}

/// Where the window that runs began, and the one before it.
#[derive(Debug)]
struct Windows {
    before: Sample,
    began: Sample,
    max_before: u64,
    least_before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    count: u64,
    sum: u64,
}

impl Default for Windows {
    fn default() -> Self {
        let now = Sample { at: Instant::now(), count: 0, sum: 0 };
        Self { before: now, began: now, max_before: 0, least_before: 0 }
    }
}

impl Windows {
    /// Begins a window if the one that runs is over; true if it did.
    fn roll(&mut self, now: Sample) -> bool {
        let is_over = now.at.saturating_duration_since(self.began.at) >= WINDOW;
        if is_over {
            self.before = std::mem::replace(&mut self.began, now);
        }
        is_over
    }
}

impl Meter {
    /// Takes a value: four operations on atomics.
    pub fn record(&self, value: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.max.fetch_max(value, Ordering::Relaxed);
        self.least.fetch_max(!value, Ordering::Relaxed);
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What the values were lately.
    pub fn lately(&self, at: Instant) -> Lately {
        let mut windows = self.windows.lock().expect("no holder panics");
        let now = Sample { at, count: self.count(), sum: self.sum.load(Ordering::Relaxed) };
        let since = windows.before;
        let mut max = windows.max_before.max(self.max.load(Ordering::Relaxed));
        let mut least = windows.least_before.max(self.least.load(Ordering::Relaxed));
        if windows.roll(now) {
            windows.max_before = self.max.swap(0, Ordering::Relaxed);
            windows.least_before = self.least.swap(0, Ordering::Relaxed);
            max = max.max(windows.max_before);
            least = least.max(windows.least_before);
        }
        match now.count - since.count {
            0 => Lately { average: f64::NAN, max: f64::NAN, min: f64::NAN },
            count => Lately {
                average: (now.sum - since.sum) as f64 / count as f64,
                max: max as f64,
                min: !least as f64,
            },
        }
    }
}

impl Rate {
    /// How much the total grew lately, a second.
    pub fn of(&self, total: u64, at: Instant) -> f64 {
        let mut windows = self.0.lock().expect("no holder panics");
        let since = windows.before;
        windows.roll(Sample { at, count: total, sum: 0 });
        let seconds = at.saturating_duration_since(since.at).as_secs_f64();
        if seconds > 0.0 { total.saturating_sub(since.count) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_forgets_what_was_two_windows_ago() {
        let meter = Meter::default();
        let began = Instant::now();
        let after = |windows: u32| meter.lately(began + windows * WINDOW);
        assert!(after(0).average.is_nan() && after(0).max.is_nan());
        meter.record(10);
        meter.record(20);
        let lately = after(1);
        assert_eq!((lately.average, lately.max, lately.min), (15.0, 20.0, 10.0));
        meter.record(3);
        // The window in which there were 10 and 20 is the one before.
        let lately = after(2);
        assert_eq!((lately.average, lately.max, lately.min), (11.0, 20.0, 3.0));
        let lately = after(3);
        assert_eq!((lately.average, lately.max, lately.min), (3.0, 3.0, 3.0));
        assert!(after(5).average.is_nan());
        assert_eq!(meter.count(), 3);
    }

    #[test]
    fn a_rate_is_over_two_windows_at_the_most() {
        let rate = Rate::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let close = |rate: f64, wanted: f64| (rate - wanted).abs() < 0.01;
        assert!(close(rate.of(100, at(10)), 10.0));
        assert!(close(rate.of(300, at(30)), 10.0));
        assert!(close(rate.of(300, at(60)), 5.0));
        assert!(close(rate.of(300, at(90)), 0.0));
    }
}
