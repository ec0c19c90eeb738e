//! Offsets committed on behalf of the fleet.
//!
//! A connector's group (`connect-NAME`) is committed to without joining it, so
//! nothing but the text beside an offset tells whose it is: the fleet's
//! `group.id`. Another fleet's offsets are refused rather than continued.

use std::collections::HashMap;
use std::time::Duration;

use super::error::TaskError;
use crate::kafka::{CommittedOffset, OffsetCommit, TopicPartition};

/// A group without members forgets offsets that are not committed again
/// (`offsets.retention.minutes`, seven days): commit them anew this often.
pub const RECOMMIT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The group that a connector's offsets are committed to.
pub fn group_of(connector: &str) -> String {
    format!("connect-{connector}")
}

/// A commit with the fleet's name beside it.
pub fn commit(partition: &TopicPartition, offset: i64, fleet: &str) -> OffsetCommit {
    OffsetCommit { partition: partition.clone(), offset, metadata: fleet.to_owned() }
}

/// The offsets of what was committed, unless another fleet committed any. An
/// empty text is a tool's (`--reset-offsets`) and welcome.
pub fn of_this_fleet(
    committed: HashMap<TopicPartition, CommittedOffset>,
    group: &str,
    fleet: &str,
) -> Result<HashMap<TopicPartition, i64>, TaskError> {
    let mut offsets = HashMap::with_capacity(committed.len());
    for (partition, committed) in committed {
        if !committed.metadata.is_empty() && committed.metadata != fleet {
            return Err(TaskError::stop(format!(
                "the offsets of group `{group}` for {partition} were committed by the fleet \
                 `{}`, but this one is `{fleet}`: delete the group, or give the connector \
                 another name",
                committed.metadata
            )));
        }
        offsets.insert(partition, committed.offset);
    }
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(metadata: &str) -> HashMap<TopicPartition, CommittedOffset> {
        let offset = CommittedOffset { offset: 7, metadata: metadata.to_owned() };
        HashMap::from([(TopicPartition::new("t", 0), offset)])
    }

    #[test]
    fn another_fleets_offsets_are_refused() {
        let error = of_this_fleet(committed("blue"), "connect-c", "green").unwrap_err();
        assert!(error.message.contains("`blue`") && error.message.contains("connect-c"));
        assert_eq!(of_this_fleet(committed("green"), "connect-c", "green").unwrap().len(), 1);
        assert_eq!(of_this_fleet(committed(""), "connect-c", "green").unwrap().len(), 1);
    }
}
