//! Every limit that a topic can have, and what a re-encode does to batches.

use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest,
    ListOffsetsRequest,
    create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use longshore_broker::log::{BatchBuilder, BatchHeader, Batches, Codec, Records, check_crc};

use crate::support::{Client, PATIENCE, TestBroker, batch, batch_at, batches, name, text};

pub(crate) const MESSAGE_TOO_LARGE: i16 = 10;
const RECORD_LIST_TOO_LARGE: i16 = 18;
const INVALID_TIMESTAMP: i16 = 32;
const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
const INVALID_CONFIG: i16 = 40;
const TOPIC_DELETION_DISABLED: i16 = 73;
pub(crate) const INVALID_RECORD: i16 = 87;

pub(crate) const CODECS: [(Codec, &str); 5] = [
    (Codec::None, "uncompressed"),
    (Codec::Gzip, "gzip"),
    (Codec::Snappy, "snappy"),
    (Codec::Lz4, "lz4"),
    (Codec::Zstd, "zstd"),
];

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

/// A batch with repeated headers, a null value, and timestamps out of order.
fn various(codec: Codec, first_ms: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).codec(codec);
    builder.push(first_ms, Some(b"a"), Some(&[b'x'; 300]), &[(b"h", Some(b"1")), (b"h", None)]);
    builder.push(first_ms + 9, Some(b"b"), None, &[]);
    builder.push(first_ms + 5, Some(b""), Some(b""), &[(b"h", Some(b""))]);
    builder.build().unwrap()
}

/// A record as a consumer sees it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

type Header = (Vec<u8>, Option<Vec<u8>>);

/// The records of a batch.
fn rows(header: &BatchHeader, batch: &[u8]) -> Vec<Row> {
    let payload = Codec::from_id(header.codec_id()).unwrap().decompress(&batch[61..]).unwrap();
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let records = Records::new(header, &payload).map(|record| {
        let record = record.unwrap();
        let headers = record.headers().map(|(key, value)| (key.to_vec(), owned(value)));
        Row {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: owned(record.key),
            value: owned(record.value),
            headers: headers.collect(),
        }
    });
    records.collect()
}

#[tokio::test]
async fn every_codec_becomes_every_compression_type_and_loses_nothing() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for (to, to_name) in CODECS {
        for time in ["CreateTime", "LogAppendTime"] {
            let topic = format!("{to_name}-{time}");
            let configs = [("compression.type", to_name), ("message.timestamp.type", time)];
            client.create_topic_with(&topic, 1, &configs).await;
            for (number, (from, _)) in (0..).zip(CODECS) {
                let what = format!("{from:?} to {topic}");
                let (sent_ms, sent) = (now_ms(), various(from, 7_000));
                let produced = client.produce(&topic, 0, -1, sent.clone()).await;
                assert_eq!((produced.error_code, produced.base_offset), (0, number * 3), "{what}");
                let fetched = client.fetch(&topic, 0, number * 3).await;
                let bytes = fetched.responses[0].partitions[0].records.clone().unwrap();
                let (header, batch) = Batches::new(&bytes).next().unwrap().unwrap();
                assert_eq!(header.codec_id(), to.id(), "{what}");
                check_crc(&header, batch).unwrap();

                let (sent_header, sent) = Batches::new(&sent).next().unwrap().unwrap();
                let mut expected = rows(&sent_header, sent);
                for row in &mut expected {
                    row.offset += number * 3;
                }
                if time == "LogAppendTime" {
                    let stamp = produced.log_append_time_ms;
                    assert!((sent_ms..=now_ms()).contains(&stamp), "{what}: {stamp}");
                    assert!(header.is_log_append_time(), "{what}");
                    expected.iter_mut().for_each(|row| row.timestamp_ms = stamp);
                } else {
                    assert_eq!(produced.log_append_time_ms, -1, "{what}");
                }
                assert_eq!(rows(&header, batch), expected, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_batch_sent_twice_to_a_topic_that_re_encodes_is_appended_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let configs = [("compression.type", "zstd"), ("message.timestamp.type", "LogAppendTime")];
    client.create_topic_with("topic", 1, &configs).await;
    let given = InitProducerIdRequest::default().with_transactional_id(None);
    let id = client.call(4, &given).await.producer_id.0;
    let mut builder = BatchBuilder::new(0).codec(Codec::Gzip).producer(id, 0, 0);
    builder.push(0, None, Some(b"v"), &[]);
    let sent = builder.build().unwrap();
    let first = client.produce("topic", 0, -1, sent.clone()).await;
    let again = client.produce("topic", 0, -1, sent).await;
    assert_eq!((first.error_code, again.error_code), (0, 0));
    assert_eq!(first.base_offset, again.base_offset);
    assert_eq!(first.log_append_time_ms, again.log_append_time_ms);
    let found = batches(&client.fetch("topic", 0, 0).await);
    assert_eq!((found.len(), found[0].producer_id, found[0].base_sequence), (1, id, 0));
}

#[tokio::test]
async fn max_message_bytes_holds_for_what_a_re_encode_makes_too() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let mut builder = BatchBuilder::new(0).codec(Codec::Gzip);
    builder.push(0, Some(b"k"), Some(&[0; 20_000]), &[]);
    let small = builder.build().unwrap();
    assert!(small.len() < 1_000);
    let configs = [("compression.type", "uncompressed"), ("max.message.bytes", "10000")];
    client.create_topic_with("topic", 1, &configs).await;
    let refused = client.produce("topic", 0, 1, small.clone()).await;
    assert_eq!(refused.error_code, MESSAGE_TOO_LARGE);
    client.create_topic_with("as-it-came", 1, &[("max.message.bytes", "10000")]).await;
    assert_eq!(client.produce("as-it-came", 0, 1, small).await.error_code, 0);
}

#[tokio::test]
async fn a_batch_larger_than_a_segment_is_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 1, &[("segment.bytes", "200")]).await;
    let large = client.produce("topic", 0, 1, batch(&["x".repeat(300).as_str()])).await;
    assert_eq!(large.error_code, RECORD_LIST_TOO_LARGE);
    // The next goes on at the first offset: nothing was written.
    assert_eq!(client.produce("topic", 0, 1, batch(&["x"])).await.base_offset, 0);
}

#[tokio::test]
async fn timestamps_beyond_the_topics_bounds_are_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let bounds =
        [("message.timestamp.before.max.ms", "60000"), ("message.timestamp.after.max.ms", "60000")];
    client.create_topic_with("bound", 1, &bounds).await;
    client.create_topic("default", 1).await;
    let mut stamped = bounds.to_vec();
    stamped.push(("message.timestamp.type", "LogAppendTime"));
    client.create_topic_with("stamped", 1, &stamped).await;
    let hour = 3_600_000;
    for (topic, age_ms, code) in [
        ("bound", 0, 0),
        ("bound", 30_000, 0),
        ("bound", -30_000, 0),
        ("bound", 90_000, INVALID_TIMESTAMP),
        ("bound", -90_000, INVALID_TIMESTAMP),
        ("default", 365 * 24 * hour, 0),
        ("default", -hour / 2, 0),
        ("default", -2 * hour, INVALID_TIMESTAMP),
        // The broker's own stamp replaces what the producer says.
        ("stamped", 90_000, 0),
        ("stamped", -90_000, 0),
    ] {
        let sent = batch_at(now_ms() - age_ms, &["x"]);
        let produced = client.produce(topic, 0, 1, sent).await;
        assert_eq!(produced.error_code, code, "{topic}, {age_ms} ms old");
    }
}

async fn look_up(client: &mut Client, topic: &str, timestamp: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let response = client.call(8, &request).await;
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.timestamp)
}

#[tokio::test]
async fn look_ups_by_time_follow_the_brokers_stamps_on_log_append_time() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for codec in ["producer", "lz4"] {
        let configs = [("message.timestamp.type", "LogAppendTime"), ("compression.type", codec)];
        client.create_topic_with(codec, 1, &configs).await;
        let mut stamps = Vec::new();
        for _ in 0..3 {
            // The producer's own time must not be found.
            let produced = client.produce(codec, 0, 1, various(Codec::Gzip, 5)).await;
            stamps.push(produced.log_append_time_ms);
            while now_ms() <= produced.log_append_time_ms {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(look_up(&mut client, codec, 0).await, (0, stamps[0]));
        for (index, stamp) in (0..).zip(&stamps) {
            assert_eq!(look_up(&mut client, codec, *stamp).await, (index * 3, *stamp));
        }
        assert_eq!(look_up(&mut client, codec, stamps[0] + 1).await, (3, stamps[1]));
        assert_eq!(look_up(&mut client, codec, stamps[2] + 1).await, (-1, -1));
        assert_eq!(look_up(&mut client, codec, -3).await, (6, stamps[2]));
    }
}

#[tokio::test]
async fn look_ups_by_time_find_the_record_inside_a_re_encoded_batch() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for (_, codec) in CODECS {
        client.create_topic_with(codec, 1, &[("compression.type", codec)]).await;
        client.produce(codec, 0, 1, various(Codec::Snappy, 1_000)).await;
        client.produce(codec, 0, 1, various(Codec::None, 2_000)).await;
        for (asked, found) in [
            (1_000, (0, 1_000)),
            (1_001, (1, 1_009)),
            (1_010, (3, 2_000)),
            (2_001, (4, 2_009)),
            (2_010, (-1, -1)),
            (-3, (4, 2_009)),
        ] {
            assert_eq!(look_up(&mut client, codec, asked).await, found, "{codec}: {asked}");
        }
    }
}

#[tokio::test]
async fn topic_limits_out_of_range_are_refused_by_name() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for (key, value) in [
        ("retention.ms", "-2"),
        ("retention.ms", ""),
        ("retention.bytes", "-2"),
        ("retention.bytes", "1.5"),
        ("segment.bytes", "0"),
        ("segment.bytes", "13"),
        ("segment.ms", "0"),
        ("max.message.bytes", "-1"),
        ("max.message.bytes", "2147483648"),
        ("message.timestamp.type", "createtime"),
        ("message.timestamp.before.max.ms", "-1"),
        ("message.timestamp.after.max.ms", "-1"),
        ("cleanup.policy", "compact;delete"),
        ("cleanup.policy", ""),
        ("compression.type", "brotli"),
        ("min.insync.replicas", "0"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("unclean.leader.election.enable", "yes"),
        ("no.such.key", "1"),
    ] {
        let config =
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)));
        let topic = CreatableTopic::default()
            .with_name(name("topic"))
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(vec![config]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let result = client.call(7, &request).await.topics.remove(0);
        assert_eq!(result.error_code, INVALID_CONFIG, "{key}={value}");
        let message = result.error_message.unwrap();
        assert!(message.contains(key), "{key}={value}: {}", message.as_str());
    }
}

#[tokio::test]
async fn topics_are_not_deleted_where_that_is_switched_off() {
    let broker = TestBroker::start(&[("delete.topic.enable", "false")]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("topic")]);
    let response = client.call(5, &request).await;
    assert_eq!(response.responses[0].error_code, TOPIC_DELETION_DISABLED);
    assert_eq!(client.produce("topic", 0, 1, batch(&["x"])).await.error_code, 0);
}

#[tokio::test]
async fn create_partitions_takes_assignments_that_fit_and_refuses_others() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    for (assignments, code) in [
        (vec![vec![1], vec![1], vec![1]], INVALID_REPLICA_ASSIGNMENT),
        (vec![vec![1], vec![2]], INVALID_REPLICA_ASSIGNMENT),
        (vec![vec![1], vec![]], INVALID_REPLICA_ASSIGNMENT),
        (vec![vec![1], vec![1, 1]], INVALID_REPLICA_ASSIGNMENT),
        (vec![vec![1], vec![1]], 0),
    ] {
        let assignments = assignments.into_iter().map(|ids: Vec<i32>| {
            let ids = ids.into_iter().map(kafka_protocol::messages::BrokerId).collect();
            CreatePartitionsAssignment::default().with_broker_ids(ids)
        });
        let topic = CreatePartitionsTopic::default()
            .with_name(name("topic"))
            .with_count(3)
            .with_assignments(Some(assignments.collect()));
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        for version in 0..=3 {
            // An answer without the topic would leave the client waiting.
            let dry = request.clone().with_validate_only(true);
            let results = client.call(version, &dry).await.results;
            assert_eq!((results.len(), results[0].error_code), (1, code));
        }
        assert_eq!(client.call(3, &request).await.results[0].error_code, code);
    }
    assert_eq!(client.produce("topic", 2, 1, batch(&["x"])).await.error_code, 0);
}

#[tokio::test]
async fn compact_and_delete_together_do_both() {
    let often = [("log.cleaner.backoff.ms", "20"), ("log.retention.check.interval.ms", "20")];
    let broker = TestBroker::start(&often).await;
    let mut client = broker.client().await;
    let both = [
        ("cleanup.policy", "compact,delete"),
        ("segment.bytes", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
    ];
    client.create_topic_with("compacts", 1, &both).await;
    let mut bounded = both.to_vec();
    // Nothing is compacted, so what goes has gone by its size.
    bounded.extend([("retention.bytes", "2000"), ("min.compaction.lag.ms", "3600000")]);
    client.create_topic_with("deletes", 1, &bounded).await;
    let deadline = std::time::Instant::now() + PATIENCE;
    let (mut compacted, mut deleted) = (false, false);
    while !(compacted && deleted) {
        assert!(std::time::Instant::now() < deadline, "{compacted} {deleted}");
        let sent = batch_at(now_ms(), &["value"]);
        assert_eq!(client.produce("compacts", 0, 1, sent.clone()).await.error_code, 0);
        assert_eq!(client.produce("deletes", 0, 1, sent).await.error_code, 0);
        let fetched = client.fetch("compacts", 0, 0).await;
        assert_eq!(fetched.responses[0].partitions[0].log_start_offset, 0, "compaction keeps it");
        let first = batches(&fetched)[0];
        compacted |= first.record_count == 0 || first.base_offset > 0;
        deleted |= client.fetch("deletes", 0, 0).await.responses[0].partitions[0].error_code == 1;
    }
}
