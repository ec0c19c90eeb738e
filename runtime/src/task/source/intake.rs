//! What becomes of what a poll brought, before any of it is sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::task::counters::{Counters, payload_bytes};
use crate::task::error::TaskError;
use crate::task::failures::Failures;
use crate::task::plugin::{Output, Polled, TransactionEnd};
use crate::task::topics::OutputTopics;
use crate::task::transforms::BatchTransform;
use crate::task::unsealed::Payload;

/// Goes along with the plugin: a transform may wait for a schema registry, and the
/// session's loop does not wait with it.
pub(super) struct Intake {
    pub(super) topics: OutputTopics,
    pub(super) transform: Option<BatchTransform>,
    pub(super) failures: Failures,
    pub(super) counters: Arc<Counters>,
}

impl Intake {
    /// Counts what a poll brought, and stops at what cannot be used.
    pub(super) async fn take(
        &mut self,
        polled: Polled,
        end: Option<TransactionEnd>,
    ) -> Result<Payload, TaskError> {
        let Polled { mut outputs, mut refused, .. } = polled;
        let aborts = end == Some(TransactionEnd::Abort);
        if aborts {
            outputs.clear();
        }
        outputs.retain(|output| !output.batch.is_empty());
        self.topics.check(&outputs)?;
        for output in &outputs {
            self.counters.read(output.batch.len() as u64, payload_bytes(&output.batch));
        }
        if let Some(transform) = &mut self.transform {
            let records = |outputs: &[Output]| -> usize {
                outputs.iter().map(|output| output.batch.len()).sum()
            };
            let given = records(&outputs);
            let (transformed, failed) = transform.outputs(outputs).await?;
            outputs = transformed;
            refused.extend(failed);
            let dropped = given - records(&outputs);
            self.counters.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
        }
        if !outputs.is_empty() {
            self.counters.active.record(self.counters.unwritten());
        }
        self.topics.used(&outputs)?;
        let letters = self.failures.refused(&refused)?;
        Ok(Payload { outputs, letters, saved: polled.saved, aborts })
    }
}
