//! Joining, protocols, time-outs.

use super::{super::membership::LeavingMember, *};

#[test]
fn only_from_v4_on_a_new_member_must_come_twice() {
    let mut fixture = Fixture::new();
    let token = fixture.join_as(JoinRequest { requires_known_member_id: true, ..fresh("m1") });
    let answer = fixture.joined(token).clone();
    assert_eq!(answer.error, Some(GroupError::MemberIdRequired));
    assert_eq!(answer.member_id, "m1");
    assert!(fixture.group.members().is_empty());
    let token = fixture.join_as(again("m1"));
    fixture.pass(5);
    assert_eq!(fixture.joined(token).error, None);
}

#[test]
fn an_id_that_is_given_out_and_never_used_does_not_hang_the_group() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a", "b"]);
    let mut request = fresh("lost");
    request.requires_known_member_id = true;
    fixture.join_as(request);
    let changed = JoinRequest { protocols: protocols(&["range", "x"]), ..again("b") };
    let (one, two) = (fixture.join_as(changed), fixture.join_as(again("a")));
    assert!(!fixture.joins.contains_key(&one), "the lost one is still expected");
    fixture.pass(SESSION_MS);
    assert_eq!(fixture.joined(one).generation, 2);
    assert_eq!(fixture.joined(two).members.len(), 2);
}

#[test]
fn a_member_that_dies_while_it_joins_is_gone_after_its_session() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a"]);
    fixture.join_as(fresh("dead"));
    fixture.join_as(again("a"));
    fixture.sync("a", &[("a", "all")]);
    assert_eq!(fixture.group.state(), GroupState::Stable);
    for _ in 0..SESSION_MS / 1000 {
        fixture.pass(1000);
        let _ = fixture.beat("a");
    }
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
    assert!(!fixture.group.members().contains_key("dead"));
}

#[test]
fn clients_that_give_up_and_join_anew_do_not_fill_a_long_rebalance_with_the_dead() {
    let mut fixture = Fixture::new();
    let long = |id: &str| JoinRequest { rebalance_timeout_ms: 3_600_000, ..fresh(id) };
    fixture.join_as(JoinRequest { session_timeout_ms: 1_800_000, ..long("slow") });
    fixture.settle();
    let given_up = fixture.join_as(long("dead"));
    fixture.pass(5 * 60 * 1000 - 1);
    assert!(fixture.group.members().contains_key("dead"), "no session ends while it waits");
    fixture.pass(1);
    assert_eq!(fixture.joined(given_up).error, Some(GroupError::UnknownMemberId));
    assert!(!fixture.group.members().contains_key("dead"));
}

#[test]
fn the_first_rebalance_waits_on_while_members_come_but_not_beyond_the_rebalance_timeout() {
    let bounds = Bounds { initial_rebalance_delay_ms: 3000, members_max: usize::MAX };
    let mut fixture = Fixture::with(bounds);
    let short = |id: &str| JoinRequest { rebalance_timeout_ms: 7000, ..fresh(id) };
    let first = fixture.join_as(short("a"));
    fixture.pass(2999);
    fixture.join_as(short("b"));
    fixture.pass(2001);
    assert!(!fixture.joins.contains_key(&first), "b put the end off");
    fixture.join_as(short("c"));
    fixture.pass(1999);
    assert!(!fixture.joins.contains_key(&first), "c put it off again");
    fixture.pass(1);
    assert_eq!(fixture.joined(first).members.len(), 3, "at seven seconds it ends");

    let mut alone = Fixture::with(bounds);
    let token = alone.join_as(JoinRequest { rebalance_timeout_ms: 1000, ..fresh("a") });
    alone.pass(2999);
    assert!(!alone.joins.contains_key(&token));
    alone.pass(1);
    assert_eq!(alone.joined(token).error, None);
}

#[test]
fn members_that_do_not_rejoin_in_time_are_removed_and_the_others_go_on() {
    let mut fixture = Fixture::new();
    fixture.stable(&["leader", "b"]);
    let joining = fixture.join_as(fresh("c"));
    fixture.join_as(again("b"));
    for _ in 0..REBALANCE_MS / 1000 {
        assert!(!fixture.joins.contains_key(&joining));
        let rebalancing = Err(GroupError::RebalanceInProgress);
        assert_eq!(fixture.beat("leader"), rebalancing, "it beats and does not rejoin");
        fixture.pass(1000);
    }
    assert_eq!(fixture.joined(joining).generation, 2);
    assert!(!fixture.group.is_leader("leader"));
    assert_eq!(fixture.beat("leader"), Err(GroupError::UnknownMemberId));
}

#[test]
fn members_that_join_and_never_sync_are_removed_after_the_rebalance_timeout() {
    let mut fixture = Fixture::new();
    fixture.join_as(fresh("leader"));
    fixture.join_as(fresh("silent"));
    fixture.pass(5);
    fixture.sync("leader", &[]);
    for _ in 0..REBALANCE_MS / 1000 {
        assert_eq!(fixture.beat("silent"), Ok(()), "its heart beats");
        assert_eq!(fixture.beat("leader"), Ok(()));
        fixture.pass(1000);
    }
    assert_eq!(fixture.beat("silent"), Err(GroupError::UnknownMemberId));
    assert_eq!(fixture.beat("leader"), Err(GroupError::RebalanceInProgress));
}

#[test]
fn heartbeats_keep_a_session_in_every_phase() {
    let mut fixture = Fixture::new();
    fixture.join_as(fresh("a"));
    fixture.join_as(fresh("b"));
    fixture.pass(5);
    assert_eq!(fixture.group.state(), GroupState::CompletingRebalance);
    assert_eq!(fixture.beat("b"), Ok(()));
    fixture.settle();
    assert_eq!(fixture.beat("b"), Ok(()));
    fixture.join_as(fresh("c"));
    assert_eq!(fixture.beat("b"), Err(GroupError::RebalanceInProgress));
    let now = fixture.now();
    let stale = fixture.group.heartbeat("b", None, 0, now);
    assert_eq!(stale, Err(GroupError::IllegalGeneration));
    assert_eq!(fixture.beat("x"), Err(GroupError::UnknownMemberId));
}

#[test]
fn the_protocol_is_one_that_all_have_and_most_prefer() {
    let mut fixture = Fixture::new();
    let with = |id: &str, names: &[&str]| JoinRequest { protocols: protocols(names), ..fresh(id) };
    fixture.join_as(with("a", &["roundrobin", "range", "sticky"]));
    fixture.join_as(with("b", &["sticky", "range"]));
    fixture.join_as(with("c", &["range", "sticky", "roundrobin"]));
    fixture.settle();
    // Not all have roundrobin; two prefer range, one sticky.
    assert_eq!(fixture.group.protocol(), Some("range"));
    for (request, reason) in [
        (with("d", &["roundrobin"]), "not all have it"),
        (with("d", &[]), "none at all"),
        (JoinRequest { protocol_type: "connect".to_owned(), ..fresh("d") }, "another type"),
    ] {
        let token = fixture.join_as(request);
        let refused = fixture.joined(token).error;
        assert_eq!(refused, Some(GroupError::InconsistentGroupProtocol), "{reason}");
    }
    assert_eq!(fixture.group.state(), GroupState::Stable);
}

#[test]
fn a_cooperative_rebalance_takes_two_generations_and_unknowns_nobody() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a", "b"]);
    let joining = fixture.join_as(fresh("c"));
    for id in ["a", "b"] {
        assert_eq!(fixture.beat(id), Err(GroupError::RebalanceInProgress));
    }
    fixture.settle();
    assert_eq!(fixture.joined(joining).generation, 2);
    // `b` has revoked a partition: it says so in its metadata and rejoins.
    let revoked = vec![("range".to_owned(), Bytes::from_static(b"owns less"))];
    let token = fixture.join_as(JoinRequest { protocols: revoked, ..again("b") });
    assert_eq!(fixture.beat("a"), Err(GroupError::RebalanceInProgress));
    fixture.settle();
    assert_eq!(fixture.joined(token).generation, 3);
    for id in ["a", "b", "c"] {
        assert_eq!(fixture.beat(id), Ok(()), "{id}");
    }
}

#[test]
fn a_follower_that_lost_its_answer_gets_it_again_and_a_leader_rebalances() {
    let mut fixture = Fixture::new();
    fixture.stable(&["leader", "b"]);
    let token = fixture.join_as(again("b"));
    assert_eq!(fixture.joined(token).generation, 1);
    assert_eq!(fixture.group.state(), GroupState::Stable);
    fixture.join_as(again("leader"));
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn the_last_member_that_leaves_amid_a_rebalance_leaves_an_empty_group() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a"]);
    fixture.join_as(fresh("b"));
    let now = fixture.now();
    for id in ["a", "b"] {
        let leaving = LeavingMember { member_id: id.to_owned(), instance_id: None };
        assert_eq!(fixture.group.leave(&leaving, now), Ok(()));
    }
    fixture.carry_out();
    assert_eq!(fixture.group.state(), GroupState::Empty);
    assert!(fixture.last_stored.unwrap().members.is_empty());
}

#[test]
fn an_assignment_that_could_not_be_written_down_is_not_given_out() {
    let mut fixture = Fixture::new();
    fixture.stores = false;
    fixture.join_as(fresh("a"));
    fixture.pass(5);
    let token = fixture.sync("a", &[("a", "all")]);
    let (write, now) = (fixture.writes[0], fixture.now());
    fixture.group.stored(write, false, now);
    fixture.carry_out();
    assert_eq!(fixture.synced(token), Err(GroupError::CoordinatorNotAvailable));
    assert_eq!(fixture.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn members_have_their_sessions_after_a_restart_and_lose_them_in_time() {
    let mut fixture = Fixture::new();
    fixture.stable(&["a", "b"]);
    let stored = fixture.last_stored.clone().expect("a stable group is written down");
    fixture.now_ms += 3_600_000;
    fixture.group = Group::load(fixture.group.bounds, stored, fixture.now());
    assert_eq!(fixture.beat("a"), Ok(()));
    let token = fixture.sync("b", &[]);
    assert_eq!(fixture.synced(token), Ok(&b"b"[..]));
    fixture.pass(SESSION_MS / 2);
    assert_eq!(fixture.beat("a"), Ok(()));
    fixture.pass(SESSION_MS / 2);
    assert!(!fixture.group.members().contains_key("b"), "b was not heard of");
    assert_eq!(fixture.beat("a"), Err(GroupError::RebalanceInProgress));
}
