//! Heartbeat (12).

use std::sync::Arc;

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(node: &Arc<Node>, request: HeartbeatRequest) -> HeartbeatResponse {
    let heard = node.groups.heartbeat(
        &request.group_id,
        &request.member_id,
        request.group_instance_id.as_deref(),
        request.generation_id,
    );
    HeartbeatResponse::default().with_error_code(errors::group_or_none(heard.err()))
}
