//! Access control lists: who may do what with which resource.
//!
//! ```text
//! model.rs      operations, resources, patterns, entries, under Kafka's numbers
//! filter.rs     which entries a question or a deletion is about
//! set.rs        all entries, and the decision
//! authorizer.rs the decision with its exceptions from the configuration
//! ```
//!
//! None of it reads a clock, a socket or a file.

mod authorizer;
mod filter;
mod model;
mod set;

pub(crate) use authorizer::Authorizer;
pub use authorizer::AuthorizerSettings;
pub use filter::{AclFilter, PatternFilter};
pub(crate) use model::CLUSTER_NAME;
pub use model::{Acl, AclOperation, PatternType, Permission, ResourceType};
pub use set::AclSet;
