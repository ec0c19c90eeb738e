//! SyncGroup (14).

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::{
    error::ResponseError,
    messages::{SyncGroupRequest, SyncGroupResponse},
    protocol::StrBytes,
};

use super::{Reply, errors, response::RequestId};
use crate::{
    group::{SyncAnswer, SyncRequest},
    node::Node,
};

pub(super) fn handle(node: &Arc<Node>, request: SyncGroupRequest, id: RequestId) -> Reply {
    let version = id.api_version;
    if !errors::is_group_id(&request.group_id) {
        return Reply::later(id, async { refuse(ResponseError::InvalidGroupId) });
    }
    // The frame that assignments are slices of must not live as long as the group.
    let assignments = request.assignments.into_iter().map(|assignment| {
        (assignment.member_id.to_string(), Bytes::copy_from_slice(&assignment.assignment))
    });
    let sync = SyncRequest {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.map(|id| id.to_string()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.map(|name| name.to_string()),
        protocol: request.protocol_name.map(|name| name.to_string()),
        assignments: assignments.collect(),
    };
    let answer = node.groups.sync(&request.group_id, sync);
    Reply::later(id, async move {
        match answer.await {
            Ok(answer) => respond(answer, version),
            // The group was dropped with its waiting requests.
            Err(_) => refuse(ResponseError::CoordinatorNotAvailable),
        }
    })
}

fn refuse(code: ResponseError) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.code())
}

fn respond(answer: SyncAnswer, version: i16) -> SyncGroupResponse {
    let response = SyncGroupResponse::default()
        .with_error_code(errors::group_or_none(answer.error))
        .with_assignment(answer.assignment);
    match version {
        5.. => response
            .with_protocol_type(answer.protocol_type.map(StrBytes::from_string))
            .with_protocol_name(answer.protocol.map(StrBytes::from_string)),
        _ => response,
    }
}
