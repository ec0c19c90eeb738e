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
/// (`offsets.retention.minutes`, seven days): commit them anew this often, and when a
/// task's session begins.
pub const RECOMMIT_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The group that a connector's offsets are committed to.
pub fn group_of(connector: &str) -> String {
    format!("connect-{connector}")
}

/// A commit with the fleet's name beside it.
pub fn commit(partition: &TopicPartition, offset: i64, fleet: &str) -> OffsetCommit {
    OffsetCommit { partition: partition.clone(), offset, metadata: fleet.to_owned() }
}

/// What follows the fleet's name beside the offset of a partition whose position the
/// sink keeps with its data: the group's offset only shows it.
const KEPT: &str = "; kept by the sink";

/// A commit that only shows where the sink itself says that it is.
pub fn commit_kept(partition: &TopicPartition, offset: i64, fleet: &str) -> OffsetCommit {
    let metadata = format!("{fleet}{KEPT}");
    OffsetCommit { partition: partition.clone(), offset, metadata }
}

/// What follows it beside an offset that a request set.
const BY_HAND: &str = "; set by hand";

/// A commit that a request asks for: no task made it.
pub fn commit_by_hand(partition: &TopicPartition, offset: i64, fleet: &str) -> OffsetCommit {
    let metadata = format!("{fleet}{BY_HAND}");
    OffsetCommit { partition: partition.clone(), offset, metadata }
}

/// The text beside an offset that a tool sets in the place of one with `text`: it
/// shows no sink's position any more.
pub fn text_by_hand(text: &str) -> String {
    text.strip_suffix(KEPT).map_or_else(|| text.to_owned(), |fleet| format!("{fleet}{BY_HAND}"))
}

/// Whether a committed offset only shows where the sink says that it is.
pub fn is_kept(committed: &CommittedOffset) -> bool {
    committed.metadata.ends_with(KEPT)
}

/// What a group has committed, all of it by this fleet or by hand.
#[derive(Debug, Default)]
pub struct Positions(HashMap<TopicPartition, CommittedOffset>);

impl Positions {
    /// What was committed, unless another fleet committed any of it. An empty text
    /// is a tool's (`--reset-offsets`) and welcome.
    pub fn of_this_fleet(
        committed: HashMap<TopicPartition, CommittedOffset>,
        group: &str,
        fleet: &str,
    ) -> Result<Self, TaskError> {
        for (partition, committed) in &committed {
            let text = committed.metadata.as_str();
            let text = text.strip_suffix(KEPT).or(text.strip_suffix(BY_HAND)).unwrap_or(text);
            if !text.is_empty() && text != fleet {
                return Err(TaskError::stop(format!(
                    "the offsets of group `{group}` for {partition} were committed by the fleet \
                     `{text}`, but this one is `{fleet}`: delete the group, or give the connector \
                     another name"
                )));
            }
        }
        Ok(Self(committed))
    }

    /// A partition's offset.
    pub fn get(&self, partition: &TopicPartition) -> Option<i64> {
        self.0.get(partition).map(|committed| committed.offset)
    }

    /// All of them.
    pub fn offsets(self) -> HashMap<TopicPartition, i64> {
        self.0.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect()
    }

    /// A sink goes on at its own marks, whatever the group has. An offset that was
    /// set by hand asks for something else, and is refused rather than passed over. So
    /// is one that shows a mark which the sink does not have any more: whoever emptied
    /// its system wants what was there again.
    pub fn check_kept(
        &self,
        marks: &HashMap<TopicPartition, i64>,
        group: &str,
    ) -> Result<(), TaskError> {
        for (partition, mark) in marks {
            let Some(committed) = self.0.get(partition) else { continue };
            let text = &committed.metadata;
            let by_hand = text.is_empty() || text.ends_with(BY_HAND);
            if by_hand && committed.offset != *mark {
                return Err(TaskError::stop(format!(
                    "the offset of group `{group}` for {partition} was set to {} by hand, but the \
                     sink keeps its position with its data, and is at {mark}: change it there. \
                     Then set the group's offset to the same, or delete it (`--delete-offsets`)",
                    committed.offset
                )));
            }
        }
        for (partition, committed) in &self.0 {
            if is_kept(committed) && !marks.contains_key(partition) {
                return Err(TaskError::stop(format!(
                    "the sink kept its position in {partition} with its data, and has none there \
                     any more, but group `{group}` shows {}: if its data was removed to be written \
                     anew, delete the group's offset (`--delete-offsets`)",
                    committed.offset
                )));
            }
        }
        Ok(())
    }
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
        let read =
            |metadata: &str| Positions::of_this_fleet(committed(metadata), "connect-c", "green");
        let error = read("blue").unwrap_err();
        assert!(error.message.contains("`blue`") && error.message.contains("connect-c"));
        for metadata in ["green", "", "green; kept by the sink", "green; set by hand"] {
            assert_eq!(read(metadata).unwrap().get(&TopicPartition::new("t", 0)), Some(7));
        }
        assert!(read("blue; kept by the sink").is_err());
    }

    #[test]
    fn an_offset_set_by_hand_is_refused_where_the_sink_is_elsewhere() {
        let check = |metadata: &str, mark| {
            let read = Positions::of_this_fleet(committed(metadata), "connect-c", "green");
            let marks = HashMap::from([(TopicPartition::new("t", 0), mark)]);
            read.unwrap().check_kept(&marks, "connect-c")
        };
        let told = check("", 9).unwrap_err().message;
        assert!(told.contains("set to 7 by hand") && told.contains("is at 9"), "{told}");
        assert!(check("green; set by hand", 9).is_err());
        assert!(check(&text_by_hand("green; kept by the sink"), 9).is_err(), "by our own tool");
        for other in ["green", "green; set by hand", "", "of another application"] {
            assert_eq!(text_by_hand(other), other);
        }
        assert_eq!(check("", 7), Ok(()));
        assert_eq!(check("green", 9), Ok(()), "a commit that a crash prevented");
        assert_eq!(check("green; kept by the sink", 9), Ok(()));
    }

    #[test]
    fn what_the_group_shows_is_no_position_of_a_sink_that_was_emptied() {
        let check = |metadata: &str| {
            let read = Positions::of_this_fleet(committed(metadata), "connect-c", "green");
            read.unwrap().check_kept(&HashMap::new(), "connect-c")
        };
        let told = check("green; kept by the sink").unwrap_err().message;
        assert!(told.contains("shows 7") && told.contains("--delete-offsets"), "{told}");
        for metadata in ["green", "", "green; set by hand"] {
            assert_eq!(check(metadata), Ok(()), "{metadata}");
        }
    }
}
