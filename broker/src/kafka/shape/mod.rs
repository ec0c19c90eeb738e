//! Requests are checked against their shape before they are decoded.
//!
//! The decoder reserves memory for as many elements as an array claims, so an
//! array that claims two thousand million elements would end the process. The
//! walk here follows a request without building anything: every array's
//! elements and every string's bytes must really be there, and the number of
//! elements is bounded, so what decoding allocates is bounded too.
//!
//! ```text
//! table.rs  the fields of every request that is served
//! walk.rs   bytes followed along those fields
//! ```

mod table;
mod walk;

use kafka_protocol::messages::ApiKey;

use self::{table::SHAPES, walk::Walk};
use crate::limits;

/// Why a request cannot be what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShapeError {
    /// The bytes end inside a field.
    #[error("the request ends inside a field")]
    Short,
    /// A length or count below -1, or a number of more than 32 bits.
    #[error("a length in the request is no length")]
    Length,
    /// A string that is no UTF-8.
    #[error("a string in the request is no UTF-8")]
    Text,
    /// More elements than a request may have.
    #[error("the request has more than {} elements", limits::REQUEST_ELEMENTS_MAX)]
    Elements,
}

enum Field {
    /// A number of so many bytes.
    Fixed(usize),
    /// A string or null.
    Text,
    /// Bytes or null.
    Blob,
    /// An array of single fields, or null.
    Plain(&'static Field),
    /// An array of structures, or null.
    Structs(&'static [At]),
    /// One structure behind a byte that is -1 for null.
    Nullable(&'static [At]),
}

/// A field and the versions that have it.
struct At(i16, i16, Field);

/// A request's fields, and the first version with compact lengths and tags.
struct Shape {
    key: ApiKey,
    flexible_from: i16,
    fields: &'static [At],
}

/// Follows `body` as a request of this key and version; bytes left over are
/// allowed, as they are in Kafka.
pub(crate) fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<(), ShapeError> {
    let found = SHAPES.iter().find(|shape| shape.key as i16 == key as i16);
    let shape = found.expect("every API of the table of versions has a shape");
    let flexible = version >= shape.flexible_from;
    Walk::new(body, version, flexible).structure(shape.fields)
}
