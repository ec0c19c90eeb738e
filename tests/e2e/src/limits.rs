//! The deadlines of the tests. They are generous, since two cores run
//! everything: a test that meets its condition never waits for them.

use std::time::Duration;

/// From starting a node to its ready line.
pub const READY: Duration = Duration::from_secs(60);

/// From asking a process to stop to its exit.
pub const STOP: Duration = Duration::from_secs(30);

/// A client's whole work, or one event of a client's.
pub const CLIENT: Duration = Duration::from_secs(120);

/// A word count of some mebibytes, or a connector's way through some state.
pub const RUN: Duration = Duration::from_secs(180);

/// A word count of up to a gibibyte.
pub const LONG_RUN: Duration = Duration::from_secs(30 * 60);

/// One answer to one request.
pub const ANSWER: Duration = Duration::from_secs(30);

/// Between two looks at a condition that nothing announces.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The most that is printed of each stream of a process when a test fails.
pub const PRINTED_LINES_MAX: usize = 200;

/// The most memory that a word count may have resident, in bytes.
pub const RESIDENT_BYTES_MAX: u64 = 200_000_000;
