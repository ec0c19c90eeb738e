//! Batches that a guest holds by handle.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::batch::Batch;
use crate::convert::{Converters, Part};
use crate::task::failures::Stage;

/// Records of a batch that a converter could not read: the host knows better than
/// the guest, which only hands the refusal on, at which stage such a record failed.
#[derive(Debug, Clone, Default)]
pub struct Unread(Arc<Mutex<BTreeMap<u32, Part>>>);

impl Unread {
    pub(super) fn note(&self, records: impl Iterator<Item = (u32, Part)>) {
        self.0.lock().expect("no holder panics").extend(records);
    }

    /// The stage at which a record of the batch failed, if not at `otherwise`.
    pub(super) fn stage(&self, at: u32, otherwise: Stage) -> Stage {
        match self.0.lock().expect("no holder panics").get(&at) {
            Some(Part::Key) => Stage::KeyConverter,
            Some(Part::Value) => Stage::ValueConverter,
            None => otherwise,
        }
    }
}

/// What a `records` resource is. The batch's bytes count as held until the
/// guest drops the handle: that is a sink's back-pressure.
#[derive(Debug)]
pub struct HeldRecords {
    pub(super) batch: Arc<Batch>,
    pub(super) converters: Arc<Converters>,
    pub(super) unread: Unread,
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
        Self { batch, converters, unread: Unread::default(), bytes, held }
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
