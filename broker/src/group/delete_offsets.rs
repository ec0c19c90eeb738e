//! Deleting single committed offsets (OffsetDelete, KIP-496).

use std::collections::{BTreeMap, HashSet};

use super::{
    coordinator::{GroupCoordinator, lock},
    offset_commits::CommitError,
    state::{Group, GroupState},
};

/// The protocol type whose members subscribe to topics.
const CONSUMER: &str = "consumer";

/// What became of one committed offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetDeletion {
    /// It is gone, or there was none.
    Deleted,
    /// A member consumes the topic, so its offsets stay.
    Subscribed,
}

impl GroupCoordinator {
    /// Deletes the offsets of these partitions that no member consumes.
    pub(crate) fn delete_offsets(
        &self,
        id: &str,
        partitions: Vec<(String, i32)>,
    ) -> Result<BTreeMap<(String, i32), OffsetDeletion>, CommitError> {
        self.check_readable(id)?;
        let shared = self.find(id).ok_or(CommitError::NoGroup)?;
        let mut slot = lock(&shared);
        let subscribed = match &slot.consumer {
            Some(consumer) => Some(consumer.subscribed_topics().into_iter().collect()),
            None => match slot.group.state() {
                GroupState::Dead => return Err(CommitError::NoGroup),
                GroupState::Empty => Some(HashSet::new()),
                _ if slot.group.protocol_type() != Some(CONSUMER) => {
                    return Err(CommitError::NonEmpty);
                }
                _ => subscribed_topics(&slot.group),
            },
        };
        // Members whose subscription cannot be read may consume anything.
        let is_subscribed =
            |topic: &str| subscribed.as_ref().is_none_or(|topics| topics.contains(topic));
        let (kept, gone): (Vec<_>, Vec<_>) =
            partitions.into_iter().partition(|(topic, _)| is_subscribed(topic));
        let present: Vec<_> = gone
            .iter()
            .filter(|(topic, partition)| slot.offsets.get(topic, *partition).is_some())
            .cloned()
            .collect();
        self.forget_offsets(&mut slot, &present)?;
        let gone = gone.into_iter().map(|key| (key, OffsetDeletion::Deleted));
        let kept = kept.into_iter().map(|key| (key, OffsetDeletion::Subscribed));
        Ok(gone.chain(kept).collect())
    }
}

/// The topics of all members; `None` when one of them cannot be read.
fn subscribed_topics(group: &Group) -> Option<HashSet<String>> {
    let mut topics = HashSet::new();
    for member in group.members().values() {
        // While members join there is no common protocol yet; all of a
        // member's protocols name the same topics.
        let protocol = group.protocol().or(member.protocols.first().map(|(name, _)| &**name))?;
        topics.extend(topics_of(&member.metadata(protocol))?);
    }
    Some(topics)
}

/// The topics in a member's `ConsumerProtocolSubscription`: in every version
/// they are the first field. The metadata is the client's, so no length in it
/// is believed.
fn topics_of(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, rest) = metadata.split_at_checked(2)?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (topic, after) = after.split_at_checked(length)?;
        topics.push(std::str::from_utf8(topic).ok()?.to_owned());
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_and_one_that_lies_about_its_lengths_is_not() {
        let good = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        assert_eq!(topics_of(good), Some(vec!["a".to_owned(), "bc".to_owned()]));
        assert_eq!(topics_of(b"\0\0\0\0\0\0"), Some(Vec::new()));
        for bad in [&b""[..], b"\0\0\0", b"\0\0\x7f\xff\xff\xff", b"\0\0\0\0\0\x01\x7f\xffa"] {
            assert_eq!(topics_of(bad), None, "{bad:?}");
        }
    }
}
