//! CreatePartitions (37).

use std::{collections::HashSet, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};

use super::{Client, errors};
use crate::{node::Node, topics};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_FROM: i16 = 3;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: CreatePartitionsRequest,
    version: i16,
    client: &Client,
) -> CreatePartitionsResponse {
    let mut seen = HashSet::new();
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        // Every topic gets an answer: clients wait for each that they named.
        let result = if seen.insert(topic.name.clone()) {
            grow(node, topic, request.validate_only, client, version >= STRICT_FROM).await
        } else {
            let message = "the topic is named more than once in the request";
            CreatePartitionsTopicResult::default()
                .with_name(topic.name)
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(errors::message(&message))
        };
        results.push(result);
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn grow(
    node: &Arc<Node>,
    topic: CreatePartitionsTopic,
    validate_only: bool,
    client: &Client,
    strict: bool,
) -> CreatePartitionsTopicResult {
    if topics::is_internal(&topic.name) {
        // What is in it was placed by the number of its partitions.
        let message = "the number of partitions of an internal topic does not change";
        return CreatePartitionsTopicResult::default()
            .with_name(topic.name)
            .with_error_code(ResponseError::InvalidTopicException.code())
            .with_error_message(errors::message(&message));
    }
    let present = node.image().topic(&topic.name).map_or(0, |topic| topic.partitions.len());
    let added = usize::try_from(topic.count).unwrap_or(0).saturating_sub(present);
    if let Err(error) = client.mutate(added, strict) {
        return CreatePartitionsTopicResult::default()
            .with_name(topic.name)
            .with_error_code(ResponseError::ThrottlingQuotaExceeded.code())
            .with_error_message(errors::message(&error));
    }
    let assignments = topic.assignments.map(|assignments| {
        let brokers = assignments.into_iter().map(|assignment| assignment.broker_ids);
        brokers.map(|ids| ids.into_iter().map(|id| id.0).collect()).collect()
    });
    let grown = node.create_partitions(&topic.name, topic.count, assignments, validate_only).await;
    let result = CreatePartitionsTopicResult::default().with_name(topic.name);
    match grown {
        Ok(()) => result.with_error_code(errors::NONE).with_error_message(None),
        Err(error) => result
            .with_error_code(errors::controller(&error).code())
            .with_error_message(errors::message(&error)),
    }
}
