//! Quotas: kept by the controller, held to on the socket.

use std::time::{Duration, Instant};

use kafka_protocol::messages::{
    AlterClientQuotasRequest, CreateTopicsRequest, DescribeClientQuotasRequest, MetadataRequest,
    alter_client_quotas_request::{EntityData, EntryData, OpData},
    create_topics_request::CreatableTopic,
    describe_client_quotas_request::ComponentData,
    metadata_request::MetadataRequestTopic,
};

use tokio::net::TcpSocket;

use crate::support::{
    Client, PATIENCE, TestBroker, batch, batches, fetch_request, name, produce_request, text,
};

const THROTTLING_QUOTA_EXCEEDED: i16 = 89;

/// Two windows of a second, so that a burst of one second is all that silence earns.
const SHORT_WINDOWS: [(&str, &str); 2] =
    [("quota.window.num", "2"), ("controller.quota.window.num", "2")];

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn altering(entity: Entity<'_>, changes: &[(&str, Option<f64>)]) -> AlterClientQuotasRequest {
    let entity = entity.iter().map(|(kind, name)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    });
    let changes = changes.iter().map(|(key, bound)| {
        OpData::default()
            .with_key(text(key))
            .with_value(bound.unwrap_or_default())
            .with_remove(bound.is_none())
    });
    let entry = EntryData::default().with_entity(entity.collect()).with_ops(changes.collect());
    AlterClientQuotasRequest::default().with_entries(vec![entry])
}

async fn alter(client: &mut Client, entity: Entity<'_>, changes: &[(&str, Option<f64>)]) -> i16 {
    client.call(1, &altering(entity, changes)).await.entries[0].error_code
}

/// Every entity that matches, as text, with its bounds.
async fn describe(
    client: &mut Client,
    filter: &[(&str, i8, Option<&str>)],
    strict: bool,
) -> Result<Vec<String>, i16> {
    let components = filter.iter().map(|(kind, how, name)| {
        ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(*how)
            .with_match(name.map(text))
    });
    let request = DescribeClientQuotasRequest::default()
        .with_components(components.collect())
        .with_strict(strict);
    let response = client.call(1, &request).await;
    let Some(entries) = response.entries else { return Err(response.error_code) };
    let shown = entries.iter().map(|entry| {
        let parts = entry.entity.iter().map(|part| {
            let name = part.entity_name.as_ref().map_or("*", |name| name.as_str());
            format!("{}={name}", part.entity_type.as_str())
        });
        let values =
            entry.values.iter().map(|value| format!("{}:{}", value.key.as_str(), value.value));
        format!("{} {}", parts.collect::<Vec<_>>().join(","), values.collect::<Vec<_>>().join(","))
    });
    Ok(shown.collect())
}

#[tokio::test]
async fn quotas_are_kept_and_found_by_every_kind_of_filter() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let bound = [("producer_byte_rate", Some(1e9)), ("request_percentage", Some(12.5))];
    for entity in [
        &[("user", Some("u"))][..],
        &[("user", Some("u")), ("client-id", None)],
        &[("user", None)],
        &[("client-id", Some("c"))],
    ] {
        assert_eq!(alter(&mut client, entity, &bound).await, 0);
    }
    let address: Entity<'_> = &[("ip", Some("10.0.0.1"))];
    assert_eq!(alter(&mut client, address, &[("connection_creation_rate", Some(5.0))]).await, 0);
    let removed = [("request_percentage", None), ("consumer_byte_rate", None)];
    assert_eq!(alter(&mut client, &[("user", Some("u"))], &removed).await, 0);

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    let both = "producer_byte_rate:1000000000,request_percentage:12.5";
    let (user, pair) =
        ("user=u producer_byte_rate:1000000000", format!("user=u,client-id=* {both}"));
    let (any_user, by_client) = (format!("user=* {both}"), format!("client-id=c {both}"));
    for (filter, strict, mut expected) in [
        (
            &[][..],
            false,
            vec![user, &pair, &any_user, &by_client, "ip=10.0.0.1 connection_creation_rate:5"],
        ),
        (&[], true, vec![]),
        (&[("user", 0, Some("u"))], false, vec![user, &pair]),
        (&[("user", 0, Some("u"))], true, vec![user]),
        (&[("user", 1, None)], false, vec![&any_user]),
        (&[("user", 2, None)], false, vec![user, &pair, &any_user]),
        (&[("user", 2, None), ("client-id", 1, None)], true, vec![&pair]),
        (&[("client-id", 0, Some("none"))], false, vec![]),
        (&[("ip", 2, None)], true, vec!["ip=10.0.0.1 connection_creation_rate:5"]),
    ] {
        let mut found = describe(&mut client, filter, strict).await.unwrap();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{filter:?} {strict}");
    }
    for (filter, code) in [
        (&[("user", 0, None)][..], 42),
        (&[("user", 1, Some("u"))], 42),
        (&[("user", 7, None)], 42),
        (&[("", 2, None)], 42),
        (&[("user", 2, None), ("user", 2, None)], 42),
        (&[("user", 2, None), ("ip", 2, None)], 42),
        (&[("group", 2, None)], 35),
    ] {
        assert_eq!(describe(&mut client, filter, false).await, Err(code), "{filter:?}");
    }
}

#[tokio::test]
async fn quotas_that_cannot_be_are_refused_and_change_nothing() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let one = [("producer_byte_rate", Some(1.0))];
    for entity in [
        &[][..],
        &[("group", Some("g"))],
        &[("user", Some(""))],
        &[("user", Some("u")), ("user", Some("v"))],
        &[("user", Some("u")), ("ip", Some("10.0.0.1"))],
        &[("ip", Some("10.0.0.1"))],
    ] {
        assert_eq!(alter(&mut client, entity, &one).await, 42, "{entity:?}");
    }
    for changes in [
        &[("no_such_rate", Some(1.0))][..],
        &[("producer_byte_rate", Some(0.0))],
        &[("producer_byte_rate", Some(-5.0))],
        &[("producer_byte_rate", Some(0.5))],
        &[("request_percentage", Some(f64::NAN))],
        &[("producer_byte_rate", Some(1.0)), ("producer_byte_rate", Some(2.0))],
        &[("producer_byte_rate", Some(1.0)), ("consumer_byte_rate", Some(-1.0))],
    ] {
        assert_eq!(alter(&mut client, &[("user", Some("u"))], changes).await, 42, "{changes:?}");
    }
    let dry = altering(&[("user", Some("u"))], &one).with_validate_only(true);
    assert_eq!(client.call(1, &dry).await.entries[0].error_code, 0);
    assert_eq!(describe(&mut client, &[], false).await, Ok(vec![]));
}

/// Produces for `time` as fast as the broker lets it; bytes sent, the longest
/// wait for one answer, and whether any answer told of throttling.
async fn produce_for(mut client: Client, topic: &str, time: Duration) -> (usize, Duration, bool) {
    let started = Instant::now();
    let sent = batch(&["x".repeat(10_000).as_str()]);
    let (mut bytes, mut longest, mut throttled) = (0, Duration::ZERO, false);
    while started.elapsed() < time {
        let asked = Instant::now();
        let request = produce_request(topic, 0, 1, sent.clone());
        let response = client.call(9, &request).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
        throttled |= response.throttle_time_ms > 0;
        longest = longest.max(asked.elapsed());
        bytes += sent.len();
    }
    (bytes, longest, throttled)
}

#[tokio::test]
async fn a_producer_above_its_quota_is_held_near_it_and_another_is_unharmed() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await;
    admin.create_topic("topic", 1).await;
    let quota = [("producer_byte_rate", Some(100_000.0))];
    assert_eq!(alter(&mut admin, &[("client-id", Some("greedy"))], &quota).await, 0);

    let greedy = broker.client().await.named("greedy");
    let modest = broker.client().await.named("modest");
    let time = Duration::from_secs(6);
    let (greedy, modest) =
        tokio::join!(produce_for(greedy, "topic", time), produce_for(modest, "topic", time));
    // 600 KB in six seconds, and a second's burst at either end.
    let (bytes, longest, throttled) = greedy;
    assert!(throttled);
    assert!((300_000..=900_000).contains(&bytes), "{bytes} bytes in 6 s at 100000 a second");
    assert!(longest >= Duration::from_millis(100), "the connection was not muted: {longest:?}");
    // The other shares topic and broker, and never waits.
    let (bytes, _, throttled) = modest;
    assert!(!throttled);
    assert!(bytes > 900_000, "{bytes} bytes of the client without a quota");
}

#[tokio::test]
async fn a_throttled_answer_comes_at_once_and_the_next_request_waits() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await;
    admin.create_topic("topic", 1).await;
    // ANONYMOUS is who comes without authentication.
    let quota = [("producer_byte_rate", Some(10_000.0))];
    let entity: Entity<'_> = &[("user", Some("ANONYMOUS")), ("client-id", Some("greedy"))];
    assert_eq!(alter(&mut admin, entity, &quota).await, 0);
    let mut greedy = broker.client().await.named("greedy");
    let started = Instant::now();
    let large = produce_request("topic", 0, 1, batch(&["x".repeat(20_000).as_str()]));
    let response = greedy.call(9, &large).await;
    let throttled = Duration::from_millis(response.throttle_time_ms as u64);
    assert!((800..2000).contains(&response.throttle_time_ms), "{throttled:?}");
    assert!(started.elapsed() < throttled, "the answer waited for the throttle to end");
    let metadata = MetadataRequest::default().with_topics(None);
    greedy.call(9, &metadata).await;
    assert!(started.elapsed() >= throttled, "the connection was read while it was muted");

    // acks=0 has no answer to tell it, and is muted all the same.
    let silent = produce_request("topic", 0, 0, batch(&["x".repeat(30_000).as_str()]));
    greedy.send(9, &silent).await;
    let started = Instant::now();
    greedy.call(9, &metadata).await;
    assert!(started.elapsed() >= Duration::from_millis(800), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_consumer_above_its_quota_gets_empty_answers_until_it_is_below() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await;
    admin.create_topic("topic", 1).await;
    for _ in 0..20 {
        admin.produce("topic", 0, 1, batch(&["x".repeat(10_000).as_str()])).await;
    }
    let quota = [("consumer_byte_rate", Some(50_000.0))];
    assert_eq!(alter(&mut admin, &[("client-id", None)], &quota).await, 0);
    let mut reader = broker.client().await.named("reader");
    let started = Instant::now();
    let (mut offset, mut throttled) = (0, 0);
    while offset < 20 {
        let response = reader.call(12, &fetch_request("topic", 0, offset)).await;
        if response.throttle_time_ms > 0 {
            throttled += 1;
        }
        if response.responses.is_empty() {
            assert!(response.throttle_time_ms > 0, "an empty answer says why it is empty");
            continue;
        }
        let found = batches(&response);
        assert!(found.len() <= 5, "one fetch brings no more than its windows allow");
        offset = found.last().map_or(offset, |batch| batch.last_offset() + 1);
    }
    // 200 KB at 50 KB a second, a second's burst at either end.
    assert!(throttled > 0);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// Any request takes longer than a ten-millionth of a processor's time.
#[tokio::test]
async fn time_of_requests_is_bound_by_the_most_special_quota() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await.named("admin");
    let percent = |bound| [("request_percentage", Some(bound))];
    for (entity, bound) in [
        (&[("user", Some("ANONYMOUS")), ("client-id", Some("admin"))][..], 100_000.0),
        (&[("user", Some("ANONYMOUS")), ("client-id", None)], 0.000_01),
        (&[("user", None)], 100_000.0),
        (&[("client-id", Some("reader"))], 100_000.0),
    ] {
        assert_eq!(alter(&mut admin, entity, &percent(bound)).await, 0);
    }
    let metadata = MetadataRequest::default().with_topics(None);
    let mut reader = broker.client().await.named("reader");
    let asked = Instant::now();
    let throttle_ms = reader.call(9, &metadata).await.throttle_time_ms;
    assert!((1..=1000).contains(&throttle_ms), "a window at most: {throttle_ms} ms");
    reader.call(9, &metadata).await;
    let throttled = Duration::from_millis(throttle_ms as u64);
    assert!(asked.elapsed() >= throttled, "the connection was read while it was muted");
    assert_eq!(admin.call(9, &metadata).await.throttle_time_ms, 0, "it has a quota of its own");
    let own: Entity<'_> = &[("user", Some("ANONYMOUS")), ("client-id", None)];
    assert_eq!(alter(&mut admin, own, &[("request_percentage", None)]).await, 0);
    let mut later = broker.client().await.named("reader");
    assert_eq!(later.call(9, &metadata).await.throttle_time_ms, 0, "the default for users binds");
}

#[tokio::test]
async fn topics_beyond_the_mutation_quota_are_refused_to_new_clients_and_delay_old_ones() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await;
    let quota = [("controller_mutation_rate", Some(2.0))];
    assert_eq!(alter(&mut admin, &[("user", Some("ANONYMOUS"))], &quota).await, 0);
    let topic = |topic: &str, partitions| {
        CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
    };
    // Four tokens are there at first; the topic that takes the last may overdraw.
    let request =
        CreateTopicsRequest::default().with_topics(vec![topic("first", 6), topic("second", 1)]);
    let started = Instant::now();
    let response = admin.call(7, &request).await;
    let codes: Vec<i16> = response.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, THROTTLING_QUOTA_EXCEEDED]);
    let throttled = Duration::from_millis(response.throttle_time_ms as u64);
    assert!(throttled > Duration::from_millis(500), "{throttled:?}");
    // Once that has passed it may go on.
    let second = CreateTopicsRequest::default().with_topics(vec![topic("second", 3)]);
    assert_eq!(admin.call(7, &second).await.topics[0].error_code, 0);
    assert!(started.elapsed() >= throttled);

    // A client that does not know the error is let through, and waits.
    let mut old = broker.client().await;
    let request =
        CreateTopicsRequest::default().with_topics(vec![topic("third", 4), topic("fourth", 1)]);
    let response = old.call(5, &request).await;
    assert!(response.topics.iter().all(|topic| topic.error_code == 0));
    assert!(response.throttle_time_ms > 1000, "{}", response.throttle_time_ms);
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_refused_for_a_while() {
    let broker = TestBroker::start(&SHORT_WINDOWS).await;
    let mut admin = broker.client().await;
    let address: Entity<'_> = &[("ip", Some("127.0.0.1"))];
    let rate = |bound| [("connection_creation_rate", bound)];
    assert_eq!(alter(&mut admin, address, &rate(Some(2.0))).await, 0);
    let metadata = MetadataRequest::default().with_topics(None);
    for _ in 0..2 {
        broker.client().await.call(9, &metadata).await;
    }
    assert!(broker.client().await.is_closed().await, "the third within a second");
    // Whoever is connected stays so, and takes the quota away again.
    assert_eq!(alter(&mut admin, address, &rate(None)).await, 0);
    for _ in 0..10 {
        broker.client().await.call(9, &metadata).await;
    }
}

/// A connection from an address of this machine's own, if it is let in.
async fn connects_from(broker: &TestBroker, from: [u8; 4]) -> Client {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    Client::over(socket.connect(broker.broker.local_addr()).await.unwrap())
}

#[tokio::test]
async fn an_address_that_connects_too_often_costs_the_others_neither_places_nor_rate() {
    let bounds = [
        ("quota.window.num", "2"),
        ("max.connection.creation.rate", "10"),
        ("max.connections", "10"),
    ];
    let broker = TestBroker::start(&bounds).await;
    let mut admin = broker.client().await;
    let address: Entity<'_> = &[("ip", Some("127.0.0.2"))];
    let rate = [("connection_creation_rate", Some(1.0))];
    assert_eq!(alter(&mut admin, address, &rate).await, 0);
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(connects_from(&broker, [127, 0, 0, 2]).await);
    }
    let began = Instant::now();
    let metadata = MetadataRequest::default().with_topics(None);
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut client = connects_from(&broker, [127, 0, 0, 1]).await;
        client.call(9, &metadata).await;
        open.push(client);
    }
    assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
}

#[tokio::test]
async fn topics_that_are_made_on_first_use_count_against_the_mutation_quota() {
    let more = [SHORT_WINDOWS[0], SHORT_WINDOWS[1], ("num.partitions", "3")];
    let broker = TestBroker::start(&more).await;
    let mut admin = broker.client().await;
    let quota = [("controller_mutation_rate", Some(2.0))];
    assert_eq!(alter(&mut admin, &[("user", Some("ANONYMOUS"))], &quota).await, 0);
    let named = |topic: &str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(["a", "b", "c", "d"].map(named).into()))
        .with_allow_auto_topic_creation(true);
    // Four tokens are there at first; the topic that takes the last may overdraw.
    let made = async |admin: &mut Client| {
        let topics = admin.call(9, &request).await.topics;
        topics.iter().filter(|topic| topic.error_code == 0).count()
    };
    assert_eq!(made(&mut admin).await, 2);
    let later = async { while made(&mut admin).await < 4 {} };
    tokio::time::timeout(PATIENCE, later).await.expect("whoever asks again has them in time");
}
