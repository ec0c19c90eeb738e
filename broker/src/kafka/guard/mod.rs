//! Who may send which request, and what is left of it for those who may not
//! do all that it asks (Kafka's own rules).
//!
//! ```text
//! topics.rs        records, offsets and partitions
//! administration.rs  topics as such, configurations, the cluster
//! groups.rs        groups and their offsets
//! transactions.rs  transactional producers
//! ```
//!
//! A handler never sees what its client may not do: the guard takes it out of
//! the request before, and puts the refusal into the answer after. A request
//! without a rule does not compile into [`answer`]. The handlers that build
//! their answers themselves (Produce, Fetch, OffsetCommit) ask [`Access`]
//! on their own; groups' are refused whole by [`refuse_whole`].

mod administration;
mod groups;
mod topics;
mod transactions;

use bytes::BytesMut;
use kafka_protocol::{
    error::ResponseError,
    messages::{ApiKey, ConsumerGroupHeartbeatRequest, JoinGroupRequest, SyncGroupRequest},
    protocol::{Encodable, HeaderVersion, Request},
};

use super::{
    Reply,
    access::Access,
    connection::ConnectionError,
    decode,
    distinct::Distinct,
    response::{RequestId, Response},
};
use crate::node::Node;

/// What puts refusals into an answer.
type Patch<R> = Box<dyn FnOnce(&mut R) + Send>;

/// What becomes of a request.
pub(super) enum Verdict<R> {
    /// It is handled as it is left, and so is its answer.
    Pass,
    /// It is handled as it is left; its answer is completed.
    Patch(Patch<R>),
    /// This is the answer.
    Refuse(R),
}

impl<R> Verdict<R> {
    fn patch(patch: impl FnOnce(&mut R) + Send + 'static) -> Self {
        Self::Patch(Box::new(patch))
    }

    /// Completes the answer with refusals, if there are any.
    fn refusing<T: Send + 'static>(
        refused: Vec<T>,
        patch: impl FnOnce(&mut R, Vec<T>) + Send + 'static,
    ) -> Self {
        match refused.is_empty() {
            true => Self::Pass,
            false => Self::patch(move |response| patch(response, refused)),
        }
    }
}

/// What a rule may look at beside the request.
pub(super) struct Context<'a> {
    pub(super) node: &'a Node,
    pub(super) access: &'a Access,
    pub(super) version: i16,
}

/// A request with a rule about who may send it.
#[diagnostic::on_unimplemented(
    message = "there is no rule about who may send `{Self}`",
    note = "implement `Guarded` for it in kafka/guard"
)]
pub(super) trait Guarded: Request {
    /// Takes out of the request what its client may not do.
    fn judge(&mut self, context: &Context<'_>) -> Verdict<Self::Response>;
}

/// Handles a request, without what it repeats, as far as its client may ask for it.
pub(super) async fn answer<M, F>(
    id: RequestId,
    node: &Node,
    access: &Access,
    mut request: M,
    handle: impl FnOnce(M) -> F,
) -> Result<Reply, ConnectionError>
where
    M: Guarded + Distinct,
    M::Response: Encodable + HeaderVersion,
    F: Future<Output = M::Response>,
{
    request.make_distinct();
    let context = Context { node, access, version: id.api_version };
    let response = match request.judge(&context) {
        Verdict::Refuse(response) => response,
        Verdict::Pass => Box::pin(handle(request)).await,
        Verdict::Patch(patch) => {
            let mut response = Box::pin(handle(request)).await;
            patch(&mut response);
            response
        }
    };
    Ok(Reply::Now(Response::encode(id, &response)?))
}

/// The refusal of a request whose handler builds its answer itself and that
/// is allowed as a whole or not at all.
pub(super) fn refuse_whole(
    node: &Node,
    access: &Access,
    key: ApiKey,
    id: RequestId,
    body: &BytesMut,
) -> Result<Option<Reply>, ConnectionError> {
    if access.is_open() {
        return Ok(None);
    }
    match key {
        ApiKey::JoinGroup => whole::<JoinGroupRequest>(node, access, key, id, body),
        ApiKey::SyncGroup => whole::<SyncGroupRequest>(node, access, key, id, body),
        ApiKey::ConsumerGroupHeartbeat => {
            whole::<ConsumerGroupHeartbeatRequest>(node, access, key, id, body)
        }
        _ => Ok(None),
    }
}

fn whole<M: Guarded>(
    node: &Node,
    access: &Access,
    key: ApiKey,
    id: RequestId,
    body: &BytesMut,
) -> Result<Option<Reply>, ConnectionError>
where
    M::Response: Encodable + HeaderVersion,
{
    let mut request: M = decode(key, id.api_version, body.clone())?;
    let context = Context { node, access, version: id.api_version };
    Ok(match request.judge(&context) {
        Verdict::Refuse(response) => Some(Reply::Now(Response::encode(id, &response)?)),
        _ => None,
    })
}

/// Takes out what is not to be kept, in order.
fn withhold<T>(items: &mut Vec<T>, keep: impl FnMut(&T) -> bool) -> Vec<T> {
    let (kept, refused) = std::mem::take(items).into_iter().partition(keep);
    *items = kept;
    refused
}

const TOPIC: i16 = ResponseError::TopicAuthorizationFailed.code();
const GROUP: i16 = ResponseError::GroupAuthorizationFailed.code();
const CLUSTER: i16 = ResponseError::ClusterAuthorizationFailed.code();
const TRANSACTIONAL_ID: i16 = ResponseError::TransactionalIdAuthorizationFailed.code();
