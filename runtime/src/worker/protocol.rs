//! What workers tell each other through their group, version 1: JSON, so that
//! `group describe` can show it.

use serde::{Deserialize, Serialize};

use super::assignment::Holding;

/// The version written here.
const VERSION: u32 = 1;

/// What a member tells the leader as it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    version: u32,
    /// `host:port` of its REST listener.
    pub worker_id: String,
    /// Where it reads connectors; empty when its version did not say.
    #[serde(default)]
    pub config_topic: String,
    /// How far it has read that.
    pub config_offset: i64,
    /// What it has not let go of.
    pub holding: Holding,
    /// It is being stopped: it wants nothing any more, and may return.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

/// What the leader tells a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    version: u32,
    /// The leader's REST listener.
    pub leader: String,
    /// Where the fleet's connectors are; empty when the leader's version did not say.
    #[serde(default)]
    pub config_topic: String,
    /// How far the leader had read that: a member reads as far before it acts on
    /// this.
    pub config_offset: i64,
    /// What the member is to run.
    pub holding: Holding,
}

/// A message that this worker cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// It is no message of ours.
    #[error("a member of the worker group speaks another protocol: {0}")]
    Unreadable(String),
    /// It is newer than this worker.
    #[error("a member of the worker group speaks version {0} of the protocol, this one {VERSION}")]
    Version(u32),
}

/// The config topic, and how far it was read.
type Position<'a> = (&'a str, i64);

fn is_same(told: &str, own: &str) -> bool {
    told.is_empty() || told == own
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ProtocolError> {
    let unreadable = |error: serde_json::Error| ProtocolError::Unreadable(error.to_string());
    let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version != VERSION {
        return Err(ProtocolError::Version(version));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

impl Metadata {
    /// A member's message.
    pub fn new(
        worker_id: &str,
        (config_topic, config_offset): Position<'_>,
        holding: Holding,
    ) -> Self {
        let (worker_id, config_topic) = (worker_id.to_owned(), config_topic.to_owned());
        let version = VERSION;
        Self { version, worker_id, config_topic, config_offset, holding, leaving: false }
    }

    /// Whether it is of the fleet that keeps its connectors in this topic.
    pub fn reads(&self, config_topic: &str) -> bool {
        is_same(&self.config_topic, config_topic)
    }

    /// The same of a worker that is being stopped, or not.
    pub fn leaving(self, leaving: bool) -> Self {
        Self { leaving, ..self }
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        super::records::encode(self)
    }

    /// Reads a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        decode(bytes)
    }
}

impl Assignment {
    /// The leader's message.
    pub fn new(
        leader: &str,
        (config_topic, config_offset): Position<'_>,
        holding: Holding,
    ) -> Self {
        let (leader, config_topic) = (leader.to_owned(), config_topic.to_owned());
        Self { version: VERSION, leader, config_topic, config_offset, holding }
    }

    /// Whether it comes from the fleet that keeps its connectors in this topic.
    pub fn reads(&self, config_topic: &str) -> bool {
        is_same(&self.config_topic, config_topic)
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        super::records::encode(self)
    }

    /// Reads a message.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_and_others_are_refused() {
        let metadata = Metadata::new("w:8083", ("configs", 7), Holding::default());
        assert_eq!(Metadata::decode(&metadata.encode()), Ok(metadata.clone()));
        let leaving = metadata.clone().leaving(true);
        assert_eq!(Metadata::decode(&leaving.encode()), Ok(leaving));
        assert!(metadata.reads("configs") && !metadata.reads("others"));
        let assignment = Assignment::new("w:8083", ("configs", 7), Holding::default());
        assert_eq!(Assignment::decode(&assignment.encode()), Ok(assignment));
        let newer = String::from_utf8(metadata.encode()).unwrap().replace("n\":1", "n\":2");
        assert_eq!(Metadata::decode(newer.as_bytes()), Err(ProtocolError::Version(2)));
        assert!(matches!(Metadata::decode(&[0, 1]), Err(ProtocolError::Unreadable(_))));
    }
}
