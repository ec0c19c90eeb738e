//! A connection's way past its listener's authentication.
//!
//! Before a client has authenticated, only ApiVersions, SaslHandshake and
//! SaslAuthenticate are let in; anything else costs the connection, as in Kafka.

use std::{net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use kafka_protocol::messages::{ApiKey, SaslAuthenticateRequest, SaslHandshakeRequest};

use super::{
    Reply,
    connection::ConnectionError,
    decode,
    response::{RequestId, Response},
    sasl_authenticate, sasl_handshake,
};
use crate::{
    auth::{
        AuthenticationError, Credentials, Mechanism, Principal, SaslSession, ScramCredential, Step,
    },
    clock,
    controller::ClusterImage,
    kafka::Listener,
    node::Node,
};

/// What a connection has proved so far.
pub(super) struct Authentication {
    /// Who the client is where there is no SASL.
    principal: Arc<Principal>,
    sasl: Option<SaslSession>,
    /// After a SaslHandshake v0 tokens come without a request around them.
    raw_tokens: bool,
}

impl Credentials for ClusterImage {
    fn scram(&self, mechanism: Mechanism, user: &str) -> Option<ScramCredential> {
        self.scram_credential(mechanism, user).cloned()
    }
}

impl Authentication {
    pub(super) fn new(node: &Node, listener: &Listener, principal: Principal) -> Self {
        let session = |settings| SaslSession::new(Arc::clone(settings), node.decoy_key.clone());
        let sasl = listener.sasl.as_ref().map(session);
        Self { principal: Arc::new(principal), sasl, raw_tokens: false }
    }

    /// Whether any request may come.
    pub(super) fn is_done(&self) -> bool {
        self.sasl.as_ref().is_none_or(SaslSession::is_authenticated)
    }

    /// Whether the next frame is a token and no request.
    pub(super) fn expects_raw_token(&self) -> bool {
        self.raw_tokens && !self.is_done()
    }

    /// Who a request of this key is from, if it is let in.
    pub(super) fn admit(&self, key: ApiKey) -> Result<Arc<Principal>, AuthenticationError> {
        match (&self.sasl, key) {
            (None, _) => Ok(Arc::clone(&self.principal)),
            (Some(_), ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate) => {
                Ok(Arc::clone(&self.principal))
            }
            (Some(session), _) => session.principal(clock::monotonic_ms()),
        }
    }

    /// Answers SaslHandshake.
    pub(super) fn handshake(
        &mut self,
        id: RequestId,
        body: BytesMut,
    ) -> Result<Reply, ConnectionError> {
        let request: SaslHandshakeRequest = decode(ApiKey::SaslHandshake, id.api_version, body)?;
        let Some(session) = &mut self.sasl else {
            return Ok(Reply::Now(Response::encode(id, &sasl_handshake::illegal_state())?));
        };
        match session.handshake(&request.mechanism) {
            Ok(()) => {
                self.raw_tokens = id.api_version == 0;
                let response = sasl_handshake::accepted(session.mechanisms());
                Ok(Reply::Now(Response::encode(id, &response)?))
            }
            Err(error) => {
                let response = sasl_handshake::refused(&error, session.mechanisms());
                Ok(refusal(error, Some(Response::encode(id, &response)?)))
            }
        }
    }

    /// Answers SaslAuthenticate.
    pub(super) fn authenticate(
        &mut self,
        node: &Node,
        peer: SocketAddr,
        id: RequestId,
        body: BytesMut,
    ) -> Result<Reply, ConnectionError> {
        let request: SaslAuthenticateRequest =
            decode(ApiKey::SaslAuthenticate, id.api_version, body)?;
        let Some(session) = &mut self.sasl else {
            return Ok(Reply::Now(Response::encode(id, &sasl_authenticate::illegal_state())?));
        };
        match token(session, node, peer, &request.auth_bytes) {
            Ok(step) => {
                let response = sasl_authenticate::answer(step, id.api_version);
                Ok(Reply::Now(Response::encode(id, &response)?))
            }
            Err(error) => {
                let response = sasl_authenticate::refused(&error);
                Ok(refusal(error, Some(Response::encode(id, &response)?)))
            }
        }
    }

    /// Answers a token that came without a request around it.
    pub(super) fn raw_token(
        &mut self,
        node: &Node,
        peer: SocketAddr,
        bytes: &[u8],
    ) -> Result<Reply, ConnectionError> {
        let session = self.sasl.as_mut().expect("raw tokens follow a handshake of SASL");
        match token(session, node, peer, bytes) {
            Ok(Step::Continue(answer) | Step::Done { answer, .. }) => {
                Ok(Reply::Now(Response::raw(&answer)))
            }
            // There is no form to tell it in.
            Err(error) => Ok(refusal(error, None)),
        }
    }
}

fn token(
    session: &mut SaslSession,
    node: &Node,
    peer: SocketAddr,
    bytes: &[u8],
) -> Result<Step, AuthenticationError> {
    let image = node.image();
    let step = session.token(bytes, &*image, clock::monotonic_ms())?;
    if matches!(step, Step::Done { .. })
        && let Ok(principal) = session.principal(clock::monotonic_ms())
    {
        tracing::debug!(target: "longshore::audit", %peer, %principal, "authenticated");
    }
    Ok(step)
}

/// The last answer of a connection.
fn refusal(error: AuthenticationError, response: Option<Response>) -> Reply {
    Reply::Last(Box::new((response, ConnectionError::Authentication(error))))
}
