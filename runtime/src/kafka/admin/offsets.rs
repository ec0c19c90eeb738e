//! Offsets: committed by groups, and at the ends of logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    BrokerId, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::answers::text;
use crate::kafka::error::ClientError;
use crate::kafka::net::{Cluster, Lane, Target, refused};
use crate::kafka::types::{CommittedOffset, OffsetCommit, Start, TopicPartition};

/// Kafka's stand-in for "the end of the log" in a look-up by time.
const TIMESTAMP_LATEST: i64 = -1;
/// The same for "the start of the log".
const TIMESTAMP_EARLIEST: i64 = -2;
/// What a look-up takes for the end: all records, or those before the first
/// open transaction.
pub(super) const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// The first version of OffsetFetch that can be told to answer no offset that an
/// open transaction may change.
const STABLE_SINCE: i16 = 7;
/// No generation: the committer is not a member.
const GENERATION_NONE: i32 = -1;
/// No leader epoch known.
const EPOCH_NONE: i32 = -1;

/// Elements by topic, as requests want them.
fn by_topic<'a, T>(
    elements: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> BTreeMap<&'a str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for (partition, element) in elements {
        topics.entry(&partition.topic).or_default().push(element);
    }
    topics
}

pub(super) async fn commit(
    cluster: &Cluster,
    group_id: &str,
    commits: &[OffsetCommit],
) -> Result<(), ClientError> {
    let topics = by_topic(commits.iter().map(|commit| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(commit.partition.partition)
            .with_committed_offset(commit.offset)
            .with_committed_leader_epoch(EPOCH_NONE)
            .with_committed_metadata(Some(text(&commit.metadata)));
        (&commit.partition, partition)
    }));
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default().with_name(text(name).into()).with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(text(group_id).into())
        .with_generation_id_or_member_epoch(GENERATION_NONE)
        .with_topics(topics.collect());
    let target = Target::Coordinator(group_id.into());
    let answer = cluster.call(&target, Lane::Common, |_| request, None).await?;
    for topic in &answer.topics {
        for partition in &topic.partitions {
            if let Some(code) = ResponseError::try_from_code(partition.error_code) {
                let what = format!(
                    "committing the offset of {}-{} to group `{group_id}`",
                    topic.name.0, partition.partition_index
                );
                return Err(refused(what, code, None));
            }
        }
    }
    Ok(())
}

/// With `stable`, offsets that an open transaction may change are an error that
/// passes (KIP-447).
pub(super) async fn committed(
    cluster: &Cluster,
    group_id: &str,
    partitions: Option<&[TopicPartition]>,
    stable: bool,
) -> Result<HashMap<TopicPartition, CommittedOffset>, ClientError> {
    let what = || format!("looking up the offsets of group `{group_id}`");
    let topics = partitions.map(|all| by_topic(all.iter().map(|p| (p, p.partition))));
    let mut too_old = false;
    let make = |version: i16| match version {
        // Since version 8 it asks for many groups.
        8.. => OffsetFetchRequest::default().with_require_stable(stable).with_groups(vec![
            OffsetFetchRequestGroup::default().with_group_id(text(group_id).into()).with_topics(
                topics.map(|topics| {
                    let topics = topics.into_iter().map(|(name, partitions)| {
                        OffsetFetchRequestTopics::default()
                            .with_name(text(name).into())
                            .with_partition_indexes(partitions)
                    });
                    topics.collect()
                }),
            ),
        ]),
        _ => {
            too_old = stable && version < STABLE_SINCE;
            OffsetFetchRequest::default()
                .with_require_stable(stable && !too_old)
                .with_group_id(text(group_id).into())
                .with_topics(topics.map(|topics| {
                    let topics = topics.into_iter().map(|(name, partitions)| {
                        OffsetFetchRequestTopic::default()
                            .with_name(text(name).into())
                            .with_partition_indexes(partitions)
                    });
                    topics.collect()
                }))
        }
    };
    let target = Target::Coordinator(group_id.into());
    let answer = cluster.call(&target, Lane::Common, make, None).await?;
    if too_old {
        let message = text(
            "the broker cannot keep back offsets that an open transaction may change, which came \
             with Kafka 2.5",
        );
        return Err(refused(what(), ResponseError::UnsupportedVersion, Some(&message)));
    }
    let mut found = HashMap::new();
    let mut add = |topic: &Arc<str>, partition, offset, metadata: &Option<StrBytes>, code| {
        if let Some(code) = ResponseError::try_from_code(code) {
            return Err(refused(what(), code, None));
        }
        if offset >= 0 {
            let metadata = metadata.as_ref().map(ToString::to_string).unwrap_or_default();
            found.insert(
                TopicPartition::new(topic.clone(), partition),
                CommittedOffset { offset, metadata },
            );
        }
        Ok(())
    };
    if let Some(code) = ResponseError::try_from_code(answer.error_code) {
        return Err(refused(what(), code, None));
    }
    for topic in &answer.topics {
        let name: Arc<str> = topic.name.as_str().into();
        for p in &topic.partitions {
            add(&name, p.partition_index, p.committed_offset, &p.metadata, p.error_code)?;
        }
    }
    for group in &answer.groups {
        if let Some(code) = ResponseError::try_from_code(group.error_code) {
            return Err(refused(what(), code, None));
        }
        for topic in &group.topics {
            let name: Arc<str> = topic.name.as_str().into();
            for p in &topic.partitions {
                add(&name, p.partition_index, p.committed_offset, &p.metadata, p.error_code)?;
            }
        }
    }
    Ok(found)
}

/// Asks the leader of each partition where its log starts or ends.
pub(super) async fn list(
    cluster: &Cluster,
    partitions: &[(TopicPartition, Start)],
) -> Result<HashMap<TopicPartition, i64>, ClientError> {
    let mut known = HashMap::new();
    let mut asked = Vec::new();
    for (partition, start) in partitions {
        match start {
            Start::Earliest => asked.push((partition, READ_UNCOMMITTED, TIMESTAMP_EARLIEST)),
            Start::Latest => asked.push((partition, READ_UNCOMMITTED, TIMESTAMP_LATEST)),
            Start::LastStable => asked.push((partition, READ_COMMITTED, TIMESTAMP_LATEST)),
            Start::Offset(offset) => {
                known.insert(partition.clone(), *offset);
            }
        }
    }
    known.extend(list_at(cluster, &asked).await?);
    Ok(known)
}

/// Asks the leader of each partition for the first offset whose record is not
/// older than a timestamp (in milliseconds, or one of Kafka's stand-ins), at an
/// isolation level; -1 where there is none.
pub(super) async fn list_at(
    cluster: &Cluster,
    asked: &[(&TopicPartition, i8, i64)],
) -> Result<HashMap<TopicPartition, i64>, ClientError> {
    let mut found = HashMap::new();
    if asked.is_empty() {
        return Ok(found);
    }
    let mut names: Vec<&str> = asked.iter().map(|(partition, ..)| &*partition.topic).collect();
    names.sort_unstable();
    names.dedup();
    let leaders = leaders(cluster, &names).await?;
    let mut by_leader: BTreeMap<(i32, i8), Vec<(&TopicPartition, i64)>> = BTreeMap::new();
    for (partition, isolation, timestamp) in asked {
        let leader = leader_of(&leaders, partition)?;
        by_leader.entry((leader, *isolation)).or_default().push((partition, *timestamp));
    }
    for ((leader, isolation), asked) in by_leader {
        let topics = by_topic(asked.iter().map(|(partition, timestamp)| {
            let element = ListOffsetsPartition::default()
                .with_partition_index(partition.partition)
                .with_current_leader_epoch(EPOCH_NONE)
                .with_timestamp(*timestamp);
            (*partition, element)
        }));
        let topics = topics.into_iter().map(|(name, partitions)| {
            ListOffsetsTopic::default().with_name(text(name).into()).with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation)
            .with_topics(topics.collect());
        let target = Target::Node(leader);
        let answer = cluster.call(&target, Lane::Common, |_| request, None).await?;
        for topic in &answer.topics {
            let name: Arc<str> = topic.name.as_str().into();
            for partition in &topic.partitions {
                let key = TopicPartition::new(name.clone(), partition.partition_index);
                if let Some(code) = ResponseError::try_from_code(partition.error_code) {
                    return Err(refused(format!("looking up offsets of {key}"), code, None));
                }
                found.insert(key, partition.offset);
            }
        }
    }
    Ok(found)
}

/// The leader of a partition that was asked for: another's lack is not its own.
pub(super) fn leader_of(
    leaders: &Leaders<'_>,
    partition: &TopicPartition,
) -> Result<i32, ClientError> {
    let code = match leaders.get(&(&*partition.topic, partition.partition)) {
        None => ResponseError::UnknownTopicOrPartition,
        Some(..0) => ResponseError::LeaderNotAvailable,
        Some(leader) => return Ok(*leader),
    };
    Err(refused(format!("looking for the leader of {partition}"), code, None))
}

/// Leaders by topic and partition; -1 for a partition that has none just now.
pub(super) type Leaders<'a> = HashMap<(&'a str, i32), i32>;

pub(super) async fn leaders<'a>(
    cluster: &Cluster,
    names: &[&'a str],
) -> Result<Leaders<'a>, ClientError> {
    let metadata = cluster.metadata(Some(names)).await?;
    let mut leaders = HashMap::new();
    for topic in &metadata.topics {
        let name =
            names.iter().find(|name| topic.name.as_ref().is_some_and(|t| t.as_str() == **name));
        let Some(name) = name else { continue };
        if let Some(code) = ResponseError::try_from_code(topic.error_code) {
            return Err(refused(format!("looking for topic `{name}`"), code, None));
        }
        for partition in &topic.partitions {
            leaders.insert((*name, partition.partition_index), partition.leader_id.0);
        }
    }
    Ok(leaders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_without_a_leader_is_told_from_one_that_is_not_there_and_harms_no_other() {
        let leaders = Leaders::from([(("t", 0), 3), (("t", 1), -1)]);
        let code = |partition| {
            leader_of(&leaders, &TopicPartition::new("t", partition)).map_err(|it| it.code())
        };
        assert_eq!(code(0), Ok(3));
        assert_eq!(code(1), Err(Some(ResponseError::LeaderNotAvailable)));
        assert_eq!(code(2), Err(Some(ResponseError::UnknownTopicOrPartition)));
    }
}
