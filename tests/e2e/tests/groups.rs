//! Each client library produces, consumes, shares a group's partitions,
//! rebalances, commits and resumes.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;

use longshore_e2e::client::{Client, Consume, Event, Produce, RecordAt};
use longshore_e2e::{Node, wire};

/// Writes every test below once for each client, as `library::test`.
macro_rules! for_each_client {
    ($($test:ident)*) => {
        mod confluent { $(#[test] fn $test() { super::$test(super::Client::Confluent); })* }
        mod kafkajs { $(#[test] fn $test() { super::$test(super::Client::KafkaJs); })* }
        mod java { $(#[test] fn $test() { super::$test(super::Client::Java); })* }
    };
}

for_each_client! {
    what_one_produces_is_consumed_once_at_the_acknowledged_offsets
    members_share_partitions_and_one_takes_over_when_the_other_leaves
    a_killed_members_partitions_go_to_the_other_after_its_session
    a_group_resumes_where_it_committed
    a_group_resumes_where_it_committed_after_the_broker_restarted
}

fn what_one_produces_is_consumed_once_at_the_acknowledged_offsets(client: Client) {
    let node = Node::start();
    wire::create_topic(node.kafka(), "words", 3, &[]);

    let acked = client.produce_all(&node.bootstrap(), &Produce::to("words", 1_000));
    let work = Consume::from("words", "readers").records_max(1_000);
    let consumed = client.consume_all(&node.bootstrap(), &work);

    assert_eq!(sorted(consumed), sorted(acked));
}

fn members_share_partitions_and_one_takes_over_when_the_other_leaves(client: Client) {
    let node = Node::start();
    wire::create_topic(node.kafka(), "shared", 4, &[]);
    let work = Consume::from("shared", "team");

    let first = client.consume(&node.bootstrap(), &work);
    first.wait_assigned(4);
    let mut second = client.consume(&node.bootstrap(), &work);
    second.wait_assigned(2);
    first.wait_assigned(2);
    let mut shared = [first.assigned(), second.assigned()].concat();
    shared.sort_unstable();
    assert_eq!(shared, [0, 1, 2, 3], "each partition has one owner");

    let acked = client.produce_all(&node.bootstrap(), &Produce::to("shared", 400));
    let of_second = |at: &&RecordAt| second.assigned().contains(&at.partition);
    let expected_of_second = acked.iter().filter(of_second).count();
    second.wait_consumed(expected_of_second);
    first.wait_consumed(acked.len() - expected_of_second);
    second.leave();
    first.wait_assigned(4);
    let more = client.produce_all(&node.bootstrap(), &Produce::to("shared", 400).value_prefix(2));
    first.wait_consumed(acked.len() - expected_of_second + more.len());

    let consumed = [first.consumed(), second.consumed()].concat();
    assert_eq!(sorted(consumed), sorted([acked, more].concat()), "once each");
}

fn a_killed_members_partitions_go_to_the_other_after_its_session(client: Client) {
    let node = Node::start();
    wire::create_topic(node.kafka(), "orphaned", 2, &[]);
    let work = Consume::from("orphaned", "survivors");

    let survivor = client.consume(&node.bootstrap(), &work);
    survivor.wait_assigned(2);
    let mut victim = client.consume(&node.bootstrap(), &work);
    victim.wait_assigned(1);
    survivor.wait_assigned(1);
    victim.process().kill();
    survivor.wait_assigned(2);

    let acked = client.produce_all(&node.bootstrap(), &Produce::to("orphaned", 200));
    survivor.wait_consumed(200);
    assert_eq!(sorted(survivor.consumed()), sorted(acked));
}

// kafkajs knows no static members.
#[test]
fn a_static_member_of_confluent_comes_back_without_a_rebalance() {
    a_static_member_comes_back_without_a_rebalance(Client::Confluent);
}

#[test]
fn a_static_member_of_java_comes_back_without_a_rebalance() {
    a_static_member_comes_back_without_a_rebalance(Client::Java);
}

fn a_static_member_comes_back_without_a_rebalance(client: Client) {
    let node = Node::start();
    wire::create_topic(node.kafka(), "fixed", 4, &[]);
    let member = |instance: &str| {
        let work = Consume::from("fixed", "statics").setting("group.instance.id", instance);
        client.consume(&node.bootstrap(), &work.session_timeout_ms(60_000))
    };

    let stays = member("stays");
    stays.wait_assigned(4);
    let mut returns = member("returns");
    returns.wait_assigned(2);
    stays.wait_assigned(2);
    let (events, partitions) = (stays.events(), returns.assigned());
    returns.process().kill();
    let returned = member("returns");
    returned.wait_assigned(2);

    assert_eq!(returned.assigned(), partitions, "it has its partitions again");
    let acked = client.produce_all(&node.bootstrap(), &Produce::to("fixed", 200));
    let of_returned = acked.iter().filter(|at| partitions.contains(&at.partition)).count();
    returned.wait_consumed(of_returned);
    stays.wait_consumed(acked.len() - of_returned);
    let assignments = |events: &[Event]| {
        events
            .iter()
            .filter(|event| matches!(event, Event::Assigned(_) | Event::Revoked(_)))
            .count()
    };
    assert_eq!(assignments(&stays.events()), assignments(&events), "the other saw nothing of it");
}

fn a_group_resumes_where_it_committed(client: Client) {
    resume(client, |_| {});
}

fn a_group_resumes_where_it_committed_after_the_broker_restarted(client: Client) {
    resume(client, |node| {
        node.kill();
        node.restart();
    });
}

fn resume(client: Client, in_between: impl FnOnce(&mut Node)) {
    let mut node = Node::start();
    wire::create_topic(node.kafka(), "pages", 2, &[]);
    let acked = client.produce_all(&node.bootstrap(), &Produce::to("pages", 1_000));

    let first = Consume::from("pages", "book").records_max(400);
    let before = client.consume_all(&node.bootstrap(), &first);
    in_between(&mut node);
    let rest = Consume::from("pages", "book").records_max(600);
    let after = client.consume_all(&node.bootstrap(), &rest);

    assert_eq!(before.len(), 400);
    assert_eq!(sorted([before, after].concat()), sorted(acked), "none twice, none left out");
}

fn sorted(records: Vec<RecordAt>) -> BTreeSet<RecordAt> {
    let count = records.len();
    let set: BTreeSet<_> = records.into_iter().collect();
    assert_eq!(set.len(), count, "a record came twice");
    set
}
