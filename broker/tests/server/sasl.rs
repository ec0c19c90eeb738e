//! The client's side of SASL.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use ring::{digest, hmac, pbkdf2};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::support::{Client, text};

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Names a mechanism; answers with the error code.
    pub(crate) async fn handshake(&mut self, mechanism: &str) -> i16 {
        let request = SaslHandshakeRequest::default().with_mechanism(text(mechanism));
        self.call(1, &request).await.error_code
    }

    pub(crate) async fn token(&mut self, token: &[u8]) -> SaslAuthenticateResponse {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(token.to_vec().into());
        self.call(2, &request).await
    }

    pub(crate) async fn plain(&mut self, user: &str, password: &str) -> SaslAuthenticateResponse {
        assert_eq!(self.handshake("PLAIN").await, 0);
        self.token(format!("\0{user}\0{password}").as_bytes()).await
    }

    /// Logs in by SCRAM, checks the server's own proof, and answers with the error code.
    pub(crate) async fn scram(&mut self, mechanism: &str, user: &str, password: &str) -> i16 {
        let algorithms = algorithms(mechanism);
        assert_eq!(self.handshake(mechanism).await, 0);
        let first = format!("n={user},r=abcdefgh");
        let answer = self.token(format!("n,,{first}").as_bytes()).await;
        assert_eq!(answer.error_code, 0, "whether a user is known is not told yet");
        let answer = String::from_utf8(answer.auth_bytes.to_vec()).unwrap();
        let field = |prefix| answer.split(',').find_map(|field| field.strip_prefix(prefix));
        let salt = STANDARD.decode(field("s=").unwrap()).unwrap();
        let iterations = field("i=").unwrap().parse().unwrap();
        let salted = salted_password(mechanism, password, &salt, iterations);
        let mac = |key: &[u8], message: &[u8]| {
            hmac::sign(&hmac::Key::new(algorithms.1, key), message).as_ref().to_vec()
        };
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(algorithms.0, &client_key);
        let without_proof = format!("c=biws,r={}", field("r=").unwrap());
        let signed = format!("{first},{answer},{without_proof}");
        let signature = mac(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> =
            client_key.iter().zip(signature).map(|(key, mask)| key ^ mask).collect();
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        let answer = self.token(last.as_bytes()).await;
        if answer.error_code == 0 {
            let expected = mac(&mac(&salted, b"Server Key"), signed.as_bytes());
            assert_eq!(answer.auth_bytes, format!("v={}", STANDARD.encode(expected)).as_bytes());
        }
        answer.error_code
    }
}

fn algorithms(mechanism: &str) -> (&'static digest::Algorithm, hmac::Algorithm, pbkdf2::Algorithm) {
    match mechanism {
        "SCRAM-SHA-256" => (&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
        _ => (&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
    }
}

pub(crate) fn salted_password(
    mechanism: &str,
    password: &str,
    salt: &[u8],
    iterations: u32,
) -> Vec<u8> {
    let (hash, _, derivation) = algorithms(mechanism);
    let mut salted = vec![0; hash.output_len()];
    let iterations = NonZeroU32::new(iterations).unwrap();
    pbkdf2::derive(derivation, iterations, salt, password.as_bytes(), &mut salted);
    salted
}
