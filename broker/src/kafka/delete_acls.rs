//! DeleteAcls (31).

use std::sync::Arc;

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DeleteAclsRequest, DeleteAclsResponse,
        delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl},
    },
    protocol::StrBytes,
};

use super::{access::Access, acl_codec::RawFilter, errors};
use crate::{
    auth::{Acl, AclOperation},
    limits,
    node::Node,
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DeleteAclsRequest,
    access: &Access,
) -> DeleteAclsResponse {
    let refused = |code: ResponseError, message: &str| {
        DeleteAclsFilterResult::default()
            .with_error_code(code.code())
            .with_error_message(errors::message(&message))
    };
    let whole = if access.is_open() {
        Some((ResponseError::SecurityDisabled, errors::NO_AUTHORIZER))
    } else if !access.allows_cluster(AclOperation::Alter) {
        Some((ResponseError::ClusterAuthorizationFailed, errors::NOT_ALLOWED))
    } else {
        None
    };
    if let Some((code, message)) = whole {
        let results = request.filters.iter().map(|_| refused(code, message));
        return DeleteAclsResponse::default().with_filter_results(results.collect());
    }
    let read = |filter: &kafka_protocol::messages::delete_acls_request::DeleteAclsFilter| {
        RawFilter {
            resource: filter.resource_type_filter,
            name: filter.resource_name_filter.as_ref(),
            pattern: filter.pattern_type_filter,
            principal: filter.principal_filter.as_ref(),
            host: filter.host_filter.as_ref(),
            operation: filter.operation,
            permission: filter.permission_type,
        }
        .read()
    };
    let filters: Vec<_> = request.filters.iter().map(read).collect();
    // What several filters match is told for each.
    let image = node.image();
    let matched = filters.iter().flatten().flat_map(|filter| image.acls().matching(filter));
    if matched.take(limits::ACLS_MAX + 1).count() > limits::ACLS_MAX {
        let message = format!(
            "the filters match more than {} entries together: name fewer in a request",
            limits::ACLS_MAX
        );
        let results = filters.iter().map(|_| refused(ResponseError::PolicyViolation, &message));
        return DeleteAclsResponse::default().with_filter_results(results.collect());
    }
    let good = filters.iter().filter_map(|filter| filter.as_ref().ok().cloned()).collect();
    let deleted = node.controller.delete_acls(good).await;
    let mut found = deleted.as_ref().map_or_else(|_| [].iter(), |found| found.iter());
    let results = filters.iter().map(|filter| match (filter, &deleted) {
        (Err(message), _) => refused(ResponseError::InvalidRequest, message),
        (Ok(_), Err(error)) => refused(errors::controller(error), &error.to_string()),
        (Ok(_), Ok(_)) => {
            let acls = found.next().map_or(&[][..], Vec::as_slice);
            for acl in acls {
                tracing::info!(target: "longshore::audit", ?acl, "ACL deleted");
            }
            DeleteAclsFilterResult::default()
                .with_error_code(errors::NONE)
                .with_error_message(None)
                .with_matching_acls(acls.iter().map(matching).collect())
        }
    });
    DeleteAclsResponse::default().with_filter_results(results.collect())
}

fn matching(acl: &Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_error_code(errors::NONE)
        .with_error_message(None)
        .with_resource_type(acl.resource.number())
        .with_resource_name(StrBytes::from_string(acl.name.clone()))
        .with_pattern_type(acl.pattern.number())
        .with_principal(StrBytes::from_string(acl.principal.clone()))
        .with_host(StrBytes::from_string(acl.host.clone()))
        .with_operation(acl.operation.number())
        .with_permission_type(acl.permission.number())
}
