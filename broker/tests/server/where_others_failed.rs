//! What other implementations of Kafka's protocol got wrong, one test for each.
//!
//! That Debian's kcat connects at all is tried with kcat itself, in `tests/e2e/tests/kcat.rs`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use kafka_protocol::messages::{
    CreatePartitionsRequest, DescribeLogDirsRequest, FetchRequest,
    create_partitions_request::CreatePartitionsTopic, fetch_response::AbortedTransaction,
};
use longshore_broker::log::{BatchBuilder, Batches, Records};

use crate::{
    groups::{beat, commit, commit_code, committed, coordinator, join, join_anew, sync},
    limits::{CODECS, INVALID_RECORD, MESSAGE_TOO_LARGE},
    offsets::look_up,
    support::{Client, PATIENCE, TestBroker, batch, batch_at, batches, fetch_request, name},
    topics::metadata,
    transactional::{BOTH, INVALID_TRANSACTION_TIMEOUT, Producer, Rules, contents},
};

const UNKNOWN_MEMBER_ID: i16 = 25;
const READ_COMMITTED: i8 = 1;

/// The values that a client with `isolation.level=read_committed` shows: it
/// leaves out what the answer says was aborted, up to the marker.
async fn committed_values(client: &mut Client, topic: &str) -> Vec<String> {
    let (mut values, mut offset) = (Vec::new(), 0);
    loop {
        let request = fetch_request(topic, 0, offset).with_isolation_level(READ_COMMITTED);
        let response = client.call::<FetchRequest>(12, &request).await;
        let partition = &response.responses[0].partitions[0];
        let records = partition.records.clone().unwrap_or_default();
        if records.is_empty() {
            return values;
        }
        let mut aborted = partition.aborted_transactions.clone().unwrap_or_default();
        for batch in Batches::new(&records) {
            let (header, bytes) = batch.unwrap();
            offset = header.next_offset();
            let begun = |of: &AbortedTransaction| {
                *of.producer_id == header.producer_id && of.first_offset <= header.base_offset
            };
            if header.is_control() {
                aborted.retain(|transaction| !begun(transaction));
            } else if !aborted.iter().any(begun) {
                let records = Records::new(&header, &bytes[61..]);
                values.extend(records.map(|record| {
                    String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()
                }));
            }
        }
    }
}

#[tokio::test]
async fn aborted_records_do_not_reach_read_committed() {
    for rules in BOTH {
        let broker = TestBroker::start(&[("transaction.state.log.num.partitions", "3")]).await;
        let mut client = broker.client().await;
        client.create_topic("topic", 1).await;
        let mut aborting = Producer::start(&mut client, "aborting", rules).await;
        let mut committing = Producer::start(&mut client, "committing", rules).await;
        for round in 0..3 {
            aborting.write(&mut client, "topic", 0, "aborted").await;
            committing.write(&mut client, "topic", 0, &format!("a{round}")).await;
            aborting.write(&mut client, "topic", 0, "aborted too").await;
            committing.write(&mut client, "topic", 0, &format!("b{round}")).await;
            // The abort comes first in one round and second in the next.
            if round % 2 == 0 {
                aborting.end(&mut client, false).await;
            }
            committing.end(&mut client, true).await;
            if round % 2 == 1 {
                aborting.end(&mut client, false).await;
            }
        }
        let mut open = Producer::start(&mut client, "open", rules).await;
        open.write(&mut client, "topic", 0, "open").await;
        let expected = ["a0", "b0", "a1", "b1", "a2", "b2"];
        assert_eq!(committed_values(&mut client, "topic").await, expected, "{rules:?}");
        let broker = broker.restart(&[("transaction.state.log.num.partitions", "3")]).await;
        let mut client = broker.client().await;
        assert_eq!(committed_values(&mut client, "topic").await, expected, "{rules:?}, restarted");
    }
}

/// A member that joins three times with another subscription, then waits
/// until all are in the generation that it is in.
async fn restless_member(address: SocketAddr, number: usize, settled: Arc<Mutex<Vec<i32>>>) {
    let mut client = Client::connect(address).await;
    let patient = |member: &str, metadata: String| {
        let mut request =
            join("g", member).with_session_timeout_ms(60_000).with_rebalance_timeout_ms(60_000);
        request.protocols[0].metadata = Bytes::from(metadata);
        request
    };
    let given = client.call(9, &patient("", String::new())).await;
    let mut changes_left = 3;
    loop {
        let metadata = format!("{number} {changes_left}");
        let joined = client.call(9, &patient(&given.member_id, metadata)).await;
        assert_eq!(joined.error_code, 0, "member {number} joins");
        let synced = client.call(5, &sync("g", &joined, &[])).await.error_code;
        assert_ne!(synced, UNKNOWN_MEMBER_ID, "member {number} syncs");
        if synced != 0 {
            continue;
        }
        if changes_left > 0 {
            changes_left -= 1;
            continue;
        }
        settled.lock().unwrap()[number] = joined.generation_id;
        loop {
            if settled.lock().unwrap().iter().all(|generation| *generation == joined.generation_id)
            {
                return;
            }
            let code = beat(&mut client, "g", &joined).await;
            assert_ne!(code, UNKNOWN_MEMBER_ID, "member {number} beats");
            if code != 0 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn concurrent_rebalances_answer_no_member_with_unknown_member_id() {
    const MEMBERS: usize = 12;
    let broker = TestBroker::start(&[]).await;
    coordinator(&mut broker.client().await).await;
    let settled = Arc::new(Mutex::new(vec![-1; MEMBERS]));
    let mut members = tokio::task::JoinSet::new();
    for number in 0..MEMBERS {
        let address = broker.broker.local_addr();
        members.spawn(restless_member(address, number, Arc::clone(&settled)));
    }
    let all = members.join_all();
    tokio::time::timeout(2 * PATIENCE, all).await.expect("the group settles");
}

#[tokio::test]
async fn end_txn_is_served_in_every_version() {
    let broker = TestBroker::start(&[("transaction.state.log.num.partitions", "3")]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let mut expected = Vec::new();
    for (version, commits) in (0..=5).flat_map(|version| [(version, true), (version, false)]) {
        let rules = if version < 5 { Rules::Classic } else { Rules::EpochBump };
        let id = format!("{version} {commits}");
        let mut producer = Producer::start(&mut client, &id, rules).await;
        producer.write(&mut client, "topic", 0, &id).await;
        assert_eq!(producer.end_in(&mut client, version, commits).await.0, 0, "version {version}");
        expected.extend([id, if commits { "COMMIT" } else { "ABORT" }.to_owned()]);
    }
    assert_eq!(contents(&mut client, "topic", 0).await, expected);
}

#[tokio::test]
async fn timestamp_look_ups_are_right_in_every_version() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    for (timestamp, values) in [(1000, &["a", "b"][..]), (3000, &["c"]), (2000, &["d"])] {
        client.produce("topic", 0, 1, batch_at(timestamp, values)).await;
    }
    for version in 1..=8 {
        for (asked, offset, timestamp) in [
            (-1, 4, -1),
            (-2, 0, -1),
            (0, 0, 1000),
            (1000, 0, 1000),
            (1001, 2, 3000),
            (3000, 2, 3000),
            (3001, -1, -1),
        ] {
            let found = look_up(&mut client, version, asked).await;
            assert_eq!(
                (found.error_code, found.offset, found.timestamp),
                (0, offset, timestamp),
                "version {version}, {asked}"
            );
        }
    }
    let newest = look_up(&mut client, 7, -3).await;
    assert_eq!((newest.offset, newest.timestamp), (2, 3000));
    assert_eq!(look_up(&mut client, 8, -4).await.offset, 0);
    for (version, asked) in [(6, -3), (7, -4), (8, -5)] {
        assert_eq!(look_up(&mut client, version, asked).await.error_code, 35);
    }
}

#[tokio::test]
async fn create_partitions_answers_for_every_topic_named() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    let grow = |topic: &str, count| {
        CreatePartitionsTopic::default()
            .with_name(name(topic))
            .with_count(count)
            .with_assignments(None)
    };
    let request = CreatePartitionsRequest::default().with_topics(vec![
        grow("topic", 5),
        grow("none", 5),
        grow("topic", 6),
    ]);
    let response = client.call(3, &request).await;
    let codes: Vec<i16> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, 3, 42]);
    assert_eq!(client.produce("topic", 4, 1, batch(&["at once"])).await.error_code, 0);
    for count in [5, 1, 0, -1, i32::MAX] {
        let request = CreatePartitionsRequest::default().with_topics(vec![grow("topic", count)]);
        assert_eq!(client.call(3, &request).await.results[0].error_code, 37, "{count}");
    }
    assert_eq!(metadata(&mut client, "topic", false).await.topics[0].partitions.len(), 5);
}

#[tokio::test]
async fn commit_metadata_is_kept_through_a_restart() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    coordinator(&mut client).await;
    assert_eq!(commit_code(&mut client, &commit("a", "", -1, 5, "from outside")).await, 0);
    assert_eq!(commit_code(&mut client, &commit("b", "", -1, 7, "")).await, 0);
    assert_eq!(commit_code(&mut client, &commit("b", "", -1, 8, "ü")).await, 0);
    let joined = join_anew(&mut client, "g").await;
    client.call(5, &sync("g", &joined, &[(&joined.member_id, "mine")])).await;
    let by_member = commit("g", &joined.member_id, 1, 9, "member");
    assert_eq!(commit_code(&mut client, &by_member).await, 0);

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    let found = committed(&mut client, &["a", "b", "g", "none"]).await;
    assert_eq!(found["a"], (5, "from outside".to_owned()));
    assert_eq!(found["b"], (8, "ü".to_owned()));
    assert_eq!(found["g"], (9, "member".to_owned()));
    assert_eq!(found["none"], (-1, String::new()));
    // The member goes on as if nothing had been.
    assert_eq!(beat(&mut client, "g", &joined).await, 0);
    let synced = client.call(5, &sync("g", &joined, &[])).await;
    assert_eq!(synced.assignment, "mine");
}

#[tokio::test]
async fn max_message_bytes_is_checked_to_the_byte() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let sent = batch(&["value"]);
    for (topic, limit, code) in [("fits", 0, 0), ("does-not", 1, MESSAGE_TOO_LARGE)] {
        let limit = (sent.len() - limit).to_string();
        client.create_topic_with(topic, 1, &[("max.message.bytes", &limit)]).await;
        assert_eq!(client.produce(topic, 0, 1, sent.clone()).await.error_code, code);
    }
}

#[tokio::test]
async fn keyless_records_on_a_compacted_topic_are_refused_in_every_codec() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for policy in ["compact", "compact,delete"] {
        let topic = policy.replace(',', "-");
        client.create_topic_with(&topic, 1, &[("cleanup.policy", policy)]).await;
        for (codec, _) in CODECS {
            let mut builder = BatchBuilder::new(0).codec(codec);
            builder.push(0, Some(b"k"), Some(b"v"), &[]);
            builder.push(0, None, Some(b"v"), &[]);
            let refused = client.produce(&topic, 0, 1, builder.build().unwrap()).await;
            assert_eq!(refused.error_code, INVALID_RECORD, "{codec:?}");
            assert!(refused.error_message.is_some_and(|text| text.contains("key")));
            // An empty key is a key.
            let mut builder = BatchBuilder::new(0).codec(codec);
            builder.push(0, Some(b""), Some(b"v"), &[]);
            let taken = client.produce(&topic, 0, 1, builder.build().unwrap()).await;
            assert_eq!(taken.error_code, 0, "{codec:?}");
        }
    }
}

#[tokio::test]
async fn transaction_timeout_ms_is_checked_against_its_bounds() {
    let broker = TestBroker::start(&[("transaction.max.timeout.ms", "5000")]).await;
    let mut client = broker.client().await;
    let mut producer = Producer::new("tx", Rules::Classic);
    for (timeout_ms, code) in [
        (0, INVALID_TRANSACTION_TIMEOUT),
        (-1, INVALID_TRANSACTION_TIMEOUT),
        (5001, INVALID_TRANSACTION_TIMEOUT),
        (5000, 0),
        (1, 0),
    ] {
        producer.timeout_ms = timeout_ms;
        assert_eq!(producer.try_init(&mut client, false).await, code, "{timeout_ms}");
    }
}

#[tokio::test]
async fn describe_log_dirs_tells_the_size_of_every_partition() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    let batch = batch_at(1, &["a"]);
    let size = batch.len() as i64;
    client.produce("topic", 1, 1, batch).await;
    let response = client.call(4, &DescribeLogDirsRequest::default().with_topics(None)).await;
    let directory = &response.results[0];
    assert_eq!(directory.error_code, 0);
    assert!(directory.total_bytes > directory.usable_bytes && directory.usable_bytes > 0);
    let sizes: Vec<i64> =
        directory.topics[0].partitions.iter().map(|partition| partition.partition_size).collect();
    assert_eq!(sizes, [0, size]);
}

#[tokio::test]
async fn a_client_that_dies_mid_join_does_not_hang_the_group() {
    let broker = TestBroker::start(&[]).await;
    let (mut live, mut dead) = (broker.client().await, broker.client().await);
    coordinator(&mut live).await;
    let alone = join_anew(&mut live, "g").await;
    live.call(5, &sync("g", &alone, &[])).await;
    // Two clients die: one with an id and no second join, one amid its join.
    let short = |member: &str| join("g", member).with_session_timeout_ms(300);
    dead.call(9, &short("")).await;
    let given = dead.call(9, &short("")).await;
    dead.send(9, &short(&given.member_id)).await;
    while beat(&mut live, "g", &alone).await != 27 {
        tokio::task::yield_now().await;
    }
    drop(dead);
    let mut joined = live.call(9, &join("g", &alone.member_id)).await;
    assert_eq!(joined.error_code, 0);
    // The dead member never syncs: its session ends and the group goes on alone.
    loop {
        let members = joined.members.len();
        let synced = live.call(5, &sync("g", &joined, &[])).await;
        if synced.error_code == 0 && members == 1 {
            break;
        }
        while beat(&mut live, "g", &joined).await == 0 {
            tokio::task::yield_now().await;
        }
        joined = live.call(9, &join("g", &alone.member_id)).await;
        assert_eq!(joined.error_code, 0, "the live member is never unknown");
    }
}

#[tokio::test]
async fn compaction_runs_even_in_a_short_life() {
    let broker = TestBroker::start(&[("log.cleaner.backoff.ms", "20")]).await;
    let mut client = broker.client().await;
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    client.create_topic_with("topic", 1, &configs).await;
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        assert!(Instant::now() < deadline, "not compacted after {number} records");
        let value = number.to_string();
        assert_eq!(client.produce("topic", 0, 1, batch(&[&value])).await.error_code, 0);
        let fetched = client.fetch("topic", 0, 0).await;
        // The first record is gone: its batch is empty or not there.
        let first = batches(&fetched)[0];
        if first.record_count == 0 || first.base_offset > 0 {
            break;
        }
    }
}
