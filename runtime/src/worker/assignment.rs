//! Who runs what: the leader's decision, as a pure function.
//!
//! Three things are dealt out: connectors to members, tasks to members, and
//! each sink's and processor's partitions to its tasks. All three are sticky
//! (nothing moves that need not), balanced (no two differ by more than one)
//! and deterministic (the same input gives the same answer on every worker).
//!
//! Nothing changes hands in one step. What has to move is given to nobody at
//! first; its holder, seeing that it lost it, lets go in order (drains,
//! commits, closes) and rejoins, and only the next round gives it away. So two
//! members never run the same task, and two tasks never hold one partition.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::herder::TaskId;
use crate::kafka::TopicPartition;

/// No legal topic name: it stands for every input topic of a processor. Those
/// are partitioned alike, and are dealt out by partition number, so that the
/// processor's state follows that number.
pub const ALL_INPUTS: &str = "*";

/// What there is to run of one connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// How many tasks it has; 0 while they are not planned.
    pub tasks: u32,
    /// What is dealt out to those tasks; empty for a source.
    pub shares: BTreeSet<TopicPartition>,
}

/// What one member runs, or is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Connectors that it plans and watches over.
    pub connectors: BTreeSet<String>,
    /// Tasks, with their shares.
    #[serde(with = "tasks_as_list")]
    pub tasks: BTreeMap<TaskId, BTreeSet<TopicPartition>>,
}

impl Holding {
    /// True when all connectors, tasks and shares are among those of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        let has_tasks = self.tasks.iter().all(|(task, shares)| {
            other.tasks.get(task).is_some_and(|others| shares.is_subset(others))
        });
        has_tasks && self.connectors.is_subset(&other.connectors)
    }

    /// How many connectors, tasks and shares are not among those of `other`.
    pub fn beyond(&self, other: &Self) -> usize {
        let of_task = |(task, shares): (&TaskId, &BTreeSet<TopicPartition>)| {
            let others = other.tasks.get(task);
            others.map_or(1 + shares.len(), |others| shares.difference(others).count())
        };
        let tasks: usize = self.tasks.iter().map(of_task).sum();
        tasks + self.connectors.difference(&other.connectors).count()
    }

    /// Takes up all of `more` beside what there is.
    pub fn extend(&mut self, more: &Self) {
        self.connectors.extend(more.connectors.iter().cloned());
        for (task, shares) in &more.tasks {
            self.tasks.entry(task.clone()).or_default().extend(shares.iter().cloned());
        }
    }
}

/// Whether a partition is among `shares`, or its number is a processor's.
pub fn covers(shares: &BTreeSet<TopicPartition>, at: &TopicPartition) -> bool {
    shares.contains(at) || shares.contains(&TopicPartition::new(ALL_INPUTS, at.partition))
}

/// Deals out `work` (by connector) to `members` (by member id, with what each
/// holds now), but for what is `reserved` for a worker that may return, and what those
/// that are `leaving` have not let go of. Every member has an entry in the answer.
pub fn assign(
    work: &BTreeMap<String, Work>,
    members: &BTreeMap<String, Holding>,
    reserved: &Holding,
    leaving: &[&Holding],
) -> BTreeMap<String, Holding> {
    let mut answer: BTreeMap<String, Holding> =
        members.keys().map(|member| (member.clone(), Holding::default())).collect();
    let ids: BTreeSet<String> = members.keys().cloned().collect();

    let held = holders(members, |holding| holding.connectors.iter());
    let is_free = |name: &&String| !reserved.connectors.contains(*name) || held.contains_key(*name);
    let connectors: BTreeSet<String> = work.keys().filter(is_free).cloned().collect();
    for (connector, member) in sticky(&connectors, &ids, &held, &BTreeSet::new()) {
        answer.entry(member).or_default().connectors.insert(connector);
    }

    let tasks: BTreeSet<TaskId> = work
        .iter()
        .flat_map(|(name, work)| {
            (0..work.tasks).map(|task| TaskId { connector: name.clone(), task })
        })
        .collect();
    let held = holders(members, |holding| holding.tasks.keys());
    let is_free = |id: &TaskId| !reserved.tasks.contains_key(id) || held.contains_key(id);
    let tasks: BTreeSet<TaskId> = tasks.into_iter().filter(is_free).collect();
    let placed = sticky(&tasks, &ids, &held, &BTreeSet::new());
    for (name, work) in work {
        let dealt = deal_shares(name, work, members, reserved, leaving, &placed);
        for task in 0..work.tasks {
            let id = TaskId { connector: name.clone(), task };
            if let Some(member) = placed.get(&id) {
                let shares = dealt.get(&task).cloned().unwrap_or_default();
                answer.entry(member.clone()).or_default().tasks.insert(id, shares);
            }
        }
    }
    answer
}

/// The shares of each task of one connector.
fn deal_shares(
    name: &str,
    work: &Work,
    members: &BTreeMap<String, Holding>,
    reserved: &Holding,
    leaving: &[&Holding],
    placed: &BTreeMap<TaskId, String>,
) -> BTreeMap<u32, BTreeSet<TopicPartition>> {
    let mut held = BTreeMap::new();
    let mut blocked = BTreeSet::new();
    for (member, holding) in members {
        for (id, shares) in holding.tasks.iter().filter(|(id, _)| id.connector == name) {
            for share in shares {
                let stays = placed.get(id) == Some(member) && !held.contains_key(share);
                if stays {
                    held.insert(share.clone(), id.task);
                } else {
                    blocked.insert(share.clone());
                }
            }
        }
    }
    // A share that a leaving member still has waits with its task. Where there is no such
    // task any more, or another member has it, the share waits by itself.
    for (id, shares) in leaving.iter().flat_map(|holding| &holding.tasks) {
        let waits = id.task < work.tasks && !placed.contains_key(id);
        if id.connector == name && !waits {
            blocked.extend(shares.iter().cloned());
        }
    }
    for (id, shares) in reserved.tasks.iter().filter(|(id, _)| id.connector == name) {
        for share in shares.iter().filter(|share| !blocked.contains(*share)) {
            held.entry(share.clone()).or_insert(id.task);
        }
    }
    let tasks: BTreeSet<u32> = (0..work.tasks).collect();
    let mut dealt: BTreeMap<u32, BTreeSet<TopicPartition>> = BTreeMap::new();
    for (share, task) in sticky(&work.shares, &tasks, &held, &blocked) {
        dealt.entry(task).or_default().insert(share);
    }
    dealt
}

/// Who holds each unit now. When two claim one (a member came back from the
/// dead) the first keeps it and the other is told to let go.
fn holders<'a, U: Ord + Clone + 'a, I: Iterator<Item = &'a U>>(
    members: &'a BTreeMap<String, Holding>,
    units: impl Fn(&'a Holding) -> I,
) -> BTreeMap<U, String> {
    let mut held = BTreeMap::new();
    for (member, holding) in members {
        for unit in units(holding) {
            held.entry(unit.clone()).or_insert_with(|| member.clone());
        }
    }
    held
}

/// Places `units` in `bins`. A unit stays with its holder while that one is
/// not above its fair number; a unit that must leave its holder, or is
/// `blocked` (somebody else still holds it), is placed nowhere yet.
fn sticky<U: Ord + Clone, B: Ord + Clone>(
    units: &BTreeSet<U>,
    bins: &BTreeSet<B>,
    held: &BTreeMap<U, B>,
    blocked: &BTreeSet<U>,
) -> BTreeMap<U, B> {
    let mut placed = BTreeMap::new();
    if bins.is_empty() {
        return placed;
    }
    let mut keeping: BTreeMap<&B, Vec<&U>> = bins.iter().map(|bin| (bin, Vec::new())).collect();
    let mut orphans = Vec::new();
    for unit in units {
        match held.get(unit).filter(|bin| bins.contains(*bin)) {
            _ if blocked.contains(unit) => {}
            Some(bin) => keeping.entry(bin).or_default().push(unit),
            None => orphans.push(unit),
        }
    }

    // Those that hold most take what does not divide evenly: fewest moves.
    let fair = units.len() / bins.len();
    let mut richest: Vec<&B> = bins.iter().collect();
    richest.sort_by_key(|bin| std::cmp::Reverse(keeping[*bin].len()));
    let mut room: BTreeSet<(usize, &B, usize)> = BTreeSet::new();
    for (rank, bin) in richest.into_iter().enumerate() {
        let most = fair + usize::from(rank < units.len() % bins.len());
        let kept = &keeping[bin];
        for unit in kept.iter().take(most) {
            placed.insert((*unit).clone(), bin.clone());
        }
        if kept.len() < most {
            room.insert((kept.len(), bin, most));
        }
    }
    for unit in orphans {
        let Some((load, bin, most)) = room.pop_first() else { break };
        placed.insert(unit.clone(), bin.clone());
        if load + 1 < most {
            room.insert((load + 1, bin, most));
        }
    }
    placed
}

/// JSON has no maps with structured keys.
mod tasks_as_list {
    use super::*;
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Entry {
        connector: String,
        task: u32,
        /// Topic, or [`ALL_INPUTS`], to partition numbers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        partitions: BTreeMap<String, BTreeSet<i32>>,
    }

    pub(super) fn serialize<S: Serializer>(
        tasks: &BTreeMap<TaskId, BTreeSet<TopicPartition>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(tasks.iter().map(|(id, shares)| {
            let mut partitions: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
            for share in shares {
                let numbers = partitions.entry(share.topic.to_string()).or_default();
                numbers.insert(share.partition);
            }
            Entry { connector: id.connector.clone(), task: id.task, partitions }
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<TaskId, BTreeSet<TopicPartition>>, D::Error> {
        let entries = Vec::<Entry>::deserialize(deserializer)?;
        let tasks = entries.into_iter().map(|entry| {
            let shares = entry.partitions.into_iter().flat_map(|(topic, numbers)| {
                let topic: std::sync::Arc<str> = topic.into();
                numbers
                    .into_iter()
                    .map(move |partition| TopicPartition { topic: topic.clone(), partition })
            });
            (TaskId { connector: entry.connector, task: entry.task }, shares.collect())
        });
        Ok(tasks.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn work() -> impl Strategy<Value = BTreeMap<String, Work>> {
        let one = (0u32..5, 0i32..12, any::<bool>()).prop_map(|(tasks, partitions, sink)| {
            let shares = (0..partitions)
                .map(|partition| match sink {
                    true => TopicPartition::new(format!("t{}", partition % 2), partition),
                    false => TopicPartition::new(ALL_INPUTS, partition),
                })
                .collect();
            Work { tasks, shares }
        });
        proptest::collection::btree_map("[a-d]", one, 0..4)
    }

    fn idle(names: &BTreeSet<String>) -> BTreeMap<String, Holding> {
        names.iter().map(|name| (name.clone(), Holding::default())).collect()
    }

    /// Plays rounds until nothing changes: each member takes what it is given.
    fn settle(
        work: &BTreeMap<String, Work>,
        mut members: BTreeMap<String, Holding>,
    ) -> BTreeMap<String, Holding> {
        for _ in 0..6 {
            let next = assign(work, &members, &Holding::default(), &[]);
            if next == members {
                return members;
            }
            members = next;
        }
        panic!("the assignment does not settle");
    }

    fn spread(counts: impl Iterator<Item = usize>) -> usize {
        let counts: Vec<_> = counts.collect();
        counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
    }

    fn assert_whole_and_balanced(
        work: &BTreeMap<String, Work>,
        members: &BTreeMap<String, Holding>,
    ) {
        let connectors: Vec<_> = members.values().flat_map(|m| m.connectors.clone()).collect();
        assert_eq!(connectors.len(), work.len());
        let tasks: Vec<_> = members.values().flat_map(|m| m.tasks.clone()).collect();
        assert_eq!(tasks.len(), work.values().map(|w| w.tasks as usize).sum::<usize>());
        assert!(spread(members.values().map(|m| m.connectors.len())) <= 1);
        assert!(spread(members.values().map(|m| m.tasks.len())) <= 1);
        for (name, work) in work.iter().filter(|(_, work)| work.tasks > 0) {
            let mine: Vec<_> = tasks.iter().filter(|(id, _)| id.connector == *name).collect();
            let dealt: Vec<_> = mine.iter().flat_map(|(_, shares)| shares.clone()).collect();
            assert_eq!(dealt.len(), work.shares.len(), "every share once");
            assert!(spread(mine.iter().map(|(_, shares)| shares.len())) <= 1);
        }
    }

    proptest! {
        #[test]
        fn everything_is_dealt_out_once_and_evenly(
            work in work(),
            names in proptest::collection::btree_set("[m-p]", 1..4),
        ) {
            assert_whole_and_balanced(&work, &settle(&work, idle(&names)));
        }

        #[test]
        fn nothing_changes_hands_before_its_holder_let_go(
            before in work(),
            after in work(),
            names in proptest::collection::btree_set("[m-p]", 1..4),
            later in proptest::collection::btree_set("[m-p]", 1..4),
        ) {
            let held = settle(&before, idle(&names));
            let mut members: BTreeMap<_, _> = idle(&later);
            members.extend(held.into_iter().filter(|(name, _)| later.contains(name)));
            let next = assign(&after, &members, &Holding::default(), &[]);
            for (name, holding) in &next {
                for (other, theirs) in members.iter().filter(|(other, _)| *other != name) {
                    prop_assert!(holding.connectors.is_disjoint(&theirs.connectors));
                    for (id, shares) in &theirs.tasks {
                        prop_assert!(!holding.tasks.contains_key(id), "{id:?} of {other}");
                        for (mine, dealt) in &holding.tasks {
                            prop_assert!(
                                mine.connector != id.connector || dealt.is_disjoint(shares)
                            );
                        }
                    }
                }
                let had = &members[name].tasks;
                for (id, shares) in &holding.tasks {
                    for (other, theirs) in had.iter().filter(|(other, _)| *other != id) {
                        prop_assert!(other.connector != id.connector || shares.is_disjoint(theirs));
                    }
                }
            }
            // Nobody else would ask for the round that gives away what was taken.
            let further = assign(&after, &next, &Holding::default(), &[]);
            let told = members.iter().any(|(name, held)| !held.is_within(&next[name]));
            prop_assert!(further == next || told, "somebody sees that it lost something");
            assert_whole_and_balanced(&after, &settle(&after, members));
        }

        #[test]
        fn a_member_that_leaves_moves_only_its_own(
            work in work(),
            names in proptest::collection::btree_set("[m-p]", 2..4),
        ) {
            let mut members = settle(&work, idle(&names));
            let (_, _) = members.pop_last().expect("two members at least");
            let after = settle(&work, members.clone());
            for (name, holding) in &members {
                for id in holding.tasks.keys() {
                    prop_assert!(after[name].tasks.contains_key(id));
                }
                prop_assert!(holding.connectors.is_subset(&after[name].connectors));
            }
        }

        #[test]
        fn what_is_reserved_for_an_absent_member_waits_and_moves_nothing(
            work in work(),
            names in proptest::collection::btree_set("[m-p]", 2..4),
        ) {
            let mut members = settle(&work, idle(&names));
            let (_, absent) = members.pop_last().expect("two members at least");
            prop_assert_eq!(assign(&work, &members, &absent, &[]), members);
        }

        #[test]
        fn what_a_leaving_member_still_has_is_given_to_nobody(
            before in work(),
            after in work(),
            names in proptest::collection::btree_set("[m-p]", 2..4),
        ) {
            let mut members = settle(&before, idle(&names));
            let (_, leaving) = members.pop_last().expect("two members at least");
            for (_, holding) in assign(&after, &members, &leaving, &[&leaving]) {
                for (id, shares) in &leaving.tasks {
                    prop_assert!(!holding.tasks.contains_key(id));
                    for (mine, dealt) in &holding.tasks {
                        prop_assert!(mine.connector != id.connector || dealt.is_disjoint(shares));
                    }
                }
            }
        }

        #[test]
        fn a_holding_reads_back_from_json(work in work()) {
            let names = BTreeSet::from(["m".to_owned()]);
            for holding in settle(&work, idle(&names)).into_values() {
                let text = serde_json::to_string(&holding).unwrap();
                prop_assert_eq!(serde_json::from_str::<Holding>(&text).unwrap(), holding);
            }
        }
    }

    #[test]
    fn new_partitions_go_to_the_task_with_fewest_and_disturb_none() {
        let share = |partition| TopicPartition::new("t", partition);
        let mut work = BTreeMap::from([(
            "c".to_owned(),
            Work { tasks: 2, shares: (0..3).map(share).collect() },
        )]);
        let before = settle(&work, idle(&BTreeSet::from(["m".to_owned()])));
        work.get_mut("c").unwrap().shares.insert(share(3));
        let after = assign(&work, &before, &Holding::default(), &[]);
        for (id, shares) in &before["m"].tasks {
            assert!(shares.is_subset(&after["m"].tasks[id]));
            assert_eq!(after["m"].tasks[id].len(), 2);
        }
    }
}
