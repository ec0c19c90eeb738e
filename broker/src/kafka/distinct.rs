//! Names that a request repeats.
//!
//! What is told of a topic, a group or a transaction is much longer than its name, so
//! a request of a megabyte that repeats one would be answered with gigabytes. Repeats
//! are taken out before a request is judged and handled, in its order. Kafka does so
//! for Metadata (`topics.asScala.toSet`), DescribeLogDirs and ElectLeaders; clients
//! look answers up by name, so that it makes no difference to them elsewhere.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::Hash,
    mem,
};

use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest,
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest,
    ApiVersionsRequest, ConsumerGroupDescribeRequest, CreateAclsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteAclsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    DescribeTransactionsRequest, DescribeUserScramCredentialsRequest, ElectLeadersRequest,
    EndTxnRequest, FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, LeaveGroupRequest, ListConfigResourcesRequest, ListGroupsRequest,
    ListOffsetsRequest, ListPartitionReassignmentsRequest, ListTransactionsRequest,
    MetadataRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
    TopicName, TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};

/// A request that can name things more than once.
#[diagnostic::on_unimplemented(
    message = "nobody has said what becomes of names that `{Self}` repeats",
    note = "implement `Distinct` for it in kafka/distinct.rs"
)]
pub(super) trait Distinct {
    /// Takes out what is named again.
    fn make_distinct(&mut self);
}

/// What names nothing twice, has an entry of a few bytes for each mention, or whose
/// handler refuses a name that is repeated.
macro_rules! as_they_are {
    ($($request:ident),* $(,)?) => {$(
        impl Distinct for $request {
            fn make_distinct(&mut self) {}
        }
    )*};
}

as_they_are! {
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest,
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, AlterUserScramCredentialsRequest,
    ApiVersionsRequest, CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteAclsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeUserScramCredentialsRequest, EndTxnRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, LeaveGroupRequest,
    ListConfigResourcesRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    OffsetDeleteRequest, OffsetForLeaderEpochRequest, TxnOffsetCommitRequest,
    WriteTxnMarkersRequest,
}

/// Lists of plain names.
macro_rules! distinct_names {
    ($($request:ident: $($names:ident),+;)*) => {$(
        impl Distinct for $request {
            fn make_distinct(&mut self) {
                $(keep_first(&mut self.$names, Clone::clone);)+
            }
        }
    )*};
}

distinct_names! {
    ConsumerGroupDescribeRequest: group_ids;
    DescribeGroupsRequest: groups;
    DescribeTransactionsRequest: transactional_ids;
    FindCoordinatorRequest: coordinator_keys;
    ListGroupsRequest: states_filter, types_filter;
    ListTransactionsRequest: state_filters, producer_id_filters;
}

/// A topic is named by its id; beside one its name says nothing.
impl Distinct for MetadataRequest {
    fn make_distinct(&mut self) {
        if let Some(topics) = &mut self.topics {
            keep_first(topics, |topic| {
                (topic.topic_id, topic.name.clone().filter(|_| topic.topic_id.is_nil()))
            });
        }
    }
}

impl Distinct for DescribeTopicPartitionsRequest {
    fn make_distinct(&mut self) {
        keep_first(&mut self.topics, |topic| topic.name.clone());
    }
}

impl Distinct for DescribeProducersRequest {
    fn make_distinct(&mut self) {
        keep_first_partitions(&mut self.topics, |t| (&t.name, &mut t.partition_indexes), |p| *p);
    }
}

impl Distinct for DescribeQuorumRequest {
    fn make_distinct(&mut self) {
        let partition = |p: &kafka_protocol::messages::describe_quorum_request::PartitionData| {
            p.partition_index
        };
        keep_first_partitions(&mut self.topics, |t| (&t.topic_name, &mut t.partitions), partition);
    }
}

impl Distinct for DescribeLogDirsRequest {
    fn make_distinct(&mut self) {
        if let Some(topics) = &mut self.topics {
            keep_first_partitions(topics, |t| (&t.topic, &mut t.partitions), |p| *p);
        }
    }
}

impl Distinct for ElectLeadersRequest {
    fn make_distinct(&mut self) {
        if let Some(topics) = &mut self.topic_partitions {
            keep_first_partitions(topics, |t| (&t.topic, &mut t.partitions), |p| *p);
        }
    }
}

/// A resource that is named again adds what it asks for to its first mention.
impl Distinct for DescribeConfigsRequest {
    fn make_distinct(&mut self) {
        merge(
            &mut self.resources,
            |resource| (resource.resource_type, resource.resource_name.clone()),
            |first, again| extend_or_all(&mut first.configuration_keys, again.configuration_keys),
        );
        for keys in self.resources.iter_mut().filter_map(|r| r.configuration_keys.as_mut()) {
            keep_first(keys, Clone::clone);
        }
    }
}

/// A group that is named again adds what it asks for to its first mention.
impl Distinct for OffsetFetchRequest {
    fn make_distinct(&mut self) {
        if let Some(topics) = &mut self.topics {
            keep_first_partitions(topics, |t| (&t.name, &mut t.partition_indexes), |p| *p);
        }
        merge(
            &mut self.groups,
            |group| group.group_id.clone(),
            |first, again| extend_or_all(&mut first.topics, again.topics),
        );
        for topics in self.groups.iter_mut().filter_map(|group| group.topics.as_mut()) {
            keep_first_partitions(topics, |t| (&t.name, &mut t.partition_indexes), |p| *p);
        }
    }
}

/// Null asks for all.
fn extend_or_all<T>(first: &mut Option<Vec<T>>, again: Option<Vec<T>>) {
    match (first.as_mut(), again) {
        (Some(first), Some(again)) => first.extend(again),
        _ => *first = None,
    }
}

/// Keeps the first item of each key, in order.
fn keep_first<T, K: Hash + Eq>(items: &mut Vec<T>, key: impl Fn(&T) -> K) {
    if items.len() > 1 {
        let mut seen = HashSet::with_capacity(items.len());
        items.retain(|item| seen.insert(key(item)));
    }
}

/// Keeps the first mention of each partition, in order, and no topic that is left
/// without any by that.
fn keep_first_partitions<T, P>(
    topics: &mut Vec<T>,
    parts: impl Fn(&mut T) -> (&TopicName, &mut Vec<P>),
    index: impl Fn(&P) -> i32,
) {
    let mut seen: HashMap<TopicName, HashSet<i32>> = HashMap::new();
    topics.retain_mut(|topic| {
        let (name, partitions) = parts(topic);
        let seen = seen.entry(name.clone()).or_default();
        let named_any = !partitions.is_empty();
        partitions.retain(|partition| seen.insert(index(partition)));
        !(named_any && partitions.is_empty())
    });
}

/// Adds every further item of a key to the first, in order.
fn merge<T, K: Hash + Eq>(items: &mut Vec<T>, key: impl Fn(&T) -> K, add: impl Fn(&mut T, T)) {
    let mut places = HashMap::with_capacity(items.len());
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in mem::take(items) {
        match places.entry(key(&item)) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(item);
            }
            Entry::Occupied(place) => add(&mut kept[*place.get()], item),
        }
    }
    *items = kept;
}

/// The keys that come more than once.
pub(super) fn repeated<K: Hash + Eq + Clone>(keys: impl Iterator<Item = K>) -> HashSet<K> {
    let mut seen = HashSet::new();
    keys.filter(|key| !seen.insert(key.clone())).collect()
}
