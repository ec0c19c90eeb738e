//! Whose tasks wait for a worker that was stopped in order, and may return
//! (`scheduled.rebalance.max.delay.ms`, KIP-415): the leader's memory from one
//! rebalance to the next. Time is passed in.
//!
//! Such a worker says in its group that it leaves. What it ran stays its own until
//! it is back, another worker comes in its place, or the delay is over. One that takes
//! longer than that to end keeps what it has not let go of, and nothing else: a task that
//! hangs holds up no other. A worker
//! that is gone without a word is not waited for: its session was the delay. What
//! the leader knew ends with the leader; then nobody is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::assignment::Holding;

/// How often the leader looks at least what a worker that is still leaving has let go of.
const LOOK_EVERY_MIN: Duration = Duration::from_secs(1);

/// A member, as a rebalance sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present<'a> {
    /// Its `host:port`, which it has again when it returns.
    pub(super) worker_id: &'a str,
    /// What it has not let go of.
    pub(super) holding: &'a Holding,
    /// It is being stopped.
    pub(super) leaving: bool,
}

#[derive(Debug)]
struct Awaited {
    holding: Holding,
    /// It has left.
    is_gone: bool,
    /// When that is nobody's any more; while it is leaving, when to look what of it is.
    until: Instant,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// What each worker was given at the last rebalance.
    given: BTreeMap<String, Holding>,
    awaited: BTreeMap<String, Awaited>,
}

impl Returns {
    /// A rebalance among `present`: what waits for somebody. Nobody else gets that.
    pub(super) fn rebalance(
        &mut self,
        now: Instant,
        delay: Duration,
        present: &[Present<'_>],
    ) -> Holding {
        let ids: BTreeSet<&str> = present.iter().map(|member| member.worker_id).collect();
        let staying = present.iter().filter(|member| !member.leaving);
        // Whoever comes takes what waits, be it the same worker or another: it has
        // the least to do.
        let newcomer = |member: &Present<'_>| !self.given.contains_key(member.worker_id);
        let is_over = staying.clone().any(newcomer);
        self.awaited.retain(|id, awaited| {
            if ids.contains(id.as_str()) {
                return true;
            }
            if !awaited.is_gone {
                (awaited.is_gone, awaited.until) = (true, now + delay);
            }
            !is_over && awaited.until > now
        });
        for member in present {
            match member.leaving {
                true => {
                    let given = self.given.remove(member.worker_id).unwrap_or_default();
                    let awaited = self.awaited.entry(member.worker_id.to_owned());
                    let first = Awaited { holding: given, is_gone: false, until: now + delay };
                    let awaited = awaited.or_insert(first);
                    if awaited.until <= now {
                        awaited.holding = Holding::default();
                        awaited.until = now + delay.max(LOOK_EVERY_MIN);
                    }
                    awaited.holding.extend(member.holding);
                }
                false => drop(self.awaited.remove(member.worker_id)),
            }
        }
        let mut reserved = Holding::default();
        for awaited in self.awaited.values() {
            reserved.extend(&awaited.holding);
        }
        reserved
    }

    /// What each worker is given by the rebalance.
    pub(super) fn give(&mut self, given: BTreeMap<String, Holding>) {
        self.given = given;
    }

    /// When the first wait is over, or is to be looked at, if there is any.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.awaited.values().map(|awaited| awaited.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::herder::TaskId;
    use super::*;

    const DELAY: Duration = Duration::from_secs(3);

    fn task(number: u32) -> Holding {
        let id = TaskId { connector: "c".to_owned(), task: number };
        let tasks = BTreeMap::from([(id, BTreeSet::new())]);
        Holding { connectors: BTreeSet::new(), tasks }
    }

    /// Two workers, each with a task, of which the second says that it leaves.
    fn one_leaves(now: Instant) -> Returns {
        let mut returns = Returns::default();
        let (one, two) = (task(0), task(1));
        let both = [staying("w1", &one), staying("w2", &two)];
        assert!(returns.rebalance(now, DELAY, &both).tasks.is_empty());
        returns.give(BTreeMap::from([("w1".to_owned(), one.clone()), ("w2".to_owned(), two)]));
        let drained = Holding::default();
        let leaving = Present { worker_id: "w2", holding: &drained, leaving: true };
        let waiting = returns.rebalance(now, DELAY, &[staying("w1", &one), leaving]);
        assert_eq!(waiting, task(1), "all that it was given");
        returns.give(BTreeMap::from([("w1".to_owned(), one)]));
        returns
    }

    fn staying<'a>(worker_id: &'a str, holding: &'a Holding) -> Present<'a> {
        Present { worker_id, holding, leaving: false }
    }

    #[tokio::test]
    async fn what_a_worker_ran_waits_for_it_until_the_delay_is_over() {
        let now = Instant::now();
        let mut returns = one_leaves(now);
        let one = task(0);
        let left = [staying("w1", &one)];
        assert_eq!(returns.rebalance(now, DELAY, &left).tasks.len(), 1);
        assert_eq!(returns.deadline(), Some(now + DELAY));
        // Other rebalances change nothing.
        assert_eq!(returns.rebalance(now + DELAY / 2, DELAY, &left).tasks.len(), 1);
        assert_eq!(returns.deadline(), Some(now + DELAY));
        assert!(returns.rebalance(now + DELAY, DELAY, &left).tasks.is_empty());
        assert_eq!(returns.deadline(), None);
    }

    #[tokio::test]
    async fn who_takes_long_to_leave_keeps_what_it_has_not_let_go_of_and_no_more() {
        let now = Instant::now();
        let mut returns = Returns::default();
        let (one, mut two) = (task(0), task(1));
        two.extend(&task(2));
        returns.rebalance(now, DELAY, &[staying("w1", &one), staying("w2", &two)]);
        returns.give(BTreeMap::from([("w1".into(), one.clone()), ("w2".into(), two.clone())]));
        let mut look = |at, holding: &Holding| {
            let leaving = Present { worker_id: "w2", holding, leaving: true };
            let reserved = returns.rebalance(at, DELAY, &[staying("w1", &one), leaving]);
            (reserved, returns.deadline())
        };
        assert_eq!(look(now, &two), (two.clone(), Some(now + DELAY)));
        assert_eq!(look(now + DELAY / 2, &task(2)), (two.clone(), Some(now + DELAY)));
        let again = now + 2 * DELAY;
        assert_eq!(look(now + DELAY, &task(2)), (task(2), Some(again)), "it hangs");
        assert_eq!(look(again, &task(2)).0, task(2));
        // What it had last waits for its return.
        let left = [staying("w1", &one)];
        assert_eq!(returns.rebalance(again, DELAY, &left), task(2));
        assert_eq!(returns.rebalance(again + DELAY, DELAY, &left), Holding::default());
    }

    #[tokio::test]
    async fn whoever_comes_ends_the_wait() {
        for newcomer in ["w2", "w3"] {
            let now = Instant::now();
            let mut returns = one_leaves(now);
            let (one, none) = (task(0), Holding::default());
            assert_eq!(returns.rebalance(now, DELAY, &[staying("w1", &one)]).tasks.len(), 1);
            let members = [staying("w1", &one), staying(newcomer, &none)];
            assert!(returns.rebalance(now, DELAY, &members).tasks.is_empty(), "{newcomer}");
        }
    }

    #[tokio::test]
    async fn who_is_gone_without_a_word_is_not_waited_for() {
        let now = Instant::now();
        let mut returns = Returns::default();
        let (one, two) = (task(0), task(1));
        returns.rebalance(now, DELAY, &[staying("w1", &one), staying("w2", &two)]);
        returns.give(BTreeMap::from([("w1".to_owned(), one.clone()), ("w2".to_owned(), two)]));
        assert!(returns.rebalance(now, DELAY, &[staying("w1", &one)]).tasks.is_empty());
    }
}
