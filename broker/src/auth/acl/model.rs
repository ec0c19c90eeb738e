//! Operations, resources, patterns and entries, under Kafka's names and numbers.

use serde::{Deserialize, Serialize};

/// Defines an enum with Kafka's number for each of its values.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$value_doc])* $value = $number,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value,)*];

            /// The value of this number.
            pub fn from_number(number: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.number() == number)
            }

            /// Kafka's number for it.
            pub fn number(self) -> i8 {
                self as i8
            }
        }
    };
}

numbered! {
    /// A kind of resource.
    ResourceType {
        /// A topic, by name.
        Topic = 2,
        /// A group, by id.
        Group = 3,
        /// The one cluster.
        Cluster = 4,
        /// A transactional id.
        TransactionalId = 5,
        /// A delegation token; kept, though there are none here.
        DelegationToken = 6,
        /// A user whose tokens another may make; kept, though there are none here.
        User = 7,
    }
}

numbered! {
    /// How the name of an entry is meant.
    PatternType {
        /// This name; `*` is every name.
        Literal = 3,
        /// Every name that begins so.
        Prefixed = 4,
    }
}

numbered! {
    /// What may be done.
    AclOperation {
        /// Everything.
        All = 2,
        /// Read records, or be a member of a group.
        Read = 3,
        /// Write records.
        Write = 4,
        /// Create.
        Create = 5,
        /// Delete.
        Delete = 6,
        /// Change.
        Alter = 7,
        /// Know of it.
        Describe = 8,
        /// What brokers do among each other.
        ClusterAction = 9,
        /// Read configurations.
        DescribeConfigs = 10,
        /// Change configurations.
        AlterConfigs = 11,
        /// Produce idempotently.
        IdempotentWrite = 12,
        /// Make delegation tokens.
        CreateTokens = 13,
        /// Know of delegation tokens.
        DescribeTokens = 14,
        /// Take part in transactions of two phases.
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// What an entry says.
    Permission {
        /// It must not be done, whatever else is allowed.
        Deny = 2,
        /// It may be done.
        Allow = 3,
    }
}

/// The name of the only resource of type cluster.
pub(crate) const CLUSTER_NAME: &str = "kafka-cluster";

/// Every name, of a literal pattern.
pub(crate) const ANY_NAME: &str = "*";

/// Every host.
pub(crate) const ANY_HOST: &str = "*";

/// Everyone of the kind `User`.
const ANY_USER: &str = "User:*";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Acl {
    /// What kind of resource it is about.
    pub resource: ResourceType,
    /// The resource's name, its beginning, or `*`.
    pub name: String,
    /// How the name is meant.
    pub pattern: PatternType,
    /// Whom it is about, `User:alice` or `User:*`.
    pub principal: String,
    /// From which address, or `*`.
    pub host: String,
    /// What it is about.
    pub operation: AclOperation,
    /// What it says.
    pub permission: Permission,
}

impl Acl {
    /// Whether the entry speaks of this principal at this host.
    pub(super) fn is_about(&self, principal: &str, host: &str) -> bool {
        (self.principal == principal
            || (self.principal == ANY_USER && principal.starts_with("User:")))
            && (self.host == host || self.host == ANY_HOST)
    }

    /// Whether the entry settles this operation. What is allowed may imply
    /// more: who may read, write, delete or alter may know of it, and who may
    /// alter configurations may read them. What is denied implies nothing.
    pub(super) fn settles(&self, operation: AclOperation) -> bool {
        use AclOperation::{
            All, Alter, AlterConfigs, Delete, Describe, DescribeConfigs, Read, Write,
        };
        let implied = match operation {
            Describe => matches!(self.operation, Read | Write | Delete | Alter),
            DescribeConfigs => self.operation == AlterConfigs,
            _ => false,
        };
        self.operation == operation
            || self.operation == All
            || (self.permission == Permission::Allow && implied)
    }
}
