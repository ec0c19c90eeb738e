//! Configurations of brokers and groups that are set while they run.

use std::time::{Duration, Instant};

use kafka_protocol::messages::{
    ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    DescribeConfigsRequest, FindCoordinatorRequest, GroupId, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};

use tokio::io::AsyncWriteExt;

use crate::support::{Client, PATIENCE, TestBroker, batch, encode, name, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_CONFIG: i16 = 40;
const INVALID_REQUEST: i16 = 42;

async fn alter(
    client: &mut Client,
    (kind, of): (i8, &str),
    (key, operation, value): (&str, i8, Option<&str>),
) -> (i16, String) {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation)
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(1, &request).await.responses.remove(0);
    (response.error_code, response.error_message.map(|text| text.to_string()).unwrap_or_default())
}

async fn set(client: &mut Client, resource: (i8, &str), key: &str, value: &str) {
    let altered = alter(client, resource, (key, SET, Some(value))).await;
    assert_eq!(altered.0, 0, "{altered:?}");
}

/// Value, source and whether it is read-only; then the names and sources of the synonyms.
type Described = (String, i8, bool, Vec<(String, i8)>);

async fn describe(client: &mut Client, (kind, of): (i8, &str), key: &str) -> Option<Described> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true);
    let result = client.call(4, &request).await.results.remove(0);
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    let config = result.configs.into_iter().next()?;
    let synonyms = config.synonyms.iter().map(|synonym| (synonym.name.to_string(), synonym.source));
    let value = config.value.unwrap().to_string();
    Some((value, config.config_source, config.read_only, synonyms.collect()))
}

async fn in_force(client: &mut Client, resource: (i8, &str), key: &str) -> (String, i8) {
    let (value, source, ..) = describe(client, resource, key).await.unwrap();
    (value, source)
}

fn told(value: &str, source: i8) -> (String, i8) {
    (value.to_owned(), source)
}

#[tokio::test]
async fn a_default_of_all_brokers_gives_way_to_the_brokers_own_and_both_to_the_topics() {
    const KEY: &str = "message.max.bytes";
    let broker = TestBroker::start(&[(KEY, "5000")]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let large = batch(&["x".repeat(300).as_str()]);
    let topic = (TOPIC, "topic");
    assert_eq!(in_force(&mut client, (BROKER, "1"), KEY).await, told("5000", 4));
    assert_eq!(describe(&mut client, (BROKER, ""), KEY).await, None, "nothing is set for all");

    set(&mut client, (BROKER, ""), KEY, "200").await;
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, MESSAGE_TOO_LARGE);
    assert_eq!(in_force(&mut client, (BROKER, "1"), KEY).await, told("200", 3));
    assert_eq!(in_force(&mut client, (BROKER, ""), KEY).await, told("200", 3));
    assert_eq!(in_force(&mut client, topic, "max.message.bytes").await, told("200", 3));

    set(&mut client, (BROKER, "1"), KEY, "1000").await;
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, 0);
    let (value, source, read_only, synonyms) =
        describe(&mut client, (BROKER, "1"), KEY).await.unwrap();
    assert_eq!((value.as_str(), source, read_only), ("1000", 2, false));
    let sources: Vec<i8> = synonyms.iter().map(|(_, source)| *source).collect();
    assert_eq!(sources, [2, 3, 4, 5]);

    set(&mut client, topic, "max.message.bytes", "201").await;
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, MESSAGE_TOO_LARGE);
    let (_, source, _, synonyms) = describe(&mut client, topic, "max.message.bytes").await.unwrap();
    let names: Vec<&str> = synonyms.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(source, 1);
    assert_eq!(names, ["max.message.bytes", KEY, KEY, KEY, "max.message.bytes"]);

    // Topics made later have them, and a restart forgets nothing.
    let broker = broker.restart(&[(KEY, "5000")]).await;
    let mut client = broker.client().await;
    client.create_topic("later", 1).await;
    assert_eq!(in_force(&mut client, (TOPIC, "later"), "max.message.bytes").await, told("1000", 2));
    for resource in [(BROKER, "1"), (BROKER, "")] {
        assert_eq!(alter(&mut client, resource, (KEY, DELETE, None)).await.0, 0);
    }
    assert_eq!(in_force(&mut client, (TOPIC, "later"), "max.message.bytes").await, told("5000", 4));
    let fits = batch(&["x".repeat(2000).as_str()]);
    assert_eq!(client.produce("later", 0, 1, fits).await.error_code, 0);
}

#[tokio::test]
async fn a_list_of_a_brokers_is_appended_to() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let change = ("log.cleanup.policy", APPEND, Some("compact"));
    assert_eq!(alter(&mut client, (BROKER, "1"), change).await.0, 0);
    let policy = in_force(&mut client, (TOPIC, "topic"), "cleanup.policy").await;
    assert_eq!(policy, told("delete,compact", 2));
}

/// Kafka's controller begins with the definition's default: what a topic has
/// from its broker is not its own to add to.
#[tokio::test]
async fn a_list_of_a_topics_begins_with_the_default_not_with_its_brokers() {
    let broker = TestBroker::start(&[("log.cleanup.policy", "compact")]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let policy = in_force(&mut client, (TOPIC, "topic"), "cleanup.policy").await;
    assert_eq!(policy, told("compact", 4));
    let change = ("cleanup.policy", APPEND, Some("compact"));
    assert_eq!(alter(&mut client, (TOPIC, "topic"), change).await.0, 0);
    let policy = in_force(&mut client, (TOPIC, "topic"), "cleanup.policy").await;
    assert_eq!(policy, told("delete,compact", 1));
}

#[tokio::test]
async fn what_cannot_be_changed_while_the_broker_runs_is_refused_by_name() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for (resource, key, value, code) in [
        ((BROKER, "1"), "num.partitions", "3", INVALID_REQUEST),
        ((BROKER, ""), "listeners", "PLAINTEXT://:1", INVALID_REQUEST),
        ((BROKER, "1"), "no.such.property", "3", INVALID_REQUEST),
        ((BROKER, "1"), "log.retention.ms", "soon", INVALID_REQUEST),
        ((BROKER, "1"), "max.connections.per.ip", "-1", INVALID_REQUEST),
        // Nobody could take it back.
        ((BROKER, "1"), "max.connections.per.ip", "0", INVALID_REQUEST),
        ((BROKER, ""), "max.connections.per.ip", "0", INVALID_REQUEST),
        ((BROKER, "1"), "max.connections", "0", INVALID_REQUEST),
        ((BROKER, "1"), "max.connection.creation.rate", "0", INVALID_REQUEST),
        ((BROKER, "1"), "max.connections.per.ip.overrides", "localhost:1", INVALID_REQUEST),
        ((BROKER, "7"), "log.retention.ms", "1", INVALID_REQUEST),
        ((BROKER, "one"), "log.retention.ms", "1", INVALID_REQUEST),
        ((GROUP, "g"), "no.such.property", "1", INVALID_CONFIG),
        ((GROUP, "g"), "consumer.session.timeout.ms", "0", INVALID_CONFIG),
        ((GROUP, "g"), "consumer.session.timeout.ms", "44999", INVALID_CONFIG),
        ((GROUP, "g"), "consumer.session.timeout.ms", "60001", INVALID_CONFIG),
        ((GROUP, "g"), "consumer.heartbeat.interval.ms", "4999", INVALID_CONFIG),
        ((GROUP, "g"), "consumer.heartbeat.interval.ms", "15001", INVALID_CONFIG),
        ((GROUP, ""), "consumer.session.timeout.ms", "1", INVALID_REQUEST),
    ] {
        let (refused, message) = alter(&mut client, resource, (key, SET, Some(value))).await;
        assert_eq!(refused, code, "{resource:?} {key}: {message}");
        assert!(!message.is_empty());
    }
    let described = describe(&mut client, (BROKER, "1"), "num.partitions").await.unwrap();
    assert!(described.2, "it is told to be read-only");
}

#[tokio::test]
async fn the_bound_of_connections_from_an_address_is_changed_live() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    set(&mut client, (BROKER, ""), "max.connections.per.ip", "1").await;
    assert!(broker.client().await.is_closed().await, "there is one already");
    set(&mut client, (BROKER, "1"), "max.connections.per.ip", "2").await;
    broker.client().await.create_topic("topic", 1).await;
}

/// Whether a further connection is let in.
async fn is_let_in(broker: &TestBroker) -> bool {
    let mut client = broker.client().await;
    // Where it is closed at once, even this may fail.
    let frame = encode(0, 1, &ApiVersionsRequest::default());
    let _ = client.stream.write_all(&frame).await;
    client.receive_frame().await.is_some()
}

#[tokio::test]
async fn the_bounds_of_all_connections_and_of_single_addresses_are_changed_live() {
    const PER_IP: &str = "max.connections.per.ip";
    const OVERRIDES: &str = "max.connections.per.ip.overrides";
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    set(&mut client, (BROKER, ""), "max.connections", "1").await;
    assert!(!is_let_in(&broker).await);
    set(&mut client, (BROKER, "1"), "max.connections", "100").await;
    assert!(is_let_in(&broker).await);
    assert_eq!(in_force(&mut client, (BROKER, "1"), "max.connections").await, told("100", 2));

    set(&mut client, (BROKER, "1"), OVERRIDES, "127.0.0.1:1").await;
    assert!(!is_let_in(&broker).await);
    // With an address that is let in, all others may be shut out.
    set(&mut client, (BROKER, ""), PER_IP, "0").await;
    set(&mut client, (BROKER, "1"), OVERRIDES, "127.0.0.1:100").await;
    assert!(is_let_in(&broker).await);
    for (change, value) in [(SET, Some("127.0.0.1:0")), (DELETE, None)] {
        let (code, message) = alter(&mut client, (BROKER, "1"), (OVERRIDES, change, value)).await;
        assert_eq!(code, INVALID_REQUEST, "{message}");
        assert!(message.contains(OVERRIDES), "{message}");
    }
    let broker = broker.restart(&[]).await;
    assert!(is_let_in(&broker).await);
}

#[tokio::test]
async fn the_rate_of_new_connections_is_changed_live() {
    let broker = TestBroker::start(&[("quota.window.num", "2")]).await;
    let mut client = broker.client().await;
    set(&mut client, (BROKER, "1"), "max.connection.creation.rate", "4").await;
    let began = Instant::now();
    for _ in 0..16 {
        assert!(is_let_in(&broker).await);
    }
    // Two windows' worth at once at most, the others at the rate.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_group_that_is_read_from_its_log_has_the_session_that_is_set_for_it() {
    let short = [
        ("group.consumer.min.session.timeout.ms", "1"),
        ("group.consumer.min.heartbeat.interval.ms", "1"),
    ];
    let broker = TestBroker::start(&short).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    set(&mut client, (GROUP, "g"), "consumer.heartbeat.interval.ms", "100").await;
    set(&mut client, (GROUP, "g"), "consumer.session.timeout.ms", "1000").await;
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    assert_eq!(client.call(4, &find).await.coordinators[0].error_code, 0);
    assert_eq!(client.call(0, &join("g")).await.error_code, 0);

    let broker = broker.restart(&short).await;
    let mut client = broker.client().await;
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let deadline = Instant::now() + PATIENCE;
    while !client.call(0, &describe).await.groups[0].members.is_empty() {
        assert!(Instant::now() < deadline, "its session would be 45 s by default");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn join(group: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text("member"))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![name("topic")]))
        .with_topic_partitions(Some(vec![]))
}

#[tokio::test]
async fn a_group_has_the_heartbeat_interval_that_is_set_for_it() {
    const KEY: &str = "consumer.heartbeat.interval.ms";
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    assert_eq!(in_force(&mut client, (GROUP, "g"), KEY).await, told("5000", 5));
    set(&mut client, (GROUP, "g"), KEY, "12345").await;
    assert_eq!(in_force(&mut client, (GROUP, "g"), KEY).await, told("12345", 8));
    for (group, interval_ms) in [("g", 12345), ("other", 5000)] {
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
        assert_eq!(client.call(4, &find).await.coordinators[0].error_code, 0);
        let joined = client.call(0, &join(group)).await;
        assert_eq!((joined.error_code, joined.heartbeat_interval_ms), (0, interval_ms), "{group}");
    }
}

#[tokio::test]
async fn what_has_configurations_is_listed_by_type() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    set(&mut client, (GROUP, "g"), "consumer.session.timeout.ms", "50000").await;
    let group = (GROUP, "g".to_owned());
    let everything = vec![(TOPIC, "topic".to_owned()), (BROKER, "1".to_owned()), group.clone()];
    for (version, kinds, expected) in
        [(0, vec![], vec![]), (1, vec![], everything), (1, vec![GROUP], vec![group])]
    {
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds);
        let response = client.call(version, &request).await;
        let listed = response.config_resources.into_iter();
        let listed: Vec<_> =
            listed.map(|of| (of.resource_type, of.resource_name.to_string())).collect();
        assert_eq!((response.error_code, listed), (0, expected), "version {version}");
    }
}
