//! A worker's disk holds only caches, and fleets on one cluster keep out of each
//! other's way.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::fleet::{Fleet, commits, tasks, ticks};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, limits, rest, wire};

/// The ticker's one file.
const TICK: &str = "tick";

#[test]
fn a_worker_with_an_empty_disk_continues_and_builds_its_cache_again() {
    let broker = Node::start();
    let (mut fleet, ticker) = reading(&broker);

    // Under its feet first, and then all that there is.
    let cache = fleet.worker(0).folder().join("cache");
    std::fs::remove_dir_all(&cache).expect("there is a cache");
    wait_rows(&broker, ticks::now_ms());
    assert!(fleet.worker(0).stop().success());
    fleet.worker(0).lose_disk();
    fleet.worker(0).restart();
    tasks::wait_even(&fleet, 1);
    wait_rows(&broker, ticks::now_ms());
    let built = std::fs::read_dir(&cache).expect("there is a cache again").count();
    assert!(built > 0, "nothing is in it");

    // Killed, and another in its place.
    fleet.worker(0).kill();
    fleet.add(1);
    wait_rows(&broker, ticks::now_ms());
    let count = ticker.stop();
    ticks::wait_once(&broker, "ticks", 1, &[TICK.to_owned()], count);
}

#[test]
fn a_worker_with_an_empty_disk_that_starts_while_its_broker_does_continues() {
    let mut broker = Node::start();
    let (mut fleet, ticker) = reading(&broker);

    assert!(fleet.worker(0).stop().success());
    fleet.worker(0).lose_disk();
    broker.kill();
    fleet.worker(0).spawn();
    broker.restart();
    fleet.worker(0).wait_ready();
    tasks::wait_even(&fleet, 1);
    wait_rows(&broker, ticks::now_ms());
    // Its state is the broker's, under its feet too.
    broker.kill();
    broker.restart();
    wait_rows(&broker, ticks::now_ms());
    let count = ticker.stop();
    ticks::wait_once(&broker, "ticks", 1, &[TICK.to_owned()], count);
}

#[test]
fn two_fleets_share_a_cluster_and_neither_takes_the_others_topics_or_connectors() {
    let broker = Node::start();
    wire::create_topic(broker.kafka(), "ticks", 1, &[]);
    let mut blue = Fleet::on(&broker);
    blue.set("group.id", "blue");
    blue.add(1);
    let ticker = ticks::Ticker::start(&blue.input(), &[TICK.to_owned()]);
    blue.create("tick", &ticks::source("tick.txt"));
    blue.create("copy", &ticks::SINK);
    rest::wait_state(blue.rest(), "copy", "RUNNING");
    let offsets = || commits::committed(&broker, "connect-copy", "ticks", 1);
    until("offsets of the sink", limits::RUN, || (!offsets().is_empty()).then_some(()));

    let mut green = Fleet::on(&broker);
    green.set("group.id", "green");
    for storage in ["config", "offset", "status"] {
        green.set(&format!("{storage}.storage.topic"), format!("green-{storage}s"));
    }
    green.add(1);
    assert_eq!(rest::get(green.rest(), "/connectors").body, serde_json::json!([]));
    green.create("copy", &ticks::SINK);
    let status = rest::wait_state(green.rest(), "copy", "FAILED");
    let trace = status["tasks"][0]["trace"].as_str().expect("a trace");
    assert!(trace.contains("the fleet `blue`") && trace.contains("another name"), "{trace}");
    green.create("copy-too", &ticks::SINK);
    rest::wait_state(green.rest(), "copy-too", "RUNNING");

    // The first goes on as if there were no other.
    rest::wait_state(blue.rest(), "copy", "RUNNING");
    let before = offsets();
    until("more offsets of the sink", limits::RUN, || (offsets() > before).then_some(()));
    drop(ticker);
}

#[test]
fn a_fleet_that_is_given_another_fleets_topics_is_told_so_and_what_to_do() {
    let broker = Node::start();
    let mut blue = Fleet::on(&broker);
    blue.set("group.id", "blue");
    blue.add(1);
    let mut green = Fleet::on(&broker);
    green.set("group.id", "green");
    let said = green.launch().refused();
    for part in ["`connect-configs`", "`blue`", "`green`", "config.storage.topic"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Its own workers are welcome, one after the other and at once.
    blue.add(2);
}

/// A worker with a cache that has read its first rows.
fn reading(broker: &Node) -> (Fleet, ticks::Ticker) {
    let mut fleet = Fleet::on(broker);
    fleet.set("plugin.cache.dir", "${folder}/cache");
    fleet.add(1);
    wire::create_topic(broker.kafka(), "ticks", 1, &[]);
    let ticker = ticks::Ticker::start(&fleet.input(), &[TICK.to_owned()]);
    fleet.create("tick", &ticks::source("tick.txt"));
    wait_rows(broker, ticks::now_ms());
    (fleet, ticker)
}

fn wait_rows(broker: &Node, since: i64) {
    ticks::wait_each(broker, "ticks", 1, &[TICK.to_owned()], since);
}
