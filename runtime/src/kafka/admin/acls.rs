//! ACLs: which there are, added and removed. The entries are the broker's own
//! types, which carry Kafka's numbers.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;
pub use longshore_broker::auth::{
    Acl, AclFilter, AclOperation, PatternFilter, PatternType, Permission, ResourceType,
};

use super::AdminClient;
use super::answers::{check, text, unanswered};
use crate::kafka::error::ClientError;
use crate::kafka::net::{Lane, Target};

/// Kafka's number for "any" in filters.
const ANY: i8 = 1;
/// Kafka's number for "every pattern that is about this name".
const MATCH: i8 = 2;

fn pattern(filter: &AclFilter) -> i8 {
    match filter.pattern {
        PatternFilter::Any => ANY,
        PatternFilter::Match => MATCH,
        PatternFilter::Exact(pattern) => pattern.number(),
    }
}

impl AdminClient {
    /// The entries that a filter is about, in the broker's order.
    pub async fn acls(&self, filter: &AclFilter) -> Result<Vec<Acl>, ClientError> {
        self.cluster.retry(|| self.list_acls(filter)).await
    }

    async fn list_acls(&self, filter: &AclFilter) -> Result<Vec<Acl>, ClientError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(filter.resource.map_or(ANY, ResourceType::number))
            .with_resource_name_filter(filter.name.as_deref().map(text))
            .with_pattern_type_filter(pattern(filter))
            .with_principal_filter(filter.principal.as_deref().map(text))
            .with_host_filter(filter.host.as_deref().map(text))
            .with_operation(filter.operation.map_or(ANY, AclOperation::number))
            .with_permission_type(filter.permission.map_or(ANY, Permission::number));
        let answer = self.cluster.call(&Target::Any, Lane::Common, |_| request, None).await?;
        check("listing ACLs".into(), answer.error_code, answer.error_message.as_ref())?;
        let mut acls = Vec::new();
        for resource in answer.resources {
            for entry in resource.acls {
                let about =
                    (resource.resource_type, &resource.resource_name, resource.pattern_type);
                // What a newer Kafka has and we have no name for cannot be shown.
                acls.extend(acl(
                    about,
                    (&entry.principal, &entry.host),
                    (entry.operation, entry.permission_type),
                ));
            }
        }
        Ok(acls)
    }

    /// Adds entries; those that exist stay. The first that is refused is the
    /// error, others may have been added.
    pub async fn create_acls(&self, acls: &[Acl]) -> Result<(), ClientError> {
        self.cluster.retry(|| self.try_create_acls(acls)).await
    }

    async fn try_create_acls(&self, acls: &[Acl]) -> Result<(), ClientError> {
        let creations = acls.iter().map(|acl| {
            AclCreation::default()
                .with_resource_type(acl.resource.number())
                .with_resource_name(text(&acl.name))
                .with_resource_pattern_type(acl.pattern.number())
                .with_principal(text(&acl.principal))
                .with_host(text(&acl.host))
                .with_operation(acl.operation.number())
                .with_permission_type(acl.permission.number())
        });
        let request = CreateAclsRequest::default().with_creations(creations.collect());
        let answer =
            self.cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
        if answer.results.len() != acls.len() {
            return Err(unanswered("adding ACLs".into()));
        }
        for (acl, result) in acls.iter().zip(answer.results) {
            let what =
                format!("adding an ACL for {} of {:?} `{}`", acl.principal, acl.resource, acl.name);
            check(what, result.error_code, result.error_message.as_ref())?;
        }
        Ok(())
    }

    /// Removes every entry that one of the filters is about, and returns them.
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Acl>, ClientError> {
        self.cluster.retry(|| self.try_delete_acls(filters)).await
    }

    async fn try_delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Acl>, ClientError> {
        let what = || "removing ACLs".to_owned();
        let filters = filters.iter().map(|filter| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(filter.resource.map_or(ANY, ResourceType::number))
                .with_resource_name_filter(filter.name.as_deref().map(text))
                .with_pattern_type_filter(pattern(filter))
                .with_principal_filter(filter.principal.as_deref().map(text))
                .with_host_filter(filter.host.as_deref().map(text))
                .with_operation(filter.operation.map_or(ANY, AclOperation::number))
                .with_permission_type(filter.permission.map_or(ANY, Permission::number))
        });
        let request = DeleteAclsRequest::default().with_filters(filters.collect());
        let answer =
            self.cluster.call(&Target::Controller, Lane::Common, |_| request, None).await?;
        let mut removed = Vec::new();
        for result in answer.filter_results {
            check(what(), result.error_code, result.error_message.as_ref())?;
            for entry in result.matching_acls {
                check(what(), entry.error_code, entry.error_message.as_ref())?;
                let about = (entry.resource_type, &entry.resource_name, entry.pattern_type);
                removed.extend(acl(
                    about,
                    (&entry.principal, &entry.host),
                    (entry.operation, entry.permission_type),
                ));
            }
        }
        Ok(removed)
    }
}

fn acl(
    (resource, name, pattern): (i8, &StrBytes, i8),
    (principal, host): (&StrBytes, &StrBytes),
    (operation, permission): (i8, i8),
) -> Option<Acl> {
    Some(Acl {
        resource: ResourceType::from_number(resource)?,
        name: name.to_string(),
        pattern: PatternType::from_number(pattern)?,
        principal: principal.to_string(),
        host: host.to_string(),
        operation: AclOperation::from_number(operation)?,
        permission: Permission::from_number(permission)?,
    })
}
