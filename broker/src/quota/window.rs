//! The rate of something over the last few windows of time.
//!
//! Kafka's arithmetic: a fixed number of samples of one window each, the rate
//! is their sum over the time that they cover, which counts as all but one
//! window at least. So a burst after silence may use what was not used before.

/// How rates are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowSettings {
    /// `quota.window.num`: samples that are kept, from 1.
    pub(crate) samples: usize,
    /// `quota.window.size.seconds`, in milliseconds, from 1.
    pub(crate) window_ms: u64,
}

impl WindowSettings {
    /// The time that all samples cover.
    pub(crate) fn span_ms(self) -> u64 {
        self.samples as u64 * self.window_ms
    }

    /// The most that may be used at once without passing `bound` a second.
    pub(crate) fn burst(self, bound: f64) -> f64 {
        let windows = self.samples.saturating_sub(1).max(1) as u64;
        bound * (windows * self.window_ms) as f64 / 1000.0
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    start_ms: u64,
    total: f64,
}

/// A rate a second. Time is passed in and only goes forward.
#[derive(Debug)]
pub(crate) struct RateWindow {
    settings: WindowSettings,
    samples: Box<[Sample]>,
    newest: usize,
}

impl RateWindow {
    pub(crate) fn new(settings: WindowSettings, now_ms: u64) -> Self {
        let empty = Sample { start_ms: now_ms, total: 0.0 };
        let samples = vec![empty; settings.samples.max(1)].into_boxed_slice();
        Self { settings, samples, newest: 0 }
    }

    /// Adds what was used; a negative amount takes back what was added before.
    pub(crate) fn record(&mut self, amount: f64, now_ms: u64) {
        if now_ms.saturating_sub(self.samples[self.newest].start_ms) >= self.settings.window_ms {
            self.newest = (self.newest + 1) % self.samples.len();
            self.samples[self.newest] = Sample { start_ms: now_ms, total: 0.0 };
        }
        self.samples[self.newest].total += amount;
    }

    /// What was used and is not forgotten yet.
    pub(crate) fn total(&mut self, now_ms: u64) -> f64 {
        self.forget(now_ms);
        self.samples.iter().map(|sample| sample.total).sum()
    }

    /// How long whoever used this must wait until the rate is `bound` again;
    /// 0 when it is not above it.
    pub(crate) fn throttle_ms(&mut self, bound: f64, now_ms: u64) -> u64 {
        let total = self.total(now_ms);
        let covered_ms = self.covered_ms(now_ms) as f64;
        let rate = total * 1000.0 / covered_ms;
        if rate <= bound {
            return 0;
        }
        ((rate - bound) / bound * covered_ms).ceil() as u64
    }

    /// Whether nothing is remembered, so that a new one would be the same.
    pub(crate) fn is_idle(&mut self, now_ms: u64) -> bool {
        self.total(now_ms) == 0.0
    }

    fn forget(&mut self, now_ms: u64) {
        let span_ms = self.settings.span_ms();
        for sample in &mut self.samples {
            if now_ms.saturating_sub(sample.start_ms) >= span_ms {
                *sample = Sample { start_ms: now_ms, total: 0.0 };
            }
        }
    }

    fn covered_ms(&self, now_ms: u64) -> u64 {
        let oldest_ms = self.samples.iter().map(|sample| sample.start_ms).min().unwrap_or(now_ms);
        let elapsed_ms = now_ms.saturating_sub(oldest_ms);
        let full = elapsed_ms / self.settings.window_ms;
        let least = self.samples.len() as u64 - 1;
        // Windows that have not passed yet count as if nothing had been used.
        let missing = least.saturating_sub(full) * self.settings.window_ms;
        (elapsed_ms + missing).max(self.settings.window_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: WindowSettings = WindowSettings { samples: 11, window_ms: 1000 };

    #[test]
    fn a_burst_after_silence_may_use_ten_windows() {
        let mut window = RateWindow::new(SETTINGS, 5);
        window.record(10_000.0, 5);
        assert_eq!(window.throttle_ms(1000.0, 5), 0, "10 s at 1000 a second");
        window.record(1000.0, 5);
        assert_eq!(window.throttle_ms(1000.0, 5), 1000, "one second too much");
        assert_eq!(SETTINGS.burst(1000.0), 10_000.0);
    }

    #[test]
    fn whoever_waits_as_told_comes_to_the_bound_in_the_long_run() {
        for amount in [10.0, 100.0, 700.0, 1500.0] {
            let mut window = RateWindow::new(SETTINGS, 0);
            let (mut now_ms, mut used) = (0, 0.0);
            while now_ms < 1_000_000 {
                window.record(amount, now_ms);
                used += amount;
                now_ms += window.throttle_ms(1000.0, now_ms);
            }
            let rate = (used - SETTINGS.burst(1000.0)) * 1000.0 / now_ms as f64;
            assert!((900.0..=1100.0).contains(&rate), "{rate} with uses of {amount}");
        }
    }

    #[test]
    fn what_is_older_than_all_windows_is_forgotten() {
        let mut window = RateWindow::new(SETTINGS, 0);
        window.record(1e9, 0);
        assert!(window.throttle_ms(1.0, 10_999) > 0);
        assert_eq!(window.throttle_ms(1.0, 11_000), 0);
        assert!(window.is_idle(11_000));
    }

    #[test]
    fn what_is_taken_back_was_never_used() {
        let mut window = RateWindow::new(SETTINGS, 0);
        window.record(700.0, 100);
        window.record(-700.0, 100);
        assert!(window.is_idle(100));
    }

    #[test]
    fn one_sample_alone_is_a_window_too() {
        let mut window = RateWindow::new(WindowSettings { samples: 1, window_ms: 1000 }, 0);
        window.record(3000.0, 0);
        assert_eq!(window.throttle_ms(1000.0, 0), 2000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whoever_waits_as_told_is_held_even_with_huge_uses(
            samples in 2_usize..12,
            window_ms in 10_u64..2000,
            bound in 10.0_f64..1e6,
            // Each use as a share of what one window allows.
            uses in proptest::collection::vec(0.01_f64..5.0, 200..400),
        ) {
            let settings = WindowSettings { samples, window_ms };
            let mut window = RateWindow::new(settings, 0);
            let (mut now_ms, mut used) = (0, 0.0);
            for share in uses {
                let amount = share * bound * window_ms as f64 / 1000.0;
                window.record(amount, now_ms);
                used += amount;
                let throttle_ms = window.throttle_ms(bound, now_ms);
                // Nobody waits longer than what was ever used is worth.
                prop_assert!(throttle_ms as f64 <= used * 1000.0 / bound + 1.0);
                now_ms += throttle_ms;
            }
            // After a wait longer than all windows their burst is there again, so
            // huge uses come to twice the bound at most; and the last use is on top.
            let most = 2.0 * bound * now_ms as f64 / 1000.0 + settings.burst(bound)
                + 6.0 * bound * window_ms as f64 / 1000.0;
            prop_assert!(used <= most, "{used} of {most} in {now_ms} ms");
        }
    }
}
