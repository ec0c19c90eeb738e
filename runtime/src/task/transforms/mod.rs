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
    /// Batches that the sink took a part of before a fault.
    begun: HashMap<TopicPartition, Begun>,
    /// Marks that were held back, and need not be any more.
    freed: Vec<Mark>,
}

/// A batch that is being put, piece by piece: a piece is records of one topic in a row.
struct Begun {
    of: Arc<Batch>,
    left: VecDeque<(Arc<Batch>, Arc<str>, Vec<u32>)>,
    taken: Taken,
    /// The first record that is refused: until that is told nothing may be committed past it.
    refused_from: Option<i64>,
    /// The mark that the sink has told, held back at that record.
    held_mark: Option<i64>,
}

impl TransformingSink {
    /// Puts a chain before a sink.
    pub fn new(plugin: Box<dyn SinkPlugin>, transform: BatchTransform) -> Self {
        Self { plugin, transform, begun: HashMap::new(), freed: Vec::new() }
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
        let refused_from = failed.first().and_then(|reject| batch.offset(reject.at as usize));
        let pieces = routed
            .into_iter()
            .map(|Routed { topic, batch, origins }| (Arc::new(batch), topic, origins));
        Ok(Begun {
            of: batch,
            left: pieces.collect(),
            taken: Taken { rejects: failed, filtered },
            refused_from,
            held_mark: None,
        })
    }

    /// Holds marks back that reach beyond a record whose refusal is not told yet.
    fn held_back(&mut self, mut progress: Progress) -> Progress {
        for mark in &mut progress.marks {
            let Some(begun) = self.begun.get_mut(&mark.partition) else { continue };
            if let Some(refused) = begun.refused_from.filter(|refused| *refused < mark.next) {
                begun.held_mark = begun.held_mark.max(Some(mark.next));
                mark.next = refused;
            }
        }
        progress.marks.append(&mut self.freed);
        progress
    }
}

#[async_trait]
impl SinkPlugin for TransformingSink {
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Mark>, TaskError> {
        self.plugin.assigned(partitions).await
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) -> Result<Progress, TaskError> {
        let progress = self.plugin.revoked(partitions).await?;
        let progress = self.held_back(progress);
        for partition in partitions {
            self.begun.remove(partition);
        }
        Ok(progress)
    }

    /// After a fault the same batch comes again; what the sink has taken of it is not
    /// put again.
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
        while let Some((piece, topic, origins)) = begun.left.front() {
            match self.plugin.put(from, topic, piece.clone()).await {
                Ok(taken) => {
                    let origin = |at: u32| {
                        origins.get(at as usize).copied().ok_or_else(|| {
                            let records = origins.len();
                            TaskError::reopen(format!(
                                "the plugin refused record {at} of a batch of {records}"
                            ))
                        })
                    };
                    for Reject { at, failure } in taken.rejects {
                        begun.taken.rejects.push(Reject { at: origin(at)?, failure });
                    }
                    for at in taken.filtered {
                        begun.taken.filtered.push(origin(at)?);
                    }
                    begun.left.pop_front();
                }
                Err(error) => {
                    if error.is_fault() {
                        // What the sink refused of the pieces before is not told either.
                        let rejects = begun.taken.rejects.iter();
                        let offsets = rejects.filter_map(|it| begun.of.offset(it.at as usize));
                        begun.refused_from = offsets.min();
                        self.begun.insert(from.clone(), begun);
                    }
                    return Err(error);
                }
            }
        }
        if let Some(next) = begun.held_mark {
            self.freed.push(Mark { partition: from.clone(), next });
        }
        Ok(begun.taken)
    }

    async fn tick(&mut self) -> Result<Progress, TaskError> {
        let progress = self.plugin.tick().await?;
        Ok(self.held_back(progress))
    }

    async fn drain(&mut self) -> Result<Progress, TaskError> {
        let progress = self.plugin.drain().await?;
        Ok(self.held_back(progress))
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
