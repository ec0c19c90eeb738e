//! Every bound of the crate, in one place. What an operator may change is a
//! [`crate::BrokerConfig`] property; what stands here protects the process
//! whatever the configuration says.

use std::time::Duration;

/// Bytes of a frame whose share of the request memory is had for a length claim
/// alone. More connections than `max.connections` allows by default fit into the
/// quarter of that memory that is set aside for claims.
pub(crate) const FRAME_CLAIM_BYTES_MAX: usize = 2 << 10;

/// Bytes of a frame with one batch as large as clients make it by default.
pub(crate) const FRAME_USUAL_BYTES: usize = (1 << 20) + (4 << 10);

/// Bytes read ahead on a connection while no frame is under way.
pub(crate) const READ_AHEAD_BYTES: usize = 4 << 10;

/// Bytes that are read of a frame at a time: a thread that copies megabytes for one
/// client keeps all others waiting.
pub(crate) const READ_BYTES_MAX: usize = 256 << 10;

/// Frame bytes of any request other than Produce. The largest that clients send name
/// tens of thousands of partitions, in a Fetch by 33 bytes each, in an OffsetCommit by
/// 18 and their metadata; what [`REQUEST_ELEMENTS_MAX`] allows is little more.
pub(crate) const CONTROL_FRAME_BYTES_MAX: usize = 8 << 20;

/// How long a half-sent frame may make no progress, and what a client may save up.
pub(crate) const FRAME_STALL: Duration = Duration::from_secs(30);

/// How fast a frame must come beyond that, and a response be taken while others wait for
/// the memory that it holds.
pub(crate) const FRAME_BYTES_PER_SECOND_MIN: u64 = 32 << 10;

/// How fast a frame comes that nobody who waits for its memory may end.
pub(crate) const FRAME_BYTES_PER_SECOND_MIN_SCARCE: u64 = 1 << 20;

/// The time over which it is judged how fast a frame comes, or a response goes, of late.
pub(crate) const PACE_WINDOW: Duration = Duration::from_secs(2);

/// How often that is looked at while nothing comes or goes.
pub(crate) const PACE_CHECK: Duration = Duration::from_millis(500);

/// How long those who wait for memory wait between one client that they cut off and
/// the next: what the first gives back may be enough.
pub(crate) const CUT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that are refused for their address's rate and held for a while, so that
/// their client does not come back at once.
pub(crate) const REFUSED_CONNECTIONS_HELD_MAX: usize = 100;

/// How long a TLS handshake may take as a whole.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How long a client may take to authenticate by SASL.
pub(crate) const AUTHENTICATION_MAX: Duration = Duration::from_secs(30);

/// Bytes of a principal's name.
pub(crate) const PRINCIPAL_BYTES_MAX: usize = 1024;

/// Bytes of a SCRAM credential's salt and of its salted password.
pub(crate) const SCRAM_FIELD_BYTES_MAX: usize = 1024;

/// Entries of the access control lists together.
pub(crate) const ACLS_MAX: usize = 100_000;

/// How long a response may make no progress into a client's socket.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(60);

/// How long a connection may wait for a share of the request memory.
pub(crate) const REQUEST_MEMORY_WAIT: Duration = Duration::from_secs(30);

/// Elements of all arrays of one request together, tags included.
pub(crate) const REQUEST_ELEMENTS_MAX: usize = 200_000;

/// Open files that connections must leave to the metadata and to start and stop.
const FILES_RESERVED: u64 = 256;

/// Connections that may be open at once: what is configured, and at most half of
/// the files that the process may open beyond a reserve. The other half is the
/// logs', three files a segment.
pub(crate) fn connections_within(configured: usize, files_max: Option<u64>) -> usize {
    let Some(files_max) = files_max else { return configured };
    let share = files_max.saturating_sub(FILES_RESERVED) / 2;
    configured.min(usize::try_from(share).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
#[test]
fn connections_never_take_the_files_that_the_logs_need() {
    assert_eq!(connections_within(10_000, Some(1024)), 384);
    assert_eq!(connections_within(100, Some(1024)), 100);
    assert_eq!(connections_within(10_000, Some(1 << 20)), 10_000);
    assert_eq!(connections_within(10_000, Some(10)), 1);
    assert_eq!(connections_within(10_000, None), 10_000);
}

/// Bytes of any answer but a Fetch's. Clients take no more: librdkafka's
/// `receive.message.max.bytes` is 100,000,000.
pub(crate) const ANSWER_BYTES_MAX: usize = 100_000_000;

/// Bytes of an answer that lists configurations, five times that while it is built: those
/// of some twenty thousand topics.
pub(crate) const CONFIGS_ANSWER_BYTES_MAX: usize = 32 << 20;

/// Requests of one connection that may be started and not yet answered.
pub(crate) const PIPELINE_DEPTH_MAX: usize = 32;

/// Bytes that the answers of one connection keep behind another, of which no budget knows.
/// Whoever keeps more is the only one.
pub(crate) const PIPELINE_BYTES_MAX: usize = 256 << 10;

/// Records of one refused batch that are named, each with a few bytes of the
/// answer. A compressed batch may claim many more than a client means to send.
pub(crate) const RECORD_ERRORS_MAX: usize = 10_000;

/// The grain in which memory budgets are counted.
pub(crate) const MEMORY_GRAIN_BYTES: usize = 1 << 10;

/// The smallest share that a fetch takes while there is fetch memory: one batch
/// as large as `max.message.bytes` allows by default, since one always comes.
pub(crate) const FETCH_GRANT_BYTES_MIN: usize = (1 << 20) + (4 << 10);

/// The most that a fetch answers with while all of the fetch memory is held.
pub(crate) const FETCH_SMALL_BYTES: usize = 64 << 10;

/// Fetches of more than [`FETCH_SMALL_BYTES`] that read from logs at a time, at least.
pub(crate) const LARGE_READS_MIN: usize = 4;

/// Requests that open batches at a time, of each kind: look-ups by timestamp, which hold a
/// codec's window each (up to 128 MiB, where zstd was asked for its highest levels), and
/// appends that check keys or recompress, which hold up to three times what a batch may
/// become.
pub(crate) const TURNS_MIN: usize = 2;
/// See [`TURNS_MIN`].
pub(crate) const TURNS_MAX: usize = 4;

/// The longest that a fetch waits for data, whatever the client asks.
pub(crate) const FETCH_WAIT_MAX: Duration = Duration::from_secs(300);

/// Bytes of a topic's name (Kafka's own bound; a folder name must hold it).
pub(crate) const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Partitions of one topic, and by which one request may grow it.
pub(crate) const TOPIC_PARTITIONS_MAX: i32 = 10_000;

/// Partitions in one answer to DescribeTopicPartitions (Kafka's
/// `max.request.partition.size.limit`).
pub(crate) const DESCRIBED_PARTITIONS_MAX: usize = 2000;

/// Shares of quotas that are kept before idle ones are looked for, and the
/// most that there are; clients that come beyond have one in common.
pub(crate) const QUOTA_SHARES_KEPT: usize = 1_000;
pub(crate) const QUOTA_SHARES_MAX: usize = 20_000;

/// How often idle shares are looked for at most.
pub(crate) const QUOTA_SWEEP_MS: u64 = 1_000;

/// Topics that one Metadata request may auto-create.
pub(crate) const AUTO_CREATE_PER_REQUEST_MAX: usize = 64;

/// Bytes of a group id and of a member or instance id.
pub(crate) const GROUP_ID_BYTES_MAX: usize = 1024;

/// Bytes of a transactional id.
pub(crate) const TRANSACTIONAL_ID_BYTES_MAX: usize = 1024;

/// The first and the longest pause before a transaction's marker is tried again.
pub(crate) const MARKER_RETRY_MIN: Duration = Duration::from_millis(100);
/// See [`MARKER_RETRY_MIN`].
pub(crate) const MARKER_RETRY_MAX: Duration = Duration::from_secs(10);

/// Producer ids handed to a broker at a time (Kafka's own block size).
pub(crate) const PRODUCER_ID_BLOCK: i64 = 1000;

/// Bytes of one frame in the metadata journal.
pub(crate) const JOURNAL_FRAME_BYTES_MAX: usize = 64 << 20;

/// The journal is folded into a snapshot when it is larger than this and
/// larger than the last snapshot.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 4 << 20;

/// How long shutdown waits for connections to finish what they had begun.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
