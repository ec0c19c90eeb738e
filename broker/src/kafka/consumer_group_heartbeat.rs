//! ConsumerGroupHeartbeat (68): membership of the consumer protocol (KIP-848).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        consumer_group_heartbeat_response::{Assignment, TopicPartitions},
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use super::{Client, Reply, errors, response::RequestId};
use crate::{
    group::{HeartbeatRefusal, HeartbeatRequest, Identity, Partitions},
    limits,
    node::Node,
};

pub(super) fn handle(
    node: &Arc<Node>,
    request: ConsumerGroupHeartbeatRequest,
    id: RequestId,
    client: &Client,
) -> Reply {
    if let Some((code, reason)) = check(&request) {
        return Reply::later(id, async move { refuse(code, &reason) });
    }
    let group_id = request.group_id.to_string();
    if let Err(error) = node.groups.check_readable(&group_id) {
        return Reply::later(id, async move { refuse(errors::group(error), &error) });
    }
    let heartbeat = to_heartbeat(request, id.api_version, client);
    let answer = node.groups.consumer_heartbeat(
        &group_id,
        &heartbeat,
        &node.image(),
        node.authorizer.as_deref(),
    );
    Reply::later(id, async move {
        let (answer, saving) = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                if !matches!(refusal, HeartbeatRefusal::Group(_)) {
                    tracing::error!(group = group_id, %refusal, "a heartbeat failed");
                }
                return refuse(errors::heartbeat(&refusal), &refusal);
            }
        };
        if let Some(saving) = saving
            && let Err(error) = saving.settled().await
        {
            return refuse(errors::commit(&error), &error);
        }
        ConsumerGroupHeartbeatResponse::default()
            .with_error_code(errors::NONE)
            .with_member_id(Some(StrBytes::from_string(answer.member_id)))
            .with_member_epoch(answer.epoch)
            .with_heartbeat_interval_ms(answer.heartbeat_interval_ms)
            .with_assignment(answer.assigned.map(to_assignment))
    })
}

fn check(request: &ConsumerGroupHeartbeatRequest) -> Option<(ResponseError, String)> {
    let long = |text: &str| text.len() > limits::GROUP_ID_BYTES_MAX;
    let is_long = |text: &Option<StrBytes>| text.as_deref().is_some_and(long);
    if !errors::is_group_id(&request.group_id) {
        return Some((ResponseError::InvalidRequest, "this is no group id".to_owned()));
    }
    let too_long = long(&request.member_id)
        || is_long(&request.instance_id)
        || is_long(&request.rack_id)
        || is_long(&request.server_assignor)
        || is_long(&request.subscribed_topic_regex);
    let message = || format!("no text may be longer than {} bytes", limits::GROUP_ID_BYTES_MAX);
    too_long.then(|| (ResponseError::InvalidRequest, message()))
}

fn to_heartbeat(
    request: ConsumerGroupHeartbeatRequest,
    version: i16,
    client: &Client,
) -> HeartbeatRequest {
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string());
    let member_id = match request.member_id.as_str() {
        // From v1 on a member makes its id itself.
        "" if version == 0 && request.member_epoch == 0 => Uuid::new_v4().to_string(),
        given => given.to_owned(),
    };
    let topics = request.subscribed_topic_names;
    let owned = request.topic_partitions.map(|topics| {
        let each = topics.into_iter().filter(|topic| !topic.partitions.is_empty());
        each.map(|topic| (topic.topic_id, topic.partitions.into_iter().collect())).collect()
    });
    HeartbeatRequest {
        member_id,
        epoch: request.member_epoch,
        instance_id: text(request.instance_id),
        rack_id: text(request.rack_id),
        client_id: client
            .id
            .as_deref()
            .unwrap_or_default()
            .chars()
            .take(limits::GROUP_ID_BYTES_MAX / 8)
            .collect(),
        client_host: format!("/{}", client.peer.ip()),
        identity: Some(Arc::new(Identity {
            principal: client.principal.to_string(),
            host: client.peer.ip().to_canonical().to_string(),
        })),
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|timeout| *timeout >= 0),
        topics: topics.map(|topics| topics.iter().map(|name| name.to_string()).collect()),
        pattern: text(request.subscribed_topic_regex),
        assignor: text(request.server_assignor),
        owned,
    }
}

fn to_assignment(partitions: Partitions) -> Assignment {
    let topics = partitions.into_iter().map(|(topic, numbers)| {
        TopicPartitions::default()
            .with_topic_id(topic)
            .with_partitions(numbers.into_iter().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

fn refuse(code: ResponseError, reason: &impl std::fmt::Display) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(code.code())
        .with_error_message(errors::message(reason))
}
