//! What a SASL listener's properties say.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};

use super::jaas;
use crate::auth::Secret;

/// A SASL mechanism that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mechanism {
    /// The password itself: for encrypted listeners.
    #[serde(rename = "PLAIN")]
    Plain,
    /// SCRAM with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// SCRAM with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    /// The number of a SCRAM mechanism in APIs 50 and 51 (KIP-554).
    pub fn scram_number(self) -> i8 {
        match self {
            Self::Plain => 0,
            Self::ScramSha256 => 1,
            Self::ScramSha512 => 2,
        }
    }

    /// The SCRAM mechanism of this number.
    pub fn of_scram_number(number: i8) -> Option<Self> {
        [Self::ScramSha256, Self::ScramSha512].into_iter().find(|m| m.scram_number() == number)
    }

    /// Its algorithms. PLAIN has none and is never asked; it gets those of SHA-256.
    pub fn algorithms(self) -> (&'static digest::Algorithm, hmac::Algorithm, pbkdf2::Algorithm) {
        match self {
            Self::Plain | Self::ScramSha256 => {
                (&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256)
            }
            Self::ScramSha512 => (&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mechanism {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Plain, Self::ScramSha256, Self::ScramSha512]
            .into_iter()
            .find(|mechanism| mechanism.name() == text)
            .ok_or(())
    }
}

/// A SASL listener's settings.
#[derive(Debug, Clone)]
pub struct SaslSettings {
    /// `sasl.enabled.mechanisms`, at least one.
    pub mechanisms: Vec<Mechanism>,
    /// Users of PLAIN, of `plain.sasl.jaas.config`.
    pub plain_users: BTreeMap<String, Secret>,
    /// Users that the controller is given at start if it lacks them, of
    /// `scram-sha-NNN.sasl.jaas.config`.
    pub scram_users: BTreeMap<(Mechanism, String), Secret>,
    /// `connections.max.reauth.ms`: how long a session lasts; `None` for ever.
    pub session_lifetime: Option<Duration>,
    /// `connection.failed.authentication.delay.ms`.
    pub failure_delay: Duration,
    /// `sasl.server.max.receive.size`: frame bytes before authentication.
    pub frame_bytes_max: usize,
}

impl SaslSettings {
    /// The users of a mechanism's JAAS entry: its options `user_NAME="password"`.
    pub(crate) fn users(entry: &str) -> Option<BTreeMap<String, Secret>> {
        let options = jaas::options(entry)?;
        let user = |(name, value): (String, Secret)| {
            name.strip_prefix("user_").map(|name| (name.to_owned(), value))
        };
        Some(options.into_iter().filter_map(user).collect())
    }
}
