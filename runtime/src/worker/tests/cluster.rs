//! A Kafka cluster in memory: topics, groups' offsets and one worker group,
//! so that a worker's whole life runs as fast as its decisions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::{mpsc, oneshot, watch};

use super::transactions::Transactions;
use crate::batch::Batch;
use crate::kafka::admin::{
    ClusterDescription, ConfigEntry, GroupDescription, GroupLag, GroupListing, NewTopic,
    OpenTransaction, PartitionDescription, TopicDescription,
};
use crate::kafka::group::{Assigned, BootInstant, Delegate, Lease, Member};
use crate::kafka::{
    Admin, ClientError, CommittedOffset, ConsumeError, Consumer, ErrorClass, Fetched, OffsetCommit,
    Overrides, ProduceError, Producer, Receipt, Start, TopicPartition, TransactionalProducer,
};
use crate::worker::clients::{Clients, Group, SharedConsumer};
use crate::worker::config::WorkerConfig;

type Record = (Option<Vec<u8>>, Option<Vec<u8>>);

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Vec<Record>>>,
    configs: HashMap<String, BTreeMap<String, String>>,
    offsets: HashMap<String, HashMap<TopicPartition, CommittedOffset>>,
    /// First offsets of partitions whose beginning is gone.
    begins: HashMap<TopicPartition, i64>,
    /// Producers' epochs, by `transactional.id`.
    epochs: HashMap<String, u64>,
    /// Sends to this topic go well, so many times, before any fails.
    passing: HashMap<String, u32>,
    /// Sends to this topic fail, so many times.
    failing: HashMap<String, u32>,
    /// Transactions that others have open on partitions, by id: a record each,
    /// which no reader sees.
    open: HashMap<TopicPartition, String>,
    /// Records of aborted transactions, and those that a cleaner took.
    aborted: HashSet<(TopicPartition, i64)>,
    /// Topics that nobody can write to, nor read on in, for now.
    frozen: HashSet<String>,
    /// Topics that nobody may read, for now.
    forbidden: HashSet<String>,
    /// How often readers were told that they may not read a topic.
    refusals: HashMap<String, u32>,
    /// How many sends wait for a topic that is frozen.
    waiting: usize,
    /// How often a group's offsets were committed.
    commits: HashMap<String, u32>,
    longest_transaction: usize,
    /// Records sent in transactions, committed or not, by topic.
    sent: HashMap<String, usize>,
    /// Headers of records that were produced, where they have any.
    headers: BTreeMap<(TopicPartition, i64), BTreeMap<String, String>>,
    /// The most bytes that a request may bring to a topic.
    limits: HashMap<String, usize>,
    /// How many consumers without a group were made.
    readers: usize,
    /// Topics as they were asked for.
    created: Vec<NewTopic>,
    /// The broker has not heard of a topic's configurations yet, so many times.
    unheard: HashMap<String, u32>,
}

/// The cluster; clones are the same one.
#[derive(Clone)]
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    group: mpsc::UnboundedSender<Request>,
}

enum Request {
    Join {
        delegate: Box<dyn Delegate>,
        lease: Lease,
        joined: oneshot::Sender<String>,
    },
    Rejoin,
    Leave {
        member: String,
        left: oneshot::Sender<()>,
    },
    /// The member's lease ends, or is granted again, and it is not told: as
    /// if it had been frozen meanwhile.
    Lease {
        member: String,
        holds: bool,
        done: oneshot::Sender<()>,
    },
    /// The member is not heard of any more.
    Lose {
        member: String,
    },
}

impl Memory {
    pub(super) fn new() -> Self {
        let (group, requests) = mpsc::unbounded_channel();
        tokio::spawn(coordinate(requests));
        Self { state: Arc::default(), changed: watch::channel(0).0, group }
    }

    pub(super) fn create(&self, topic: &str, partitions: usize) {
        let mut state = self.state.lock().unwrap();
        state.topics.insert(topic.to_owned(), vec![Vec::new(); partitions]);
    }

    pub(super) fn alter(&self, topic: &str, config: &str, value: &str) {
        let mut state = self.state.lock().unwrap();
        state.configs.entry(topic.to_owned()).or_default().insert(config.into(), value.into());
    }

    pub(super) fn append(&self, topic: &str, partition: usize, key: &str, value: &str) {
        let record = (Some(key.as_bytes().to_vec()), Some(value.as_bytes().to_vec()));
        self.state.lock().unwrap().topics.get_mut(topic).unwrap()[partition].push(record);
        self.changed.send_modify(|version| *version += 1);
    }

    /// A key is deleted, and the cleaner has been there already.
    pub(super) fn delete(&self, topic: &str, key: &str) {
        let mut guard = self.state.lock().unwrap();
        let State { topics, aborted, .. } = &mut *guard;
        let log = &mut topics.get_mut(topic).unwrap()[0];
        let at = TopicPartition::new(topic, 0);
        let is_of_key = |(_, record): &(i64, &Record)| record.0.as_deref() == Some(key.as_bytes());
        let former = (0..).zip(&*log).filter(is_of_key).map(|(offset, _)| (at.clone(), offset));
        aborted.extend(former);
        log.push((Some(key.as_bytes().to_vec()), None));
        drop(guard);
        self.changed.send_modify(|version| *version += 1);
    }

    /// A record of a transaction that was aborted.
    pub(super) fn append_aborted(&self, topic: &str, partition: usize, key: &str, value: &str) {
        self.append(topic, partition, key, value);
        let at = TopicPartition::new(topic, partition as i32);
        let offset = self.end(&at).unwrap() - 1;
        self.state.lock().unwrap().aborted.insert((at, offset));
    }

    /// Another producer has a transaction open at the end of a partition.
    pub(super) fn hold_back(&self, at: TopicPartition, transactional_id: &str) {
        self.state.lock().unwrap().open.insert(at, transactional_id.to_owned());
    }

    /// How often a group's offsets were committed.
    pub(super) fn commits(&self, group: &str) -> u32 {
        self.state.lock().unwrap().commits.get(group).copied().unwrap_or(0)
    }

    /// How many records were sent in transactions, committed or not.
    pub(super) fn sent(&self, topic: &str) -> usize {
        self.state.lock().unwrap().sent.get(topic).copied().unwrap_or(0)
    }

    /// The most sends of one transaction that was committed.
    pub(super) fn longest_transaction(&self) -> usize {
        self.state.lock().unwrap().longest_transaction
    }

    pub(super) fn note_transaction(&self, sends: usize) {
        let longest = &mut self.state.lock().unwrap().longest_transaction;
        *longest = sends.max(*longest);
    }

    pub(super) fn note_sent(&self, topic: &str, records: usize) {
        *self.state.lock().unwrap().sent.entry(topic.to_owned()).or_default() += records;
    }

    /// Headers of all records of a topic that have some, in order.
    pub(super) fn headers(&self, topic: &str) -> Vec<BTreeMap<String, String>> {
        let state = self.state.lock().unwrap();
        let all = state.headers.iter().filter(|((at, _), _)| &*at.topic == topic);
        all.map(|(_, headers)| headers.clone()).collect()
    }

    /// Configurations of this topic are unknown, so many times.
    pub(super) fn hears_late(&self, topic: &str, times: u32) {
        self.state.lock().unwrap().unheard.insert(topic.to_owned(), times);
    }

    /// A topic as the worker asked for it.
    pub(super) fn asked_for(&self, topic: &str) -> Option<NewTopic> {
        let state = self.state.lock().unwrap();
        state.created.iter().find(|created| created.name == topic).cloned()
    }

    pub(super) fn forbid_reads(&self, topic: &str, is_forbidden: bool) {
        let mut state = self.state.lock().unwrap();
        match is_forbidden {
            true => state.forbidden.insert(topic.to_owned()),
            false => state.forbidden.remove(topic),
        };
        drop(state);
        self.changed.send_modify(|version| *version += 1);
    }

    /// How often readers were told that they may not read this topic.
    pub(super) fn refusals(&self, topic: &str) -> u32 {
        self.state.lock().unwrap().refusals.get(topic).copied().unwrap_or(0)
    }

    /// One send to this topic fails, after so many that do not.
    pub(super) fn fail_send_after(&self, topic: &str, sends: u32) {
        self.state.lock().unwrap().passing.insert(topic.to_owned(), sends);
        self.fail_sends(topic, 1);
    }

    pub(super) fn fail_sends(&self, topic: &str, times: u32) {
        self.state.lock().unwrap().failing.insert(topic.to_owned(), times);
    }

    /// Requests with more bytes of records are refused; whoever asks is not told.
    pub(super) fn limit(&self, topic: &str, bytes: usize) {
        self.state.lock().unwrap().limits.insert(topic.to_owned(), bytes);
    }

    pub(super) fn is_too_large(&self, topic: &str, batch: &Batch) -> bool {
        let state = self.state.lock().unwrap();
        state.limits.get(topic).is_some_and(|limit| batch.arena.len() > *limit)
    }

    /// How many consumers without a group were made.
    pub(super) fn readers(&self) -> usize {
        self.state.lock().unwrap().readers
    }

    /// Sends to this topic wait, and no reader gets on in it, until it is thawed.
    pub(super) fn freeze(&self, topic: &str) {
        self.state.lock().unwrap().frozen.insert(topic.to_owned());
    }

    pub(super) fn thaw(&self, topic: &str) {
        self.state.lock().unwrap().frozen.remove(topic);
        self.changed.send_modify(|version| *version += 1);
    }

    /// Whether a send waits for a topic that is frozen.
    pub(super) fn is_awaited(&self) -> bool {
        self.state.lock().unwrap().waiting > 0
    }

    pub(super) async fn thawed(&self, topic: &str) {
        let is_frozen = |_: &u64| self.state.lock().unwrap().frozen.contains(topic);
        if is_frozen(&0) {
            let mut changes = self.changed.subscribe();
            self.state.lock().unwrap().waiting += 1;
            let _ = changes.wait_for(|version| !is_frozen(version)).await;
            self.state.lock().unwrap().waiting -= 1;
        }
    }

    /// All records of a topic, partition after partition, but for the one that says
    /// whose the topic is.
    pub(super) fn records(&self, topic: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let state = self.state.lock().unwrap();
        let partitions = state.topics.get(topic).cloned().unwrap_or_default();
        let all = partitions.into_iter().flatten();
        let all = all.filter(|(key, _)| key.as_deref() != Some(&b"longshore-fleet"[..]));
        all.map(|(key, value)| (key.map(text).unwrap_or_default(), value.map(text))).collect()
    }

    /// Whose the last record that says so tells the topic to be.
    pub(super) fn claimed_by(&self, topic: &str) -> Option<String> {
        let state = self.state.lock().unwrap();
        let mut all = state.topics[topic].iter().flatten();
        let last = all.rfind(|(key, _)| key.as_deref() == Some(&b"longshore-fleet"[..]))?;
        let value: serde_json::Value = serde_json::from_slice(last.1.as_ref()?).unwrap();
        Some(value["group.id"].as_str()?.to_owned())
    }

    pub(super) fn committed(&self, group: &str) -> HashMap<TopicPartition, CommittedOffset> {
        self.state.lock().unwrap().offsets.get(group).cloned().unwrap_or_default()
    }

    pub(super) fn commit_as(&self, group: &str, at: TopicPartition, offset: i64, metadata: &str) {
        let commit = CommittedOffset { offset, metadata: metadata.to_owned() };
        let mut state = self.state.lock().unwrap();
        *state.commits.entry(group.to_owned()).or_default() += 1;
        state.offsets.entry(group.to_owned()).or_default().insert(at, commit);
    }

    /// The group's offsets expire, or somebody deletes it.
    pub(super) fn forget_group(&self, group: &str) {
        self.state.lock().unwrap().offsets.remove(group);
    }

    /// One of them expires.
    pub(super) fn forget_offset(&self, group: &str, at: &TopicPartition) {
        self.state.lock().unwrap().offsets.get_mut(group).unwrap().remove(at);
    }

    /// Retention takes the records below `offset`.
    pub(super) fn trim(&self, at: TopicPartition, offset: i64) {
        self.state.lock().unwrap().begins.insert(at, offset);
    }

    fn begin(&self, at: &TopicPartition) -> i64 {
        self.state.lock().unwrap().begins.get(at).copied().unwrap_or(0)
    }

    /// Ends a member's lease without a word to it, or grants it again.
    pub(super) async fn set_lease(&self, member: &str, holds: bool) {
        let (done, is_done) = oneshot::channel();
        let _ = self.group.send(Request::Lease { member: member.to_owned(), holds, done });
        let _ = is_done.await;
    }

    /// Cuts a member off: it is told that its membership is lost.
    pub(super) fn lose(&self, member: &str) {
        let _ = self.group.send(Request::Lose { member: member.to_owned() });
    }

    fn end(&self, at: &TopicPartition) -> Option<i64> {
        let state = self.state.lock().unwrap();
        let partition = state.topics.get(&*at.topic)?.get(at.partition as usize)?;
        Some(partition.len() as i64)
    }
}

#[async_trait]
impl Clients for Memory {
    fn admin(&self) -> Arc<dyn Admin> {
        Arc::new(self.clone())
    }

    fn producer(&self, _: &Overrides) -> Result<Arc<dyn Producer>, ProduceError> {
        Ok(Arc::new(self.clone()))
    }

    fn transactions(
        &self,
        id: &str,
        _: Duration,
        _: &Overrides,
    ) -> Result<Arc<dyn TransactionalProducer>, ProduceError> {
        Ok(Arc::new(Transactions::new(self.clone(), id)))
    }

    fn consumer(
        &self,
        group: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Arc<dyn SharedConsumer>, ConsumeError> {
        let level = overrides.get("isolation.level").map(String::as_str);
        self.state.lock().unwrap().readers += usize::from(group.is_none());
        Ok(Arc::new(MemoryConsumer {
            cluster: self.clone(),
            group: group.map(str::to_owned),
            dirty: level == Some("read_uncommitted"),
            positions: Mutex::default(),
            paused: Mutex::default(),
            told_end: Mutex::default(),
            told_error: Mutex::default(),
        }))
    }

    async fn join(
        &self,
        _: &WorkerConfig,
        delegate: Box<dyn Delegate>,
    ) -> Result<Arc<dyn Group>, ClientError> {
        let lease = Lease::default();
        let (joined, member) = oneshot::channel();
        let request = Request::Join { delegate, lease: lease.clone(), joined };
        let _ = self.group.send(request);
        let member = member.await.unwrap();
        Ok(Arc::new(MemoryGroup { requests: self.group.clone(), lease, member }))
    }
}

struct MemoryGroup {
    requests: mpsc::UnboundedSender<Request>,
    lease: Lease,
    member: String,
}

#[async_trait]
impl Group for MemoryGroup {
    fn rejoin(&self) {
        let _ = self.requests.send(Request::Rejoin);
    }

    fn lease(&self) -> Lease {
        self.lease.clone()
    }

    async fn leave(&self) {
        let (left, done) = oneshot::channel();
        let _ = self.requests.send(Request::Leave { member: self.member.clone(), left });
        let _ = done.await;
    }
}

/// A coordinator: every request is followed by a rebalance.
async fn coordinate(mut requests: mpsc::UnboundedReceiver<Request>) {
    let mut members: BTreeMap<String, (Box<dyn Delegate>, Lease)> = BTreeMap::new();
    let (mut ids, mut generation) = (0, 0);
    while let Some(request) = requests.recv().await {
        match request {
            Request::Join { delegate, lease, joined } => {
                ids += 1;
                let member = format!("m{ids}");
                let _ = joined.send(member.clone());
                lease.grant(BootInstant::now().plus(Duration::from_secs(3_600)));
                members.insert(member, (delegate, lease));
            }
            Request::Rejoin => {}
            Request::Leave { member, left } => {
                members.remove(&member);
                let _ = left.send(());
            }
            Request::Lease { member, holds, done } => {
                let (_, lease) = &members[&member];
                match holds {
                    true => lease.grant(BootInstant::now().plus(Duration::from_secs(3_600))),
                    false => lease.revoke(),
                }
                let _ = done.send(());
                continue;
            }
            Request::Lose { member } => {
                if let Some((mut delegate, lease)) = members.remove(&member) {
                    lease.revoke();
                    delegate.lost(crate::kafka::group::Lost::SessionTimeout).await;
                }
            }
        }
        generation += 1;
        let mut told = Vec::new();
        for (member, (delegate, _)) in &mut members {
            told.push(Member { member_id: member.clone(), metadata: delegate.join().await });
        }
        let Some(leader) = members.keys().next().cloned() else { continue };
        let dealt = members.get_mut(&leader).unwrap().0.assign(told).await.unwrap();
        let mut dealt: HashMap<String, Bytes> = dealt.into_iter().collect();
        for (member, (delegate, _)) in &mut members {
            let assigned = Assigned {
                generation,
                member_id: member.clone(),
                leader_id: leader.clone(),
                assignment: dealt.remove(member).unwrap_or_default(),
            };
            delegate.assigned(assigned).await;
        }
    }
}

impl Memory {
    /// How often a `transactional.id` was taken over.
    pub(super) fn epoch(&self, id: &str) -> u64 {
        self.state.lock().unwrap().epochs.get(id).copied().unwrap_or(0)
    }

    /// Takes it over once more, which ends what is open of it.
    pub(super) fn next_epoch(&self, id: &str) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.open.retain(|_, owner| owner != id);
        let epoch = state.epochs.entry(id.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    pub(super) fn is_failing(&self, topic: &str) -> bool {
        let mut state = self.state.lock().unwrap();
        let State { passing, failing, .. } = &mut *state;
        let count = |counts: &mut HashMap<String, u32>| {
            let left = counts.get_mut(topic).filter(|times| **times > 0);
            left.map(|times| *times -= 1).is_some()
        };
        !count(passing) && count(failing)
    }

    pub(super) fn write(&self, topic: &str, partition: Option<i32>, batch: &Batch) {
        let mut guard = self.state.lock().unwrap();
        let State { topics, headers, .. } = &mut *guard;
        let log = topics.entry(topic.to_owned()).or_insert_with(|| vec![Vec::new()]);
        for at in 0..batch.len() {
            let key = batch.key(at).map(<[u8]>::to_vec);
            let sum: usize = key.iter().flatten().map(|byte| *byte as usize).sum();
            let partition = partition.map_or(sum % log.len(), |partition| partition as usize);
            let offset = log[partition].len() as i64;
            log[partition].push((key, batch.value(at).map(<[u8]>::to_vec)));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let mine = batch.headers_of(at).map(|header| {
                let value = batch.header_value(header).unwrap_or_default();
                (text(batch.header_name(header)), text(value))
            });
            let mine: BTreeMap<_, _> = mine.collect();
            if !mine.is_empty() {
                let place = (TopicPartition::new(topic, partition as i32), offset);
                headers.insert(place, mine);
            }
        }
        drop(guard);
        self.changed.send_modify(|version| *version += 1);
    }
}

pub(super) fn injected(topic: &str, partition: Option<i32>) -> ProduceError {
    ProduceError::Delivery {
        topic: topic.to_owned(),
        partition,
        reason: "injected".to_owned(),
        class: ErrorClass::Retriable,
    }
}

#[async_trait]
impl Producer for Memory {
    async fn send(
        &self,
        topic: &str,
        partition: Option<i32>,
        batch: &Batch,
    ) -> Result<Receipt, ProduceError> {
        self.thawed(topic).await;
        let (done, receipt) = Receipt::new();
        if self.is_failing(topic) {
            let _ = done.send(Err(injected(topic, partition)));
            return Ok(receipt);
        }
        if self.is_too_large(topic, batch) {
            let (topic, reason) = (topic.to_owned(), "too large".to_owned());
            let _ = done.send(Err(ProduceError::Unfit { topic, reason }));
            return Ok(receipt);
        }
        self.write(topic, partition, batch);
        let _ = done.send(Ok(()));
        Ok(receipt)
    }

    async fn flush(&self, _: Duration) -> Result<(), ProduceError> {
        Ok(())
    }

    fn purge(&self) {}

    fn is_fatal(&self) -> bool {
        false
    }
}

struct MemoryConsumer {
    cluster: Memory,
    group: Option<String>,
    /// `read_uncommitted`.
    dirty: bool,
    positions: Mutex<BTreeMap<TopicPartition, i64>>,
    paused: Mutex<HashSet<TopicPartition>>,
    /// The ends that were told of, as the real consumer tells them: without records.
    told_end: Mutex<BTreeMap<TopicPartition, i64>>,
    /// Partitions whose error was told: it is told once, as by librdkafka.
    told_error: Mutex<HashSet<TopicPartition>>,
}

impl SharedConsumer for MemoryConsumer {
    fn share(&self) -> Arc<dyn Consumer> {
        Arc::new(MemoryConsumer {
            cluster: self.cluster.clone(),
            group: self.group.clone(),
            dirty: self.dirty,
            positions: Mutex::default(),
            paused: Mutex::default(),
            told_end: Mutex::default(),
            told_error: Mutex::default(),
        })
    }
}

impl MemoryConsumer {
    /// Three records at most, so that even short tests see several batches.
    fn read(&self) -> Option<Fetched> {
        let mut positions = self.positions.lock().unwrap();
        let paused = self.paused.lock().unwrap();
        let state = self.cluster.state.lock().unwrap();
        for (at, position) in positions.iter_mut() {
            let is_shut = state.frozen.contains(&*at.topic) || state.forbidden.contains(&*at.topic);
            if is_shut || paused.contains(at) {
                continue;
            }
            let log = &state.topics[&*at.topic][at.partition as usize];
            let rest: Vec<_> = log.iter().skip(*position as usize).take(3).collect();
            if rest.is_empty() {
                let mut told = self.told_end.lock().unwrap();
                if told.insert(at.clone(), *position) == Some(*position) {
                    continue;
                }
                let (partition, next_offset) = (at.clone(), *position);
                let batch = Batch::default();
                return Some(Fetched { partition, batch, next_offset, at_end: true });
            }
            let mut batch = Batch::default();
            for (key, value) in rest {
                if self.dirty || !state.aborted.contains(&(at.clone(), *position)) {
                    batch.push(key.as_deref(), value.as_deref(), -1);
                    batch.columns.offset.push(*position);
                }
                *position += 1;
            }
            let (next_offset, at_end) = (*position, *position == log.len() as i64);
            return Some(Fetched { partition: at.clone(), batch, next_offset, at_end });
        }
        None
    }

    fn forbidden(&self) -> Option<TopicPartition> {
        let positions = self.positions.lock().unwrap();
        let mut state = self.cluster.state.lock().unwrap();
        let mut told = self.told_error.lock().unwrap();
        let is_news = |at: &&TopicPartition| !told.contains(*at);
        let found = positions
            .keys()
            .filter(|at| state.forbidden.contains(&*at.topic))
            .find(is_news)
            .cloned();
        if let Some(found) = &found {
            told.insert(found.clone());
            *state.refusals.entry(found.topic.to_string()).or_default() += 1;
        }
        found
    }

    fn group(&self) -> &str {
        self.group.as_deref().expect("this consumer has a group")
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn assign(&self, partitions: &[(TopicPartition, Start)]) -> Result<(), ConsumeError> {
        let mut positions = self.positions.lock().unwrap();
        for (at, start) in partitions {
            let position = match start {
                Start::Earliest => 0,
                Start::Latest | Start::LastStable => self.cluster.end(at).unwrap_or(0),
                Start::Offset(offset) => *offset,
            };
            self.told_error.lock().unwrap().remove(at);
            self.told_end.lock().unwrap().remove(at);
            positions.insert(at.clone(), position);
        }
        Ok(())
    }

    async fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.positions.lock().unwrap().retain(|at, _| !partitions.contains(at));
        Ok(())
    }

    fn assignment(&self) -> Vec<TopicPartition> {
        self.positions.lock().unwrap().keys().cloned().collect()
    }

    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.paused.lock().unwrap().extend(partitions.iter().cloned());
        Ok(())
    }

    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        self.paused.lock().unwrap().retain(|at| !partitions.contains(at));
        self.cluster.changed.send_modify(|version| *version += 1);
        Ok(())
    }

    async fn seek(&self, partition: &TopicPartition, to: Start) -> Result<(), ConsumeError> {
        self.assign(&[(partition.clone(), to)]).await
    }

    async fn next(&self, _: usize, wait: Duration) -> Result<Option<Fetched>, ConsumeError> {
        let mut changes = self.cluster.changed.subscribe();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            if let Some(partition) = self.forbidden() {
                let reason = "TOPIC_AUTHORIZATION_FAILED".to_owned();
                return Err(ConsumeError::Partition {
                    partition,
                    reason,
                    class: ErrorClass::Fatal,
                });
            }
            if let Some(fetched) = self.read() {
                return Ok(Some(fetched));
            }
            if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn commit(&self, offsets: &[OffsetCommit]) -> Result<(), ConsumeError> {
        for commit in offsets {
            let OffsetCommit { partition, offset, metadata } = commit;
            self.cluster.commit_as(self.group(), partition.clone(), *offset, metadata);
        }
        Ok(())
    }

    async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ConsumeError> {
        let mut all = self.cluster.committed(self.group());
        all.retain(|at, _| partitions.contains(at));
        Ok(all)
    }

    async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        Ok(partitions.iter().map(|at| (at.clone(), self.cluster.begin(at))).collect())
    }

    async fn stable_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        let known = partitions.iter();
        Ok(known.filter_map(|at| Some((at.clone(), self.cluster.end(at)?))).collect())
    }

    async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, i64>, ConsumeError> {
        let mut ends = self.stable_offsets(partitions).await?;
        let state = self.cluster.state.lock().unwrap();
        for (at, end) in &mut ends {
            *end += i64::from(state.open.contains_key(at));
        }
        Ok(ends)
    }
}

fn not_asked<T>() -> Result<T, ClientError> {
    unimplemented!("the worker asks for no such thing")
}

#[async_trait]
impl Admin for Memory {
    async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        let cluster_id = Some("memory".to_owned());
        Ok(ClusterDescription { cluster_id, controller: None, brokers: Vec::new() })
    }

    async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClientError> {
        self.state.lock().unwrap().created.push(topic.clone());
        self.create(&topic.name, topic.partitions.unwrap_or(1) as usize);
        for (config, value) in &topic.configs {
            self.alter(&topic.name, config, value);
        }
        Ok(())
    }

    async fn delete_topic(&self, _: &str) -> Result<(), ClientError> {
        not_asked()
    }

    async fn create_partitions(&self, topic: &str, total: i32) -> Result<(), ClientError> {
        let mut state = self.state.lock().unwrap();
        state.topics.get_mut(topic).unwrap().resize(total as usize, Vec::new());
        Ok(())
    }

    async fn list_topics(&self) -> Result<Vec<TopicDescription>, ClientError> {
        let state = self.state.lock().unwrap();
        let topics = state.topics.iter().map(|(name, partitions)| TopicDescription {
            name: name.clone(),
            internal: name.starts_with("__"),
            partitions: (0..partitions.len() as i32)
                .map(|partition| PartitionDescription {
                    partition,
                    leader: Some(1),
                    replicas: vec![1],
                    isr: vec![1],
                    offline: Vec::new(),
                })
                .collect(),
        });
        Ok(topics.collect())
    }

    async fn describe_topics(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, TopicDescription>, ClientError> {
        let all = self.list_topics().await?.into_iter();
        let asked = all.filter(|topic| names.contains(&topic.name.as_str()));
        Ok(asked.map(|topic| (topic.name.clone(), topic)).collect())
    }

    async fn topic_configs(
        &self,
        topic: &str,
    ) -> Result<BTreeMap<String, ConfigEntry>, ClientError> {
        let mut state = self.state.lock().unwrap();
        if let Some(left) = state.unheard.get_mut(topic).filter(|left| **left > 0) {
            *left -= 1;
            let what = format!("describing the configurations of topic `{topic}`");
            let code = ResponseError::UnknownTopicOrPartition;
            return Err(ClientError::Refused { what, code, message: String::new() });
        }
        let set = state.configs.get(topic).cloned().unwrap_or_default();
        let set = [("cleanup.policy".to_owned(), "delete".to_owned())].into_iter().chain(set);
        Ok(set
            .map(|(name, value)| {
                let entry = ConfigEntry {
                    name: name.clone(),
                    value: Some(value),
                    is_default: false,
                    read_only: false,
                    sensitive: false,
                };
                (name, entry)
            })
            .collect())
    }

    async fn alter_topic_configs(
        &self,
        _: &str,
        _: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClientError> {
        not_asked()
    }

    async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        not_asked()
    }

    async fn describe_group(&self, _: &str) -> Result<GroupDescription, ClientError> {
        not_asked()
    }

    async fn group_lag(&self, _: &str) -> Result<Vec<GroupLag>, ClientError> {
        not_asked()
    }

    async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        self.state.lock().unwrap().offsets.remove(group);
        Ok(())
    }

    async fn commit_offsets(
        &self,
        group: &str,
        commits: &[OffsetCommit],
    ) -> Result<(), ClientError> {
        for OffsetCommit { partition, offset, metadata } in commits {
            self.commit_as(group, partition.clone(), *offset, metadata);
        }
        Ok(())
    }

    async fn delete_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<ResponseError>)>, ClientError> {
        if let Some(offsets) = self.state.lock().unwrap().offsets.get_mut(group) {
            offsets.retain(|at, _| !partitions.contains(at));
        }
        Ok(partitions.iter().map(|at| (at.clone(), None)).collect())
    }

    async fn committed_offsets(
        &self,
        group: &str,
        _: Option<&[TopicPartition]>,
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError> {
        Ok(self.committed(group))
    }

    async fn stable_offsets(
        &self,
        group: &str,
        _: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError> {
        Ok(self.committed(group))
    }

    async fn open_transactions(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<OpenTransaction>, ClientError> {
        let state = self.state.lock().unwrap();
        let open = state.open.iter().filter(|(at, _)| partitions.contains(at));
        Ok(open
            .map(|(at, id)| OpenTransaction {
                partition: at.clone(),
                start: state.topics[&*at.topic][at.partition as usize].len() as i64,
                producer_id: 7,
                transactional_id: Some(id.clone()),
            })
            .collect())
    }

    async fn fence_producer(&self, id: &str, _: Duration) -> Result<(), ClientError> {
        self.next_epoch(id);
        Ok(())
    }

    async fn list_offsets(
        &self,
        partitions: &[(TopicPartition, Start)],
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        let asked = partitions.iter().map(|(at, start)| match start {
            Start::Earliest => (at.clone(), self.begin(at)),
            Start::Latest | Start::LastStable => (at.clone(), self.end(at).unwrap_or(0)),
            Start::Offset(offset) => (at.clone(), *offset),
        });
        Ok(asked.collect())
    }
}
