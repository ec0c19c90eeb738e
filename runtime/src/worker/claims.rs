//! Whose a topic of the worker's is: a record in it has the fleet's `group.id`.
//!
//! Two fleets with one config topic would both run all of its connectors, and with
//! one offset topic a source could go on where the other fleet's of its name is. In
//! Kafka Connect nothing prevents it; here the second fleet does not start. The
//! first record counts. Compaction keeps the last: whoever finds another's there writes
//! the owner's again, be it who came second at the same moment, or the owner when it
//! starts the next time.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::compacted::{CompactedLog, Entry, LogError, Write};
use super::records;

/// No key of Kafka Connect's, which passes it over.
const KEY: &[u8] = b"longshore-fleet";

#[derive(Debug, Serialize, Deserialize)]
struct Fleet {
    #[serde(rename = "group.id")]
    group_id: String,
}

/// The topic belongs to another fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the topic `{topic}` belongs to the fleet `{owner}`, but this worker's `group.id` is \
     `{group_id}`: give this fleet topics of its own with `config.storage.topic`, \
     `offset.storage.topic` and `status.storage.topic`, or let it be `group.id: {owner}`"
)]
pub struct OtherFleet {
    /// The topic.
    pub topic: String,
    /// The fleet that it belongs to.
    pub owner: String,
    /// This one.
    pub group_id: String,
}

/// What the topic has said so far.
#[derive(Debug, Default)]
pub(super) struct Claim(Mutex<Option<Claimed>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claimed {
    /// Whose the topic is.
    owner: String,
    /// Who the last record says it is.
    last: String,
}

impl Claim {
    /// Takes a record of the topic, whatever it is about.
    pub(super) fn apply(&self, entry: &Entry<'_>) {
        if entry.key != KEY {
            return;
        }
        let fleet = entry.value.and_then(|value| serde_json::from_slice::<Fleet>(value).ok());
        let mut claimed = self.0.lock().expect("no holder panics");
        *claimed = fleet.map(|Fleet { group_id }| {
            let owner = claimed.take().map_or_else(|| group_id.clone(), |known| known.owner);
            Claimed { owner, last: group_id }
        });
    }

    /// Claims the topic for a fleet, unless it has an owner.
    pub(super) async fn take(
        &self,
        log: &CompactedLog,
        group_id: &str,
    ) -> Result<Result<(), OtherFleet>, LogError> {
        if self.claimed().is_none() {
            log.write_and_read(&[record(group_id)]).await?;
        }
        let Some(Claimed { owner, last }) = self.claimed() else { return Ok(Ok(())) };
        if last != owner {
            log.write(&[record(&owner)]).await?;
        }
        if owner == group_id {
            return Ok(Ok(()));
        }
        let (topic, group_id) = (log.topic().to_owned(), group_id.to_owned());
        Ok(Err(OtherFleet { topic, owner, group_id }))
    }

    fn claimed(&self) -> Option<Claimed> {
        self.0.lock().expect("no holder panics").clone()
    }
}

fn record(group_id: &str) -> Write {
    (KEY.to_vec(), Some(records::encode(&Fleet { group_id: group_id.to_owned() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fleet_has_the_topic_until_its_record_is_deleted() {
        let claim = Claim::default();
        let apply = |(key, value): Write| {
            claim.apply(&Entry { offset: 0, key: &key, value: value.as_deref() });
            claim.claimed().map(|claimed| claimed.owner)
        };
        assert_eq!(apply((b"connector-a".to_vec(), None)), None);
        assert_eq!(apply(record("blue")).as_deref(), Some("blue"));
        assert_eq!(apply(record("green")).as_deref(), Some("blue"));
        assert_eq!(apply((KEY.to_vec(), None)), None);
        assert_eq!(apply(record("green")).as_deref(), Some("green"));
    }
}
