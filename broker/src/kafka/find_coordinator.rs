//! FindCoordinator (10): which broker coordinates a group or a
//! transactional id.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        BrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
        find_coordinator_response::Coordinator,
    },
    protocol::StrBytes,
};

use super::{Client, errors};
use crate::{node::Node, topics};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: FindCoordinatorRequest,
    version: i16,
    client: &Client,
) -> FindCoordinatorResponse {
    let keys = match version {
        4.. => request.coordinator_keys,
        _ => vec![request.key],
    };
    let mut found: Vec<Coordinator> = Vec::with_capacity(keys.len());
    let refused = match request.key_type {
        GROUP => node
            .groups
            .ensure_topic(node)
            .await
            .err()
            .map(|reason| (ResponseError::CoordinatorNotAvailable, reason)),
        TRANSACTION => node
            .ensure_topic(topics::transaction_state(&node.config))
            .await
            .err()
            .map(|reason| (ResponseError::CoordinatorNotAvailable, reason)),
        other => {
            let message = format!("key type {other} has no coordinator here");
            Some((ResponseError::InvalidRequest, message))
        }
    };
    let image = node.image();
    let me = image.brokers().find(|broker| broker.node_id == node.config.node_id);
    for key in keys {
        let coordinator = Coordinator::default().with_key(key);
        let unreadable = match request.key_type {
            GROUP => node.groups.check_readable(&coordinator.key).err(),
            _ => None,
        };
        let unreadable =
            unreadable.map(|error| (ResponseError::CoordinatorNotAvailable, error.to_string()));
        found.push(match (refused.as_ref().or(unreadable.as_ref()), me) {
            (None, Some(me)) => {
                let endpoint = node.endpoint_of(me, client.listener);
                coordinator
                    .with_error_code(errors::NONE)
                    .with_node_id(BrokerId(me.node_id))
                    .with_host(StrBytes::from_string(endpoint.host.clone()))
                    .with_port(i32::from(endpoint.port))
                    .with_error_message(None)
            }
            (Some((code, message)), _) => coordinator
                .with_error_code(code.code())
                .with_node_id(BrokerId(-1))
                .with_port(-1)
                .with_error_message(errors::message(message)),
            (None, None) => coordinator
                .with_error_code(ResponseError::CoordinatorNotAvailable.code())
                .with_node_id(BrokerId(-1))
                .with_port(-1)
                .with_error_message(None),
        });
    }
    if version >= 4 {
        return FindCoordinatorResponse::default().with_coordinators(found);
    }
    let only = found.swap_remove(0);
    FindCoordinatorResponse::default()
        .with_error_code(only.error_code)
        .with_error_message(only.error_message.filter(|_| version >= 1))
        .with_node_id(only.node_id)
        .with_host(only.host)
        .with_port(only.port)
}
