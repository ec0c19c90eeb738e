//! What a task waits for while it runs, as its status tells it: a system that is down
//! fails no task, and should be seen all the same.

use std::collections::BTreeMap;

use crate::kafka::TopicPartition;

/// Partitions that a trace names; of more it says how many.
const NAMED_MAX: usize = 3;

/// Partitions of one task that wait, with why.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<TopicPartition, String>);

impl Waits {
    /// A partition waits, in these words, or no longer. False if that is no news.
    pub(super) fn set(&mut self, partition: &TopicPartition, why: Option<&str>) -> bool {
        match why {
            None => self.0.remove(partition).is_some(),
            Some(why) if self.0.get(partition).is_some_and(|known| known == why) => false,
            Some(why) => {
                self.0.insert(partition.clone(), why.to_owned());
                true
            }
        }
    }

    /// What the task's status says of it; `None` when nothing waits.
    pub(super) fn trace(&self) -> Option<String> {
        let named = self.0.iter().take(NAMED_MAX);
        let mut lines: Vec<_> =
            named.map(|(partition, why)| format!("{partition} waits: {why}")).collect();
        match self.0.len().checked_sub(NAMED_MAX) {
            None | Some(0) => {}
            Some(more) => lines.push(format!("{more} more partitions wait")),
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_told_and_many_partitions_are_counted() {
        let mut waits = Waits::default();
        assert_eq!(waits.trace(), None);
        for partition in 0..5 {
            assert!(waits.set(&TopicPartition::new("t", partition), Some("down")));
        }
        assert!(!waits.set(&TopicPartition::new("t", 0), Some("down")));
        assert!(waits.set(&TopicPartition::new("t", 0), Some("busy")));
        let trace = waits.trace().unwrap();
        let lines: Vec<_> = trace.lines().collect();
        assert_eq!(lines[..2], ["t-0 waits: busy", "t-1 waits: down"]);
        assert_eq!((lines.len(), lines[3]), (4, "2 more partitions wait"));
        for partition in 0..5 {
            assert!(waits.set(&TopicPartition::new("t", partition), None));
        }
        assert!(!waits.set(&TopicPartition::new("t", 0), None));
        assert_eq!(waits.trace(), None);
    }
}
