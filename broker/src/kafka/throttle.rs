//! Quotas on a connection (KIP-219): an answer goes out at once and says how
//! long its client is throttled; the connection is not read from for as long,
//! so that a client that does not listen waits all the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use kafka_protocol::{messages::ApiKey, protocol::StrBytes};

use super::{
    fetch_response,
    response::{RequestId, Response},
};
use crate::{
    auth::Principal,
    clock,
    quota::{ClientShares, Quotas},
};

/// When a connection is listened to again.
#[derive(Debug, Default)]
pub(super) struct Mute {
    until_ms: AtomicU64,
}

impl Mute {
    fn extend(&self, throttle_ms: u64, now_ms: u64) {
        if throttle_ms > 0 {
            self.until_ms.fetch_max(now_ms.saturating_add(throttle_ms), Ordering::Relaxed);
        }
    }

    /// Resolves when the connection may be listened to.
    pub(super) async fn over(&self) {
        loop {
            let left_ms =
                self.until_ms.load(Ordering::Relaxed).saturating_sub(clock::monotonic_ms());
            if left_ms == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left_ms)).await;
        }
    }
}

/// The shares of whoever asks on one connection, looked up again only when
/// quotas, its client id or its principal change.
#[derive(Debug, Default)]
struct SharesOfConnection {
    generation: u64,
    principal: Option<Arc<Principal>>,
    client_id: Option<StrBytes>,
    shares: Option<Arc<ClientShares>>,
}

impl SharesOfConnection {
    fn find(
        &mut self,
        quotas: &Quotas,
        principal: &Arc<Principal>,
        client_id: Option<&StrBytes>,
    ) -> Option<Arc<ClientShares>> {
        let generation = quotas.generation();
        if generation == 0 {
            return None;
        }
        let same = self.generation == generation
            && self.client_id.as_ref() == client_id
            && self.principal.as_ref().is_some_and(|known| Arc::ptr_eq(known, principal));
        if !same {
            let id = client_id.map_or("", StrBytes::as_str);
            self.shares = quotas.of(&principal.name, id, clock::monotonic_ms());
            self.generation = generation;
            self.principal = Some(Arc::clone(principal));
            // Owned: it lives as long as the connection, the frame that it is a slice of must not.
            self.client_id = client_id.map(|id| StrBytes::from_string(id.to_string()));
        }
        self.shares.clone()
    }
}

/// What the requests of one connection cost.
#[derive(Debug)]
pub(super) struct Tolls<'a> {
    mute: &'a Mute,
    known: SharesOfConnection,
    toll: Option<Toll>,
}

impl<'a> Tolls<'a> {
    pub(super) fn new(mute: &'a Mute) -> Self {
        Self { mute, known: SharesOfConnection::default(), toll: None }
    }

    /// The shares of whoever asks.
    pub(super) fn shares(
        &mut self,
        quotas: &Quotas,
        principal: &Arc<Principal>,
        client_id: Option<&StrBytes>,
    ) -> Option<Arc<ClientShares>> {
        self.known.find(quotas, principal, client_id)
    }

    /// Charges the request that has been begun. `handled` is the time that
    /// this took.
    pub(super) fn charge(
        &mut self,
        shares: Arc<ClientShares>,
        key: ApiKey,
        id: RequestId,
        request_bytes: usize,
        handled: Duration,
    ) {
        self.toll = Some(Toll::charge(shares, key, id, request_bytes, handled, self.mute));
    }

    /// The toll of the request that has been begun; it goes with its answer.
    pub(super) fn take(&mut self) -> Option<Toll> {
        self.toll.take()
    }
}

/// What a request costs its client.
#[derive(Debug)]
pub(super) struct Toll {
    key: ApiKey,
    id: RequestId,
    shares: Arc<ClientShares>,
    throttle_ms: u64,
}

impl Toll {
    fn charge(
        shares: Arc<ClientShares>,
        key: ApiKey,
        id: RequestId,
        request_bytes: usize,
        handled: Duration,
        mute: &Mute,
    ) -> Self {
        let now_ms = clock::monotonic_ms();
        let of_work = match key {
            ApiKey::Produce => shares.produced(request_bytes, now_ms),
            ApiKey::CreateTopics | ApiKey::DeleteTopics | ApiKey::CreatePartitions => {
                shares.mutation_throttle_ms(now_ms)
            }
            _ => 0,
        };
        let throttle_ms = of_work.max(shares.handled(handled, now_ms));
        mute.extend(throttle_ms, now_ms);
        Self { key, id, shares, throttle_ms }
    }

    /// Charges the answer, and tells the client what it owes.
    pub(super) fn answer(self, mut response: Response, mute: &Mute) -> Response {
        let mut throttle_ms = self.throttle_ms;
        if matches!(self.key, ApiKey::Fetch) {
            let now_ms = clock::monotonic_ms();
            let fetched = self.shares.fetched(response.bytes(), now_ms);
            mute.extend(fetched.throttle_ms, now_ms);
            throttle_ms = throttle_ms.max(fetched.throttle_ms);
            if fetched.withheld {
                response = fetch_response::empty(self.id);
            }
        }
        if throttle_ms > 0 {
            let throttle_ms = i32::try_from(throttle_ms).unwrap_or(i32::MAX);
            set_throttle_time(self.key, self.id, &mut response, throttle_ms);
        }
        response
    }
}

/// Handlers know nothing of quotas: the field is written over in the frame.
fn set_throttle_time(key: ApiKey, id: RequestId, response: &mut Response, throttle_ms: i32) {
    /// Length and correlation id.
    const FRAME_HEAD_BYTES: usize = 8;
    let flexible = key.response_header_version(id.api_version) >= 1;
    let body = FRAME_HEAD_BYTES + usize::from(flexible);
    let at = match place(key, id.api_version) {
        Some(Place::First) => body,
        Some(Place::AfterErrorCode) => body + 2,
        Some(Place::Last) => response.bytes() - 4 - usize::from(flexible),
        None => return,
    };
    response.overwrite(at, throttle_ms);
}

/// Where an answer has its `throttle_time_ms`.
enum Place {
    First,
    AfterErrorCode,
    /// Before the tags, which are empty.
    Last,
}

fn place(key: ApiKey, version: i16) -> Option<Place> {
    let first_since = match key {
        ApiKey::Produce => return Some(Place::Last),
        ApiKey::OffsetDelete => return Some(Place::AfterErrorCode),
        // The first has the field amid others; the rest are without it.
        ApiKey::ApiVersions
        | ApiKey::DescribeQuorum
        | ApiKey::SaslHandshake
        | ApiKey::SaslAuthenticate
        | ApiKey::WriteTxnMarkers => return None,
        ApiKey::Fetch
        | ApiKey::FindCoordinator
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::SyncGroup
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteTopics => 1,
        ApiKey::ListOffsets
        | ApiKey::JoinGroup
        | ApiKey::OffsetForLeaderEpoch
        | ApiKey::CreateTopics => 2,
        ApiKey::Metadata | ApiKey::OffsetCommit | ApiKey::OffsetFetch => 3,
        _ => 0,
    };
    (version >= first_since).then_some(Place::First)
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, Bytes};
    use kafka_protocol::{
        messages::*,
        protocol::{Decodable, Encodable, HeaderVersion},
    };

    use super::*;
    use crate::kafka::versions::{PRODUCE_DECODABLE_FROM, SERVED};

    const THROTTLE_MS: i32 = 0x0102_0304;

    fn read<M: Decodable>(response: Response, version: i16, header: usize) -> M {
        let mut response = response;
        let mut bytes: Bytes = response.copy_to_bytes(response.remaining());
        bytes.advance(header);
        let message = M::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty());
        message
    }

    fn check<M>(key: ApiKey, version: i16, plain: &M, throttled: &M)
    where
        M: Encodable + Decodable + HeaderVersion + PartialEq + std::fmt::Debug,
    {
        let id = RequestId { api_version: version, correlation_id: -1 };
        let header = 8 + usize::from(M::header_version(version) >= 1);
        let expected: M = read(Response::encode(id, throttled).unwrap(), version, header);
        let mut response = Response::encode(id, plain).unwrap();
        set_throttle_time(key, id, &mut response, THROTTLE_MS);
        assert_eq!(read::<M>(response, version, header), expected, "{key:?} v{version}");
    }

    #[test]
    fn every_answer_that_has_a_throttle_time_tells_it_in_its_place() {
        macro_rules! checks {
            ($key:expr, $version:expr, $($api:ident => $response:ident),* $(,)?) => {
                match $key {
                    $(ApiKey::$api => check(
                        $key,
                        $version,
                        &$response::default(),
                        &$response::default().with_throttle_time_ms(THROTTLE_MS),
                    ),)*
                    _ => assert!(place($key, $version).is_none(), "{:?} has no row here", $key),
                }
            };
        }
        for served in SERVED {
            let min = match served.key {
                ApiKey::Produce => PRODUCE_DECODABLE_FROM,
                _ => served.min,
            };
            for version in min..=served.max {
                checks!(served.key, version,
                    Produce => ProduceResponse,
                    Fetch => FetchResponse,
                    ListOffsets => ListOffsetsResponse,
                    Metadata => MetadataResponse,
                    OffsetCommit => OffsetCommitResponse,
                    OffsetFetch => OffsetFetchResponse,
                    FindCoordinator => FindCoordinatorResponse,
                    JoinGroup => JoinGroupResponse,
                    Heartbeat => HeartbeatResponse,
                    LeaveGroup => LeaveGroupResponse,
                    SyncGroup => SyncGroupResponse,
                    DescribeGroups => DescribeGroupsResponse,
                    ListGroups => ListGroupsResponse,
                    CreateTopics => CreateTopicsResponse,
                    DeleteTopics => DeleteTopicsResponse,
                    DeleteRecords => DeleteRecordsResponse,
                    InitProducerId => InitProducerIdResponse,
                    OffsetForLeaderEpoch => OffsetForLeaderEpochResponse,
                    AddPartitionsToTxn => AddPartitionsToTxnResponse,
                    AddOffsetsToTxn => AddOffsetsToTxnResponse,
                    EndTxn => EndTxnResponse,
                    TxnOffsetCommit => TxnOffsetCommitResponse,
                    DescribeAcls => DescribeAclsResponse,
                    CreateAcls => CreateAclsResponse,
                    DeleteAcls => DeleteAclsResponse,
                    DescribeConfigs => DescribeConfigsResponse,
                    AlterConfigs => AlterConfigsResponse,
                    DescribeLogDirs => DescribeLogDirsResponse,
                    CreatePartitions => CreatePartitionsResponse,
                    DeleteGroups => DeleteGroupsResponse,
                    ElectLeaders => ElectLeadersResponse,
                    IncrementalAlterConfigs => IncrementalAlterConfigsResponse,
                    AlterPartitionReassignments => AlterPartitionReassignmentsResponse,
                    ListPartitionReassignments => ListPartitionReassignmentsResponse,
                    OffsetDelete => OffsetDeleteResponse,
                    DescribeClientQuotas => DescribeClientQuotasResponse,
                    AlterClientQuotas => AlterClientQuotasResponse,
                    DescribeUserScramCredentials => DescribeUserScramCredentialsResponse,
                    AlterUserScramCredentials => AlterUserScramCredentialsResponse,
                    DescribeCluster => DescribeClusterResponse,
                    DescribeProducers => DescribeProducersResponse,
                    DescribeTransactions => DescribeTransactionsResponse,
                    ListConfigResources => ListConfigResourcesResponse,
                    ListTransactions => ListTransactionsResponse,
                    ConsumerGroupHeartbeat => ConsumerGroupHeartbeatResponse,
                    ConsumerGroupDescribe => ConsumerGroupDescribeResponse,
                    DescribeTopicPartitions => DescribeTopicPartitionsResponse,
                );
            }
        }
    }
}
