//! The decision with its exceptions from the configuration.

use std::collections::BTreeSet;

use super::{AclOperation, AclSet, ResourceType, set::Decision};

/// The authorizer's configuration, where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerSettings {
    /// `super.users`: principals that may do everything.
    pub super_users: BTreeSet<String>,
    /// `allow.everyone.if.no.acl.found`.
    pub allow_if_no_acl: bool,
}

/// Decides under a configuration.
#[derive(Debug)]
pub(crate) struct Authorizer {
    settings: AuthorizerSettings,
}

impl Authorizer {
    pub(crate) fn new(settings: AuthorizerSettings) -> Self {
        Self { settings }
    }

    /// Whether the operation may be done.
    pub(crate) fn authorize(
        &self,
        acls: &AclSet,
        (principal, host): (&str, &str),
        operation: AclOperation,
        (resource, name): (ResourceType, &str),
    ) -> bool {
        if self.settings.super_users.contains(principal) {
            return true;
        }
        match acls.decide(principal, host, operation, resource, name) {
            Decision::Allowed => true,
            Decision::Denied => false,
            Decision::NoEntry => self.settings.allow_if_no_acl,
        }
    }

    /// Whether the operation may be done on at least one resource of the type.
    pub(crate) fn authorize_somewhere(
        &self,
        acls: &AclSet,
        (principal, host): (&str, &str),
        operation: AclOperation,
        resource: ResourceType,
    ) -> bool {
        self.settings.super_users.contains(principal)
            || acls.allows_somewhere(principal, host, operation, resource)
            || (self.settings.allow_if_no_acl
                && !acls.denies_everywhere(principal, host, operation, resource))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    fn acl(
        operation: AclOperation,
        permission: Permission,
        name: &str,
        pattern: PatternType,
    ) -> Acl {
        Acl {
            resource: ResourceType::Topic,
            name: name.to_owned(),
            pattern,
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation,
            permission,
        }
    }

    fn authorizer(allow_if_no_acl: bool) -> Authorizer {
        let super_users = BTreeSet::from(["User:root".to_owned()]);
        Authorizer::new(AuthorizerSettings { super_users, allow_if_no_acl })
    }

    #[test]
    fn super_users_pass_even_a_denial_and_nobody_else_does() {
        let mut acls = AclSet::default();
        let mut denial = acl(AclOperation::All, Permission::Deny, "*", PatternType::Literal);
        denial.principal = "User:*".to_owned();
        acls.insert(denial);
        acls.insert(acl(AclOperation::Read, Permission::Allow, "t", PatternType::Literal));
        let allows = |principal| {
            let topic = (ResourceType::Topic, "t");
            authorizer(true).authorize(&acls, (principal, "::1"), AclOperation::Read, topic)
        };
        assert!(allows("User:root"));
        assert!(!allows("User:a"));
    }

    #[test]
    fn what_no_entry_speaks_of_is_allowed_only_where_the_configuration_says_so() {
        let mut acls = AclSet::default();
        acls.insert(acl(AclOperation::Read, Permission::Allow, "t", PatternType::Prefixed));
        let allows = |authorizer: Authorizer, name| {
            let topic = (ResourceType::Topic, name);
            authorizer.authorize(&acls, ("User:b", "::1"), AclOperation::Read, topic)
        };
        assert!(allows(authorizer(true), "other"));
        assert!(!allows(authorizer(false), "other"));
        assert!(!allows(authorizer(true), "topic"), "an entry of another speaks of it");
    }

    #[test]
    fn writing_somewhere_needs_an_entry_that_no_denial_covers() {
        use PatternType::{Literal, Prefixed};
        use Permission::{Allow, Deny};
        let write = AclOperation::Write;
        for (entries, allowed) in [
            (vec![], false),
            (vec![(Allow, "a", Literal)], true),
            (vec![(Allow, "a", Literal), (Deny, "a", Literal)], false),
            (vec![(Allow, "a", Literal), (Deny, "*", Literal)], false),
            (vec![(Allow, "ab", Literal), (Deny, "a", Prefixed)], false),
            (vec![(Allow, "a", Prefixed), (Deny, "ab", Prefixed)], true),
            (vec![(Allow, "ab", Prefixed), (Deny, "a", Prefixed)], false),
            (vec![(Allow, "*", Literal), (Deny, "a", Prefixed)], true),
        ] {
            let mut acls = AclSet::default();
            for (permission, name, pattern) in &entries {
                acls.insert(acl(write, *permission, name, *pattern));
            }
            let somewhere = authorizer(false).authorize_somewhere(
                &acls,
                ("User:a", "::1"),
                write,
                ResourceType::Topic,
            );
            assert_eq!(somewhere, allowed, "{entries:?}");
        }
    }
}
