//! The key that the fleet's workers sign their requests to each other with (KIP-507):
//! the leader makes it, and another once it has grown old; all read it in the config
//! topic. Who may read that topic can sign, as in Kafka Connect.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

/// How long a replaced key still counts: a worker may not have read its successor
/// yet, and a request may be on its way.
const REPLACED_KEY_TIME: Duration = Duration::from_secs(90);

/// A keyed hash, by Java's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// `HmacSHA256`, the default everywhere.
    HmacSha256,
    /// `HmacSHA384`.
    HmacSha384,
    /// `HmacSHA512`.
    HmacSha512,
}

impl MacAlgorithm {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("HmacSHA256", Self::HmacSha256),
        ("HmacSHA384", Self::HmacSha384),
        ("HmacSHA512", Self::HmacSha512),
    ];

    /// Java's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HmacSHA256",
            Self::HmacSha384 => "HmacSHA384",
            Self::HmacSha512 => "HmacSHA512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

impl fmt::Display for MacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Capitals do not count, as in Java.
impl FromStr for MacAlgorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, algorithm)| algorithm).ok_or(())
    }
}

/// `inter.worker.*`: the keys that a worker makes as the leader, and the signatures
/// that it makes and takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterWorker {
    /// `inter.worker.key.generation.algorithm`.
    pub key_algorithm: MacAlgorithm,
    /// `inter.worker.key.size`, in bits; `None` for the algorithm's own.
    pub key_bits: Option<u32>,
    /// `inter.worker.key.ttl.ms`.
    pub key_ttl: Duration,
    /// `inter.worker.signature.algorithm`.
    pub signature_algorithm: MacAlgorithm,
    /// `inter.worker.verification.algorithms`.
    pub verification_algorithms: Vec<MacAlgorithm>,
}

impl Default for InterWorker {
    fn default() -> Self {
        Self {
            key_algorithm: MacAlgorithm::HmacSha256,
            key_bits: None,
            key_ttl: Duration::from_secs(60 * 60),
            signature_algorithm: MacAlgorithm::HmacSha256,
            verification_algorithms: vec![MacAlgorithm::HmacSha256],
        }
    }
}

/// The value of `session-key`: `{"key": base64, "algorithm": .., "creation-timestamp": ms}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionKey {
    #[serde(with = "base64_text")]
    key: Vec<u8>,
    algorithm: String,
    creation_timestamp: i64,
}

/// The key itself is nobody's business in a log.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm, creation_timestamp, .. } = self;
        write!(f, "SessionKey({algorithm}, made at {creation_timestamp})")
    }
}

impl SessionKey {
    /// A new random key.
    pub fn generate(settings: &InterWorker, now_ms: i64) -> Self {
        let algorithm = settings.key_algorithm;
        let bits = settings
            .key_bits
            .map_or(algorithm.hmac().digest_algorithm().output_len() * 8, |bits| bits as usize);
        let mut key = vec![0; bits.div_ceil(8)];
        SystemRandom::new().fill(&mut key).expect("the system has random numbers");
        Self { key, algorithm: algorithm.name().to_owned(), creation_timestamp: now_ms }
    }

    fn age(&self, now_ms: i64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.creation_timestamp).max(0) as u64)
    }

    fn mac(&self, algorithm: MacAlgorithm) -> hmac::Key {
        hmac::Key::new(algorithm.hmac(), &self.key)
    }
}

mod base64_text {
    use base64::Engine as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::STANDARD;

    pub(super) fn serialize<S: Serializer>(key: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(key))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The text itself must not get into a log by an error.
        STANDARD.decode(text).map_err(|_| D::Error::custom("the key is no base64"))
    }
}

/// What a request's headers prove it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSignature {
    /// The keyed hash that was taken, by name.
    pub algorithm: String,
    /// The hash.
    pub mac: Vec<u8>,
}

/// Why a request among workers is not believed, or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has no signature.
    #[error("Internal request missing required signature")]
    Missing,
    /// It is signed by another hash than is taken here.
    #[error(
        "This worker does not support the '{given}' key signing algorithm used by other workers. \
         This worker is currently configured to use: [{taken}]. Check that all workers' \
         configuration files permit the same set of signature algorithms, and correct any \
         misconfigured worker and restart it."
    )]
    Algorithm {
        /// The request's.
        given: String,
        /// `inter.worker.verification.algorithms`.
        taken: String,
    },
    /// Its signature is not that of the fleet's key.
    #[error("Internal request contained invalid signature.")]
    Invalid,
    /// There is no key yet.
    #[error(
        "This worker is still starting up and has not been able to read a session key from the \
         config topic yet"
    )]
    NoKey,
}

/// The fleet's key, and the one before it.
#[derive(Debug, Clone, Default)]
pub struct SessionKeys {
    current: Option<SessionKey>,
    replaced: Option<SessionKey>,
}

impl SessionKeys {
    /// Takes the next key of the config topic.
    pub fn put(&mut self, key: SessionKey) {
        self.replaced = self.current.replace(key);
    }

    /// Whether there is one.
    pub fn is_known(&self) -> bool {
        self.current.is_some()
    }

    /// How long the leader may leave the key as it is: no time when there is none,
    /// or one that its settings would not make.
    pub fn time_left(&self, settings: &InterWorker, now_ms: i64) -> Duration {
        let of_settings = |key: &&SessionKey| key.algorithm == settings.key_algorithm.name();
        let Some(key) = self.current.as_ref().filter(of_settings) else { return Duration::ZERO };
        settings.key_ttl.saturating_sub(key.age(now_ms))
    }

    /// Signs a request.
    pub fn sign(
        &self,
        settings: &InterWorker,
        request: &[u8],
    ) -> Result<RequestSignature, SignatureError> {
        let key = self.current.as_ref().ok_or(SignatureError::NoKey)?;
        let algorithm = settings.signature_algorithm;
        let mac = hmac::sign(&key.mac(algorithm), request).as_ref().to_vec();
        Ok(RequestSignature { algorithm: algorithm.name().to_owned(), mac })
    }

    /// Refuses a request that no worker of the fleet has signed. Signatures are
    /// compared in constant time.
    pub fn verify(
        &self,
        settings: &InterWorker,
        request: &[u8],
        signature: Option<&RequestSignature>,
        now_ms: i64,
    ) -> Result<(), SignatureError> {
        let signature = signature.ok_or(SignatureError::Missing)?;
        let taken = &settings.verification_algorithms;
        let algorithm =
            signature.algorithm.parse::<MacAlgorithm>().ok().filter(|known| taken.contains(known));
        let algorithm = algorithm.ok_or_else(|| SignatureError::Algorithm {
            given: signature.algorithm.clone(),
            taken: taken.iter().map(|known| known.name()).collect::<Vec<_>>().join(", "),
        })?;
        let current = self.current.as_ref().ok_or(SignatureError::NoKey)?;
        let is_new = current.age(now_ms) < REPLACED_KEY_TIME;
        let replaced = self.replaced.as_ref().filter(|_| is_new);
        let holds =
            |key: &SessionKey| hmac::verify(&key.mac(algorithm), request, &signature.mac).is_ok();
        match holds(current) || replaced.is_some_and(holds) {
            true => Ok(()),
            false => Err(SignatureError::Invalid),
        }
    }
}

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn fleet() -> (SessionKeys, InterWorker) {
        let settings = InterWorker::default();
        let mut keys = SessionKeys::default();
        keys.put(SessionKey::generate(&settings, NOW));
        (keys, settings)
    }

    #[test]
    fn a_signed_request_holds_and_a_changed_one_does_not() {
        let (keys, settings) = fleet();
        let signature = keys.sign(&settings, b"DELETE /connectors/a").unwrap();
        let verify = |request: &[u8], signature: Option<&RequestSignature>| {
            keys.verify(&settings, request, signature, NOW)
        };
        assert_eq!(verify(b"DELETE /connectors/a", Some(&signature)), Ok(()));
        let other = verify(b"DELETE /connectors/b", Some(&signature));
        assert_eq!(other, Err(SignatureError::Invalid));
        let short = RequestSignature { mac: signature.mac[..31].to_vec(), ..signature.clone() };
        assert_eq!(verify(b"DELETE /connectors/a", Some(&short)), Err(SignatureError::Invalid));
        assert_eq!(verify(b"DELETE /connectors/a", None), Err(SignatureError::Missing));
    }

    #[test]
    fn only_hashes_that_the_settings_name_are_taken() {
        let (keys, settings) = fleet();
        let stronger =
            InterWorker { signature_algorithm: MacAlgorithm::HmacSha512, ..settings.clone() };
        let signature = keys.sign(&stronger, b"a").unwrap();
        let refused = keys.verify(&settings, b"a", Some(&signature), NOW).unwrap_err();
        assert!(refused.to_string().contains("'HmacSHA512'"), "{refused}");
        assert!(refused.to_string().contains("[HmacSHA256]"), "{refused}");
        let both = vec![MacAlgorithm::HmacSha256, MacAlgorithm::HmacSha512];
        let both = InterWorker { verification_algorithms: both, ..settings };
        assert_eq!(keys.verify(&both, b"a", Some(&signature), NOW), Ok(()));
    }

    #[test]
    fn a_replaced_key_counts_until_everybody_has_read_its_successor() {
        let (mut keys, settings) = fleet();
        let signature = keys.sign(&settings, b"a").unwrap();
        keys.put(SessionKey::generate(&settings, NOW + HOUR));
        let verify = |keys: &SessionKeys, after: i64| {
            keys.verify(&settings, b"a", Some(&signature), NOW + HOUR + after)
        };
        assert_eq!(verify(&keys, 89_999), Ok(()));
        assert_eq!(verify(&keys, 90_000), Err(SignatureError::Invalid));
        keys.put(SessionKey::generate(&settings, NOW + HOUR));
        assert_eq!(verify(&keys, 0), Err(SignatureError::Invalid), "two keys ago");
    }

    #[test]
    fn a_key_is_due_when_there_is_none_or_it_is_old_or_of_other_settings() {
        let (keys, settings) = fleet();
        assert_eq!(SessionKeys::default().time_left(&settings, NOW), Duration::ZERO);
        assert_eq!(keys.time_left(&settings, NOW), Duration::from_secs(3600));
        assert_eq!(keys.time_left(&settings, NOW - 5), Duration::from_secs(3600), "clocks differ");
        assert_eq!(keys.time_left(&settings, NOW + HOUR - 1), Duration::from_millis(1));
        assert_eq!(keys.time_left(&settings, NOW + HOUR), Duration::ZERO);
        let other = InterWorker { key_algorithm: MacAlgorithm::HmacSha384, ..settings };
        assert_eq!(keys.time_left(&other, NOW), Duration::ZERO);
    }

    #[test]
    fn the_record_is_kafka_connects_and_nothing_shows_the_key() {
        let key = SessionKey {
            key: vec![0, 1, 2],
            algorithm: "HmacSHA256".to_owned(),
            creation_timestamp: NOW,
        };
        let text = r#"{"key":"AAEC","algorithm":"HmacSHA256","creation-timestamp":1700000000000}"#;
        assert_eq!(serde_json::to_string(&key).unwrap(), text);
        assert_eq!(serde_json::from_str::<SessionKey>(text).unwrap(), key);
        assert!(!format!("{key:?}").contains("AAEC"));
        let torn = text.replace("AAEC", "s*cret");
        let error = serde_json::from_str::<SessionKey>(&torn).unwrap_err().to_string();
        assert!(error.contains("no base64") && !error.contains("s*cret"), "{error}");
    }

    #[test]
    fn keys_are_as_long_as_their_hash_or_as_the_settings_say() {
        let length = |settings: &InterWorker| SessionKey::generate(settings, NOW).key.len();
        let settings = InterWorker::default();
        assert_eq!(length(&settings), 32);
        let long = InterWorker { key_bits: Some(500), ..settings.clone() };
        assert_eq!(length(&long), 63);
        let wide = InterWorker { key_algorithm: MacAlgorithm::HmacSha512, ..settings };
        assert_eq!(length(&wide), 64);
    }
}
