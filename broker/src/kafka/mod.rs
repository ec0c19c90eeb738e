//! The Kafka protocol: bytes off a socket to an answer on it.
//!
//! ```text
//! listener.rs    accepts connections
//! admission.rs   how many there may be, and how fast they may come
//! handshake.rs   TLS, before a connection's first request
//! authentication.rs  SASL, and what is let in before it is over
//! connection.rs  one client: requests in, answers out in the same order
//! guard/         who may send which request
//! access.rs      what the client of a request may do
//! frame.rs       length-prefixed frames, read without trusting the length
//! shape/         a request's arrays and strings checked before decoding
//! versions.rs    the table of what is served
//! memory.rs      a bound on memory that many connections share
//! fetch_memory.rs  the memory of fetch responses under way
//! large_reads.rs fetches that copy much, a few at a time
//! turns.rs       work that opens batches, a few requests at a time
//! request_memory.rs  the memory of requests under way, by their size
//! pace.rs        how slowly a request may come, or an answer go
//! demand.rs      who waits for memory, and whom that costs its place
//! reply.rs       an answer that is there or waits, and what it keeps until its turn
//! distinct.rs    names that a request repeats
//! room.rs        how much an answer may hold
//! response.rs    answers as pieces, record bytes never copied
//! errors.rs      our errors as Kafka's codes
//! config_changes.rs  what the two requests that change configurations share
//! bad_connections.rs  log lines about bad connections, at a bounded rate
//! ```
//!
//! Each API key has a file of its own, named as Kafka names it; [`handle`]
//! is the list of them.

mod access;
mod acl_codec;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod admission;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_user_scram_credentials;
mod api_versions;
mod authentication;
mod bad_connections;
mod config_changes;
mod connection;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod demand;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod distinct;
mod elect_leaders;
mod end_txn;
mod errors;
mod fetch;
mod fetch_memory;
mod fetch_request;
mod fetch_response;
mod find_coordinator;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod handshake;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod large_reads;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod listener;
mod memory;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod pace;
mod pipeline;
mod produce;
mod produce_request;
mod produce_transaction;
mod reply;
mod request_memory;
mod response;
mod room;
mod sasl_authenticate;
mod sasl_handshake;
mod shape;
mod sync_group;
mod throttle;
mod turns;
mod txn_offset_commit;
mod versions;
mod write_txn_markers;

use std::{net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use connection::ConnectionError;
use kafka_protocol::{
    messages::{ApiKey, FetchRequest},
    protocol::{Decodable, StrBytes},
};

pub(crate) use admission::Admission;
pub(crate) use bad_connections::LogLimit;
pub(crate) use fetch_memory::FetchMemory;
pub(crate) use large_reads::LargeReads;
pub(crate) use listener::{Listener, accept};
pub(crate) use reply::Reply;
pub(crate) use request_memory::RequestMemory;
pub(crate) use turns::Turns;

use crate::{
    auth::Principal,
    clock,
    metrics::RequestCounts,
    node::Node,
    quota::{ClientShares, QuotaExceeded},
};
use request_memory::RequestGrant;
use response::RequestId;

/// Counts for every API that is served.
pub(crate) fn request_counts() -> RequestCounts {
    let served = versions::SERVED.iter();
    RequestCounts::new(served.map(|api| (api.key as i16, format!("{:?}", api.key), api.max)))
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The name that the client gives itself.
    pub(crate) id: Option<StrBytes>,
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// The listener that it came by: it is told that listener's address.
    pub(crate) listener: usize,
    /// The name that it acts under.
    pub(crate) principal: Arc<Principal>,
    /// The quotas that bind it, if any do.
    pub(crate) shares: Option<Arc<ClientShares>>,
}

impl Client {
    /// Counts partitions that are to be created or deleted against the
    /// client's quota. Clients too old for a refusal (KIP-599) only wait.
    fn mutate(&self, partitions: usize, understands: bool) -> Result<(), QuotaExceeded> {
        let Some(shares) = &self.shares else { return Ok(()) };
        if understands {
            return shares.mutate(partitions, clock::monotonic_ms());
        }
        shares.mutate_leniently(partitions, clock::monotonic_ms());
        Ok(())
    }

    /// The most bytes that one fetch may answer with.
    fn limit_fetch(&self, request: &mut FetchRequest) {
        if let Some(bytes) = self.shares.as_ref().and_then(|shares| shares.fetch_bytes_max()) {
            // A cast from a float saturates.
            request.max_bytes = request.max_bytes.min((bytes as i32).max(1));
        }
    }
}

/// Decodes a request and begins to answer it. Its shape has been checked. `memory` is
/// what it holds; whose answer keeps nothing of it lets it go here.
async fn dispatch(
    node: &Arc<Node>,
    key: ApiKey,
    id: RequestId,
    client: Client,
    body: BytesMut,
    memory: RequestGrant,
) -> Result<Reply, ConnectionError> {
    let _begun = node.metrics.under_way.begin();
    let reply = handle(node, key, id, client, body, memory).await?;
    Ok(reply.counted(node, key))
}

async fn handle(
    node: &Arc<Node>,
    key: ApiKey,
    id: RequestId,
    client: Client,
    body: BytesMut,
    memory: RequestGrant,
) -> Result<Reply, ConnectionError> {
    let version = id.api_version;
    let access = access::Access::of(node, &client);
    macro_rules! answer {
        ($handle:expr) => {{
            let request = decode(key, version, body)?;
            guard::answer(id, node, &access, request, $handle).await
        }};
    }
    if let Some(refusal) = guard::refuse_whole(node, &access, key, id, &body)? {
        return Ok(refusal);
    }
    match key {
        ApiKey::Produce => {
            let request = produce_request::decode(body, version)
                .map_err(|source| ConnectionError::Shape { key, version, source })?;
            produce::handle(node, request, id, &access).await
        }
        ApiKey::Fetch => {
            let mut request = decode(key, version, body)?;
            client.limit_fetch(&mut request);
            Ok(fetch::handle(node, &request, id, &access, memory))
        }
        ApiKey::JoinGroup => Ok(join_group::handle(node, decode(key, version, body)?, id, &client)),
        ApiKey::SyncGroup => Ok(sync_group::handle(node, decode(key, version, body)?, id)),
        ApiKey::OffsetCommit => {
            Ok(offset_commit::handle(node, decode(key, version, body)?, id, &access, memory))
        }
        ApiKey::ListOffsets => answer!(|request| list_offsets::handle(node, request, version)),
        ApiKey::Metadata => answer!(|request| metadata::handle(node, request, version, &client)),
        ApiKey::OffsetFetch => answer!(|request| offset_fetch::handle(node, request, version)),
        ApiKey::FindCoordinator => {
            answer!(|request| find_coordinator::handle(node, request, version, &client))
        }
        ApiKey::Heartbeat => answer!(|request| heartbeat::handle(node, request)),
        ApiKey::LeaveGroup => answer!(|request| leave_group::handle(node, request, version)),
        ApiKey::DescribeGroups => {
            answer!(|request| describe_groups::handle(node, request, version))
        }
        ApiKey::ListGroups => answer!(|request| list_groups::handle(node, request, version)),
        ApiKey::ApiVersions => answer!(|request| api_versions::handle(request, version)),
        ApiKey::CreateTopics => {
            answer!(|request| create_topics::handle(node, request, version, &client))
        }
        ApiKey::DeleteTopics => {
            answer!(|request| delete_topics::handle(node, request, version, &client))
        }
        ApiKey::DeleteRecords => answer!(|request| delete_records::handle(node, request)),
        ApiKey::InitProducerId => {
            answer!(|request| init_producer_id::handle(node, request, version))
        }
        ApiKey::AddPartitionsToTxn => {
            answer!(|request| add_partitions_to_txn::handle(node, request, version))
        }
        ApiKey::AddOffsetsToTxn => {
            answer!(|request| add_offsets_to_txn::handle(node, request, version))
        }
        ApiKey::EndTxn => answer!(|request| end_txn::handle(node, request, version)),
        ApiKey::WriteTxnMarkers => answer!(|request| write_txn_markers::handle(node, request)),
        ApiKey::TxnOffsetCommit => {
            answer!(|request| txn_offset_commit::handle(node, request, version))
        }
        ApiKey::DescribeTransactions => {
            answer!(|request| describe_transactions::handle(node, request))
        }
        ApiKey::ListTransactions => answer!(|request| list_transactions::handle(node, request)),
        ApiKey::DescribeConfigs => {
            answer!(|request| describe_configs::handle(node, request, version))
        }
        ApiKey::OffsetForLeaderEpoch => {
            answer!(|request| offset_for_leader_epoch::handle(node, request))
        }
        ApiKey::DescribeLogDirs => {
            answer!(|request| describe_log_dirs::handle(node, request, version))
        }
        ApiKey::CreatePartitions => {
            answer!(|request| create_partitions::handle(node, request, version, &client))
        }
        ApiKey::ConsumerGroupHeartbeat => {
            let request = decode(key, version, body)?;
            Ok(consumer_group_heartbeat::handle(node, request, id, &client))
        }
        ApiKey::ConsumerGroupDescribe => {
            answer!(|request| consumer_group_describe::handle(node, request, version))
        }
        ApiKey::DeleteGroups => answer!(|request| delete_groups::handle(node, request)),
        ApiKey::IncrementalAlterConfigs => {
            answer!(|request| incremental_alter_configs::handle(node, request))
        }
        ApiKey::DescribeAcls => answer!(|request| describe_acls::handle(node, request, &access)),
        ApiKey::CreateAcls => answer!(|request| create_acls::handle(node, request, &access)),
        ApiKey::DeleteAcls => answer!(|request| delete_acls::handle(node, request, &access)),
        ApiKey::DescribeUserScramCredentials => {
            answer!(|request| describe_user_scram_credentials::handle(node, request))
        }
        ApiKey::AlterUserScramCredentials => {
            answer!(|request| alter_user_scram_credentials::handle(node, request))
        }
        ApiKey::ListConfigResources => {
            answer!(|request| list_config_resources::handle(node, request, version))
        }
        ApiKey::AlterConfigs => answer!(|request| alter_configs::handle(node, request)),
        ApiKey::OffsetDelete => answer!(|request| offset_delete::handle(node, request)),
        ApiKey::ElectLeaders => answer!(|request| elect_leaders::handle(node, request)),
        ApiKey::AlterPartitionReassignments => {
            answer!(|request| alter_partition_reassignments::handle(node, request))
        }
        ApiKey::ListPartitionReassignments => {
            answer!(list_partition_reassignments::handle)
        }
        ApiKey::DescribeClientQuotas => {
            answer!(|request| describe_client_quotas::handle(node, request))
        }
        ApiKey::AlterClientQuotas => answer!(|request| alter_client_quotas::handle(node, request)),
        ApiKey::DescribeQuorum => {
            answer!(|request| describe_quorum::handle(node, request, version))
        }
        ApiKey::DescribeTopicPartitions => {
            answer!(|request| describe_topic_partitions::handle(node, request))
        }
        ApiKey::DescribeCluster => {
            answer!(|request| describe_cluster::handle(node, request, version, &client))
        }
        ApiKey::DescribeProducers => {
            answer!(|request| describe_producers::handle(node, request))
        }
        _ => Err(ConnectionError::UnknownKey { key: key as i16 }),
    }
}

fn decode<M: Decodable>(key: ApiKey, version: i16, body: BytesMut) -> Result<M, ConnectionError> {
    M::decode(&mut body.freeze(), version).map_err(|error| ConnectionError::Request {
        key,
        version,
        reason: error.to_string(),
    })
}
