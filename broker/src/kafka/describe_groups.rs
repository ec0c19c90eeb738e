//! DescribeGroups (15).

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
    },
    protocol::StrBytes,
};

use super::errors;
use crate::{group::GroupState, node::Node};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeGroupsRequest,
    version: i16,
) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| describe(node, id, version));
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(node: &Node, id: GroupId, version: i16) -> DescribedGroup {
    if let Err(error) = node.groups.check_readable(&id) {
        return DescribedGroup::default()
            .with_error_code(errors::group(error).code())
            .with_group_id(id);
    }
    let Some(group) = node.groups.describe(&id) else {
        // A group that is not there is a dead one, not an error, before v6.
        return DescribedGroup::default()
            .with_error_code(errors::NONE)
            .with_group_id(id)
            .with_group_state(StrBytes::from_static_str(GroupState::Dead.name()));
    };
    let stable = group.state == GroupState::Stable;
    let members = group.members.into_iter().map(|member| {
        let instance_id = member.instance_id.filter(|_| version >= 4).map(StrBytes::from_string);
        // Before the group is stable there is nothing that all agree on.
        let (metadata, assignment) = match stable {
            true => (member.metadata, member.assignment),
            false => Default::default(),
        };
        DescribedGroupMember::default()
            .with_member_id(StrBytes::from_string(member.id))
            .with_group_instance_id(instance_id)
            .with_client_id(StrBytes::from_string(member.client_id))
            .with_client_host(StrBytes::from_string(member.client_host))
            .with_member_metadata(metadata)
            .with_member_assignment(assignment)
    });
    let protocol = if stable { group.protocol } else { String::new() };
    DescribedGroup::default()
        .with_error_code(errors::NONE)
        .with_group_id(id)
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_protocol_data(StrBytes::from_string(protocol))
        .with_members(members.collect())
}
