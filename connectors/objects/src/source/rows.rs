//! What one poll gives out.

use std::collections::BTreeMap;

use longshore_sdk::{Batch, Next, Output, Polled};

use crate::state::Position;

/// Rows of many files in one batch, and how far each file was read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    batch: Batch,
    saved: BTreeMap<String, Position>,
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.saved.is_empty()
    }

    /// Bytes gathered, with what each row costs beside its own.
    pub(super) fn bytes(&self) -> u32 {
        let bytes = self.batch.bytes() + 16 * self.batch.columns.value_len.len();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Adds rows; the first ones, often all, without a copy.
    pub(super) fn add(&mut self, rows: Batch) {
        if self.batch.columns.value_len.is_empty() {
            self.batch = rows;
            return;
        }
        let start = u32::try_from(self.batch.arena.len()).expect("a poll's rows stay below 4 GiB");
        self.batch.arena.extend_from_slice(&rows.arena);
        let columns = &mut self.batch.columns;
        columns.value_at.extend(rows.columns.value_at.iter().map(|at| at + start));
        columns.value_len.extend_from_slice(&rows.columns.value_len);
    }

    pub(super) fn save(&mut self, path: &str, position: Position) {
        self.saved.insert(path.to_owned(), position);
    }

    pub(super) fn polled(self, topic: &str, next: Next) -> Polled {
        let mut polled = Polled::empty(next);
        if !self.batch.is_empty() {
            polled.outputs.push(Output::new(topic, self.batch));
        }
        polled.saved =
            self.saved.iter().map(|(path, position)| position.checkpoint(path)).collect();
        polled
    }
}
