//! What the host keeps for one instance.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::connections::Secrets;
use super::limits::{HANDLES_MAX, LOG_LINES_PER_SECOND_MAX, Limits, METRICS_MAX, TEXT_BYTES_MAX};
use super::memory::MemoryLimit;
use super::plugin::OpenContext;
use super::state::StateStore;
use super::values::Schemas;
use super::wasi::{self, Stderr};
use crate::task::plugin::TransactionEnd;

/// One instance's side of the host.
pub(super) struct Guest {
    pub(super) table: ResourceTable,
    pub(super) memory: MemoryLimit,
    pub(super) plugin: String,
    /// The task that it is open for; none while it only describes itself.
    pub(super) context: Option<OpenContext>,
    pub(super) state: StateStore,
    /// The schemas of what crosses in the form `values`.
    pub(super) schemas: Schemas,
    /// What must not be shown of the connections that it opened.
    pub(super) secrets: Secrets,
    /// Bytes of the batches that it holds.
    pub(super) held: Arc<AtomicUsize>,
    /// Bytes that its writers hold.
    pub(super) encoded: usize,
    /// Bytes that its scans hold.
    pub(super) scanned: usize,
    /// Files that its handles keep open.
    pub(super) files: usize,
    /// How the poll under way ends its transaction.
    pub(super) transaction_end: Option<TransactionEnd>,
    pub(super) words: String,
    pub(super) stderr: Stderr,
    pub(super) log: LogBudget,
    pub(super) metrics: Metrics,
    wasi: WasiCtx,
}

impl Guest {
    pub(super) fn new(plugin: &str, limits: &Limits, context: Option<OpenContext>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES_MAX);
        let stderr = Stderr::default();
        Self {
            table,
            memory: MemoryLimit::new(limits.memory_bytes),
            plugin: plugin.to_owned(),
            context,
            state: StateStore::new(limits.state_bytes),
            schemas: Schemas::default(),
            secrets: Secrets::default(),
            held: Arc::default(),
            encoded: 0,
            scanned: 0,
            files: 0,
            transaction_end: None,
            words: String::new(),
            wasi: wasi::context(&stderr),
            stderr,
            log: LogBudget::default(),
            metrics: Metrics::default(),
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// `text`, cut to a length that a log bears.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// How much an instance may still log in this second.
#[derive(Debug, Default)]
pub(super) struct LogBudget {
    second: Option<Instant>,
    lines: u32,
    dropped: u64,
}

/// What becomes of a log line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It is written, after saying how many were left out before it.
    Written {
        /// Lines left out.
        dropped: u64,
    },
    /// It is counted.
    Dropped,
}

impl LogBudget {
    pub(super) fn take(&mut self, now: Instant) -> Line {
        let fresh = self.second.is_none_or(|start| now - start >= Duration::from_secs(1));
        if fresh {
            self.second = Some(now);
            self.lines = 0;
        }
        if self.lines == LOG_LINES_PER_SECOND_MAX {
            self.dropped += 1;
            return Line::Dropped;
        }
        self.lines += 1;
        Line::Written { dropped: std::mem::take(&mut self.dropped) }
    }
}

/// Numbers that a plugin reports about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    /// Counters, by name.
    pub counters: BTreeMap<String, u64>,
    /// Gauges, by name.
    pub gauges: BTreeMap<String, f64>,
    /// Number and sum of observations, by name.
    pub observed: BTreeMap<String, (u64, f64)>,
}

impl Metrics {
    pub(super) fn count(&mut self, name: &str, add: u64) {
        if let Some(counter) = slot(&mut self.counters, name) {
            *counter = counter.saturating_add(add);
        }
    }

    pub(super) fn gauge(&mut self, name: &str, value: f64) {
        if let Some(gauge) = slot(&mut self.gauges, name) {
            *gauge = value;
        }
    }

    pub(super) fn observe(&mut self, name: &str, value: f64) {
        if let Some((number, sum)) = slot(&mut self.observed, name) {
            *number += 1;
            *sum += value;
        }
    }
}

/// The metric of that name; none once there are too many names.
fn slot<'a, V: Default>(metrics: &'a mut BTreeMap<String, V>, name: &str) -> Option<&'a mut V> {
    let full = metrics.len() >= METRICS_MAX;
    match metrics.entry(cut(name).to_owned()) {
        Entry::Occupied(known) => Some(known.into_mut()),
        Entry::Vacant(_) if full => None,
        Entry::Vacant(new) => Some(new.insert(V::default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_counted_and_ends_with_its_second() {
        let mut log = LogBudget::default();
        let start = Instant::now();
        for _ in 0..LOG_LINES_PER_SECOND_MAX {
            assert_eq!(log.take(start), Line::Written { dropped: 0 });
        }
        assert_eq!(log.take(start), Line::Dropped);
        assert_eq!(log.take(start), Line::Dropped);
        assert_eq!(log.take(start + Duration::from_secs(1)), Line::Written { dropped: 2 });
    }

    #[test]
    fn metrics_are_bounded_in_number_and_name() {
        let mut metrics = Metrics::default();
        for name in 0..METRICS_MAX + 10 {
            metrics.count(&format!("m{name}"), 1);
        }
        metrics.count("m0", 2);
        metrics.count(&"x".repeat(100_000), 1);
        assert_eq!(metrics.counters.len(), METRICS_MAX);
        assert_eq!(metrics.counters["m0"], 3);
        assert_eq!(cut(&"ü".repeat(10_000)).len(), TEXT_BYTES_MAX);
    }
}
