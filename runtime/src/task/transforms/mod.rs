//! Transforms between a topic and a plugin.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`batches`] | a batch's records through a chain |
//!
//! A sink is given what the chain leaves of a batch, under the topics that it says; its
//! answers are told of the batch as it was read. So a record that cannot be transformed
//! is refused like one that the sink cannot take, and its dead letter is the record as
//! it came.

pub mod batches;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;

pub use batches::BatchTransform;
use batches::{Grouping, Routed, Transformed};

use super::error::TaskError;
use super::plugin::{Mark, Progress, Reject, SinkPlugin, Taken};
use crate::batch::Batch;
use crate::kafka::TopicPartition;

/// A sink behind a chain of transforms.
pub struct TransformingSink {
    plugin: Box<dyn SinkPlugin>,
    transform: BatchTransform,
    /// Batches of which a part was not put yet.
    begun: HashMap<TopicPartition, Begun>,
}

/// A batch that is being put, piece by piece: a piece is records of one topic in a row.
struct Begun {
    of: Arc<Batch>,
    left: VecDeque<(Arc<Batch>, Arc<str>, Vec<u32>)>,
    /// What became of its records, and was not told yet.
    untold: Taken,
}

impl TransformingSink {
    /// Puts a chain before a sink.
    pub fn new(plugin: Box<dyn SinkPlugin>, transform: BatchTransform) -> Self {
        Self { plugin, transform, begun: HashMap::new() }
    }

    async fn begin(
        &mut self,
        from: &TopicPartition,
        batch: Arc<Batch>,
    ) -> Result<Begun, TaskError> {
        let partition = Some(from.partition);
        let done = self.transform.apply(&from.topic, partition, &batch, Grouping::Run).await;
        // Nothing of it was put: the same batch comes again.
        let done = done.map_err(|reason| TaskError::fault(reason, None))?;
        let Transformed { routed, filtered, failed } = done;
        let pieces = routed
            .into_iter()
            .map(|Routed { topic, batch, origins }| (Arc::new(batch), topic, origins));
        Ok(Begun {
            of: batch,
            left: pieces.collect(),
            untold: Taken { rejects: failed, filtered, more: false },
        })
    }
}

#[async_trait]
impl SinkPlugin for TransformingSink {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        self.plugin.assigned(partitions).await
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        let progress = self.plugin.revoked(partitions).await?;
        for partition in partitions {
            self.begun.remove(partition);
        }
        Ok(progress)
    }

    /// What is refused is told before more of the batch is put: a sink that keeps its
    /// position with its data would else be past a record of which no dead letter was
    /// written. The same batch comes again then, as it does after a fault, and what the
    /// sink has taken of it is not put again.
    async fn put(
        &mut self,
        from: &TopicPartition,
        _: &str,
        batch: Arc<Batch>,
    ) -> Result<Taken, TaskError> {
        let mut begun = match self.begun.remove(from) {
            Some(begun) if Arc::ptr_eq(&begun.of, &batch) => begun,
            _ => self.begin(from, batch).await?,
        };
        while begun.untold.rejects.is_empty()
            && let Some((piece, topic, origins)) = begun.left.front()
        {
            let taken = match self.plugin.put(from, topic, piece.clone()).await {
                Ok(taken) => taken,
                Err(error) => {
                    if error.is_fault() {
                        self.begun.insert(from.clone(), begun);
                    }
                    return Err(error);
                }
            };
            let origin = |at: u32| {
                origins.get(at as usize).copied().ok_or_else(|| {
                    let records = origins.len();
                    TaskError::reopen(format!(
                        "the plugin refused record {at} of a batch of {records}"
                    ))
                })
            };
            for Reject { at, failure } in taken.rejects {
                begun.untold.rejects.push(Reject { at: origin(at)?, failure });
            }
            for at in taken.filtered {
                begun.untold.filtered.push(origin(at)?);
            }
            if !taken.more {
                begun.left.pop_front();
            }
        }
        let mut taken = std::mem::take(&mut begun.untold);
        taken.more = !begun.left.is_empty();
        if taken.more {
            self.begun.insert(from.clone(), begun);
        }
        Ok(taken)
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        self.plugin.tick().await
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        self.plugin.drain().await
    }

    fn held_bytes(&self) -> usize {
        self.plugin.held_bytes()
    }

    async fn close(self: Box<Self>) {
        self.plugin.close().await;
    }
}

#[cfg(test)]
mod tests;
