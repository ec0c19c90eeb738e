//! The consumer: one client a connector, shares of it for tasks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use super::native::{Client, PartitionQueue};
use super::{LogContext, settings};
use crate::batch::Batch;
use crate::kafka::admin::Admin;
use crate::kafka::config::ConsumerConfig;
use crate::kafka::consumer::Consumer;
use crate::kafka::error::{ClientError, ConsumeError, ErrorClass};
use crate::kafka::types::{CommittedOffset, Fetched, OffsetCommit, Start, TopicPartition};

/// How often the client's own events (errors, logs) are looked at even when
/// nothing announced them.
const EVENTS_INTERVAL: Duration = Duration::from_secs(1);
/// How long librdkafka may take to confirm a seek.
const SEEK_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that one read copies into an arena, whose positions are 32 bits.
const READ_BYTES_MAX: usize = 1 << 30;

/// `read_committed` unless an override says otherwise.
const ISOLATION: &str = "isolation.level";

/// A connector's consumer on one worker. Clones share one client; it closes
/// when the last share is gone.
#[derive(Clone)]
pub struct ConnectorConsumer(Arc<Shared>);

struct Shared {
    /// Who holds which partition.
    held: Mutex<HashMap<TopicPartition, Weak<Wake>>>,
    client: Arc<Client>,
    admin: Arc<dyn Admin>,
    group_id: Option<String>,
    partitions_max: usize,
    /// What `isolation.level` has it show at most.
    shown: Start,
}

/// Wakes one share's reader.
#[derive(Default)]
struct Wake(Notify);

/// A task's share of a [`ConnectorConsumer`].
pub struct TaskConsumer {
    shared: Arc<Shared>,
    wake: Arc<Wake>,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    all: Vec<Queue>,
    /// Where the next read begins, so that no partition starves another.
    turn: usize,
}

struct Queue {
    partition: TopicPartition,
    native: PartitionQueue,
    paused: bool,
}

impl ConnectorConsumer {
    /// Makes a consumer; it connects when partitions are assigned. `admin`
    /// looks offsets up and commits them. Must be called within a Tokio runtime.
    pub fn new(config: &ConsumerConfig, admin: Arc<dyn Admin>) -> Result<Self, ConsumeError> {
        let mut consumer =
            BaseConsumer::from_config_and_context(&settings::consumer(config)?, LogContext)
                .map_err(|error| failed("start", &error))?;
        let events = Arc::new(Notify::new());
        let announce = events.clone();
        consumer.set_nonempty_callback(move || announce.notify_one());
        let client = Arc::new(Client::new(consumer));
        tokio::spawn(serve_events(Arc::downgrade(&client), events));
        Ok(Self(Arc::new(Shared {
            held: Mutex::default(),
            client,
            admin,
            group_id: config.group_id.clone(),
            partitions_max: config.partitions_max,
            shown: match config.overrides.get(ISOLATION).map(|level| level.trim()) {
                Some("read_uncommitted") => Start::Latest,
                _ => Start::LastStable,
            },
        })))
    }

    /// A share without partitions, for a task.
    pub fn share(&self) -> TaskConsumer {
        TaskConsumer { shared: self.0.clone(), wake: Arc::default(), queues: Mutex::default() }
    }
}

/// Takes errors and logs off the client's own queue until the client is gone.
async fn serve_events(client: Weak<Client>, events: Arc<Notify>) {
    loop {
        let _ = tokio::time::timeout(EVENTS_INTERVAL, events.notified()).await;
        let Some(client) = client.upgrade() else { return };
        while let Some(event) = client.poll(Duration::ZERO) {
            match event {
                Err(error) => tracing::warn!(%error, "Kafka consumer"),
                // Every queue is split off before its partition is assigned.
                Ok(message) => {
                    use rdkafka::Message as _;
                    tracing::error!(
                        topic = message.topic(),
                        partition = message.partition(),
                        "a record of a partition without a reader was dropped"
                    );
                }
            }
        }
    }
}

fn failed(what: &'static str, error: &KafkaError) -> ConsumeError {
    let class = match error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => ErrorClass::Fatal,
        error => {
            error.rdkafka_error_code().map_or(ErrorClass::Retriable, ErrorClass::of_librdkafka)
        }
    };
    ConsumeError::Consumer { what, reason: error.to_string(), class }
}

fn offset(start: Start) -> Offset {
    match start {
        Start::Earliest => Offset::Beginning,
        Start::Latest | Start::LastStable => Offset::End,
        Start::Offset(offset) => Offset::Offset(offset),
    }
}

fn list<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, HashMap<TopicPartition, Weak<Wake>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskConsumer {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks partitions as held by this share; those that it did not hold yet.
    fn hold(
        &self,
        partitions: &[(TopicPartition, Start)],
    ) -> Result<Vec<(TopicPartition, Start)>, ConsumeError> {
        let mut held = self.shared.held();
        let mut new = Vec::with_capacity(partitions.len());
        for (partition, start) in partitions {
            match held.get(partition).and_then(Weak::upgrade) {
                None => new.push((partition.clone(), *start)),
                Some(holder) if Arc::ptr_eq(&holder, &self.wake) => {}
                Some(_) => {
                    return Err(ConsumeError::AssignedTwice { partition: partition.clone() });
                }
            }
        }
        for (partition, _) in &new {
            held.insert(partition.clone(), Arc::downgrade(&self.wake));
        }
        if held.len() > self.shared.partitions_max {
            tracing::warn!(
                assigned = held.len(),
                planned = self.shared.partitions_max,
                "more partitions are assigned than the consumer's buffer is divided among"
            );
        }
        Ok(new)
    }

    /// Gives back what this share holds of `partitions`.
    fn give_up(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let gone: Vec<Queue> = {
            let mut queues = self.queues();
            let all = std::mem::take(&mut queues.all);
            let (gone, kept) =
                all.into_iter().partition(|queue| partitions.contains(&queue.partition));
            queues.all = kept;
            gone
        };
        if gone.is_empty() {
            return Ok(());
        }
        // librdkafka knows a pause longer than the assignment, and whoever takes the
        // partition next would wait for ever.
        let paused = list(gone.iter().filter(|queue| queue.paused).map(|queue| &queue.partition));
        if paused.count() > 0
            && let Err(error) = self.shared.client.resume(&paused)
        {
            tracing::warn!(%error, "partitions that are given up stay paused");
        }
        let result = self
            .shared
            .client
            .incremental_unassign(&list(gone.iter().map(|queue| &queue.partition)))
            .map_err(|error| failed("give partitions up", &error));
        let mut held = self.shared.held();
        for queue in &gone {
            held.remove(&queue.partition);
        }
        result
    }

    fn of_mine(&self, partitions: &[TopicPartition]) -> Result<TopicPartitionList, ConsumeError> {
        let queues = self.queues();
        for partition in partitions {
            if !queues.all.iter().any(|queue| queue.partition == *partition) {
                return Err(ConsumeError::NotAssigned { partition: partition.clone() });
            }
        }
        Ok(list(partitions))
    }

    fn set_paused(&self, partitions: &[TopicPartition], paused: bool) {
        for queue in &mut self.queues().all {
            if partitions.contains(&queue.partition) {
                queue.paused = paused;
            }
        }
    }

    /// Reads the first partition, in turn, that has something.
    fn read(&self, max_bytes: usize) -> Result<Option<Fetched>, ConsumeError> {
        let mut queues = self.queues();
        let count = queues.all.len();
        for step in 0..count {
            let at = (queues.turn + step) % count;
            let queue = &mut queues.all[at];
            if queue.paused {
                continue;
            }
            if let Some(fetched) = queue.read(max_bytes)? {
                queues.turn = (at + 1) % count;
                return Ok(Some(fetched));
            }
        }
        Ok(None)
    }

    fn group_id(&self) -> Result<&str, ConsumeError> {
        self.shared.group_id.as_deref().ok_or_else(|| {
            ConsumeError::Client(ClientError::Config {
                name: "group.id".into(),
                reason: "this consumer has none, so it has no committed offsets".into(),
            })
        })
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        start: Start,
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), start)).collect();
        Ok(self.shared.admin.list_offsets(&wanted).await?)
    }
}

impl Queue {
    fn read(&mut self, max_bytes: usize) -> Result<Option<Fetched>, ConsumeError> {
        let mut batch = Batch::default();
        let read = self.native.read(max_bytes.min(READ_BYTES_MAX), &mut batch);
        if let Some((code, reason, position)) = read.error {
            let partition = self.partition.clone();
            return Err(match code {
                RDKafkaErrorCode::AutoOffsetReset => {
                    ConsumeError::OutOfRange { partition, position }
                }
                code => ConsumeError::Partition {
                    partition,
                    reason,
                    class: ErrorClass::of_librdkafka(code),
                },
            });
        }
        let Some(next_offset) = read.next_offset else { return Ok(None) };
        let (records, counts) = (batch.len(), &mut batch.columns.header_count);
        if !counts.is_empty() {
            counts.resize(records, 0);
        }
        Ok(Some(Fetched {
            partition: self.partition.clone(),
            batch,
            next_offset,
            at_end: read.at_end,
        }))
    }
}

#[async_trait]
impl Consumer for TaskConsumer {
    async fn assign(&self, partitions: &[(TopicPartition, Start)]) -> Result<(), ConsumeError> {
        let new = self.hold(partitions)?;
        if new.is_empty() {
            return Ok(());
        }
        let mut assignment = TopicPartitionList::with_capacity(new.len());
        for (partition, start) in &new {
            let wake = self.wake.clone();
            let native = PartitionQueue::split(self.shared.client.clone(), partition, move || {
                wake.0.notify_one();
            });
            let (Some(native), Ok(())) = (
                native,
                assignment.add_partition_offset(
                    &partition.topic,
                    partition.partition,
                    offset(*start),
                ),
            ) else {
                let held: Vec<_> = new.iter().map(|(partition, _)| partition.clone()).collect();
                self.release(&held);
                return Err(ConsumeError::Partition {
                    partition: partition.clone(),
                    reason: "neither its name nor its start may be unusable".into(),
                    class: ErrorClass::Fatal,
                });
            };
            self.queues().all.push(Queue { partition: partition.clone(), native, paused: false });
        }
        self.shared.client.incremental_assign(&assignment).map_err(|error| {
            let held: Vec<_> = new.iter().map(|(partition, _)| partition.clone()).collect();
            self.release(&held);
            failed("take partitions", &error)
        })
    }

    async fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.give_up(partitions)
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.queues().all.iter().map(|queue| queue.partition.clone()).collect()
    }

    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let list = self.of_mine(partitions)?;
        self.set_paused(partitions, true);
        self.shared.client.pause(&list).map_err(|error| failed("pause partitions", &error))
    }

    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let list = self.of_mine(partitions)?;
        self.set_paused(partitions, false);
        self.shared.client.resume(&list).map_err(|error| failed("resume partitions", &error))?;
        // What was read ahead before the pause is there already.
        self.wake.0.notify_one();
        Ok(())
    }

    async fn seek(&self, partition: &TopicPartition, to: Start) -> Result<(), ConsumeError> {
        self.of_mine(std::slice::from_ref(partition))?;
        let (client, target) = (self.shared.client.clone(), partition.clone());
        // librdkafka drops what it has read ahead, and confirms when it did.
        tokio::task::spawn_blocking(move || {
            client.seek(&target.topic, target.partition, offset(to), SEEK_TIMEOUT)
        })
        .await
        .map_err(|_| ConsumeError::Closed)?
        .map_err(|error| failed("seek", &error))?;
        for queue in &mut self.queues().all {
            if queue.partition == *partition {
                queue.native.clear();
            }
        }
        Ok(())
    }

    async fn next(
        &self,
        max_bytes: usize,
        wait: Duration,
    ) -> Result<Option<Fetched>, ConsumeError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            // Listening first: a queue that fills after it was looked at wakes us.
            let ready = self.wake.0.notified();
            if let Some(fetched) = self.read(max_bytes)? {
                return Ok(Some(fetched));
            }
            if tokio::time::timeout_at(deadline, ready).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn commit(&self, offsets: &[OffsetCommit]) -> Result<(), ConsumeError> {
        Ok(self.shared.admin.commit_offsets(self.group_id()?, offsets).await?)
    }

    async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ConsumeError> {
        Ok(self.shared.admin.stable_offsets(self.group_id()?, partitions).await?)
    }

    async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        self.offsets(partitions, Start::Earliest).await
    }

    async fn stable_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        self.offsets(partitions, self.shared.shown).await
    }

    async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        self.offsets(partitions, Start::Latest).await
    }
}

impl TaskConsumer {
    /// Forgets partitions whose assignment failed.
    fn release(&self, partitions: &[TopicPartition]) {
        self.queues().all.retain(|queue| !partitions.contains(&queue.partition));
        let mut held = self.shared.held();
        for partition in partitions {
            held.remove(partition);
        }
    }
}

impl Drop for TaskConsumer {
    fn drop(&mut self) {
        let held = self.assignment();
        if let Err(error) = self.give_up(&held) {
            tracing::warn!(%error, "partitions of a task that ended stay assigned");
        }
    }
}
