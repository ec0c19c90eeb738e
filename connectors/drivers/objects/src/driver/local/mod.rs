//! Files under a folder.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`root`] | the folder; how it is entered and never left; reading and deleting |
//! | [`listing`] | files in byte order, page by page |
//! | [`upload`] | temporary files that become objects whole |
//!
//! The kernel keeps paths inside: every file is opened with `openat2` and
//! `RESOLVE_BENEATH` from the root's descriptor, and where a folder's own
//! descriptor is at hand one name at a time, without following links.

mod listing;
mod root;
mod upload;

pub(crate) use listing::Listing;
pub(crate) use root::{File, Root};
pub(crate) use upload::Temporary;

#[cfg(test)]
mod tests;
