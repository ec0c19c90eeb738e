//! Every limit of this crate.

use std::time::Duration;

/// How long a bulk request may take with its connection and its answer, unless set.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// The most that it may be set to: with [`BEGIN_WITHIN`] less than a guest's call.
pub const TIMEOUT_MS_MAX: u64 = 15_000;

/// The requests of one call are begun within this time; operations that were in none of
/// them are to be sent again.
pub const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes, where the server says how long it is.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What is told of the server's own words, in characters.
pub const WORDS_MAX: usize = 300;

/// The longest pause that a server's `Retry-After` is believed, in seconds.
pub const RETRY_AFTER_MAX_S: u64 = 60 * 60;

/// The shortest credential that is looked for in words, in bytes.
pub const HIDDEN_BYTES_MIN: usize = 8;

/// How often the server tries a merge again that met another write of its document.
pub const CONFLICTS_MAX: i32 = 3;
