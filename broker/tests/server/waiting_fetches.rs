//! Fetches that wait: what they hold is not what others must wait for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Buf;
use kafka_protocol::messages::{
    DescribeConfigsRequest, FetchRequest,
    describe_configs_request::DescribeConfigsResource,
    fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, TestBroker, batch, encode, name, text};

/// Less than the thirty seconds for which a connection may wait for memory.
const SOON: Duration = Duration::from_secs(10);

/// A request that waits for minutes.
fn waiting() -> FetchRequest {
    FetchRequest::default().with_max_wait_ms(300_000).with_min_bytes(1).with_max_bytes(1 << 20)
}

fn used_bytes(broker: &TestBroker) -> u64 {
    let text = broker.broker.metrics();
    let used = text.lines().find_map(|line| {
        line.strip_prefix("kafka_network_socketserver_memorypoolused ")?.parse::<f64>().ok()
    });
    used.expect("the memory in use is told") as u64
}

/// Of this many partitions of an empty topic, of 24 bytes each as they wait.
fn waiting_for(partitions: usize) -> FetchRequest {
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(1);
    let topic = FetchTopic::default().with_topic(name("empty"));
    waiting().with_topics(vec![topic.with_partitions(vec![partition; partitions])])
}

/// In all versions: what they ask for is of different size on the wire.
#[tokio::test]
async fn a_fetch_of_many_topics_of_one_partition_waits() {
    const WAIT_MS: u64 = 200;
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let mut topics = Vec::new();
    for number in 0..50 {
        let topic = format!("t{number}");
        client.create_topic(&topic, 1).await;
        let partition = FetchPartition::default().with_partition_max_bytes(1);
        topics
            .push(FetchTopic::default().with_topic(name(&topic)).with_partitions(vec![partition]));
    }
    for version in 4..=12 {
        for count in [1, 15, 30, 50] {
            let request =
                waiting().with_max_wait_ms(WAIT_MS as i32).with_topics(topics[..count].to_vec());
            let began = Instant::now();
            let answer = client.call(version, &request).await;
            let waited = began.elapsed();
            assert!(waited >= Duration::from_millis(WAIT_MS), "v{version}, {count}: {waited:?}");
            assert_eq!(answer.responses.len(), count);
        }
    }
}

async fn sixteen_mebibytes() -> (TestBroker, Client) {
    let broker = TestBroker::start(&[("queued.max.request.bytes", "16777216")]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    (broker, client)
}

async fn produces_soon(client: &mut Client) {
    let began = Instant::now();
    for size in [10, 500_000, 900_000] {
        let produced = client.produce("topic", 0, 1, batch(&["x".repeat(size).as_str()])).await;
        assert_eq!(produced.error_code, 0);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_fetch_that_waits_holds_nothing_of_what_it_was_sent_in() {
    let (broker, mut good) = sixteen_mebibytes().await;
    let forgotten =
        ForgottenTopic::default().with_topic(name("topic")).with_partitions((0..190_000).collect());
    let padded = waiting().with_forgotten_topics_data(vec![forgotten]);
    let mut all = Vec::new();
    for _ in 0..40 {
        let mut client = broker.client().await;
        client.send(11, &padded).await;
        all.push(client);
    }
    produces_soon(&mut good).await;
    // All of them wait by now, or will hold no more.
    let deadline = Instant::now() + SOON;
    while used_bytes(&broker) > 100_000 {
        assert!(Instant::now() < deadline, "{} bytes are held", used_bytes(&broker));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn fetches_that_wait_are_answered_when_others_want_the_memory() {
    let (broker, mut good) = sixteen_mebibytes().await;
    let large = waiting_for(40_000);
    good.create_topic("empty", 1).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut client = broker.client().await;
        let id = client.send(11, &large).await;
        all.push((client, id));
    }
    produces_soon(&mut good).await;
    let mut answered = tokio::task::JoinSet::new();
    for (mut client, id) in all {
        answered.spawn(async move { client.receive::<FetchRequest>(11, id).await });
    }
    let first = tokio::time::timeout(SOON, answered.join_next()).await;
    let first = first.expect("one gives way").unwrap().unwrap();
    assert_eq!(first.responses[0].partitions.len(), 40_000);
    assert_eq!(first.responses[0].partitions[0].error_code, 0);
}

#[tokio::test]
async fn large_fetches_behind_one_that_waits_hold_no_more_than_a_claim() {
    let (broker, mut good) = sixteen_mebibytes().await;
    good.create_topic("empty", 1).await;
    let mut client = broker.client().await;
    client.send(11, &waiting_for(1)).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        let large = encode(11, 2, &waiting_for(40_000));
        for part in std::iter::repeat_n(large, 31).flat_map(|large| {
            let parts: Vec<_> = large.chunks(64 << 10).map(<[u8]>::to_vec).collect();
            parts
        }) {
            client.stream.write_all(&part).await.unwrap();
            counted.fetch_add(part.len(), Ordering::Relaxed);
        }
        client
    });
    // Until the broker takes no more of it.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent.load(Ordering::Relaxed);
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(used_bytes(&broker) < 100_000, "{} bytes are held", used_bytes(&broker));
    produces_soon(&mut good).await;
    sending.abort();
}

#[tokio::test]
async fn large_answers_behind_a_fetch_that_waits_are_made_one_by_one() {
    const LARGE: usize = 256 << 10;
    let (broker, mut good) = sixteen_mebibytes().await;
    good.create_topic("empty", 1).await;
    let mut resources = Vec::new();
    for number in 0..80 {
        let topic = number.to_string();
        good.create_topic(&topic, 1).await;
        resources.push(
            DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text(&topic))
                .with_configuration_keys(None),
        );
    }
    let describe = DescribeConfigsRequest::default()
        .with_resources(resources)
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let mut frames = encode(11, 1, &waiting_for(1)).to_vec();
    for id in 2..5 {
        frames.extend_from_slice(&encode(4, id, &describe));
    }
    let mut client = broker.client().await;
    client.stream.write_all(&frames).await.unwrap();
    let begun = || {
        let line = "kafka_network_requestmetrics_requests_total{request=\"DescribeConfigs\",version=\"4\"} ";
        let text = broker.broker.metrics();
        let begun = text.lines().find_map(|found| found.strip_prefix(line)?.parse::<f64>().ok());
        begun.unwrap_or(0.0)
    };
    let deadline = Instant::now() + SOON;
    while begun() < 1.0 {
        assert!(Instant::now() < deadline, "a small request is begun behind a fetch that waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // All of them are there, and begun would be as soon as one is.
    produces_soon(&mut good).await;
    assert!((begun() - 1.0).abs() < 0.5, "{} are begun", begun());
    assert_eq!(good.produce("empty", 0, 1, batch(&["x"])).await.error_code, 0);
    for id in 1..5 {
        let mut answer = client.receive_frame().await.unwrap();
        assert!(id == 1 || answer.len() > LARGE, "{}", answer.len());
        assert_eq!(answer.get_i32(), id);
    }
}
