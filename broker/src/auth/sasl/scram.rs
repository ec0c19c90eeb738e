//! SCRAM (RFC 5802, RFC 7677): what is kept of a password, and the server's
//! side of an exchange.
//!
//! Of a password only salted keys are kept. Who reads them cannot log in with
//! them, though can try passwords against them.

use std::{fmt, num::NonZeroU32};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac, pbkdf2, rand::SecureRandom};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::Mechanism;
use crate::auth::Secret;

/// The fewest iterations accepted (RFC 7677 asks for as many).
pub(crate) const ITERATIONS_MIN: u32 = 4096;

/// The most: clients do the work, and some have little power.
pub(crate) const ITERATIONS_MAX: u32 = 16384;

/// For users of the configuration.
pub(crate) const ITERATIONS_DEFAULT: u32 = 4096;

const SALT_BYTES: usize = 24;
const NONCE_BYTES: usize = 24;

/// What is kept of one user's password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramCredential {
    #[serde(with = "base64_text")]
    salt: Vec<u8>,
    #[serde(with = "base64_text")]
    stored_key: Vec<u8>,
    #[serde(with = "base64_text")]
    server_key: Vec<u8>,
    iterations: u32,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl ScramCredential {
    /// From a password, with a fresh salt. Costs some milliseconds.
    pub(crate) fn from_password(mechanism: Mechanism, password: &Secret, iterations: u32) -> Self {
        let salt = random::<SALT_BYTES>();
        let (hash, _, derivation) = mechanism.algorithms();
        let mut salted = vec![0; hash.output_len()];
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(derivation, rounds, &salt, password.expose().as_bytes(), &mut salted);
        Self::from_salted_password(mechanism, salt.to_vec(), &salted, iterations)
    }

    /// From a password that a client has salted (KIP-554).
    pub(crate) fn from_salted_password(
        mechanism: Mechanism,
        salt: Vec<u8>,
        salted_password: &[u8],
        iterations: u32,
    ) -> Self {
        let (hash, mac, _) = mechanism.algorithms();
        let key = hmac::Key::new(mac, salted_password);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(hash, client_key.as_ref()).as_ref().to_vec();
        let server_key = hmac::sign(&key, b"Server Key").as_ref().to_vec();
        Self { salt, stored_key, server_key, iterations }
    }

    /// How often the password was hashed.
    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }
}

/// Why an exchange failed, without a hint at what was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The name that was claimed, if the message could be read.
    pub(super) user: Option<String>,
}

const UNREADABLE: Refused = Refused { user: None };

/// An exchange after the client's first message.
pub(super) struct Exchange {
    mechanism: Mechanism,
    user: String,
    /// Absent for a user that is not known: the exchange goes on with a decoy
    /// and fails at its end, so that the first answer does not tell who is known.
    credential: Option<ScramCredential>,
    /// What the proof's signature covers so far.
    messages: String,
    gs2_header: String,
    nonce: String,
}

/// Takes the client's first message; answers with the server's.
pub(super) fn begin(
    mechanism: Mechanism,
    message: &[u8],
    find: impl FnOnce(&str) -> Option<ScramCredential>,
    decoy_key: &hmac::Key,
) -> Result<(Exchange, String), Refused> {
    let message = std::str::from_utf8(message).map_err(|_| UNREADABLE)?;
    let server_nonce = STANDARD.encode(random::<NONCE_BYTES>());
    begin_with(mechanism, message, find, decoy_key, &server_nonce)
}

fn begin_with(
    mechanism: Mechanism,
    message: &str,
    find: impl FnOnce(&str) -> Option<ScramCredential>,
    decoy_key: &hmac::Key,
    server_nonce: &str,
) -> Result<(Exchange, String), Refused> {
    // Channel binding is not offered, so `n`; and no other name than the own.
    let rest = message.strip_prefix("n,").ok_or(UNREADABLE)?;
    let (authorization, bare) = rest.split_once(',').ok_or(UNREADABLE)?;
    let mut fields = bare.split(',');
    let user = fields.next().and_then(|field| field.strip_prefix("n=")).ok_or(UNREADABLE)?;
    let nonce = fields.next().and_then(|field| field.strip_prefix("r=")).ok_or(UNREADABLE)?;
    let user = unescaped(user).filter(|user| !user.is_empty()).ok_or(UNREADABLE)?;
    let refused = || Refused { user: Some(user.clone()) };
    let printable = |c: char| c.is_ascii_graphic() && c != ',';
    if nonce.is_empty() || !nonce.chars().all(printable) {
        return Err(refused());
    }
    if !authorization.is_empty()
        && authorization.strip_prefix("a=").and_then(unescaped).as_deref() != Some(&*user)
    {
        return Err(refused());
    }
    // Delegation tokens log in by an extension; there are none here.
    if fields.any(|field| field == "tokenauth=true") {
        return Err(refused());
    }
    let credential = find(&user);
    let (salt, iterations) = match &credential {
        Some(credential) => (STANDARD.encode(&credential.salt), credential.iterations),
        None => {
            // The same name always gets the same salt, as a known one would.
            let tag = hmac::sign(decoy_key, user.as_bytes());
            (STANDARD.encode(&tag.as_ref()[..SALT_BYTES]), ITERATIONS_DEFAULT)
        }
    };
    let nonce = format!("{nonce}{server_nonce}");
    let answer = format!("r={nonce},s={salt},i={iterations}");
    let messages = format!("{bare},{answer}");
    let gs2_header = format!("n,{authorization},");
    Ok((Exchange { mechanism, user, credential, messages, gs2_header, nonce }, answer))
}

impl Exchange {
    /// Takes the client's last message; answers with its name and the server's proof.
    pub(super) fn finish(self, message: &[u8]) -> Result<(String, String), Refused> {
        let refused = || Refused { user: Some(self.user.clone()) };
        let message = std::str::from_utf8(message).map_err(|_| refused())?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or_else(refused)?;
        let mut fields = without_proof.split(',');
        let binding = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        if binding != Some(&*STANDARD.encode(&self.gs2_header)) || nonce != Some(&*self.nonce) {
            return Err(refused());
        }
        let (hash, mac, _) = self.mechanism.algorithms();
        let proof = STANDARD.decode(proof).map_err(|_| refused())?;
        let credential = self.credential.as_ref().ok_or_else(refused)?;
        let signed = format!("{},{without_proof}", self.messages);
        let signature = hmac::sign(&hmac::Key::new(mac, &credential.stored_key), signed.as_bytes());
        if proof.len() != signature.as_ref().len() {
            return Err(refused());
        }
        let client_key: Vec<u8> =
            proof.iter().zip(signature.as_ref()).map(|(proof, mask)| proof ^ mask).collect();
        let stored_key = digest::digest(hash, &client_key);
        if !bool::from(stored_key.as_ref().ct_eq(&credential.stored_key)) {
            return Err(refused());
        }
        let proof = hmac::sign(&hmac::Key::new(mac, &credential.server_key), signed.as_bytes());
        let answer = format!("v={}", STANDARD.encode(proof));
        Ok((self.user, answer))
    }
}

/// A name in which `=2C` is a comma and `=3D` an equals sign.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut unescaped = parts.next()?.to_owned();
    for part in parts {
        let (c, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        unescaped.push(c);
        unescaped.push_str(rest);
    }
    Some(unescaped)
}

/// A key for the salts of users that are not known.
pub(crate) fn decoy_key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &random::<32>())
}

fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers, or TLS could not work either");
    bytes
}

/// Bytes as base64.
mod base64_text {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_standards_own_exchange_is_carried_out_to_the_letter() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(4096).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, b"pencil", &mut salted);
        let mechanism = Mechanism::ScramSha256;
        let credential = ScramCredential::from_salted_password(mechanism, salt, &salted, 4096);
        let find = |name: &str| (name == "user").then_some(credential);
        let server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let (exchange, answer) =
            begin_with(mechanism, first, find, &decoy_key(), server_nonce).unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(answer, format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let (user, answer) =
            exchange.finish(format!("c=biws,r={nonce},p={proof}").as_bytes()).unwrap();
        assert_eq!(user, "user");
        assert_eq!(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn an_unknown_user_looks_like_a_known_one_until_the_end() {
        let key = decoy_key();
        let begin = |name: &str| {
            let first = format!("n,,n={name},r=abc");
            let (exchange, answer) =
                begin_with(Mechanism::ScramSha512, &first, |_| None, &key, "server").unwrap();
            assert!(exchange.finish(b"c=biws,r=abcserver,p=AAAA").is_err());
            answer
        };
        assert_eq!(begin("mallory"), begin("mallory"));
        assert_ne!(begin("mallory"), begin("mallet"));
    }

    #[test]
    fn messages_that_break_the_rules_are_refused() {
        for first in [
            "",
            "n,,",
            "y,,n=a,r=b",
            "p=tls-unique,,n=a,r=b",
            "n,,n=,r=b",
            "n,,n=a,r=",
            "n,,n=a=2c,r=b",
            "n,,n=a=,r=b",
            "n,a=other,n=a,r=b",
            "n,,n=a,r=b,tokenauth=true",
            "n,,m=x,n=a,r=b",
        ] {
            let begun = begin(Mechanism::ScramSha256, first.as_bytes(), |_| None, &decoy_key());
            assert!(begun.is_err(), "{first}");
        }
        let escaped = "n,a=a=2Cb=3D,n=a=2Cb=3D,r=b";
        let (exchange, _) =
            begin(Mechanism::ScramSha256, escaped.as_bytes(), |_| None, &decoy_key()).unwrap();
        assert_eq!(exchange.user, "a,b=");
    }

    #[test]
    fn a_credential_shows_nothing_of_itself_in_a_log() {
        let credential = ScramCredential::from_password(
            Mechanism::ScramSha256,
            &Secret::new("secret"),
            ITERATIONS_MIN,
        );
        assert_eq!(format!("{credential:?}"), "ScramCredential { iterations: 4096, .. }");
    }
}
