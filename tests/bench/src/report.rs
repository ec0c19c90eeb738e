//! How figures are taken and printed: several runs, their median and spread.

use std::time::{Duration, Instant};

/// Runs of each measurement; the median is what is quoted.
pub(crate) const RUNS: usize = 5;

/// A figure over several runs.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    sorted: Vec<f64>,
}

impl Figure {
    /// Takes [`RUNS`] runs of a measurement, after one that does not count.
    pub(crate) fn of(mut run: impl FnMut() -> f64) -> Self {
        run();
        Self::from_runs((0..RUNS).map(|_| run()).collect())
    }

    /// Takes two measurements in turn, A B A B, so that a machine whose speed
    /// drifts slows both; the third figure is A / B, pair by pair.
    pub(crate) fn of_pair(
        mut first: impl FnMut() -> f64,
        mut second: impl FnMut() -> f64,
    ) -> (Self, Self, Self) {
        first();
        second();
        let pairs: Vec<(f64, f64)> = (0..RUNS).map(|_| (first(), second())).collect();
        (
            Self::from_runs(pairs.iter().map(|pair| pair.0).collect()),
            Self::from_runs(pairs.iter().map(|pair| pair.1).collect()),
            Self::from_runs(pairs.iter().map(|pair| pair.0 / pair.1).collect()),
        )
    }

    fn from_runs(mut sorted: Vec<f64>) -> Self {
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// The middle run.
    pub(crate) fn median(&self) -> f64 {
        self.sorted[self.sorted.len() / 2]
    }

    /// Prints one line: the median and, in brackets, the least and the most.
    pub(crate) fn print(&self, what: &str, unit: &str) {
        let (least, most) = (self.sorted[0], self.sorted[self.sorted.len() - 1]);
        println!("  {what:<58} {:>9.2} {unit:<10} [{least:.2} .. {most:.2}]", self.median());
    }
}

/// Prints a heading.
pub(crate) fn heading(text: &str) {
    println!("\n{text}");
}

/// Seconds that `work` takes.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// MB/s (10^6 bytes) for bytes in seconds.
pub(crate) fn megabytes_per_second(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

/// Milliseconds, with fractions.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// MiB for bytes.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
