//! The answer to a request that has been begun, and what it keeps until its turn.

use std::{pin::Pin, sync::Arc};

use kafka_protocol::{
    messages::ApiKey,
    protocol::{Encodable, HeaderVersion},
};

use super::{
    connection::ConnectionError,
    response::{EncodeError, RequestId, Response},
};
use crate::{metrics::DelayedOperation, node::Node};

/// The answer to a request that has been begun.
pub(crate) enum Reply {
    /// It is there.
    Now(Response),
    /// It waits for something; it is awaited when its turn to be written comes.
    Later(Later),
    /// The client wants none (acks=0).
    Never,
    /// An answer, or none, after which the connection ends for this reason.
    Last(Box<(Option<Response>, ConnectionError)>),
}

/// An answer that is not there yet.
pub(crate) struct Later {
    pub(super) answer: Pin<Box<dyn Future<Output = Result<Response, EncodeError>> + Send>>,
    /// What it keeps beside a grant, where that may be much.
    bytes: usize,
    holds_memory: bool,
}

impl Reply {
    /// An answer that still waits for `message`.
    pub(super) fn later<M>(id: RequestId, message: impl Future<Output = M> + Send + 'static) -> Self
    where
        M: Encodable + HeaderVersion + Send + 'static,
    {
        Self::later_of(0, id, message)
    }

    /// The same, of a request of which it keeps so many bytes.
    pub(super) fn later_of<M>(
        bytes: usize,
        id: RequestId,
        message: impl Future<Output = M> + Send + 'static,
    ) -> Self
    where
        M: Encodable + HeaderVersion + Send + 'static,
    {
        let answer = Box::pin(async move { Response::encode(id, &message.await) });
        Reply::Later(Later { answer, bytes, holds_memory: false })
    }

    /// An answer that holds memory of requests while it waits.
    pub(super) fn holding(
        answer: impl Future<Output = Result<Response, EncodeError>> + Send + 'static,
    ) -> Self {
        Reply::Later(Later { answer: Box::pin(answer), bytes: 0, holds_memory: true })
    }

    /// The same, counted while it waits for what such requests wait for.
    pub(super) fn counted(self, node: &Node, key: ApiKey) -> Self {
        match (self, DelayedOperation::of(key)) {
            (Reply::Later(later), Some(operation)) => {
                let counts = Arc::clone(&node.metrics.under_way);
                let answer = Box::pin(counts.delay(operation, later.answer));
                Reply::Later(Later { answer, ..later })
            }
            (reply, _) => reply,
        }
    }

    /// Bytes that it keeps while others are answered before it, of which no grant knows.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Reply::Now(response) => response.bytes(),
            Reply::Later(later) => later.bytes,
            Reply::Never | Reply::Last(_) => 0,
        }
    }

    /// Whether it holds memory of requests while others are answered before it.
    pub(super) fn holds_memory(&self) -> bool {
        matches!(self, Reply::Later(Later { holds_memory: true, .. }))
    }
}
