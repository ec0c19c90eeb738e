//! What the client of a request may do.
//!
//! A snapshot of the lists is taken with the request, so that all of its
//! parts are judged alike. Every judgement has a line under the target
//! `longshore::audit`: what is denied at INFO, what is allowed at DEBUG.

use std::{net::SocketAddr, sync::Arc};

use super::{Client, bad_connections::LogLimit};
use crate::{
    auth::{AclOperation, AclSet, Authorizer, CLUSTER_NAME, ResourceType},
    node::Node,
};

/// One request's rights.
#[derive(Clone)]
pub(super) struct Access(Option<Arc<Judge>>);

struct Judge {
    authorizer: Arc<Authorizer>,
    acls: Arc<AclSet>,
    principal: String,
    host: String,
    peer: SocketAddr,
    lines: Arc<LogLimit>,
}

impl Access {
    pub(super) fn of(node: &Node, client: &Client) -> Self {
        Self(node.authorizer.as_ref().map(|authorizer| {
            Arc::new(Judge {
                authorizer: Arc::clone(authorizer),
                acls: Arc::clone(node.image().acls()),
                principal: client.principal.to_string(),
                host: client.peer.ip().to_canonical().to_string(),
                peer: client.peer,
                lines: Arc::clone(&node.denials),
            })
        }))
    }

    /// Whether there is no authorizer: everyone may do everything.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the client may do this, written into the audit log.
    pub(super) fn allows(
        &self,
        operation: AclOperation,
        resource: ResourceType,
        name: &str,
    ) -> bool {
        let Some(judge) = &self.0 else { return true };
        let allowed = judge.allows(operation, resource, name);
        let Judge { principal, peer, .. } = &**judge;
        if allowed {
            tracing::debug!(
                target: "longshore::audit", %principal, %peer, ?operation, ?resource, name, "allowed"
            );
        } else {
            judge.lines.line(|left_out| {
                tracing::info!(
                    target: "longshore::audit",
                    %principal, %peer, ?operation, ?resource, name, left_out, "denied"
                );
            });
        }
        allowed
    }

    /// The same for what is left out without a word if it is not allowed.
    pub(super) fn shows(
        &self,
        operation: AclOperation,
        resource: ResourceType,
        name: &str,
    ) -> bool {
        self.0.as_ref().is_none_or(|judge| judge.allows(operation, resource, name))
    }

    pub(super) fn allows_topic(&self, operation: AclOperation, name: &str) -> bool {
        self.allows(operation, ResourceType::Topic, name)
    }

    pub(super) fn allows_group(&self, operation: AclOperation, id: &str) -> bool {
        self.allows(operation, ResourceType::Group, id)
    }

    pub(super) fn allows_cluster(&self, operation: AclOperation) -> bool {
        self.allows(operation, ResourceType::Cluster, CLUSTER_NAME)
    }

    pub(super) fn allows_transactional_id(&self, operation: AclOperation, id: &str) -> bool {
        self.allows(operation, ResourceType::TransactionalId, id)
    }

    /// Whether a topic of this name may be created.
    pub(super) fn allows_creation(&self, name: &str) -> bool {
        self.shows(AclOperation::Create, ResourceType::Cluster, CLUSTER_NAME)
            || self.allows_topic(AclOperation::Create, name)
    }

    /// Whether ids for idempotent producers are given: to whom may write
    /// idempotently, or write to any topic at all (KIP-679).
    pub(super) fn allows_idempotence(&self) -> bool {
        let Some(judge) = &self.0 else { return true };
        let who = (judge.principal.as_str(), judge.host.as_str());
        let write = AclOperation::Write;
        judge.authorizer.authorize_somewhere(&judge.acls, who, write, ResourceType::Topic)
            || self.allows_cluster(AclOperation::IdempotentWrite)
    }

    /// The operations that are allowed on a resource, a bit for each by its number (KIP-430).
    pub(super) fn operations(&self, resource: ResourceType, name: &str) -> i32 {
        use AclOperation as Op;
        let possible: &[Op] = match resource {
            ResourceType::Topic => &[
                Op::Read,
                Op::Write,
                Op::Create,
                Op::Delete,
                Op::Alter,
                Op::Describe,
                Op::DescribeConfigs,
                Op::AlterConfigs,
            ],
            ResourceType::Group => {
                &[Op::Read, Op::Delete, Op::Describe, Op::DescribeConfigs, Op::AlterConfigs]
            }
            ResourceType::Cluster => &[
                Op::Create,
                Op::Alter,
                Op::Describe,
                Op::ClusterAction,
                Op::DescribeConfigs,
                Op::AlterConfigs,
                Op::IdempotentWrite,
            ],
            _ => &[Op::Describe, Op::Write],
        };
        let allowed = possible.iter().filter(|operation| self.shows(**operation, resource, name));
        allowed.fold(0, |bits, operation| bits | (1 << operation.number()))
    }
}

impl Judge {
    fn allows(&self, operation: AclOperation, resource: ResourceType, name: &str) -> bool {
        let who = (self.principal.as_str(), self.host.as_str());
        self.authorizer.authorize(&self.acls, who, operation, (resource, name))
    }
}
