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

/// Attempts at an operation that lost a race against another process.
pub const RACE_ATTEMPTS_MAX: u32 = 64;
