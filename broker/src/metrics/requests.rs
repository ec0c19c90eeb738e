//! Requests by API and version, and how long their answers took.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::time_histogram::TimeHistogram;

/// An API that is counted, by its number and name.
#[derive(Debug)]
pub(super) struct ApiCounts {
    pub(super) name: String,
    /// Requests, by version from 0.
    pub(super) requests: Box<[AtomicU64]>,
    pub(super) times: TimeHistogram,
}

/// Counts for each API that is served. The table never changes, so a request
/// finds its row by its number.
#[derive(Debug)]
pub(crate) struct RequestCounts {
    by_key: Box<[Option<ApiCounts>]>,
}

/// A request between its arrival and the last byte of its answer.
#[derive(Debug)]
pub(crate) struct RequestTimer<'a>(Option<(&'a ApiCounts, Instant)>);

impl RequestCounts {
    /// A table for these APIs: number, name, last version.
    pub(crate) fn new(apis: impl Iterator<Item = (i16, String, i16)> + Clone) -> Self {
        let last = apis.clone().map(|(key, ..)| key).max().unwrap_or(-1);
        let mut by_key: Vec<Option<ApiCounts>> = (0..=last).map(|_| None).collect();
        for (key, name, version_max) in apis {
            let requests = (0..=version_max).map(|_| AtomicU64::new(0)).collect();
            let counts = ApiCounts { name, requests, times: TimeHistogram::default() };
            if let Some(row) = usize::try_from(key).ok().and_then(|key| by_key.get_mut(key)) {
                *row = Some(counts);
            }
        }
        Self { by_key: by_key.into_boxed_slice() }
    }

    /// Counts a request whose header begins with these bytes. What is no
    /// request that is served is not counted.
    pub(crate) fn arrived(&self, head: &[u8]) -> RequestTimer<'_> {
        let found = head.first_chunk::<4>().and_then(|[a, b, c, d]| {
            let key = usize::try_from(i16::from_be_bytes([*a, *b])).ok()?;
            let version = usize::try_from(i16::from_be_bytes([*c, *d])).ok()?;
            let counts = self.by_key.get(key)?.as_ref()?;
            counts.requests.get(version)?.fetch_add(1, Ordering::Relaxed);
            Some(counts)
        });
        RequestTimer(found.map(|counts| (counts, Instant::now())))
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &ApiCounts> {
        self.by_key.iter().flatten()
    }
}

impl RequestTimer<'_> {
    /// The answer is written.
    pub(crate) fn answered(self) {
        if let Some((counts, arrived)) = self.0 {
            counts.times.record(arrived.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_served_is_counted() {
        let apis = [(0, "Produce".to_owned(), 2), (3, "Metadata".to_owned(), 0)];
        let counts = RequestCounts::new(apis.into_iter());
        for head in [[0, 0, 0, 2], [0, 0, 0, 3], [0, 1, 0, 0], [0, 3, 0, 0], [255, 255, 0, 0]] {
            counts.arrived(&head).answered();
        }
        counts.arrived(&[0, 0]).answered();
        let found: Vec<_> = counts
            .rows()
            .map(|row| {
                let requests = row.requests.iter().map(|count| count.load(Ordering::Relaxed));
                (row.name.as_str(), requests.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(found, [("Produce", vec![0, 0, 1]), ("Metadata", vec![1])]);
    }
}
