//! Heartbeat (12).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{HeartbeatRequest, HeartbeatResponse},
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(node: &Arc<Node>, request: HeartbeatRequest) -> HeartbeatResponse {
    if !errors::is_group_id(&request.group_id) {
        let code = ResponseError::InvalidGroupId.code();
        return HeartbeatResponse::default().with_error_code(code);
    }
    let heard = node.groups.heartbeat(
        &request.group_id,
        &request.member_id,
        request.group_instance_id.as_deref(),
        request.generation_id,
    );
    HeartbeatResponse::default().with_error_code(errors::group_or_none(heard.err()))
}
