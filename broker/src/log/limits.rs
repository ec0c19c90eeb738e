//! Every bound of the log that is not a topic config, in one place.

/// Bytes from the start of a batch to the end of its length field; the length
/// counts what follows.
pub const BATCH_PREFIX_BYTES: usize = 12;

/// Bytes of a batch header, and so the size of an empty batch.
pub const BATCH_HEADER_BYTES: usize = 61;

/// Batches remembered for each producer id to recognise a repeated one.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Verifications of one partition that are remembered at a time. A producer has one,
/// for as long as the coordinator is asked.
pub const VERIFICATIONS_MAX: usize = 10_000;

/// A batch that must be opened (time look-up, key check, compaction) may not
/// become larger than this: a few hundred bytes of zstd can ask for gigabytes.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Times `max.message.bytes` that the records of a batch which is opened at append may
/// have when decompressed. A producer is told MESSAGE_TOO_LARGE and splits the batch.
pub const APPEND_DECOMPRESSED_RATIO_MAX: usize = 64;

/// What they may have whatever `max.message.bytes` is.
pub const APPEND_DECOMPRESSED_BYTES_MIN: usize = 16 * 1024 * 1024;

/// Bytes read at once when a segment is scanned from front to back.
pub const SCAN_CHUNK_BYTES: usize = 1024 * 1024;

/// Index entries of the active segment that wait in memory for one write.
pub const INDEX_PENDING_ENTRIES_MAX: usize = 128;

/// Index entries read at once when a binary search has come close.
pub const INDEX_PAGE_ENTRIES: u32 = 256;

/// An active segment of a compacted topic is rolled by the cleaner once it has
/// this many bytes (or `segment.bytes`) and is dirty enough to be worth it.
pub const CLEANER_ROLL_BYTES: u64 = 1024 * 1024;

/// Default memory of the cleaner's offset map.
pub const CLEANER_MAP_BYTES: usize = 16 * 1024 * 1024;

/// Text checkpoints larger than this are not read.
pub const CHECKPOINT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Producer snapshots larger than this are not read (about 21 million producers).
pub const SNAPSHOT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
