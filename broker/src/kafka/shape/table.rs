//! The fields of every request that is served, by version.

use kafka_protocol::messages::ApiKey;

use super::{
    At,
    Field::{self, Blob, Nullable, Plain, Structs, Text},
    Shape,
};

const LAST: i16 = i16::MAX;
/// For requests none of whose versions has compact lengths.
const NEVER_FLEXIBLE: i16 = i16::MAX;
const INT8: Field = Field::Fixed(1);
const INT16: Field = Field::Fixed(2);
const INT32: Field = Field::Fixed(4);
const INT64: Field = Field::Fixed(8);
const FLOAT64: Field = Field::Fixed(8);
const UUID: Field = Field::Fixed(16);

const fn all(field: Field) -> At {
    At(0, LAST, field)
}
const fn from(version: i16, field: Field) -> At {
    At(version, LAST, field)
}
const fn until(version: i16, field: Field) -> At {
    At(0, version, field)
}

/// A topic and the numbers of its partitions.
const INT32_PARTITIONS: &[At] = &[all(Text), all(Plain(&INT32))];

/// An ACL, or a filter of them: resource type, name and pattern, principal, host,
/// operation, permission.
const ACL: &[At] = &[all(INT8), all(Text), all(INT8), all(Text), all(Text), all(INT8), all(INT8)];

const fn request(key: ApiKey, flexible_from: i16, fields: &'static [At]) -> Shape {
    Shape { key, flexible_from, fields }
}

/// The shapes of all requests that are served.
pub(super) const SHAPES: &[Shape] = &[
    request(
        ApiKey::Produce,
        9,
        &[
            all(Text),
            all(INT16),
            all(INT32),
            all(Structs(&[all(Text), all(Structs(&[all(INT32), all(Blob)]))])),
        ],
    ),
    request(
        ApiKey::Fetch,
        12,
        &[
            all(INT32),
            all(INT32),
            all(INT32),
            all(INT32),
            all(INT8),
            from(7, INT32),
            from(7, INT32),
            all(Structs(&[
                all(Text),
                all(Structs(&[
                    all(INT32),
                    from(9, INT32),
                    all(INT64),
                    from(12, INT32),
                    from(5, INT64),
                    all(INT32),
                ])),
            ])),
            from(7, Structs(INT32_PARTITIONS)),
            from(11, Text),
        ],
    ),
    request(
        ApiKey::ListOffsets,
        6,
        &[
            all(INT32),
            from(2, INT8),
            all(Structs(&[all(Text), all(Structs(&[all(INT32), from(4, INT32), all(INT64)]))])),
        ],
    ),
    request(
        ApiKey::Metadata,
        9,
        &[
            all(Structs(&[from(10, UUID), all(Text)])),
            from(4, INT8),
            At(8, 10, INT8),
            from(8, INT8),
        ],
    ),
    request(
        ApiKey::OffsetCommit,
        8,
        &[
            all(Text),
            all(INT32),
            all(Text),
            from(7, Text),
            until(4, INT64),
            all(Structs(&[
                all(Text),
                all(Structs(&[all(INT32), all(INT64), from(6, INT32), all(Text)])),
            ])),
        ],
    ),
    request(
        ApiKey::OffsetFetch,
        6,
        &[
            until(7, Text),
            until(7, Structs(INT32_PARTITIONS)),
            from(
                8,
                Structs(&[
                    all(Text),
                    from(9, Text),
                    from(9, INT32),
                    all(Structs(INT32_PARTITIONS)),
                ]),
            ),
            from(7, INT8),
        ],
    ),
    request(ApiKey::FindCoordinator, 3, &[until(3, Text), from(1, INT8), from(4, Plain(&Text))]),
    request(
        ApiKey::JoinGroup,
        6,
        &[
            all(Text),
            all(INT32),
            from(1, INT32),
            all(Text),
            from(5, Text),
            all(Text),
            all(Structs(&[all(Text), all(Blob)])),
            from(8, Text),
        ],
    ),
    request(ApiKey::Heartbeat, 4, &[all(Text), all(INT32), all(Text), from(3, Text)]),
    request(
        ApiKey::LeaveGroup,
        4,
        &[all(Text), until(2, Text), from(3, Structs(&[all(Text), all(Text), from(5, Text)]))],
    ),
    request(
        ApiKey::SyncGroup,
        4,
        &[
            all(Text),
            all(INT32),
            all(Text),
            from(3, Text),
            from(5, Text),
            from(5, Text),
            all(Structs(&[all(Text), all(Blob)])),
        ],
    ),
    request(ApiKey::DescribeAcls, 2, ACL),
    request(ApiKey::CreateAcls, 2, &[all(Structs(ACL))]),
    request(ApiKey::DeleteAcls, 2, &[all(Structs(ACL))]),
    request(ApiKey::SaslHandshake, LAST, &[all(Text)]),
    request(ApiKey::SaslAuthenticate, 2, &[all(Blob)]),
    request(ApiKey::DescribeUserScramCredentials, 0, &[all(Structs(&[all(Text)]))]),
    request(
        ApiKey::AlterUserScramCredentials,
        0,
        &[
            all(Structs(&[all(Text), all(INT8)])),
            all(Structs(&[all(Text), all(INT8), all(INT32), all(Blob), all(Blob)])),
        ],
    ),
    request(ApiKey::DescribeGroups, 5, &[all(Plain(&Text)), from(3, INT8)]),
    request(ApiKey::ListGroups, 3, &[from(4, Plain(&Text)), from(5, Plain(&Text))]),
    request(ApiKey::ApiVersions, 3, &[from(3, Text), from(3, Text)]),
    request(
        ApiKey::CreateTopics,
        5,
        &[
            all(Structs(&[
                all(Text),
                all(INT32),
                all(INT16),
                all(Structs(&[all(INT32), all(Plain(&INT32))])),
                all(Structs(&[all(Text), all(Text)])),
            ])),
            all(INT32),
            all(INT8),
        ],
    ),
    request(
        ApiKey::DeleteTopics,
        4,
        &[from(6, Structs(&[all(Text), all(UUID)])), until(5, Plain(&Text)), all(INT32)],
    ),
    request(
        ApiKey::DeleteRecords,
        2,
        &[all(Structs(&[all(Text), all(Structs(&[all(INT32), all(INT64)]))])), all(INT32)],
    ),
    request(ApiKey::InitProducerId, 2, &[all(Text), all(INT32), from(3, INT64), from(3, INT16)]),
    request(
        ApiKey::AddPartitionsToTxn,
        3,
        &[
            from(
                4,
                Structs(&[
                    all(Text),
                    all(INT64),
                    all(INT16),
                    all(INT8),
                    all(Structs(INT32_PARTITIONS)),
                ]),
            ),
            until(3, Text),
            until(3, INT64),
            until(3, INT16),
            until(3, Structs(INT32_PARTITIONS)),
        ],
    ),
    request(ApiKey::AddOffsetsToTxn, 3, &[all(Text), all(INT64), all(INT16), all(Text)]),
    request(ApiKey::EndTxn, 3, &[all(Text), all(INT64), all(INT16), all(INT8)]),
    request(
        ApiKey::WriteTxnMarkers,
        1,
        &[all(Structs(&[
            all(INT64),
            all(INT16),
            all(INT8),
            all(Structs(INT32_PARTITIONS)),
            all(INT32),
        ]))],
    ),
    request(
        ApiKey::TxnOffsetCommit,
        3,
        &[
            all(Text),
            all(Text),
            all(INT64),
            all(INT16),
            from(3, INT32),
            from(3, Text),
            from(3, Text),
            all(Structs(&[
                all(Text),
                all(Structs(&[all(INT32), all(INT64), from(2, INT32), all(Text)])),
            ])),
        ],
    ),
    request(ApiKey::DescribeTransactions, 0, &[all(Plain(&Text))]),
    request(ApiKey::ListConfigResources, 0, &[from(1, Plain(&INT8))]),
    request(ApiKey::ListTransactions, 0, &[all(Plain(&Text)), all(Plain(&INT64)), from(1, INT64)]),
    request(
        ApiKey::OffsetForLeaderEpoch,
        4,
        &[
            from(3, INT32),
            all(Structs(&[all(Text), all(Structs(&[all(INT32), all(INT32), all(INT32)]))])),
        ],
    ),
    request(
        ApiKey::DescribeConfigs,
        4,
        &[all(Structs(&[all(INT8), all(Text), all(Plain(&Text))])), all(INT8), from(3, INT8)],
    ),
    request(
        ApiKey::IncrementalAlterConfigs,
        1,
        &[
            all(Structs(&[all(INT8), all(Text), all(Structs(&[all(Text), all(INT8), all(Text)]))])),
            all(INT8),
        ],
    ),
    request(
        ApiKey::AlterConfigs,
        2,
        &[all(Structs(&[all(INT8), all(Text), all(Structs(&[all(Text), all(Text)]))])), all(INT8)],
    ),
    request(ApiKey::DescribeLogDirs, 2, &[all(Structs(INT32_PARTITIONS))]),
    request(
        ApiKey::CreatePartitions,
        2,
        &[
            all(Structs(&[all(Text), all(INT32), all(Structs(&[all(Plain(&INT32))]))])),
            all(INT32),
            all(INT8),
        ],
    ),
    request(
        ApiKey::ConsumerGroupHeartbeat,
        0,
        &[
            all(Text),
            all(Text),
            all(INT32),
            all(Text),
            all(Text),
            all(INT32),
            all(Plain(&Text)),
            from(1, Text),
            all(Text),
            all(Structs(&[all(UUID), all(Plain(&INT32))])),
        ],
    ),
    request(ApiKey::ConsumerGroupDescribe, 0, &[all(Plain(&Text)), all(INT8)]),
    request(ApiKey::DeleteGroups, 2, &[all(Plain(&Text))]),
    request(ApiKey::DescribeCluster, 0, &[all(INT8), from(1, INT8)]),
    request(ApiKey::DescribeProducers, 0, &[all(Structs(INT32_PARTITIONS))]),
    request(ApiKey::ElectLeaders, 2, &[from(1, INT8), all(Structs(INT32_PARTITIONS)), all(INT32)]),
    request(
        ApiKey::AlterPartitionReassignments,
        0,
        &[all(INT32), all(Structs(&[all(Text), all(Structs(&[all(INT32), all(Plain(&INT32))]))]))],
    ),
    request(ApiKey::ListPartitionReassignments, 0, &[all(INT32), all(Structs(INT32_PARTITIONS))]),
    request(
        ApiKey::OffsetDelete,
        NEVER_FLEXIBLE,
        &[all(Text), all(Structs(&[all(Text), all(Structs(&[all(INT32)]))]))],
    ),
    request(
        ApiKey::DescribeClientQuotas,
        1,
        &[all(Structs(&[all(Text), all(INT8), all(Text)])), all(INT8)],
    ),
    request(
        ApiKey::AlterClientQuotas,
        1,
        &[
            all(Structs(&[
                all(Structs(&[all(Text), all(Text)])),
                all(Structs(&[all(Text), all(FLOAT64), all(INT8)])),
            ])),
            all(INT8),
        ],
    ),
    request(ApiKey::DescribeQuorum, 0, &[all(Structs(&[all(Text), all(Structs(&[all(INT32)]))]))]),
    request(
        ApiKey::DescribeTopicPartitions,
        0,
        &[all(Structs(&[all(Text)])), all(INT32), all(Nullable(&[all(Text), all(INT32)]))],
    ),
];
