//! ListGroups (16), filtered by state from v4 and by type from v5 on.

use std::sync::Arc;

use kafka_protocol::{
    messages::{GroupId, ListGroupsRequest, ListGroupsResponse, list_groups_response::ListedGroup},
    protocol::StrBytes,
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(
    node: &Arc<Node>,
    request: ListGroupsRequest,
    version: i16,
) -> ListGroupsResponse {
    let passes = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let groups = node
        .groups
        .list()
        .into_iter()
        .filter(|group| passes(&request.states_filter, group.state))
        .filter(|group| passes(&request.types_filter, group.group_type))
        .map(|listed| {
            let mut group = ListedGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(listed.id)))
                .with_protocol_type(StrBytes::from_string(listed.protocol_type));
            if version >= 4 {
                group = group.with_group_state(StrBytes::from_static_str(listed.state));
            }
            if version >= 5 {
                group = group.with_group_type(StrBytes::from_static_str(listed.group_type));
            }
            group
        });
    ListGroupsResponse::default().with_error_code(errors::NONE).with_groups(groups.collect())
}
