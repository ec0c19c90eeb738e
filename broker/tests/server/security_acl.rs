//! What a client may do, and what it is told of the rest.

use kafka_protocol::{
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, CreateAclsRequest,
        CreateTopicsRequest, DeleteAclsRequest, DeleteGroupsRequest, DeleteTopicsRequest,
        DescribeAclsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
        DescribeLogDirsRequest, DescribeTransactionsRequest, FetchRequest, FindCoordinatorRequest,
        GroupId, HeartbeatRequest, InitProducerIdRequest, JoinGroupRequest, ListGroupsRequest,
        ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
        ProduceRequest, SyncGroupRequest, TransactionalId, WriteTxnMarkersRequest,
        create_acls_request::AclCreation,
        create_topics_request::CreatableTopic,
        delete_acls_request::DeleteAclsFilter,
        describe_configs_request::DescribeConfigsResource,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
        write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
    },
    protocol::StrBytes,
};

use crate::{
    support::{Client, TestBroker, batch, fetch_request, name, produce_request, text},
    transactional::{Producer, Rules},
    versions,
};

const TOPIC_REFUSED: i16 = 29;
const GROUP_REFUSED: i16 = 30;
const CLUSTER_REFUSED: i16 = 31;
const INVALID_REQUEST: i16 = 42;
const POLICY_VIOLATION: i16 = 44;
const TRANSACTIONAL_ID_REFUSED: i16 = 53;
const SECURITY_DISABLED: i16 = 54;
const UNKNOWN_TOPIC_ID: i16 = 100;

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const READ: i8 = 3;
const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DELETE: i8 = 6;
const ALTER: i8 = 7;
const DESCRIBE: i8 = 8;
const IDEMPOTENT_WRITE: i8 = 12;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

const PROPERTIES: &[(&str, &str)] = &[
    ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
    ("sasl.enabled.mechanisms", "PLAIN"),
    (
        "listener.name.sasl_plaintext.plain.sasl.jaas.config",
        "PlainLoginModule required user_root=\"r\" user_alice=\"a\" user_bob=\"b\";",
    ),
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:root;User:CN=someone,O=else"),
];

async fn start() -> TestBroker {
    TestBroker::start(PROPERTIES).await
}

async fn log_in(broker: &TestBroker, user: &str) -> Client {
    let mut client = broker.client().await;
    assert_eq!(client.plain(user, &user[..1]).await.error_code, 0);
    client
}

/// Resource type and name with its pattern, operation, permission: for alice.
type Entry<'a> = (i8, &'a str, i8, i8, i8);

fn creation((resource, of, pattern, operation, permission): Entry<'_>) -> AclCreation {
    AclCreation::default()
        .with_resource_type(resource)
        .with_resource_name(text(of))
        .with_resource_pattern_type(pattern)
        .with_principal(text("User:alice"))
        .with_host(text("*"))
        .with_operation(operation)
        .with_permission_type(permission)
}

async fn create(client: &mut Client, creations: Vec<AclCreation>) -> Vec<i16> {
    let response = client.call(3, &CreateAclsRequest::default().with_creations(creations)).await;
    response.results.iter().map(|result| result.error_code).collect()
}

async fn allow(client: &mut Client, entries: &[Entry<'_>]) {
    let codes = create(client, entries.iter().copied().map(creation).collect()).await;
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
}

fn any_filter() -> DeleteAclsFilter {
    DeleteAclsFilter::default()
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1)
}

fn metadata(names: &[&str]) -> MetadataRequest {
    let topics =
        names.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
    MetadataRequest::default().with_topics(Some(topics.collect()))
}

async fn metadata_codes(client: &mut Client, names: &[&str]) -> Vec<(String, i16)> {
    let response = client.call(12, &metadata(names)).await;
    let codes = response
        .topics
        .iter()
        .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code));
    let mut codes: Vec<_> = codes.collect();
    codes.sort();
    codes
}

fn pairs(expected: &[(&str, i16)]) -> Vec<(String, i16)> {
    expected.iter().map(|(of, code)| ((*of).to_owned(), *code)).collect()
}

#[tokio::test]
async fn forbidden_topics_are_refused_and_not_told_from_those_that_are_not_there() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    for topic in ["alice-1", "secret"] {
        root.create_topic(topic, 1).await;
    }
    assert_eq!(root.produce("secret", 0, 1, batch(&["x"])).await.error_code, 0);
    let secret_id = root.call(12, &metadata(&["secret"])).await.topics[0].topic_id;
    allow(
        &mut root,
        &[(TOPIC, "alice-", PREFIXED, READ, ALLOW), (TOPIC, "alice-", PREFIXED, WRITE, ALLOW)],
    )
    .await;
    let mut alice = log_in(&broker, "alice").await;

    let all = alice.call(12, &MetadataRequest::default().with_topics(None)).await;
    let names: Vec<_> = all.topics.iter().map(|topic| topic.name.clone().unwrap()).collect();
    assert_eq!(names, [name("alice-1")]);
    let asked = ["alice-1", "secret", "not-there"];
    let expected = [("alice-1", 0), ("not-there", TOPIC_REFUSED), ("secret", TOPIC_REFUSED)];
    assert_eq!(metadata_codes(&mut alice, &asked).await, pairs(&expected));
    let by_id = MetadataRequestTopic::default().with_topic_id(secret_id).with_name(None);
    let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
    assert_eq!(alice.call(12, &request).await.topics[0].error_code, UNKNOWN_TOPIC_ID);
    // An old client that names only what is refused is not taken to ask for all.
    let refused = alice.call(0, &metadata(&["secret"])).await;
    assert_eq!((refused.topics.len(), refused.topics[0].error_code), (1, TOPIC_REFUSED));

    // What is allowed of a request is done though the rest is refused.
    let mut both: ProduceRequest = produce_request("alice-1", 0, 1, batch(&["x"]));
    both.topic_data.extend(produce_request("secret", 0, 1, batch(&["x"])).topic_data);
    let produced = alice.call(9, &both).await;
    let codes: Vec<_> =
        produced.responses.iter().map(|topic| topic.partition_responses[0].error_code).collect();
    assert_eq!(codes, [0, TOPIC_REFUSED]);
    let mut both: FetchRequest = fetch_request("secret", 0, 0);
    both.topics.extend(fetch_request("alice-1", 0, 0).topics);
    let fetched = alice.call(12, &both).await;
    assert_eq!(fetched.responses[0].partitions[0].error_code, TOPIC_REFUSED);
    assert!(fetched.responses[0].partitions[0].records.as_ref().is_none_or(|r| r.is_empty()));
    assert_eq!(fetched.responses[1].partitions[0].error_code, 0);
    assert!(!fetched.responses[1].partitions[0].records.as_ref().unwrap().is_empty());

    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = |of| {
        ListOffsetsTopic::default().with_name(name(of)).with_partitions(vec![partition.clone()])
    };
    let request =
        ListOffsetsRequest::default().with_topics(vec![topic("secret"), topic("alice-1")]);
    let listed = alice.call(7, &request).await;
    let codes: Vec<_> = listed
        .topics
        .iter()
        .map(|topic| (topic.name.to_string(), topic.partitions[0].error_code))
        .collect();
    assert_eq!(codes, pairs(&[("alice-1", 0), ("secret", TOPIC_REFUSED)]));

    for of in ["secret", "alice-1", "not-there"] {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![name(of)]);
        assert_eq!(alice.call(4, &request).await.responses[0].error_code, TOPIC_REFUSED);
    }
    assert_eq!(root.fetch("secret", 0, 0).await.responses[0].partitions[0].high_watermark, 1);
}

#[tokio::test]
async fn an_allowed_name_beside_the_id_of_a_forbidden_topic_does_not_show_it() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    for topic in ["mine", "secret"] {
        root.create_topic(topic, 1).await;
    }
    let ids = root.call(12, &metadata(&["mine", "secret"])).await.topics;
    let (mine, secret) = (ids[0].topic_id, ids[1].topic_id);
    allow(&mut root, &[(TOPIC, "mine", LITERAL, READ, ALLOW)]).await;
    let mut alice = log_in(&broker, "alice").await;
    // Java's client asks by id with an empty name.
    for (of, id, expected) in [
        ("mine", secret, UNKNOWN_TOPIC_ID),
        ("", secret, UNKNOWN_TOPIC_ID),
        ("", mine, 0),
        ("secret", mine, 0),
    ] {
        let asked = MetadataRequestTopic::default().with_topic_id(id).with_name(Some(name(of)));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let told = alice.call(12, &request).await.topics;
        assert_eq!((told.len(), told[0].error_code), (1, expected), "{of:?} {told:?}");
        assert_eq!(told[0].partitions.is_empty(), expected != 0, "{of:?} {told:?}");
    }
    // A name beside an id is not asked for, so it makes no topic either.
    let asked =
        MetadataRequestTopic::default().with_topic_id(mine).with_name(Some(name("not-there")));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    alice.call(12, &request.with_allow_auto_topic_creation(true)).await;
    let all = root.call(12, &MetadataRequest::default().with_topics(None)).await.topics;
    assert!(all.iter().all(|topic| topic.name != Some(name("not-there"))), "{all:?}");
}

#[tokio::test]
async fn a_denial_wins_over_whatever_is_allowed_and_the_host_counts() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    root.create_topic("t", 1).await;
    let entry = (TOPIC, "*", LITERAL, READ, ALLOW);
    let elsewhere = creation(entry).with_host(text("10.0.0.1"));
    assert_eq!(create(&mut root, vec![elsewhere]).await, [0]);
    let mut alice = log_in(&broker, "alice").await;
    assert_eq!(metadata_codes(&mut alice, &["t"]).await, pairs(&[("t", TOPIC_REFUSED)]));
    // Rights hold from the next request on.
    assert_eq!(create(&mut root, vec![creation(entry).with_host(text("127.0.0.1"))]).await, [0]);
    assert_eq!(metadata_codes(&mut alice, &["t"]).await, pairs(&[("t", 0)]));
    let everyone = creation((TOPIC, "t", LITERAL, DESCRIBE, DENY)).with_principal(text("User:*"));
    assert_eq!(create(&mut root, vec![everyone]).await, [0]);
    assert_eq!(metadata_codes(&mut alice, &["t"]).await, pairs(&[("t", TOPIC_REFUSED)]));
    assert_eq!(metadata_codes(&mut root, &["t"]).await, pairs(&[("t", 0)]));
}

#[tokio::test]
async fn a_topic_is_created_on_first_use_only_by_whom_it_may_be_created() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    allow(
        &mut root,
        &[(TOPIC, "a", PREFIXED, WRITE, ALLOW), (TOPIC, "ab", PREFIXED, CREATE, ALLOW)],
    )
    .await;
    let mut alice = log_in(&broker, "alice").await;
    let request = metadata(&["ac", "ab", "b"]).with_allow_auto_topic_creation(true);
    let mut codes: Vec<_> = alice
        .call(9, &request)
        .await
        .topics
        .iter()
        .map(|topic| (topic.name.as_ref().unwrap().to_string(), topic.error_code))
        .collect();
    codes.sort();
    assert_eq!(codes, pairs(&[("ab", 0), ("ac", TOPIC_REFUSED), ("b", TOPIC_REFUSED)]));
    let topics = root.call(12, &MetadataRequest::default().with_topics(None)).await.topics;
    assert_eq!(topics.len(), 1, "only `ab` is there");

    let creatable = |of| {
        CreatableTopic::default()
            .with_name(name(of))
            .with_num_partitions(1)
            .with_replication_factor(1)
    };
    let request =
        CreateTopicsRequest::default().with_topics(vec![creatable("abc"), creatable("ac")]);
    let created = alice.call(7, &request).await;
    let codes: Vec<_> =
        created.topics.iter().map(|topic| (topic.name.to_string(), topic.error_code)).collect();
    assert_eq!(codes, pairs(&[("abc", 0), ("ac", TOPIC_REFUSED)]));
    let abc = &created.topics[0];
    assert_eq!((abc.topic_config_error_code, abc.num_partitions), (TOPIC_REFUSED, -1));
    assert!(abc.configs.is_none(), "configurations may not be read");
}

#[tokio::test]
async fn groups_are_joined_and_read_only_by_whom_they_may_be() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    root.create_topic("t", 1).await;
    root.create_topic("u", 1).await;
    allow(&mut root, &[(GROUP, "mine", LITERAL, READ, ALLOW), (TOPIC, "t", LITERAL, READ, ALLOW)])
        .await;
    let mut alice = log_in(&broker, "alice").await;
    let group = |id: &str| GroupId(text(id));
    let join = JoinGroupRequest::default()
        .with_group_id(group("theirs"))
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("consumer"));
    for version in [0, 5, 7, 9] {
        assert_eq!(alice.call(version, &join).await.error_code, GROUP_REFUSED);
    }
    let sync = SyncGroupRequest::default().with_group_id(group("theirs"));
    assert_eq!(alice.call(5, &sync).await.error_code, GROUP_REFUSED);
    let heartbeat = HeartbeatRequest::default().with_group_id(group("theirs"));
    assert_eq!(alice.call(4, &heartbeat).await.error_code, GROUP_REFUSED);
    let find =
        FindCoordinatorRequest::default().with_coordinator_keys(vec![text("theirs"), text("mine")]);
    let found = alice.call(4, &find).await.coordinators;
    let codes: Vec<_> = found.iter().map(|c| (c.key.to_string(), c.error_code)).collect();
    assert_eq!(codes, pairs(&[("mine", 0), ("theirs", GROUP_REFUSED)]));

    let topic = |of| {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
        OffsetCommitRequestTopic::default().with_name(name(of)).with_partitions(vec![partition])
    };
    let commit = |id| {
        OffsetCommitRequest::default()
            .with_group_id(group(id))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic("t"), topic("u")])
    };
    let codes = |response: kafka_protocol::messages::OffsetCommitResponse| -> Vec<i16> {
        response.topics.iter().map(|topic| topic.partitions[0].error_code).collect()
    };
    assert_eq!(codes(alice.call(8, &commit("theirs")).await), [GROUP_REFUSED; 2]);
    assert_eq!(codes(alice.call(8, &commit("mine")).await), [0, TOPIC_REFUSED]);
    assert_eq!(codes(root.call(8, &commit("mine")).await), [0, 0]);

    let fetch = OffsetFetchRequest::default().with_group_id(group("theirs")).with_topics(None);
    assert_eq!(alice.call(7, &fetch).await.error_code, GROUP_REFUSED);
    let fetch = fetch.with_group_id(group("mine"));
    let fetched = alice.call(7, &fetch).await.topics;
    assert_eq!((fetched.len(), fetched[0].name.clone()), (1, name("t")));
    let asked =
        OffsetFetchRequestTopic::default().with_name(name("u")).with_partition_indexes(vec![0]);
    let fetched = alice.call(7, &fetch.with_topics(Some(vec![asked]))).await.topics;
    assert_eq!(fetched[0].partitions[0].error_code, TOPIC_REFUSED);
    assert_eq!(fetched[0].partitions[0].committed_offset, -1);

    assert_eq!(codes(root.call(8, &commit("theirs")).await), [0, 0]);
    let listed = alice.call(4, &ListGroupsRequest::default()).await.groups;
    let ids: Vec<_> = listed.iter().map(|group| group.group_id.to_string()).collect();
    assert_eq!(ids, ["mine"]);
    let describe =
        DescribeGroupsRequest::default().with_groups(vec![group("theirs"), group("mine")]);
    let described = alice.call(5, &describe).await.groups;
    let codes: Vec<_> = described.iter().map(|g| (g.group_id.to_string(), g.error_code)).collect();
    assert_eq!(codes, pairs(&[("mine", 0), ("theirs", GROUP_REFUSED)]));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("mine")]);
    assert_eq!(alice.call(2, &delete).await.results[0].error_code, GROUP_REFUSED);
}

#[tokio::test]
async fn producer_ids_are_given_to_whom_may_write_somewhere() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    let mut alice = log_in(&broker, "alice").await;
    let mut bob = log_in(&broker, "bob").await;
    let idempotent = InitProducerIdRequest::default().with_transactional_id(None);
    assert_eq!(alice.call(4, &idempotent).await.error_code, CLUSTER_REFUSED);
    allow(&mut root, &[(TOPIC, "t", LITERAL, WRITE, ALLOW)]).await;
    assert_eq!(alice.call(4, &idempotent).await.error_code, 0);
    assert_eq!(bob.call(4, &idempotent).await.error_code, CLUSTER_REFUSED);
    let entry = creation((CLUSTER, "kafka-cluster", LITERAL, IDEMPOTENT_WRITE, ALLOW));
    assert_eq!(create(&mut root, vec![entry.with_principal(text("User:bob"))]).await, [0]);
    assert_eq!(bob.call(4, &idempotent).await.error_code, 0);

    let transactional = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_transaction_timeout_ms(1000);
    assert_eq!(alice.call(4, &transactional).await.error_code, TRANSACTIONAL_ID_REFUSED);
    let produce = produce_request("t", 0, 1, batch(&["x"]))
        .with_transactional_id(Some(TransactionalId(text("tx"))));
    root.create_topic("t", 1).await;
    let produced = alice.call(9, &produce).await;
    let code = produced.responses[0].partition_responses[0].error_code;
    assert_eq!(code, TRANSACTIONAL_ID_REFUSED);
    allow(&mut root, &[(TRANSACTIONAL_ID, "tx", LITERAL, WRITE, ALLOW)]).await;
    let find = FindCoordinatorRequest::default().with_key_type(1);
    let find = find.with_coordinator_keys(vec![text("other")]);
    let found = alice.call(4, &find).await.coordinators;
    assert_eq!(found[0].error_code, TRANSACTIONAL_ID_REFUSED);
}

#[tokio::test]
async fn a_transaction_is_described_without_the_topics_that_are_hidden() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    for topic in ["mine", "secret"] {
        root.create_topic(topic, 1).await;
    }
    let producer = Producer::start(&mut root, "tx", Rules::Classic).await;
    for topic in ["mine", "secret"] {
        assert_eq!(producer.add(&mut root, topic, 0).await, 0);
    }
    allow(
        &mut root,
        &[
            (TRANSACTIONAL_ID, "tx", LITERAL, DESCRIBE, ALLOW),
            (TOPIC, "mine", LITERAL, DESCRIBE, ALLOW),
        ],
    )
    .await;
    let mut alice = log_in(&broker, "alice").await;
    let request = DescribeTransactionsRequest::default()
        .with_transactional_ids(vec![TransactionalId(text("tx"))]);
    for (client, shown) in [(&mut alice, &["mine"][..]), (&mut root, &["mine", "secret"])] {
        let state = client.call(0, &request).await.transaction_states.remove(0);
        let mut topics: Vec<_> = state.topics.iter().map(|t| t.topic.as_str()).collect();
        topics.sort_unstable();
        assert_eq!((state.error_code, topics.as_slice()), (0, shown));
    }
}

#[tokio::test]
async fn whoever_may_alter_the_cluster_may_end_a_hanging_transaction() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    root.create_topic("t", 1).await;
    let mut alice = log_in(&broker, "alice").await;
    let topic =
        WritableTxnMarkerTopic::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let marker = WritableTxnMarker::default().with_producer_id(7.into()).with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let code = |response: kafka_protocol::messages::WriteTxnMarkersResponse| {
        response.markers[0].topics[0].partitions[0].error_code
    };
    assert_eq!(code(alice.call(1, &request).await), CLUSTER_REFUSED);
    allow(&mut root, &[(CLUSTER, "kafka-cluster", LITERAL, ALTER, ALLOW)]).await;
    assert_eq!(code(alice.call(1, &request).await), 0);
}

/// A heartbeat by which a member joins the group `g` with a pattern.
fn join_by_pattern(member: &str, pattern: &str) -> ConsumerGroupHeartbeatRequest {
    beat(member, 0)
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_regex(Some(text(pattern)))
        .with_topic_partitions(Some(vec![]))
}

fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
        .with_subscribed_topic_names(None)
        .with_topic_partitions(None)
}

/// The ids of the topics that a heartbeat's answer assigns, and the member's epoch.
async fn assigned(
    client: &mut Client,
    request: &ConsumerGroupHeartbeatRequest,
) -> (Option<Vec<uuid::Uuid>>, i32) {
    let answer = client.call(1, request).await;
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    let topics = answer
        .assignment
        .map(|assignment| assignment.topic_partitions.iter().map(|topic| topic.topic_id).collect());
    (topics, answer.member_epoch)
}

#[tokio::test]
async fn a_pattern_matches_for_each_member_only_the_topics_that_it_may_know_of() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    for topic in ["mine", "secret"] {
        root.create_topic(topic, 1).await;
    }
    let ids = root.call(12, &metadata(&["mine", "secret"])).await.topics;
    let (mine, secret) = (ids[0].topic_id, ids[1].topic_id);
    allow(&mut root, &[(GROUP, "g", LITERAL, READ, ALLOW), (TOPIC, "mine", LITERAL, READ, ALLOW)])
        .await;
    let mut alice = log_in(&broker, "alice").await;
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    assert_eq!(alice.call(4, &find).await.coordinators[0].error_code, 0);
    let (given, epoch) = assigned(&mut alice, &join_by_pattern("a", "[a-z]+")).await;
    assert_eq!((given, epoch), (Some(vec![mine]), 1));
    // Another member of the same pattern sees more, and gets what alice may not.
    let (given, epoch) = assigned(&mut root, &join_by_pattern("r", "[a-z]+")).await;
    assert_eq!((given, epoch), (Some(vec![secret]), 2));
    assert_eq!(assigned(&mut alice, &beat("a", 1)).await, (None, 2));

    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let described = alice.call(1, &describe).await.groups.remove(0);
    assert_eq!((described.error_code, described.members.len()), (TOPIC_REFUSED, 0));
    let described = root.call(1, &describe).await.groups.remove(0);
    assert_eq!((described.error_code, described.members.len()), (0, 2));

    // After a restart everyone keeps what it had, whoever comes first.
    let broker = broker.restart(PROPERTIES).await;
    let mut root = log_in(&broker, "root").await;
    let mut alice = log_in(&broker, "alice").await;
    assert_eq!(assigned(&mut root, &beat("r", 2)).await, (None, 2));
    assert_eq!(assigned(&mut alice, &beat("a", 2)).await, (None, 2));
    // A right that is taken away takes its topics away.
    let filter = any_filter().with_resource_type_filter(TOPIC);
    let delete = DeleteAclsRequest::default().with_filters(vec![filter]);
    assert_eq!(root.call(3, &delete).await.filter_results[0].error_code, 0);
    assert_eq!(assigned(&mut alice, &beat("a", 2)).await.0, Some(vec![]));
}

#[tokio::test]
async fn the_clusters_own_matters_need_rights_on_the_cluster() {
    let broker = start().await;
    let mut alice = log_in(&broker, "alice").await;
    let describe = DescribeAclsRequest::default().with_resource_type_filter(1);
    assert_eq!(alice.call(3, &describe).await.error_code, CLUSTER_REFUSED);
    let entry = creation((TOPIC, "t", LITERAL, READ, ALLOW));
    assert_eq!(create(&mut alice, vec![entry]).await, [CLUSTER_REFUSED]);
    let delete = DeleteAclsRequest::default().with_filters(vec![any_filter()]);
    assert_eq!(alice.call(3, &delete).await.filter_results[0].error_code, CLUSTER_REFUSED);
    let log_dirs = DescribeLogDirsRequest::default().with_topics(None);
    assert_eq!(alice.call(4, &log_dirs).await.error_code, CLUSTER_REFUSED);
    assert!(alice.call(1, &log_dirs).await.results.is_empty());
    let resource = |kind, of: &str| {
        DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(of))
    };
    let configs =
        DescribeConfigsRequest::default().with_resources(vec![resource(2, "t"), resource(4, "1")]);
    let described = alice.call(4, &configs).await.results;
    let codes: Vec<_> = described.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [TOPIC_REFUSED, CLUSTER_REFUSED]);
    // The brokers' addresses are for everyone.
    assert_eq!(alice.call(1, &DescribeClusterRequest::default()).await.brokers.len(), 1);
}

#[tokio::test]
async fn clients_are_told_their_own_rights_where_they_ask() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    root.create_topic("t", 1).await;
    allow(&mut root, &[(TOPIC, "t", LITERAL, WRITE, ALLOW)]).await;
    let mut alice = log_in(&broker, "alice").await;
    let request = metadata(&["t"]).with_include_topic_authorized_operations(true);
    let operations = alice.call(9, &request).await.topics[0].topic_authorized_operations;
    assert_eq!(operations, (1 << WRITE) | (1 << DESCRIBE));
    let silent = alice.call(9, &metadata(&["t"])).await.topics[0].topic_authorized_operations;
    assert_eq!(silent, i32::MIN);
    let request =
        DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    assert_eq!(alice.call(0, &request).await.cluster_authorized_operations, 0);
    let all = root.call(0, &request).await.cluster_authorized_operations;
    assert_ne!(all & (1 << IDEMPOTENT_WRITE), 0);
}

#[tokio::test]
async fn entries_are_found_deleted_and_outlive_a_restart() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    allow(
        &mut root,
        &[
            (TOPIC, "orders", LITERAL, READ, ALLOW),
            (TOPIC, "ord", PREFIXED, WRITE, ALLOW),
            (TOPIC, "*", LITERAL, DESCRIBE, ALLOW),
            (GROUP, "orders", LITERAL, READ, ALLOW),
            (TOPIC, "orders", LITERAL, READ, ALLOW),
            (TOPIC, "orders", LITERAL, DELETE, DENY),
        ],
    )
    .await;
    let broker = broker.restart(PROPERTIES).await;
    let mut root = log_in(&broker, "root").await;
    let count = |response: &kafka_protocol::messages::DescribeAclsResponse| -> usize {
        response.resources.iter().map(|resource| resource.acls.len()).sum()
    };
    let filter = |resource, pattern, of: Option<&str>| {
        DescribeAclsRequest::default()
            .with_resource_type_filter(resource)
            .with_pattern_type_filter(pattern)
            .with_resource_name_filter(of.map(text))
            .with_principal_filter(None)
            .with_host_filter(None)
            .with_operation(1)
            .with_permission_type(1)
    };
    for (resource, pattern, of, expected) in [
        (1, 1, None, 5),
        (TOPIC, 1, None, 4),
        (TOPIC, 2, Some("orders"), 4),
        (TOPIC, LITERAL, Some("orders"), 2),
        (TOPIC, PREFIXED, None, 1),
        (TOPIC, 2, Some("order"), 2),
        (CLUSTER, 1, None, 0),
    ] {
        let described = root.call(3, &filter(resource, pattern, of)).await;
        assert_eq!((described.error_code, count(&described)), (0, expected), "{of:?}");
    }
    let strange = filter(99, 1, None);
    assert_eq!(root.call(3, &strange).await.error_code, INVALID_REQUEST);
    let topics = any_filter().with_resource_type_filter(TOPIC);
    let again = DeleteAclsRequest::default().with_filters(vec![topics.clone(); 30_000]);
    let refused = root.call(3, &again).await.filter_results;
    assert!(refused.iter().all(|f| f.error_code == POLICY_VIOLATION && f.matching_acls.is_empty()));
    let bad = any_filter().with_operation(99);
    let delete = DeleteAclsRequest::default().with_filters(vec![bad, topics.clone(), topics]);
    let deleted = root.call(3, &delete).await.filter_results;
    let found: Vec<_> = deleted.iter().map(|f| (f.error_code, f.matching_acls.len())).collect();
    assert_eq!(found, [(INVALID_REQUEST, 0), (0, 4), (0, 4)]);
    let left = root.call(3, &filter(1, 1, None)).await;
    assert_eq!(count(&left), 1);
}

#[tokio::test]
async fn entries_that_cannot_be_are_refused_one_by_one() {
    let broker = start().await;
    let mut root = log_in(&broker, "root").await;
    let good = creation((TOPIC, "t", LITERAL, READ, ALLOW));
    let codes = create(
        &mut root,
        vec![
            creation((1, "t", LITERAL, READ, ALLOW)),
            creation((TOPIC, "t", 2, READ, ALLOW)),
            creation((TOPIC, "t", LITERAL, 1, ALLOW)),
            creation((TOPIC, "t", LITERAL, READ, 1)),
            creation((TOPIC, "", LITERAL, READ, ALLOW)),
            creation((CLUSTER, "other", LITERAL, READ, ALLOW)),
            good.clone().with_principal(text("alice")),
            good.clone().with_host(StrBytes::default()),
            good,
        ],
    )
    .await;
    assert_eq!(codes, [[INVALID_REQUEST; 8].as_slice(), &[0]].concat());
}

#[tokio::test]
async fn without_an_authorizer_everyone_may_do_everything_and_lists_are_refused() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    assert_eq!(
        create(&mut client, vec![creation((TOPIC, "t", LITERAL, READ, DENY))]).await,
        [SECURITY_DISABLED]
    );
    let describe = DescribeAclsRequest::default().with_resource_type_filter(1);
    assert_eq!(client.call(1, &describe).await.error_code, SECURITY_DISABLED);
    let delete = DeleteAclsRequest::default().with_filters(vec![any_filter()]);
    assert_eq!(client.call(1, &delete).await.filter_results[0].error_code, SECURITY_DISABLED);
}

#[tokio::test]
async fn every_refusal_can_be_written_in_every_version() {
    let more = ("group.initial.rebalance.delay.ms", "0");
    let broker = TestBroker::start(&[PROPERTIES, &[more]].concat()).await;
    let mut root = log_in(&broker, "root").await;
    root.create_topic("every-version", 1).await;
    // The requests of SASL are asked for too, which on this listener would begin
    // a renewal: by a listener without SASL then, whose clients are anonymous.
    let anonymous = ("listeners", "PLAINTEXT://127.0.0.1:0");
    let broker = broker.restart(&[PROPERTIES, &[more, anonymous]].concat()).await;
    let mut nobody = broker.client().await;
    versions::ask_everything(&mut nobody).await;
}
