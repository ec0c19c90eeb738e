//! DeleteTopics (20), by name or by id.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
        delete_topics_request::DeleteTopicState, delete_topics_response::DeletableTopicResult,
    },
    protocol::StrBytes,
};

use super::{Client, errors};
use crate::{controller::TopicRef, node::Node, topics};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_FROM: i16 = 5;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DeleteTopicsRequest,
    version: i16,
    client: &Client,
) -> DeleteTopicsResponse {
    let asked: Vec<DeleteTopicState> = match version {
        6.. => request.topics,
        _ => {
            let named = |name| DeleteTopicState::default().with_name(Some(name));
            request.topic_names.into_iter().map(named).collect()
        }
    };
    let mut results = Vec::with_capacity(asked.len());
    for topic in asked {
        let mut result = delete(node, topic, client, version >= STRICT_FROM).await;
        if version < 5 {
            result.error_message = None;
        }
        results.push(result);
    }
    DeleteTopicsResponse::default().with_responses(results)
}

async fn delete(
    node: &Arc<Node>,
    asked: DeleteTopicState,
    client: &Client,
    strict: bool,
) -> DeletableTopicResult {
    let result =
        DeletableTopicResult::default().with_name(asked.name.clone()).with_topic_id(asked.topic_id);
    let topic = match (&asked.name, asked.topic_id.is_nil()) {
        (Some(name), true) => TopicRef::Name(name.to_string()),
        (None, false) => TopicRef::Id(asked.topic_id),
        _ => {
            let message = "a topic is named either by its name or by its id";
            return result
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(errors::message(&message));
        }
    };
    if !node.config.delete_topics {
        return result.with_error_code(ResponseError::TopicDeletionDisabled.code());
    }
    let (is_internal, partitions) = found(node, &topic);
    if is_internal {
        let message = "the broker keeps its groups or transactions in this topic";
        return result
            .with_error_code(ResponseError::InvalidTopicException.code())
            .with_error_message(errors::message(&message));
    }
    if let Err(error) = client.mutate(partitions, strict) {
        return result
            .with_error_code(ResponseError::ThrottlingQuotaExceeded.code())
            .with_error_message(errors::message(&error));
    }
    match node.delete_topic(topic).await {
        Ok(topic) => {
            tracing::info!(topic = %topic.name, "topic deleted");
            result
                .with_error_code(errors::NONE)
                .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
                .with_topic_id(topic.id)
        }
        Err(error) => result
            .with_error_code(errors::controller(&error).code())
            .with_error_message(errors::message(&error)),
    }
}

/// Whether the topic is one of the broker's own, and how many partitions it has.
fn found(node: &Node, topic: &TopicRef) -> (bool, usize) {
    let image = node.image();
    let topic = match topic {
        TopicRef::Name(name) => image.topic(name),
        TopicRef::Id(id) => image.topic_by_id(*id),
    };
    topic.map_or((false, 0), |topic| (topics::is_internal(&topic.name), topic.partitions.len()))
}
