//! Records of the internal topics, as they are read at start.

use super::files;
use crate::{group, txn};

/// The parts of the input are keys and values in turn. What can be read is
/// written again and read again, and is the same then.
///
/// # Panics
/// When it is not.
pub fn records(bytes: &[u8]) {
    let mut parts = files::parts(bytes).map(|(_, part)| part);
    while let Some(key) = parts.next() {
        let value = parts.next().unwrap_or_default();
        group::read_record(key, value);
        txn::read_record(key, value);
    }
}
