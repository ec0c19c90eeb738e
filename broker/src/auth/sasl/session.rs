//! One connection's authentication: exchanges in, a principal out.
//!
//! A connection authenticates once, and again before its session's end where
//! sessions have one (KIP-368). A session may be renewed only under the same
//! name by the same mechanism.

use std::sync::Arc;

use ring::hmac;

use super::{Mechanism, SaslSettings, ScramCredential, plain, scram};
use crate::auth::Principal;

/// Where SCRAM credentials are kept.
pub(crate) trait Credentials {
    fn scram(&self, mechanism: Mechanism, user: &str) -> Option<ScramCredential>;
}

/// Why a client was not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthenticationError {
    #[error("mechanism {asked} is not enabled")]
    Mechanism { asked: String },
    #[error("a token came before a handshake")]
    NoHandshake,
    #[error("a handshake came inside an exchange")]
    Unfinished,
    /// The one answer to an unknown user, a wrong password and a broken token.
    #[error("invalid credentials with SASL mechanism {mechanism}")]
    Credentials { mechanism: Mechanism, user: Option<String> },
    #[error("a session of {from} by {mechanism} cannot be renewed as another")]
    Changed { from: String, mechanism: Mechanism },
    #[error("a request came before the client had authenticated")]
    Unauthenticated,
    #[error("the session's time is over (connections.max.reauth.ms)")]
    Expired,
}

impl AuthenticationError {
    /// The name that was claimed, for the audit log.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Credentials { user, .. } => user.as_deref(),
            _ => None,
        }
    }
}

/// What a token led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The exchange goes on with this answer.
    Continue(Vec<u8>),
    /// The client is who it says. `lifetime_ms` is 0 where sessions do not end.
    Done { answer: Vec<u8>, lifetime_ms: u64 },
}

enum State {
    /// No exchange is under way.
    Idle,
    /// The client has named a mechanism.
    Begun(Mechanism),
    /// The client's first SCRAM message has been answered.
    Scram(Mechanism, Box<scram::Exchange>),
}

struct Identity {
    principal: Arc<Principal>,
    mechanism: Mechanism,
    expires_at_ms: Option<u64>,
}

/// What one connection has proved so far. After an error it must be closed.
pub(crate) struct SaslSession {
    settings: Arc<SaslSettings>,
    decoy_key: hmac::Key,
    state: State,
    identity: Option<Identity>,
}

impl SaslSession {
    /// `decoy_key` is any key that stays the same while the broker runs.
    pub(crate) fn new(settings: Arc<SaslSettings>, decoy_key: hmac::Key) -> Self {
        Self { settings, decoy_key, state: State::Idle, identity: None }
    }

    /// Whether any request may come, as far as is known.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.identity.is_some() && matches!(self.state, State::Idle)
    }

    /// The mechanisms that may be named.
    pub(crate) fn mechanisms(&self) -> &[Mechanism] {
        &self.settings.mechanisms
    }

    /// Who a request is from.
    pub(crate) fn principal(&self, now_ms: u64) -> Result<Arc<Principal>, AuthenticationError> {
        let identity = match &self.identity {
            Some(identity) if matches!(self.state, State::Idle) => identity,
            _ => return Err(AuthenticationError::Unauthenticated),
        };
        match identity.expires_at_ms {
            Some(end) if now_ms >= end => Err(AuthenticationError::Expired),
            _ => Ok(Arc::clone(&identity.principal)),
        }
    }

    /// The client names the mechanism of the exchange that it begins.
    pub(crate) fn handshake(&mut self, asked: &str) -> Result<(), AuthenticationError> {
        if !matches!(self.state, State::Idle) {
            return Err(AuthenticationError::Unfinished);
        }
        let enabled = |mechanism: &Mechanism| self.settings.mechanisms.contains(mechanism);
        match asked.parse::<Mechanism>().ok().filter(enabled) {
            Some(mechanism) => {
                self.state = State::Begun(mechanism);
                Ok(())
            }
            None => Err(AuthenticationError::Mechanism { asked: asked.chars().take(64).collect() }),
        }
    }

    /// The client's next token.
    pub(crate) fn token(
        &mut self,
        token: &[u8],
        credentials: &dyn Credentials,
        now_ms: u64,
    ) -> Result<Step, AuthenticationError> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Err(AuthenticationError::NoHandshake),
            State::Begun(mechanism @ Mechanism::Plain) => {
                let user = plain::verify(token, &self.settings.plain_users)
                    .map_err(|user| AuthenticationError::Credentials { mechanism, user })?;
                self.done(mechanism, user, Vec::new(), now_ms)
            }
            State::Begun(mechanism) => {
                let find = |user: &str| credentials.scram(mechanism, user);
                let (exchange, answer) = scram::begin(mechanism, token, find, &self.decoy_key)
                    .map_err(|refused| refusal(mechanism, refused))?;
                self.state = State::Scram(mechanism, Box::new(exchange));
                Ok(Step::Continue(answer.into_bytes()))
            }
            State::Scram(mechanism, exchange) => {
                let (user, answer) =
                    exchange.finish(token).map_err(|refused| refusal(mechanism, refused))?;
                self.done(mechanism, user, answer.into_bytes(), now_ms)
            }
        }
    }

    fn done(
        &mut self,
        mechanism: Mechanism,
        user: String,
        answer: Vec<u8>,
        now_ms: u64,
    ) -> Result<Step, AuthenticationError> {
        let principal = Principal::user(user);
        if let Some(before) = &self.identity
            && (*before.principal != principal || before.mechanism != mechanism)
        {
            return Err(AuthenticationError::Changed {
                from: before.principal.to_string(),
                mechanism: before.mechanism,
            });
        }
        let lifetime_ms = self.settings.session_lifetime.map(|time| time.as_millis() as u64);
        self.identity = Some(Identity {
            principal: Arc::new(principal),
            mechanism,
            expires_at_ms: lifetime_ms.map(|lifetime| now_ms.saturating_add(lifetime)),
        });
        Ok(Step::Done { answer, lifetime_ms: lifetime_ms.unwrap_or(0) })
    }
}

fn refusal(mechanism: Mechanism, refused: scram::Refused) -> AuthenticationError {
    AuthenticationError::Credentials { mechanism, user: refused.user }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::auth::Secret;

    struct NoCredentials;

    impl Credentials for NoCredentials {
        fn scram(&self, _: Mechanism, _: &str) -> Option<ScramCredential> {
            None
        }
    }

    fn session(lifetime: Option<Duration>) -> SaslSession {
        let users = [("alice", "a"), ("bob", "b")];
        let users = users.map(|(name, password)| (name.to_owned(), Secret::new(password)));
        let settings = SaslSettings {
            mechanisms: vec![Mechanism::Plain, Mechanism::ScramSha256],
            plain_users: BTreeMap::from(users),
            scram_users: BTreeMap::new(),
            session_lifetime: lifetime,
            failure_delay: Duration::ZERO,
            frame_bytes_max: 1000,
        };
        SaslSession::new(Arc::new(settings), hmac::Key::new(hmac::HMAC_SHA256, b"decoy"))
    }

    fn log_in(
        session: &mut SaslSession,
        token: &[u8],
        now_ms: u64,
    ) -> Result<Step, AuthenticationError> {
        session.handshake("PLAIN")?;
        session.token(token, &NoCredentials, now_ms)
    }

    #[test]
    fn nothing_is_let_through_before_the_exchange_is_over() {
        let mut session = session(None);
        assert_eq!(session.principal(0), Err(AuthenticationError::Unauthenticated));
        assert_eq!(
            session.token(b"\0alice\0a", &NoCredentials, 0),
            Err(AuthenticationError::NoHandshake)
        );
        session.handshake("SCRAM-SHA-256").unwrap();
        assert_eq!(session.principal(0), Err(AuthenticationError::Unauthenticated));
        let step = session.token(b"n,,n=alice,r=x", &NoCredentials, 0).unwrap();
        assert!(matches!(step, Step::Continue(_)));
        assert_eq!(session.principal(0), Err(AuthenticationError::Unauthenticated));
        assert_eq!(session.handshake("PLAIN"), Err(AuthenticationError::Unfinished));
        assert!(session.token(b"c=biws,r=x,p=", &NoCredentials, 0).is_err());
        assert_eq!(session.principal(0), Err(AuthenticationError::Unauthenticated));
    }

    #[test]
    fn a_mechanism_that_is_not_enabled_is_refused() {
        for asked in ["SCRAM-SHA-512", "GSSAPI", "plain", ""] {
            let error = session(None).handshake(asked).unwrap_err();
            assert_eq!(error, AuthenticationError::Mechanism { asked: asked.to_owned() });
        }
    }

    #[test]
    fn a_session_ends_when_its_time_is_over_and_not_when_it_is_renewed() {
        let mut session = session(Some(Duration::from_millis(100)));
        let done = Step::Done { answer: Vec::new(), lifetime_ms: 100 };
        assert_eq!(log_in(&mut session, b"\0alice\0a", 1000), Ok(done));
        assert_eq!(session.principal(1099).unwrap().to_string(), "User:alice");
        assert_eq!(session.principal(1100), Err(AuthenticationError::Expired));
        log_in(&mut session, b"\0alice\0a", 1100).unwrap();
        assert!(session.principal(1199).is_ok());
    }

    #[test]
    fn a_session_cannot_be_renewed_under_another_name() {
        let mut session = session(None);
        log_in(&mut session, b"\0alice\0a", 0).unwrap();
        let error = log_in(&mut session, b"\0bob\0b", 0).unwrap_err();
        assert!(matches!(error, AuthenticationError::Changed { .. }));
    }
}
