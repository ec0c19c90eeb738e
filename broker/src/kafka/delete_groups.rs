//! DeleteGroups (42).

use std::sync::Arc;

use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
};

use super::errors;
use crate::node::Node;

pub(super) async fn handle(node: &Arc<Node>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let results = request.groups_names.into_iter().map(|id| {
        let code = match node.groups.delete(&id) {
            Ok(()) => {
                tracing::info!(group = %id.as_str(), "group deleted");
                errors::NONE
            }
            Err(error) => errors::commit(&error).code(),
        };
        DeletableGroupResult::default().with_group_id(id).with_error_code(code)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
