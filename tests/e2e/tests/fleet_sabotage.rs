//! A worker that commits a sink's offsets before they are durable is caught by the
//! very look that the tests of fleets take.
#![allow(missing_docs, reason = "tests")]

use longshore_e2e::fleet::{Fleet, commits, ticks};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, limits, paths, rest, wire};

#[test]
fn a_build_that_commits_offsets_before_the_marks_is_caught() {
    let broker = Node::start();
    let mut fleet = Fleet::on(&broker);
    fleet.program(paths::sabotaged_worker());
    fleet.environment("LONGSHORE_SABOTAGE", "commit-before-marks");
    let missing = missing(&broker, &mut fleet);
    assert!(!missing.is_empty(), "it was not caught");
}

#[test]
fn the_binary_is_not_found_guilty_of_it() {
    let broker = Node::start();
    let missing = missing(&broker, &mut Fleet::on(&broker));
    assert!(missing.is_empty(), "committed, but in no file: {missing:?}");
}

/// What is committed and not durable, once a sink has read some rows.
fn missing(broker: &Node, fleet: &mut Fleet) -> Vec<(String, u64)> {
    fleet.set("offset.flush.interval.ms", 100);
    fleet.add(1);
    wire::create_topic(broker.kafka(), "ticks", 1, &[]);
    let names = ["tick".to_owned()];
    let ticker = ticks::Ticker::start(&fleet.input(), &names);
    let source = [("connector.class", "file-source"), ("connection", "input")];
    let more = [("path", "tick.txt"), ("topic", "ticks"), ("tail", "true")];
    fleet.create("tick", &[&source[..], &more].concat());
    fleet.create(
        "copy",
        &[
            ("connector.class", "file-sink"),
            ("connection", "output"),
            ("topics", "ticks"),
            ("path", "copy"),
            ("format", "lines"),
            ("rotate.schedule.interval.ms", "1500"),
        ],
    );
    rest::wait_state(fleet.rest(), "copy", "RUNNING");
    let folder = fleet.output().join("copy");
    let found = until("a commit", limits::RUN, || {
        let committed = commits::committed(broker, "connect-copy", "ticks", 1);
        let missing = commits::not_durable(broker, "copy", &folder, "ticks", 1);
        // The first files are whole before they are committed.
        (committed.get(&0).is_some_and(|offset| *offset > 0)).then_some(missing)
    });
    drop(ticker);
    found
}
