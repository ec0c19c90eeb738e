//! `group.max.size`.

use super::*;

fn of_size(members_max: usize) -> Fixture {
    Fixture::with(Bounds { initial_rebalance_delay_ms: 0, members_max })
}

#[test]
fn ids_that_are_only_given_out_take_no_place_from_those_who_join() {
    let mut fixture = of_size(1);
    for id in ["idle", "quick", "late"] {
        fixture.join_as(JoinRequest { requires_known_member_id: true, ..fresh(id) });
    }
    let token = fixture.join_as(again("quick"));
    fixture.pass(5);
    assert_eq!(fixture.joined(token).error, None);
    let token = fixture.join_as(again("late"));
    assert_eq!(fixture.joined(token).error, Some(GroupError::GroupMaxSizeReached));
    assert!(!fixture.group.pending.contains_key("late"));
}

#[test]
fn when_the_limit_was_lowered_the_last_to_rejoin_are_turned_away() {
    let mut fixture = of_size(3);
    fixture.stable(&["a", "b", "c"]);
    let stored = fixture.last_stored.clone().expect("a stable group is written down");
    let bounds = Bounds { initial_rebalance_delay_ms: 0, members_max: 2 };
    fixture.group = Group::load(bounds, stored, fixture.now());
    assert_eq!(fixture.beat("a"), Err(GroupError::RebalanceInProgress));
    let now = fixture.now();
    let generation = fixture.group.generation;
    assert_eq!(fixture.group.commit("a", None, generation, now), Ok(()), "time to commit");
    let tokens = ["c", "b", "a"].map(|id| fixture.join_as(again(id)));
    let errors = tokens.map(|token| fixture.joined(token).error);
    assert_eq!(errors, [None, None, Some(GroupError::GroupMaxSizeReached)]);
    assert_eq!(fixture.group.members().len(), 2);
}

#[test]
fn a_static_member_of_a_full_group_may_restart() {
    let mut fixture = of_size(1);
    let fixed = |id: &str| JoinRequest { instance_id: Some("i".to_owned()), ..fresh(id) };
    fixture.join_as(fixed("one"));
    fixture.settle();
    let token = fixture.join_as(fixed("two"));
    assert_eq!(fixture.joined(token).error, None);
    let token = fixture.join_as(fresh("other"));
    assert_eq!(fixture.joined(token).error, Some(GroupError::GroupMaxSizeReached));
}
