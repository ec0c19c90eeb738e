//! Groups of both protocols, classic and consumer (KIP-848), with who reads
//! what; and their offsets looked up by time and deleted.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::{Assignment, DescribedGroup};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, OffsetDeleteRequest,
};
use kafka_protocol::protocol::Decodable;
use serde::Serialize;

use super::answers::{check, text, unanswered};
use super::types::GroupDescription;
use super::{Admin as _, AdminClient, offsets};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target};
use crate::kafka::types::TopicPartition;

/// Partitions by topic.
pub type Partitions = BTreeMap<String, Vec<i32>>;

/// A group of any protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupDetails {
    /// The group's id.
    pub group_id: String,
    /// `Classic` or `Consumer`.
    pub group_type: &'static str,
    /// `Stable`, `Empty`, `Assigning`, `PreparingRebalance`, `Dead`, ...
    pub state: String,
    /// `consumer`, `connect`, or empty.
    pub protocol_type: String,
    /// Who deals out the partitions.
    pub assignor: String,
    /// `node.id` of its coordinator.
    pub coordinator: i32,
    /// The group's epoch, which classic groups do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i32>,
    /// Its members.
    pub members: Vec<MemberDetails>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberDetails {
    /// The id that the coordinator gave it, or it gave itself.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// How far it has come after the group, which classic groups do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i32>,
    /// What it reads; `None` for protocols whose assignments only they know.
    pub partitions: Option<Partitions>,
    /// What it is to read once all have agreed, where that is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Partitions>,
}

impl AdminClient {
    /// A group of either protocol. Kafka answers an unknown one with state `Dead`.
    pub async fn group_details(&self, group_id: &str) -> Result<GroupDetails, ClientError> {
        match self.cluster.retry(|| self.describe_consumer_group(group_id)).await {
            Ok(details) => Ok(details),
            // A classic group, or a broker from before the consumer protocol.
            Err(error)
                if matches!(error, ClientError::Unsupported { .. })
                    || error.code() == Some(ResponseError::GroupIdNotFound) =>
            {
                self.describe_group(group_id).await.map(classic)
            }
            Err(error) => Err(error),
        }
    }

    async fn describe_consumer_group(&self, group_id: &str) -> Result<GroupDetails, ClientError> {
        let what = || format!("describing group `{group_id}`");
        let coordinator = self.cluster.coordinator(group_id).await?;
        let request =
            ConsumerGroupDescribeRequest::default().with_group_ids(vec![text(group_id).into()]);
        let target = Target::Node(coordinator);
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        let group = answer.groups.into_iter().next().ok_or_else(|| unanswered(what()))?;
        check(what(), group.error_code, group.error_message.as_ref())?;
        Ok(consumer(group, coordinator))
    }

    /// The first offset of each partition whose record is not older than
    /// `timestamp_ms`; partitions without one are left out.
    pub async fn offsets_for_time(
        &self,
        partitions: &[TopicPartition],
        timestamp_ms: i64,
    ) -> Result<HashMap<TopicPartition, i64>, ClientError> {
        let at = |partition| (partition, offsets::READ_UNCOMMITTED, timestamp_ms);
        let asked: Vec<_> = partitions.iter().map(at).collect();
        let mut found = self.cluster.retry(|| offsets::list_at(&self.cluster, &asked)).await?;
        found.retain(|_, offset| *offset >= 0);
        Ok(found)
    }

    /// One attempt at deleting offsets of a group.
    pub(super) async fn try_delete_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<ResponseError>)>, ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for partition in partitions {
            let asked =
                OffsetDeleteRequestPartition::default().with_partition_index(partition.partition);
            topics.entry(&partition.topic).or_default().push(asked);
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetDeleteRequestTopic::default()
                .with_name(text(name).into())
                .with_partitions(partitions)
        });
        let request = OffsetDeleteRequest::default()
            .with_group_id(text(group_id).into())
            .with_topics(topics.collect());
        let target = Target::Coordinator(group_id.into());
        let answer = self.cluster.call(&target, Lane::Common, |_| request, None).await?;
        check(format!("deleting offsets of group `{group_id}`"), answer.error_code, None)?;
        let mut outcomes = Vec::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                outcomes.push((key, ResponseError::try_from_code(partition.error_code)));
            }
        }
        Ok(outcomes)
    }
}

fn consumer(group: DescribedGroup, coordinator: i32) -> GroupDetails {
    let partitions = |assignment: Assignment| -> Partitions {
        let topics = assignment.topic_partitions.into_iter();
        topics.map(|topic| (topic.topic_name.to_string(), topic.partitions)).collect()
    };
    let members = group.members.into_iter().map(|member| MemberDetails {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        epoch: Some(member.member_epoch),
        partitions: Some(partitions(member.assignment)),
        target: Some(partitions(member.target_assignment)),
    });
    GroupDetails {
        group_id: group.group_id.to_string(),
        group_type: "Consumer",
        state: group.group_state.to_string(),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        coordinator,
        epoch: Some(group.group_epoch),
        members: members.collect(),
    }
}

fn classic(group: GroupDescription) -> GroupDetails {
    let is_consumer = group.protocol_type == "consumer";
    let members = group.members.into_iter().map(|member| MemberDetails {
        partitions: is_consumer.then(|| assigned(member.assignment)).flatten(),
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        epoch: None,
        target: None,
    });
    GroupDetails {
        group_id: group.group_id,
        group_type: "Classic",
        state: group.state,
        protocol_type: group.protocol_type,
        assignor: group.protocol,
        coordinator: group.coordinator,
        epoch: None,
        members: members.collect(),
    }
}

/// What a consumer was told to read: a version and the message of that version.
fn assigned(mut bytes: bytes::Bytes) -> Option<Partitions> {
    if bytes.is_empty() {
        // A member that has not been assigned anything yet.
        return Some(Partitions::new());
    }
    let version = i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    let mut body = bytes.split_off(2);
    // Later versions only add fields at the end.
    let assignment = ConsumerProtocolAssignment::decode(&mut body, version.clamp(0, 3)).ok()?;
    let topics = assignment.assigned_partitions.into_iter();
    Some(topics.map(|topic| (topic.topic.to_string(), topic.partitions)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_that_cannot_be_read_is_unknown_not_empty() {
        let of = |bytes: &'static [u8]| assigned(bytes::Bytes::from_static(bytes));
        assert_eq!(of(b""), Some(Partitions::new()));
        assert_eq!(of(b"\0"), None);
        assert_eq!(of(b"\0\0\0\0\0\x09"), None);
        let one = b"\0\0\0\0\0\x01\0\x01a\0\0\0\x01\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(of(one), Some(Partitions::from([("a".to_owned(), vec![7])])));
    }
}
