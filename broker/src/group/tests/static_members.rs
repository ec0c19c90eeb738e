//! Static membership (KIP-345, KIP-814).

use super::{super::membership::LeavingMember, *};

fn fixed(instance: &str, id: &str) -> JoinRequest {
    JoinRequest { instance_id: Some(instance.to_owned()), ..fresh(id) }
}

/// A stable group of a static leader `a1` and a static follower `b1`.
fn two_static_members() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.join_as(fixed("a", "a1"));
    fixture.join_as(fixed("b", "b1"));
    fixture.settle();
    assert!(fixture.group.is_leader("a1"));
    assert_eq!(fixture.group.state(), GroupState::Stable);
    fixture
}

#[test]
fn a_follower_that_restarts_causes_no_rebalance() {
    let mut fixture = two_static_members();
    let generation = fixture.group.generation;
    let token = fixture.join_as(fixed("b", "b2"));
    let answer = fixture.joined(token);
    assert_eq!((answer.error, answer.generation), (None, generation));
    assert_eq!((answer.leader.as_str(), answer.skip_assignment), ("a1", false));
    assert!(answer.members.is_empty());
    let token = fixture.sync("b2", &[]);
    assert_eq!(fixture.synced(token), Ok(&b"b1"[..]), "its place's assignment");
    assert_eq!(fixture.beat("a1"), Ok(()));
    assert!(fixture.last_stored.unwrap().members.iter().any(|member| member.id == "b2"));
}

#[test]
fn a_leader_that_restarts_is_told_that_there_is_nothing_to_assign() {
    let mut fixture = two_static_members();
    let token = fixture.join_as(fixed("a", "a2"));
    let answer = fixture.joined(token);
    assert_eq!((answer.leader.as_str(), answer.skip_assignment), ("a2", true));
    assert_eq!(answer.members.len(), 2, "it watches the topics of all");
    // Before v9 it is not told that it leads, for it would assign anew.
    let old = JoinRequest { can_skip_assignment: false, ..fixed("a", "a3") };
    let token = fixture.join_as(old);
    let answer = fixture.joined(token);
    assert_eq!((answer.leader.as_str(), answer.skip_assignment), ("a2", false));
    assert!(answer.members.is_empty());
    assert_eq!(fixture.group.state(), GroupState::Stable);
}

#[test]
fn the_former_self_of_a_static_member_is_fenced_in_every_request() {
    let mut fixture = two_static_members();
    fixture.join_as(fixed("b", "b2"));
    let fenced = GroupError::FencedInstanceId;
    let (now, generation) = (fixture.now(), fixture.group.generation);
    assert_eq!(fixture.group.heartbeat("b1", Some("b"), generation, now), Err(fenced));
    assert_eq!(fixture.group.commit("b1", Some("b"), generation, now), Err(fenced));
    let leaving = LeavingMember { member_id: "b1".to_owned(), instance_id: Some("b".to_owned()) };
    assert_eq!(fixture.group.leave(&leaving, now), Err(fenced));
    let token = fixture.sync_as("b1", Some("b".to_owned()), &[]);
    assert_eq!(fixture.synced(token), Err(fenced));
    let rejoin = JoinRequest { member_id: "b1".to_owned(), ..fixed("b", "unused") };
    let token = fixture.join_as(rejoin);
    assert_eq!(fixture.joined(token).error, Some(fenced));
    assert_eq!(fixture.group.state(), GroupState::Stable);
}

#[test]
fn a_waiting_request_of_the_former_self_is_fenced_at_once() {
    let mut fixture = two_static_members();
    // The follower's join waits for the leader's.
    let rejoin = JoinRequest {
        member_id: "b1".to_owned(),
        protocols: protocols(&["range", "sticky"]),
        ..fixed("b", "unused")
    };
    let waiting = fixture.join_as(rejoin);
    assert!(!fixture.joins.contains_key(&waiting));
    fixture.join_as(fixed("b", "b2"));
    assert_eq!(fixture.joined(waiting).error, Some(GroupError::FencedInstanceId));
}

#[test]
fn a_static_member_that_changes_the_protocol_in_use_rebalances_the_group() {
    let mut fixture = Fixture::new();
    let both = |instance: &str, id: &str| JoinRequest {
        protocols: protocols(&["range", "sticky"]),
        ..fixed(instance, id)
    };
    fixture.join_as(both("a", "a1"));
    fixture.join_as(both("b", "b1"));
    fixture.settle();
    let only_sticky = JoinRequest { protocols: protocols(&["sticky"]), ..fixed("b", "b2") };
    fixture.join_as(only_sticky);
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
    fixture.settle();
    assert_eq!(fixture.group.protocol(), Some("sticky"));
}

#[test]
fn a_restart_while_the_leader_assigns_begins_the_rebalance_anew() {
    let mut fixture = Fixture::new();
    fixture.join_as(fixed("a", "a1"));
    fixture.join_as(fixed("b", "b1"));
    fixture.pass(5);
    assert_eq!(fixture.group.state(), GroupState::CompletingRebalance);
    fixture.join_as(fixed("b", "b2"));
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
    let stale = fixture.sync("a1", &[("b1", "lost")]);
    assert_eq!(fixture.synced(stale), Err(GroupError::RebalanceInProgress));
}

#[test]
fn an_absent_static_member_keeps_its_place_until_its_session_ends() {
    let mut fixture = two_static_members();
    fixture.join_as(fresh("c1"));
    let rejoin = JoinRequest { member_id: "a1".to_owned(), ..fixed("a", "unused") };
    fixture.join_as(rejoin);
    // Its session of ten seconds ends before the rebalance timeout of sixty.
    fixture.pass(SESSION_MS - 1);
    assert!(fixture.group.members().contains_key("b1"));
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
    fixture.pass(1);
    assert!(!fixture.group.members().contains_key("b1"));
    assert_eq!(fixture.group.state(), GroupState::CompletingRebalance);
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id_alone() {
    let mut fixture = two_static_members();
    let by_instance = |instance: &str| LeavingMember {
        member_id: String::new(),
        instance_id: Some(instance.to_owned()),
    };
    let now = fixture.now();
    let unknown = Err(GroupError::UnknownMemberId);
    assert_eq!(fixture.group.leave(&by_instance("none"), now), unknown);
    assert_eq!(fixture.group.leave(&by_instance("b"), now), Ok(()));
    assert_eq!(fixture.beat("a1"), Err(GroupError::RebalanceInProgress));
    assert_eq!(fixture.beat("b1"), unknown);
}

#[test]
fn a_static_member_is_not_told_of_an_id_that_a_restart_would_forget() {
    let mut fixture = two_static_members();
    fixture.stores = false;
    let first = fixture.join_as(fixed("b", "b2"));
    let second = fixture.join_as(fixed("b", "b3"));
    assert!(!fixture.joins.contains_key(&first));
    let (failing, succeeding) = (fixture.writes[0], fixture.writes[1]);
    let now = fixture.now();
    fixture.group.stored(failing, false, now);
    fixture.group.stored(succeeding, true, now);
    fixture.carry_out();
    let refused = fixture.joined(first);
    assert_eq!(refused.error, Some(GroupError::CoordinatorNotAvailable));
    assert_eq!(refused.member_id, "", "it comes again as new");
    assert_eq!(fixture.joined(second).error, None);
}
