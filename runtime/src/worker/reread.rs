//! Single records read once more, by a consumer for such alone: what a sink refuses late
//! is not in memory any more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::clients::{Clients, SharedConsumer};
use super::core::Connector;
use crate::batch::Batch;
use crate::kafka::{ConsumeError, Consumer, Fetched, Overrides, Start, TopicPartition};
use crate::task::error::TaskError;
use crate::task::failures::Reread;

/// How long one record is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one read waits for something to come.
const READ_WAIT: Duration = Duration::from_secs(1);

/// Reads from a connector's inputs as its own consumer does. The tasks of a connector
/// share the consumer, which is made for the first record.
pub(super) struct TopicReader {
    connector: Arc<Connector>,
    clients: Arc<dyn Clients>,
    overrides: Overrides,
    consumer: OnceCell<Shared>,
}

/// A task's share of the consumer, and the consumer, which it keeps.
type Shared = (Arc<dyn Consumer>, Arc<dyn SharedConsumer>);

impl TopicReader {
    pub(super) fn new(
        connector: Arc<Connector>,
        clients: Arc<dyn Clients>,
        overrides: Overrides,
    ) -> Self {
        Self { connector, clients, overrides, consumer: OnceCell::new() }
    }

    async fn read(
        &self,
        consumer: &dyn Consumer,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<Option<Batch>, TaskError> {
        consumer.assign(&[(partition.clone(), Start::Offset(offset))]).await?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match consumer.next(1, READ_WAIT).await {
                Ok(None) => {}
                Ok(Some(fetched)) => {
                    if let Some(found) = found(&fetched, offset) {
                        return Ok(found);
                    }
                }
                Err(ConsumeError::OutOfRange { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Err(TaskError::retry(format!(
            "record {offset} of {partition}, which was refused, could not be read again in \
             {PATIENCE:?} for its dead letter"
        )))
    }
}

#[async_trait]
impl Reread for TopicReader {
    async fn record(
        &self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<Option<Batch>, TaskError> {
        let made = || async {
            let shared = self.connector.rereader(&*self.clients, &self.overrides)?;
            Ok::<_, ConsumeError>((shared.share(), shared))
        };
        let (consumer, _) = self.consumer.get_or_try_init(made).await?;
        let record = self.read(&**consumer, partition, offset).await;
        consumer.unassign(std::slice::from_ref(partition)).await?;
        record
    }
}

/// `None`: the reading has not come to it yet.
fn found(fetched: &Fetched, offset: i64) -> Option<Option<Batch>> {
    let batch = &fetched.batch;
    if let Some(at) = batch.columns.offset.iter().position(|one| *one == offset) {
        let mut record = Batch::default();
        record.push_record(batch, at, batch.headers_of(at));
        record.columns.offset.push(offset);
        return Some(Some(record));
    }
    (fetched.next_offset > offset || fetched.at_end).then_some(None)
}
