//! Requests are checked against their shape before they are decoded.
//!
//! The decoder reserves memory for as many elements as an array claims, so an
//! array that claims two thousand million elements would end the process. The
//! walk here follows a request without building anything: every array's
//! elements and every string's bytes must really be there, and the number of
//! elements is bounded, so what decoding allocates is bounded too.

use kafka_protocol::messages::ApiKey;

use crate::limits;

/// Why a request cannot be what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeError {
    /// The bytes end inside a field.
    #[error("the request ends inside a field")]
    Short,
    /// A length or count below -1, or a number of more than 32 bits.
    #[error("a length in the request is no length")]
    Length,
    /// A string that is no UTF-8.
    #[error("a string in the request is no UTF-8")]
    Text,
    /// More elements than a request may have.
    #[error("the request has more than {} elements", limits::REQUEST_ELEMENTS_MAX)]
    Elements,
}

enum Field {
    /// A number of so many bytes.
    Fixed(usize),
    /// A string or null.
    Text,
    /// Bytes or null.
    Blob,
    /// An array of single fields, or null.
    Plain(&'static Field),
    /// An array of structures, or null.
    Structs(&'static [At]),
    /// One structure behind a byte that is -1 for null.
    Nullable(&'static [At]),
}

/// A field and the versions that have it.
struct At(i16, i16, Field);

/// A request's fields, and the first version with compact lengths and tags.
struct Shape {
    key: ApiKey,
    flexible_from: i16,
    fields: &'static [At],
}

const LAST: i16 = i16::MAX;
/// For requests none of whose versions has compact lengths.
const NEVER_FLEXIBLE: i16 = i16::MAX;
const INT8: Field = Field::Fixed(1);
const INT16: Field = Field::Fixed(2);
const INT32: Field = Field::Fixed(4);
const INT64: Field = Field::Fixed(8);
const FLOAT64: Field = Field::Fixed(8);
const UUID: Field = Field::Fixed(16);
use Field::{Blob, Nullable, Plain, Structs, Text};

const fn all(field: Field) -> At {
    At(0, LAST, field)
}
const fn from(version: i16, field: Field) -> At {
    At(version, LAST, field)
}
const fn until(version: i16, field: Field) -> At {
    At(0, version, field)
}

const INT32_PARTITIONS: &[At] = &[all(Text), all(Plain(&INT32))];

const fn request(key: ApiKey, flexible_from: i16, fields: &'static [At]) -> Shape {
    Shape { key, flexible_from, fields }
}

/// The shapes of all requests that are served.
const SHAPES: &[Shape] = &[
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
    request(
        ApiKey::DescribeAcls,
        2,
        &[all(INT8), all(Text), all(INT8), all(Text), all(Text), all(INT8), all(INT8)],
    ),
    request(
        ApiKey::CreateAcls,
        2,
        &[all(Structs(&[
            all(INT8),
            all(Text),
            all(INT8),
            all(Text),
            all(Text),
            all(INT8),
            all(INT8),
        ]))],
    ),
    request(
        ApiKey::DeleteAcls,
        2,
        &[all(Structs(&[
            all(INT8),
            all(Text),
            all(INT8),
            all(Text),
            all(Text),
            all(INT8),
            all(INT8),
        ]))],
    ),
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

/// Follows `body` as a request of this key and version; bytes left over are
/// allowed, as they are in Kafka.
pub(crate) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<(), ShapeError> {
    let found = SHAPES.iter().find(|shape| shape.key as i16 == key as i16);
    let shape = found.expect("every API of the table of versions has a shape");
    let flexible = version >= shape.flexible_from;
    let mut walk = Walk { rest: body, version, flexible, elements: 0 };
    walk.structure(shape.fields)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[At]) -> Result<(), ShapeError> {
        for At(min, max, field) in fields {
            if (*min..=*max).contains(&self.version) {
                self.field(field)?;
            }
        }
        if self.flexible { self.tags() } else { Ok(()) }
    }

    fn field(&mut self, field: &Field) -> Result<(), ShapeError> {
        match field {
            Field::Fixed(bytes) => self.skip(*bytes),
            Field::Text => {
                let length = self.length(2)?;
                self.skip(length)
            }
            Field::Blob => {
                let length = self.length(4)?;
                self.skip(length)
            }
            Field::Plain(element) => {
                for _ in 0..self.count()? {
                    self.field(element)?;
                }
                Ok(())
            }
            Field::Structs(fields) => {
                for _ in 0..self.count()? {
                    self.structure(fields)?;
                }
                Ok(())
            }
            Field::Nullable(fields) => match self.rest.split_first() {
                Some((&presence, rest)) => {
                    self.rest = rest;
                    if presence.cast_signed() < 0 { Ok(()) } else { self.structure(fields) }
                }
                None => Err(ShapeError::Short),
            },
        }
    }

    fn tags(&mut self) -> Result<(), ShapeError> {
        let count = self.varint()? as usize;
        self.add_elements(count)?;
        for _ in 0..count {
            self.varint()?;
            let bytes = self.varint()? as usize;
            self.skip(bytes)?;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<usize, ShapeError> {
        let count = self.length(4)?;
        self.add_elements(count)?;
        Ok(count)
    }

    fn add_elements(&mut self, count: usize) -> Result<(), ShapeError> {
        // No element takes less than a byte.
        if count > self.rest.len() {
            return Err(ShapeError::Short);
        }
        self.elements += count;
        if self.elements > limits::REQUEST_ELEMENTS_MAX {
            return Err(ShapeError::Elements);
        }
        Ok(())
    }

    /// A length of `bytes` bytes, or a varint one greater; null counts as 0.
    fn length(&mut self, bytes: usize) -> Result<usize, ShapeError> {
        if self.flexible {
            return Ok(self.varint()?.saturating_sub(1) as usize);
        }
        let (head, rest) = self.rest.split_at_checked(bytes).ok_or(ShapeError::Short)?;
        self.rest = rest;
        let length = match *head {
            [a, b] => i64::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(ShapeError::Length),
        };
        match length {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| ShapeError::Length),
        }
    }

    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, rest) = self.rest.split_first().ok_or(ShapeError::Short)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| ShapeError::Length);
            }
        }
        Err(ShapeError::Length)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), ShapeError> {
        self.rest = self.rest.get(bytes..).ok_or(ShapeError::Short)?;
        Ok(())
    }
}
