//! File formats offered to plugins: `lines` and `json-lines`.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`writer`] | records to bytes: [`Writer`] |
//! | [`rows`] | bytes to records: [`Decoder`] |
//! | [`scan`] | an object's rows, read and decoded piece by piece: [`Scan`] |
//! | [`options`] | a format's options, checked |
//!
//! Native code, once, for every plugin: payloads are encoded and decoded in the
//! host and never enter a guest that only routes them.

pub mod options;
pub mod rows;
pub mod scan;
pub mod writer;

pub use options::{Format, FormatError};
pub use rows::{DecodeError, Decoded, Decoder};
pub use scan::{Scan, ScanError};
pub use writer::{Reject, Writer};
