//! Every limit of this crate.

use std::time::Duration;

/// How long a connection to the server may take to come about, unless set.
pub const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// How long a request may take with all that belongs to it, unless set.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;

/// The most that either may be set to: with [`BEGIN_WITHIN`] less than a guest's call.
pub const TIMEOUT_MS_MAX: u64 = 15_000;

/// The requests of one call are begun within this time; those that were not are to be
/// sent again.
pub const BEGIN_WITHIN: Duration = Duration::from_secs(5);

/// Lanes of one call that are worked on at a time.
pub const LANES_AT_ONCE_MAX: usize = 16;

/// How long an idle connection is kept: many servers close theirs after 5 s, and a
/// request on one that is being closed is lost.
pub const IDLE_MAX: Duration = Duration::from_secs(4);

/// The longest path of a request, in bytes.
pub const PATH_BYTES_MAX: usize = 8 << 10;

/// What is read of an answer that nobody keeps, in bytes, so that its connection can be
/// used again.
pub const DRAINED_BYTES_MAX: usize = 64 << 10;

/// What is read of a refusal, in bytes.
pub const REFUSAL_BYTES_MAX: usize = 4 << 10;

/// What is told of the server's own words, in characters.
pub const WORDS_MAX: usize = 300;

/// The longest answer of a server of tokens, in bytes.
pub const TOKEN_BYTES_MAX: usize = 64 << 10;

/// A token is renewed so long before its end, or when a fifth of its life is left, if that
/// is less.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// The longest pause that a server's `Retry-After` is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// The shortest credential that is looked for in answers, in bytes.
pub const HIDDEN_BYTES_MIN: usize = 8;

/// Tokens that are still looked for after they were renewed.
pub const PAST_TOKENS_MAX: usize = 4;

/// How long the rest of an answer is read that nobody needs.
pub const DRAINING_TIME_MAX: Duration = Duration::from_secs(1);

/// Headers of a request, and of an answer that a plugin is told.
pub const HEADERS_MAX: usize = 100;
