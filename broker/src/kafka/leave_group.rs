//! LeaveGroup (13): one member, or from v3 on several.

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse},
};

use super::errors;
use crate::{group::LeavingMember, node::Node};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: LeaveGroupRequest,
    version: i16,
) -> LeaveGroupResponse {
    if !errors::is_group_id(&request.group_id) {
        let code = ResponseError::InvalidGroupId.code();
        return LeaveGroupResponse::default().with_error_code(code);
    }
    if version < 3 {
        let leaving = LeavingMember { member_id: request.member_id.to_string(), instance_id: None };
        let left = node.groups.leave(&request.group_id, &leaving);
        return LeaveGroupResponse::default().with_error_code(errors::group_or_none(left.err()));
    }
    let members = request.members.into_iter().map(|member| {
        let leaving = LeavingMember {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        };
        let left = node.groups.leave(&request.group_id, &leaving);
        MemberResponse::default()
            .with_error_code(errors::group_or_none(left.err()))
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
    });
    LeaveGroupResponse::default().with_error_code(errors::NONE).with_members(members.collect())
}
