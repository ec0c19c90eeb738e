//! Every limit of the host. `plugins/wit/README.md` tells them to plugin authors.

use std::time::Duration;

/// Between two ticks of the engine's clock: how long a guest runs before it
/// lets other tasks run.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

/// The longest last words, log line or metric name kept of a guest, in bytes.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Standard error kept of a guest, in bytes: the last of what it wrote.
pub const STDERR_BYTES_MAX: usize = 16 << 10;

/// Lines that one instance may log in a second; the rest is counted.
pub const LOG_LINES_PER_SECOND_MAX: u32 = 100;

/// Metrics that one instance may name.
pub const METRICS_MAX: usize = 200;

/// Handles that one instance may hold, of all kinds together.
pub const HANDLES_MAX: usize = 10_000;

/// Elements of all tables of one instance.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Rows are decoded from pieces of at least this size, in bytes.
pub const SCAN_BYTES_MIN: u32 = 64 << 10;

/// Schemas that one instance may know, those that it defines and those of its input.
pub const SCHEMAS_MAX: usize = 10_000;

/// Their text in all, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 16 << 20;

/// What the writers of one instance may hold before an upload takes it, in
/// bytes.
pub const FORMAT_BYTES_MAX: usize = 128 << 20;

/// What the scans of one instance may hold of rows that they have begun, in
/// bytes: one row of the longest kind, and as much again.
pub const SCANS_BYTES_MAX: usize = 256 << 20;

/// Files that the handles of one instance may keep open: blobs, scans and
/// uploads.
pub const FILES_MAX: usize = 500;

/// What an instance may hold of batches by their handles, in bytes, when
/// another is handed to it. A sink is asked to let go long before.
pub const HELD_BYTES_MAX: usize = 128 << 20;

/// Objects that one call may name, and that one listing gives.
pub const OBJECTS_OF_A_CALL_MAX: u32 = 10_000;

/// Objects of one call that are worked on at a time.
pub const OBJECTS_AT_ONCE_MAX: usize = 16;

/// Requests of one call to an HTTP server.
pub const HTTP_REQUESTS_OF_A_CALL_MAX: usize = 1000;

/// What one such call may keep of the answers' bodies, in bytes.
pub const HTTP_KEPT_BYTES_MAX: usize = 32 << 20;

/// Operations of one call to a search engine.
#[cfg(feature = "search")]
pub const SEARCH_OPERATIONS_OF_A_CALL_MAX: usize = 10_000;

/// Messages that one call sends to a queue, or has from it.
#[cfg(feature = "sqs")]
pub const MESSAGES_OF_A_CALL_MAX: usize = 1000;

/// How long one call may wait for messages.
#[cfg(feature = "sqs")]
pub const MESSAGE_WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// What the host keeps for an entry of a state beside its key and value, about.
pub const STATE_ENTRY_BYTES: usize = 100;

/// The largest component file, in bytes.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// The limits that a worker may set otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of one call; a poll's own wait comes on top.
    pub call: Duration,
    /// Wall-clock time of `describe`'s functions, of instantiation and of
    /// `close`.
    pub describe: Duration,
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// What a guest may hand over in one call of an import or as the answer of
    /// one call, in bytes.
    pub transfer_bytes: usize,
    /// One processor instance's state, in bytes: keys, values, and
    /// [`STATE_ENTRY_BYTES`] for each.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            describe: Duration::from_secs(5),
            memory_bytes: 256 << 20,
            transfer_bytes: 64 << 20,
            state_bytes: 512 << 20,
        }
    }
}
