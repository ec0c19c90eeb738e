//! What a task waits for while it runs, as its status tells it: a system that is down
//! fails no task, and should be seen all the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::kafka::TopicPartition;

/// Partitions that a trace names; of more it says how many.
const NAMED_MAX: usize = 3;

/// While something waits, other words for it are told this often at the most: a status
/// is a record of the status topic, and systems may fail in turns.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Partitions of one task that wait, with why.
#[derive(Debug, Default)]
pub(super) struct Waits {
    waiting: BTreeMap<TopicPartition, String>,
    /// What was told last.
    told: Option<String>,
    /// When that something waits was told last.
    told_at: Option<Instant>,
}

impl Waits {
    /// A partition waits, in these words, or no longer. What the task's status should
    /// say, if that is news and it is time for them: what waits is tried again, and told
    /// then.
    pub(super) fn set(
        &mut self,
        partition: &TopicPartition,
        why: Option<&str>,
        now: Instant,
    ) -> Option<Option<String>> {
        match why {
            None if !self.waiting.contains_key(partition) => return None,
            None => drop(self.waiting.remove(partition)),
            Some(why) => drop(self.waiting.insert(partition.clone(), why.to_owned())),
        }
        let trace = self.trace();
        let is_early = self.told_at.is_some_and(|told| now < told + TOLD_EVERY);
        if trace == self.told || (trace.is_some() && is_early) {
            return None;
        }
        if trace.is_some() {
            self.told_at = Some(now);
        }
        self.told.clone_from(&trace);
        Some(trace)
    }

    /// What the task's status says of it; `None` when nothing waits.
    fn trace(&self) -> Option<String> {
        let named = self.waiting.iter().take(NAMED_MAX);
        let mut lines: Vec<_> =
            named.map(|(partition, why)| format!("{partition} waits: {why}")).collect();
        match self.waiting.len().checked_sub(NAMED_MAX) {
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
    fn many_partitions_that_wait_are_counted() {
        let (mut waits, now) = (Waits::default(), Instant::now());
        for partition in 0..5 {
            waits.set(&TopicPartition::new("t", partition), Some("down"), now);
        }
        let trace = waits.set(&TopicPartition::new("t", 0), Some("busy"), now + TOLD_EVERY);
        let trace = trace.flatten().unwrap();
        let lines: Vec<_> = trace.lines().collect();
        assert_eq!(lines[..2], ["t-0 waits: busy", "t-1 waits: down"]);
        assert_eq!((lines.len(), lines[3]), (4, "2 more partitions wait"));
    }

    #[test]
    fn what_waits_and_does_not_in_turns_is_told_now_and_then() {
        let (mut waits, began) = (Waits::default(), Instant::now());
        let at = TopicPartition::new("t", 0);
        let mut told = Vec::new();
        // Ten tries a second, for a minute.
        for tenth in 0..600 {
            let why = ["down", "busy"].get(tenth % 3).copied();
            told.extend(waits.set(&at, why, began + Duration::from_millis(100) * tenth as u32));
        }
        assert_eq!(
            told[..3],
            [Some("t-0 waits: down".into()), None, Some("t-0 waits: busy".into())]
        );
        assert!(told.len() <= 2 * 6, "{told:?}");
        assert_eq!(waits.set(&at, None, began), None, "that nothing waits was told");
        let later = began + Duration::from_hours(1);
        assert!(waits.set(&at, Some("down"), later).is_some());
        assert_eq!(waits.set(&at, Some("down"), later + TOLD_EVERY), None, "it is no news");
        assert_eq!(waits.set(&at, None, later), Some(None), "at once");
    }
}
