//! Groups and their offsets.

use std::collections::BTreeSet;

use kafka_protocol::{
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
        DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
        LeaveGroupRequest, ListGroupsRequest, OffsetDeleteRequest, OffsetFetchRequest,
        SyncGroupRequest, consumer_group_describe_response,
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::DescribedGroup,
        find_coordinator_response::Coordinator,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
        offset_fetch_request::OffsetFetchRequestTopics,
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::{Request, StrBytes},
};

use super::super::access::Access;
use super::{Context, GROUP, Guarded, TOPIC, TRANSACTIONAL_ID, Verdict, withhold};
use crate::auth::{AclOperation, CLUSTER_NAME, ResourceType};

/// Membership needs to read the group, and is refused as a whole.
macro_rules! membership {
    ($($request:ident),*) => {$(
        impl Guarded for $request {
            fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
                match context.access.allows_group(AclOperation::Read, &self.group_id) {
                    true => Verdict::Pass,
                    false => Verdict::Refuse(
                        <Self as Request>::Response::default().with_error_code(GROUP),
                    ),
                }
            }
        }
    )*};
}

membership!(SyncGroupRequest, HeartbeatRequest, LeaveGroupRequest);

impl Guarded for JoinGroupRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if context.access.allows_group(AclOperation::Read, &self.group_id) {
            return Verdict::Pass;
        }
        // Before v7 the protocol's name cannot be null.
        let name = (context.version < 7).then(StrBytes::default);
        Verdict::Refuse(
            <Self as Request>::Response::default()
                .with_error_code(GROUP)
                .with_generation_id(-1)
                .with_protocol_name(name)
                .with_member_id(self.member_id.clone()),
        )
    }
}

impl Guarded for ConsumerGroupHeartbeatRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let names = self.subscribed_topic_names.iter().flatten();
        let describe = AclOperation::Describe;
        let code = if !context.access.allows_group(AclOperation::Read, &self.group_id) {
            GROUP
        } else if !names.clone().all(|name| context.access.allows_topic(describe, name)) {
            TOPIC
        } else {
            return Verdict::Pass;
        };
        Verdict::Refuse(<Self as Request>::Response::default().with_error_code(code))
    }
}

impl Guarded for DescribeGroupsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        let refused =
            withhold(&mut self.groups, |id| access.allows_group(AclOperation::Describe, id));
        let operations = context.version >= 3 && self.include_authorized_operations;
        if refused.is_empty() && !operations {
            return Verdict::Pass;
        }
        Verdict::patch(move |response: &mut Self::Response| {
            for group in response.groups.iter_mut().filter(|_| operations) {
                group.authorized_operations =
                    access.operations(ResourceType::Group, &group.group_id);
            }
            response.groups.extend(
                refused
                    .into_iter()
                    .map(|id| DescribedGroup::default().with_error_code(GROUP).with_group_id(id)),
            );
        })
    }
}

/// A group that reads a topic that the caller may not know of is not described.
fn hide_topics(group: &mut consumer_group_describe_response::DescribedGroup, access: &Access) {
    let names = group.members.iter().flat_map(|member| {
        let given = [&member.assignment, &member.target_assignment];
        let given = given.into_iter().flat_map(|assignment| &assignment.topic_partitions);
        given.map(|topic| &topic.topic_name).chain(&member.subscribed_topic_names)
    });
    let names: BTreeSet<&str> = names.map(|name| name.as_str()).collect();
    if names.into_iter().all(|name| access.allows_topic(AclOperation::Describe, name)) {
        return;
    }
    let reason = "the group reads topics that its asker may not describe";
    *group = consumer_group_describe_response::DescribedGroup::default()
        .with_error_code(TOPIC)
        .with_error_message(Some(StrBytes::from_static_str(reason)))
        .with_group_id(group.group_id.clone());
}

impl Guarded for ConsumerGroupDescribeRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        let refused =
            withhold(&mut self.group_ids, |id| access.allows_group(AclOperation::Describe, id));
        let operations = self.include_authorized_operations;
        if access.is_open() && !operations {
            return Verdict::Pass;
        }
        Verdict::patch(move |response: &mut Self::Response| {
            for group in &mut response.groups {
                hide_topics(group, &access);
            }
            for group in response.groups.iter_mut().filter(|_| operations) {
                group.authorized_operations =
                    access.operations(ResourceType::Group, &group.group_id);
            }
            response.groups.extend(refused.into_iter().map(|id| {
                consumer_group_describe_response::DescribedGroup::default()
                    .with_error_code(GROUP)
                    .with_group_id(id)
            }));
        })
    }
}

impl Guarded for ListGroupsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let access = context.access.clone();
        let describe = AclOperation::Describe;
        if access.shows(describe, ResourceType::Cluster, CLUSTER_NAME) {
            return Verdict::Pass;
        }
        Verdict::patch(move |response: &mut Self::Response| {
            response
                .groups
                .retain(|group| access.shows(describe, ResourceType::Group, &group.group_id));
        })
    }
}

impl Guarded for DeleteGroupsRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        let delete = AclOperation::Delete;
        let refused =
            withhold(&mut self.groups_names, |id| context.access.allows_group(delete, id));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.results.extend(refused.into_iter().map(|id| {
                DeletableGroupResult::default().with_group_id(id).with_error_code(GROUP)
            }));
        })
    }
}

impl Guarded for OffsetDeleteRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if !context.access.allows_group(AclOperation::Delete, &self.group_id) {
            return Verdict::Refuse(<Self as Request>::Response::default().with_error_code(GROUP));
        }
        let read = AclOperation::Read;
        let refused = withhold(&mut self.topics, |t| context.access.allows_topic(read, &t.name));
        Verdict::refusing(refused, |response: &mut Self::Response, refused| {
            response.topics.extend(refused.into_iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    OffsetDeleteResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(TOPIC)
                });
                let partitions = partitions.collect();
                OffsetDeleteResponseTopic::default()
                    .with_name(topic.name)
                    .with_partitions(partitions)
            }));
        })
    }
}

/// A coordinator's key is a group's id or a transactional id.
impl Guarded for FindCoordinatorRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        const TRANSACTION: i8 = 1;
        let describe = AclOperation::Describe;
        let (code, resource) = match self.key_type {
            TRANSACTION => (TRANSACTIONAL_ID, ResourceType::TransactionalId),
            _ => (GROUP, ResourceType::Group),
        };
        let allows = |key: &str| context.access.allows(describe, resource, key);
        if context.version < 4 {
            return match allows(&self.key) {
                true => Verdict::Pass,
                false => Verdict::Refuse(
                    <Self as Request>::Response::default()
                        .with_error_code(code)
                        .with_error_message(None)
                        .with_node_id((-1).into())
                        .with_port(-1),
                ),
            };
        }
        let refused = withhold(&mut self.coordinator_keys, |key| allows(key));
        Verdict::refusing(refused, move |response: &mut Self::Response, refused| {
            response.coordinators.extend(refused.into_iter().map(|key| {
                Coordinator::default()
                    .with_key(key)
                    .with_error_code(code)
                    .with_error_message(None)
                    .with_node_id((-1).into())
                    .with_port(-1)
            }));
        })
    }
}

impl Guarded for OffsetFetchRequest {
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response> {
        if context.access.is_open() {
            return Verdict::Pass;
        }
        match context.version {
            8.. => several_groups(self, context),
            _ => one_group(self, context),
        }
    }
}

type OffsetFetch = <OffsetFetchRequest as Request>::Response;

fn one_group(request: &mut OffsetFetchRequest, context: &Context<'_>) -> Verdict<OffsetFetch> {
    let (access, version) = (context.access.clone(), context.version);
    let describe = AclOperation::Describe;
    let refusal =
        move |topic: kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic,
              code: i16| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(*index)
                    .with_committed_offset(-1)
                    .with_metadata(Some(StrBytes::default()))
                    .with_error_code(code)
            });
            OffsetFetchResponseTopic::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        };
    if !access.allows_group(describe, &request.group_id) {
        let response = OffsetFetch::default();
        return Verdict::Refuse(match version {
            2.. => response.with_error_code(GROUP),
            _ => {
                let topics = request.topics.take().unwrap_or_default().into_iter();
                response.with_topics(topics.map(|topic| refusal(topic, GROUP)).collect())
            }
        });
    }
    let all = request.topics.is_none();
    let refused = request.topics.as_mut().map_or_else(Vec::new, |topics| {
        withhold(topics, |topic| access.allows_topic(describe, &topic.name))
    });
    Verdict::patch(move |response: &mut OffsetFetch| {
        if all {
            response
                .topics
                .retain(|topic| access.shows(describe, ResourceType::Topic, &topic.name));
        }
        response.topics.extend(refused.into_iter().map(|topic| refusal(topic, TOPIC)));
    })
}

fn several_groups(request: &mut OffsetFetchRequest, context: &Context<'_>) -> Verdict<OffsetFetch> {
    let access = context.access.clone();
    let describe = AclOperation::Describe;
    let refused = withhold(&mut request.groups, |g| access.allows_group(describe, &g.group_id));
    // What is refused of each group that is left, in their order.
    let of_groups = request.groups.iter_mut().map(|group| match &mut group.topics {
        None => None,
        Some(topics) => Some(withhold(topics, |topic| access.allows_topic(describe, &topic.name))),
    });
    let of_groups: Vec<Option<Vec<OffsetFetchRequestTopics>>> = of_groups.collect();
    Verdict::patch(move |response: &mut OffsetFetch| {
        for (group, refused) in response.groups.iter_mut().zip(of_groups) {
            match refused {
                None => group
                    .topics
                    .retain(|topic| access.shows(describe, ResourceType::Topic, &topic.name)),
                Some(refused) => group.topics.extend(refused.into_iter().map(refused_topic)),
            }
        }
        response.groups.extend(refused.into_iter().map(|group| {
            OffsetFetchResponseGroup::default().with_error_code(GROUP).with_group_id(group.group_id)
        }));
    })
}

fn refused_topic(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.iter().map(|index| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(*index)
            .with_committed_offset(-1)
            .with_metadata(Some(StrBytes::default()))
            .with_error_code(TOPIC)
    });
    OffsetFetchResponseTopics::default().with_partitions(partitions.collect()).with_name(topic.name)
}
