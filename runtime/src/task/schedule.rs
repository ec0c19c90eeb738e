//! What a sink does next.
//!
//! Pure: told what was read, put and marked, and what time it is, it answers
//! with the next step. It commits nothing that [`Marks`] does not allow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::commits::RECOMMIT_EVERY;
use super::marks::{Marks, Overclaim};
use crate::kafka::TopicPartition;

/// How often a sink is asked what became durable.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// Offsets that a sink is to reach, by partition: the ends of its inputs.
pub type Targets = HashMap<TopicPartition, i64>;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the plugin what became durable.
    Tick,
    /// Have the plugin make everything durable.
    Drain,
    /// Commit these offsets.
    Commit(Vec<(TopicPartition, i64)>),
    /// Read and put, waiting this long at most.
    Read(Duration),
}

/// The state machine of one sink task. Times count from any fixed moment.
#[derive(Debug)]
pub struct Schedule {
    partitions: BTreeMap<TopicPartition, Marks>,
    commit_every: Duration,
    held_bytes_max: usize,
    tick_at: Duration,
    commit_at: Duration,
    recommit_at: Duration,
    /// Nothing was put since the last drain, so that another would bring
    /// nothing.
    drained: bool,
}

impl Schedule {
    /// `held_bytes_max`: what the plugin may keep unwritten before it is asked
    /// to let go.
    pub fn new(commit_every: Duration, held_bytes_max: usize, now: Duration) -> Self {
        Self {
            partitions: BTreeMap::new(),
            commit_every,
            held_bytes_max,
            tick_at: now + TICK_EVERY,
            commit_at: now + commit_every,
            recommit_at: now + RECOMMIT_EVERY,
            drained: true,
        }
    }

    /// A partition came, to be read from `start`; the group has `committed`.
    pub fn assigned(&mut self, partition: TopicPartition, start: i64, committed: Option<i64>) {
        self.partitions.insert(partition, Marks::new(start, committed));
    }

    /// A partition went.
    pub fn revoked(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
    }

    /// The partitions held.
    pub fn held(&self) -> BTreeSet<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Whether a partition is held.
    pub fn holds(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// A read of a partition: first and last offset of its records, if it had
    /// any, and the position after it.
    pub fn read(&mut self, partition: &TopicPartition, records: Option<(i64, i64)>, next: i64) {
        self.drained &= records.is_none();
        if let Some(marks) = self.partitions.get_mut(partition) {
            marks.read(records, next);
        }
    }

    /// One past the last offset that was given of a partition; `None` if it is not held.
    pub fn given(&self, partition: &TopicPartition) -> Option<i64> {
        self.partitions.get(partition).map(Marks::given)
    }

    /// A record that will not be delivered, and may be skipped.
    pub fn reject(&mut self, partition: &TopicPartition, offset: i64) {
        if let Some(marks) = self.partitions.get_mut(partition) {
            marks.reject(offset);
        }
    }

    /// The plugin's mark. Of a partition that went it says nothing any more.
    pub fn mark(&mut self, partition: &TopicPartition, next: i64) -> Result<(), Overclaim> {
        self.partitions.get_mut(partition).map_or(Ok(()), |marks| marks.mark(next))
    }

    /// The plugin was asked what became durable.
    pub fn ticked(&mut self, now: Duration) {
        self.tick_at = now + TICK_EVERY;
    }

    /// The plugin was made to make everything durable.
    pub fn drained(&mut self) {
        self.drained = true;
    }

    /// The group has these.
    pub fn committed(&mut self, offsets: &[(TopicPartition, i64)]) {
        for (partition, offset) in offsets {
            if let Some(marks) = self.partitions.get_mut(partition) {
                marks.committed(*offset);
            }
        }
    }

    /// What could be committed was.
    pub fn commits_after(&mut self, now: Duration) {
        self.commit_at = now + self.commit_every;
    }

    /// What can be committed now that is not.
    pub fn to_commit(&self) -> Vec<(TopicPartition, i64)> {
        let due = self.partitions.iter();
        due.filter_map(|(partition, marks)| Some((partition.clone(), marks.to_commit()?))).collect()
    }

    /// The next step. `held_bytes`: what the plugin keeps unwritten.
    /// `targets`: somebody waits for these offsets to be committed.
    pub fn next(&mut self, now: Duration, held_bytes: usize, targets: Option<&Targets>) -> Step {
        if now >= self.tick_at {
            return Step::Tick;
        }
        let wanted = targets.is_some_and(|targets| self.waited_for(targets));
        if now >= self.recommit_at {
            self.recommit_at = now + RECOMMIT_EVERY;
            let held = self.partitions.iter().filter(|(_, marks)| marks.group_has().is_some());
            let all: Vec<_> = held.map(|(at, marks)| (at.clone(), marks.durable())).collect();
            if !all.is_empty() {
                return Step::Commit(all);
            }
        }
        if now >= self.commit_at || wanted {
            let offsets = self.to_commit();
            if !offsets.is_empty() {
                return Step::Commit(offsets);
            }
            if now >= self.commit_at {
                self.commit_at = now + self.commit_every;
            }
        }
        if !self.drained && (held_bytes > self.held_bytes_max || wanted) {
            return Step::Drain;
        }
        Step::Read(self.tick_at.min(self.commit_at).saturating_sub(now))
    }

    /// True when all that is waited for was read, but is not yet committed.
    fn waited_for(&self, targets: &Targets) -> bool {
        let mut open = false;
        for (partition, marks) in &self.partitions {
            let target = targets.get(partition).copied().unwrap_or(0);
            if marks.given() < target {
                return false;
            }
            open |= marks.group_has().unwrap_or(0) < target;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMIT_EVERY: Duration = Duration::from_secs(5);

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn schedule() -> Schedule {
        let mut schedule = Schedule::new(COMMIT_EVERY, 1_000, Duration::ZERO);
        schedule.assigned(at(0), 0, None);
        schedule
    }

    #[test]
    fn nothing_is_committed_before_the_plugin_marked_it() {
        let mut schedule = schedule();
        schedule.read(&at(0), Some((0, 9)), 10);
        let late = Duration::from_millis(5_999);
        schedule.ticked(late);
        assert!(matches!(schedule.next(late, 0, None), Step::Read(_)));
        schedule.mark(&at(0), 4).unwrap();
        let later = late + COMMIT_EVERY;
        schedule.ticked(later);
        assert_eq!(schedule.next(later, 0, None), Step::Commit(vec![(at(0), 4)]));
    }

    #[test]
    fn the_plugin_is_asked_about_once_a_second_idle_or_not() {
        let mut schedule = schedule();
        let now = Duration::from_millis(400);
        assert_eq!(schedule.next(now, 0, None), Step::Read(Duration::from_millis(600)));
        assert_eq!(schedule.next(TICK_EVERY, 0, None), Step::Tick);
    }

    #[test]
    fn a_plugin_that_holds_too_much_is_drained_and_not_twice_for_the_same() {
        let mut schedule = schedule();
        schedule.read(&at(0), Some((0, 9)), 10);
        assert_eq!(schedule.next(Duration::ZERO, 1_001, None), Step::Drain);
        schedule.drained();
        assert!(matches!(schedule.next(Duration::ZERO, 1_001, None), Step::Read(_)));
    }

    #[test]
    fn a_wait_for_the_end_reads_drains_and_commits_at_once() {
        let mut schedule = schedule();
        let targets = Targets::from([(at(0), 10)]);
        schedule.read(&at(0), Some((0, 5)), 6);
        assert!(matches!(schedule.next(Duration::ZERO, 0, Some(&targets)), Step::Read(_)));
        schedule.read(&at(0), Some((6, 9)), 10);
        assert_eq!(schedule.next(Duration::ZERO, 0, Some(&targets)), Step::Drain);
        schedule.drained();
        schedule.mark(&at(0), 10).unwrap();
        let commit = vec![(at(0), 10)];
        assert_eq!(schedule.next(Duration::ZERO, 0, Some(&targets)), Step::Commit(commit.clone()));
        schedule.committed(&commit);
        schedule.commits_after(Duration::ZERO);
        assert!(matches!(schedule.next(Duration::ZERO, 0, Some(&targets)), Step::Read(_)));
    }

    #[test]
    fn what_is_committed_is_committed_again_daily() {
        let mut schedule = Schedule::new(COMMIT_EVERY, 1_000, Duration::ZERO);
        schedule.assigned(at(0), 7, Some(7));
        for due in [RECOMMIT_EVERY, 2 * RECOMMIT_EVERY] {
            let early = due - Duration::from_secs(1);
            schedule.ticked(early);
            assert!(matches!(schedule.next(early, 0, None), Step::Read(_)));
            schedule.ticked(due);
            assert_eq!(schedule.next(due, 0, None), Step::Commit(vec![(at(0), 7)]));
            assert!(matches!(schedule.next(due, 0, None), Step::Read(_)));
        }
    }

    #[test]
    fn a_wait_for_the_end_does_not_put_off_what_is_marked_meanwhile() {
        let mut schedule = schedule();
        let targets = Targets::from([(at(0), 10)]);
        schedule.read(&at(0), Some((0, 9)), 10);
        schedule.drained();
        for _ in 0..100 {
            assert!(matches!(schedule.next(Duration::ZERO, 0, Some(&targets)), Step::Read(_)));
        }
        schedule.mark(&at(0), 4).unwrap();
        schedule.ticked(COMMIT_EVERY);
        assert_eq!(schedule.next(COMMIT_EVERY, 0, None), Step::Commit(vec![(at(0), 4)]));
    }

    proptest! {
        #[test]
        fn no_step_ever_commits_beyond_what_was_marked(
            script in proptest::collection::vec((0u8..5, 0i32..2, 1i64..5, any::<bool>()), 1..120),
        ) {
            let mut schedule = Schedule::new(COMMIT_EVERY, 100, Duration::ZERO);
            let (mut given, mut marked) = ([0i64; 2], [0i64; 2]);
            schedule.assigned(at(0), 0, None);
            schedule.assigned(at(1), 0, None);
            let mut now = Duration::ZERO;
            for (event, partition, amount, wait) in script {
                let p = partition as usize;
                match event {
                    0 | 1 => {
                        let next = given[p] + amount;
                        schedule.read(&at(partition), Some((given[p], next - 1)), next);
                        given[p] = next;
                    }
                    2 => {
                        marked[p] = (marked[p] + amount).min(given[p]);
                        schedule.mark(&at(partition), marked[p]).unwrap();
                    }
                    _ => now += Duration::from_millis(700 * amount as u64),
                }
                let targets = Targets::from([(at(0), given[0]), (at(1), given[1])]);
                match schedule.next(now, amount as usize * 30, wait.then_some(&targets)) {
                    Step::Tick => schedule.ticked(now),
                    Step::Drain => schedule.drained(),
                    Step::Commit(offsets) => {
                        for (partition, offset) in &offsets {
                            prop_assert!(*offset <= marked[partition.partition as usize]);
                        }
                        schedule.committed(&offsets);
                        schedule.commits_after(now);
                    }
                    Step::Read(wait) => prop_assert!(wait <= TICK_EVERY),
                }
            }
        }
    }
}
