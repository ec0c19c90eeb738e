//! ElectLeaders (43): preferred and unclean elections on demand.

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse, TopicName,
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{
    controller::{ClusterImage, ElectionRefusal, ElectionType, judge_election},
    node::Node,
};

pub(super) async fn handle(node: &Arc<Node>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let election = match request.election_type {
        0 => ElectionType::Preferred,
        1 => ElectionType::Unclean,
        _ => {
            return ElectLeadersResponse::default()
                .with_error_code(ResponseError::InvalidRequest.code());
        }
    };
    let image = node.image();
    let results = match request.topic_partitions {
        Some(topics) => topics
            .into_iter()
            .map(|topic| {
                let judged = topic
                    .partitions
                    .iter()
                    .map(|partition| result(&image, &topic.topic, *partition, election));
                let judged = judged.collect();
                (topic.topic, judged)
            })
            .collect(),
        None => all_that_need_one(&image, election),
    };
    let results = results.into_iter().map(|(topic, partitions)| {
        ReplicaElectionResult::default().with_topic(topic).with_partition_result(partitions)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}

/// Null asks for all; partitions that have the leader that they should have
/// are then left out.
fn all_that_need_one(
    image: &ClusterImage,
    election: ElectionType,
) -> BTreeMap<TopicName, Vec<PartitionResult>> {
    let not_needed = ResponseError::ElectionNotNeeded.code();
    let mut results: BTreeMap<TopicName, Vec<PartitionResult>> = BTreeMap::new();
    for topic in image.topics() {
        for partition in 0..topic.partitions.len() as i32 {
            let result = result(image, &topic.name, partition, election);
            if result.error_code != not_needed {
                let name = TopicName(StrBytes::from_string(topic.name.clone()));
                results.entry(name).or_default().push(result);
            }
        }
    }
    results
}

fn result(
    image: &ClusterImage,
    topic: &str,
    partition: i32,
    election: ElectionType,
) -> PartitionResult {
    let refusal = judge_election(image, topic, partition, election);
    let code = match refusal {
        ElectionRefusal::UnknownPartition => ResponseError::UnknownTopicOrPartition,
        ElectionRefusal::NotNeeded => ResponseError::ElectionNotNeeded,
        ElectionRefusal::PreferredLeaderNotAvailable => ResponseError::PreferredLeaderNotAvailable,
        ElectionRefusal::EligibleLeadersNotAvailable => ResponseError::EligibleLeadersNotAvailable,
    };
    PartitionResult::default()
        .with_partition_id(partition)
        .with_error_code(code.code())
        .with_error_message(errors::message(&refusal))
}
