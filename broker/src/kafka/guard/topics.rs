//! Records, offsets and partitions.

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteRecordsRequest, DescribeProducersRequest, DescribeTopicPartitionsRequest,
        ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, TopicName,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
        describe_producers_response::{PartitionResponse, TopicResponse},
        describe_topic_partitions_request::TopicRequest,
        describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
        metadata_request::MetadataRequestTopic,
        metadata_response::MetadataResponseTopic,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
    protocol::{Request, StrBytes},
};

use super::{Context, Guarded, TOPIC, Verdict, withhold};
use crate::auth::{AclOperation, CLUSTER_NAME, ResourceType};

impl Guarded for ListOffsetsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let describe = AclOperation::Describe;
        let refused =
            withhold(&mut self.topics, |t| context.access.allows_topic(describe, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    ListOffsetsPartitionResponse::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(TOPIC)
                        .with_timestamp(-1)
                        .with_offset(-1)
                });
                let partitions = partitions.collect();
                ListOffsetsTopicResponse::default()
                    .with_name(topic.name)
                    .with_partitions(partitions)
            }));
        })
    }
}

impl Guarded for OffsetForLeaderEpochRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let describe = AclOperation::Describe;
        let refused =
            withhold(&mut self.topics, |t| context.access.allows_topic(describe, &t.topic));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    EpochEndOffset::default()
                        .with_partition(partition.partition)
                        .with_error_code(TOPIC)
                        .with_leader_epoch(-1)
                        .with_end_offset(-1)
                });
                let partitions = partitions.collect();
                OffsetForLeaderTopicResult::default()
                    .with_topic(topic.topic)
                    .with_partitions(partitions)
            }));
        })
    }
}

impl Guarded for DeleteRecordsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let delete = AclOperation::Delete;
        let refused = withhold(&mut self.topics, |t| context.access.allows_topic(delete, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    DeleteRecordsPartitionResult::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(TOPIC)
                        .with_low_watermark(-1)
                });
                let partitions = partitions.collect();
                DeleteRecordsTopicResult::default()
                    .with_name(topic.name)
                    .with_partitions(partitions)
            }));
        })
    }
}

impl Guarded for DescribeProducersRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let read = AclOperation::Read;
        let refused = withhold(&mut self.topics, |t| context.access.allows_topic(read, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.into_iter().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|index| {
                    PartitionResponse::default().with_partition_index(*index).with_error_code(TOPIC)
                });
                let partitions = partitions.collect();
                TopicResponse::default().with_name(topic.name).with_partitions(partitions)
            }));
        })
    }
}

/// The name by which a topic is asked for. Beside an id it says nothing.
fn named(topic: &MetadataRequestTopic) -> Option<&TopicName> {
    topic.name.as_ref().filter(|_| topic.topic_id.is_nil())
}

/// Topics that the client may not know of are left out where it asks for all,
/// and refused where it names them, whether they are there or not.
impl Guarded for MetadataRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let (access, version) = (context.access.clone(), context.version);
        let describe = AclOperation::Describe;
        let image = context.node.image();
        let creates = context.node.config.auto_create_topics
            && (version < 4 || self.allow_auto_topic_creation);
        let asks_all = match &self.topics {
            None => true,
            Some(topics) => version == 0 && topics.is_empty(),
        };
        let mut refused = Vec::new();
        if let Some(topics) = &mut self.topics
            && !access.is_open()
        {
            refused = withhold(topics, |topic| match named(topic) {
                Some(name) => {
                    access.allows_topic(describe, name)
                        && (!creates || image.topic(name).is_some() || access.allows_creation(name))
                }
                None => image
                    .topic_by_id(topic.topic_id)
                    .is_none_or(|topic| access.allows_topic(describe, &topic.name)),
            });
        }
        // What would be asked now is "all", which it was not.
        let emptied =
            version == 0 && !refused.is_empty() && self.topics.as_ref().is_some_and(Vec::is_empty);
        let of_topics = (8..).contains(&version) && self.include_topic_authorized_operations;
        let of_cluster = (8..=10).contains(&version) && self.include_cluster_authorized_operations;
        if access.is_open() && !of_topics && !of_cluster {
            return Verdict::Pass;
        }
        Verdict::patch(move |response: &mut Self::Response| {
            if emptied {
                response.topics.clear();
            }
            if asks_all {
                let shown = |name: &TopicName| access.shows(describe, ResourceType::Topic, name);
                response.topics.retain(|topic| topic.name.as_ref().is_none_or(shown));
            }
            if of_topics {
                for topic in &mut response.topics {
                    if let (0, Some(name)) = (topic.error_code, &topic.name) {
                        topic.topic_authorized_operations =
                            access.operations(ResourceType::Topic, name);
                    }
                }
            }
            if of_cluster {
                response.cluster_authorized_operations =
                    access.operations(ResourceType::Cluster, CLUSTER_NAME);
            }
            response.topics.extend(refused.into_iter().map(|topic| {
                // By its id a topic could be told to be there.
                let code = match named(&topic) {
                    Some(_) => TOPIC,
                    None => ResponseError::UnknownTopicId.code(),
                };
                MetadataResponseTopic::default()
                    .with_error_code(code)
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
            }));
        })
    }
}

impl Guarded for DescribeTopicPartitionsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        let describe = AclOperation::Describe;
        let mut refused = Vec::new();
        if !access.is_open() {
            if self.topics.is_empty() {
                // Of all topics those that are shown, so that no page ends at a hidden one.
                let image = context.node.image();
                let names = image.topics().map(|topic| topic.name.clone());
                self.topics = names
                    .filter(|name| access.shows(describe, ResourceType::Topic, name))
                    .map(|name| TopicName(StrBytes::from_string(name)))
                    .map(|name| TopicRequest::default().with_name(name))
                    .collect();
            } else {
                refused = withhold(&mut self.topics, |t| access.allows_topic(describe, &t.name));
            }
        }
        let refused = refused.into_iter().map(|topic| {
            DescribeTopicPartitionsResponseTopic::default()
                .with_error_code(TOPIC)
                .with_name(Some(topic.name))
        });
        let refused: Vec<_> = refused.collect();
        if self.topics.is_empty() && !access.is_open() {
            let response = <Self as Request>::Response::default();
            return Verdict::Refuse(response.with_topics(refused));
        }
        Verdict::patch(move |response: &mut Self::Response| {
            for topic in &mut response.topics {
                if let (0, Some(name)) = (topic.error_code, &topic.name) {
                    topic.topic_authorized_operations =
                        access.operations(ResourceType::Topic, name);
                }
            }
            response.topics.extend(refused);
        })
    }
}
