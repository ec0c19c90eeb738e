//! A consumer group and its members; what of it is still to be written down.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    assignor::{self, Assignor, Subscriber},
    records::RecordKey,
};

/// Partitions by topic id. No topic is there without partitions.
pub(crate) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Whose rights decide what a member's pattern may match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// As in an ACL, `User:alice`.
    pub(crate) principal: String,
    pub(crate) host: String,
}

/// A pattern and who uses it; `None` is somebody who has not been heard of
/// since the group was read from its records.
type PatternOf = (String, Option<Arc<Identity>>);

/// The topics that there are, by name.
pub(crate) trait TopicView {
    /// A topic's id and number of partitions.
    fn topic(&self, name: &str) -> Option<(Uuid, i32)>;
    /// The names of all topics that a pattern may match.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
    /// Whether a pattern of this member's may match the topic.
    fn shows(&self, name: &str, to: Option<&Identity>) -> bool;
}

/// What the configuration says about consumer groups.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerBounds {
    pub(crate) session_timeout_ms: u64,
    pub(crate) heartbeat_interval_ms: i32,
    pub(crate) members_max: usize,
    /// Those on offer; the first is the default.
    pub(crate) assignors: Vec<Assignor>,
}

/// Why a member's request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConsumerGroupError {
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("the member is unknown to the group: it must join anew")]
    UnknownMemberId,
    #[error(
        "the member's epoch is {given} where the group has {expected}: it must give up its partitions and join anew"
    )]
    FencedMemberEpoch { given: i32, expected: i32 },
    #[error(
        "the member's epoch is {given} where the group has {expected}: it must heartbeat first"
    )]
    StaleMemberEpoch { given: i32, expected: i32 },
    #[error("group.instance.id is in use by member {holder}, which must leave first")]
    UnreleasedInstanceId { holder: String },
    #[error("another member has taken over this group.instance.id")]
    FencedInstanceId,
    #[error("the group has as many members as group.consumer.max.size allows")]
    GroupMaxSizeReached,
    #[error("the assignor is not one of group.consumer.assignors")]
    UnsupportedAssignor,
    #[error("the subscription's pattern is no regular expression: {reason}")]
    InvalidRegularExpression { reason: String },
    #[error("members of this group must use version 9 of OffsetCommit or newer")]
    UnsupportedVersion,
    #[error("the group is not of the consumer protocol and has members")]
    GroupIdNotFound,
}

/// Where a member is on its way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It owns its target.
    Stable,
    /// It must let go of partitions first.
    UnrevokedPartitions,
    /// It waits for partitions that others have not let go of yet.
    UnreleasedPartitions,
}

/// The epoch of a static member that is away and will come back.
pub(super) const AWAY: i32 = -2;

/// A member, from its first heartbeat to its removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<String>,
    pub(crate) pattern: Option<String>,
    /// Who sent the last heartbeat. It is not written down: what a member may
    /// do is asked of the connection that it has.
    pub(super) identity: Option<Arc<Identity>>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) assignor: Option<String>,
    pub(crate) epoch: i32,
    /// The epoch before: the answer that told of the present one may be lost.
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    /// What it may own.
    pub(crate) assigned: Partitions,
    /// What it owned and must let go of.
    pub(crate) revoking: Partitions,
    pub(super) session_deadline_ms: u64,
    /// When it must have let go of what it is to revoke.
    pub(super) revoke_deadline_ms: Option<u64>,
}

/// One consumer group.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    pub(super) bounds: ConsumerBounds,
    pub(super) epoch: i32,
    pub(super) assignment_epoch: i32,
    pub(super) members: BTreeMap<String, Member>,
    /// Member ids by instance id.
    pub(super) instances: HashMap<String, String>,
    pub(super) targets: BTreeMap<String, Partitions>,
    /// Who may own a partition, or has not let go of it yet.
    pub(super) holders: HashMap<(Uuid, i32), String>,
    /// The topics of all subscriptions, as the target was computed from them.
    pub(super) topics: BTreeMap<String, (Uuid, i32)>,
    /// What each pattern in use matches for each who uses it.
    pub(super) matches: HashMap<PatternOf, BTreeSet<String>>,
    /// What is to be written down, or removed where it is gone.
    pub(super) unsaved: BTreeSet<RecordKey>,
}

impl ConsumerGroup {
    pub(crate) fn new(bounds: ConsumerBounds) -> Self {
        Self {
            bounds,
            epoch: 0,
            assignment_epoch: 0,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            targets: BTreeMap::new(),
            holders: HashMap::new(),
            topics: BTreeMap::new(),
            matches: HashMap::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// What holds from the next heartbeat of each member on.
    pub(crate) fn set_timeouts(&mut self, session_timeout_ms: u64, heartbeat_interval_ms: i32) {
        self.bounds.session_timeout_ms = session_timeout_ms;
        self.bounds.heartbeat_interval_ms = heartbeat_interval_ms;
    }

    /// Kafka's name of the state that the group is in.
    pub(crate) fn state_name(&self) -> &'static str {
        let reconciled = |member: &Member| {
            member.state == MemberState::Stable && member.epoch == self.assignment_epoch
        };
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(reconciled) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn has_member(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    /// The topics of a member's subscription, by name and by pattern.
    pub(super) fn subscription(&self, id: &str, member: &Member) -> BTreeSet<String> {
        let mut topics = member.topics.clone();
        let Some(pattern_of) = pattern_of(member) else { return topics };
        topics.extend(self.matches.get(&pattern_of).into_iter().flatten().cloned());
        if member.identity.is_none() {
            // Until it is heard of, it keeps what it was given.
            let target = self.targets.get(id);
            let holds = |topic| {
                member.assigned.contains_key(topic)
                    || target.is_some_and(|target| target.contains_key(topic))
            };
            let held = self.topics.iter().filter(|(_, (topic, _))| holds(topic));
            topics.extend(held.map(|(name, _)| name.clone()));
        }
        topics
    }

    /// The topics that anyone subscribes to.
    pub(crate) fn subscribed_topics(&self) -> BTreeSet<String> {
        self.members.iter().flat_map(|(id, member)| self.subscription(id, member)).collect()
    }

    /// Looks at the topics anew: they, or the rights to them, may have changed.
    pub(crate) fn refresh_topics(&mut self, view: &dyn TopicView) {
        let patterns: HashSet<PatternOf> = self.members.values().filter_map(pattern_of).collect();
        let mut by_pattern: HashMap<String, BTreeSet<String>> = HashMap::new();
        let mut matches = HashMap::with_capacity(patterns.len());
        for (pattern, identity) in patterns {
            let matching = || super::regex::matching(&pattern, view);
            let all = by_pattern.entry(pattern.clone()).or_insert_with(matching);
            let shown = all.iter().filter(|name| view.shows(name, identity.as_deref()));
            let shown = shown.cloned().collect();
            matches.insert((pattern, identity), shown);
        }
        let before = std::mem::replace(&mut self.matches, matches);
        let moved = |(key, names)| self.matches.get(key).is_some_and(|now| now != names);
        // Another member may still subscribe to what this one may no longer know of.
        let is_moved = before.iter().any(moved);
        let found: BTreeMap<String, (Uuid, i32)> = self
            .subscribed_topics()
            .into_iter()
            .filter_map(|name| view.topic(&name).map(|topic| (name, topic)))
            .collect();
        if found != self.topics {
            self.topics = found;
            self.unsaved.insert(RecordKey::Topics);
            self.bump_epoch();
        } else if is_moved {
            self.bump_epoch();
        }
    }

    pub(super) fn bump_epoch(&mut self) {
        self.epoch += 1;
        self.unsaved.insert(RecordKey::Epoch);
    }

    /// Computes a new target if the group has changed since the last.
    pub(super) fn assign(&mut self) {
        if self.epoch == self.assignment_epoch {
            return;
        }
        let by_name = |name: &String| self.topics.get(name).copied();
        let subscribers: Vec<Subscriber<'_>> = self
            .members
            .iter()
            .map(|(id, member)| Subscriber {
                id,
                instance_id: member.instance_id.as_deref(),
                topics: self.subscription(id, member).iter().filter_map(by_name).collect(),
                previous: self.targets.get(id),
            })
            .collect();
        let targets = assignor::assign(self.preferred_assignor(), &subscribers);
        for id in self.members.keys() {
            if self.targets.get(id) != targets.get(id) {
                self.unsaved.insert(RecordKey::Target(id.clone()));
            }
        }
        self.targets = targets;
        self.assignment_epoch = self.epoch;
        self.unsaved.insert(RecordKey::TargetEpoch);
    }

    /// The assignor that most members ask for.
    pub(crate) fn preferred_assignor(&self) -> Assignor {
        let votes = |assignor: &Assignor| {
            let named = |member: &&Member| member.assignor.as_deref() == Some(assignor.name());
            self.members.values().filter(named).count()
        };
        let offered = &self.bounds.assignors;
        // The first of those with most votes, so that the choice is stable.
        let chosen = offered.iter().rev().max_by_key(|assignor| votes(assignor));
        chosen.copied().unwrap_or(Assignor::Uniform)
    }

    /// Puts a member in the place of its former state, and its partitions in
    /// the books.
    pub(super) fn put_member(&mut self, id: &str, member: Member) {
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), id.to_owned());
        }
        let before = self.members.insert(id.to_owned(), member);
        let member = &self.members[id];
        if let Some(before) = before {
            for key in pairs(&before.assigned).chain(pairs(&before.revoking)) {
                self.holders.remove(&key);
            }
        }
        for key in pairs(&member.assigned).chain(pairs(&member.revoking)) {
            let other = self.holders.insert(key, id.to_owned());
            debug_assert!(other.is_none_or(|other| other == id), "two members hold {key:?}");
        }
    }

    /// Takes a member out of the books, with all that it held.
    pub(super) fn remove_member(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        for key in pairs(&member.assigned).chain(pairs(&member.revoking)) {
            self.holders.remove(&key);
        }
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        self.targets.remove(id);
        let gone = [
            RecordKey::Member(id.into()),
            RecordKey::Target(id.into()),
            RecordKey::Current(id.into()),
        ];
        self.unsaved.extend(gone);
        Some(member)
    }
}

fn pattern_of(member: &Member) -> Option<PatternOf> {
    Some((member.pattern.clone()?, member.identity.clone()))
}

/// Each partition of each topic.
pub(super) fn pairs(partitions: &Partitions) -> impl Iterator<Item = (Uuid, i32)> {
    partitions.iter().flat_map(|(topic, numbers)| numbers.iter().map(|number| (*topic, *number)))
}

/// Gathers partitions by topic.
pub(super) fn gather(pairs: impl IntoIterator<Item = (Uuid, i32)>) -> Partitions {
    let mut partitions = Partitions::new();
    for (topic, number) in pairs {
        partitions.entry(topic).or_default().insert(number);
    }
    partitions
}

pub(super) fn contains(partitions: &Partitions, (topic, number): (Uuid, i32)) -> bool {
    partitions.get(&topic).is_some_and(|numbers| numbers.contains(&number))
}
