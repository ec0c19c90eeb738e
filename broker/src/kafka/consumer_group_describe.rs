//! ConsumerGroupDescribe (69).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
        consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{
    controller::ClusterImage,
    group::{DescribedConsumerGroup, DescribedConsumerMember, Partitions},
    node::Node,
};

/// The type of a member that speaks the consumer protocol.
const CONSUMER: i8 = 1;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: ConsumerGroupDescribeRequest,
    version: i16,
) -> ConsumerGroupDescribeResponse {
    let image = node.image();
    let groups =
        request.group_ids.into_iter().map(|id| match node.groups.describe_consumer_group(&id) {
            Some(group) => describe(id, group, &image, version),
            None if id.is_empty() => refuse(id, ResponseError::InvalidGroupId),
            None => refuse(id, ResponseError::GroupIdNotFound),
        });
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn refuse(id: GroupId, code: ResponseError) -> DescribedGroup {
    let reason = format!("there is no group {:?} of the consumer protocol", id.as_str());
    DescribedGroup::default()
        .with_error_code(code.code())
        .with_error_message(errors::message(&reason))
        .with_group_id(id)
}

fn describe(
    id: GroupId,
    group: DescribedConsumerGroup,
    image: &ClusterImage,
    version: i16,
) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| to_member(member, image, version));
    DescribedGroup::default()
        .with_error_code(errors::NONE)
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(group.state))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(StrBytes::from_static_str(group.assignor))
        .with_members(members.collect())
}

fn to_member(member: DescribedConsumerMember, image: &ClusterImage, version: i16) -> Member {
    let topics = member.topics.into_iter().map(|topic| TopicName(StrBytes::from_string(topic)));
    let described = Member::default()
        .with_member_id(StrBytes::from_string(member.id))
        .with_instance_id(member.instance_id.map(StrBytes::from_string))
        .with_rack_id(member.rack_id.map(StrBytes::from_string))
        .with_member_epoch(member.epoch)
        .with_client_id(StrBytes::from_string(member.client_id))
        .with_client_host(StrBytes::from_string(member.client_host))
        .with_subscribed_topic_names(topics.collect())
        .with_subscribed_topic_regex(member.pattern.map(StrBytes::from_string))
        .with_assignment(to_assignment(member.assigned, image))
        .with_target_assignment(to_assignment(member.target, image));
    match version {
        1.. => described.with_member_type(CONSUMER),
        _ => described,
    }
}

/// Partitions of topics that are gone are left out: they have no name any more.
fn to_assignment(partitions: Partitions, image: &ClusterImage) -> Assignment {
    let topics = partitions.into_iter().filter_map(|(id, numbers)| {
        let name = image.topic_by_id(id)?.name.clone();
        Some(
            TopicPartitions::default()
                .with_topic_id(id)
                .with_topic_name(TopicName(StrBytes::from_string(name)))
                .with_partitions(numbers.into_iter().collect()),
        )
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
