//! Every version of every API that is advertised is answered, and nothing else.

use bytes::{BufMut, BytesMut};
use kafka_protocol::{
    messages::{self, ApiKey, ApiVersionsRequest, ApiVersionsResponse, GroupId, ResponseHeader},
    protocol::{Decodable, Request},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Client, TestBroker, batch, name, produce_request, text};

#[tokio::test]
async fn every_advertised_version_of_every_api_is_answered() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    ask_everything(&mut client).await;
}

/// Asks for every version of every API that is advertised.
pub(crate) async fn ask_everything(client: &mut Client) {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let advertised = client.call(3, &request).await.api_keys;
    assert!(advertised.len() >= 23);
    for api in advertised {
        let key = ApiKey::try_from(api.api_key).unwrap();
        for version in api.min_version..=api.max_version {
            if api.api_key == 0 && version < 3 {
                // Advertised for the sake of older librdkafka, see versions.rs.
                continue;
            }
            ask(client, key, version).await;
        }
    }
}

async fn ask(client: &mut Client, key: ApiKey, version: i16) {
    macro_rules! ask {
        ($($key:ident => $request:expr),* $(,)?) => {
            match key {
                $(ApiKey::$key => { call(client, version, &$request).await; })*
                other => panic!("{other:?} is advertised, this test does not ask for it"),
            }
        };
    }
    let topics = vec![];
    ask! {
        Produce => produce_request("every-version", 0, 1, batch(&["value"])),
        Fetch => crate::support::fetch_request("every-version", 0, 0),
        ListOffsets => messages::ListOffsetsRequest::default().with_topics(topics),
        Metadata => messages::MetadataRequest::default().with_topics(Some(vec![
            messages::metadata_request::MetadataRequestTopic::default()
                .with_name(Some(name("every-version"))),
        ])),
        OffsetCommit => messages::OffsetCommitRequest::default()
            .with_group_id(group("g")).with_generation_id_or_member_epoch(-1)
            .with_topics(vec![
                messages::offset_commit_request::OffsetCommitRequestTopic::default()
                    .with_name(name("every-version"))
                    .with_partitions(vec![Default::default()]),
            ]),
        OffsetFetch => offset_fetch(version),
        FindCoordinator => match version {
            0..=3 => messages::FindCoordinatorRequest::default().with_key(text("g")),
            _ => messages::FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]),
        },
        JoinGroup => messages::JoinGroupRequest::default()
            .with_group_id(group(&format!("join-{version}"))).with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![
                messages::join_group_request::JoinGroupRequestProtocol::default()
                    .with_name(text("range")),
            ]),
        Heartbeat => messages::HeartbeatRequest::default().with_group_id(group("none")),
        LeaveGroup => match version {
            0..=2 => messages::LeaveGroupRequest::default().with_group_id(group("none")),
            _ => messages::LeaveGroupRequest::default().with_group_id(group("none"))
                .with_members(vec![Default::default()]),
        },
        SyncGroup => messages::SyncGroupRequest::default().with_group_id(group("none")),
        DescribeGroups => messages::DescribeGroupsRequest::default()
            .with_groups(vec![group("none"), group("g")]),
        ListGroups => messages::ListGroupsRequest::default(),
        ConsumerGroupHeartbeat => messages::ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group("consumers")).with_member_id(text("member"))
            .with_rebalance_timeout_ms(1000)
            .with_subscribed_topic_names(Some(vec![name("every-version")]))
            .with_topic_partitions(Some(vec![])),
        ConsumerGroupDescribe => messages::ConsumerGroupDescribeRequest::default()
            .with_group_ids(vec![group("none"), group("consumers")]),
        ApiVersions => ApiVersionsRequest::default(),
        CreateTopics => messages::CreateTopicsRequest::default().with_topics(vec![
            messages::create_topics_request::CreatableTopic::default()
                .with_name(name(&format!("created-{version}")))
                .with_num_partitions(1).with_replication_factor(1),
        ]),
        DeleteTopics => match version {
            0..=5 => messages::DeleteTopicsRequest::default().with_topic_names(vec![name("none")]),
            _ => messages::DeleteTopicsRequest::default().with_topics(vec![
                messages::delete_topics_request::DeleteTopicState::default()
                    .with_name(Some(name("none"))),
            ]),
        },
        DescribeAcls => messages::DescribeAclsRequest::default().with_resource_type_filter(1)
            .with_pattern_type_filter(1).with_operation(1).with_permission_type(1),
        CreateAcls => messages::CreateAclsRequest::default()
            .with_creations(vec![Default::default()]),
        DeleteAcls => messages::DeleteAclsRequest::default().with_filters(vec![
            messages::delete_acls_request::DeleteAclsFilter::default()
                .with_resource_type_filter(1).with_pattern_type_filter(1)
                .with_operation(1).with_permission_type(1),
        ]),
        SaslHandshake => messages::SaslHandshakeRequest::default().with_mechanism(text("PLAIN")),
        SaslAuthenticate => messages::SaslAuthenticateRequest::default(),
        DescribeUserScramCredentials => messages::DescribeUserScramCredentialsRequest::default(),
        AlterUserScramCredentials => messages::AlterUserScramCredentialsRequest::default()
            .with_deletions(vec![Default::default()]),
        DeleteRecords => messages::DeleteRecordsRequest::default(),
        InitProducerId => messages::InitProducerIdRequest::default(),
        DescribeConfigs => messages::DescribeConfigsRequest::default().with_resources(vec![
            resource(2, "every-version"), resource(4, "1"), resource(4, ""), resource(9, "x"),
        ]),
        CreatePartitions => messages::CreatePartitionsRequest::default().with_topics(vec![
            messages::create_partitions_request::CreatePartitionsTopic::default()
                .with_name(name("none")).with_count(2),
        ]),
        DeleteGroups => messages::DeleteGroupsRequest::default()
            .with_groups_names(vec![group("none")]),
        IncrementalAlterConfigs => messages::IncrementalAlterConfigsRequest::default(),
        DescribeCluster => messages::DescribeClusterRequest::default(),
        AlterConfigs => messages::AlterConfigsRequest::default().with_validate_only(true)
            .with_resources(vec![
                messages::alter_configs_request::AlterConfigsResource::default()
                    .with_resource_type(2).with_resource_name(text("every-version")),
            ]),
        ElectLeaders => messages::ElectLeadersRequest::default().with_topic_partitions(Some(vec![
            messages::elect_leaders_request::TopicPartitions::default()
                .with_topic(name("every-version")).with_partitions(vec![0, 9]),
        ])),
        AlterPartitionReassignments => messages::AlterPartitionReassignmentsRequest::default(),
        ListPartitionReassignments => messages::ListPartitionReassignmentsRequest::default()
            .with_topics(None),
        OffsetDelete => messages::OffsetDeleteRequest::default().with_group_id(group("none")),
        DescribeClientQuotas => messages::DescribeClientQuotasRequest::default(),
        AlterClientQuotas => messages::AlterClientQuotasRequest::default().with_entries(vec![
            Default::default(),
        ]),
        DescribeQuorum => messages::DescribeQuorumRequest::default().with_topics(vec![
            quorum_of("__cluster_metadata"), quorum_of("none"),
        ]),
        DescribeTopicPartitions => messages::DescribeTopicPartitionsRequest::default(),
        AddPartitionsToTxn => add_partitions(version),
        AddOffsetsToTxn => messages::AddOffsetsToTxnRequest::default().with_group_id(group("g")),
        EndTxn => messages::EndTxnRequest::default(),
        WriteTxnMarkers => messages::WriteTxnMarkersRequest::default(),
        TxnOffsetCommit => messages::TxnOffsetCommitRequest::default()
            .with_group_id(group("g"))
            .with_topics(vec![
                messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                    .with_name(name("every-version"))
                    .with_partitions(vec![Default::default()]),
            ]),
        DescribeTransactions => messages::DescribeTransactionsRequest::default()
            .with_transactional_ids(vec![messages::TransactionalId(text("none"))]),
        ListConfigResources => messages::ListConfigResourcesRequest::default(),
        ListTransactions => messages::ListTransactionsRequest::default().with_duration_filter(-1),
        OffsetForLeaderEpoch => messages::OffsetForLeaderEpochRequest::default(),
        DescribeProducers => messages::DescribeProducersRequest::default().with_topics(vec![
            messages::describe_producers_request::TopicRequest::default()
                .with_name(name("every-version")).with_partition_indexes(vec![0, 99]),
        ]),
        DescribeLogDirs => messages::DescribeLogDirsRequest::default().with_topics(None),
    }
}

async fn call<R: Request>(client: &mut Client, version: i16, request: &R) {
    client.call(version, request).await;
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn resource(kind: i8, of: &str) -> messages::describe_configs_request::DescribeConfigsResource {
    messages::describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configuration_keys(None)
}

fn quorum_of(topic: &str) -> messages::describe_quorum_request::TopicData {
    messages::describe_quorum_request::TopicData::default()
        .with_topic_name(name(topic))
        .with_partitions(vec![Default::default()])
}

fn add_partitions(version: i16) -> messages::AddPartitionsToTxnRequest {
    use messages::add_partitions_to_txn_request::{
        AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
    };
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(name("every-version"))
        .with_partitions(vec![0]);
    let request = messages::AddPartitionsToTxnRequest::default();
    match version {
        0..=3 => request.with_v3_and_below_topics(vec![topic]),
        _ => request.with_transactions(vec![
            AddPartitionsToTxnTransaction::default().with_topics(vec![topic]),
        ]),
    }
}

fn offset_fetch(version: i16) -> messages::OffsetFetchRequest {
    match version {
        0..=1 => messages::OffsetFetchRequest::default().with_group_id(group("g")),
        2..=7 => {
            messages::OffsetFetchRequest::default().with_group_id(group("g")).with_topics(None)
        }
        _ => messages::OffsetFetchRequest::default().with_groups(vec![
            messages::offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group("g"))
                .with_topics(None),
        ]),
    }
}

#[tokio::test]
async fn refusals_are_encoded_in_every_version_too() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    macro_rules! refused {
        ($versions:expr, $request:expr) => {
            for version in $versions {
                call(&mut client, version, &$request).await;
            }
        };
    }
    refused!(3..=12, produce_request("none", 0, 1, batch(&["x"])));
    refused!(3..=12, produce_request("none", 0, 9, batch(&["x"])));
    refused!(4..=12, crate::support::fetch_request("none", 0, 0));
    refused!(7..=12, crate::support::fetch_request("none", 0, 0).with_session_id(3));
    refused!(
        1..=8,
        messages::ListOffsetsRequest::default().with_topics(vec![
            messages::list_offsets_request::ListOffsetsTopic::default()
                .with_name(name("none"))
                .with_partitions(vec![Default::default()]),
        ])
    );
    refused!(
        0..=12,
        messages::MetadataRequest::default().with_topics(Some(vec![
            messages::metadata_request::MetadataRequestTopic::default()
                .with_name(Some(name("no/name"))),
        ]))
    );
    refused!(
        2..=9,
        messages::OffsetCommitRequest::default().with_group_id(group("")).with_topics(vec![
            messages::offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(name("none"))
                .with_partitions(vec![Default::default()]),
        ])
    );
    for kind in [1, 2] {
        let request = messages::FindCoordinatorRequest::default().with_key_type(kind);
        refused!(1..=3, request.clone().with_key(text("k")));
        refused!(4..=5, request.clone().with_coordinator_keys(vec![text("k")]));
    }
    refused!(0..=9, messages::JoinGroupRequest::default());
    refused!(
        2..=7,
        messages::CreateTopicsRequest::default().with_topics(vec![
            messages::create_topics_request::CreatableTopic::default().with_name(name("no/name")),
        ])
    );
    refused!(
        0..=2,
        messages::DeleteRecordsRequest::default().with_topics(vec![
            messages::delete_records_request::DeleteRecordsTopic::default()
                .with_name(name("none"))
                .with_partitions(vec![Default::default()]),
        ])
    );
    refused!(
        0..=4,
        messages::InitProducerIdRequest::default()
            .with_transactional_id(Some(messages::TransactionalId(text("tx"))))
    );
    refused!(
        2..=4,
        messages::OffsetForLeaderEpochRequest::default().with_topics(vec![
            messages::offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(name("none"))
                .with_partitions(vec![Default::default()]),
        ])
    );
    refused!(
        1..=4,
        messages::DescribeConfigsRequest::default().with_resources(vec![resource(2, "none"),])
    );
    refused!(
        0..=1,
        messages::IncrementalAlterConfigsRequest::default().with_resources(vec![
            messages::incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("none")),
            messages::incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(4)
                .with_resource_name(text("1")),
        ])
    );
    refused!(
        0..=2,
        messages::AlterConfigsRequest::default().with_resources(vec![
            messages::alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(9)
                .with_resource_name(text("none")),
        ])
    );
    refused!(
        1..=2,
        messages::ElectLeadersRequest::default().with_election_type(7).with_topic_partitions(None)
    );
    refused!(
        0..=1,
        messages::DescribeClientQuotasRequest::default().with_components(vec![Default::default()])
    );
    refused!(0..=1, messages::ConsumerGroupHeartbeatRequest::default());
    refused!(1..=1, messages::DescribeClusterRequest::default().with_endpoint_type(2));
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_gets_a_v0_body_with_error_35() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for version in [5_i16, 99, i16::MAX, -1] {
        let mut frame = BytesMut::new();
        frame.put_u32(10);
        frame.put_i16(18);
        frame.put_i16(version);
        frame.put_i32(77);
        // What follows belongs to a version that is not known: it is not read.
        frame.put_u16(0xffff);
        client.stream.write_all(&frame).await.unwrap();
        let mut answer = client.receive_frame().await.unwrap();
        let header = ResponseHeader::decode(&mut answer, 0).unwrap();
        assert_eq!(header.correlation_id, 77);
        let body = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
        assert_eq!(body.error_code, 35);
        assert_eq!((body.api_keys[0].api_key, body.api_keys[0].max_version), (18, 4));
        assert!(answer.is_empty());
    }
    // The connection goes on: the client asks again with a version that it was told.
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test]
async fn api_versions_answers_with_response_header_v0_in_every_version() {
    let broker = TestBroker::start(&[]).await;
    let mut client = broker.client().await;
    for version in 0..=4 {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text(if version < 3 { "" } else { "kcat" }))
            .with_client_software_version(text(if version < 3 { "" } else { "2.0.2" }));
        let id = client.send(version, &request).await;
        let mut answer = client.receive_frame().await.unwrap();
        assert_eq!(answer[..4], id.to_be_bytes());
        let mut body = answer.split_off(4);
        let body = ApiVersionsResponse::decode(&mut body, version).unwrap();
        let produce = body.api_keys.iter().find(|api| api.api_key == 0).unwrap();
        assert_eq!(produce.min_version, 0, "else older librdkafka drops compression");
    }
}

#[tokio::test]
async fn versions_and_keys_that_are_not_served_end_the_connection() {
    let broker = TestBroker::start(&[]).await;
    for (key, version) in [(0_i16, 2_i16), (1, 13), (3, 99), (21, 9), (999, 0), (-1, 0)] {
        let mut client = broker.client().await;
        let mut frame = BytesMut::new();
        frame.put_u32(10);
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1);
        client.stream.write_all(&frame).await.unwrap();
        assert!(client.is_closed().await, "key {key} version {version}");
    }
}
