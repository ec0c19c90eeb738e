//! Batches that a guest holds by handle.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::bindings::types;
use super::convert;
use super::error::Cause;
use super::plugin::Form;
use super::values::{self, Schemas, WithSchemas};
use crate::batch::Batch;
use crate::convert::{Converters, Part};
use crate::task::failures::Stage;
use crate::task::plugin::Reject;

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
    /// The topic's bytes.
    pub(super) batch: Arc<Batch>,
    /// The same records as what was read from them, in the form `values`.
    pub(super) values: Option<WithSchemas>,
    pub(super) converters: Arc<Converters>,
    pub(super) unread: Unread,
    bytes: usize,
    held: Arc<AtomicUsize>,
}

/// A batch on its way into a call: the handle, and what its answer is about.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) handle: HeldRecords,
    pub(super) asked: Asked,
}

/// What a guest is asked about, to understand its answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// Records that it is given.
    pub(super) records: usize,
    unread: Unread,
    /// Records that it is not given, since a converter cannot read them.
    left_out: Vec<Reject>,
    /// The index of each that it is given, where that is another.
    origins: Option<Vec<u32>>,
}

impl Asked {
    /// What it rejects, and what was left out, by the index in the batch that came.
    /// `otherwise`: where a record failed that no converter failed at.
    pub(super) fn rejects(
        self,
        told: Vec<types::Reject>,
        otherwise: Stage,
    ) -> Result<Vec<Reject>, Cause> {
        let stage = |at| self.unread.stage(at, otherwise);
        let mut rejects = convert::rejects(told, self.records, stage)?;
        if let Some(origins) = &self.origins {
            for reject in &mut rejects {
                reject.at = origins[reject.at as usize];
            }
        }
        rejects.extend(self.left_out);
        Ok(rejects)
    }
}

impl HeldRecords {
    /// A batch for a call, read as `form` says. `held`: where its bytes are counted until
    /// the guest lets go of it.
    pub(super) fn hand(
        batch: Arc<Batch>,
        form: Form,
        converters: Arc<Converters>,
        schemas: &mut Schemas,
        held: Arc<AtomicUsize>,
    ) -> Handed {
        let unread = Unread::default();
        let (batch, values, left_out, origins) = match form {
            Form::Bytes => (batch, None, Vec::new(), None),
            Form::Values => {
                let read = values::read(&batch, &converters, schemas);
                match read.unread.is_empty() {
                    true => (batch, Some(read.shown), read.unread, None),
                    false => {
                        let only = Arc::new(picked(&batch, &read.origins));
                        (only, Some(read.shown), read.unread, Some(read.origins))
                    }
                }
            }
        };
        let values_bytes = values.as_ref().map_or(0, |values| {
            batch_bytes(&values.batch) + 4 * (values.key_schema.len() + values.value_schema.len())
        });
        let bytes = batch_bytes(&batch) + values_bytes;
        held.fetch_add(bytes, Ordering::Relaxed);
        let asked = Asked { records: batch.len(), unread: unread.clone(), left_out, origins };
        Handed { handle: Self { batch, values, converters, unread, bytes, held }, asked }
    }

    /// The batch that the guest sees.
    pub(super) fn shown(&self) -> &Batch {
        self.values.as_ref().map_or(&self.batch, |values| &values.batch)
    }
}

/// Those records of a batch, in rising order.
fn picked(from: &Batch, which: &[u32]) -> Batch {
    let mut batch = Batch::default();
    let mut headers = 0;
    let mut next = which.iter().copied().peekable();
    for at in 0..from.len() {
        let count = from.columns.header_count.get(at).copied().unwrap_or(0) as usize;
        if next.next_if_eq(&(at as u32)).is_some() {
            batch.push_record(from, at, headers..headers + count);
            batch.columns.offset.extend(from.offset(at));
        }
        headers += count;
    }
    if !batch.columns.header_count.is_empty() {
        batch.columns.header_count.resize(which.len(), 0);
    }
    batch
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
