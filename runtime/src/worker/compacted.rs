//! A compacted topic as a replicated map: read from the beginning, followed
//! for ever, written with acknowledgements, and able to read its own writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clients::Producers;
use crate::batch::Batch;
use crate::kafka::{
    ConsumeError, Consumer, ErrorClass, Overrides, ProduceError, Start, TopicPartition,
};

/// One read of the follower, in bytes.
const READ_BYTES: usize = 1 << 20;
/// How long one read of the follower waits.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause after an error that may pass.
const ERROR_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause after one that does not.
const ERROR_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Why an internal topic cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Reading it failed.
    #[error("topic `{topic}` cannot be read: {source}")]
    Read {
        /// The topic.
        topic: String,
        /// Why.
        source: ConsumeError,
    },
    /// Writing to it failed: what was to be written may or may not be there.
    #[error("topic `{topic}` cannot be written: {source}")]
    Write {
        /// The topic.
        topic: String,
        /// Why.
        source: ProduceError,
    },
    /// Its follower ended with its consumer.
    #[error("topic `{topic}` is not followed any more; the worker must be restarted")]
    Lost {
        /// The topic.
        topic: String,
    },
    /// Its follower fails, and tries again.
    #[error("topic `{topic}` cannot be followed at present: {reason}")]
    Unfollowed {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
}

/// One record of the topic.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its offset in its partition.
    pub offset: i64,
    /// Its key.
    pub key: &'a [u8],
    /// Its value, `None` to delete the key.
    pub value: Option<&'a [u8]>,
}

/// What to write: a key and its new value, `None` to delete it.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

type Positions = HashMap<i32, i64>;

/// The handle on the topic; dropping it ends the following.
pub struct CompactedLog {
    topic: Arc<str>,
    partitions: Vec<TopicPartition>,
    producers: Arc<Producers>,
    consumer: Arc<dyn Consumer>,
    positions: watch::Receiver<Positions>,
    /// Why it cannot be followed at present.
    trouble: watch::Receiver<Option<String>>,
    follower: JoinHandle<()>,
}

impl Drop for CompactedLog {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl CompactedLog {
    /// Reads `topic` from the beginning to where the first open transaction
    /// begins, if any, giving each record to `apply`, and goes on doing so with
    /// whatever becomes visible later. (What a predecessor left open ends when its
    /// id is taken over, which happens later.)
    pub async fn open(
        topic: &str,
        partitions: i32,
        producers: Arc<Producers>,
        consumer: Arc<dyn Consumer>,
        apply: impl FnMut(Entry<'_>) + Send + 'static,
    ) -> Result<Self, LogError> {
        let topic: Arc<str> = topic.into();
        let partitions: Vec<_> =
            (0..partitions).map(|number| TopicPartition::new(topic.clone(), number)).collect();
        let failed = |source| LogError::Read { topic: topic.to_string(), source };
        let begins = consumer.beginning_offsets(&partitions).await.map_err(failed)?;
        // An offset starts at once; to look the earliest up again would cost
        // the client half a second.
        let starts: Vec<_> =
            begins.iter().map(|(at, begin)| (at.clone(), Start::Offset(*begin))).collect();
        consumer.assign(&starts).await.map_err(failed)?;
        let begins = begins.into_iter().map(|(at, offset)| (at.partition, offset)).collect();
        let (sender, positions) = watch::channel(begins);
        let (troubled, trouble) = watch::channel(None);
        let follower = Follower { topic: topic.clone(), positions: sender, trouble: troubled };
        let follower = tokio::spawn(follower.run(consumer.clone(), apply));
        let log = Self { topic, partitions, producers, consumer, positions, trouble, follower };
        log.read_to_stable().await?;
        Ok(log)
    }

    /// Returns once everything that is visible at this call has been applied.
    pub async fn read_to_stable(&self) -> Result<(), LogError> {
        self.read_up_to(self.consumer.stable_offsets(&self.partitions).await).await
    }

    /// Returns once everything written before this call has been applied, that of
    /// transactions which are open now too, as far as they are committed. That may
    /// take until they end.
    pub async fn read_to_end(&self) -> Result<(), LogError> {
        self.read_up_to(self.consumer.end_offsets(&self.partitions).await).await
    }

    async fn read_up_to(
        &self,
        ends: Result<HashMap<TopicPartition, i64>, ConsumeError>,
    ) -> Result<(), LogError> {
        let ends =
            ends.map_err(|source| LogError::Read { topic: self.topic.to_string(), source })?;
        let reached = |positions: &Positions| {
            ends.iter().all(|(at, end)| positions.get(&at.partition).unwrap_or(&0) >= end)
        };
        self.wait(reached).await
    }

    /// Returns once partition 0 has been applied up to `offset`.
    pub async fn read_to(&self, offset: i64) -> Result<(), LogError> {
        self.wait(|positions| positions.get(&0).is_some_and(|position| *position >= offset)).await
    }

    /// Returns once `known` holds, which what is applied makes it do.
    pub async fn read_until(&self, mut known: impl FnMut() -> bool) -> Result<(), LogError> {
        self.wait(|_| known()).await
    }

    async fn wait(&self, reached: impl FnMut(&Positions) -> bool) -> Result<(), LogError> {
        let (mut positions, mut trouble) = (self.positions.clone(), self.trouble.clone());
        tokio::select! {
            biased;
            waited = positions.wait_for(reached) => {
                waited.map(|_| ()).map_err(|_| LogError::Lost { topic: self.topic.to_string() })
            }
            Ok(reason) = trouble.wait_for(Option::is_some) => {
                let (topic, reason) = (self.topic.to_string(), reason.clone().unwrap_or_default());
                Err(LogError::Unfollowed { topic, reason })
            }
        }
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// All its partitions.
    pub fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    /// Whether what is written is applied here.
    ///
    /// # Errors
    /// [`LogError::Unfollowed`] and [`LogError::Lost`], when it is not.
    pub fn check_followed(&self) -> Result<(), LogError> {
        if self.positions.has_changed().is_err() {
            return Err(LogError::Lost { topic: self.topic.to_string() });
        }
        match self.trouble.borrow().clone() {
            Some(reason) => Err(LogError::Unfollowed { topic: self.topic.to_string(), reason }),
            None => Ok(()),
        }
    }

    /// Returns once it is followed; never, once its follower has ended.
    pub async fn followed(&self) {
        let mut trouble = self.trouble.clone();
        if trouble.wait_for(Option::is_none).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The next offset of partition 0 to be applied here.
    pub fn position(&self) -> i64 {
        self.positions.borrow().get(&0).copied().unwrap_or(0)
    }

    /// Writes records in order; returns once all are acknowledged, which is
    /// before they are applied here.
    pub async fn write(&self, records: &[Write]) -> Result<(), LogError> {
        let mut batch = Batch::default();
        for (key, value) in records {
            batch.push(Some(key), value.as_deref(), -1);
        }
        self.write_batch(&batch).await
    }

    /// Writes records in order; returns once all are acknowledged.
    pub async fn write_batch(&self, batch: &Batch) -> Result<(), LogError> {
        let failed = |source| LogError::Write { topic: self.topic.to_string(), source };
        let producer = self.producers.get(&at_once()).map_err(failed)?;
        let receipt = producer.send(&self.topic, None, batch).await.map_err(failed)?;
        receipt.wait().await.map_err(failed)
    }

    /// Writes records in order; returns once all are applied here.
    pub async fn write_and_read(&self, records: &[Write]) -> Result<(), LogError> {
        self.write(records).await?;
        self.read_to_end().await
    }
}

/// The overrides of the producer for internal topics: nobody waits for more
/// records with these.
pub(super) fn at_once() -> Overrides {
    Overrides::from([("linger.ms".to_owned(), "0".to_owned())])
}

/// Applies what is read, for ever. An error that does not pass by itself is tried
/// again all the same, more and more seldom: what an operator mends, such as an ACL, is
/// found mended.
struct Follower {
    topic: Arc<str>,
    positions: watch::Sender<Positions>,
    trouble: watch::Sender<Option<String>>,
}

impl Follower {
    async fn run(self, consumer: Arc<dyn Consumer>, mut apply: impl FnMut(Entry<'_>) + Send) {
        let topic = &self.topic;
        let mut pause = ERROR_PAUSE;
        loop {
            let fetched = match consumer.next(READ_BYTES, READ_WAIT).await {
                Ok(fetched) => fetched,
                Err(error) if error.class() == ErrorClass::Retriable => {
                    tracing::warn!(%topic, "{error}; trying again");
                    tokio::time::sleep(ERROR_PAUSE).await;
                    continue;
                }
                Err(error @ ConsumeError::Closed) => {
                    tracing::error!(%topic, "{error}");
                    return;
                }
                Err(error) => {
                    let retry_s = pause.as_secs_f32();
                    tracing::error!(%topic, retry_s, "{error}: the topic is not followed");
                    self.trouble.send_replace(Some(error.to_string()));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ERROR_PAUSE_MAX);
                    if let Err(error) = self.begin_again(&*consumer).await {
                        tracing::warn!(%topic, "{error}");
                    }
                    continue;
                }
            };
            // That nothing came says nothing: what is wrong is told once.
            let Some(fetched) = fetched else { continue };
            pause = ERROR_PAUSE;
            let is_well = |trouble: &mut Option<String>| trouble.take().is_some();
            if self.trouble.send_if_modified(is_well) {
                tracing::info!(%topic, "the topic is followed again");
            }
            for at in 0..fetched.batch.len() {
                // The broker refuses records without a key on compacted topics.
                let Some(key) = fetched.batch.key(at) else { continue };
                let offset = fetched.batch.offset(at).unwrap_or(-1);
                apply(Entry { offset, key, value: fetched.batch.value(at) });
            }
            self.positions.send_modify(|positions| {
                positions.insert(fetched.partition.partition, fetched.next_offset);
            });
        }
    }

    /// Reads on where it was. librdkafka tells a partition's error once, and then goes
    /// on trying in silence; to one that is assigned anew it tells it again, or where
    /// its end is.
    async fn begin_again(&self, consumer: &dyn Consumer) -> Result<(), ConsumeError> {
        let at = |(partition, offset): (&i32, &i64)| {
            (TopicPartition::new(self.topic.clone(), *partition), Start::Offset(*offset))
        };
        let starts: Vec<_> = self.positions.borrow().iter().map(at).collect();
        let partitions: Vec<_> = starts.iter().map(|(partition, _)| partition.clone()).collect();
        consumer.unassign(&partitions).await?;
        consumer.assign(&starts).await
    }
}
