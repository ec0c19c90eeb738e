//! Every limit of these drivers.

use std::time::Duration;

/// Entries of one request, as SQS and SNS have it.
pub const BATCH_ENTRIES_MAX: usize = 10;

/// What the entries of one request have together in bytes, attributes included: 256 KiB,
/// as every server takes it.
pub const BATCH_BYTES_MAX: usize = 256 << 10;

/// Requests of one call that are under way at a time.
pub const REQUESTS_AT_ONCE_MAX: usize = 8;

/// The requests of one call are begun within this time; what was not sent then is to be
/// sent again.
pub const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt at a request may take, unless it waits for messages.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a request may take with its attempts: with [`BEGIN_WITHIN`] less than a guest's
/// call.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Attempts at a request before its fault is told.
pub const ATTEMPTS_MAX: u32 = 3;

/// What is shown of a service's words, in characters.
pub const WORDS_MAX: usize = 300;
