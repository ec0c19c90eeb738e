//! Batches that a guest holds by handle.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::batch::Batch;
use crate::convert::Converters;

/// What a `records` resource is. The batch's bytes count as held until the
/// guest drops the handle: that is a sink's back-pressure.
#[derive(Debug)]
pub struct HeldRecords {
    pub(super) batch: Arc<Batch>,
    pub(super) converters: Arc<Converters>,
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl HeldRecords {
    pub(super) fn new(
        batch: Arc<Batch>,
        converters: Arc<Converters>,
        held: Arc<AtomicUsize>,
    ) -> Self {
        let bytes = batch_bytes(&batch);
        held.fetch_add(bytes, Ordering::Relaxed);
        Self { batch, converters, bytes, held }
    }
}

impl Drop for HeldRecords {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Memory of a batch: its arena and its columns, in bytes.
fn batch_bytes(batch: &Batch) -> usize {
    let c = &batch.columns;
    let words = c.key_at.len() + c.key_len.len() + c.value_at.len() + c.value_len.len();
    let wide = c.timestamp_ms.len() + c.offset.len();
    batch.arena.len()
        + 4 * (words + c.header_count.len())
        + 8 * wide
        + 16 * batch.headers.name_at.len()
}
