//! Which entries a question or a deletion is about.

use super::{Acl, AclOperation, PatternType, Permission, ResourceType, model::ANY_NAME};

/// How a filter's name is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternFilter {
    /// The entry's own name, whatever its pattern.
    Any,
    /// Every entry that speaks of a resource of this name.
    Match,
    /// The entry's own name, of this pattern.
    Exact(PatternType),
}

/// A filter; what is `None` is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// The kind of resource.
    pub resource: Option<ResourceType>,
    /// Its name.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: PatternFilter,
    /// The principal, as the entry has it.
    pub principal: Option<String>,
    /// The host, as the entry has it.
    pub host: Option<String>,
    /// The operation, as the entry has it.
    pub operation: Option<AclOperation>,
    /// The permission.
    pub permission: Option<Permission>,
}

impl AclFilter {
    /// Whether the filter is about this entry.
    pub fn matches(&self, acl: &Acl) -> bool {
        self.resource.is_none_or(|resource| resource == acl.resource)
            && self.matches_name(acl)
            && self.principal.as_ref().is_none_or(|principal| *principal == acl.principal)
            && self.host.as_ref().is_none_or(|host| *host == acl.host)
            && self.operation.is_none_or(|operation| operation == acl.operation)
            && self.permission.is_none_or(|permission| permission == acl.permission)
    }

    fn matches_name(&self, acl: &Acl) -> bool {
        if let PatternFilter::Exact(pattern) = self.pattern
            && pattern != acl.pattern
        {
            return false;
        }
        let Some(name) = &self.name else { return true };
        match (self.pattern, acl.pattern) {
            (PatternFilter::Match, PatternType::Prefixed) => name.starts_with(&acl.name),
            (PatternFilter::Match, PatternType::Literal) => {
                acl.name == *name || acl.name == ANY_NAME
            }
            _ => acl.name == *name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str, pattern: PatternType) -> Acl {
        Acl {
            resource: ResourceType::Topic,
            name: name.to_owned(),
            pattern,
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation: AclOperation::Read,
            permission: Permission::Allow,
        }
    }

    #[test]
    fn a_filter_finds_what_its_pattern_means_and_no_more() {
        let entries = [
            acl("orders", PatternType::Literal),
            acl("ord", PatternType::Prefixed),
            acl("*", PatternType::Literal),
            acl("orders", PatternType::Prefixed),
            acl("other", PatternType::Literal),
        ];
        let found = |name: Option<&str>, pattern| {
            let filter = AclFilter {
                resource: None,
                name: name.map(str::to_owned),
                pattern,
                principal: None,
                host: None,
                operation: None,
                permission: None,
            };
            (0..entries.len()).filter(|at| filter.matches(&entries[*at])).collect::<Vec<_>>()
        };
        assert_eq!(found(Some("orders"), PatternFilter::Match), [0, 1, 2, 3]);
        assert_eq!(found(Some("orders"), PatternFilter::Any), [0, 3]);
        assert_eq!(found(Some("orders"), PatternFilter::Exact(PatternType::Literal)), [0]);
        assert_eq!(found(Some("orders"), PatternFilter::Exact(PatternType::Prefixed)), [3]);
        assert_eq!(found(None, PatternFilter::Exact(PatternType::Prefixed)), [1, 3]);
        assert_eq!(found(None, PatternFilter::Any).len(), 5);
    }
}
