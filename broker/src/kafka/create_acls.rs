//! CreateAcls (30).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{CreateAclsRequest, CreateAclsResponse, create_acls_response::AclCreationResult},
};

use super::{access::Access, acl_codec, errors};
use crate::{auth::AclOperation, limits, node::Node};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: CreateAclsRequest,
    access: &Access,
) -> CreateAclsResponse {
    let refused = |code: ResponseError, message: &str| {
        AclCreationResult::default()
            .with_error_code(code.code())
            .with_error_message(errors::message(&message))
    };
    let whole = if access.is_open() {
        Some((ResponseError::SecurityDisabled, errors::NO_AUTHORIZER.to_owned()))
    } else if !access.allows_cluster(AclOperation::Alter) {
        Some((ResponseError::ClusterAuthorizationFailed, errors::NOT_ALLOWED.to_owned()))
    } else if node.image().acls().iter().count() + request.creations.len() > limits::ACLS_MAX {
        let message = format!("there would be more than {} entries", limits::ACLS_MAX);
        Some((ResponseError::PolicyViolation, message))
    } else {
        None
    };
    if let Some((code, message)) = whole {
        let results = request.creations.iter().map(|_| refused(code, &message));
        return CreateAclsResponse::default().with_results(results.collect());
    }
    let read = |creation: &kafka_protocol::messages::create_acls_request::AclCreation| {
        acl_codec::entry(
            (creation.resource_type, &creation.resource_name, creation.resource_pattern_type),
            (&creation.principal, &creation.host),
            (creation.operation, creation.permission_type),
        )
    };
    let entries: Vec<_> = request.creations.iter().map(read).collect();
    let good = entries.iter().filter_map(|entry| entry.as_ref().ok().cloned()).collect();
    let created = node.controller.create_acls(good).await;
    let results = entries.into_iter().map(|entry| match (entry, &created) {
        (Err(message), _) => refused(ResponseError::InvalidRequest, &message),
        (Ok(_), Err(error)) => refused(errors::controller(error), &error.to_string()),
        (Ok(acl), Ok(())) => {
            tracing::info!(target: "longshore::audit", ?acl, "ACL created");
            AclCreationResult::default().with_error_code(errors::NONE).with_error_message(None)
        }
    });
    CreateAclsResponse::default().with_results(results.collect())
}
