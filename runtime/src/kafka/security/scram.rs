//! SCRAM (RFC 5802, RFC 7677): the client's side.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use longshore_broker::auth::{Mechanism, Secret};
use ring::rand::SecureRandom;
use ring::{digest, hmac, pbkdf2};

use crate::kafka::error::ClientError;

/// Fewer would let whoever poses as the server guess the password cheaply; Kafka's
/// clients ask for as many, as RFC 7677 advises.
const ITERATIONS_MIN: u32 = 4096;
/// Kafka's brokers store no more (`ScramControlManager`): one that asks for more
/// keeps its clients busy.
const ITERATIONS_MAX: u32 = 16384;
const NONCE_BYTES: usize = 24;
const SALT_BYTES: usize = 24;

/// What a broker is told instead of a password (KIP-554).
pub struct SaltedPassword {
    /// Fresh random bytes.
    pub salt: Vec<u8>,
    /// The password hashed with them, so often as was asked.
    pub salted_password: Vec<u8>,
}

/// Salts a password with fresh bytes, on a thread that may be busy with it for
/// some milliseconds.
pub async fn salted(
    mechanism: Mechanism,
    password: Secret,
    iterations: u32,
) -> Result<SaltedPassword, ClientError> {
    let salting = tokio::task::spawn_blocking(move || {
        let salt = random::<SALT_BYTES>().to_vec();
        let salted_password = hashed(mechanism, &password, &salt, iterations);
        SaltedPassword { salt, salted_password }
    });
    // Only a runtime that ends takes no such work.
    salting.await.map_err(|_| ClientError::Closed)
}

fn hashed(mechanism: Mechanism, password: &Secret, salt: &[u8], iterations: u32) -> Vec<u8> {
    let (hash, _, derivation) = mechanism.algorithms();
    let mut salted = vec![0; hash.output_len()];
    let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(derivation, rounds, salt, password.expose().as_bytes(), &mut salted);
    salted
}

fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers, or TLS could not work either");
    bytes
}

/// An exchange that waits for the server's first message.
pub(in crate::kafka) struct Exchange {
    mechanism: Mechanism,
    password: Secret,
    /// The first message without its header, which the proof covers.
    bare: String,
    nonce: String,
}

/// An exchange that waits for the server to prove that it knows the password.
pub(in crate::kafka) struct Proof(hmac::Tag);

impl Exchange {
    /// Begins; what to send first.
    pub(in crate::kafka) fn begin(
        mechanism: Mechanism,
        username: &str,
        password: Secret,
    ) -> (Self, String) {
        Self::begin_with(mechanism, username, password, STANDARD.encode(random::<NONCE_BYTES>()))
    }

    fn begin_with(
        mechanism: Mechanism,
        username: &str,
        password: Secret,
        nonce: String,
    ) -> (Self, String) {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={name},r={nonce}");
        let message = format!("n,,{bare}");
        (Self { mechanism, password, bare, nonce }, message)
    }

    /// Takes the server's first message; what to send then. The error says what
    /// is wrong with the message. Costs some milliseconds: not for a thread that
    /// others wait for.
    pub(in crate::kafka) fn prove(self, message: &[u8]) -> Result<(Proof, String), String> {
        let text = std::str::from_utf8(message).map_err(|_| "it is not UTF-8")?;
        let field = |name: &str| text.split(',').find_map(|field| field.strip_prefix(name));
        let nonce = field("r=").ok_or("it has no nonce")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its nonce does not go on from ours".to_owned());
        }
        let salt =
            field("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or("it has no salt")?;
        let iterations = field("i=").and_then(|count| count.parse().ok());
        let iterations = iterations
            .filter(|count| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(count))
            .ok_or("its iterations cannot be used")?;
        let (hash, mac, _) = self.mechanism.algorithms();
        let salted = hashed(self.mechanism, &self.password, &salt, iterations);
        let key = hmac::Key::new(mac, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(hash, client_key.as_ref());
        // `n,,` in base64: no channel binding, no other name than the own.
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{text},{without_proof}", self.bare);
        let signature = hmac::sign(&hmac::Key::new(mac, stored_key.as_ref()), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, mask)| key ^ mask)
            .collect();
        let server_key = hmac::sign(&key, b"Server Key");
        let expected = hmac::sign(&hmac::Key::new(mac, server_key.as_ref()), signed.as_bytes());
        Ok((Proof(expected), format!("{without_proof},p={}", STANDARD.encode(proof))))
    }
}

impl Proof {
    /// Whether the server's last message shows that it knows the password too.
    pub(in crate::kafka) fn holds(&self, message: &[u8]) -> bool {
        let shown = message.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
        // Whoever could time this comparison knows what is compared already.
        shown.is_some_and(|shown| shown == self.0.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Exchange {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let password = Secret::new("pencil");
        let (exchange, first) =
            Exchange::begin_with(Mechanism::ScramSha256, "user", password, nonce);
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        exchange
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_standards_own_exchange_is_carried_out_to_the_letter() {
        let answer = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (proof, last) = begun().prove(answer.as_bytes()).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proof.holds(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proof.holds(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(!proof.holds(b"e=other-error"));
    }

    #[test]
    fn a_server_that_breaks_the_rules_gets_no_proof() {
        for answer in [
            "",
            "r=rOprNGfwEbeRWgbNEkqO,s=QUJD,i=4096",
            "r=anotherNonce,s=QUJD,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=QUJD,i=0",
            "r=rOprNGfwEbeRWgbNEkqOx,s=QUJD,i=4095",
            "r=rOprNGfwEbeRWgbNEkqOx,s=QUJD,i=16385",
            "r=rOprNGfwEbeRWgbNEkqOx,s=QUJD,i=4000000000",
        ] {
            assert!(begun().prove(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn commas_and_equals_signs_of_a_name_are_escaped() {
        let password = Secret::new("x");
        let (_, first) =
            Exchange::begin_with(Mechanism::ScramSha512, "a,b=", password, "n".to_owned());
        assert_eq!(first, "n,,n=a=2Cb=3D,r=n");
    }

    /// With one thread for such work, which is taken, salting has to wait.
    #[test]
    fn a_password_is_salted_on_a_thread_that_no_task_needs() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.max_blocking_threads(1).build().unwrap().block_on(async {
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let taken = tokio::task::spawn_blocking(move || wait.recv());
            let mut salting =
                Box::pin(salted(Mechanism::ScramSha256, Secret::new("x"), ITERATIONS_MIN));
            assert!(futures::poll!(&mut salting).is_pending());
            go.send(()).unwrap();
            assert_eq!(salting.await.unwrap().salted_password.len(), 32);
            taken.await.unwrap().unwrap();
        });
    }
}
