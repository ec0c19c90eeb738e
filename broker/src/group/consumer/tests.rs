//! The state machine of a consumer group, step by step.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    assignor::Assignor,
    heartbeat::{HeartbeatAnswer, HeartbeatRequest},
    records::{self, RecordKey},
    state::{
        ConsumerBounds, ConsumerGroup, ConsumerGroupError, Identity, Partitions, TopicView, pairs,
    },
    stored::StoredConsumerGroup,
};

/// Topics by name, with their numbers of partitions.
#[derive(Debug, Default, Clone)]
pub(super) struct TestTopics(pub(super) BTreeMap<String, (Uuid, i32)>);

impl TestTopics {
    pub(super) fn of(topics: &[(&str, i32)]) -> Self {
        let each = topics.iter().enumerate().map(|(index, (name, count))| {
            ((*name).to_owned(), (Uuid::from_u128(index as u128 + 1), *count))
        });
        Self(each.collect())
    }
}

impl TopicView for TestTopics {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        self.0.get(name).copied()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.0.keys().map(String::as_str))
    }

    fn shows(&self, _: &str, _: Option<&Identity>) -> bool {
        true
    }
}

pub(super) fn bounds() -> ConsumerBounds {
    ConsumerBounds {
        session_timeout_ms: 45_000,
        heartbeat_interval_ms: 5000,
        members_max: 100,
        assignors: vec![Assignor::Uniform, Assignor::Range],
    }
}

pub(super) fn join(id: &str, topics: &[&str]) -> HeartbeatRequest {
    HeartbeatRequest {
        member_id: id.to_owned(),
        epoch: 0,
        instance_id: None,
        rack_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        identity: None,
        rebalance_timeout_ms: Some(60_000),
        topics: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
        pattern: None,
        assignor: None,
        owned: Some(Partitions::new()),
    }
}

/// A heartbeat that says nothing new.
pub(super) fn beat(id: &str, epoch: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        epoch,
        rebalance_timeout_ms: None,
        topics: None,
        owned: None,
        ..join(id, &[])
    }
}

fn owning(id: &str, epoch: i32, owned: &Partitions) -> HeartbeatRequest {
    HeartbeatRequest { owned: Some(owned.clone()), ..beat(id, epoch) }
}

/// The topic that groups are written to, compacted.
#[derive(Debug, Default)]
pub(super) struct Disk(BTreeMap<RecordKey, Vec<u8>>);

impl Disk {
    pub(super) fn save(&mut self, group: &mut ConsumerGroup) {
        for (key, record) in group.unsaved() {
            match record {
                Some(record) => drop(self.0.insert(key, records::encode(&record))),
                None => drop(self.0.remove(&key)),
            }
        }
        group.saved();
    }

    /// The group as a broker that starts anew reads it.
    pub(super) fn load(&self, now_ms: u64) -> Option<ConsumerGroup> {
        let mut stored = StoredConsumerGroup::default();
        for (key, bytes) in &self.0 {
            stored.take(key, Some(records::decode(key, bytes).expect("as it was written")));
        }
        stored.into_group(bounds(), now_ms)
    }
}

struct Fixture {
    group: ConsumerGroup,
    disk: Disk,
    topics: TestTopics,
    now_ms: u64,
}

impl Fixture {
    fn new(topics: &[(&str, i32)]) -> Self {
        let group = ConsumerGroup::new(bounds());
        Self { group, disk: Disk::default(), topics: TestTopics::of(topics), now_ms: 0 }
    }

    fn ask(&mut self, request: &HeartbeatRequest) -> Result<HeartbeatAnswer, ConsumerGroupError> {
        let answer = self.group.heartbeat(request, &self.topics, self.now_ms)?;
        self.disk.save(&mut self.group);
        Ok(answer)
    }

    fn tell(&mut self, request: &HeartbeatRequest) -> HeartbeatAnswer {
        self.ask(request).expect("the heartbeat is taken")
    }
}

fn count(answer: &HeartbeatAnswer) -> usize {
    pairs(answer.assigned.as_ref().expect("an assignment is told")).count()
}

/// A group of `a` and `b`, each with two partitions of `t`.
fn two_members() -> (Fixture, HeartbeatAnswer, HeartbeatAnswer) {
    let mut fixture = Fixture::new(&[("t", 4)]);
    let alone = fixture.tell(&join("a", &["t"]));
    assert_eq!((alone.epoch, count(&alone)), (1, 4));
    let waiting = fixture.tell(&join("b", &["t"]));
    assert_eq!((waiting.epoch, count(&waiting)), (2, 0), "nothing is free yet");
    let fewer = fixture.tell(&beat("a", 1));
    assert_eq!((fewer.epoch, count(&fewer)), (1, 2), "it must let go before its epoch grows");
    let owned = fewer.assigned.clone().expect("told");
    let done = fixture.tell(&owning("a", 1, &owned));
    assert_eq!(done.epoch, 2);
    let given = fixture.tell(&beat("b", 2));
    assert_eq!((given.epoch, count(&given)), (2, 2));
    assert_eq!(fixture.group.state_name(), "Stable");
    (fixture, fewer, given)
}

#[test]
fn a_partition_has_a_new_owner_only_when_the_former_has_let_go() {
    two_members();
}

#[test]
fn a_member_that_does_not_say_what_it_owns_has_not_let_go() {
    let mut fixture = Fixture::new(&[("t", 4)]);
    let alone = fixture.tell(&join("a", &["t"]));
    fixture.tell(&join("b", &["t"]));
    fixture.tell(&beat("a", 1));
    assert_eq!(fixture.tell(&beat("a", 1)).epoch, 1);
    let all = alone.assigned.expect("told");
    assert_eq!(fixture.tell(&owning("a", 1, &all)).epoch, 1, "it owns all still");
    assert_eq!(fixture.tell(&beat("b", 2)).assigned, None, "no news");
}

#[test]
fn a_member_that_does_not_let_go_in_time_is_fenced_however_often_it_beats() {
    let mut fixture = Fixture::new(&[("t", 4)]);
    fixture.tell(&join("a", &["t"]));
    fixture.tell(&join("b", &["t"]));
    for _ in 0..6 {
        fixture.tell(&beat("a", 1));
        fixture.tell(&beat("b", 2));
        fixture.now_ms += 10_000;
    }
    let fenced = fixture.ask(&beat("a", 1));
    assert_eq!(fenced, Err(ConsumerGroupError::UnknownMemberId));
    let rest = fixture.tell(&beat("b", 2));
    assert_eq!((rest.epoch, count(&rest)), (3, 4));
}

#[test]
fn a_silent_member_is_removed_and_its_partitions_are_given_on() {
    let (mut fixture, ..) = two_members();
    fixture.now_ms += 44_999;
    fixture.tell(&beat("a", 2));
    fixture.now_ms += 1;
    assert_eq!(fixture.group.next_deadline_ms(), Some(fixture.now_ms));
    let all = fixture.tell(&beat("a", 2));
    assert_eq!((all.epoch, count(&all)), (3, 4));
}

#[test]
fn a_member_that_leaves_frees_its_partitions_at_once() {
    let (mut fixture, ..) = two_members();
    assert_eq!(fixture.tell(&beat("b", -1)).epoch, -1);
    let all = fixture.tell(&beat("a", 2));
    assert_eq!((all.epoch, count(&all)), (3, 4));
    fixture.tell(&beat("a", -1));
    assert_eq!(fixture.group.state_name(), "Empty");
}

#[test]
fn an_epoch_that_is_not_the_members_is_fenced_but_a_lost_answer_is_not() {
    let (mut fixture, fewer, _) = two_members();
    let owned = fewer.assigned.expect("told");
    let fenced = |given| Err(ConsumerGroupError::FencedMemberEpoch { given, expected: 2 });
    assert_eq!(fixture.ask(&beat("a", 3)), fenced(3));
    assert_eq!(fixture.ask(&beat("a", 1)), fenced(1), "it does not say what it owns");
    let again = fixture.tell(&owning("a", 1, &owned));
    assert_eq!(again.epoch, 2, "the answer that told of 2 was lost");
    let mut more = owned.clone();
    more.values_mut().for_each(|numbers| numbers.extend(0..4));
    assert_eq!(fixture.ask(&owning("a", 1, &more)), fenced(1), "it owns what is another's");
    assert_eq!(fixture.ask(&beat("x", 1)), Err(ConsumerGroupError::UnknownMemberId));
}

#[test]
fn a_member_that_joins_again_has_given_everything_up() {
    let (mut fixture, ..) = two_members();
    let again = fixture.tell(&join("a", &["t"]));
    assert_eq!((again.epoch, count(&again)), (2, 2), "the same target, no rebalance");
    assert_eq!(fixture.tell(&beat("b", 2)).assigned, None);
}

#[test]
fn a_static_member_comes_back_to_its_place_without_a_rebalance() {
    let mut fixture = Fixture::new(&[("t", 4)]);
    let fixed = |id: &str, epoch| HeartbeatRequest {
        instance_id: Some("i".to_owned()),
        ..if epoch == 0 { join(id, &["t"]) } else { beat(id, epoch) }
    };
    let first = fixture.tell(&fixed("a1", 0));
    let unreleased = fixture.ask(&fixed("a2", 0));
    let holder = "a1".to_owned();
    assert_eq!(unreleased, Err(ConsumerGroupError::UnreleasedInstanceId { holder }));
    assert_eq!(fixture.tell(&fixed("a1", -2)).epoch, -2);
    fixture.tell(&join("b", &["t"]));
    fixture.tell(&beat("b", 2));
    let again = fixture.tell(&fixed("a2", 0));
    assert_eq!(count(&again), 2, "of its four it keeps what is not to be b's");
    assert!(
        pairs(again.assigned.as_ref().expect("told")).all(|(topic, n)| first
            .assigned
            .as_ref()
            .expect("told")[&topic]
            .contains(&n))
    );
    assert_eq!(fixture.group.epoch, 2, "coming back is no rebalance");
    assert_eq!(fixture.ask(&fixed("a1", 1)), Err(ConsumerGroupError::FencedInstanceId));
    fixture.tell(&fixed("a2", -2));
    fixture.now_ms += 30_000;
    fixture.tell(&beat("b", 2));
    fixture.now_ms += 15_000;
    let all = fixture.tell(&beat("b", 2));
    assert_eq!(count(&all), 4, "who does not come back in time has lost its place");
}

#[test]
fn new_topics_and_partitions_reach_those_who_subscribe_to_them() {
    let mut fixture = Fixture::new(&[("t", 2)]);
    let mut request = join("a", &["later"]);
    request.pattern = Some("t.*".to_owned());
    assert_eq!(count(&fixture.tell(&request)), 2);
    fixture.topics = TestTopics::of(&[("t", 3), ("t2", 2), ("other", 5)]);
    let topics = fixture.topics.clone();
    fixture.group.refresh_topics(&topics);
    let more = fixture.tell(&beat("a", 1));
    assert_eq!((more.epoch, count(&more)), (2, 5));
    fixture.topics = TestTopics::of(&[("t", 3)]);
    let topics = fixture.topics.clone();
    fixture.group.refresh_topics(&topics);
    let fewer = fixture.tell(&beat("a", 2));
    assert_eq!(count(&fewer), 3);
}

#[test]
fn a_pattern_must_match_the_whole_name_and_cannot_take_a_broker_down() {
    let mut fixture = Fixture::new(&[("ab", 1), ("abc", 1), ("xab", 1)]);
    let by_pattern = |pattern: &str| HeartbeatRequest {
        topics: None,
        pattern: Some(pattern.to_owned()),
        ..join("a", &[])
    };
    assert_eq!(count(&fixture.tell(&by_pattern("ab|x"))), 1);
    for wrong in ["(", "a{1000}{1000}{1000}", ")|(", "(?=x)"] {
        let refused = fixture.ask(&by_pattern(wrong));
        let is_invalid =
            matches!(refused, Err(ConsumerGroupError::InvalidRegularExpression { .. }));
        assert!(is_invalid, "{wrong}: {refused:?}");
    }
}

#[test]
fn heartbeats_that_cannot_be_are_refused() {
    let mut fixture = Fixture::new(&[("t", 2)]);
    let mut invalid = |request: HeartbeatRequest| {
        let refused = fixture.group.heartbeat(&request, &fixture.topics, 0);
        assert!(matches!(refused, Err(ConsumerGroupError::InvalidRequest(_))), "{request:?}");
    };
    let valid = || join("a", &["t"]);
    invalid(HeartbeatRequest { member_id: String::new(), ..valid() });
    invalid(HeartbeatRequest { epoch: -3, ..valid() });
    invalid(HeartbeatRequest { epoch: -2, ..valid() });
    invalid(HeartbeatRequest { rebalance_timeout_ms: None, ..valid() });
    invalid(HeartbeatRequest { topics: None, ..valid() });
    invalid(HeartbeatRequest { owned: None, ..valid() });
    invalid(HeartbeatRequest { instance_id: Some(String::new()), ..valid() });
    let unknown = HeartbeatRequest { assignor: Some("sticky".to_owned()), ..valid() };
    assert_eq!(fixture.ask(&unknown), Err(ConsumerGroupError::UnsupportedAssignor));
    assert!(fixture.group.is_empty());
    fixture.group.bounds.members_max = 1;
    fixture.tell(&valid());
    let full = fixture.ask(&join("b", &["t"]));
    assert_eq!(full, Err(ConsumerGroupError::GroupMaxSizeReached));
    fixture.tell(&valid());
}

#[test]
fn most_members_choose_the_assignor() {
    let mut fixture = Fixture::new(&[("t", 2)]);
    assert_eq!(fixture.group.preferred_assignor(), Assignor::Uniform);
    let ranged = HeartbeatRequest { assignor: Some("range".to_owned()), ..join("a", &["t"]) };
    fixture.tell(&ranged);
    assert_eq!(fixture.group.preferred_assignor(), Assignor::Range);
}

#[test]
fn commits_and_fetches_of_a_member_that_is_behind_are_stale() {
    let (fixture, ..) = two_members();
    let group = &fixture.group;
    let stale = Err(ConsumerGroupError::StaleMemberEpoch { given: 1, expected: 2 });
    assert_eq!(group.check_commit("a", 2, 9), Ok(()));
    assert_eq!(group.check_commit("a", 1, 9), stale);
    assert_eq!(group.check_commit("a", 2, 8), Err(ConsumerGroupError::UnsupportedVersion));
    assert_eq!(group.check_commit("x", 2, 9), Err(ConsumerGroupError::UnknownMemberId));
    assert_eq!(group.check_commit("", -1, 9), Err(ConsumerGroupError::UnknownMemberId));
    assert_eq!(group.check_fetch(Some("a"), 2), Ok(()));
    assert_eq!(group.check_fetch(Some("a"), 1), stale);
    assert_eq!(group.check_fetch(Some("x"), 2), Err(ConsumerGroupError::UnknownMemberId));
    assert_eq!(group.check_fetch(None, -1), Ok(()));
    assert_eq!(ConsumerGroup::new(bounds()).check_commit("", -1, 2), Ok(()));
}

#[test]
fn a_restart_of_the_broker_amid_a_rebalance_loses_nothing() {
    let mut fixture = Fixture::new(&[("t", 4)]);
    fixture.tell(&join("a", &["t"]));
    fixture.tell(&join("b", &["t"]));
    let fewer = fixture.tell(&beat("a", 1)).assigned.expect("told");
    let before = fixture.group;
    fixture.group = fixture.disk.load(fixture.now_ms).expect("the group was written down");
    assert_eq!(fixture.group.members, before.members);
    assert_eq!(fixture.group.targets, before.targets);
    assert_eq!(fixture.group.holders, before.holders);
    let topics = fixture.topics.clone();
    fixture.group.refresh_topics(&topics);
    assert_eq!(fixture.group.epoch, 2, "the topics are as they were");
    assert_eq!(fixture.tell(&beat("b", 2)).assigned, None, "a has not let go");
    assert_eq!(fixture.tell(&owning("a", 1, &fewer)).epoch, 2);
    assert_eq!(count(&fixture.tell(&beat("b", 2))), 2);
    let topics: BTreeSet<String> = ["t".to_owned()].into();
    assert_eq!(fixture.group.subscribed_topics(), topics);
}
