//! Buckets of S3.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`client`] | a connection's settings as a client, which asks the lease before each write |
//! | [`store`] | the bucket: keys and paths, small objects, what is left over |
//! | [`listing`] | objects in byte order, page by page |
//! | [`stored`] | one version of an object, read in ranges |
//! | [`upload`] | parts that go up behind the writer, and become an object whole |
//! | [`scratch`] | what of an upload is too small to go, on disk |
//! | [`fault`] | the client's errors as the driver's |
//!
//! What is put carries the name of its upload as metadata, so that a put whose
//! answer was lost knows its own object again when it is tried once more.

mod client;
mod fault;
mod listing;
mod scratch;
mod store;
mod stored;
mod upload;

pub(crate) use listing::Listing;
pub(crate) use store::Store;
pub(crate) use stored::Stored;
pub(crate) use upload::Upload;

#[cfg(test)]
mod tests;
