//! Every limit of this crate.

use std::time::Duration;

/// How long a receive waits at the service for the first message, in seconds: the most
/// that it may.
pub const LONG_POLL_SECONDS: i32 = 20;

/// The same while messages are held: others of their groups are received once they are
/// deleted, and not by every server in a wait that began before.
pub const HOLDING_POLL_SECONDS: i32 = 1;

/// Messages of one request: the most that it may have.
pub const RECEIVED_MAX: i32 = 10;

/// Requests for more messages that are under way at a time.
pub const RECEIVES_AT_ONCE_MAX: usize = 4;

/// Once it took so long no more messages are asked for in one go: those that came wait.
pub const RECEIVING_TIME_MAX: Duration = Duration::from_millis(500);

/// Once so many bytes were received, attributes counted, no more are asked for in one go.
pub const RECEIVED_BYTES_MAX: usize = 4 << 20;

/// The longest that messages may be hidden, in seconds: twelve hours, as SQS has it.
pub const HIDDEN_SECONDS_MAX: u32 = 12 * 60 * 60;

/// How long one attempt at deleting messages, or at hiding them, may take.
pub const SHORT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long such a request may take with its attempts: less than half of the time that
/// messages are hidden, which connectors set to 10 s at the least.
pub const SHORT_REQUEST_TIMEOUT: Duration = Duration::from_millis(4_500);

/// How long a release waits for a receive that is under way: what that brings is released
/// with the rest.
pub const LAST_RECEIVE_MAX: Duration = Duration::from_millis(1_500);

/// How long a release takes at the most for telling the service: with the wait above less
/// than a guest has for closing.
pub const RELEASE_TIME_MAX: Duration = Duration::from_secs(2);

/// How often the messages held are looked through for those to hide again.
pub const KEEPING_EVERY: Duration = Duration::from_millis(500);

/// The same after failures: it doubles with each up to this.
pub const KEEPING_EVERY_MAX: Duration = Duration::from_secs(8);
