//! Where reading a partition starts, and what becomes of a position that the
//! log does not have any more.

use std::collections::HashMap;

use super::counters::Counters;
use super::error::TaskError;
use crate::kafka::{OffsetReset, TopicPartition};

/// What is known of a partition when a task takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Where the group, or the sink itself, is; `None` when nobody was here.
    pub position: Option<i64>,
    /// The first offset that the log holds.
    pub begin: i64,
    /// One past the last.
    pub end: i64,
    /// One past the last that is shown: before the first open transaction, with
    /// `read_committed`. It is Kafka's `latest`.
    pub latest: i64,
}

impl Known {
    /// What was asked of the log about `partition`.
    pub fn of(
        partition: &TopicPartition,
        position: Option<i64>,
        begins: &HashMap<TopicPartition, i64>,
        ends: &HashMap<TopicPartition, i64>,
        latest: &HashMap<TopicPartition, i64>,
    ) -> Self {
        let begin = begins.get(partition).copied().unwrap_or(0);
        // A partition whose end is not told is not held against its position.
        let end = ends.get(partition).copied().or(position).unwrap_or(begin).max(begin);
        let latest = latest.get(partition).copied().unwrap_or(end);
        Self { position, begin, end, latest }
    }
}

/// A decision on where to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// At this offset; nothing is missed.
    At(i64),
    /// At this offset, although the position is not in the log: the offsets
    /// from the position on to it, as many as are known to have been, are not
    /// read.
    Reset {
        /// Where to start.
        to: i64,
        /// Offsets that are passed over.
        skipped: u64,
    },
    /// Nowhere: only an operator can say what to do.
    Lost,
}

/// Decides where to start.
pub fn decide(known: Known, reset: OffsetReset) -> Decision {
    let Known { position, begin, end, latest } = known;
    let restart = match reset {
        OffsetReset::Latest => latest,
        OffsetReset::Earliest | OffsetReset::Fail => begin,
    };
    let Some(position) = position else { return Decision::At(restart) };
    if (begin..=end).contains(&position) {
        return Decision::At(position);
    }
    match reset {
        OffsetReset::Fail => Decision::Lost,
        _ => {
            Decision::Reset { to: restart, skipped: u64::try_from(restart - position).unwrap_or(0) }
        }
    }
}

/// Where to start `partition`; a reset is logged and counted as skipped.
pub fn start(
    partition: &TopicPartition,
    known: Known,
    reset: OffsetReset,
    group: &str,
    counters: &Counters,
) -> Result<i64, TaskError> {
    let Known { position, begin, end, .. } = known;
    let position = position.unwrap_or(-1);
    match decide(known, reset) {
        Decision::At(offset) => Ok(offset),
        Decision::Reset { to, skipped } => {
            counters.skip(skipped);
            tracing::warn!(
                %partition,
                position,
                begin,
                end,
                skipped,
                "the log does not have the position: reset to {to}, as \
                 `consumer.override.auto.offset.reset` says"
            );
            Ok(to)
        }
        Decision::Lost => {
            let gone = match position < begin {
                true => format!(
                    "offsets {position} to {} of {partition} are gone before they were read: \
                     the log begins at {begin}",
                    begin - 1
                ),
                false => format!(
                    "offset {position} of {partition} is beyond the log, which ends at {end}: \
                     the topic was made anew, or lost its end"
                ),
            };
            Err(TaskError::stop(format!(
                "{gone}. Set the offsets of group `{group}` where to go on (`--reset-offsets`), \
                 delete the group to begin again, or set \
                 `consumer.override.auto.offset.reset` to `earliest` or `latest`"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: Option<i64>, reset: OffsetReset) -> Decision {
        decide(Known { position, begin: 10, end: 22, latest: 20 }, reset)
    }

    #[test]
    fn a_position_in_the_log_is_where_it_goes_on_whatever_the_reset() {
        for reset in [OffsetReset::Fail, OffsetReset::Earliest, OffsetReset::Latest] {
            for position in [10, 15, 20, 22] {
                assert_eq!(at(Some(position), reset), Decision::At(position));
            }
        }
    }

    #[test]
    fn a_position_that_is_gone_stops_the_task_unless_the_configuration_says_otherwise() {
        for gone in [Some(9), Some(23)] {
            assert_eq!(at(gone, OffsetReset::Fail), Decision::Lost);
        }
        assert_eq!(at(Some(7), OffsetReset::Earliest), Decision::Reset { to: 10, skipped: 3 });
        assert_eq!(at(Some(7), OffsetReset::Latest), Decision::Reset { to: 20, skipped: 13 });
        assert_eq!(at(Some(100), OffsetReset::Earliest), Decision::Reset { to: 10, skipped: 0 });
        assert_eq!(at(Some(100), OffsetReset::Latest), Decision::Reset { to: 20, skipped: 0 });
    }

    #[test]
    fn a_group_without_commits_begins_at_the_beginning_or_before_the_first_open_transaction() {
        assert_eq!(at(None, OffsetReset::Fail), Decision::At(10));
        assert_eq!(at(None, OffsetReset::Earliest), Decision::At(10));
        assert_eq!(at(None, OffsetReset::Latest), Decision::At(20));
    }

    #[test]
    fn the_message_names_the_offsets_and_the_remedy() {
        let partition = TopicPartition::new("t", 3);
        let told = |position, begin, end| {
            let known = Known { position: Some(position), begin, end, latest: end };
            let counters = Counters::default();
            start(&partition, known, OffsetReset::Fail, "connect-c", &counters).unwrap_err().message
        };
        let gone = told(7, 10, 20);
        assert!(gone.contains("offsets 7 to 9 of t-3") && gone.contains("`connect-c`"), "{gone}");
        assert!(gone.contains("consumer.override.auto.offset.reset"), "{gone}");
        let anew = told(100, 0, 5);
        assert!(anew.contains("offset 100 of t-3") && anew.contains("ends at 5"), "{anew}");
    }
}
