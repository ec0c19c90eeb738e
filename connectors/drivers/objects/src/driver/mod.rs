//! The kinds of stores: `local`, files under a folder, and `s3`.

pub(crate) mod glob;
pub(crate) mod local;
pub(crate) mod path;
#[cfg(feature = "s3")]
pub(crate) mod s3;
