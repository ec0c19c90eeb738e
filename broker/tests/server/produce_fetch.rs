//! Records in and out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::{
    DescribeProducersRequest, InitProducerIdRequest, describe_producers_request::TopicRequest,
    fetch_request::FetchPartition, produce_request::PartitionProduceData,
};
use longshore_broker::log::{BatchBuilder, Batches, Codec, Records};

use crate::support::{PATIENCE, TestBroker, batch, batches, fetch_request, name, produce_request};

const INVALID_RECORD: i16 = 87;
const MESSAGE_TOO_LARGE: i16 = 10;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

#[tokio::test]
async fn what_is_produced_is_fetched_byte_for_byte_in_every_codec() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let mut offset = 0;
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new(0).codec(codec);
        builder.push(5, Some(b"k"), Some(b"one"), &[(b"h", Some(b"1")), (b"h", None)]);
        builder.push(6, None, None, &[]);
        let sent = builder.build().unwrap();
        let produced = client.produce("topic", 0, -1, sent.clone()).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, offset));
        let response = client.fetch("topic", 0, offset).await;
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let fetched = partition.records.clone().unwrap();
        // Base offset and leader epoch are the broker's, the rest is opaque.
        assert_eq!(fetched[16..], sent[16..], "{codec:?}");
        assert_eq!(fetched[..8], offset.to_be_bytes());
        assert_eq!(partition.high_watermark, offset + 2);
        offset += 2;
    }
}

#[tokio::test]
async fn a_fetch_from_inside_a_batch_answers_with_the_whole_batch() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, 1, batch(&["a", "b", "c"])).await;
    let found = batches(&client.fetch("topic", 0, 2).await);
    assert_eq!((found[0].base_offset, found[0].last_offset()), (0, 2));
}

#[tokio::test]
async fn a_produce_without_acks_is_not_answered_and_keeps_its_order() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.send(9, &produce_request("topic", 0, 0, batch(&["first"]))).await;
    // The next answer is that of the next request.
    let second = client.produce("topic", 0, 1, batch(&["second"])).await;
    assert_eq!(second.base_offset, 1);
}

#[tokio::test]
async fn a_produce_without_acks_that_fails_ends_the_connection() {
    let broker = TestBroker::start(&[("auto.create.topics.enable", "false")]).await;
    let mut client = broker.client().await;
    client.send(9, &produce_request("none", 0, 0, batch(&["lost"]))).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn pipelined_produces_keep_their_order() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 1, &[("flush.messages", "1")]).await;
    let mut ids = Vec::new();
    for number in 0..100 {
        let request = produce_request("topic", 0, -1, batch(&[&number.to_string()]));
        ids.push(client.send(9, &request).await);
    }
    for (number, id) in ids.into_iter().enumerate() {
        let response = client.receive::<kafka_protocol::messages::ProduceRequest>(9, id).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, number as i64));
    }
}

#[tokio::test]
async fn one_bad_partition_costs_only_itself() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    let mut request = produce_request("topic", 0, -1, batch(&["good"]));
    let mut corrupt = batch(&["bad"]);
    *corrupt.last_mut().unwrap() ^= 1;
    let mut bad = request.topic_data[0].partition_data[0].clone();
    bad.index = 1;
    bad.records = Some(Bytes::from(corrupt));
    let mut missing = bad.clone();
    missing.index = 2;
    let mut empty = bad.clone();
    empty.records = None;
    request.topic_data[0].partition_data.extend([bad, missing, empty]);
    let response = client.call(9, &request).await;
    let codes: Vec<i16> =
        response.responses[0].partition_responses.iter().map(|p| p.error_code).collect();
    assert_eq!(codes, [0, 2, UNKNOWN_TOPIC_OR_PARTITION, 87]);
}

#[tokio::test]
async fn a_partition_takes_one_batch_of_a_request_so_that_thousands_cannot_hold_it() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let mut many = Vec::new();
    for id in 0..20_000 {
        let mut builder = BatchBuilder::new(0).producer(id, 0, 0);
        builder.push(0, None, Some(b"v"), &[]);
        many.extend(builder.build().unwrap());
    }
    let two = [batch(&["one"]), batch(&["two"])].concat();
    let started = Instant::now();
    assert_eq!(client.produce("topic", 0, 1, many).await.error_code, INVALID_RECORD);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(client.produce("topic", 0, 1, two).await.error_code, INVALID_RECORD);
    assert_eq!(client.produce("topic", 0, 1, batch(&["one"])).await.base_offset, 0);
}

/// Waits until the recovery point of partition 0 is written down as `offset`.
async fn await_recovery_point(broker: &TestBroker, topic: &str, offset: i64) {
    let path = broker.directory.path().join(format!("{topic}-0/recovery-point-offset-checkpoint"));
    let deadline = Instant::now() + PATIENCE;
    let wanted = format!("{topic} 0 {offset}\n");
    while !std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with(&wanted)) {
        assert!(Instant::now() < deadline, "offset {offset} was never flushed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn flush_messages_flushes_whatever_the_acks() {
    let broker = TestBroker::start(&[("log.flush.offset.checkpoint.interval.ms", "20")]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 1, &[("flush.messages", "1")]).await;
    client.produce("topic", 0, 1, batch(&["one"])).await;
    await_recovery_point(&broker, "topic", 1).await;
    client.send(9, &produce_request("topic", 0, 0, batch(&["two"]))).await;
    await_recovery_point(&broker, "topic", 2).await;
}

/// One batch of a record that is `bytes` long until it is compressed.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(0).codec(Codec::Zstd);
    builder.push(0, None, Some(&vec![0; bytes]), &[]);
    builder.build().unwrap()
}

#[tokio::test]
async fn a_batch_that_the_topics_codec_makes_too_large_is_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let configs = [("compression.type", "uncompressed"), ("max.message.bytes", "10000")];
    client.create_topic_with("plain", 1, &configs).await;
    assert_eq!(client.produce("plain", 0, 1, zeros(20_000)).await.error_code, MESSAGE_TOO_LARGE);
    assert_eq!(client.produce("plain", 0, 1, zeros(5000)).await.error_code, 0);
}

#[tokio::test]
async fn fetches_of_batches_larger_than_their_grant_stay_within_the_fetch_memory() {
    // Room for one such batch at a time: without the grant all are read at once.
    let memory = ("fetch.memory.bytes", "12000000");
    let broker = TestBroker::start(&[memory]).await;
    let mut writer = broker.client().await;
    writer.create_topic_with("large", 1, &[("max.message.bytes", "9000000")]).await;
    let mut builder = BatchBuilder::new(0);
    builder.push(0, None, Some(&vec![7; 8 << 20]), &[]);
    let sent = builder.build().unwrap();
    assert_eq!(writer.produce("large", 0, 1, sent.clone()).await.error_code, 0);
    // A client that asks and takes nothing holds the memory of its answer.
    let mut holder = broker.client().await;
    holder.send(12, &fetch_request("large", 0, 0)).await;
    let mut first = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut holder.stream, &mut first).await.unwrap();
    let mut next = broker.client().await;
    let id = next.send(12, &fetch_request("large", 0, 0)).await;
    let answered = tokio::time::timeout(Duration::from_millis(300), next.stream.readable()).await;
    assert!(answered.is_err(), "a second batch was read beyond the fetch memory");
    drop(holder);
    let response = next.receive::<kafka_protocol::messages::FetchRequest>(12, id).await;
    assert_eq!(batches(&response)[0].size_bytes, sent.len());
}

#[tokio::test]
async fn what_produce_must_refuse_is_refused_with_kafkas_code() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("small", 1, &[("max.message.bytes", "100")]).await;
    client.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")]).await;
    client.create_topic_with("isr", 1, &[("min.insync.replicas", "2")]).await;
    let large = client.produce("small", 0, 1, batch(&["x".repeat(200).as_str()])).await;
    assert_eq!(large.error_code, 10);
    let mut keyless = BatchBuilder::new(0);
    keyless.push(0, None, Some(b"v"), &[]);
    let keyless = client.produce("compacted", 0, 1, keyless.build().unwrap()).await;
    assert_eq!(keyless.error_code, 87);
    assert_eq!(client.produce("isr", 0, -1, batch(&["x"])).await.error_code, NOT_ENOUGH_REPLICAS);
    assert_eq!(client.produce("isr", 0, 1, batch(&["x"])).await.error_code, 0);
    assert_eq!(client.produce("small", 0, 7, batch(&["x"])).await.error_code, 21);
    let internal = client.produce("__consumer_offsets", 0, 1, batch(&["x"])).await;
    assert_eq!(internal.error_code, 17);
}

#[tokio::test]
async fn a_refused_batch_names_the_records_at_fault_so_that_the_others_can_be_sent_again() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic_with("compacted", 1, &[("cleanup.policy", "compact")]).await;
    let mut mixed = BatchBuilder::new(0).codec(Codec::Zstd);
    for key in [Some(&b"k"[..]), None, Some(b"l"), None] {
        mixed.push(0, key, Some(b"v"), &[]);
    }
    let refused = client.produce("compacted", 0, 1, mixed.build().unwrap()).await;
    let named: Vec<i32> = refused.record_errors.iter().map(|error| error.batch_index).collect();
    assert_eq!((refused.error_code, named), (87, vec![1, 3]));
}

#[tokio::test]
async fn a_batch_sent_twice_is_appended_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    let given = client.call(4, &idempotent).await;
    assert_eq!(given.error_code, 0);
    let id = given.producer_id.0;
    let sent = |sequence| {
        let mut builder = BatchBuilder::new(0).producer(id, 0, sequence);
        builder.push(0, None, Some(b"v"), &[]);
        builder.build().unwrap()
    };
    assert_eq!(client.produce("topic", 0, -1, sent(0)).await.base_offset, 0);
    assert_eq!(client.produce("topic", 0, -1, sent(1)).await.base_offset, 1);
    let again = client.produce("topic", 0, -1, sent(0)).await;
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    let gap = client.produce("topic", 0, -1, sent(7)).await;
    assert_eq!(gap.error_code, 45);
    let other = client.call(4, &idempotent).await;
    assert_ne!(other.producer_id.0, id);
}

#[tokio::test]
async fn a_fetch_waits_for_records_and_no_longer_than_it_asked() {
    let broker = TestBroker::start(&[]).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    writer.create_topic("topic", 1).await;
    let waiting = fetch_request("topic", 0, 0).with_max_wait_ms(20_000);
    let id = reader.send(12, &waiting).await;
    writer.produce("topic", 0, 1, batch(&["at last"])).await;
    let started = Instant::now();
    let response = reader.receive::<kafka_protocol::messages::FetchRequest>(12, id).await;
    assert_eq!(batches(&response).len(), 1);
    assert!(started.elapsed() < Duration::from_secs(10), "woken by the append");

    let started = Instant::now();
    let nothing = reader.call(12, &fetch_request("topic", 0, 1).with_max_wait_ms(200)).await;
    assert!(batches(&nothing).is_empty());
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn min_bytes_is_waited_for() {
    let broker = TestBroker::start(&[]).await;
    let (mut reader, mut writer) = (broker.client().await, broker.client().await);
    writer.create_topic("topic", 1).await;
    let size = batch(&["value"]).len() as i32;
    let waiting = fetch_request("topic", 0, 0).with_max_wait_ms(20_000).with_min_bytes(3 * size);
    let id = reader.send(12, &waiting).await;
    for _ in 0..3 {
        writer.produce("topic", 0, 1, batch(&["value"])).await;
    }
    let response = reader.receive::<kafka_protocol::messages::FetchRequest>(12, id).await;
    assert_eq!(batches(&response).len(), 3);
}

#[tokio::test]
async fn limits_cut_at_batches_and_the_first_batch_always_comes() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    let size = batch(&["value"]).len();
    for partition in 0..2 {
        for _ in 0..4 {
            client.produce("topic", partition, 1, batch(&["value"])).await;
        }
    }
    let mut request = fetch_request("topic", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 2 * size as i32 + 1;
    assert_eq!(batches(&client.call(12, &request).await).len(), 2);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    assert_eq!(batches(&client.call(12, &request).await).len(), 1);
    // A tiny limit of the whole request: one batch of the first partition only.
    let second = FetchPartition::default().with_partition(1).with_partition_max_bytes(1 << 20);
    let mut request = fetch_request("topic", 0, 0).with_max_bytes(1);
    request.topics[0].partitions.push(second);
    let response = client.call(12, &request).await;
    assert_eq!(batches(&response).len(), 1);
    let second = response.responses[0].partitions[1].records.clone().unwrap_or_default();
    assert!(second.is_empty());
}

#[tokio::test]
async fn what_cannot_be_fetched_is_told_at_once() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, 1, batch(&["a"])).await;
    let wait =
        |topic, partition, offset| fetch_request(topic, partition, offset).with_max_wait_ms(20_000);
    for (request, code) in [
        (wait("topic", 0, 2), OFFSET_OUT_OF_RANGE),
        (wait("topic", 0, -1), OFFSET_OUT_OF_RANGE),
        (wait("topic", 1, 0), UNKNOWN_TOPIC_OR_PARTITION),
        (wait("none", 0, 0), UNKNOWN_TOPIC_OR_PARTITION),
    ] {
        let response = client.call(12, &request).await;
        assert_eq!(response.responses[0].partitions[0].error_code, code);
    }
    let mut future = wait("topic", 0, 0);
    future.topics[0].partitions[0].current_leader_epoch = 9;
    let response = client.call(12, &future).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 75);
    let session = wait("topic", 0, 0).with_session_id(5).with_session_epoch(1);
    assert_eq!(client.call(12, &session).await.error_code, 70);
}

#[tokio::test]
async fn every_version_of_fetch_decodes_to_the_same_records() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, 1, batch(&["a", "b"])).await;
    for version in 4..=12 {
        let mut request = fetch_request("topic", 0, 0);
        if version < 7 {
            request.session_epoch = -1;
        }
        let response = client.call(version, &request).await;
        assert_eq!(response.responses[0].topic, name("topic"));
        let records = response.responses[0].partitions[0].records.clone().unwrap();
        let (header, batch) = Batches::new(&records).next().unwrap().unwrap();
        let values: Vec<_> =
            Records::new(&header, &batch[61..]).map(|record| record.unwrap().value).collect();
        assert_eq!(values, [Some(&b"a"[..]), Some(&b"b"[..])], "version {version}");
    }
}

#[tokio::test]
async fn two_clients_at_once_lose_nothing_and_share_no_offset() {
    let broker = TestBroker::start(&[]).await;
    broker.client().await.create_topic("topic", 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut client = broker.client().await;
        tasks.spawn(async move {
            let mut offsets = Vec::new();
            for _ in 0..50 {
                let produced = client.produce("topic", 0, -1, batch(&["x"])).await;
                assert_eq!(produced.error_code, 0);
                offsets.push(produced.base_offset);
            }
            offsets
        });
    }
    let mut offsets = tasks.join_all().await.concat();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..200).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_partition_tells_which_producers_it_remembers() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let mut builder = BatchBuilder::new(0).producer(77, 3, 0);
    builder.push(1234, None, Some(b"v"), &[]);
    builder.push(1235, None, Some(b"w"), &[]);
    assert_eq!(client.produce("topic", 0, -1, builder.build().unwrap()).await.error_code, 0);
    let asked = TopicRequest::default().with_name(name("topic")).with_partition_indexes(vec![0, 9]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked]);
    let response = client.call(0, &request).await;
    let [partition, missing] = &response.topics[0].partitions[..] else { panic!("{response:?}") };
    assert_eq!((partition.error_code, missing.error_code), (0, UNKNOWN_TOPIC_OR_PARTITION));
    let [producer] = &partition.active_producers[..] else { panic!("{partition:?}") };
    assert_eq!((producer.producer_id.0, producer.producer_epoch), (77, 3));
    assert_eq!((producer.last_sequence, producer.last_timestamp), (1, 1235));
    assert_eq!((producer.coordinator_epoch, producer.current_txn_start_offset), (-1, -1));
}

#[tokio::test]
async fn a_refusal_does_not_repeat_a_long_name_for_each_partition() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let mut request = produce_request(&"x".repeat(30_000), 0, 1, Vec::new());
    request.topic_data[0].partition_data = vec![PartitionProduceData::default(); 1000];
    client.send(9, &request).await;
    let answer = client.receive_frame().await.unwrap();
    assert!((1000..200_000).contains(&answer.len()), "{}", answer.len());
}
