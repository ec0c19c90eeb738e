//! Topics, partitions and configurations.

use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest, MetadataResponse,
    create_partitions_request::CreatePartitionsTopic,
    create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
    delete_topics_request::DeleteTopicState,
    describe_configs_request::DescribeConfigsResource,
    describe_configs_response::DescribeConfigsResourceResult,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    metadata_request::MetadataRequestTopic,
};

use crate::support::{Client, TestBroker, batch, name, text};

const INVALID_TOPIC: i16 = 17;

fn named(topic: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(name(topic)))
}

pub(crate) async fn metadata(client: &mut Client, topic: &str, create: bool) -> MetadataResponse {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![named(topic)]))
        .with_allow_auto_topic_creation(create);
    client.call(12, &request).await
}

fn creatable(topic: &str, partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(replication_factor)
}

async fn create(client: &mut Client, topic: CreatableTopic) -> i16 {
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    client.call(7, &request).await.topics[0].error_code
}

#[tokio::test]
async fn a_topic_is_made_on_first_use_only_where_client_and_broker_allow_it() {
    let broker = TestBroker::start(&[("num.partitions", "4")]).await;
    let mut client = broker.client().await;
    assert_eq!(metadata(&mut client, "fresh", false).await.topics[0].error_code, 3);
    let made = metadata(&mut client, "fresh", true).await;
    assert_eq!((made.topics[0].error_code, made.topics[0].partitions.len()), (0, 4));
    assert_eq!(client.produce("fresh", 3, 1, batch(&["at once"])).await.error_code, 0);
    assert_eq!(metadata(&mut client, "no/name", true).await.topics[0].error_code, 17);
    let offsets = metadata(&mut client, "__consumer_offsets", true).await;
    assert!(offsets.topics[0].is_internal);
    assert_eq!(offsets.topics[0].partitions.len(), 3);

    let broker = TestBroker::start(&[("auto.create.topics.enable", "false")]).await;
    let mut client = broker.client().await;
    assert_eq!(metadata(&mut client, "fresh", true).await.topics[0].error_code, 3);
}

#[tokio::test]
async fn metadata_tells_all_topics_to_null_and_none_to_an_empty_list() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 2).await;
    for (version, topics, count) in [
        (0, Some(vec![]), 1),
        (1, Some(vec![]), 0),
        (1, None, 1),
        (12, Some(vec![]), 0),
        (12, None, 1),
    ] {
        let request = MetadataRequest::default().with_topics(topics);
        let response = client.call(version, &request).await;
        assert_eq!(response.topics.len(), count, "version {version}");
        let broker_port = i32::from(broker.broker.local_addr().port());
        assert_eq!((response.brokers[0].node_id.0, response.brokers[0].port), (1, broker_port));
    }
    let id = metadata(&mut client, "topic", false).await.topics[0].topic_id;
    let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
    assert_eq!(client.call(12, &request).await.topics[0].name, Some(name("topic")));
    let cluster = client.call(1, &DescribeClusterRequest::default().with_endpoint_type(1)).await;
    assert_eq!(cluster.cluster_id.as_str(), broker.broker.cluster_id());
    assert_eq!(cluster.brokers.len(), 1);
}

#[tokio::test]
async fn topics_that_cannot_be_are_refused_with_kafkas_code() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("there.is", 1).await;
    let long = "x".repeat(250);
    for (topic, code) in [
        (creatable("there.is", 1, 1), 36),
        (creatable("there_is", 1, 1), 17),
        (creatable("", 1, 1), 17),
        (creatable("..", 1, 1), 17),
        (creatable("a/b", 1, 1), 17),
        (creatable("ä", 1, 1), 17),
        (creatable(&long, 1, 1), 17),
        (creatable("t", 0, 1), 37),
        (creatable("t", -2, 1), 37),
        (creatable("t", i32::MAX, 1), 37),
        (creatable("t", 1, 3), 38),
        (creatable("t", 1, 0), 38),
    ] {
        let asked = topic.name.clone();
        assert_eq!(create(&mut client, topic).await, code, "{asked:?}");
    }
    let config = |key, value: Option<&str>| {
        let config =
            CreatableTopicConfig::default().with_name(text(key)).with_value(value.map(text));
        creatable("t", 1, 1).with_configs(vec![config])
    };
    assert_eq!(create(&mut client, config("no.such.config", Some("1"))).await, 40);
    assert_eq!(create(&mut client, config("retention.ms", Some("soon"))).await, 40);
    assert_eq!(create(&mut client, config("retention.ms", None)).await, 40);
    let assigned = |partition, brokers: &[i32]| {
        let brokers = brokers.iter().copied().map(kafka_protocol::messages::BrokerId).collect();
        let assignment = CreatableReplicaAssignment::default()
            .with_partition_index(partition)
            .with_broker_ids(brokers);
        creatable("t", -1, -1).with_assignments(vec![assignment])
    };
    assert_eq!(create(&mut client, assigned(1, &[1])).await, 39);
    assert_eq!(create(&mut client, assigned(0, &[2])).await, 39);
    assert_eq!(create(&mut client, assigned(0, &[1, 1])).await, 39);
    assert_eq!(create(&mut client, assigned(0, &[1])).await, 0);
    let twice = CreateTopicsRequest::default()
        .with_topics(vec![creatable("twice", 1, 1), creatable("twice", 2, 1)]);
    let response = client.call(7, &twice).await;
    assert_eq!((response.topics.len(), response.topics[0].error_code), (1, 42));
}

#[tokio::test]
async fn validate_only_changes_nothing() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    let request = CreateTopicsRequest::default()
        .with_topics(vec![creatable("topic", 1, 1)])
        .with_validate_only(true);
    assert_eq!(client.call(7, &request).await.topics[0].error_code, 0);
    assert_eq!(metadata(&mut client, "topic", false).await.topics[0].error_code, 3);
}

#[tokio::test]
async fn a_topic_made_anew_has_another_id_and_none_of_the_records() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    client.produce("topic", 0, 1, batch(&["old"])).await;
    let old = metadata(&mut client, "topic", false).await.topics[0].topic_id;
    let by_id = DeleteTopicState::default().with_name(None).with_topic_id(old);
    let request = DeleteTopicsRequest::default().with_topics(vec![by_id]);
    let response = client.call(6, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(response.responses[0].name, Some(name("topic")));
    assert_eq!(client.call(6, &request).await.responses[0].error_code, 100);
    assert_eq!(client.produce("topic", 0, 1, batch(&["lost"])).await.error_code, 3);
    client.create_topic("topic", 1).await;
    assert_ne!(metadata(&mut client, "topic", false).await.topics[0].topic_id, old);
    assert_eq!(client.produce("topic", 0, 1, batch(&["new"])).await.base_offset, 0);
}

#[tokio::test]
async fn a_topic_deleted_under_a_waiting_fetch_ends_its_wait() {
    let broker = TestBroker::start(&[]).await;
    let (mut reader, mut admin) = (broker.client().await, broker.client().await);
    admin.create_topic("topic", 1).await;
    let waiting = crate::support::fetch_request("topic", 0, 0).with_max_wait_ms(25_000);
    let id = reader.send(12, &waiting).await;
    let request = DeleteTopicsRequest::default().with_topic_names(vec![name("topic")]);
    assert_eq!(admin.call(5, &request).await.responses[0].error_code, 0);
    let response = reader.receive::<kafka_protocol::messages::FetchRequest>(12, id).await;
    assert_ne!(response.responses[0].partitions[0].error_code, 0);
}

async fn describe(
    client: &mut Client,
    kind: i8,
    of: &str,
) -> (i16, Vec<DescribeConfigsResourceResult>) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let result = client.call(4, &request).await.results.remove(0);
    (result.error_code, result.configs)
}

async fn alter(client: &mut Client, topic: &str, changes: &[(&str, i8, Option<&str>)]) -> i16 {
    let configs = changes.iter().map(|(key, operation, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.call(1, &request).await.responses[0].error_code
}

#[tokio::test]
async fn every_configuration_is_described_with_its_source_and_documentation() {
    let broker = TestBroker::start(&[("log.retention.ms", "5000")]).await;
    let mut client = broker.client().await;
    client.create_topic_with("topic", 1, &[("segment.bytes", "1000000")]).await;
    let (code, configs) = describe(&mut client, 2, "topic").await;
    assert_eq!(code, 0);
    let find = |key: &str| configs.iter().find(|config| config.name.as_str() == key).unwrap();
    for (key, value, source) in [
        ("segment.bytes", "1000000", 1),
        ("retention.ms", "5000", 4),
        ("cleanup.policy", "delete", 5),
    ] {
        let config = find(key);
        assert_eq!(config.value.as_deref(), Some(value));
        assert_eq!(config.config_source, source, "{key}");
        assert!(config.documentation.as_ref().is_some_and(|text| !text.is_empty()));
        assert_ne!(config.config_type, 0);
    }
    let synonyms: Vec<_> =
        find("retention.ms").synonyms.iter().map(|synonym| synonym.name.to_string()).collect();
    assert_eq!(synonyms, ["log.retention.ms", "retention.ms"]);
    let (code, configs) = describe(&mut client, 4, "1").await;
    assert_eq!(code, 0);
    assert!(configs.iter().any(|config| config.name.as_str() == "num.partitions"));
    assert_eq!(describe(&mut client, 2, "none").await.0, 3);
    assert_eq!(describe(&mut client, 4, "7").await.0, 42);
}

#[tokio::test]
async fn configurations_are_changed_live_and_survive_a_restart() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let large = batch(&["x".repeat(500).as_str()]);
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, 0);
    assert_eq!(alter(&mut client, "topic", &[("max.message.bytes", 0, Some("100"))]).await, 0);
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, 10);

    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(client.produce("topic", 0, 1, large.clone()).await.error_code, 10);
    assert_eq!(alter(&mut client, "topic", &[("max.message.bytes", 1, None)]).await, 0);
    assert_eq!(client.produce("topic", 0, 1, large).await.error_code, 0);
}

#[tokio::test]
async fn lists_are_appended_to_and_subtracted_from() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    client.create_topic("topic", 1).await;
    let policy = async |client: &mut Client| {
        let (_, configs) = describe(client, 2, "topic").await;
        let found = configs.into_iter().find(|config| config.name.as_str() == "cleanup.policy");
        found.unwrap().value.unwrap().to_string()
    };
    assert_eq!(alter(&mut client, "topic", &[("cleanup.policy", 2, Some("compact"))]).await, 0);
    assert_eq!(policy(&mut client).await, "delete,compact");
    assert_eq!(alter(&mut client, "topic", &[("cleanup.policy", 3, Some("delete"))]).await, 0);
    assert_eq!(policy(&mut client).await, "compact");
    for (changes, code) in [
        (vec![("retention.ms", 2, Some("1"))], 40),
        (vec![("no.such", 0, Some("1"))], 40),
        (vec![("retention.ms", 0, None)], 42),
        (vec![("retention.ms", 9, Some("1"))], 42),
        (vec![("retention.ms", 0, Some("1")), ("retention.ms", 1, None)], 42),
        // One wrong change among right ones changes nothing.
        (vec![("retention.ms", 0, Some("77")), ("segment.bytes", 0, Some("x"))], 40),
    ] {
        assert_eq!(alter(&mut client, "topic", &changes).await, code, "{changes:?}");
    }
    let (_, configs) = describe(&mut client, 2, "topic").await;
    let retention = configs.iter().find(|config| config.name.as_str() == "retention.ms").unwrap();
    assert_ne!(retention.value.as_deref(), Some("77"));
    assert_eq!(alter(&mut client, "none", &[("retention.ms", 1, None)]).await, 3);
}

#[tokio::test]
async fn internal_topics_are_not_made_grown_or_deleted_by_clients() {
    let broker = TestBroker::start(&[("transaction.state.log.num.partitions", "3")]).await;
    let mut client = broker.client().await;
    for internal in ["__consumer_offsets", "__transaction_state"] {
        assert_eq!(create(&mut client, creatable(internal, 1, 1)).await, INVALID_TOPIC, "made");
        let made = metadata(&mut client, internal, true).await;
        assert_eq!(made.topics[0].partitions.len(), 3, "{internal} on first use");
        let grow = CreatePartitionsTopic::default().with_name(name(internal)).with_count(5);
        let request = CreatePartitionsRequest::default().with_topics(vec![grow]);
        let grown = &client.call(3, &request).await.results[0];
        assert_eq!(grown.error_code, INVALID_TOPIC, "grown");
        assert!(grown.error_message.is_some());
        let id = made.topics[0].topic_id;
        for topic in [
            DeleteTopicState::default().with_name(Some(name(internal))),
            DeleteTopicState::default().with_name(None).with_topic_id(id),
        ] {
            let request = DeleteTopicsRequest::default().with_topics(vec![topic]);
            let deleted = &client.call(6, &request).await.responses[0];
            assert_eq!(deleted.error_code, INVALID_TOPIC, "deleted");
            assert!(deleted.error_message.is_some());
        }
        assert_eq!(metadata(&mut client, internal, false).await.topics[0].partitions.len(), 3);
        let config = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(internal))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![config]);
        let configs = client.call(4, &request).await.results.remove(0).configs;
        let policy = configs.iter().find(|config| config.name.as_str() == "cleanup.policy");
        assert_eq!(policy.and_then(|policy| policy.value.clone()), Some(text("compact")));
    }
}
