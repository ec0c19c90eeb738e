//! ACLs between Kafka's numbers and ours, for the three APIs about them.

use kafka_protocol::protocol::StrBytes;

use crate::{
    auth::{
        Acl, AclFilter, AclOperation, CLUSTER_NAME, PatternFilter, PatternType, Permission,
        ResourceType,
    },
    limits,
};

const ANY: i8 = 1;
const PATTERN_MATCH: i8 = 2;

/// A filter's fields as they come.
pub(super) struct RawFilter<'a> {
    pub(super) resource: i8,
    pub(super) name: Option<&'a StrBytes>,
    pub(super) pattern: i8,
    pub(super) principal: Option<&'a StrBytes>,
    pub(super) host: Option<&'a StrBytes>,
    pub(super) operation: i8,
    pub(super) permission: i8,
}

impl RawFilter<'_> {
    pub(super) fn read(self) -> Result<AclFilter, String> {
        let owned = |text: Option<&StrBytes>| text.map(ToString::to_string);
        let pattern = match self.pattern {
            ANY => PatternFilter::Any,
            PATTERN_MATCH => PatternFilter::Match,
            number => PatternFilter::Exact(
                PatternType::from_number(number).ok_or_else(|| unknown("pattern type", number))?,
            ),
        };
        Ok(AclFilter {
            resource: any_or(self.resource, "resource type", ResourceType::from_number)?,
            name: owned(self.name),
            pattern,
            principal: owned(self.principal),
            host: owned(self.host),
            operation: any_or(self.operation, "operation", AclOperation::from_number)?,
            permission: any_or(self.permission, "permission", Permission::from_number)?,
        })
    }
}

fn unknown(what: &str, number: i8) -> String {
    format!("{number} is the number of no {what}")
}

fn any_or<T>(
    number: i8,
    what: &str,
    from: impl FnOnce(i8) -> Option<T>,
) -> Result<Option<T>, String> {
    match number {
        ANY => Ok(None),
        number => from(number).map(Some).ok_or_else(|| unknown(what, number)),
    }
}

/// An entry as it comes to be created.
pub(super) fn entry(
    (resource, name, pattern): (i8, &str, i8),
    (principal, host): (&str, &str),
    (operation, permission): (i8, i8),
) -> Result<Acl, String> {
    let resource =
        ResourceType::from_number(resource).ok_or_else(|| unknown("resource type", resource))?;
    let pattern =
        PatternType::from_number(pattern).ok_or_else(|| unknown("pattern type", pattern))?;
    let operation =
        AclOperation::from_number(operation).ok_or_else(|| unknown("operation", operation))?;
    let permission =
        Permission::from_number(permission).ok_or_else(|| unknown("permission", permission))?;
    if name.is_empty() {
        return Err("the resource has no name".to_owned());
    }
    if resource == ResourceType::Cluster && name != CLUSTER_NAME {
        return Err(format!("the only resource of type cluster is `{CLUSTER_NAME}`"));
    }
    if !principal.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty()) {
        return Err("a principal has the form User:NAME".to_owned());
    }
    if host.is_empty() {
        return Err("the host is empty: use * for every host".to_owned());
    }
    if [name, principal, host].iter().any(|text| text.len() > limits::PRINCIPAL_BYTES_MAX) {
        return Err(format!("a name is longer than {} bytes", limits::PRINCIPAL_BYTES_MAX));
    }
    Ok(Acl {
        resource,
        name: name.to_owned(),
        pattern,
        principal: principal.to_owned(),
        host: host.to_owned(),
        operation,
        permission,
    })
}
