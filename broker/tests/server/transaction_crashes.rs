//! Real kills in the middle of a commit: this test binary runs itself, armed
//! with a crash point, and then starts a broker on what the killed one left.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use longshore_broker::{Broker, crash::CRASH_AT};

use crate::{
    support::{Client, config},
    transactional::{Producer, Rules, committed, contents, describe},
};

const VICTIM_DIR: &str = "LONGSHORE_TEST_VICTIM_DIR";
const VICTIM_RULES: &str = "LONGSHORE_TEST_VICTIM_RULES";
const VICTIM_COMMITS: &str = "LONGSHORE_TEST_VICTIM_COMMITS";
const CONFIG: &[(&str, &str)] = &[("transaction.state.log.num.partitions", "3")];

/// Not a test of its own: what the killed process does.
#[tokio::test]
async fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR) else { return };
    let rules = match std::env::var(VICTIM_RULES).unwrap().as_str() {
        "Classic" => Rules::Classic,
        _ => Rules::EpochBump,
    };
    let commits = std::env::var(VICTIM_COMMITS).unwrap() == "true";
    let broker = Broker::start(config(&PathBuf::from(dir), CONFIG)).await.unwrap();
    let mut client = Client::connect(broker.local_addr()).await;
    client.create_topic("topic", 2).await;
    let mut producer = Producer::start(&mut client, "tx", rules).await;
    for partition in 0..2 {
        producer.write(&mut client, "topic", partition, "x").await;
    }
    producer.commit_offset(&mut client, "group", "topic", 5).await;
    producer.end(&mut client, commits).await;
}

fn kill_at(dir: &Path, point: &str, rules: Rules, commits: bool) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transaction_crashes::victim", "--test-threads=1"])
        .env(VICTIM_DIR, dir)
        .env(VICTIM_RULES, format!("{rules:?}"))
        .env(VICTIM_COMMITS, commits.to_string())
        .env(CRASH_AT, point)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9), "{point} was never come to: {status}");
}

/// A transaction that was decided ends so everywhere, whenever the kill came.
async fn a_decision_outlives_a_kill_at(point: &str) {
    for (rules, commits) in [
        (Rules::Classic, true),
        (Rules::Classic, false),
        (Rules::EpochBump, true),
        (Rules::EpochBump, false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        kill_at(directory.path(), point, rules, commits);
        let broker = Broker::start(config(directory.path(), CONFIG)).await.unwrap();
        let mut client = Client::connect(broker.local_addr()).await;
        let told = format!("{point}, {rules:?}, commits {commits}");
        let (state, marker, offset) = match commits {
            true => ("CompleteCommit", "COMMIT", 5),
            false => ("CompleteAbort", "ABORT", -1),
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while describe(&mut client, "tx").await.1 != state {
            assert!(Instant::now() < deadline, "{told}: not ended");
        }
        for partition in 0..2 {
            // A marker that was written before the kill is written again.
            let mut all = contents(&mut client, "topic", partition).await;
            all.dedup();
            assert_eq!(all, ["x", marker], "{told}");
        }
        assert_eq!(committed(&mut client, "group", "topic", true).await, (0, offset), "{told}");
        let mut next = Producer::start(&mut client, "tx", rules).await;
        next.write(&mut client, "topic", 0, "next").await;
        next.end(&mut client, true).await;
        broker.shutdown().await;
    }
}

#[tokio::test]
async fn a_kill_after_the_decision_and_before_any_marker_leaves_nothing_open() {
    a_decision_outlives_a_kill_at("txn-after-prepare").await;
}

#[tokio::test]
async fn a_kill_between_two_markers_tears_no_transaction() {
    a_decision_outlives_a_kill_at("txn-between-markers").await;
}

#[tokio::test]
async fn a_kill_after_the_last_marker_ends_the_transaction_once_more() {
    a_decision_outlives_a_kill_at("txn-before-complete").await;
}
