//! Where the files of earlier lives begin: the first offsets of a partition's boundary
//! objects, of which there may be any number.
//!
//! ```text
//!          ... covering ── a ── b ── ... ── until        not listed yet ...
//!                  └── the offset asked for
//! ```
//!
//! A store lists names upwards alone, so the last one at or below an offset is searched:
//! from a little below at first, then from ever further below, and between a page that is
//! full and an offset from which there is none. That takes a few dozen requests at the
//! most; what follows is listed page by page as it is needed.

use std::collections::BTreeSet;

use longshore_sdk::objects::Bucket;
use longshore_sdk::{Fault, host};

use crate::names::Names;

/// Boundary objects listed at a time.
const PAGE: u32 = 1000;

/// How far below an offset its boundary is looked for first, in offsets.
const STEP: i64 = 1 << 20;

/// The boundaries of a partition, as far as they were listed.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    /// Without those that were passed, all from the one that covers the offset asked for
    /// last to `until`.
    starts: BTreeSet<i64>,
    /// None: nothing was listed. `i64::MAX`: all were.
    until: Option<i64>,
    /// A search that there was no time to end.
    search: Option<Search>,
}

/// The search for the last boundary at or below an offset.
#[derive(Debug, Clone, Copy)]
struct Search {
    offset: i64,
    /// One at or below it.
    low: Option<i64>,
    /// None begins from there up to the offset.
    none_from: i64,
    /// Where to list from next.
    from: i64,
    /// How far below the offset that is, as long as there is no `low`.
    step: i64,
}

impl Boundaries {
    /// The last boundary at or below `offset`, which never goes down from call to call.
    /// When it is not found by `until_ms` the fault is a retry that goes on from there.
    pub(super) fn covering(
        &mut self,
        bucket: &Bucket,
        names: &Names,
        offset: i64,
        until_ms: i64,
    ) -> Result<Option<i64>, Fault> {
        if self.until.is_none_or(|until| until < offset) {
            self.seek(bucket, names, offset, until_ms)?;
        }
        let covering = self.starts.range(..=offset).next_back().copied();
        if let Some(covering) = covering {
            self.starts = self.starts.split_off(&covering);
        }
        Ok(covering)
    }

    /// No offset asked for from now on is covered by the boundary at `start`.
    pub(super) fn pass(&mut self, start: i64) {
        self.starts.remove(&start);
    }

    /// The first boundary above `offset`, which was asked for before.
    pub(super) fn later(
        &mut self,
        bucket: &Bucket,
        names: &Names,
        offset: i64,
    ) -> Result<Option<i64>, Fault> {
        let found = |starts: &BTreeSet<i64>| starts.range(offset + 1..).next().copied();
        if let Some(later) = found(&self.starts) {
            return Ok(Some(later));
        }
        if let Some(until) = self.until.filter(|until| *until < i64::MAX) {
            let page = list(bucket, names, until + 1)?;
            self.until = Some(end(&page));
            self.starts.extend(page);
        }
        Ok(found(&self.starts))
    }

    fn seek(
        &mut self,
        bucket: &Bucket,
        names: &Names,
        offset: i64,
        until_ms: i64,
    ) -> Result<(), Fault> {
        let begun = self.search.take().filter(|search| search.offset == offset);
        let mut search = begun.unwrap_or_else(|| Search::begin(offset, self.until));
        loop {
            if host::now_ms() >= until_ms {
                self.search = Some(search);
                let message = "the boundary objects are still being looked through; it goes on";
                return Err(Fault::retry("looking-up", message));
            }
            let page = list(bucket, names, search.from).inspect_err(|_| {
                self.search = Some(search);
            })?;
            let until = end(&page);
            if search.take(&page, until) {
                self.starts = page.into_iter().chain(search.low).collect();
                self.until = Some(until);
                return Ok(());
            }
        }
    }
}

impl Search {
    /// `listed`: up to where the boundaries were listed before, which lies below.
    fn begin(offset: i64, listed: Option<i64>) -> Self {
        let from = match listed {
            Some(listed) => listed + 1,
            None => offset.saturating_sub(STEP),
        };
        Self { offset, low: listed, none_from: offset + 1, from: from.max(0), step: STEP }
    }

    /// Takes the boundaries from `from` to `until`. True: the last one at or below the
    /// offset is among them, or `low`, or there is none.
    fn take(&mut self, page: &[i64], until: i64) -> bool {
        let below = page.iter().rfind(|start| **start <= self.offset).copied();
        if let Some(below) = below {
            self.low = Some(below);
            if until > self.offset {
                return true;
            }
        } else {
            self.none_from = self.from;
            if self.from <= self.low.map_or(0, |low| low + 1) {
                return true;
            }
        }
        self.from = match self.low {
            Some(low) => low + (self.none_from - low + 1) / 2,
            None => {
                self.step = self.step.saturating_mul(64);
                self.offset.saturating_sub(self.step).max(0)
            }
        };
        false
    }
}

/// The first boundaries at or above `from`.
fn list(bucket: &Bucket, names: &Names, from: i64) -> Result<Vec<i64>, Fault> {
    let after = (from > 0).then(|| names.boundary(from - 1));
    let page = bucket.list(&names.boundaries(), after.as_deref(), PAGE)?;
    Ok(page.iter().filter_map(|object| names.start(&object.path)).collect())
}

/// Up to where a page tells all.
fn end(page: &[i64]) -> i64 {
    match page.last() {
        Some(last) if page.len() >= PAGE as usize => *last,
        _ => i64::MAX,
    }
}
