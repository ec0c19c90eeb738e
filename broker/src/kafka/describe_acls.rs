//! DescribeAcls (29).

use std::{collections::BTreeMap, sync::Arc};

use kafka_protocol::{
    error::ResponseError,
    messages::{
        DescribeAclsRequest, DescribeAclsResponse,
        describe_acls_response::{AclDescription, DescribeAclsResource},
    },
    protocol::StrBytes,
};

use super::{access::Access, acl_codec::RawFilter, errors};
use crate::{auth::AclOperation, node::Node};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: DescribeAclsRequest,
    access: &Access,
) -> DescribeAclsResponse {
    let refuse = |code: ResponseError, message: &str| {
        DescribeAclsResponse::default()
            .with_error_code(code.code())
            .with_error_message(errors::message(&message))
    };
    if access.is_open() {
        return refuse(ResponseError::SecurityDisabled, errors::NO_AUTHORIZER);
    }
    if !access.allows_cluster(AclOperation::Describe) {
        return refuse(ResponseError::ClusterAuthorizationFailed, errors::NOT_ALLOWED);
    }
    let filter = RawFilter {
        resource: request.resource_type_filter,
        name: request.resource_name_filter.as_ref(),
        pattern: request.pattern_type_filter,
        principal: request.principal_filter.as_ref(),
        host: request.host_filter.as_ref(),
        operation: request.operation,
        permission: request.permission_type,
    };
    let filter = match filter.read() {
        Ok(filter) => filter,
        Err(message) => return refuse(ResponseError::InvalidRequest, &message),
    };
    let image = node.image();
    let mut resources: BTreeMap<_, Vec<AclDescription>> = BTreeMap::new();
    for acl in image.acls().matching(&filter) {
        let description = AclDescription::default()
            .with_principal(StrBytes::from_string(acl.principal.clone()))
            .with_host(StrBytes::from_string(acl.host.clone()))
            .with_operation(acl.operation.number())
            .with_permission_type(acl.permission.number());
        resources.entry((acl.resource, acl.pattern, &acl.name)).or_default().push(description);
    }
    let resources = resources.into_iter().map(|((resource, pattern, name), acls)| {
        DescribeAclsResource::default()
            .with_resource_type(resource.number())
            .with_resource_name(StrBytes::from_string(name.clone()))
            .with_pattern_type(pattern.number())
            .with_acls(acls)
    });
    DescribeAclsResponse::default()
        .with_error_code(errors::NONE)
        .with_error_message(None)
        .with_resources(resources.collect())
}
