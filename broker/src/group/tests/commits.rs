//! Who may commit, and when offsets may expire.

use super::{super::commit::ExpiryRule, *};

#[test]
fn outsiders_commit_only_while_the_group_is_empty() {
    let mut fixture = Fixture::new();
    let now = fixture.now();
    assert_eq!(fixture.group.commit("", None, -1, now), Ok(()));
    assert_eq!(fixture.group.commit("named", None, -1, now), Ok(()));
    assert_eq!(fixture.group.commit("named", None, 1, now), Err(GroupError::UnknownMemberId));
    fixture.stable(&["a"]);
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(fixture.group.commit("", None, -1, now), unknown);
    assert_eq!(fixture.group.commit("b", None, 1, now), unknown);
    assert_eq!(fixture.group.commit("a", Some("i"), 1, now), unknown);
    assert_eq!(fixture.group.commit("a", None, 0, now), Err(GroupError::IllegalGeneration));
    assert_eq!(fixture.group.commit("a", None, -1, now), Err(GroupError::IllegalGeneration));
    assert_eq!(fixture.group.commit("a", None, 1, now), Ok(()));
}

#[test]
fn a_member_commits_before_it_rejoins_but_not_between_join_and_sync() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a"]);
    fixture.join_as(fresh("b"));
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
    fixture.pass(SESSION_MS - 1);
    let now = fixture.now();
    assert_eq!(fixture.group.commit("a", None, 1, now), Ok(()));
    fixture.pass(SESSION_MS - 1);
    assert!(fixture.group.members().contains_key("a"), "the commit kept its session");
    fixture.join_as(again("a"));
    let now = fixture.now();
    let rebalancing = Err(GroupError::RebalanceInProgress);
    assert_eq!(fixture.group.commit("a", None, 2, now), rebalancing);
}

/// A subscription of the classic consumer protocol.
fn subscribed(id: &str, topic: &str) -> JoinRequest {
    let mut metadata = b"\0\x01\0\0\0\x01\0\x01".to_vec();
    metadata.extend_from_slice(topic.as_bytes());
    JoinRequest { protocols: vec![("range".to_owned(), Bytes::from(metadata))], ..fresh(id) }
}

#[test]
fn offsets_expire_by_the_state_of_the_group() {
    let rule = |since_ms, topics: &[&str]| {
        let subscribed = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Some(ExpiryRule { since_ms, subscribed })
    };
    let mut fixture = Fixture::new();
    assert_eq!(fixture.group.expiry_rule(), rule(i64::MIN, &[]), "nobody ever joined");
    fixture.join_as(subscribed("a", "x"));
    fixture.join_as(subscribed("b", "y"));
    assert_eq!(fixture.group.expiry_rule(), None, "it rebalances");
    fixture.settle();
    assert_eq!(fixture.group.expiry_rule(), rule(i64::MIN, &["x", "y"]));
    fixture.now_ms = 5000;
    fixture.pass(SESSION_MS);
    assert_eq!(fixture.group.state(), GroupState::Empty);
    let since_ms = fixture.group.state_since_ms;
    assert_eq!(fixture.group.expiry_rule(), rule(since_ms, &[]));
}

#[test]
fn nothing_expires_where_the_subscriptions_cannot_be_read() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a"]);
    assert_eq!(fixture.group.expiry_rule(), None, "`meta` is no subscription");
    let mut other = Fixture::new();
    let connect = JoinRequest { protocol_type: "connect".to_owned(), ..subscribed("worker", "x") };
    other.join_as(connect);
    other.settle();
    assert_eq!(other.group.expiry_rule(), None, "not consumers");
}
