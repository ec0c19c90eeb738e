//! Every limit of this crate.

use std::time::Duration;

/// How long one statement may take, locks and all. Less than half of what a plugin's call
/// has: one that waits costs a retry, and not the instance.
pub const STATEMENT_TIME_MAX: Duration = Duration::from_secs(12);

/// After how many seconds a server gives a statement up, or its wait for a lock. Less than
/// we wait: a server that waits itself does not see that nobody does any more.
pub const SERVER_TIME_MAX_S: u64 = 10;

/// How long opening a connection may take.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Connections that one opened database keeps: a plugin has one call at a time, and
/// at the most one transaction beside it.
pub const CONNECTIONS_MAX: u32 = 2;

/// Rows that one query answers.
pub const QUERY_ROWS_MAX: usize = 10_000;

/// Rows of one statement where they stand one behind the other.
pub const ROWS_OF_A_STATEMENT_MAX: usize = 1_000;

/// Bytes of one such statement's rows, about; MariaDB takes 16 MiB in a packet.
pub const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Parameters of one statement: MySQL has 65,535, SQLite 32,766.
pub const PARAMETERS_MAX: usize = 32_000;
