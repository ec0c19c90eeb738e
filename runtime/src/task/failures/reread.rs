//! A record that was refused late, from its topic.

use async_trait::async_trait;

use crate::batch::Batch;
use crate::kafka::TopicPartition;
use crate::task::error::TaskError;

/// Reads single records once more.
#[async_trait]
pub trait Reread: Send + Sync {
    /// The record at `offset` alone; `None` when the topic does not have it any more.
    async fn record(
        &self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<Option<Batch>, TaskError>;
}
