//! Markers: written to every partition of a transaction, again and again where
//! that fails.

use std::{sync::Arc, time::Duration};

use kafka_protocol::error::ResponseError;

use super::{
    coordinator::{SharedSlot, Slot, TransactionCoordinator, lock, now_ms},
    state::{Partitions, ProducerIdAndEpoch, TransactionResult},
    store,
};
use crate::{
    crash, limits,
    log::{Marker, MarkerKind},
    partition::{Appended, Partition, PartitionError},
    topics::CONSUMER_OFFSETS,
};

/// The markers of one transaction, on their way.
pub(super) struct Markers {
    marker: Marker,
    /// Partitions without one.
    missing: Vec<(String, i32)>,
    /// Those whose topic wants it flushed.
    unsettled: Vec<(Arc<Partition>, Appended)>,
}

impl From<TransactionResult> for MarkerKind {
    fn from(result: TransactionResult) -> Self {
        match result {
            TransactionResult::Commit => MarkerKind::Commit,
            TransactionResult::Abort => MarkerKind::Abort,
        }
    }
}

impl TransactionCoordinator {
    /// Writes the markers: at once, as far as that goes, and the rest in a task.
    pub(super) fn write_markers(
        &self,
        shared: &SharedSlot,
        slot: &mut Slot,
        producer: ProducerIdAndEpoch,
        result: TransactionResult,
        partitions: &Partitions,
    ) {
        crash::point("txn-after-prepare");
        let coordinator_epoch = store::partition_of(&self.0.partitions, &slot.id)
            .map_or(0, |partition| partition.leader_epoch());
        let marker = Marker {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            coordinator_epoch,
            kind: result.into(),
        };
        let missing = partitions.iter().map(|(topic, index)| (topic.to_owned(), index)).collect();
        let mut markers = Markers { marker, missing, unsettled: Vec::new() };
        self.write_missing(&slot.id, &mut markers);
        if markers.missing.is_empty() && markers.unsettled.is_empty() {
            crash::point("txn-before-complete");
            slot.transaction.markers_written(now_ms());
            self.carry_out(shared, slot);
            return;
        }
        let (coordinator, shared) = (self.clone(), Arc::clone(shared));
        let id = slot.id.clone();
        self.0.tasks.spawn(async move {
            if coordinator.finish_markers(&id, markers).await {
                crash::point("txn-before-complete");
                let mut slot = lock(&shared);
                slot.transaction.markers_written(now_ms());
                coordinator.carry_out(&shared, &mut slot);
            }
        });
    }

    /// Tries each partition that lacks its marker once.
    fn write_missing(&self, id: &str, markers: &mut Markers) {
        let marker = markers.marker;
        let mut is_first = true;
        let mut missing = std::mem::take(&mut markers.missing);
        missing.retain(|(topic, index)| {
            if !std::mem::take(&mut is_first) {
                crash::point("txn-between-markers");
            }
            let Some(partition) = self.0.partitions.get(topic, *index) else {
                tracing::info!(
                    transactional_id = id,
                    topic,
                    partition = index,
                    "a partition was deleted before its transaction ended: it needs no marker"
                );
                self.end_offsets(topic, *index, &marker);
                return false;
            };
            match self.append_marker(&partition, &marker) {
                Ok(appended) if appended.flush_before_answer => {
                    markers.unsettled.push((partition, appended));
                    false
                }
                Ok(_) => false,
                Err(error) if is_fenced(&error) => {
                    tracing::error!(
                        transactional_id = id, %partition, %error,
                        "a marker was refused for good: the partition has seen a newer producer"
                    );
                    false
                }
                Err(error) => {
                    tracing::warn!(
                        transactional_id = id, %partition, %error,
                        "a transaction's marker cannot be written now: it is tried again"
                    );
                    true
                }
            }
        });
        markers.missing = missing;
    }

    /// Writes a marker and, where offsets were committed in the transaction,
    /// lets them hold or drops them.
    pub(crate) fn append_marker(
        &self,
        partition: &Partition,
        marker: &Marker,
    ) -> Result<Appended, PartitionError> {
        let appended = partition.append_marker(marker)?;
        self.end_offsets(partition.topic(), partition.index(), marker);
        Ok(appended)
    }

    fn end_offsets(&self, topic: &str, partition: i32, marker: &Marker) {
        if topic == CONSUMER_OFFSETS {
            let commits = marker.kind == MarkerKind::Commit;
            self.0.groups.end_transaction(partition, marker.producer_id, commits);
        }
    }

    /// Goes on until every partition has its marker; false when the node stops
    /// before.
    async fn finish_markers(&self, id: &str, mut markers: Markers) -> bool {
        let mut pause = limits::MARKER_RETRY_MIN;
        loop {
            for (partition, appended) in std::mem::take(&mut markers.unsettled) {
                if let Err(error) = partition.settled(&appended).await {
                    tracing::warn!(
                        transactional_id = id, %partition, %error,
                        "a transaction's marker was not flushed: it is written again"
                    );
                    markers.missing.push((partition.topic().to_owned(), partition.index()));
                }
            }
            if markers.missing.is_empty() {
                return true;
            }
            if !self.sleep(pause).await {
                return false;
            }
            pause = (pause * 2).min(limits::MARKER_RETRY_MAX);
            self.write_missing(id, &mut markers);
        }
    }

    /// False when the node stops first.
    pub(super) async fn sleep(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.0.stopping.cancelled() => false,
        }
    }
}

/// Whether trying again cannot help.
fn is_fenced(error: &PartitionError) -> bool {
    matches!(
        error.code(),
        ResponseError::InvalidProducerEpoch | ResponseError::TransactionCoordinatorFenced
    )
}
