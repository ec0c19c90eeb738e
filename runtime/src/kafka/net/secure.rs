//! TLS and SASL around a connection.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use longshore_broker::auth::Mechanism;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::{limits, refused};
use crate::kafka::error::ClientError;
use crate::kafka::security::{Exchange, SaslSettings, Security, client_config};

/// How the connections of one cluster are protected, certificates read.
pub(super) struct Secured {
    tls: Option<TlsConnector>,
    pub(super) sasl: Option<SaslSettings>,
}

pub(super) type Reader = Box<dyn AsyncRead + Unpin + Send>;
pub(super) type Writer = Box<dyn AsyncWrite + Unpin + Send>;

impl Secured {
    pub(super) fn new(security: &Security) -> Result<Self, ClientError> {
        let tls = security.tls.as_ref().map(client_config).transpose()?;
        Ok(Self { tls: tls.map(TlsConnector::from), sasl: security.sasl.clone() })
    }

    /// The two halves of what requests are written to: the socket, or TLS over it.
    pub(super) async fn halves(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> Result<(Reader, Writer), ClientError> {
        let Some(tls) = &self.tls else {
            let (read, write) = stream.into_split();
            return Ok((Box::new(read), Box::new(write)));
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| ClientError::Tls {
            address: address.into(),
            reason: format!("`{host}` is no name that a certificate may hold: {error}"),
        })?;
        match tls.connect(name, stream).await {
            Ok(stream) => {
                let (read, write) = tokio::io::split(stream);
                Ok((Box::new(read), Box::new(write)))
            }
            // What rustls found wrong is wrapped; the rest is the socket's.
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                Err(ClientError::Tls { address: address.into(), reason: tls_reason(&error) })
            }
            Err(error) => Err(ClientError::Disconnected {
                address: address.into(),
                reason: format!("during the TLS handshake: {error}"),
            }),
        }
    }
}

fn tls_reason(error: &std::io::Error) -> String {
    use rustls::Error as E;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<E>()) {
        Some(E::InvalidMessage(_)) => {
            "it does not answer in TLS; is `security.protocol` that of its listener?".to_owned()
        }
        Some(E::InvalidCertificate(_)) => format!(
            "{error}; `ssl.ca.location` names the authorities that are trusted, and the address \
             must be one that the certificate names"
        ),
        _ => error.to_string(),
    }
}

/// Proves who the client is. How long the broker lets the session last, if not
/// for ever (KIP-368).
pub(super) async fn authenticate(
    connection: &Connection,
    sasl: &SaslSettings,
) -> Result<Option<Duration>, ClientError> {
    let mechanism = sasl.mechanism.name();
    let request =
        SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let answer = connection.call(|_| request, limits::REQUEST_TIMEOUT).await?;
    if let Some(code) = ResponseError::try_from_code(answer.error_code) {
        let served: Vec<&str> = answer.mechanisms.iter().map(|name| name.as_str()).collect();
        let message = format!("this listener serves {}", served.join(", "));
        let what = format!("authenticating by {mechanism}");
        return Err(refused(what, code, Some(&StrBytes::from_string(message))));
    }
    if sasl.mechanism == Mechanism::Plain {
        let message = format!("\0{}\0{}", sasl.username, sasl.password.expose());
        return Ok(step(connection, sasl, message).await?.1);
    }
    let nonsense = |reason: String| ClientError::Malformed {
        address: connection.address().to_owned(),
        what: mechanism.to_owned(),
        reason,
    };
    let (exchange, first) = Exchange::begin(sasl.mechanism, &sasl.username, sasl.password.clone());
    let (answer, _) = step(connection, sasl, first).await?;
    let proving = tokio::task::spawn_blocking(move || exchange.prove(&answer));
    // Only a runtime that ends takes no such work.
    let proved = proving.await.map_err(|_| ClientError::Closed)?;
    let (proof, last) = proved.map_err(nonsense)?;
    let (answer, lifetime) = step(connection, sasl, last).await?;
    if !proof.holds(&answer) {
        return Err(nonsense("the broker does not prove that it knows the password".to_owned()));
    }
    Ok(lifetime)
}

async fn step(
    connection: &Connection,
    sasl: &SaslSettings,
    message: String,
) -> Result<(bytes::Bytes, Option<Duration>), ClientError> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into_bytes().into());
    let answer = connection.call(|_| request, limits::REQUEST_TIMEOUT).await?;
    if let Some(code) = ResponseError::try_from_code(answer.error_code) {
        let what = format!("authenticating as `{}` by {}", sasl.username, sasl.mechanism);
        return Err(refused(what, code, answer.error_message.as_ref()));
    }
    let lifetime = u64::try_from(answer.session_lifetime_ms).ok().filter(|ms| *ms > 0);
    Ok((answer.auth_bytes, lifetime.map(Duration::from_millis)))
}
