//! Fetches that wait: what they hold is not what others must wait for.

use std::time::{Duration, Instant};

use kafka_protocol::messages::{
    FetchRequest,
    fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
};

use crate::support::{Client, TestBroker, batch, name};

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
    let partition = FetchPartition::default().with_partition(0).with_partition_max_bytes(1);
    let topic = FetchTopic::default().with_topic(name("empty"));
    // Of 24 bytes each, as they wait.
    let topic = topic.with_partitions(vec![partition; 40_000]);
    let large = waiting().with_topics(vec![topic]);
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
