//! Every limit of this crate.

use std::time::Duration;

/// The longest path of an object, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;

/// The longest name between two slashes, in bytes, as Linux has it.
pub const NAME_BYTES_MAX: usize = 255;

/// The longest glob, in bytes.
pub const GLOB_BYTES_MAX: usize = 4096;

/// What one read answers at most, in bytes.
pub const READ_BYTES_MAX: u32 = 16 << 20;

/// What one page of a listing holds at most, in objects.
pub const LIST_MAX: u32 = 10_000;

/// Names of one folder that a listing keeps in memory at a time; a larger
/// folder is read again for the names that follow.
pub const FOLDER_NAMES_MAX: usize = 20_000;

/// How long the place where a page of a listing ended is kept for the next.
/// Beyond that the next page looks at the folders anew.
pub const LISTING_AGE_MAX: Duration = Duration::from_secs(10);

/// Folders that a bucket remembers to have cleaned of aborted uploads.
pub const CLEANED_FOLDERS_MAX: usize = 4096;

/// Folders of S3 that this process looks through for aborted uploads at a time.
pub const CLEANED_AT_ONCE_MAX: usize = 4;

/// Attempts at an operation that lost a race against another process.
pub const RACE_ATTEMPTS_MAX: u32 = 64;

/// The longest key of S3, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// What one request for a listing of S3 answers, in objects: the most that it may.
pub const S3_PAGE: i32 = 1000;

/// The parts of one upload to S3.
pub const PARTS_MAX: i32 = 10_000;

/// What the parts of all uploads to S3 of this process have in memory at a time,
/// in MiB; all else of them waits on disk.
pub const PARTS_MIB_MAX: u32 = 64;

/// How long an upload to S3 may go on before it counts as left over by a worker that
/// was killed.
pub const LEFTOVER_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a connection to a server of S3 may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt at a request to S3 may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);

/// How long a request to S3 may take with its attempts: less than a guest's call.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

/// Attempts at a request to S3 before its fault is told.
pub const ATTEMPTS_MAX: u32 = 3;

/// The least size of part `number` (from 1) in bytes: 8 MiB, and as much more
/// after every thousand parts, so that an object may have 430 GiB.
pub const fn part_bytes_min(number: i32) -> u64 {
    (8 << 20) * (1 + (number as u64 - 1) / 1000)
}
