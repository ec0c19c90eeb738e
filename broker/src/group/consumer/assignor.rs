//! Who is to own what.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::state::{Partitions, gather, pairs};

/// A server-side assignor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// As even as subscriptions allow, moving as little as that needs.
    Uniform,
    /// Neighbouring partitions of each topic to a member; topics with the same
    /// number of partitions and subscribers are dealt out alike.
    Range,
}

impl Assignor {
    /// Kafka's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The assignor of this name, which may be that of Kafka's class.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let class = name.rsplit('.').next().unwrap_or(name);
        match class {
            "uniform" | "UniformAssignor" => Some(Assignor::Uniform),
            "range" | "RangeAssignor" => Some(Assignor::Range),
            _ => None,
        }
    }
}

/// A member as the assignors see it.
#[derive(Debug)]
pub(super) struct Subscriber<'a> {
    pub(super) id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    /// Id and number of partitions of each topic that it subscribes to.
    pub(super) topics: BTreeMap<Uuid, i32>,
    pub(super) previous: Option<&'a Partitions>,
}

/// A target for each member: every partition that anyone subscribes to has one owner.
pub(super) fn assign(
    assignor: Assignor,
    members: &[Subscriber<'_>],
) -> BTreeMap<String, Partitions> {
    let assigned = match assignor {
        Assignor::Uniform => uniform(members),
        Assignor::Range => range(members),
    };
    members
        .iter()
        .map(|member| member.id.to_owned())
        .zip(assigned.into_iter().map(gather))
        .collect()
}

type Assigned = Vec<BTreeSet<(Uuid, i32)>>;

/// Topics, their numbers of partitions, and who subscribes to them.
fn by_topic(members: &[Subscriber<'_>]) -> BTreeMap<Uuid, (i32, Vec<usize>)> {
    let mut topics: BTreeMap<Uuid, (i32, Vec<usize>)> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        for (topic, count) in &member.topics {
            topics.entry(*topic).or_insert((*count, Vec::new())).1.push(index);
        }
    }
    topics
}

fn range(members: &[Subscriber<'_>]) -> Assigned {
    let mut assigned: Assigned = vec![BTreeSet::new(); members.len()];
    for (topic, (count, mut subscribers)) in by_topic(members) {
        // By instance id, so that a static member keeps its range when it restarts.
        let place = |index: &usize| members[*index].instance_id.unwrap_or(members[*index].id);
        subscribers.sort_by(|a, b| place(a).cmp(place(b)));
        let number = subscribers.len() as i32;
        let mut next = 0;
        for (rank, index) in subscribers.into_iter().enumerate() {
            let share = count / number + i32::from((rank as i32) < count % number);
            assigned[index].extend((next..next + share).map(|partition| (topic, partition)));
            next += share;
        }
    }
    assigned
}

fn uniform(members: &[Subscriber<'_>]) -> Assigned {
    let topics = by_topic(members);
    let mut assigned: Assigned = vec![BTreeSet::new(); members.len()];
    let mut owned: BTreeSet<(Uuid, i32)> = BTreeSet::new();
    for (member, own) in members.iter().zip(&mut assigned) {
        let keeps = |(topic, partition): &(Uuid, i32)| {
            member.topics.get(topic).is_some_and(|count| partition < count)
        };
        own.extend(member.previous.into_iter().flat_map(pairs).filter(keeps));
        owned.extend(own.iter().copied());
    }
    // Topics with the fewest subscribers first: the others can still even out.
    let mut order: Vec<(&Uuid, &(i32, Vec<usize>))> = topics.iter().collect();
    order.sort_by_key(|(_, (_, subscribers))| subscribers.len());
    for (topic, (count, subscribers)) in order {
        for partition in (0..*count).filter(|partition| !owned.contains(&(*topic, *partition))) {
            let least = subscribers.iter().min_by_key(|index| assigned[**index].len());
            let least = *least.expect("a topic is here because someone subscribes to it");
            assigned[least].insert((*topic, partition));
        }
    }
    even_out(&topics, &mut assigned);
    assigned
}

/// Moves partitions, from the fullest member to the emptiest that subscribes
/// to their topic, as long as that evens the numbers out; so this ends.
fn even_out(topics: &BTreeMap<Uuid, (i32, Vec<usize>)>, assigned: &mut Assigned) {
    let mut order: Vec<usize> = (0..assigned.len()).collect();
    loop {
        order.sort_by_key(|index| std::cmp::Reverse(assigned[*index].len()));
        let Some((from, to, key)) = order.iter().find_map(|from| a_move(*from, topics, assigned))
        else {
            return;
        };
        assigned[from].remove(&key);
        assigned[to].insert(key);
    }
}

/// A partition of `from` that a member with at least two fewer may have.
fn a_move(
    from: usize,
    topics: &BTreeMap<Uuid, (i32, Vec<usize>)>,
    assigned: &Assigned,
) -> Option<(usize, usize, (Uuid, i32))> {
    let mut below = (Uuid::max(), i32::MAX);
    // The last partition of each of its topics stands for the others.
    while let Some(key) = assigned[from].range(..below).next_back() {
        let subscribers = &topics[&key.0].1;
        let least = subscribers.iter().min_by_key(|index| assigned[**index].len())?;
        if assigned[from].len() >= assigned[*least].len() + 2 {
            return Some((from, *least, *key));
        }
        below = (key.0, i32::MIN);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::state::contains, *};

    fn topic(number: u128) -> Uuid {
        Uuid::from_u128(number + 1)
    }

    fn run(
        assignor: Assignor,
        subscriptions: &BTreeMap<String, BTreeMap<Uuid, i32>>,
        previous: &BTreeMap<String, Partitions>,
    ) -> BTreeMap<String, Partitions> {
        let members: Vec<Subscriber<'_>> = subscriptions
            .iter()
            .map(|(id, topics)| Subscriber {
                id,
                instance_id: None,
                topics: topics.clone(),
                previous: previous.get(id),
            })
            .collect();
        assign(assignor, &members)
    }

    fn sizes(targets: &BTreeMap<String, Partitions>) -> Vec<usize> {
        targets.values().map(|target| pairs(target).count()).collect()
    }

    fn all_of(members: &[&str], topics: &[(u128, i32)]) -> BTreeMap<String, BTreeMap<Uuid, i32>> {
        let topics: BTreeMap<Uuid, i32> =
            topics.iter().map(|(number, count)| (topic(*number), *count)).collect();
        members.iter().map(|id| ((*id).to_owned(), topics.clone())).collect()
    }

    #[test]
    fn range_deals_out_neighbours_and_the_first_get_more() {
        let members = all_of(&["a", "b", "c"], &[(0, 7), (1, 2)]);
        let targets = run(Assignor::Range, &members, &BTreeMap::new());
        let first = |id: &str| targets[id].get(&topic(0)).cloned().unwrap_or_default();
        assert_eq!(first("a"), [0, 1, 2].into());
        assert_eq!(first("b"), [3, 4].into());
        assert_eq!(first("c"), [5, 6].into());
        assert_eq!(targets["c"].get(&topic(1)), None);
    }

    #[test]
    fn uniform_moves_only_what_a_new_member_needs() {
        let topics = [(0, 10), (1, 5)];
        let two = all_of(&["a", "b"], &topics);
        let before = run(Assignor::Uniform, &two, &BTreeMap::new());
        assert_eq!(sizes(&before), [8, 7]);
        let after = run(Assignor::Uniform, &all_of(&["a", "b", "c"], &topics), &before);
        assert_eq!(sizes(&after), [5, 5, 5]);
        for id in ["a", "b"] {
            assert!(pairs(&after[id]).all(|key| contains(&before[id], key)), "{id} only gave");
        }
        assert_eq!(run(Assignor::Uniform, &two, &before), before, "nothing moves for nothing");
    }

    #[test]
    fn a_topic_that_shrank_or_is_gone_leaves_nothing_behind() {
        let before = run(Assignor::Uniform, &all_of(&["a"], &[(0, 4), (1, 4)]), &BTreeMap::new());
        let after = run(Assignor::Uniform, &all_of(&["a"], &[(0, 2)]), &before);
        assert_eq!(after["a"], BTreeMap::from([(topic(0), [0, 1].into())]));
    }

    proptest! {
        #[test]
        fn every_partition_has_one_owner_who_subscribes_to_it(
            subscriptions in prop::collection::vec(prop::collection::btree_set(0..4_u128, 0..4), 1..6),
            counts in prop::collection::vec(1..9_i32, 4),
            gone in 0..6_usize,
            is_range: bool,
        ) {
            let assignor = if is_range { Assignor::Range } else { Assignor::Uniform };
            let of = |topics: &BTreeSet<u128>| -> BTreeMap<Uuid, i32> {
                topics.iter().map(|number| (topic(*number), counts[*number as usize])).collect()
            };
            let mut members: BTreeMap<String, BTreeMap<Uuid, i32>> = subscriptions
                .iter()
                .enumerate()
                .map(|(index, topics)| (format!("m{index}"), of(topics)))
                .collect();
            let mut previous = BTreeMap::new();
            for _ in 0..2 {
                let targets = run(assignor, &members, &previous);
                let owned: Vec<(Uuid, i32)> = targets.values().flat_map(pairs).collect();
                let distinct: BTreeSet<(Uuid, i32)> = owned.iter().copied().collect();
                prop_assert_eq!(owned.len(), distinct.len(), "no partition has two owners");
                let wanted: BTreeSet<(Uuid, i32)> = members
                    .values()
                    .flatten()
                    .flat_map(|(topic, count)| (0..*count).map(|partition| (*topic, partition)))
                    .collect();
                prop_assert_eq!(distinct, wanted, "all are owned");
                for (id, target) in &targets {
                    prop_assert!(target.keys().all(|topic| members[id].contains_key(topic)));
                }
                previous = targets;
                if members.len() > 1 {
                    members.remove(&format!("m{gone}"));
                }
            }
        }
    }
}
