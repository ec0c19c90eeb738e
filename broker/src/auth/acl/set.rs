//! All entries, and the decision over them.

use std::collections::{BTreeSet, HashMap};

use super::{Acl, AclFilter, AclOperation, PatternType, Permission, ResourceType, model::ANY_NAME};

/// Entries by the name that they have.
type ByName = HashMap<String, Vec<Acl>>;

/// What the entries say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// An entry allows it and none denies it.
    Allowed,
    /// An entry denies it, or those that there are do not allow it.
    Denied,
    /// No entry speaks of the resource at all.
    NoEntry,
}

/// Every entry of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclSet {
    entries: BTreeSet<Acl>,
    literal: HashMap<ResourceType, ByName>,
    prefixed: HashMap<ResourceType, ByName>,
}

impl AclSet {
    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Acl> {
        self.entries.iter()
    }

    /// The entries that a filter is about.
    pub fn matching(&self, filter: &AclFilter) -> impl Iterator<Item = &Acl> {
        self.entries.iter().filter(|acl| filter.matches(acl))
    }

    /// Whether there is such an entry.
    pub fn contains(&self, acl: &Acl) -> bool {
        self.entries.contains(acl)
    }

    pub(crate) fn insert(&mut self, acl: Acl) {
        if self.entries.insert(acl.clone()) {
            self.side_mut(&acl).entry(acl.name.clone()).or_default().push(acl);
        }
    }

    pub(crate) fn remove(&mut self, acl: &Acl) {
        if !self.entries.remove(acl) {
            return;
        }
        let side = self.side_mut(acl);
        if let Some(entries) = side.get_mut(&acl.name) {
            entries.retain(|entry| entry != acl);
            if entries.is_empty() {
                side.remove(&acl.name);
            }
        }
    }

    fn side_mut(&mut self, acl: &Acl) -> &mut ByName {
        let sides = match acl.pattern {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        };
        sides.entry(acl.resource).or_default()
    }

    /// The entries that speak of a resource. A look-up for each prefix of the
    /// name, however many entries there are.
    fn about<'a>(&'a self, resource: ResourceType, name: &'a str) -> impl Iterator<Item = &'a Acl> {
        let literal = self.literal.get(&resource);
        let wildcard = literal.filter(|_| name != ANY_NAME).and_then(|by| by.get(ANY_NAME));
        let exact = literal.and_then(|by| by.get(name));
        let prefixed = self.prefixed.get(&resource).filter(|by| !by.is_empty());
        let prefixes = prefixed.into_iter().flat_map(move |by| {
            let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.filter_map(move |end| by.get(&name[..end]))
        });
        exact.into_iter().chain(wildcard).chain(prefixes).flatten()
    }

    /// What the entries say about an operation. A denial wins over whatever is allowed.
    pub(crate) fn decide(
        &self,
        principal: &str,
        host: &str,
        operation: AclOperation,
        resource: ResourceType,
        name: &str,
    ) -> Decision {
        let mut any = false;
        let mut allowed = false;
        for acl in self.about(resource, name) {
            any = true;
            if acl.settles(operation) && acl.is_about(principal, host) {
                match acl.permission {
                    Permission::Deny => return Decision::Denied,
                    Permission::Allow => allowed = true,
                }
            }
        }
        match (allowed, any) {
            (true, _) => Decision::Allowed,
            (false, true) => Decision::Denied,
            (false, false) => Decision::NoEntry,
        }
    }

    /// Whether the operation is allowed on at least one name that there could
    /// be: some entry allows it, and no denial covers all that this entry allows.
    pub(crate) fn allows_somewhere(
        &self,
        principal: &str,
        host: &str,
        operation: AclOperation,
        resource: ResourceType,
    ) -> bool {
        let speaks = |acl: &&Acl| {
            acl.resource == resource && acl.settles(operation) && acl.is_about(principal, host)
        };
        let denials: Vec<&Acl> =
            self.iter().filter(speaks).filter(|acl| acl.permission == Permission::Deny).collect();
        let covered = |allowed: &Acl| denials.iter().any(|denial| covers(denial, allowed));
        self.iter().filter(speaks).any(|acl| acl.permission == Permission::Allow && !covered(acl))
    }

    /// Whether a denial covers every name of the type.
    pub(crate) fn denies_everywhere(
        &self,
        principal: &str,
        host: &str,
        operation: AclOperation,
        resource: ResourceType,
    ) -> bool {
        self.iter().any(|acl| {
            acl.resource == resource
                && acl.permission == Permission::Deny
                && acl.pattern == PatternType::Literal
                && acl.name == ANY_NAME
                && acl.settles(operation)
                && acl.is_about(principal, host)
        })
    }
}

/// Whether every name that `inner` speaks of is one that `outer` speaks of.
fn covers(outer: &Acl, inner: &Acl) -> bool {
    match (outer.pattern, inner.pattern) {
        (PatternType::Literal, _) if outer.name == ANY_NAME => true,
        (PatternType::Literal, PatternType::Literal) => outer.name == inner.name,
        (PatternType::Literal, PatternType::Prefixed) => false,
        (PatternType::Prefixed, PatternType::Literal) if inner.name == ANY_NAME => false,
        (PatternType::Prefixed, _) => inner.name.starts_with(&outer.name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pick<T: Copy + std::fmt::Debug>(values: &'static [T]) -> impl Strategy<Value = T> {
        (0..values.len()).prop_map(move |at| values[at])
    }

    const NAMES: &[&str] = &["a", "ab", "abc", "b", "*", "ä", "äb"];
    const PRINCIPALS: &[&str] = &["User:a", "User:b", "User:*", "Other:a"];
    const HOSTS: &[&str] = &["*", "::1", "10.0.0.1"];
    const RESOURCES: &[ResourceType] = &[ResourceType::Topic, ResourceType::Group];

    fn entry() -> impl Strategy<Value = Acl> {
        (
            (pick(RESOURCES), pick(NAMES), pick(PatternType::ALL)),
            (pick(PRINCIPALS), pick(HOSTS)),
            (pick(AclOperation::ALL), pick(Permission::ALL)),
        )
            .prop_map(
                |((resource, name, pattern), (principal, host), (operation, permission))| Acl {
                    resource,
                    name: name.to_owned(),
                    pattern,
                    principal: principal.to_owned(),
                    host: host.to_owned(),
                    operation,
                    permission,
                },
            )
    }

    /// The rules read off Kafka's documentation, over a plain list.
    fn naive(
        entries: &[Acl],
        (principal, host): (&str, &str),
        operation: AclOperation,
        (resource, name): (ResourceType, &str),
    ) -> Decision {
        use AclOperation as Op;
        let about: Vec<&Acl> = entries
            .iter()
            .filter(|acl| acl.resource == resource)
            .filter(|acl| match acl.pattern {
                PatternType::Literal => acl.name == name || acl.name == "*",
                PatternType::Prefixed => name.starts_with(&acl.name),
            })
            .collect();
        let mine = |acl: &&&Acl| {
            let everyone = acl.principal == "User:*" && principal.split(':').next() == Some("User");
            (acl.principal == principal || everyone) && (acl.host == host || acl.host == "*")
        };
        let of = |permission, operations: &[Op]| {
            about
                .iter()
                .filter(mine)
                .any(|acl| acl.permission == permission && operations.contains(&acl.operation))
        };
        let allowing: &[Op] = match operation {
            Op::Describe => &[Op::Describe, Op::Read, Op::Write, Op::Delete, Op::Alter, Op::All],
            Op::DescribeConfigs => &[Op::DescribeConfigs, Op::AlterConfigs, Op::All],
            _ => &[operation, Op::All],
        };
        if of(Permission::Deny, &[operation, Op::All]) {
            Decision::Denied
        } else if of(Permission::Allow, allowing) {
            Decision::Allowed
        } else if about.is_empty() {
            Decision::NoEntry
        } else {
            Decision::Denied
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn decisions_are_those_of_the_documentation(
            entries in prop::collection::vec(entry(), 0..12),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            principal in pick(&["User:a", "User:b", "Other:a"]),
            host in pick(&["::1", "10.0.0.1"]),
            operation in pick(AclOperation::ALL),
            resource in pick(RESOURCES),
            name in pick(&["a", "ab", "abc", "abcd", "b", "äb", "x"]),
        ) {
            let mut left = entries.clone();
            let mut set = AclSet::default();
            entries.iter().cloned().for_each(|acl| set.insert(acl));
            for index in removed {
                if left.is_empty() { break }
                let acl = left[index.index(left.len())].clone();
                left.retain(|entry| *entry != acl);
                set.remove(&acl);
            }
            let decided = set.decide(principal, host, operation, resource, name);
            prop_assert_eq!(decided, naive(&left, (principal, host), operation, (resource, name)));
            // What is allowed on a name is allowed somewhere.
            if decided == Decision::Allowed {
                prop_assert!(set.allows_somewhere(principal, host, operation, resource));
            }
            // And a set is its entries, however it came about.
            let mut again = AclSet::default();
            left.iter().cloned().for_each(|acl| again.insert(acl));
            prop_assert!(again.iter().eq(set.iter()));
        }
    }
}
