//! What is served: the one table from which ApiVersions answers and by which
//! requests are let in.

use kafka_protocol::messages::ApiKey;

/// An API and the versions that are advertised for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

const fn served(key: ApiKey, min: i16, max: i16) -> Served {
    Served { key, min, max }
}

/// Every API that is served.
///
/// Produce is advertised from 0 because older librdkafka reads a minimum of 3
/// as "no compression" and drops it without a word; versions 0 to 2 are
/// refused when they come, as Kafka 4 does.
pub(crate) const SERVED: &[Served] = &[
    served(ApiKey::Produce, 0, 12),
    served(ApiKey::Fetch, 4, 12),
    served(ApiKey::ListOffsets, 1, 8),
    served(ApiKey::Metadata, 0, 12),
    served(ApiKey::OffsetCommit, 2, 9),
    served(ApiKey::OffsetFetch, 1, 9),
    served(ApiKey::FindCoordinator, 0, 5),
    served(ApiKey::JoinGroup, 0, 9),
    served(ApiKey::Heartbeat, 0, 4),
    served(ApiKey::LeaveGroup, 0, 5),
    served(ApiKey::SyncGroup, 0, 5),
    served(ApiKey::DescribeGroups, 0, 5),
    served(ApiKey::ListGroups, 0, 5),
    served(ApiKey::SaslHandshake, 0, 1),
    served(ApiKey::ApiVersions, 0, 4),
    served(ApiKey::CreateTopics, 2, 7),
    served(ApiKey::DeleteTopics, 1, 6),
    served(ApiKey::DeleteRecords, 0, 2),
    served(ApiKey::InitProducerId, 0, 5),
    served(ApiKey::OffsetForLeaderEpoch, 2, 4),
    served(ApiKey::AddPartitionsToTxn, 0, 5),
    served(ApiKey::AddOffsetsToTxn, 0, 4),
    served(ApiKey::EndTxn, 0, 5),
    served(ApiKey::WriteTxnMarkers, 1, 1),
    served(ApiKey::TxnOffsetCommit, 0, 5),
    served(ApiKey::DescribeConfigs, 1, 4),
    served(ApiKey::AlterConfigs, 0, 2),
    served(ApiKey::DescribeLogDirs, 1, 4),
    served(ApiKey::DescribeAcls, 1, 3),
    served(ApiKey::CreateAcls, 1, 3),
    served(ApiKey::DeleteAcls, 1, 3),
    served(ApiKey::SaslAuthenticate, 0, 2),
    served(ApiKey::CreatePartitions, 0, 3),
    served(ApiKey::DeleteGroups, 0, 2),
    served(ApiKey::ElectLeaders, 0, 2),
    served(ApiKey::IncrementalAlterConfigs, 0, 1),
    served(ApiKey::DescribeUserScramCredentials, 0, 0),
    served(ApiKey::AlterUserScramCredentials, 0, 0),
    served(ApiKey::AlterPartitionReassignments, 0, 0),
    served(ApiKey::ListPartitionReassignments, 0, 0),
    served(ApiKey::OffsetDelete, 0, 0),
    served(ApiKey::DescribeClientQuotas, 0, 1),
    served(ApiKey::AlterClientQuotas, 0, 1),
    served(ApiKey::DescribeQuorum, 0, 2),
    served(ApiKey::DescribeCluster, 0, 1),
    served(ApiKey::DescribeProducers, 0, 0),
    served(ApiKey::DescribeTopicPartitions, 0, 0),
    served(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    served(ApiKey::ConsumerGroupDescribe, 0, 1),
    served(ApiKey::DescribeTransactions, 0, 0),
    served(ApiKey::ListTransactions, 0, 1),
    served(ApiKey::ListConfigResources, 0, 1),
];

/// A feature that clients are told of, and its highest level, which is in force.
pub(crate) const FEATURES: &[(&str, i16)] = &[
    // The consumer protocol of groups (KIP-848).
    ("group.version", 1),
    // Every end of a transaction bumps the producer's epoch (KIP-890).
    ("transaction.version", 2),
];

/// The first version of Produce that can be decoded: older ones carry message
/// sets of a format that is not stored.
pub(crate) const PRODUCE_DECODABLE_FROM: i16 = 3;

/// Whether a request of this key and version is let in.
pub(crate) fn is_served(key: ApiKey, version: i16) -> bool {
    let min = |served: &Served| match served.key {
        ApiKey::Produce => PRODUCE_DECODABLE_FROM,
        _ => served.min,
    };
    SERVED.iter().any(|served| {
        served.key as i16 == key as i16 && (min(served)..=served.max).contains(&version)
    })
}
